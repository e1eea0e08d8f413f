# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""VMs on a real libvirt: the contract on its test driver and on QEMU, and one guest that boots under plain emulation."""

from __future__ import annotations

import base64
import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path
from typing import Any

import libvirt
import libvirt_qemu
import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters import libvirt_engine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.boot_files import BootFolder
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.libvirt_engine import LibvirtEngine
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_archive import check_archive
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import parse_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image import ImageWish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance import ABSENT, PAUSED, RUNNING, STOPPED, Renamed, Wish
from ansible_collections.zonal.cloud.plugins.module_utils._domain.instance_disks import serial_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import mac_of, tap_of, uuid_of
from ansible_collections.zonal.cloud.plugins.module_utils._domain.snapshot import PRESENT, RESTORED, SnapshotWish
from ansible_collections.zonal.cloud.plugins.module_utils._module import vm_host
from ansible_collections.zonal.cloud.plugins.module_utils._module.data_disks import DataDisks
from ansible_collections.zonal.cloud.plugins.module_utils._module.image import ImageResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.snapshot import SnapshotResource, root_disk
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm import VmResource
from ansible_collections.zonal.cloud.plugins.module_utils._module.vm_found import list_vms
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError
from ansible_collections.zonal.cloud.tests.integration.engines.conftest import BRIDGE, CIDR, ROUTER
from ansible_collections.zonal.cloud.tests.integration.engines.file_disks import FileDisks, FileVolumes, file_filesystems
from ansible_collections.zonal.cloud.tests.integration.engines.node import Node, wait_for
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.vms import (
    CONTRACT,
    Bench,
    a_device_is_given_to_what_runs_and_taken_away,
    a_disk_is_seen_as_large_as_it_is_said_to_be,
    what_can_be_emulated_is_no_cpu_of_the_host,
    what_follows_a_crash_changes_while_it_runs,
    what_is_gone_may_be_removed_again,
)
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.containers import FakeContainers
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.copies import NO_COPIES
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.fuse import VM_CHANGES, VOLUME_CHANGES, Fuse, PowerCut
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import KEY, converge, planned
from ansible_collections.zonal.cloud.tests.unit.plugins.golden_files import FOLDER
from lab.guest_image import guest_image
from lab.paths import Paths
from lab.progress import Progress

MIB = 1024**2
LONG = "more-than-twenty-characters"
BOTH = ("restart", "recreate")
ADDRESS, EXTRA = "10.88.0.40", "10.88.0.39"
BOOT_TIMEOUT = 120
WRITER = "i=0; while :; do i=$((i+1)); echo $i | busybox dd of=/log oflag=append conv=notrunc,fsync 2>/dev/null && echo synced $i; done"
# Letters to port 0x3f8, 1 to port 0x505, and no more: a boot sector that writes to the serial port and to the panic device.
CRASHES = "!crash!"
CRASH = b"".join(b"\xba\xf8\x03\xb0" + letter.encode() + b"\xee" for letter in CRASHES) + b"\xba\x05\x05\xb0\x01\xee\xf4\xeb\xfd"
# For the balloon, and for a device that is attached.
SLOTS = "<controller type='pci' index='0' model='pcie-root'/>" + "<controller type='pci' model='pcie-root-port'/>" * 2
DEVICES = f"<controller type='usb' model='none'/><memballoon model='virtio'/>{SLOTS}"
# It knows no checkpoints and no NVRAM, whose remains are removed with a domain, no devices that come and go, no
# other end of a crash and no capabilities.
NOT_ON_THE_TEST_DRIVER = {
    what_is_gone_may_be_removed_again,
    a_device_is_given_to_what_runs_and_taken_away,
    a_disk_is_seen_as_large_as_it_is_said_to_be,
    what_can_be_emulated_is_no_cpu_of_the_host,
    what_follows_a_crash_changes_while_it_runs,
}


class Agentless(LibvirtEngine):
    """libvirt of which no guest has an agent."""

    @contextmanager
    def quiet(self, name: str) -> Iterator[str]:
        yield f"{name} has no agent"


class Lab:
    """libvirt of the node, an image, and wishes for one VM."""

    def __init__(self, node: Node, uri: str, domain_type: str = "qemu") -> None:
        self.node = node
        self.uri = uri
        self.domain_type = domain_type
        self.engine = LibvirtEngine(uri)
        self.connection = libvirt.open(uri)
        self.volumes = FileVolumes(node.folder)
        self.data = DataDisks(self.volumes, file_filesystems(), self.engine)
        self.boot = BootFolder(str(node.folder / "boot"))
        self.image = guest_image(Paths.from_environment(), Progress())
        self.digest = check_archive(self.image.path, Policy()).content.digest

    def make_image(self, name: str = "guest:1") -> None:
        wanted = ImageWish(name, frozenset(["vm"]), sha256=self.image.sha256)
        converge(ImageResource(wanted, self.image.path, Policy(), FakeContainers(), self.volumes, FileDisks(), self.boot))

    def wish(self, power: str = RUNNING, *, name: str = "web", allow: tuple[str, ...] = (), restart: bool = False, **options: Any) -> Wish:
        raw = {
            "zone": "lab",
            "app": "web",
            "image": "guest:1",
            "vcpus": 1,
            "memory": "128M",
            "address": ADDRESS,
            "bridge": BRIDGE,
            "cidr": CIDR,
            "gateway": ROUTER,
            "hostname": "guest-web",
            "ssh_keys": [KEY],
        }
        return Wish("vm", name, power, parse_spec({**raw, **options}), allow, restart)

    def resource(self, wanted: Wish) -> VmResource:
        return VmResource(
            wanted, self.engine, FakeContainers(), self.volumes, FileDisks(), self.data, self.boot, lambda: self.domain_type, 0
        )

    def converge(self, wanted: Wish) -> list[str]:
        return converge(self.resource(wanted))

    def planned(self, wanted: Wish) -> tuple[list[str], list[str]]:
        """Return the steps that would be done, and the options that wait for permission."""
        return planned(self.resource(wanted))

    def pending(self, wanted: Wish) -> list[str]:
        return self.planned(wanted)[1]

    def answers(self, address: str = ADDRESS) -> bool:
        with suppress(RuntimeError):
            return "1 packets received" in self.node.run("busybox", "ping", "-c", "1", "-W", "1", address)
        return False

    def inside(self, script: str) -> str:
        """Run a shell script in the guest through its agent, and return what it prints."""
        arguments = {"path": "/bin/sh", "arg": ["-c", script], "capture-output": True}
        pid = self._agent("guest-exec", arguments)["pid"]
        told: dict[str, Any] = {}

        def done() -> bool:
            told.update(self._agent("guest-exec-status", {"pid": pid}))
            return bool(told["exited"])

        wait_for(script, done, 30)
        return base64.b64decode(told.get("out-data", "")).decode()

    def _agent(self, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(
            libvirt_qemu.qemuAgentCommand(self.domain(), json.dumps({"execute": command, "arguments": arguments}), 30, 0)
        )
        return dict(answer["return"])

    def domain(self) -> Any:
        return self.connection.lookupByName("web")


@pytest.fixture(scope="module")
def lab(node: Node, libvirt_uri: str) -> Lab:
    made = Lab(node, libvirt_uri)
    made.make_image()
    return made


@pytest.fixture
def cleaned(lab: Lab) -> Iterator[Lab]:
    yield lab
    for name in ("web", "foreign"):
        lab.engine.remove(name)
        lab.volumes.remove(f"vm-{name}")
    for name in ("data", LONG):
        lab.volumes.remove(f"disk-{name}")


@pytest.fixture
def lxc(node: Node, libvirt_uri: str, lab: Lab) -> Iterator[Lab]:
    """The same host when it has libvirt's containers in place of machines."""
    made = Lab(node, libvirt_uri.replace("qemu+", "lxc+"), "lxc")
    made.volumes, made.data = lab.volumes, lab.data
    yield made
    made.engine.remove("web")
    made.volumes.remove("vm-web")


def disk_file(folder: Path) -> str:
    path = folder / "disk.raw"
    path.write_bytes(bytes(MIB))
    return str(path)


def driver_xml(name: str, memory: int) -> str:
    head = f"<name>{name}</name><uuid>{uuid_of('t', name)}</uuid><memory unit='MiB'>{memory}</memory>"
    return f"<domain type='test'>{head}<os><type>hvm</type></os></domain>"


def machine_xml(name: str, memory: int) -> str:
    """A machine without a disk: its firmware finds nothing to boot and waits."""
    head = f"<name>{name}</name><uuid>{uuid_of('t', name)}</uuid><memory unit='MiB'>{memory}</memory>"
    system = "<os><type arch='x86_64' machine='q35'>hvm</type></os><features><acpi/></features>"
    return f"<domain type='qemu'>{head}{system}<devices>{DEVICES}</devices></domain>"


@pytest.mark.parametrize("check", [check for check in CONTRACT if check not in NOT_ON_THE_TEST_DRIVER], ids=lambda check: check.__name__)
def test_contract_on_the_test_driver(check: Callable[[Bench], None], prefix: str, tmp_path: Path) -> None:
    # A file of its own: the domains of test:///default are shared by all connections of a process.
    (tmp_path / "node.xml").write_text("<node><cpu><mhz>1</mhz><model>x</model></cpu><memory>1048576</memory></node>")
    engine = LibvirtEngine(f"test://{tmp_path}/node.xml")
    check(Bench(engine, driver_xml, prefix, agents=True, file=disk_file(tmp_path)))


@pytest.mark.parametrize("check", CONTRACT, ids=lambda check: check.__name__)
def test_contract_on_qemu(check: Callable[[Bench], None], libvirt_uri: str, prefix: str, tmp_path: Path) -> None:
    bench = Bench(LibvirtEngine(libvirt_uri), machine_xml, prefix, agents=False, file=disk_file(tmp_path))
    try:
        check(bench)
    finally:
        bench.clean()


def test_a_vm_of_somebody_else_that_ends_while_all_are_listed_ends_no_run(
    libvirt_uri: str, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Never defined, such as those of libguestfs: when it ends there is no such domain any more.
    brief, describe = [libvirt.open(libvirt_uri).createXML(machine_xml(f"{prefix}brief", 16))], LibvirtEngine._describe

    def end_first(domain: Any) -> Any:
        if domain.name() == f"{prefix}brief" and brief:
            brief.pop().destroy()
        return describe(domain)

    monkeypatch.setattr(LibvirtEngine, "_describe", staticmethod(end_first))
    assert f"{prefix}brief" not in [domain.name for domain in LibvirtEngine(libvirt_uri).domains()]
    assert not brief


@pytest.mark.parametrize("file", sorted(FOLDER.glob("vm-*.xml")), ids=lambda file: file.stem)
def test_the_golden_xml_fits_libvirts_schema(file: Path, libvirt_uri: str) -> None:
    if "-lxc" in file.stem:
        libvirt_uri = libvirt_uri.replace("qemu+", "lxc+")
    # Whether a machine has KVM is not the question here.
    text = file.read_text(encoding="utf-8").replace('type="kvm"', 'type="qemu"').replace(' mode="host-model"', ' mode="maximum"')
    if "-xen" in file.stem:
        # There is no Xen here: another driver refuses what the schema has let pass.
        with pytest.raises(libvirt.libvirtError) as caught:
            validate(libvirt_uri, text)
        assert caught.value.get_error_code() != libvirt.VIR_ERR_XML_INVALID_SCHEMA
    else:
        validate(libvirt_uri, text)
    with pytest.raises(libvirt.libvirtError, match="failed to validate against schema"):
        validate(libvirt_uri, text.replace(' port="0" />', ' porto="0" />'))


def validate(uri: str, text: str) -> None:
    """Have libvirt hold a domain to its own schema."""
    libvirt.open(uri).defineXMLFlags(text, libvirt.VIR_DOMAIN_DEFINE_VALIDATE).undefine()


def test_without_libvirt_it_says_so() -> None:
    with pytest.raises(EngineAbsent, match=r"^Cannot reach libvirt at qemu\+unix:.*; is libvirtd running\?"):
        LibvirtEngine("qemu+unix:///system?socket=/nowhere").domains()


def test_without_a_uri_the_hosts_own_driver_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(libvirt_engine, "system_uri", lambda: "test:///default")
    assert LibvirtEngine().driver() == "test"


def test_a_vm_of_somebody_else_is_not_touched(cleaned: Lab) -> None:
    cleaned.engine.define(machine_xml("web", 32))
    before = cleaned.engine.domains()
    for wanted in (cleaned.wish(), cleaned.wish(ABSENT), cleaned.wish(allow=BOTH, hostname="other")):
        with pytest.raises(RefusedError, match=r"name: 'web' is a vm that zonal\.cloud did not make"):
            cleaned.converge(wanted)
    assert (cleaned.engine.domains(), cleaned.volumes.find("vm-web")) == (before, None)


def test_a_guest(cleaned: Lab) -> None:
    """One guest and one story: booting under emulation costs the most here."""
    lab = cleaned
    wanted = lab.wish(disk="150M", extra_addresses=[EXTRA], max_vcpus=2)
    assert lab.converge(wanted) == ["create", "start"]
    assert lab.converge(wanted) == []
    _check_schema(lab)
    domain = lab.domain()
    assert (domain.isActive(), domain.autostart(), domain.UUIDString()) == (1, 1, uuid_of("lab", "web"))
    assert f"<target dev='{tap_of('web')}'/>" in domain.XMLDesc()
    assert mac_of(ADDRESS) in domain.XMLDesc()
    wait_for("the guest", lab.answers, BOOT_TIMEOUT)
    wait_for("its other address", lambda: lab.answers(EXTRA), 20)
    for address in (ADDRESS, EXTRA):
        assert mac_of(ADDRESS) in lab.node.run("ip", "neighbour", "show", address)
    console = Path(lab.node.path("/var/log/libvirt/qemu/web-console.log"))
    wait_for("its hostname", lambda: "guest guest-web is up" in console.read_text(errors="replace"), 60)
    _check_live_changes(lab)
    _check_disks(lab)
    synced = _take_snapshots_under_load(lab)
    _check_changes_that_need_a_restart(lab)
    _check_disks_of_the_next_start(lab)
    _check_a_cpu_more(lab)
    assert lab.converge(lab.wish(STOPPED, memory="160M", vcpus=2)) == ["stop"]
    assert lab.converge(lab.wish(STOPPED, memory="160M", vcpus=2)) == []
    # What is stopped needs no permission to be restarted.
    assert lab.converge(lab.wish(STOPPED, memory="128M", disk="200M")) == ["update"]
    assert Path(lab.volumes.path("vm-web")).stat().st_size == 200 * MIB
    _check_snapshots_of_load(lab, synced)
    assert lab.converge(lab.wish(ABSENT)) == ["remove"]
    assert lab.converge(lab.wish(ABSENT)) == []
    assert [volume.name for volume in lab.volumes.list()] == ["disk-data", f"img-{lab.digest[:12]}"]


def test_a_container_of_libvirt(lxc: Lab) -> None:
    assert lxc.engine.driver() == "lxc"
    with pytest.raises(SpecError, match=r"^io_limits: \{'read_iops': 5\} is not for VMs of the type lxc"):
        lxc.converge(lxc.wish(io_limits={"read_iops": 5}))
    assert lxc.volumes.find("vm-web") is None
    assert lxc.converge(lxc.wish(disk="150M")) == ["create", "start"]
    assert (lxc.converge(lxc.wish(disk="150M")), lxc.pending(lxc.wish(disk="150M"))) == ([], [])
    wait_for("the container", lxc.answers, 20)
    assert mac_of(ADDRESS) in lxc.node.run("ip", "neighbour", "show", ADDRESS)
    assert (lxc.domain().UUIDString(), lxc.domain().autostart()) == (uuid_of("lab", "web"), 1)
    number = lxc.domain().ID()
    assert lxc.converge(lxc.wish(app="other", autostart=False)) == ["update"]
    assert [(item.name, item.spec["app"]) for item in list_vms(lxc.engine, lxc.volumes)] == [("web", "other")]
    assert lxc.converge(lxc.wish(PAUSED)) == ["update", "pause"]
    assert lxc.converge(lxc.wish()) == ["resume"]
    assert lxc.domain().ID() == number, "it was not restarted"
    more: dict[str, Any] = {"memory": "160M", "vcpus": 2, "disk": "200M"}
    assert lxc.pending(lxc.wish(**more)) == ["vcpus", "memory", "disk"]
    assert lxc.converge(lxc.wish(**more, allow=("restart",))) == ["stop", "update", "start"]
    assert (lxc.converge(lxc.wish(**more)), lxc.pending(lxc.wish(**more))) == ([], [])
    assert (lxc.domain().info()[1], lxc.domain().schedulerParameters()["vcpu_quota"]) == (160 * 1024, 200_000)
    wait_for("the container", lxc.answers, 20)
    assert lxc.engine.stats() == {}
    assert lxc.converge(lxc.wish(STOPPED, **more)) == ["stop"]
    # Its file system is as large as its disk.
    assert f"Block count:              {200 * 1024}\n" in lxc.node.run("dumpe2fs", "-h", lxc.volumes.path("vm-web"))
    assert lxc.converge(lxc.wish(ABSENT)) == ["remove"]
    assert (lxc.converge(lxc.wish(ABSENT)), lxc.engine.domains(), lxc.volumes.find("vm-web")) == ([], [], None)


def _check_schema(lab: Lab) -> None:
    found = lab.engine.find("web")
    assert found is not None
    # Defined again as it is: an unchanged definition of a VM that runs.
    lab.connection.defineXMLFlags(found.xml, libvirt.VIR_DOMAIN_DEFINE_VALIDATE)


def _check_live_changes(lab: Lab) -> None:
    wanted = lab.wish(app="other", zone="elsewhere", autostart=False)
    assert lab.converge(wanted) == ["update"]
    assert lab.converge(wanted) == []
    # Its guest knows it by that UUID, and libvirt gives the name to no other.
    assert (lab.domain().autostart(), lab.domain().UUIDString()) == (0, uuid_of("lab", "web"))
    found = [(item.name, item.spec["app"], item.spec["zone"]) for item in list_vms(lab.engine, lab.volumes)]
    assert found == [("web", "other", "elsewhere")]
    assert lab.converge(lab.wish()) == ["update"]


def _check_disks(lab: Lab) -> None:
    """Disks come, grow and go while it runs, and its definition follows."""
    wait_for("the guest's agent", lambda: _is_up(lab), BOOT_TIMEOUT)
    number = lab.domain().ID()
    disks = [{"name": "data", "size": "64M"}, {"name": LONG, "size": "16M"}]
    # One after the other: of two that come at once, the guest may see either first.
    for count, serials in ((1, "data"), (2, f"data{serial_of(LONG)}")):
        more = lab.wish(disks=disks[:count])
        assert lab.converge(more) == ["update"]
        assert (lab.converge(more), lab.pending(more)) == ([], [])
        wait_for(serials, partial(_has_disks, lab, serials), BOOT_TIMEOUT)
    lab.inside("mount -t ext4 /dev/vdb /mnt && echo kept > /mnt/file && umount /mnt && sync")
    # A run that was cut off before the guest was told.
    lab.volumes.grow("disk-data", 128 * MIB)
    larger = lab.wish(disks=[{"name": "data", "size": "128M"}, {"name": LONG}])
    assert lab.inside("cat /sys/block/vdb/size").strip() == str(64 * MIB // 512)
    assert lab.converge(larger) == ["update"]
    assert lab.inside("cat /sys/block/vdb/size").strip() == str(128 * MIB // 512)
    # The one that was second stays where it is in the guest, and is the first at its next start.
    last = lab.wish(disks=[{"name": LONG}])
    assert lab.converge(last) == ["update"]
    assert (lab.converge(last), lab.inside("ls /sys/block | grep vd")) == ([], "vda\nvdc\n")
    assert [disk.get("dev") for disk in ET.fromstring(lab.domain().XMLDesc(2)).findall("devices/disk/target")] == ["vda", "vdb"]
    assert lab.node.run("debugfs", "-R", "cat /file", lab.volumes.path("disk-data")) == "kept\n"
    assert lab.domain().ID() == number, "it was not restarted"


def _has_disks(lab: Lab, serials: str) -> bool:
    return lab.inside("cat /sys/block/vd[bc]/serial") == serials


def _take_snapshots_under_load(lab: Lab) -> dict[str, int]:
    """Take a snapshot held still by its agent, and one without, while the guest writes; return how much it had written for certain."""
    console = Path(lab.node.path("/var/log/libvirt/qemu/web-console.log"))
    lab.inside(f"({WRITER}) > /dev/ttyS0 2>&1 < /dev/null &")
    synced = {"agent": 0, "paused": 0}

    def written() -> int:
        return max([0, *map(int, re.findall(r"synced (\d+)\r?\n", console.read_text(errors="replace")))])

    def has_written(number: int) -> bool:
        return written() >= number

    for consistent, engine in (("agent", lab.engine), ("paused", Agentless(lab.uri))):
        wait_for("the writer", partial(has_written, written() + 20))
        synced[consistent] = written()
        resource = _snapshot(lab, engine, consistent)
        assert converge(resource) == ["take"]
        assert resource.report(resource.observe())["snapshots"][-1]["consistent"] == consistent
    return synced


def _check_snapshots_of_load(lab: Lab, synced: dict[str, int]) -> None:
    """The file system is whole, and all is there that the guest was told is written, with no hole in what follows."""
    disk = lab.volumes.path("vm-web")
    for name, number in synced.items():
        assert converge(_snapshot(lab, lab.engine, name, RESTORED)) == ["prepare", "restore", "finish"]
        # What is frozen has an empty journal.
        assert ("needs_recovery" in lab.node.run("dumpe2fs", "-h", disk)) is (name == "paused")
        lab.node.run("sh", "-c", f"e2fsck -p {disk} || [ $? = 1 ]; e2fsck -f -n {disk}")
        log = [int(line) for line in lab.node.run("debugfs", "-R", "cat /log", disk).splitlines()]
        assert log == list(range(1, len(log) + 1))
        assert len(log) >= number


def _snapshot(lab: Lab, engine: LibvirtEngine, name: str, state: str = PRESENT) -> SnapshotResource:
    disk = root_disk("web", FakeContainers(), NO_COPIES, engine, lab.volumes, lambda _name, _command: nullcontext())
    return SnapshotResource(SnapshotWish("web", name, state), disk, 0)


def _check_disks_of_the_next_start(lab: Lab) -> None:
    wait_for("the guest's agent", lambda: _is_up(lab), BOOT_TIMEOUT)
    # Its own bootloader has told the kernel its name.
    assert "BOOT_IMAGE=/boot/vmlinuz " in lab.inside("cat /proc/cmdline")
    assert lab.inside("cat /sys/block/vdb/serial; ls /sys/block | grep vd") == f"{serial_of(LONG)}vda\nvdb\n"
    assert lab.converge(lab.wish(disks=[], memory="160M")) == ["update"]
    assert lab.inside("ls /sys/block | grep vd") == "vda\n"
    lab.volumes.remove(f"disk-{LONG}")


def _check_a_cpu_more(lab: Lab) -> None:
    """The guest sees it at once, and works with it once it was told to."""
    assert lab.inside("nproc") == "1\n"
    assert lab.converge(lab.wish(memory="160M", vcpus=2)) == ["update"]
    wait_for("the second CPU", lambda: lab.inside("ls /sys/devices/system/cpu | grep -c 'cpu[0-9]'") == "2\n", BOOT_TIMEOUT)
    assert lab.inside("echo 1 > /sys/devices/system/cpu/cpu1/online; nproc") == "2\n"


def _is_up(lab: Lab) -> bool:
    with suppress(libvirt.libvirtError):
        return lab.inside("echo up") == "up\n"
    return False


def _check_changes_that_need_a_restart(lab: Lab) -> None:
    number = lab.domain().ID()
    assert lab.converge(lab.wish(memory="160M")) == []
    assert lab.pending(lab.wish(memory="160M")) == ["memory"]
    assert lab.domain().ID() == number, "it was not restarted"
    assert lab.converge(lab.wish(memory="160M", boot="disk", allow=("restart",))) == ["stop", "update", "start"]
    assert lab.domain().ID() != number
    assert lab.domain().info()[1] == 160 * 1024
    assert (lab.converge(lab.wish(memory="160M")), lab.pending(lab.wish(memory="160M"))) == ([], [])


def test_a_guest_that_crashes(cleaned: Lab) -> None:
    """All that it does is to say so, on its console and by the device for that."""
    lab = cleaned
    lab.converge(lab.wish(STOPPED))
    with open(lab.volumes.path("vm-web"), "r+b") as disk:
        disk.write(CRASH.ljust(510, b"\0") + b"\x55\xaa")
    found = lab.engine.find("web")
    assert found is not None
    lab.engine.define(re.sub(r"<(kernel|initrd|cmdline)>.*</\1>", "", found.xml))
    lab.engine.start("web")
    number, console = lab.domain().ID(), Path(lab.node.path("/var/log/libvirt/qemu/web-console.log"))
    before = console.read_text(errors="replace").count(CRASHES)
    wait_for("two more crashes", lambda: console.read_text(errors="replace").count(CRASHES) >= before + 2, BOOT_TIMEOUT)
    assert lab.domain().ID() == number
    lab.engine.set_crash_action("web", "destroy")
    wait_for("its end", lambda: not lab.domain().isActive(), BOOT_TIMEOUT)


def test_a_guest_that_answers_nothing_is_stopped_before_a_disk_goes(cleaned: Lab) -> None:
    lab = cleaned
    assert lab.converge(lab.wish(disks=[{"name": "data", "size": "16M"}])) == ["create", "start"]
    lab.domain().suspend()
    without = lab.wish(STOPPED, disks=[])
    assert lab.converge(without) == ["stop", "update"]
    assert (lab.converge(without), lab.pending(without)) == ([], [])


def test_what_it_cannot_have_stops_nothing(cleaned: Lab) -> None:
    lab = cleaned
    lab.converge(lab.wish())
    number = lab.domain().ID()
    for model in ("host-passthrough", "Unheard-of"):
        with pytest.raises(SpecError, match=rf"^cpu_model: '{model}' is none that libvirt here can give a VM by plain emulation"):
            lab.converge(lab.wish(cpu_model=model, allow=BOTH))
    with pytest.raises(SpecError, match=r"^max_vcpus: 200 is more than the \d+ CPUs of this host"):
        lab.converge(lab.wish(cpu_policy="pinned", max_vcpus=200, allow=BOTH))
    with pytest.raises(SpecError, match=r"^max_memory: '100T' is more than this host has"):
        lab.converge(lab.wish(max_memory="100T", allow=BOTH))
    with pytest.raises(SpecError, match=r"^pci_devices: 'ffff:ff:1f\.7' is no PCI device of this host"):
        lab.converge(lab.wish(pci_devices=["ffff:ff:1f.7"], allow=BOTH))
    assert lab.domain().ID() == number
    # libvirt has written down what QEMU's own CPU is.
    assert lab.planned(lab.wish(cpu_model="qemu64")) == ([], [])


def test_what_somebody_renames_still_has_its_address(cleaned: Lab) -> None:
    lab = cleaned
    lab.converge(lab.wish(STOPPED))
    lab.domain().rename("foreign")
    renamed: list[Renamed] = []
    assert list_vms(lab.engine, lab.volumes, renamed) == []
    assert renamed == [Renamed("vm", "foreign", "web", (ADDRESS,))]


def test_snapshots_of_what_somebody_has_removed_go_with_it(cleaned: Lab) -> None:
    lab = cleaned
    lab.converge(lab.wish(STOPPED))
    lab.volumes.preserve("vm-web", "vm-web.snap.monday", ["zonal.snapshot-of=web"])
    lab.domain().undefine()
    lab.volumes.remove("vm-web")
    assert lab.converge(lab.wish(ABSENT)) == ["remove"]
    assert [volume.name for volume in lab.volumes.list() if volume.name.startswith("vm-web")] == []
    assert lab.converge(lab.wish(ABSENT)) == []


def test_a_pci_device_of_a_vm_that_does_not_run_is_given_to_no_other(cleaned: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    """No device of this machine can be passed on, but libvirt defines a VM with any."""
    monkeypatch.setattr(vm_host, "pci_fault", lambda _address: "")
    lab, device = cleaned, "0000:3b:00.0"
    assert lab.converge(lab.wish(STOPPED, pci_devices=[device])) == ["create"]
    assert lab.converge(lab.wish(STOPPED, pci_devices=[device])) == []
    other = partial(lab.wish, STOPPED, name="foreign", address="10.88.0.77", hostname="foreign", pci_devices=[device])
    with pytest.raises(SpecError, match=rf"^pci_devices: '{device}' is what the VM web has"):
        lab.converge(other())
    assert [domain.name for domain in lab.engine.domains()] == ["web"]
    assert lab.converge(lab.wish(STOPPED, pci_devices=[])) == ["update"]
    assert lab.converge(other()) == ["create"]


@pytest.mark.parametrize("calls", range(4))
def test_a_wish_that_changes_after_a_cut_gives_no_old_disk_to_a_new_vm(cleaned: Lab, calls: int) -> None:
    lab, fuse = cleaned, Fuse(calls)
    cut = fuse.guard(lab.engine, *VM_CHANGES), FakeContainers(), fuse.guard(lab.volumes, *VOLUME_CHANGES), FileDisks()
    with pytest.raises(PowerCut):
        converge(VmResource(lab.wish(STOPPED), *cut, lab.data, lab.boot, lambda: "qemu", 0))
    assert lab.converge(lab.wish(STOPPED, zone="other", hostname="guest-b")) == ["create"], fuse.passed
    assert lab.domain().UUIDString() == uuid_of("other", "web")
    disk = lab.volumes.path("vm-web")
    assert lab.node.run("debugfs", "-R", "cat /etc/hostname", disk).strip() == "guest-b"
    assert lab.domain().XMLDesc().count(disk) == 1
    assert lab.converge(lab.wish(STOPPED, zone="other", hostname="guest-b")) == []


def test_memory_that_qemu_rounds_does_not_differ_for_ever(cleaned: Lab) -> None:
    wanted = cleaned.wish(memory="100000K")
    assert cleaned.converge(wanted) == ["create", "start"]
    assert (cleaned.converge(wanted), cleaned.pending(wanted)) == ([], [])


def test_a_libvirtd_that_was_restarted_is_asked_again(tmp_path: Path) -> None:
    """On a node of its own, since other tests hold connections to the other one."""
    node = Node(tmp_path)
    try:
        node.start()
        engine = LibvirtEngine(node.start_libvirt())
        engine.define(machine_xml("kept", 32))
        node.run("sh", "-c", "kill $(cat /run/libvirtd.pid)")
        wait_for("the end of libvirtd", lambda: not Path(node.path("/run/libvirtd.pid")).exists())
        with suppress(EngineError):
            engine.domains()
        with pytest.raises(EngineAbsent, match="is libvirtd running"):
            engine.domains()
        node.run("libvirtd", "--daemon", "--pid-file", "/run/libvirtd.pid")
        wait_for("libvirtd", lambda: [domain.name for domain in engine.domains()] == ["kept"])
    finally:
        node.stop()


def test_the_engines_own_words_reach_the_user(cleaned: Lab) -> None:
    cleaned.converge(cleaned.wish(STOPPED))
    found = cleaned.engine.find("web")
    assert found is not None
    cleaned.engine.define(found.xml.replace(f"bridge='{BRIDGE}'", "bridge='br9'"))
    with pytest.raises(EngineError, match=r"^Cannot start VM web: .*br9"):
        cleaned.engine.start("web")
