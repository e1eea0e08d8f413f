# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What a trial of KVM found."""

from __future__ import annotations

from dataclasses import dataclass

# The last thing that a kernel without a root filesystem says. QEMU's exit status tells nothing: it also ends
# by itself when the processor resets before the kernel has run.
_PROOF = "Kernel panic - not syncing"


@dataclass(frozen=True)
class KvmTrial:
    """Whether virtual machines can use KVM; ``seconds`` is how long the trial took, 0 when none was needed."""

    usable: bool
    reason: str
    seconds: float = 0.0


def judge_boot(kernel: str, console: str) -> tuple[bool, str]:
    """Return whether the console output of a kernel without a root filesystem shows that it ran, and why."""
    if _PROOF in console:
        return True, f"{kernel} boots under KVM"
    return False, f"{kernel} does not boot under KVM: the virtual machine ended before the kernel had run"
