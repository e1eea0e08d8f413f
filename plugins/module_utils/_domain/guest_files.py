# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""The files that give a fresh guest its name, address and keys, written into its disk before its first start."""

from __future__ import annotations

import json
from dataclasses import dataclass
from ipaddress import IPv4Network

from .fields import Spec, addresses_of
from .names import mac_of

_SEED = "/var/lib/cloud/seed/nocloud"


@dataclass(frozen=True)
class GuestFile:
    """One file of the guest: absolute path inside it, content, and permission bits; owner and group are root."""

    path: str
    content: str
    mode: int = 0o644


def key_files(spec: Spec) -> list[GuestFile]:
    """Return root's authorized keys; the same for both kinds."""
    keys = spec.get("ssh_keys", [])
    return [GuestFile("/root/.ssh/authorized_keys", "".join(key + "\n" for key in keys), 0o600)] if keys else []


def vm_files(name: str, spec: Spec, *, cloud_init: bool) -> list[GuestFile]:
    """Return what a VM's disk is given: a NoCloud seed when the image has cloud-init, else plain files."""
    return _cloud_init_files(name, spec) if cloud_init else _plain_files(spec)


def _plain_files(spec: Spec) -> list[GuestFile]:
    network = IPv4Network(spec["cidr"])
    lines = ["auto lo", "iface lo inet loopback", "", "auto eth0", "iface eth0 inet static"]
    lines += [f"    address {spec['address']}", f"    netmask {network.netmask}"]
    if "gateway" in spec:
        lines.append(f"    gateway {spec['gateway']}")
    for address in spec.get("extra_addresses", []):
        lines += ["", "iface eth0 inet static", f"    address {address}", f"    netmask {network.netmask}"]
    hostname = spec["hostname"]
    files = [
        GuestFile("/etc/hostname", hostname + "\n"),
        GuestFile("/etc/hosts", f"127.0.0.1\tlocalhost\n{spec['address']}\t{hostname}\n::1\tlocalhost ip6-localhost\n"),
        GuestFile("/etc/network/interfaces", "\n".join(lines) + "\n"),
    ]
    if spec.get("dns"):
        files.append(GuestFile("/etc/resolv.conf", "".join(f"nameserver {server}\n" for server in spec["dns"])))
    return files + key_files(spec)


def _cloud_init_files(name: str, spec: Spec) -> list[GuestFile]:
    """NoCloud seed, network configuration version 2; JSON is YAML, so nothing needs quoting rules of its own."""
    prefix = IPv4Network(spec["cidr"]).prefixlen
    card = {
        "match": {"macaddress": mac_of(spec["address"])},
        "set-name": "eth0",
        "dhcp4": False,
        "addresses": [f"{address}/{prefix}" for address in addresses_of(spec)],
        "nameservers": {"addresses": spec.get("dns", [])},
    }
    if "gateway" in spec:
        card["routes"] = [{"to": "default", "via": spec["gateway"]}]
    own = spec.get("user_data", "")
    user = {
        "hostname": spec["hostname"],
        "disable_root": False,
        "users": [{"name": "root", "ssh_authorized_keys": spec.get("ssh_keys", [])}],
    }
    return [
        GuestFile(f"{_SEED}/meta-data", json.dumps({"instance-id": name, "local-hostname": spec["hostname"]}) + "\n"),
        GuestFile(f"{_SEED}/network-config", json.dumps({"version": 2, "ethernets": {"eth0": card}}) + "\n"),
        # What is declared for the guest comes after ours and may change all of it.
        GuestFile(f"{_SEED}/{'vendor-data' if own else 'user-data'}", "#cloud-config\n" + json.dumps(user) + "\n", 0o600),
        *([GuestFile(f"{_SEED}/user-data", own, 0o600)] if own else []),
    ]
