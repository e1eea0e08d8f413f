# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The modules as Ansible calls them: bad options end in one message that names them, never in a traceback."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible.module_utils.testing import patch_module_args

from ansible_collections.zonal.cloud.plugins.modules import (
    address_probe,
    bridge,
    container,
    disk,
    disk_copy,
    disk_copy_info,
    image,
    image_publish,
    instance_info,
    instance_stats,
    instances,
    snapshot,
    thin_pool,
    thin_volume,
    vm,
)

NETWORK = {"bridge": "br0", "cidr": "10.20.0.0/16", "gateway": "10.20.0.1", "dns": ["10.20.0.2"]}
GOOD: dict[str, Any] = {
    "name": "web",
    "zone": "lab",
    "image": "debian:13",
    "vcpus": 2,
    "memory": "1G",
    "address": "10.20.0.7",
    "network": NETWORK,
}
VM: dict[str, Any] = {**GOOD, "kind": "vm"}
IMAGE: dict[str, Any] = {"name": "debian:13", "sha256": "0" * 64, "src": "/tmp/image.tgz"}

INSTANCE_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"colour": "red"}, "Unsupported parameters for .*: colour. Supported parameters include: .*address, allow"),
    ({"name": None}, "missing required arguments: name|required.*name"),
    ({"name": ""}, r"^name: '' is not a valid name"),
    ({"name": "Web"}, r"^name: 'Web' is not a valid name; use 1 to 63 lower-case letters"),
    ({"name": "a; reboot"}, r"^name: 'a; reboot' is not a valid name"),
    ({"name": "$(reboot)"}, r"^name: '\$\(reboot\)' is not a valid name"),
    ({"name": "<name>&amp;"}, r"^name: '<name>&amp;' is not a valid name"),
    ({"name": "web\n"}, r"^name: 'web\\n' is not a valid name"),
    ({"name": ["web"]}, r"^name: .* is not a valid name|cannot be converted|is not a string"),
    ({"name": {"a": 1}}, r"^name: .* is not a valid name|cannot be converted|is not a string"),
    ({"state": "frozen"}, "value of state must be one of: running, stopped, paused, absent, got: frozen"),
    ({"zone": "La b"}, r"^zone: 'La b' is not a valid name"),
    ({"tenant": "-"}, r"^tenant: '-' is not a valid name"),
    ({"app": "a" * 64}, r"^app: 'a+' is not a valid name"),
    ({"image": "debian"}, r"^image: 'debian' is not an image"),
    ({"image": "debian:13`id`"}, r"^image: 'debian:13`id`' is not an image"),
    ({"vcpus": "two"}, "vcpus"),
    ({"vcpus": 0}, r"^vcpus: 0 is not a number of virtual CPUs from 1 to 255"),
    ({"vcpus": [1]}, "vcpus"),
    ({"memory": "4 apples"}, r"^memory: '4 apples' is not a size"),
    ({"memory": "1K"}, r"^memory: '1K' is too little"),
    ({"memory": "-4G"}, r"^memory: '-4G' is not a size"),
    ({"disk": "99999999P"}, r"^disk: '99999999P' is out of range"),
    ({"address": "10.20.0.7/16"}, r"^address: '10\.20\.0\.7/16' is not an IPv4 address"),
    ({"address": "10.20.0.1"}, r"^address: '10\.20\.0\.1' is the gateway of the network"),
    ({"address": "10.21.0.7"}, r"^address: '10\.21\.0\.7' is not in the network 10\.20\.0\.0/16"),
    ({"address": 5}, r"^address: '5' is not an IPv4 address"),
    ({"network": "br0"}, "dictionary requested, could not parse JSON or key=value"),
    ({"network": {"bridge": "br0"}}, "missing required arguments: cidr found in network"),
    ({"network": {**NETWORK, "mtu": 9000}}, "Unsupported parameters .*network.mtu"),
    ({"network": {**NETWORK, "cidr": "10.20.0.1/16"}}, r"^network\.cidr: '10\.20\.0\.1/16' is not an IPv4 network"),
    ({"network": {**NETWORK, "bridge": "br0 up"}}, r"^network\.bridge: 'br0 up' is not an interface name"),
    ({"network": {**NETWORK, "gateway": "::1"}}, r"^network\.gateway: '::1' is not an IPv4 address"),
    ({"network": {**NETWORK, "dns": ["a"]}}, r"^network\.dns\[0\]: 'a' is not an IPv4 address"),
    ({"disks": ["a"]}, "dictionary requested, could not parse JSON or key=value"),
    ({"disks": [{"size": "1G"}]}, "missing required arguments: name found in disks"),
    ({"disks": [{"name": "a", "bus": "scsi"}]}, "Unsupported parameters .*disks.bus"),
    ({"disks": [{"name": "<a>", "mount": "/a"}]}, r"^disks\[0\]\.name: '<a>' is not a valid name"),
    ({"disks": [{"name": "a", "size": "4 apples", "mount": "/a"}]}, r"^disks\[0\]\.size: '4 apples' is not a size"),
    ({"disks": [{"name": "a", "mount": "/a/../b"}]}, r"^disks\[0\]\.mount: '/a/\.\./b' is not a folder"),
    ({"hostname": "a.b"}, r"^hostname: 'a\.b' is not a valid name"),
    ({"ssh_keys": ["no key"]}, r"^ssh_keys\[0\]: 'no key' is not a public ssh key in one line"),
    ({"autostart": "maybe"}, "autostart"),
    ({"io_limits": {"read_iops": "fast"}}, "read_iops"),
    ({"io_limits": {"bytes": 5}}, "Unsupported parameters .*io_limits.bytes"),
    ({"io_limits": {"read_bytes": "fast"}}, r"^io_limits\.read_bytes: 'fast' is not a size"),
    ({"labels": "a"}, "labels"),
    ({"labels": {"cloud.zonal.name": "web"}}, r"^labels: 'cloud\.zonal\.name' is not a key"),
    ({"environment": {"A": [1]}}, r"^environment\.A: \[1\] is not text"),
    ({"capabilities": ["everything"]}, r"^capabilities\[0\]: 'everything' is not a capability"),
    ({"user_data": "locale: C\npassword: x"}, r"^user_data: 'locale: C' is not user-data"),
    ({"allow": ["destroy"]}, "value of allow must be one or more of: restart, recreate. Got no match for: destroy"),
    ({"stop_timeout": -1}, r"^stop_timeout: -1 is less than 0"),
    ({"stop_timeout": 10**10}, r"^stop_timeout: 10000000000 is more than a day, 86400 seconds"),
    ({"stop_timeout": "soon"}, "stop_timeout"),
]
VM_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"max_vcpus": 1}, r"^max_vcpus: 1 is less than vcpus, 2"),
    ({"command": ["sleep", "1"]}, r"^command: \['sleep', '1'\] is for containers only"),
    ({"domain_type": "tcg"}, "value of domain_type must be one of: auto, kvm, qemu, xen, lxc, got: tcg"),
    ({"group": 'a" || "'}, r"^group: 'a. \|\| .' is not a name for LVM"),
    ({"group": ""}, r"^group: '' is not a name for LVM"),
    ({"pool": "../pool"}, r"^pool: '\.\./pool' is not a name for LVM"),
    ({"pool": "--help"}, r"^pool: '--help' is not a name for LVM"),
]
IMAGE_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"sha256": None}, "state is present but any of the following are missing: sha256, digest"),
    ({"sha256": "abc"}, r"^sha256: 'abc' is not a sha256 digest; write 64 lower-case hex digits"),
    ({"sha256": "A" * 64}, r"^sha256: 'A+' is not a sha256 digest"),
    ({"name": "debian"}, r"^name: 'debian' is not an image"),
    ({"name": "debian:13;id"}, r"^name: 'debian:13;id' is not an image"),
    ({"digest": "abc"}, r"^digest: 'abc' is not a sha256 digest"),
    ({"max_size": "much"}, r"^max_size: 'much' is not a size"),
    ({"privileged_files": "all"}, r"value of privileged_files must be one of: usual, none, any"),
    ({"progress": -1}, r"^progress: -1 is less than 0"),
    ({"progress": "often"}, "progress"),
    ({"kernel": "debian"}, r"^kernel: 'debian' is not an image"),
    ({"kinds": ["lxc"]}, "value of kinds must be one or more of: container, vm. Got no match for: lxc"),
    ({"kinds": []}, r"^kinds: \[\] names no kind"),
    ({"progress": 10**12}, r"^progress: 1000000000000 is more than a day, 86400 seconds"),
    ({"colour": 1}, "Unsupported parameters for .*: colour"),
    ({"group": "a b"}, r"^group: 'a b' is not a name for LVM"),
    ({"src": "docker://debian:13"}, r"^src: 'docker://debian:13' is not an image of a registry; write docker://HOST"),
    ({"src": "docker://h.example/a:1", "registry_user": "a:b", "registry_password": "word"}, r"^registry_user: 'a:b' has a colon"),
    ({"src": "docker://h.example/a:1", "registry_user": "zonal"}, r"^registry_password: is missing"),
    ({"src": "docker://h.example/a:1", "registry_password": "word"}, r"^registry_user: is missing"),
]
PUBLISH: dict[str, Any] = {
    "name": "debian:13",
    "source": "/nowhere/image.tgz",
    "s3_endpoint": "https://ceph.example:7480",
    "s3_access_key": "AK",
    "s3_secret_key": "SK",
}
PUBLISH_MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"name": "debian"}, r"^name: 'debian' is not an image"),
    ({"name": "../x:1"}, r"^name: '\.\./x:1' is not an image"),
    ({"source": None}, "missing required arguments: source"),
    ({"source": ""}, r"^Cannot read the archive : No such file"),
    ({}, r"^Cannot read the archive /nowhere/image.tgz: No such file or directory$"),
    ({"source": "/proc/self/mem"}, r"^Cannot read the archive /proc/self/mem: Input/output error$"),
    ({"source": "/"}, r"^Cannot read the archive /: it is not a regular file$"),
    ({"from": "vm"}, "value of from must be one of: tgz, .*, got: vm"),
    ({"from": "instance", "source": "a;b"}, "source: 'a;b' is not a valid name"),
    ({"from": "volume", "source": "--all"}, r"^source: '--all' is not a name for LVM"),
    ({"from": "volume", "source": "/dev/zonal/x"}, r"^source: '/dev/zonal/x' is not a name for LVM"),
    ({"from": "docker", "source": "--all"}, r"^source: '--all' is no image of docker"),
    ({"from": "docker", "source": "debian"}, r"^source: 'debian' is no image of docker"),
    (
        {"from": "docker", "source": "h.x:1/debian:13", "registry": "h.x:1"},
        r"^source: 'h.x:1/debian:13' is the name that the image is pushed",
    ),
    ({"s3_secret_key": None}, "missing required arguments: s3_secret_key"),
    ({"s3_access_key": ""}, r"^s3_access_key: is missing"),
    ({"s3_endpoint": "ceph.example"}, r"^s3_endpoint: 'ceph.example' is no endpoint"),
    ({"bucket": "Images/x"}, r"^bucket: 'Images/x' is no bucket"),
    ({"registry": "https://h.example:5000"}, r"^registry: 'https://h.example:5000' is no registry; write HOST:PORT"),
    ({"registry": "h.example:99999"}, r"^registry: 'h.example:99999' is no registry"),
    ({"s3_access_key": "a\nb"}, r"^s3_access_key: is no key; one has letters, digits and signs only$"),
    ({"s3_secret_key": "a\tb"}, r"^s3_secret_key: is no key; one has letters, digits and signs only$"),
    ({"registry": "user:word@h.example"}, r"^registry: 'user:word@h.example' is no registry"),
    ({"registry": "h.example:5000", "registry_user": "zonal"}, r"^registry_password: is missing"),
    ({"max_size": "much"}, r"^max_size: 'much' is not a size"),
    ({"privileged_files": "all"}, r"value of privileged_files must be one of: usual, none, any"),
    ({"from": "volume", "source": "x", "group": "a b"}, r"^group: 'a b' is not a name for LVM"),
]
HOST_MISTAKES: dict[str, list[tuple[dict[str, Any], str]]] = {
    "bridge": [
        ({"name": "br 0"}, r"^name: 'br 0' is not an interface name"),
        ({"name": "br0;id"}, r"^name: 'br0;id' is not an interface name"),
        ({"name": "b" * 16}, r"^name: 'b+' is not an interface name: 1 to 15 letters"),
        ({"name": ""}, r"^name: is missing"),
        ({"uplink": "../eno1"}, r"^uplink: '\.\./eno1' is not an interface name"),
        ({"uplink": "br0"}, r"^uplink: 'br0' is the bridge itself"),
        ({"mtu": 1}, r"^mtu: 1 is out of range; it must be from 576"),
        ({"stp": "perhaps"}, "stp"),
    ],
    "thin_pool": [
        ({"size": "4 apples"}, r"^size: '4 apples' is not a size"),
        ({"size": "101%"}, r"^size: 101 is out of range"),
        ({"devices": []}, r"^devices: is missing"),
        ({"devices": ["sdz"]}, r"^devices: 'sdz' is not the path of a device"),
        ({"devices": ["/dev/nothing"]}, r"^devices: '/dev/nothing' does not exist on this host"),
        ({"group": "<vg>"}, r"^group: '<vg>' is not a name for LVM"),
        ({"name": "snapshot1"}, r"^name: 'snapshot1' is a name that LVM keeps for itself"),
        ({"chunk_size": "3K"}, r"^chunk_size: '3K' is not possible"),
        ({"metadata_size": "-1G"}, r"^metadata_size: '-1G' is not a size"),
        ({"autoextend_threshold": 0}, r"^autoextend_threshold: 0 is out of range"),
        ({"tags": ["$(id)"]}, r"^tags: '\$\(id\)' is not a tag for LVM"),
    ],
    "thin_volume": [
        ({"size": "1.5.5G"}, r"^size: '1\.5\.5G' is not a size"),
        ({"size": None}, "state is present but all of the following are missing: size"),
        ({"name": "../x"}, r"^name: '\.\./x' is not a name for LVM"),
        ({"filesystem": "ntfs"}, "value of filesystem must be one of"),
    ],
    "disk_copy": [
        ({"name": ""}, r"^name: '' is not a name for a copy; use 1 to 63 letters"),
        ({"name": "../x"}, r"^name: '\.\./x' is not a name for a copy"),
        ({"name": "$(id)"}, r"^name: '\$\(id\)' is not a name for a copy"),
        ({"volume": "a/b"}, r"^volume: 'a/b' is not a name for LVM"),
        ({"volume": "--help"}, r"^volume: '--help' is not a name for LVM"),
        ({"volume": None}, "missing required arguments: volume"),
        ({"source": "vm-web"}, r"^source: 'vm-web' belongs to state: restored"),
        ({"source": "a b", "state": "restored"}, r"^source: 'a b' is not a name for LVM"),
        ({"bucket": "My_Bucket"}, r"^bucket: 'My_Bucket' is no bucket"),
        ({"endpoint": "kvm01:7480"}, r"^endpoint: 'kvm01:7480' is no endpoint"),
        ({"secret_key": None}, "missing required arguments: secret_key"),
        ({"group": "a b"}, r"^group: 'a b' is not a name for LVM"),
        ({"pool": ""}, r"^pool: '' is not a name for LVM"),
        ({"overwrite": "perhaps"}, "overwrite"),
        ({"state": "copied"}, "value of state must be one of: present, restored, absent, got: copied"),
        ({"force": True}, "Unsupported parameters for .*: force"),
    ],
    "disk_copy_info": [
        ({"volume": "a/b"}, r"^volume: 'a/b' is not a name for LVM"),
        ({"bucket": ""}, r"^bucket: '' is no bucket"),
        ({"endpoint": "ftp://x"}, r"^endpoint: 'ftp://x' is no endpoint"),
    ],
    "instances": [
        ({"instances": None}, "missing required arguments: instances"),
        ({"instances": [GOOD]}, "missing required arguments: kind found in instances"),
        ({"workers": 0}, r"^workers: 0 is less than 1"),
        ({"workers": "many"}, "workers"),
        ({"progress": -1}, r"^progress: -1 is less than 0"),
        ({"progress": 2**31}, r"^progress: 2147483648 is more than a day, 86400 seconds"),
        ({"instances": [{**VM, "kind": "lxc"}]}, "value of kind must be one of: container, vm, got: lxc"),
        ({"instances": [{**VM, "colour": "red"}]}, "Unsupported parameters for .*: instances.colour"),
        ({"instances": [{**VM, "allow": ["restart"]}]}, "Unsupported parameters for .*: instances.allow"),
        ({"instances": [{**VM, "memory": "4 apples"}]}, r"^instances: 'web' memory: '4 apples' is not a size"),
        ({"instances": [{**VM, "name": "<a>&amp;"}]}, r"^instances: '<a>&amp;' name: '<a>&amp;' is not a valid name"),
        ({"instances": [VM, {**VM, "address": "10.20.0.8"}]}, r"^instances: 'web' is the name of two of them"),
        ({"instances": [{**VM, "kind": "container", "disks": [{"name": "a"}]}]}, r"^instances: 'web' disks\[0\]\.mount: is missing"),
        ({"instances": [VM, {**VM, "name": "db"}]}, r"^instances: '10\.20\.0\.7' is the address of web and of db"),
        ({"stop_timeout": -1}, r"stop_timeout: -1 is less than 0 seconds"),
        ({"group": "a b"}, r"^group: 'a b' is not a name for LVM"),
        ({"domain_type": "tcg"}, "value of domain_type must be one of: auto, kvm, qemu, xen, lxc, got: tcg"),
    ],
    "disk": [
        ({"name": "a/b"}, r"^name: 'a/b' is not a valid name"),
        ({"size": "4 apples"}, r"^size: '4 apples' is not a size"),
        ({"size": "1M"}, r"^size: '1M' is too small for a disk"),
        ({"filesystem": "btrfs"}, "value of filesystem must be one of: ext4, xfs, none, got: btrfs"),
        ({"size": "299M", "filesystem": "xfs"}, r"^size: '299M' is too small for xfs, which needs at least 300M"),
        ({"group": "a b"}, r"^group: 'a b' is not a name for LVM"),
        ({"force": True}, "Unsupported parameters for .*: force"),
    ],
    "instance_info": [
        ({"names": "Web"}, r"^names\[0\]: 'Web' is not a valid name"),
        ({"group": "a b"}, r"^group: 'a b' is not a name for LVM"),
        ({"pool": ""}, r"^pool: '' is not a name for LVM"),
    ],
    "snapshot": [
        ({"instance": "a; reboot"}, r"^instance: 'a; reboot' is not a valid name"),
        ({"name": "../x"}, r"^name: '\.\./x' is not a valid name"),
        ({"name": None}, "state is present but all of the following are missing: name"),
        ({"name": "policy-x"}, r"^name: 'policy-x' begins like those that an instance's own policy takes and removes, with policy-"),
        ({"state": "current"}, r"^name: 'monday' does not go with state: current, for which the policy chooses it"),
        ({"state": "current", "name": None, "keep": 2}, r"^keep: 2 belongs to state: present"),
        ({"state": "taken"}, "value of state must be one of: present, current, restored, absent, got: taken"),
        ({"keep": 0}, r"^keep: 0 is less than 1"),
        ({"keep": "some"}, "keep"),
        ({"keep": 2}, r"^name: is missing; with keep it needs a prefix"),
        ({"allow": ["recreate"]}, "value of allow must be one or more of: restart"),
        ({"stop_timeout": -1}, r"^stop_timeout: -1 is less than 0"),
        ({"group": "a b"}, r"^group: 'a b' is not a name for LVM"),
        ({"pool": "--help"}, r"^pool: '--help' is not a name for LVM"),
    ],
    "instance_stats": [
        ({"interval": -1}, r"^interval: -1 is not between 0 and 3600 seconds"),
        ({"interval": 3601}, r"^interval: 3601 is not between 0 and 3600 seconds"),
        ({"interval": "long"}, "interval"),
    ],
    "address_probe": [
        ({"interface": "br 0"}, r"^interface: 'br 0' is not an interface name"),
        ({"addresses": ["10.20.0.300"]}, r"^addresses\[0\]: '10\.20\.0\.300' is not an IPv4 address"),
        ({"rate": 0}, r"^rate: 0 is not from 1 to 10000"),
        ({"wait": -1}, r"^wait: -1\.0 is not from 0 to 60"),
    ],
}
STORE = {"bucket": "copies", "endpoint": "https://s3.invalid:7480", "access_key": "A", "secret_key": "hidden"}
HOST_GOOD: dict[str, dict[str, Any]] = {
    "bridge": {"name": "br0", "uplink": "eno1"},
    "thin_pool": {"devices": ["/dev/nothing"]},
    "thin_volume": {"name": "data", "size": "1G"},
    "disk": {"name": "data", "size": "1G"},
    "disk_copy": {"name": "monday", "volume": "vm-web", **STORE},
    "disk_copy_info": STORE,
    "instance_info": {},
    "instance_stats": {},
    "snapshot": {"instance": "web", "name": "monday"},
    "instances": {"instances": [VM]},
    "address_probe": {"interface": "br0", "addresses": ["10.20.0.0/30"]},
}
MODULES = {
    "address_probe": address_probe,
    "bridge": bridge,
    "container": container,
    "disk": disk,
    "disk_copy": disk_copy,
    "disk_copy_info": disk_copy_info,
    "image": image,
    "image_publish": image_publish,
    "instance_info": instance_info,
    "instance_stats": instance_stats,
    "instances": instances,
    "snapshot": snapshot,
    "thin_pool": thin_pool,
    "thin_volume": thin_volume,
    "vm": vm,
}
CASES = [
    *(("container", GOOD, change, message) for change, message in INSTANCE_MISTAKES),
    *(("vm", GOOD, change, message) for change, message in [*INSTANCE_MISTAKES, *VM_MISTAKES]),
    *(("image", IMAGE, change, message) for change, message in IMAGE_MISTAKES),
    *(("image_publish", PUBLISH, change, message) for change, message in PUBLISH_MISTAKES),
    *((name, HOST_GOOD[name], change, message) for name, mistakes in HOST_MISTAKES.items() for change, message in mistakes),
]


@pytest.mark.parametrize(
    ("name", "good", "change", "message"), [pytest.param(*case, id=f"{case[0]} {str(case[2])[1:40]}") for case in CASES]
)
def test_one_message(name: str, good: dict[str, Any], change: dict[str, Any], message: str, capfd: pytest.CaptureFixture[str]) -> None:
    arguments = {key: value for key, value in {**good, **change}.items() if value is not None}
    with patch_module_args({**arguments, "_ansible_check_mode": True}), pytest.raises(SystemExit) as ended:
        MODULES[name].main()
    output = capfd.readouterr()
    result = json.loads(output.out)
    assert ended.value.code == 1
    assert result["failed"] is True
    assert "Traceback" not in output.out + output.err
    assert "exception" not in result
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(result["msg"])
    assert "\n" not in result["msg"]
