# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files are found through what includes them and written whole; managers are told from what runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.network_files import EtcNetwork
from ansible_collections.zonal.cloud.plugins.module_utils._domain.bridge_found import Managers
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError

FILE = "/etc/systemd/network/50-lan.network"
NETWORKD = ("systemctl is-active --quiet systemd-networkd", "")
STATUS = "networkctl --json=short status eth0"
NMCLI = "nmcli --terse --fields GENERAL.STATE device show eth0"
RUNS = "/run/systemd/netif/state"
NM = "/run/NetworkManager/x"
MANAGERS = {
    "nobody": ([], {}, Managers()),
    "ifupdown": (["/sbin/ifup"], {}, Managers(ifupdown=True)),
    "networkd stopped": ([RUNS], {}, Managers()),
    "networkd manages": (
        [RUNS],
        {STATUS: f'{{"AdministrativeState": "configured", "NetworkFile": "{FILE}"}}'},
        Managers(networkd=True, uplink_file=FILE, uplink_text="[Network]\n"),
    ),
    "networkd with a drop-in": (
        [RUNS],
        {STATUS: f'{{"AdministrativeState": "configured", "NetworkFile": "{FILE}", "NetworkFileDropins": ["{FILE}"]}}'},
        Managers(networkd=True, uplink_file=FILE, uplink_text="[Network]\n\n[Network]\n"),
    ),
    "networkd manages the bridge": (
        [RUNS],
        {STATUS.replace("eth0", "br0"): f'{{"AdministrativeState": "configured", "NetworkFile": "{FILE}"}}'},
        Managers(networkd=True, bridge_file=FILE, bridge_text="[Network]\n"),
    ),
    "networkd leaves it alone": ([RUNS], {STATUS: '{"AdministrativeState": "unmanaged", "NetworkFile": null}'}, Managers(networkd=True)),
    "networkd does not know it": ([RUNS], {}, Managers(networkd=True)),
    "networkd speaks in riddles": ([RUNS], {STATUS: "?"}, Managers(networkd=True)),
    "the file is ours": (
        [RUNS],
        {STATUS: '{"AdministrativeState": "configured", "NetworkFile": "/etc/systemd/network/05-zonal-uplink-br0.network"}'},
        Managers(networkd=True),
    ),
    "NetworkManager manages": ([NM], {NMCLI: "GENERAL.STATE:100 (connected)\n"}, Managers(network_manager=True)),
    "NetworkManager leaves it alone": ([NM], {NMCLI: "GENERAL.STATE:10 (unmanaged)\n"}, Managers()),
    "NetworkManager is gone": ([NM], {}, Managers()),
}


class Programs:
    """Answers the programs that it knows; all others fail."""

    def __init__(self, answers: dict[str, str]) -> None:
        self.answers = answers

    def __call__(self, argv: Sequence[str], *, stdin: str | None = None, timeout: float = 120) -> str:
        if " ".join(argv) in self.answers:
            return self.answers[" ".join(argv)]
        error = EngineAbsent if argv[0] == "nmcli" else EngineError
        raise error("run", " ".join(argv), "no")


def put(root: Path, path: str, text: str = "") -> Path:
    target = root / path.lstrip("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(text)
    return target


@pytest.mark.parametrize(("present", "answers", "managers"), MANAGERS.values(), ids=MANAGERS.keys())
def test_who_manages_the_network(tmp_path: Path, present: list[str], answers: dict[str, str], managers: Managers) -> None:
    for path in present:
        put(tmp_path, path)
    put(tmp_path, FILE, "[Network]\n")
    running = {} if managers == Managers() else dict([NETWORKD])
    assert EtcNetwork(Programs({**running, **answers}), str(tmp_path)).managers(uplink="eth0", bridge="br0") == managers


def test_drop_ins_that_networkd_does_not_tell_of_are_found(tmp_path: Path) -> None:
    put(tmp_path, RUNS)
    put(tmp_path, "/usr/lib/systemd/network/50-lan.network", "file\n")
    for number, folder in enumerate(("/etc", "/run", "/usr/local/lib", "/usr/lib")):
        for name in (f"{9 - number}.conf", *(f"{other}.conf" for other in range(1, 4 - number)), "no.txt"):
            put(tmp_path, f"{folder}/systemd/network/50-lan.network.d/{name}", f"{folder} {name}\n")
    (tmp_path / "etc/systemd/network/50-lan.network.d/6.conf").symlink_to("/dev/null")  # switches one off
    put(tmp_path, "/etc/systemd/network/other.network.d/0.conf", "other\n")
    status = '{"AdministrativeState": "configured", "NetworkFile": "/usr/lib/systemd/network/50-lan.network"%s}'
    lines = ["/etc 1.conf", "/etc 2.conf", "/etc 3.conf", "/usr/local/lib 7.conf", "/run 8.conf", "/etc 9.conf"]
    for told, drop_ins in (("", True), (', "NetworkFileDropins": null', True), (', "NetworkFileDropins": []', False)):
        files = EtcNetwork(Programs({**dict([NETWORKD]), STATUS: status % told}), str(tmp_path))
        text = files.managers(uplink="eth0", bridge="").uplink_text
        assert [line for line in text.splitlines() if line] == (["file", *lines] if drop_ins else ["file"])


def test_files_are_found_through_what_includes_them(tmp_path: Path) -> None:
    put(tmp_path, "/etc/network/interfaces", "source /etc/network/interfaces.d/*\nsource more\n")
    put(tmp_path, "/etc/network/interfaces.d/one", "source /etc/network/interfaces\n")
    put(tmp_path, "/etc/network/more", "auto lo\n")
    put(tmp_path, "/etc/network/other", "auto lo\n")
    put(tmp_path, "/etc/systemd/network/05-zonal-bridge-br0.network", "x")
    put(tmp_path, "/run/systemd/network/04-zonal-leaving-br0.network", "y")
    put(tmp_path, FILE, "z")
    assert sorted(EtcNetwork(Programs({}), str(tmp_path)).read()) == [
        "/etc/network/interfaces",
        "/etc/network/interfaces.d/one",
        "/etc/network/more",
        "/etc/systemd/network/05-zonal-bridge-br0.network",
        "/run/systemd/network/04-zonal-leaving-br0.network",
    ]


def test_of_a_folder_only_the_names_count_that_ifupdown_reads(tmp_path: Path) -> None:
    put(tmp_path, "/etc/network/interfaces", "source-directory interfaces.d\nsource more/*\n")
    for name in ("eth0", "eth0.bak", "eth0~", "eth0_1-a", "eth0.dpkg-old"):
        put(tmp_path, f"/etc/network/interfaces.d/{name}")
    put(tmp_path, "/etc/network/more/eth1.cfg")
    found = EtcNetwork(Programs({}), str(tmp_path)).read()
    assert list(found)[1:] == ["/etc/network/interfaces.d/eth0", "/etc/network/interfaces.d/eth0_1-a", "/etc/network/more/eth1.cfg"]


def test_a_file_is_replaced_whole_and_keeps_its_mode(tmp_path: Path) -> None:
    target = put(tmp_path, "/etc/network/interfaces", "old\n")
    target.chmod(0o600)
    files = EtcNetwork(Programs({}), str(tmp_path))
    files.write({"/etc/network/interfaces": "new\n", "/etc/systemd/network/new": "x", "/etc/nothing": None})
    assert (target.read_text(), target.stat().st_mode & 0o777) == ("new\n", 0o600)
    assert (tmp_path / "etc/systemd/network/new").stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in target.parent.iterdir()) == ["interfaces"], "a draft was left behind"
    files.write({"/etc/network/interfaces": None})
    assert not target.exists()


def test_a_write_that_fails_names_the_file_and_leaves_it(tmp_path: Path) -> None:
    target = put(tmp_path, "/etc/network", "a file in the way")
    with pytest.raises(EngineError, match="Cannot write /etc/network/interfaces: "):
        EtcNetwork(Programs({}), str(tmp_path)).write({"/etc/network/interfaces": "x"})
    assert target.read_text() == "a file in the way"


def test_bytes_that_are_no_text_survive(tmp_path: Path) -> None:
    target = put(tmp_path, "/etc/network/interfaces")
    target.write_bytes(b"# caf\xe9\n")
    files = EtcNetwork(Programs({}), str(tmp_path))
    files.write(files.read())
    assert target.read_bytes() == b"# caf\xe9\n"
