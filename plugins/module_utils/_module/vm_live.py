# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Changes of a VM that runs. One that is read from the definition is made before that is replaced, one that is read from what runs after
it: so a run that is cut off between the two leaves a difference."""

from __future__ import annotations

from collections.abc import Collection

from .._domain.domain_xml import crash_action, render_card
from .._domain.fields import Spec, pick
from .._ports import VmEngine


def before_definition(engine: VmEngine, name: str, spec: Spec, options: Collection[str]) -> None:
    """Change memory and weight. A host that cannot hold a weight says so here, before it is defined and would keep the VM from starting."""
    if not {"memory", "cpu_shares"}.isdisjoint(options):
        changed = pick(spec, options)
        engine.adjust(name, memory=changed.get("memory", 0), cpu_shares=changed.get("cpu_shares", 0))


def after_definition(engine: VmEngine, name: str, spec: Spec, options: Collection[str]) -> None:
    """Change all else of these options, but disks."""
    changed = pick(spec, options)
    if not {"vcpus", "io_limits"}.isdisjoint(options):
        engine.adjust(name, changed.get("vcpus", 0), io_limits=changed.get("io_limits"))
    if "restart_policy" in options:
        engine.set_crash_action(name, crash_action(spec))
    if not {"link", "bandwidth"}.isdisjoint(options):
        engine.change_device(name, render_card(name, spec))
