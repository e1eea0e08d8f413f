# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the roles find on a host before they change it: a docker of somebody else, and what a run that was cut off has left undone."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.tests.host_command import run_command

ROOT = Path(__file__).resolve().parents[3]
FACTS = {
    "service_mgr": "systemd",
    "distribution": "Debian",
    "os_family": "Debian",
    "distribution_major_version": "13",
    "pkg_mgr": "apt",
    "cacheable": True,
}


def play(
    folder: Path, role: str, tasks: str, variables: dict[str, Any], *arguments: str, path: str = "", within: Sequence[str] = ()
) -> tuple[int, str]:
    """Run one file of a role's tasks here, with the facts of a Debian host; return the exit status and the output in one line.

    ``path`` comes before PATH, and ``within`` are the words before the command.
    """
    imported = {"ansible.builtin.import_role": {"name": f"zonal.cloud.{role}", "tasks_from": tasks}}
    plays = [{"hosts": "localhost", "connection": "local", "gather_facts": False, "tasks": [{"ansible.builtin.set_fact": FACTS}, imported]}]
    (folder / "play.json").write_text(json.dumps(plays))
    given = json.dumps({"ansible_python_interpreter": sys.executable, **variables})
    program = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-e", given, *arguments]
    env = {**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections")}
    env |= {"ANSIBLE_NOCOLOR": "1", "PATH": f"{path}:{os.environ['PATH']}"}
    done = subprocess.run([*within, *program, str(folder / "play.json")], env=env, capture_output=True, text=True, check=False)
    return done.returncode, " ".join((done.stdout + done.stderr).split())


class Host:
    """What the role docker_engine looks at, below a folder of the test; ``mount`` puts a device on docker's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.docker = folder / "lib" / "docker"
        self.docker.mkdir(parents=True)
        self.loop = ""

    def mount(self) -> None:
        image = self.folder / "disk"
        with image.open("wb") as disk:
            disk.truncate(16 * 1024**2)
        run_command(["mkfs.ext4", "-q", str(image)])
        self.loop = run_command(["losetup", "--find", "--show", str(image)]).strip()
        run_command(["mount", self.loop, str(self.docker)])

    def clear(self) -> None:
        if self.loop:
            subprocess.run(["umount", str(self.docker)], check=False)
            subprocess.run(["losetup", "--detach", self.loop], check=False)

    def preflight(self) -> str:
        """Run the role's preflight and return why it refuses; empty when it does not."""
        variables = {
            "docker_engine_data_root": str(self.docker),
            "docker_engine_group": f"..{self.folder}",
            "docker_engine_data_volume": "volume",
            "_docker_engine_settings_path": str(self.folder / "daemon.json"),
            "_docker_engine_unit_path": str(self.folder / "50-zonal.conf"),
            "_docker_engine_other": str(self.folder / "docker-ce.md5sums"),
        }
        status, told = play(self.folder, "docker_engine", "preflight", variables)
        assert ("does not take over: " in told) == (status == 2), told
        return told.partition("does not take over: ")[2].partition(". It was left as it is.")[0]


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    try:
        yield made
    finally:
        made.clear()


def test_ours_is_taken_for_ours(host: Host) -> None:
    host.mount()
    (host.folder / "volume").symlink_to(host.loop)
    (host.docker / "containers" / "one").mkdir(parents=True)
    (host.folder / "50-zonal.conf").write_text("[Service]\n")
    (host.folder / "daemon.json").write_text(json.dumps({"data-root": str(host.docker)}))
    assert host.preflight() == ""


def test_one_without_containers_is_taken_over(host: Host) -> None:
    (host.docker / "containers").mkdir()
    (host.folder / "srv").mkdir()
    (host.folder / "daemon.json").write_text(json.dumps({"data-root": str(host.folder / "srv")}))
    assert host.preflight() == ""


def test_containers_that_would_vanish_below_the_mount_are_told(host: Host) -> None:
    (host.docker / "containers" / "one").mkdir(parents=True)
    assert host.preflight().startswith(f"{host.docker}/containers is not empty, and would vanish below the mount")


def test_a_disk_of_somebody_else_is_not_hidden_below_ours(host: Host) -> None:
    host.mount()
    (host.docker / "containers" / "one").mkdir(parents=True)
    assert f"is mounted on {host.docker}: unmount it" in host.preflight()


@pytest.mark.parametrize("settings", ['{"data-root": "ROOT"}', '{"log-level": "warn", "graph" : "ROOT/"'])
def test_containers_elsewhere_are_not_lost_to_their_docker(host: Host, settings: str) -> None:
    root = host.folder / "srv"
    (root / "containers" / "one").mkdir(parents=True)
    (host.folder / "daemon.json").write_text(settings.replace("ROOT", str(root)))
    assert host.preflight().startswith(f"{root}/containers is not empty, and {host.folder}/daemon.json would no longer lead there")


UNDONE = {
    "nothing": ("inactive no", "inactive no", "older", set()),
    "the weights": ("inactive yes", "inactive no", "older", {"Reload systemd", "Stop libvirt's network sockets"}),
    "the sockets": ("active no", "active no", "older", {"Reload systemd", "Stop libvirt's network sockets"}),
    "options of QEMU": ("active no", "inactive no", "newer", {"Restart libvirt"}),
}


@pytest.mark.parametrize("case", UNDONE)
def test_what_a_run_that_was_cut_off_has_not_applied_is_found(case: str, tmp_path: Path) -> None:
    """Its handlers did not run, and the next run writes nothing that would notify them."""
    machine, socket, settings, handlers = UNDONE[case]
    blocks = ["ActiveState={}\nNeedDaemonReload={}\n".format(*words.split()) for words in (machine, socket, "inactive no")]
    (tmp_path / "told").write_text("\n".join(blocks))
    (tmp_path / "systemctl").write_text(f"#!/bin/sh\ncat {tmp_path}/told\n")
    (tmp_path / "systemctl").chmod(0o755)
    (tmp_path / "find").write_text(f"#!/bin/sh\nexec /usr/bin/find {tmp_path}/qemu.conf -newer {tmp_path}/pid\n")
    (tmp_path / "find").chmod(0o755)
    for number, name in enumerate(["pid", "qemu.conf"] if settings == "newer" else ["qemu.conf", "pid"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (1000 + number, 1000 + number))
    variables = {
        "hypervisor_qemu_options": {"max_core": 0},
        "_hypervisor_network_sockets": ["libvirtd-tcp.socket", "libvirtd-tls.socket"],
        "_hypervisor_drivers": {},
        "_hypervisor_pid_file": "/run/libvirtd.pid",
        "_hypervisor_daemon": "libvirtd.service",
    }
    status, told = play(tmp_path, "hypervisor", "unapplied", variables, "--check", path=str(tmp_path))
    assert status == 0, told
    assert {
        name for name in ("Reload systemd", "Stop libvirt's network sockets", "Restart libvirt") if f"hypervisor : {name}]" in told
    } == handlers


LIBVIRT = """mount -t tmpfs none /etc/libvirt
mkdir -p /etc/libvirt/qemu/networks /etc/libvirt/lxc
echo "<network><name>default</name></network>" >/etc/libvirt/qemu/networks/default.xml
echo "<interface type='network'><source network='GUEST'/></interface>" >/etc/libvirt/lxc/guest.xml"""


@pytest.mark.parametrize(("network", "kept"), [("default", True), ("other", False)])
def test_a_network_that_guests_of_another_driver_use_is_kept(network: str, kept: bool, tmp_path: Path) -> None:
    (tmp_path / "virsh").write_text("#!/bin/sh\necho default\n")
    (tmp_path / "virsh").chmod(0o755)
    script = f'{LIBVIRT.replace("GUEST", network)}; exec "$@"'
    within = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", script, "sh"]
    status, told = play(tmp_path, "hypervisor", "default_network", {}, "--check", path=str(tmp_path), within=within)
    assert status == 0, told
    assert ("is kept, because these guests use it: guest." in told) == kept


POOLS = {
    ("zonal", "pool"): "zonal-thin-pool-alarm.service",
    ("slow", "pool"): "zonal-thin-pool-alarm-slow-pool.service",
    ("zonal", "a+b"): r"zonal-thin-pool-alarm-zonal-a\\x2bb.service",
    ("a-b", "c"): "zonal-thin-pool-alarm-a--b-c.service",
    ("a", "b-c"): "zonal-thin-pool-alarm-a-b-c.service",
}


def test_each_pool_of_a_host_has_an_alarm_of_its_own(tmp_path: Path) -> None:
    """The role for a second pool took away the alarm of the first."""
    vars_file = ROOT / "roles" / "thin_storage" / "vars" / "main.yml"
    shown = [
        {
            "ansible.builtin.debug": {"msg": "alarm: {{ _thin_storage_alarm }}.service"},
            "vars": {"thin_storage_group": group, "thin_storage_pool": pool},
        }
        for group, pool in POOLS
    ]
    (tmp_path / "play.json").write_text(
        json.dumps([{"hosts": "localhost", "gather_facts": False, "vars_files": [str(vars_file)], "tasks": shown}])
    )
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-c", "local", str(tmp_path / "play.json")]
    done = subprocess.run(
        command,
        env={**os.environ, "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_CALLBACK_RESULT_FORMAT": "json"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert re.findall(r'"alarm: (.*)"', done.stdout) == list(POOLS.values())


# One without scripts, so that it is configured by nothing but dpkg's word.
PACKAGE = "patchelf"
ALONE = """mount --bind FOLDER/dpkg /var/lib/dpkg
for folder in /var/lib/apt /var/cache/apt /etc/apt/sources.list.d; do mount -t tmpfs none $folder; done
[ ! -e /etc/apt/sources.list ] || mount --bind /dev/null /etc/apt/sources.list
mkdir -p /var/lib/apt/lists/partial /var/cache/apt/archives/partial
echo "deb [trusted=yes] file:FOLDER ./" >/etc/apt/sources.list.d/one.list
echo 'APT::Sandbox::User "root";' >FOLDER/apt.conf
export APT_CONFIG=FOLDER/apt.conf
apt-get update -qq"""


def test_packages_whose_installation_was_cut_off_are_completed(tmp_path: Path) -> None:
    """On a copy of dpkg's database, which nobody else sees, and with a mirror that has nothing but this package's name."""
    copy = tmp_path / "dpkg"
    shutil.copytree("/var/lib/dpkg", copy, symlinks=True)
    told = run_command(["dpkg-query", "--status", PACKAGE])
    (copy / "updates" / "0000").write_text(told.replace("Status: install ok installed", "Status: install ok unpacked"))
    known = (copy / "status").read_text()
    (copy / "status").write_text(
        known.replace(f"Package: {PACKAGE}\nStatus: install ok installed", f"Package: {PACKAGE}\nStatus: deinstall ok config-files")
    )
    version = run_command(["dpkg-query", "--show", "--showformat", "Version: ${Version}\nArchitecture: ${Architecture}", PACKAGE])
    (tmp_path / "Packages").write_text(f"Package: {PACKAGE}\n{version}\nFilename: ./none.deb\nSize: 1\nSHA256: {'0' * 64}\n")
    within = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", f'{ALONE.replace("FOLDER", str(tmp_path))}; exec "$@"', "sh"]
    variables = {"_thin_storage_packages": [PACKAGE], "ansible_python_interpreter": "/usr/bin/python3"}
    status, output = play(tmp_path, "thin_storage", "install", variables, within=within)
    assert status == 0, output
    state = run_command(["dpkg-query", "--admindir", str(copy), "--show", "--showformat", "${Status}", PACKAGE])
    assert state == "install ok installed"
    # All that install do it alike.
    installing = [path for path in ROOT.glob("roles/*/tasks/*.yml") if "ansible.builtin.package:" in path.read_text()]
    assert installing == [ROOT / "roles" / "packages" / "tasks" / "main.yml"]
