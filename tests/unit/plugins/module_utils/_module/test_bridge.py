# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""A bridge from wish to done on a host in memory; files are real, below a folder of the test."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.network_files import EtcNetwork
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge import Address, Link, Route, bridge_spec
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError
from ansible_collections.zonal.cloud.plugins.module_utils._module.bridge import SETTLE_SECONDS, BridgeResource
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineError
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.network import FakeLinks, FakeWatchdog

MAC = "02:00:00:00:00:01"
CARD = Link("eth0", 2, MAC, up=True, addresses=(Address("10.0.0.2/24"),), routes=(Route("0.0.0.0/0", "10.0.0.1"),))
OTHER = Link("eth1", 3, "02:00:00:00:00:02", up=True)
WISH: dict[str, Any] = {
    "name": "br0",
    "state": "present",
    "uplink": "eth0",
    "addresses": None,
    "mac": None,
    "stp": False,
    "forward_delay": None,
    "mtu": None,
    "backend": "auto",
    "confirm_timeout": 60,
    "confirm": False,
}
FORMER = "[Match]\nName=eth0\n[Network]\nAddress=10.0.0.2/24\nGateway=10.0.0.1\nDNS=10.0.0.3\n"
STATUS = '{"AdministrativeState": "configured", "NetworkFile": "/etc/systemd/network/50-lan.network"}'


class Host:
    """Links, files and a watchdog, with a networkd that does nothing but be asked."""

    def __init__(self, root: Path, networkd: bool = True) -> None:
        self.root = root
        self.calls: list[str] = []
        self.links = FakeLinks(CARD, OTHER)
        self.files = EtcNetwork(self.command, str(root))
        self.watchdog = FakeWatchdog(self.links, self.files)
        self.meddle: Callable[[], None] = lambda: None
        self.pauses = 0
        if networkd:
            self.put("/run/systemd/netif/state", "")
            self.put("/etc/systemd/network/50-lan.network", FORMER)
        else:
            self.put("/sbin/ifup", "")
            self.put("/etc/network/interfaces", "auto eth0\niface eth0 inet static\n    address 10.0.0.2/24\n")

    def command(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        self.calls.append(" ".join(argv))
        if argv[-1] in ("reload", "systemd-networkd") and argv[1] in ("reload", "restart"):
            self.meddle()
        if argv[-1] == "br0":
            return "{}"
        ours = self.root / "etc/systemd/network/05-zonal-uplink-br0.network"
        return STATUS.replace("50-lan", "05-zonal-uplink-br0") if ours.exists() else STATUS

    def put(self, path: str, text: str) -> None:
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def all_files(self) -> dict[str, str]:
        return {str(path.relative_to(self.root)): path.read_text() for path in sorted(self.root.rglob("*")) if path.is_file()}

    def pause(self, _seconds: float) -> None:
        self.pauses += 1

    def resource(self, **wish: Any) -> BridgeResource:
        return BridgeResource(bridge_spec({**WISH, **wish}), self.links, self.files, self.watchdog, self.pause)

    def run(self, **wish: Any) -> tuple[list[str], dict[str, Any]]:
        resource = self.resource(**wish)
        plan = resource.plan(resource.observe())
        for step in plan.steps:
            resource.apply(step)
        told = resource.report(resource.observe())
        foretold = resource.report(plan.after) | {"unconfirmed": told["unconfirmed"]}
        # The MAC address of a bridge without uplink is the system's choice.
        assert {**told, **foretold, "mac": foretold.get("mac") or told.get("mac")} == {"mac": None, **told}
        return [step.action for step in plan.steps], told


@pytest.fixture(params=[True, False], ids=["networkd", "ifupdown"])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Host:
    return Host(tmp_path, request.param)


def test_made_confirmed_and_taken_away_leaves_the_host_as_it_was(host: Host) -> None:
    files, links = host.all_files(), host.links.snapshot()
    assert host.run()[0] == ["switch"]
    assert host.all_files() == files, "files are written by the confirmation only"
    assert host.run()[0] == ["confirm"]
    assert host.run() == ([], {**host.run()[1], "persistent": True, "unconfirmed": False})
    assert host.run(state="absent")[0] == ["switch"]
    assert host.run(state="absent")[0] == ["confirm"]
    assert host.run(state="absent")[0] == []
    assert (host.all_files(), host.links.snapshot()) == (files, links)


def test_without_a_way_back_it_takes_one_run(host: Host) -> None:
    files, links = host.all_files(), host.links.snapshot()
    assert host.run(confirm_timeout=0)[0] == ["switch", "persist"]
    assert host.run(confirm_timeout=0)[0] == []
    assert host.run(confirm_timeout=0, state="absent")[0] == ["switch", "persist"]
    assert (host.all_files(), host.links.snapshot()) == (files, links)


@pytest.mark.parametrize("wish", [{}, {"state": "absent"}, {"mtu": 1400, "stp": True}], ids=["made", "taken away", "altered"])
def test_what_nobody_confirms_is_undone(host: Host, wish: dict[str, Any]) -> None:
    if wish:
        host.run(confirm_timeout=0)
    files, links = host.all_files(), host.links.snapshot()
    host.run(**wish)
    host.watchdog.expire()
    assert (host.all_files(), {link.name for link in host.links.snapshot().links}) == (files, {link.name for link in links.links})
    with pytest.raises(RefusedError, match=r"the host undid the change at 2030"):
        host.run(**wish, confirm=True)


def test_a_confirmation_that_comes_while_the_host_undoes_the_change_says_so_too(host: Host) -> None:
    """The host is reached again by what undoes the change, before that has ended."""
    host.run(mtu=1400)
    late = host.resource(mtu=1400, confirm=True)
    plan = late.plan(late.observe())
    host.watchdog.expire()
    with pytest.raises(RefusedError, match=r"the host undid the change at 2030.* Look whether"):
        late.apply(plan.steps[0])


class Killed(BaseException):
    """The end of a module that nothing can catch."""


@pytest.mark.parametrize("wish", [{}, {"state": "absent"}, {"mtu": 1400}], ids=["made", "taken away", "altered"])
def test_a_change_that_was_cut_off_before_it_began_is_not_confirmed(
    host: Host, wish: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has seen that the host is reached over it, yet networkd would make it of the files that the confirmation writes."""

    def die(_lines: Any) -> None:
        raise Killed

    if wish:
        host.run(confirm_timeout=0)
    kept = {path: text for path, text in host.all_files().items() if path.startswith("etc/")}
    links = host.links.snapshot()
    with monkeypatch.context() as patch:
        patch.setattr(host.links, "change", die)
        with pytest.raises(Killed):
            host.run(**wish)
    with pytest.raises(RefusedError, match=r"^confirm: the change of br0 was cut off before it was made \(missing: ip link "):
        host.run(**wish, confirm=True)
    assert (kept.items() <= host.all_files().items(), host.links.snapshot()) == (True, links)
    assert host.run(**wish)[0] == ["undo", "switch"]
    assert host.run(**wish, confirm=True)[0] == ["confirm"]
    assert host.run(**wish)[0] == []


def test_a_bridge_whose_card_is_gone_goes_to_another_and_can_be_taken_away(host: Host) -> None:
    files = host.all_files()
    host.run(confirm_timeout=0)
    host.links.change([("link", "del", "dev", "eth0")])
    assert host.run(uplink="eth1")[0] == ["switch"]
    assert host.run(uplink="eth1")[0] == ["confirm"]
    done, told = host.run(uplink="eth1")
    assert (done, told["ports"], told["addresses"], told["persistent"]) == ([], ["eth1"], ["10.0.0.2/24"], True)
    host.links.change([("link", "del", "dev", "eth1")])
    assert host.run(uplink=None, state="absent")[0] == ["switch"]
    assert host.run(uplink=None, state="absent")[0] == ["confirm"]
    assert (host.all_files(), host.links.snapshot().links) == (files, ())


def test_what_the_files_would_lose_is_refused_before_anything_is_touched(tmp_path: Path) -> None:
    host = Host(tmp_path, networkd=False)
    host.put("/etc/network/interfaces.d/eth0", "iface eth0 inet static\n    pre-up true\n")
    host.put("/etc/network/interfaces", "source-directory interfaces.d\n")
    files, links = host.all_files(), host.links.snapshot()
    with pytest.raises(RefusedError, match=r"^uplink: /etc/network/interfaces.d/eth0:2: 'pre-up true' is a command of eth0"):
        host.run()
    assert (host.all_files(), host.links.snapshot()) == (files, links)


def test_a_line_that_fails_puts_everything_back(host: Host) -> None:
    links = host.links.snapshot()
    for timeout in (60, 0):
        host.links.fail_at = "address replace 10.0.0.2/24 dev br0"
        with pytest.raises(EngineError, match=r"Cannot change the network for br0: .*Invalid argument; the former network was put back"):
            host.run(confirm_timeout=timeout)
        host.links.fail_at = ""
        assert host.links.snapshot() == links


def test_without_a_watchdog_nothing_is_touched(host: Host) -> None:
    links = host.links.snapshot()
    host.watchdog.fail = "no systemd"
    with pytest.raises(EngineError, match="systemd-run: no systemd"):
        host.run()
    assert host.links.snapshot() == links


def test_a_networkd_that_undoes_the_change_is_found_out(tmp_path: Path) -> None:
    host = Host(tmp_path)
    files, links = host.all_files(), host.links.snapshot()
    host.run()
    host.meddle = lambda: host.links.force([("address", "flush", "dev", "br0", "scope", "global")])
    with pytest.raises(EngineError, match=r"not in force: address replace 10.0.0.2/24 dev br0; the former network was put back"):
        host.run()
    assert host.pauses == SETTLE_SECONDS
    assert (host.all_files(), host.links.snapshot()) == (files, links)


def test_a_removal_that_cannot_be_kept_leaves_no_file_by_which_the_card_goes(tmp_path: Path) -> None:
    """networkd is told of the removal by a file that wins over all others; with it, the card would leave its bridge again."""
    host = Host(tmp_path)
    host.run(confirm_timeout=0)
    files, links = host.all_files(), host.links.snapshot()
    host.run(state="absent")
    assert host.all_files() != files

    def fail() -> None:
        raise EngineError("run", "networkctl reload", "Connection timed out")

    host.meddle = fail
    with pytest.raises(EngineError, match="the former network was put back"):
        host.run(state="absent")
    assert host.all_files() == files
    with pytest.raises(EngineError, match="the former network was put back"):
        host.run(state="absent", confirm_timeout=0)
    assert (host.all_files(), {link.name for link in host.links.snapshot().links}) == (files, {link.name for link in links.links})


def test_a_networkd_that_only_takes_its_time_is_waited_for(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.run()
    host.meddle = lambda: host.links.force([("address", "flush", "dev", "br0", "scope", "global")])
    resource = host.resource()
    plan = resource.plan(resource.observe())
    mend = resource._pause

    def later(seconds: float) -> None:
        mend(seconds)
        host.links.force(
            [("address", "replace", "10.0.0.2/24", "dev", "br0"), ("route", "replace", "0.0.0.0/0", "via", "10.0.0.1", "dev", "br0")]
        )

    resource._pause = later
    resource.apply(plan.steps[0])
    assert host.run()[0] == []


def test_networkd_starts_anew_for_a_new_bridge_and_reads_files_else(tmp_path: Path) -> None:
    host = Host(tmp_path)
    host.run(confirm_timeout=0)
    assert host.calls.count("systemctl restart systemd-networkd") == 1
    assert host.calls.count("networkctl reload") == 0
    host.run(confirm_timeout=0, state="absent")
    assert host.calls.count("systemctl restart systemd-networkd") == 1
    assert host.calls.count("networkctl reload") == 2


def test_an_isolated_bridge_is_final_at_once_and_its_addresses_follow_the_option(host: Host) -> None:
    wish = {"name": "lab0", "uplink": None}
    assert host.run(**wish, addresses=["192.168.5.1/24", "192.168.6.1/24"])[0] == ["switch", "persist"]
    assert host.run(**wish, addresses=["192.168.6.1/24"])[1]["addresses"] == ["192.168.6.1/24"]
    assert host.run(**wish)[0] == []
    assert host.run(**wish, addresses=[])[1]["addresses"] == []
    assert host.run(**wish, state="absent")[1]["state"] == "absent"
    assert host.run(**wish, state="absent")[0] == []
