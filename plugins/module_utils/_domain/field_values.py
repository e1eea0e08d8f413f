# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""How the values of an instance's fields are read: each function returns the normal form, or raises a SpecError that names the field."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from .addresses import parse_cidr, parse_ipv4
from .errors import SpecError
from .quantity import format_size, parse_size

# docker takes CPU shares up to 262144, 1024 for each CPU; libvirt and QEMU q35 go up to 255 without an IOMMU.
MOST_VCPUS = 255
# Below this neither docker (6M) nor a Linux guest starts.
LEAST_MEMORY = 6 * 1024**2
# QEMU rounds memory up to this, so a finer value would differ for ever.
_MEMORY_UNIT = 1024**2
_SSH_KEY = re.compile(r"(?:ssh|ecdsa|sk)-[a-z0-9@.-]+ [A-Za-z0-9+/]+={0,3}(?: [^\x00-\x1f\x7f\ud800-\udfff]*)?", re.ASCII)
# A key of docker's, of which many tools make names of their own.
_LABEL_KEY = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._/-]{0,126}[A-Za-z0-9])?", re.ASCII)
_OUR_LABELS = "cloud.zonal."
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,254}", re.ASCII)
IO_LIMITS = ("read_bytes", "write_bytes", "read_iops", "write_iops")
# A VM is started with its image's kernel by the host, or from its root disk.
BOOT_KERNEL, BOOT_DISK = "kernel", "disk"
# QEMU takes limits up to 10**15.
_MOST_LIMIT = 2**49
# Of more libvirt makes a quantum for the kernel's queues that has not enough bits, and the VM would not start.
_MOST_BANDWIDTH = 2**45
# As the guest sees it.
BANDWIDTH = ("inbound", "outbound")
# See capabilities(7). ALL would also give what a later kernel adds.
CAPABILITIES = frozenset(
    "AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND BPF CHECKPOINT_RESTORE CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID IPC_LOCK "
    "IPC_OWNER KILL LEASE LINUX_IMMUTABLE MAC_ADMIN MAC_OVERRIDE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW PERFMON SETFCAP "
    "SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_MODULE SYS_NICE SYS_PACCT SYS_PTRACE SYS_RAWIO SYS_RESOURCE SYS_TIME "
    "SYS_TTY_CONFIG WAKE_ALARM".split()
)
# As libvirt and QEMU name their models, and the two words that are none.
_CPU_MODEL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,62}", re.ASCII)
ALWAYS, ON_FAILURE, NEVER = RESTART_POLICIES = ("always", "on-failure", "never")
HOST_MODEL, HOST_PASSTHROUGH = "host-model", "host-passthrough"
SHARED, PINNED = CPU_POLICIES = ("shared", "pinned")
# What is a weight for the kernel in version 1 and, as libvirt hands it on, in version 2 of its cgroups.
LEAST_SHARES, MOST_SHARES = 2, 10000
# A function of a device, as lspci writes it, with or without the domain.
_PCI = re.compile(r"(?:([0-9a-f]{4}):)?([0-9a-f]{2}:[01][0-9a-f]\.[0-7])", re.ASCII | re.IGNORECASE)
# What cloud-init tells the kinds of user-data by.
_USER_DATA = ("#", "Content-Type:", "MIME-Version:")


def parse_list(field: str, value: Any) -> list[Any]:
    """Return the items of a list; SpecError for anything else, also for text, whose items would be its letters."""
    if not isinstance(value, (list, tuple)):
        raise SpecError(field, value, "is not a list")
    return list(value)


def parse_vcpus(field: str, value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"\d{1,3}", str(value), re.ASCII) or not 1 <= int(value) <= MOST_VCPUS:
        raise SpecError(field, value, f"is not a number of virtual CPUs from 1 to {MOST_VCPUS}")
    return int(value)


def parse_index(field: str, value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[1-9]\d{0,8}", str(value), re.ASCII):
        raise SpecError(field, value, "is not a whole number from 1")
    return int(value)


def parse_memory(field: str, value: Any) -> int:
    size = parse_size(field, value)
    if size < LEAST_MEMORY:
        raise SpecError(field, value, f"is too little; the least is {format_size(LEAST_MEMORY)}")
    return -(-size // _MEMORY_UNIT) * _MEMORY_UNIT


def parse_address(field: str, value: Any) -> str:
    return str(parse_ipv4(field, value))


def parse_addresses(field: str, value: Any) -> list[str]:
    """Return the addresses in their order as numbers, which is the same however they are written down."""
    addresses = []
    for index, item in enumerate(parse_list(field, value)):
        address = parse_ipv4(f"{field}[{index}]", item)
        if address in addresses:
            raise SpecError(f"{field}[{index}]", item, "is there twice")
        addresses.append(address)
    return [str(address) for address in sorted(addresses)]


def parse_network(field: str, value: Any) -> str:
    return str(parse_cidr(field, value))


def parse_dns(field: str, value: Any) -> list[str]:
    return [parse_address(f"{field}[{index}]", item) for index, item in enumerate(parse_list(field, value))]


def parse_keys(field: str, value: Any) -> list[str]:
    for index, key in enumerate(parse_list(field, value)):
        if not isinstance(key, str) or not _SSH_KEY.fullmatch(key.strip()):
            raise SpecError(f"{field}[{index}]", key, "is not a public ssh key in one line, such as 'ssh-ed25519 AAAA... name'")
    return sorted({key.strip() for key in value})


def parse_bool(field: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise SpecError(field, value, "is neither true nor false")
    return value


def parse_labels(field: str, value: Any) -> dict[str, str]:
    labels = {}
    for key, text in _mapping(field, value).items():
        if not isinstance(key, str) or not _LABEL_KEY.fullmatch(key) or key.startswith(_OUR_LABELS):
            raise SpecError(
                field, key, f"is not a key; use 1 to 128 letters, digits, '.', '_', '/' and '-', and not {_OUR_LABELS} at the beginning"
            )
        labels[key] = parse_text(f"{field}.{key}", text)
        if not labels[key].isprintable():
            raise SpecError(f"{field}.{key}", text, "has characters that cannot be printed in a line")
    return dict(sorted(labels.items()))


def parse_environment(field: str, value: Any) -> dict[str, str]:
    variables = {}
    for name, text in _mapping(field, value).items():
        if not isinstance(name, str) or not _VARIABLE.fullmatch(name):
            raise SpecError(field, name, "is not the name of a variable; use letters, digits, '_', '.' and '-', and no digit first")
        variables[name] = parse_text(f"{field}.{name}", text)
    return dict(sorted(variables.items()))


def parse_command(field: str, value: Any) -> list[str]:
    return [parse_text(f"{field}[{index}]", item) for index, item in enumerate(parse_list(field, value))]


def parse_capabilities(field: str, value: Any) -> list[str]:
    found = set()
    for index, item in enumerate(parse_list(field, value)):
        name = str(item).upper()
        name = name[4:] if name.startswith("CAP_") else name
        if name not in CAPABILITIES:
            raise SpecError(f"{field}[{index}]", item, "is not a capability of Linux, such as SYS_TIME (see capabilities(7))")
        found.add(name)
    return sorted(found)


def parse_pci_devices(field: str, value: Any) -> list[str]:
    devices = []
    for index, item in enumerate(parse_list(field, value)):
        match = _PCI.fullmatch(item) if isinstance(item, str) else None
        if match is None:
            raise SpecError(f"{field}[{index}]", item, "is not the address of a PCI device as lspci writes it, such as 0000:3b:00.0")
        device = f"{match[1] or '0000'}:{match[2]}".lower()
        if device in devices:
            raise SpecError(f"{field}[{index}]", item, "is there twice")
        devices.append(device)
    return devices


def parse_io_limits(field: str, value: Any) -> dict[str, int]:
    """Return the limits that there are: one that is 0 or null is none."""
    limits = {}
    for key, limit in _mapping(field, value).items():
        if key not in IO_LIMITS:
            raise SpecError(field, key, f"is not a known limit; known are {', '.join(IO_LIMITS)}")
        if limit is not None and str(limit) != "0":
            place = f"{field}.{key}"
            limits[key] = _parse_bytes(place, limit, _MOST_LIMIT) if key.endswith("bytes") else _parse_rate(place, limit)
    return {key: limits[key] for key in IO_LIMITS if key in limits}


def parse_link(field: str, value: Any) -> str:
    if value not in ("up", "down"):
        raise SpecError(field, value, "is neither up nor down")
    return str(value)


def parse_restart_policy(field: str, value: Any) -> str:
    return _parse_word(field, value, RESTART_POLICIES)


def parse_cpu_policy(field: str, value: Any) -> str:
    return _parse_word(field, value, CPU_POLICIES)


def parse_cpu_model(field: str, value: Any) -> str:
    if not isinstance(value, str) or not _CPU_MODEL.fullmatch(value):
        raise SpecError(field, value, "is not a CPU model; use host-model, host-passthrough, or a name of libvirt's such as EPYC-Rome")
    return value


def parse_cpu_shares(field: str, value: Any) -> int:
    good = not isinstance(value, bool) and re.fullmatch(r"\d{1,5}", str(value), re.ASCII)
    if not good or not LEAST_SHARES <= int(value) <= MOST_SHARES:
        raise SpecError(field, value, f"is not a whole number from {LEAST_SHARES} to {MOST_SHARES}")
    return int(value)


def parse_boot(field: str, value: Any) -> str:
    if value not in (BOOT_KERNEL, BOOT_DISK):
        raise SpecError(field, value, f"is neither {BOOT_KERNEL} nor {BOOT_DISK}")
    return str(value)


def parse_bandwidth(field: str, value: Any) -> dict[str, int]:
    """Return the limits that there are in bytes per second, whole KiB as libvirt counts; one that is 0 or null is none."""
    limits = {}
    for key, limit in _mapping(field, value).items():
        if key not in BANDWIDTH:
            raise SpecError(field, key, f"is not a direction; there are {' and '.join(BANDWIDTH)}")
        if limit is not None and str(limit) != "0":
            limits[key] = -(-_parse_bytes(f"{field}.{key}", limit, _MOST_BANDWIDTH) // 1024) * 1024
    return {key: limits[key] for key in BANDWIDTH if key in limits}


def show_sizes(limits: dict[str, int]) -> dict[str, str]:
    return {key: format_size(limit) for key, limit in limits.items()}


def show_io_limits(limits: dict[str, int]) -> dict[str, Any]:
    return {key: format_size(limit) if key.endswith("bytes") else limit for key, limit in limits.items()}


def parse_user_data(field: str, value: Any) -> str:
    text = parse_text(field, value)
    if text and not text.startswith(_USER_DATA):
        # The rest may hold secrets.
        first = text.partition("\n")[0]
        raise SpecError(field, first, "is not user-data; cloud-init knows it by its first line, such as #cloud-config or #!/bin/sh")
    return text


def _parse_word(field: str, value: Any, words: Collection[str]) -> str:
    if value not in words:
        raise SpecError(field, value, f"is none of {', '.join(words)}")
    return str(value)


def _parse_bytes(field: str, value: Any, most: int) -> int:
    size = parse_size(field, value)
    if size > most:
        raise SpecError(field, value, f"is more than can be held; the most are {format_size(most)} per second, and 0 is no limit")
    return size


def _parse_rate(field: str, value: Any) -> int:
    if isinstance(value, bool) or not re.fullmatch(r"[1-9]\d{0,8}", str(value), re.ASCII):
        raise SpecError(field, value, "is not a whole number of operations per second from 1")
    return int(value)


def parse_text(field: str, value: Any) -> str:
    """Return text; numbers are taken for it, but not what YAML has made of yes or no."""
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise SpecError(field, value, "is not text; put it into quotes")
    text = str(value)
    if "\x00" in text or any("\ud800" <= letter <= "\udfff" for letter in text):
        raise SpecError(field, value, "has characters that are no text")
    return text


def _mapping(field: str, value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise SpecError(field, value, "is not a mapping of keys to values")
    return dict(value)
