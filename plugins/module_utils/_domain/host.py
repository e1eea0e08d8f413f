# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What a host is: its identity, processor and memory, from the texts of /proc and /etc."""

from __future__ import annotations

import re
from dataclasses import dataclass

_KILOBYTES = re.compile(r"^(?:Node \d+ )?(\w+):\s+(\d+) kB$", re.MULTILINE)
_ASSIGNMENT = re.compile(r"""^([A-Z_]+)=(["']?)(.*)\2$""", re.MULTILINE)
# What the flag of /proc/cpuinfo is called by the two makers.
_VIRTUALIZATION_FLAGS = ("vmx", "svm")


@dataclass(frozen=True)
class Identity:
    """Who the host is; ``boot_id`` changes with every boot."""

    hostname: str
    boot_id: str
    kernel: str
    architecture: str
    release: dict[str, str]


@dataclass(frozen=True)
class Processor:
    """``virtualization`` is the processor's own word for it (vmx, svm), or empty when it offers none."""

    model: str
    virtualization: str
    cpus: tuple[int, ...]


@dataclass(frozen=True)
class HugePages:
    """A kind of huge page: bytes of one, how many there are, how many are free."""

    size: int
    total: int
    free: int


@dataclass(frozen=True)
class Memory:
    """Bytes; ``available`` is what the kernel believes could be given out without swapping."""

    total: int
    available: int
    huge_pages: tuple[HugePages, ...] = ()


def parse_meminfo(text: str) -> dict[str, int]:
    """Return the sizes of /proc/meminfo, or of a NUMA node's meminfo, in bytes."""
    return {name: int(kilobytes) * 1024 for name, kilobytes in _KILOBYTES.findall(text)}


def parse_os_release(text: str) -> dict[str, str]:
    """Return id, version, codename and name of the distribution; empty text for what it does not say."""
    found = {name: value for name, _quote, value in _ASSIGNMENT.findall(text)}
    words = {"id": "ID", "version": "VERSION_ID", "codename": "VERSION_CODENAME", "name": "PRETTY_NAME"}
    return {word: found.get(name, "") for word, name in words.items()}


def parse_cpuinfo(text: str) -> Processor:
    """Return the processor that /proc/cpuinfo tells of."""
    pairs = [(name.strip(), value.strip()) for name, _colon, value in (line.partition(":") for line in text.splitlines())]
    flags = next((value.split() for name, value in pairs if name == "flags"), [])
    return Processor(
        model=next((value for name, value in pairs if name == "model name"), ""),
        virtualization=next((flag for flag in _VIRTUALIZATION_FLAGS if flag in flags), ""),
        cpus=tuple(int(value) for name, value in pairs if name == "processor" and value.isdigit()),
    )
