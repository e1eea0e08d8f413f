# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A VM as domain XML: the text, its way back, and XML that somebody else wrote."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_found import parse_cpu_models, parse_domain, pinned_in
from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_type import check_fields
from ansible_collections.zonal.cloud.plugins.module_utils._domain.domain_xml import NAMESPACE, Hardware, most_vcpus, render_domain
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError, ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.facts import fingerprint, with_printed
from ansible_collections.zonal.cloud.plugins.module_utils._domain.fields import Spec, complete, differences
from ansible_collections.zonal.cloud.plugins.module_utils._domain.names import uuid_of
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.instances import wish
from ansible_collections.zonal.cloud.tests.unit.plugins.golden_files import assert_golden
from ansible_collections.zonal.cloud.tests.unit.plugins.specs import vm_specs

MIB = 1024**2
TCG = Hardware("/dev/zonal/vm-web", "/boot/zonal-img-1/vmlinuz", "/boot/zonal-img-1/initrd", "qemu")
KVM = Hardware("/dev/zonal/vm-web", "/boot/zonal-img-1/vmlinuz", "", "kvm")
FILE = Hardware("/tmp/disk & <co>.raw", "/vmlinuz", "/initrd", "qemu", disk_is_block=False)
# Neither in the XML nor among the facts: the volume tells it.
ELSEWHERE = ("disk",)
XEN = Hardware("/dev/zonal/vm-web", "/boot/zonal-img-1/vmlinuz", "/boot/zonal-img-1/initrd", "xen")
LXC = Hardware("/dev/zonal/vm-web", "", "", "lxc")
LXC_FILE = Hardware("/tmp/disk & <co>.raw", "", "", "lxc", disk_is_block=False)
FULL: dict[str, Any] = {
    "max_vcpus": 4,
    "max_memory": "1G",
    "cpu_shares": 512,
    "cpu_policy": "pinned",
    "cpu_model": "EPYC-Rome",
    "restart_policy": "never",
    "hugepages": True,
    "pci_devices": ["0000:3b:02.1", "af:00.0"],
    "io_limits": {"write_bytes": "50M", "read_iops": 500},
    "snapshots": {"every": "1d", "keep": 7},
    "link": "down",
    "extra_addresses": ["10.20.0.30", "10.20.0.9"],
    "bandwidth": {"inbound": "10M", "outbound": "1"},
    "labels": {"example.org/tier": "<gold> & silver"},
    "user_data": "#cloud-config\nlocale: C.UTF-8\n",
}


GOLDEN = {
    "vm-tcg.xml": TCG,
    "vm-kvm.xml": KVM,
    "vm-file.xml": FILE,
    "vm-xen.xml": XEN,
    "vm-lxc.xml": LXC,
    "vm-lxc-file.xml": LXC_FILE,
}


@pytest.mark.parametrize(("file", "hardware"), GOLDEN.items())
def test_golden(file: str, hardware: Hardware) -> None:
    assert_golden(file, render_domain("web", wish("vm").spec, hardware))


def test_golden_that_boots_from_its_disk() -> None:
    assert_golden("vm-boot-disk.xml", render_domain("web", wish("vm", boot="disk").spec, Hardware("/dev/zonal/vm-web", "", "", "qemu")))


def test_golden_with_all_fields() -> None:
    assert_golden("vm-all-fields.xml", render_domain("web", wish("vm", **FULL).spec, replace(TCG, cpus=frozenset(range(4, 8)))))


@given(vm_specs, st.sampled_from([TCG, KVM, FILE]))
def test_what_was_written_reads_back(named: tuple[str, Spec], hardware: Hardware) -> None:
    name, spec = named
    hardware = replace(hardware, cpus=frozenset(range(most_vcpus(spec))))
    text = render_domain(name, spec, hardware)
    parsed = parse_domain(text)
    found = with_printed(parsed.spec, parsed.facts, spec)
    assert [item.field for item in differences("vm", spec, found)] == [key for key in ELSEWHERE if key in spec]
    assert set(found) <= set(spec)
    kernel = ("", "") if spec.get("boot") == "disk" else (hardware.kernel, hardware.initrd)
    assert (parsed.ours, parsed.domain_type, parsed.kernel, parsed.initrd) == (True, hardware.domain_type, *kernel)
    assert render_domain(name, spec, hardware) == text


@given(vm_specs, st.sampled_from([XEN, LXC, LXC_FILE]))
def test_what_was_written_for_other_drivers_reads_back(named: tuple[str, Spec], hardware: Hardware) -> None:
    name, spec = named
    try:
        check_fields(hardware.domain_type, spec)
    except SpecError:
        return
    parsed = parse_domain(render_domain(name, spec, hardware))
    found = with_printed(parsed.spec, parsed.facts, spec)
    assert [item.field for item in differences("vm", spec, found)] == [key for key in ELSEWHERE if key in spec]
    assert (parsed.ours, parsed.domain_type, parsed.kernel, parsed.attached) == (True, hardware.domain_type, hardware.kernel, {})


def test_keys_that_are_not_known_keep_their_fingerprint() -> None:
    spec = complete("web", {**wish("vm").spec, "ssh_keys": []})
    assert parse_domain(render_domain("web", spec, TCG, {"keys": "abc"})).facts["keys"] == "abc"
    assert parse_domain(render_domain("web", spec, TCG)).facts["keys"] == fingerprint([])


def test_a_definition_that_replaces_another_keeps_its_uuid() -> None:
    first = parse_domain(render_domain("web", wish("vm").spec, TCG))
    assert first.uuid == uuid_of("lab", "web")
    moved = parse_domain(render_domain("web", wish("vm", zone="other").spec, TCG, uuid=first.uuid))
    assert (moved.spec["zone"], moved.uuid) == ("other", first.uuid)


def domain(inside: str = "", attributes: str = "type='kvm'") -> str:
    return f"<domain {attributes}><name>x</name>{inside}</domain>"


def facts(inside: str) -> str:
    return domain(f"<metadata><z:instance xmlns:z='{NAMESPACE}'>{inside}</z:instance></metadata>")


def pins(*cpus: str) -> str:
    each = "".join(f"<vcpupin vcpu='{number}' cpuset='{text}'/>" for number, text in enumerate(cpus))
    return f"<cputune>{each}</cputune>"


READ: dict[str, tuple[str, dict[str, Any]]] = {
    "nothing": (domain(), {}),
    "KiB": (domain("<memory>65536</memory>"), {"memory": 64 * MIB}),
    "MiB": (domain("<memory unit='MiB'>64</memory>"), {"memory": 64 * MIB}),
    "GiB": (domain("<memory unit='GiB'>1</memory>"), {"memory": 1024 * MIB}),
    "bytes": (domain("<memory unit='b'>67108864</memory>"), {"memory": 64 * MIB}),
    "an unknown unit": (domain("<memory unit='furlong'>65536</memory>"), {}),
    "no number": (domain("<memory>much</memory><vcpu>few</vcpu>"), {}),
    "a negative number": (domain("<memory>-1</memory><vcpu>-1</vcpu>"), {}),
    "another digit": (domain("<memory>\u00b2</memory><vcpu>\u0662</vcpu>"), {}),
    "a number without end": (domain(f"<memory>{'9' * 5000}</memory><vcpu>{'9' * 5000}</vcpu>"), {}),
    "empty": (domain("<memory/><vcpu/>"), {}),
    "vcpu": (domain("<vcpu placement='static' current='1'>2</vcpu>"), {"vcpus": 1, "max_vcpus": 2}),
    "all CPUs": (domain("<vcpu current='2'>2</vcpu>"), {"vcpus": 2}),
    "a strange number of CPUs": (domain("<vcpu current='many'>2</vcpu>"), {"vcpus": 2}),
    "a balloon": (
        domain("<memory unit='MiB'>64</memory><currentMemory unit='MiB'>32</currentMemory>"),
        {"memory": 32 * MIB, "max_memory": 64 * MIB},
    ),
    "an empty balloon": (domain("<memory>65536</memory><currentMemory>65536</currentMemory>"), {"memory": 64 * MIB}),
    "a limit": (
        domain("<devices><disk><target dev='vda'/><iotune><read_iops_sec>5</read_iops_sec></iotune></disk></devices>"),
        {"io_limits": {"read_iops": 5}},
    ),
    "strange limits": (domain("<devices><disk><target dev='vda'/><iotune><read_iops_sec>-5</read_iops_sec></iotune></disk></devices>"), {}),
    "a limit of another disk": (
        domain("<devices><disk><target dev='vdb'/><iotune><read_iops_sec>5</read_iops_sec></iotune></disk></devices>"),
        {},
    ),
    "no limits": (domain("<devices><disk><target dev='vda'/><iotune><read_bytes_sec>0</read_bytes_sec></iotune></disk></devices>"), {}),
    "a disk to boot from": (domain("<os><type>hvm</type><boot dev='hd'/></os>"), {"boot": "disk"}),
    "a kernel to boot": (domain("<os><type>hvm</type><kernel>/vmlinuz</kernel><boot dev='hd'/></os>"), {}),
    "a device": (
        domain(
            "<devices><hostdev type='pci'><source><address domain='0x0000' bus='0x3b' slot='0x02' function='0x1'/></source>"
            "<address type='pci' bus='0x05'/></hostdev></devices>"
        ),
        {"pci_devices": ["0000:3b:02.1"]},
    ),
    "a USB device": (domain("<devices><hostdev type='usb'><source><vendor id='0x1'/></source></hostdev></devices>"), {}),
    "huge pages": (domain("<memoryBacking><hugepages/></memoryBacking>"), {"hugepages": True}),
    "a weight": (domain("<cputune><shares>512</shares></cputune>"), {"cpu_shares": 512}),
    "a strange weight": (domain("<cputune><shares>much</shares></cputune>"), {}),
    "a crash that ends it": (domain("<on_crash>destroy</on_crash>"), {"restart_policy": "never"}),
    "a CPU for each": (domain(f"<vcpu>2</vcpu>{pins('5', '3')}"), {"vcpus": 2, "cpu_policy": "pinned"}),
    "one CPU for two": (domain(f"<vcpu>2</vcpu>{pins('3', '3')}"), {"vcpus": 2, "cpu_policy": None}),
    "several CPUs for each": (domain(f"<vcpu>2</vcpu>{pins('0-1', '2,3')}"), {"vcpus": 2, "cpu_policy": None}),
    "a CPU for some": (domain(f"<vcpu>2</vcpu>{pins('0')}"), {"vcpus": 2, "cpu_policy": None}),
    "strange CPUs": (domain(f"<vcpu>2</vcpu>{pins('0', '^1')}"), {"vcpus": 2, "cpu_policy": None}),
    "a CPU model": (domain("<cpu match='exact'><model fallback='allow'>EPYC</model></cpu>"), {"cpu_model": "EPYC"}),
    "a CPU of no model": (domain("<cpu mode='custom'><topology sockets='1'/></cpu>"), {"cpu_model": None}),
    "the host's CPU": (domain("<cpu mode='host-passthrough' migratable='on'/>"), {"cpu_model": "host-passthrough"}),
    "a CPU like the host's": (domain("<cpu mode='host-model' check='partial'/>"), {}),
    "a CPU like the host's, emulated": (domain("<cpu mode='host-model'/>", "type='qemu'"), {"cpu_model": "host-model"}),
    "a network": (domain("<devices><interface type='network'><source network='default'/></interface></devices>"), {}),
    "a bridge": (domain("<devices><interface type='bridge'><source bridge='br0'/></interface></devices>"), {"bridge": "br0"}),
    "a cable that is out": (
        domain("<devices><interface type='bridge'><source bridge='br0'/><link state='down'/></interface></devices>"),
        {"bridge": "br0", "link": "down"},
    ),
    "limits of a card": (
        domain(
            "<devices><interface type='bridge'><source bridge='br0'/><link state='up'/>"
            "<bandwidth><inbound average='5' peak='9'/><outbound average='x'/></bandwidth></interface></devices>"
        ),
        {"bridge": "br0", "bandwidth": {"inbound": 5120}},
    ),
    "two cards": (
        domain("<devices><interface type='user'/><interface type='bridge'><source bridge='br1'/></interface></devices>"),
        {"bridge": "br1"},
    ),
    "no bridge": (domain("<devices><interface type='bridge'><source/></interface></devices>"), {}),
    "facts of another": (domain("<metadata><instance><fact name='zone'>lab</fact></instance></metadata>"), {}),
    "a fact": (facts("<z:fact name='zone'>lab</z:fact>"), {"zone": "lab"}),
    "a bad fact": (facts("<z:fact name='zone'>a b</z:fact><z:fact name='address'>10.0.0.1/8</z:fact>"), {}),
    "an unknown fact": (facts("<z:fact name='colour'>red</z:fact><z:fact/>"), {}),
    "an empty fact": (facts("<z:fact name='zone'/>"), {}),
    "no JSON": (facts("<z:fact name='dns'>[</z:fact>"), {}),
    "other JSON": (facts("<z:fact name='dns'>{\"a\": 1}</z:fact>"), {}),
    "deep JSON": (facts(f"<z:fact name='dns'>{'[' * 200_000}</z:fact>"), {}),
    "a long number in JSON": (facts(f"<z:fact name='dns'>[{'9' * 5000}]</z:fact>"), {}),
}


@pytest.mark.parametrize(("text", "spec"), READ.values(), ids=READ.keys())
def test_what_others_wrote(text: str, spec: dict[str, Any]) -> None:
    assert parse_domain(text).spec == spec


def test_which_cpus_a_domain_is_bound_to() -> None:
    assert pinned_in(domain("<vcpu cpuset='0-7'>2</vcpu>")) == frozenset()
    assert pinned_in(domain(f"<vcpu>3</vcpu>{pins('5', '0-2', '^1')}")) == {0, 1, 2, 5}


def test_which_cpus_can_be_had() -> None:
    modes = (
        "<mode name='host-passthrough' supported='no'/>"
        "<mode name='maximum' supported='yes'/>"
        "<mode name='host-model' supported='yes'><model fallback='forbid'>EPYC</model></mode>"
        "<mode name='custom' supported='yes'>"
        "<model usable='yes'>qemu64</model><model usable='no'>EPYC-Rome</model><model usable='unknown'>Nehalem</model></mode>"
    )
    assert parse_cpu_models(f"<domainCapabilities><cpu>{modes}</cpu></domainCapabilities>") == {"host-model", "qemu64", "Nehalem"}
    assert parse_cpu_models("<domainCapabilities/>") == frozenset()


@pytest.mark.parametrize("text", [domain(), facts("")])
def test_ours_is_what_carries_our_metadata(text: str) -> None:
    assert parse_domain(text).ours is (NAMESPACE in text)


LAUGHS = "".join(f"<!ENTITY a{number} '{f'&a{number - 1};' * 10}'>" for number in range(1, 12))
NO_XML = {
    "nothing": "",
    "words": "no XML",
    "cut off": render_domain("web", wish("vm").spec, TCG)[:200],
    "NUL": domain("<title>\x00</title>"),
    "a control character": domain("<title>\x07</title>"),
    "half a character": domain("<title>\ud800</title>"),
    "an unknown entity": domain("<title>&nobody;</title>"),
    "a file": f"<!DOCTYPE d [<!ENTITY a SYSTEM 'file:///etc/passwd'>]>{domain('<title>&a;</title>')}",
    "a billion laughs": f"<!DOCTYPE d [<!ENTITY a0 'ha'>{LAUGHS}]>{domain('<title>&a11;</title>')}",
    "an unbound prefix": domain("<metadata><z:instance/></metadata>"),
}


@pytest.mark.parametrize("text", NO_XML.values(), ids=NO_XML.keys())
def test_no_xml_is_one_message(text: str) -> None:
    with pytest.raises(ZonalError, match=r"^libvirt gave domain XML that is not well-formed: "):
        parse_domain(text)


@given(st.text(), st.text(), st.text())
def test_any_text_in_it_is_read_or_refused(memory: str, fact: str, anything: str) -> None:
    for text in (
        domain(f"<memory>{memory}</memory><vcpu>{memory}</vcpu>"),
        facts(f"<z:fact name='dns'>{fact}</z:fact><z:fact name='address'>{fact}</z:fact>"),
        anything,
    ):
        try:
            parse_domain(text)
        except ZonalError as error:
            message = str(error)
            assert message.startswith("libvirt gave")
