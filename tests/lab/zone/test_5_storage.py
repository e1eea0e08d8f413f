# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Thin pools and volumes with real LVM, on loop devices beside the host's own pool; docker's data and the alarm of that pool."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lab.zone.host import FOLDER, GROUP, HOST, PACKAGE, Host

LOOPS = 6
GUEST = "10.99.1.35"
WRITES = """
mkdir /written; cd /written; i=0
while [ $i -lt 120 ] && [ ! -e stop ]; do
    i=$((i + 1)); dd if=/dev/urandom of=$i bs=1M count=1; sync; sha256sum $i >>sums; sleep 1
done
"""
# One Linux partition of 32 MiB from sector 2048 on, in the words of the oldest partition table.
PARTITION_TABLE = bytes(446) + bytes([0, 0, 0, 0, 0x83, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1, 0]) + bytes(48) + bytes([0x55, 0xAA])


@pytest.fixture
def loops(host: Host) -> Iterator[list[str]]:
    """Blank loop devices of 600 MB; all that a test puts on them is taken away before and after it."""
    clean = f"""
        umount {FOLDER}/mnt; swapoff {FOLDER}/swap; for vg in {GROUP} foreign inside; do vgremove --force --yes $vg; done
        for loop in $(losetup --noheadings --output NAME,BACK-FILE | awk '$2 ~ "^{FOLDER}/" {{ print $1 }}'); do
            swapoff $loop; umount $loop; losetup --detach $loop; done
        rm -rf {FOLDER}/[0-9] {FOLDER}/mnt /etc/lvm/profile/zonal-{GROUP}-pool.profile"""
    host.sh(f"({clean}) >/dev/null 2>&1; mkdir -p {FOLDER}/mnt")
    make = f"for n in $(seq {LOOPS}); do truncate -s 600M {FOLDER}/$n; losetup --find --show --partscan {FOLDER}/$n; done"
    yield host.sh(make).split()
    host.sh(f"({clean}) >/dev/null 2>&1; true")


def write_table(device: str) -> str:
    """Return the command that gives a device its partition table."""
    return f'python3 -c \'open("{device}", "rb+").write(bytes.fromhex("{PARTITION_TABLE.hex()}"))\''


def test_lvm_keeps_the_contract_of_the_volumes(host: Host) -> None:
    told = host.script("tests.unit.plugins.contracts.volumes", "zonal", "pool")
    assert "FAILED" not in told, told
    assert told.count("ok ") >= 15


def test_a_disk_is_copied_while_it_is_written_to_and_restored(host: Host) -> None:
    told = host.script("tests.lab.zone.disk_copies", "zonal", "pool")
    assert told.count("ok ") == 2, told


def test_what_a_vm_holds_is_published_while_it_runs(host: Host, lab: Any) -> None:
    name, address = lab.placed("vm", HOST)
    boot = lab.login(address, "echo captured > /etc/note; sync; cat /proc/sys/kernel/random/boot_id")
    told = host.script("tests.lab.zone.captures", name, "zonal", "pool", "etc/note")
    assert "content captured" in told, told
    # Its agent held the file systems still; without one, tests/integration/engines has it.
    assert "captured vm True because" in told, told
    assert lab.login(address, "rm /etc/note; cat /proc/sys/kernel/random/boot_id") == boot


def test_a_device_that_carries_something_is_refused_by_name_and_left_alone(host: Host, loops: list[str]) -> None:
    disk, swap, member, table, _dummy, _dummy = loops
    host.sh(f"mkfs.ext4 -q {disk}; mkswap {swap}; swapon {swap}; vgcreate foreign {member}")
    host.sh(write_table(table))
    host.sh(f"blockdev --rereadpt {table}; udevadm settle; vgcreate inside {table}p1; vgchange --activate n inside")
    host.sh(f"ln -sfn {disk} {FOLDER}/link; mount {disk} {FOLDER}/mnt; ln -sfn {disk} /dev/zonal-test-link")
    # The swap may be written to at any time.
    content = f"sha256sum {member} {table}; wipefs --noheadings {swap}"
    before = host.sh(content)
    refused = {
        (swap, False): f"{swap} is in use: swap on {swap}",
        (swap, True): f"{swap} is in use: swap on {swap}",
        (member, True): f"{member} belongs to the volume group foreign",
        (table, True): f"{table} is in use: its partition {table}p1 belongs to the volume group inside",
        ("/dev/zonal-test-link", True): f"/dev/zonal-test-link ({disk}) is in use: mounted on {FOLDER}/mnt",
        ("/dev/ubda", True): "/dev/ubda is in use: mounted on /",
        ("/dev/shm", False): "is a directory, not a block device",
        ("/dev/null", False): "is a character device, not a block device",
        ("/dev/sdzz", False): "does not exist on this host",
        (f"{FOLDER}/1", False): "is not the path of a device",
    }
    for (device, wipe), message in refused.items():
        assert message in host.pool(devices=[device], wipe=wipe)[0]
    host.sh(f"umount {FOLDER}/mnt")
    assert f"{disk} carries ext4" in host.pool(devices=[disk])[0]
    assert "is the same device as" in host.pool(devices=[disk, "/dev/zonal-test-link"])[0]
    assert host.sh(f"rm /dev/zonal-test-link; {content}") == before
    host.sh(f"vgremove --yes inside; pvremove {table}p1")
    assert f"{table} carries dos" in host.pool(devices=[table])[0]
    assert f"{table}p1' is a partition of {table}" in host.pool(devices=[table, f"{table}p1"])[0]
    host.sh(f"fsck.ext4 -fn {disk}; swapoff {swap}; vgremove --yes foreign; pvremove {member}; wipefs --all {swap}")


def test_a_pool_is_made_grows_and_goes(host: Host, loops: list[str]) -> None:
    disk, blank, table = loops[0], loops[1], loops[3]
    host.sh(f"mkfs.ext4 -q {disk}; {write_table(table)}")
    steps = ["create_group", "write_profile", "create_pool"]
    assert host.pool(check=True, devices=[blank]) == steps
    planned = host.report
    assert host.sh(f"wipefs --noheadings {blank}; vgs --noheadings --select vg_name={GROUP}").strip() == ""
    assert host.pool(devices=[blank]) == steps
    volatile = ("data_percent", "metadata_percent")
    assert {**host.report, **dict.fromkeys(volatile)} == {**planned, **dict.fromkeys(volatile)}
    assert host.pool(devices=[blank]) == []
    assert host.pool(devices=[blank], size="50%") == [
        f"size: {GROUP}/pool has 536M, more than 50%; a thin pool cannot be made smaller: write size: 536M, or remove it first"
    ]
    assert host.pool(devices=[blank, disk], wipe=True) == ["wipe_device", "extend_group", "extend_pool"]
    assert host.report["size"] == "1072M"
    assert f"{GROUP} also has {disk}" in host.pool(devices=[blank])[0]
    assert host.pool(devices=[blank, disk, table], wipe=True, tags=["ssd"]) == [
        "wipe_device",
        "extend_group",
        "extend_pool",
        "retag_pool",
    ]
    assert host.volume(size="400M", filesystem="xfs") == ["create_volume", "make_filesystem"]
    assert host.volume(size="400M", filesystem="xfs") == []
    host.sh(f"mount /dev/{GROUP}/data {FOLDER}/mnt; echo kept > {FOLDER}/mnt/file")
    assert host.volume(size="500M", filesystem="xfs") == ["grow_volume", "grow_filesystem"]
    assert host.volume(size="500M", filesystem="xfs") == []
    assert int(host.sh(f"df -m --output=size {FOLDER}/mnt | tail -1")) > 400
    assert "is mounted on" in host.volume(state="absent", force=True)[0]
    assert "data is in use" in host.pool(state="absent", force=True)[0]
    assert host.sh(f"cat {FOLDER}/mnt/file; umount {FOLDER}/mnt") == "kept\n"
    assert "carries xfs, not ext4" in host.volume(size="500M", filesystem="ext4")[0]
    assert "holds data; set force: true" in host.volume(state="absent")[0]
    assert "holds 1 volumes with their data: data" in host.pool(state="absent")[0]
    removal = ["remove_pool", "remove_group", "clear_device", "clear_device", "clear_device", "remove_profile"]
    assert host.pool(state="absent", force=True) == removal
    assert host.pool(state="absent") == []
    assert host.sh(f"wipefs --noheadings {blank} {disk} {table}; ls /etc/lvm/profile | grep {GROUP} || true").strip() == ""


def test_what_an_interrupted_run_left_is_completed(host: Host, loops: list[str]) -> None:
    device = loops[-1]
    host.sh(f"pvcreate --quiet {device}")
    assert host.pool(check=True, devices=[device]) == ["create_group", "write_profile", "create_pool"]
    host.sh(f"vgcreate --quiet {GROUP} {device}")
    assert "was not made by this collection" in host.pool(devices=[device])[0]
    host.sh(f"vgchange --quiet --addtag zonal.cloud {GROUP}")
    assert host.pool(devices=[device]) == ["write_profile", "create_pool"]
    # As a power cut within mkfs leaves it: something that looks like a filesystem, on a volume that is marked.
    host.sh(f"lvcreate --quiet --yes -V 400M --thinpool pool --addtag zonal.unfinished -n data {GROUP}; mkfs.xfs -q -f /dev/{GROUP}/data")
    assert host.volume(size="400M", filesystem="xfs") == ["make_filesystem"]
    assert host.volume(size="400M", filesystem="xfs") == []
    assert host.pool(state="absent", force=True)[:1] == ["remove_pool"]


def test_lvm_may_be_killed_at_any_moment_while_it_makes_a_pool(host: Host, loops: list[str]) -> None:
    device = loops[-1]
    argv = f"lvcreate --yes --type thin-pool --name pool --extents 100 --poolmetadatasize 4m {GROUP}"
    for moment in ("0.1", "0.3", "0.4", "0.5", "0.6", "0.7", "0.8", "0.9", "1.1"):
        host.sh(f"vgcreate --quiet --addtag zonal.cloud {GROUP} {device}; timeout --signal KILL {moment} {argv}; true")
        assert host.pool(devices=[device])[-1] in ("create_pool", "retag_pool"), host.sh(f"lvs -a {GROUP}")
        assert host.report["size"] == "536M"
        host.sh(f"vgremove --force --yes {GROUP}")


def test_lvm_may_be_killed_at_any_moment_while_it_makes_a_volume(host: Host, loops: list[str]) -> None:
    """The first volume of a pool, for which LVM takes the pool apart: until it is there again, the volume is in LVM's books alone."""
    device = loops[-1]
    argv = f"lvcreate --yes --name data --addtag zonal.unfinished --type thin --thinpool pool --virtualsize 400M {GROUP}"
    for moment in ("0.1", "0.3", "0.5", "0.7", "0.8", "0.9", "1.0", "1.2"):
        host.pool(devices=[device])
        host.sh(f"timeout --signal KILL {moment} {argv}; true")
        host.pool(devices=[device])
        assert host.volume(size="400M", filesystem="xfs")[-1:] == ["make_filesystem"], host.sh(f"lvs -a {GROUP}")
        assert (host.pool(devices=[device]), host.volume(size="400M", filesystem="xfs")) == ([], [])
        host.sh(f"lvremove --yes {GROUP}/pool")


def test_what_a_killed_lvm_holds_of_a_disk_goes_on(host: Host, loops: list[str]) -> None:
    """As it leaves the disk of which it was to take a snapshot, at some moments."""
    tree = PACKAGE
    adapter = f"from {tree}.plugins.module_utils._adapters.lvm import LvmVolumes; from {tree}.tests.host_command import run_command"
    host.pool(devices=loops[-1:])
    host.volume(size="400M")
    resume = f'cd {FOLDER}/tree; python3 -c \'{adapter}; LvmVolumes(run_command, "{GROUP}", "pool").resume("data")\''
    host.sh(f"dmsetup suspend {GROUP}-data; {resume}; timeout 9 dd if=/dev/{GROUP}/data of=/dev/null count=1 iflag=direct 2>&1")
    assert host.pool(state="absent", force=True)[0] == "remove_pool"


def test_a_pool_grows_by_itself_and_is_left_that_large(host: Host, loops: list[str]) -> None:
    device = loops[-1]
    options: dict[str, Any] = {"devices": [device], "size": "50%", "autoextend_threshold": 50, "autoextend_percent": 20}
    host.pool(**options)
    before = host.report["size"]
    host.volume(size="1G")
    host.sh(f"dd if=/dev/zero of=/dev/{GROUP}/data bs=1M count=200 oflag=direct 2>&1")
    size = f"lvs --noheadings --nosuffix --units m --options lv_size {GROUP}/pool"
    told = host.sh(f"for n in $(seq 30); do sleep 2; {size} | grep -qw {before[:-1]}.00 || break; done; {size}")
    assert float(told) > float(before[:-1])
    assert host.pool(**options) == []
    assert "cannot be made smaller" in host.pool(**{**options, "size": "40%"})[0]
    assert host.pool(state="absent", force=True)[0] == "remove_pool"


def test_a_guest_waits_while_its_pool_is_full_and_goes_on(host: Host, loops: list[str], lab: Any, tmp_path: Path) -> None:
    """QEMU holds a VM whose write finds no space; a run says so until there is some, and then lets it go on with all that it wrote."""
    network = {"bridge": "br0", "cidr": "10.99.0.0/16", "gateway": "10.99.0.1"}
    vm = {
        "name": "full",
        "zone": "full",
        "tenant": "demo",
        "app": "full",
        "image": "full:1",
        "vcpus": 1,
        "memory": "128M",
        "disk": "400M",
        "address": GUEST,
        "network": network,
    }
    archive = f"{FOLDER}/guest.tgz"

    def play(name: str, *tasks: dict[str, Any]) -> str:
        path = tmp_path / f"{name}.yml"
        defaults = {f"zonal.cloud.{module}": {"group": GROUP} for module in ("image", "vm")}
        path.write_text(json.dumps([{"hosts": HOST, "gather_facts": False, "module_defaults": defaults, "tasks": list(tasks)}]))
        return str(path)

    make = {"zonal.cloud.vm": {**vm, "ssh_keys": "{{ zonal_zones.lab.ssh_keys }}"}}
    copy = {"ansible.builtin.copy": {"src": "{{ lab_guest_image.path }}", "dest": archive, "mode": "0600"}}
    image: dict[str, Any] = {"name": "full:1", "kinds": ["vm"]}
    timeout = "/sys/module/dm_thin_pool/parameters/no_space_timeout"
    waits = host.sh(f"cat {timeout}; echo 1 >{timeout}").strip()
    try:
        host.pool(devices=[loops[0]], autoextend_threshold=100)
        lab.play(play("make", copy, {"zonal.cloud.image": {**image, "src": archive, "sha256": "{{ lab_guest_image.sha256 }}"}}, make))
        lab.login(GUEST, f"({WRITES}) </dev/null >/dev/null 2>&1 &", 240)
        host.volume(name="filler", size="600M")
        host.sh(f"! dd if=/dev/zero of=/dev/{GROUP}/filler bs=1M oflag=direct")
        lab.eventually(lambda: "I/O error" in host.sh("virsh domstate full --reason"), "QEMU holds the VM")
        told = " ".join(lab.start_play(play("resume", make)).finish(status=2).split())
        assert "Cannot resume VM full: no space is left where its disk vda is" in told
        assert host.volume(name="filler", state="absent", force=True) == ["remove_volume"]
        assert "changed=1" in lab.play(play("resume", make))
        written = lab.login(GUEST, "cd /written; touch stop; sleep 3; sync; sha256sum -c sums").split("\n")[:-1]
        assert written
        assert all(line.endswith(": OK") for line in written)
        assert "changed=0" in lab.play(play("resume", make))
    finally:
        absent = {"state": "absent"}
        lab.play(play("remove", {"zonal.cloud.vm": {"name": "full", **absent}}, {"zonal.cloud.image": {**image, **absent}}))
        host.sh(f"echo {waits} >{timeout}")


def test_the_alarm_goes_off_when_the_pool_is_nearly_full(host: Host) -> None:
    unit = "/run/systemd/system/zonal-test-alarm.service"
    host.sh(f"sed 's/85/1/g' /etc/systemd/system/zonal-thin-pool-alarm.service > {unit}; systemctl daemon-reload")
    host.sh("systemctl start zonal-thin-pool-alarm.service")
    assert host.sh("systemctl is-active zonal-thin-pool-alarm.timer").strip() == "active"
    told = host.sh(
        "systemctl start zonal-test-alarm.service; systemctl is-failed zonal-test-alarm.service; "
        "journalctl --boot --unit zonal-test-alarm.service --priority 0..1 --output cat",
    )
    assert told.splitlines()[0] == "failed"
    assert "Thin pool nearly full, 1% or more (name, data, metadata):" in told
    assert "zonal/pool" in told
    host.sh(f"rm {unit}; systemctl daemon-reload; systemctl reset-failed zonal-test-alarm.service || true")


def test_a_container_cannot_write_more_than_its_disk(host: Host) -> None:
    told = host.sh(
        f"""
        mkdir -p {FOLDER}/image/bin; cp /bin/busybox {FOLDER}/image/bin/; ln -sf busybox {FOLDER}/image/bin/dd
        tar c -C {FOLDER}/image . | docker import - zonal-test:1 >/dev/null
        docker run --rm --network none --storage-opt size=50M zonal-test:1 /bin/dd if=/dev/zero of=/big bs=1M count=100 2>&1
        docker image rm --force zonal-test:1 >/dev/null; rm -rf {FOLDER}/image""",
    )
    assert "No space left on device" in told
    assert "50+0 records in" in told


def test_containers_are_behind_the_services_of_the_host(host: Host) -> None:
    assert host.sh("cat /sys/fs/cgroup/zonal.slice/cpu.weight").strip() == "50"
    groups = host.sh("for id in $(docker ps --quiet); do cat /proc/$(docker inspect --format '{{.State.Pid}}' $id)/cgroup; done").split()
    assert groups
    assert all(group.startswith("0::/zonal.slice/docker-") for group in groups)
