# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Certificates of the role ceph_registry on this machine, without its services: a certificate is that of its key and of the authority."""

from __future__ import annotations

import base64
import json
import os
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[3]
ROLE = ROOT / "roles" / "ceph_registry"
PLAY = f"""
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_tasks: {ROLE}/tasks/issue.yml
"""
Issue = Callable[[], int]


def run(*argv: object) -> str:
    return subprocess.run([str(word) for word in argv], capture_output=True, text=True, check=True).stdout


def make_authority(folder: Path) -> None:
    new = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign"]
    run(*new, *name, "-keyout", folder / "ca.key", "-out", folder / "ca.crt")
    (folder / "zonal-registry.crt").write_bytes((folder / "ca.crt").read_bytes())


def play(folder: Path, text: str, given: Mapping[str, object]) -> int:
    """Run a playbook on this machine, and return how much was changed."""
    (folder / "play.yml").write_text(text)
    here = {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
    program = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-e", json.dumps({**here, **given})]
    paths = {"ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"), "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections")}
    env = {**os.environ, **paths, "ANSIBLE_NOCOLOR": "1"}
    done = subprocess.run([*program, str(folder / "play.yml")], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    changed = re.search(r"changed=(\d+)", done.stdout)
    assert changed is not None
    return int(changed[1])


@pytest.fixture
def issue(tmp_path: Path) -> Issue:
    """Have a certificate, and return how much was changed."""
    make_authority(tmp_path)
    given = {
        "ceph_registry_primary": "localhost",
        "certificate": {"path": f"{tmp_path}/registry", "owner": "root"},
        "_ceph_registry_authority": str(tmp_path),
        "_ceph_registry_store_of": f"{tmp_path}/",
        "_ceph_registry_names": ["kvm01.example", "10.0.0.1", "2001:db8::a", "[2001:db8::b]", "[2001:DB8::a]"],
        "_ceph_registry_days": 825,
        "_ceph_registry_days_left": 60,
    }
    return lambda: play(tmp_path, PLAY, given)


def test_a_certificate_follows_its_key_and_the_authority(issue: Issue, tmp_path: Path) -> None:
    certificate, key = tmp_path / "registry.crt", tmp_path / "registry.key"

    def lose_the_key() -> None:
        key.unlink()

    def lose_the_authority() -> None:
        make_authority(tmp_path)

    for loss in (None, lose_the_key, lose_the_authority):
        if loss:
            loss()
        assert issue() > 0
        run("openssl", "verify", "-no-CApath", "-CAfile", tmp_path / "ca.crt", certificate)
        assert run("openssl", "x509", "-in", certificate, "-noout", "-pubkey") == run("openssl", "pkey", "-in", key, "-pubout")
        assert issue() == 0
        for address in ("10.0.0.1", "2001:db8::a", "2001:db8::b"):
            run("openssl", "verify", "-no-CApath", "-CAfile", tmp_path / "ca.crt", "-verify_ip", address, certificate)


def test_authorities_are_kept_apart_however_the_file_of_one_ends(tmp_path: Path) -> None:
    make_authority(tmp_path)
    given = tmp_path / "given.crt"
    given.write_text((tmp_path / "ca.crt").read_text().rstrip())
    make_authority(tmp_path)
    ours = base64.b64encode((tmp_path / "ca.crt").read_bytes()).decode()
    known = {"ceph_registry_authority": str(given), "__ceph_registry_ca": {"content": ours}}
    dest = str(tmp_path / "both.crt")
    (docker,) = [task for task in yaml.safe_load((ROLE / "tasks/trust.yml").read_text()) if task["name"].startswith("Let docker trust it")]
    copied = {"content": docker["ansible.builtin.copy"]["content"], "dest": dest, "mode": "0600"}
    tasks = [{"ansible.builtin.copy": copied}]
    both = [{"hosts": "localhost", "gather_facts": False, "vars_files": [f"{ROLE}/vars/main.yml"], "tasks": tasks}]
    assert play(tmp_path, json.dumps(both), known) == 1
    trust = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trust.load_verify_locations(dest)
    assert len(trust.get_ca_certs()) == 2


def test_docker_knows_addresses_of_ipv6_in_brackets(tmp_path: Path) -> None:
    names = {"ceph_registry_hosts": [], "ceph_registry_names": ["kvm01.example", "10.0.0.1", "2001:db8::a", "[2001:db8::b]"]}
    known = {"ansible.builtin.copy": {"content": "{{ _ceph_registry_known_as | to_json }}", "dest": f"{tmp_path}/known", "mode": "0600"}}
    look = [{"hosts": "localhost", "gather_facts": False, "vars_files": [f"{ROLE}/vars/main.yml"], "tasks": [known]}]
    play(tmp_path, json.dumps(look), names)
    assert json.loads((tmp_path / "known").read_text()) == ["kvm01.example", "10.0.0.1", "[2001:db8::a]", "[2001:db8::b]"]
