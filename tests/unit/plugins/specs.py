# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every spec that can be: what hypothesis draws for round trips."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import Spec, complete, parse_spec
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY

labels = st.from_regex(r"[a-z0-9]([a-z0-9]{0,20}[a-z0-9])?", fullmatch=True)
hosts = st.integers(2, 2**16 - 2).map(lambda number: f"10.20.{number // 256}.{number % 256}")
_FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "zone": labels,
    "image": st.from_regex(r"[a-z0-9]{1,9}:[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}", fullmatch=True),
    "vcpus": st.integers(1, 255),
    "memory": st.integers(6, 2**20).map(lambda mib: f"{mib}M"),
    "bridge": st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,14}", fullmatch=True),
    "cidr": st.just("10.20.0.0/16"),
    "address": hosts,
}
_OPTIONAL: dict[str, st.SearchStrategy[Any]] = {
    "tenant": labels,
    "app": labels,
    "disk": st.integers(1, 2**50),
    "gateway": st.just("10.20.0.1"),
    "dns": st.lists(hosts, max_size=3),
    "hostname": labels,
    "ssh_keys": st.lists(st.sampled_from([KEY, "ssh-rsa BBBB <b> & c"]), max_size=2),
    "autostart": st.booleans(),
    "cpu_shares": st.integers(2, 10000),
    "labels": st.dictionaries(
        st.from_regex(r"[A-Za-z0-9]{1,9}(/[a-z0-9]{1,9})?", fullmatch=True), st.sampled_from(["", "a b", "<é>&"]), max_size=2
    ),
    "io_limits": st.fixed_dictionaries({}, optional={"read_bytes": st.integers(0, 2**40), "write_iops": st.integers(0, 10**8)}),
}
_OF_VMS: dict[str, st.SearchStrategy[Any]] = {
    "max_vcpus": st.just(255),
    "max_memory": st.just("2T"),
    "boot": st.sampled_from(["kernel", "disk"]),
    "hugepages": st.booleans(),
    "snapshots": st.sampled_from([{}, {"every": "90m", "keep": 3}, {"every": 86400, "keep": 999}]),
    "cpu_policy": st.sampled_from(["shared", "pinned"]),
    "cpu_model": st.sampled_from(["host-model", "host-passthrough", "EPYC-Rome"]),
    "restart_policy": st.sampled_from(["on-failure", "never"]),
    "extra_addresses": st.lists(hosts, max_size=3, unique=True),
    "link": st.sampled_from(["up", "down"]),
    "bandwidth": st.fixed_dictionaries({}, optional={"inbound": st.integers(0, 2**40), "outbound": st.just("10M")}),
    "pci_devices": st.lists(st.sampled_from(["0000:3b:02.1", "10af:00:1f.7"]), unique=True),
    "user_data": st.sampled_from(["", "#cloud-config\n{}\n", "#!/bin/sh\n: <é> & c\n"]),
}
_TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
_OF_CONTAINERS: dict[str, st.SearchStrategy[Any]] = {
    "restart_policy": st.sampled_from(["always", "on-failure", "never"]),
    "environment": st.dictionaries(st.from_regex("[A-Za-z_][A-Za-z0-9_.-]{0,9}", fullmatch=True), _TEXTS, max_size=3),
    "command": st.lists(_TEXTS, max_size=3),
    "capabilities": st.lists(st.sampled_from(["SYS_TIME", "cap_net_raw", "NET_ADMIN"]), max_size=3),
}


def _complete(name: str, raw: dict[str, Any]) -> tuple[str, Spec]:
    own = {raw["address"], raw.get("gateway")}
    extra = {key: [address for address in raw[key] if address not in own] for key in ("extra_addresses",) if key in raw}
    return name, complete(name, parse_spec({**raw, **extra}))


def _with_autostart(raw: dict[str, Any]) -> dict[str, Any]:
    """A container's restart policy goes with one of them only."""
    return {**raw, "autostart": raw["restart_policy"] != "never"} if "restart_policy" in raw else raw


vm_specs = st.builds(_complete, labels, st.fixed_dictionaries(_FIELDS, optional={**_OPTIONAL, **_OF_VMS}))
container_specs = st.builds(
    _complete, labels, st.fixed_dictionaries(_FIELDS, optional={**_OPTIONAL, **_OF_CONTAINERS}).map(_with_autostart)
)
