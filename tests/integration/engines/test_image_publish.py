# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images published into a real Ceph and a real registry by the module as Ansible runs it, with docker on the host of the registry."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.rootfs_archive import check_archive
from ansible_collections.zonal.cloud.plugins.module_utils._domain.container_config import LABEL
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_manifest import Blob, manifest_key, read_manifest
from ansible_collections.zonal.cloud.plugins.module_utils._domain.image_policy import Policy
from ansible_collections.zonal.cloud.tests.integration.engines import impatient
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_nodes import ROOT
from ansible_collections.zonal.cloud.tests.integration.engines.ceph_registry import IMAGES, REGISTRY_PORT, S3_PORT, Registry, watched
from ansible_collections.zonal.cloud.tests.integration.engines.node import wait_for
from ansible_collections.zonal.cloud.tests.integration.engines.test_images import everything, saved_digest
from ansible_collections.zonal.cloud.tests.processes import kill_tree
from ansible_collections.zonal.cloud.tests.unit.plugins.contracts.archives import member, pack

_MIB = 1024**2
_CA_FILE = "/etc/ssl/zonal-registry/ca.crt"
_SERVICE = "docker-registry.service"
_RELAY, _RELAY_PORT = Path(__file__).with_name("holding_relay.py"), 7481


class Builder:
    """The host that publishes; ``options`` are the module's."""

    def __init__(self, registry: Registry, folder: Path, name: str) -> None:
        keys = registry.keys("zonal-images")
        self.registry = registry
        self.folder = folder
        self.name = name
        self.reference = f"{registry.name}/{name}"
        self.secrets = [keys["aws_secret_access_key"], registry.login["password"]]
        self.options: dict[str, Any] = {
            "name": name,
            "source": str(folder / "image.tgz"),
            "s3_endpoint": registry.s3_url,
            "s3_access_key": keys["aws_access_key_id"],
            "s3_secret_key": keys["aws_secret_access_key"],
            "ca_file": _CA_FILE,
            "registry": registry.name,
            "registry_user": registry.login["username"],
            "registry_password": registry.login["password"],
            "folder": str(folder / "work"),
        }

    def archive(self, content: bytes) -> str:
        (self.folder / "image.tgz").write_bytes(content)
        return str(self.folder / "image.tgz")

    def play(self, *arguments: str) -> subprocess.Popen[str]:
        """Run ansible-playbook for the builder."""
        inventory = str(self.registry.folder / "inventory.json")
        command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", inventory, *arguments]
        env = {
            **os.environ,
            "ANSIBLE_CONFIG": str(ROOT / "ansible.cfg"),
            "ANSIBLE_COLLECTIONS_PATH": str(ROOT / ".work" / "collections"),
            "ANSIBLE_NOCOLOR": "1",
        }
        return subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[str]:
        (self.folder / "told.json").unlink(missing_ok=True)
        told = {"content": "{{ told | to_json }}", "dest": str(self.folder / "told.json"), "mode": "0600"}
        module = {"zonal.cloud.image_publish": {**self.options, **options}, "register": "told", "ignore_errors": True}
        play = {"hosts": "r1", "gather_facts": False, "tasks": [module, {"ansible.builtin.copy": told, "check_mode": False}]}
        (self.folder / "play.json").write_text(json.dumps([play]))
        return self.play(*arguments, str(self.folder / "play.json"))

    def publish(self, *arguments: str, **options: Any) -> dict[str, Any]:
        """Run the module, and return its result."""
        return self.end(self.start(*arguments, **options))

    def end(self, process: subprocess.Popen[str]) -> dict[str, Any]:
        """Wait for a run of the module, and return its result; no secret is shown."""
        output = process.communicate(timeout=400)[0]
        assert [secret for secret in self.secrets if secret in output] == []
        told: dict[str, Any] = json.loads((self.folder / "told.json").read_text())
        assert "Traceback" not in output
        return told

    def manifest(self) -> str:
        """Return what is under the name; "refused: ..." when there is nothing."""
        return self.registry.s3("zonal-images", "get_object", Bucket=IMAGES, Key=manifest_key(self.name))

    def objects(self) -> dict[str, int]:
        told = json.loads(self.registry.s3("zonal-images", "list_objects_v2", Bucket=IMAGES))
        return {item["Key"]: item["Size"] for item in told.get("Contents", [])}

    def parts(self) -> Any:
        """Return what is left of uploads in parts."""
        return json.loads(self.registry.s3("zonal-images", "list_multipart_uploads", Bucket=IMAGES)).get("Uploads", [])

    def pulled_digest(self) -> str:
        """Pull the image and return the digest of what docker then has."""
        api = self.registry.docker()
        assert self.registry.pull(self.reference) == ""
        try:
            return saved_digest(api, self.reference, self.folder)
        finally:
            api.remove_image(self.reference)

    def is_clean(self) -> bool:
        work = self.folder / "work"
        return not self.registry.docker().images(self.reference) and (not work.exists() or os.listdir(work) == [])


@pytest.fixture
def builder(registry: Registry, tmp_path: Path, prefix: str) -> Iterator[Builder]:
    made = Builder(registry, tmp_path, f"{prefix}base/debian:13")
    before = made.objects()
    yield made
    for key in made.objects().keys() - before.keys():
        registry.s3("zonal-images", "delete_object", Bucket=IMAGES, Key=key)


def actions(told: dict[str, Any]) -> list[str]:
    return [step["action"] for step in told["plan"]]


ALL = ["upload", "push", "write_manifest"]


def test_both_faces_have_the_content_and_are_published_once(builder: Builder) -> None:
    checked = check_archive(builder.archive(gzip.compress(pack(*everything(1000)), mtime=0)), Policy())
    before = builder.objects()
    foretold = builder.publish("--check")
    assert (foretold["changed"], actions(foretold), builder.objects(), builder.is_clean()) == (True, ALL, before, True)
    with watched() as seen:
        told = builder.publish()
    assert "failed" not in told or not told["failed"], told
    assert [line for line in seen if any(secret in line for secret in builder.secrets)] == []
    assert (told["changed"], actions(told), builder.is_clean()) == (True, ALL, True)
    image = told["image"]
    assert (image["digest"], image["sha256"]) == (checked.content.digest, checked.sha256)
    assert builder.objects() == {**before, manifest_key(builder.name): len(builder.manifest()) + 1, checked.blob.key: checked.blob.size}
    manifest = read_manifest(builder.name, builder.manifest().encode())
    assert (manifest.digest, manifest.blob, manifest.bootable) == (checked.content.digest, checked.blob, True)
    assert manifest.pushed is not None
    assert (manifest.pushed.reference, manifest.pushed.sha256) == (builder.reference, image["registry"]["sha256"])
    assert builder.pulled_digest() == checked.content.digest
    again = builder.publish()
    assert (again["changed"], again["plan"], again["image"]) == (False, [], image)
    builder.archive(pack(*everything(1000)))
    assert builder.publish()["plan"] == []


def test_the_playbook_publishes_and_tells_the_entry(builder: Builder) -> None:
    digest = check_archive(builder.archive(pack(member("etc/motd"))), Policy()).content.digest
    given = {f"zonal_publish_{name}": builder.options[name] for name in builder.options if name != "folder"}
    variables = builder.folder / "variables.json"
    variables.touch(mode=0o600)
    # What the node would install is there, but not in its own list of packages.
    variables.write_text(json.dumps({**given, "zonal_publish_hosts": "r1", "_instances_packages": []}))
    for arguments, changed in ((["--check"], 1), ([], 1), ([], 0), (["--check"], 0)):
        output = builder.play("zonal.cloud.publish_image", "-e", f"@{variables}", *arguments).communicate(timeout=400)[0]
        assert f"changed={changed} " in output, output
        assert "failed=0" in output, output
        assert [secret for secret in builder.secrets if secret in output] == []
        if arguments != ["--check"] or not changed:
            assert f"digest: {digest}" in output, output
    given.pop("zonal_publish_source")
    variables.write_text(json.dumps({**given, "zonal_publish_hosts": "r1"}))
    output = builder.play("zonal.cloud.publish_image", "-e", f"@{variables}").communicate(timeout=400)[0]
    assert "zonal_publish_source: not set" in output, output


def test_the_playbook_finds_the_instance_that_it_captures(builder: Builder) -> None:
    name = "captured-web"
    docker = builder.registry.docker()
    builder.archive(pack(member("etc/motd")))
    builder.publish()
    assert builder.registry.pull(builder.reference) == ""
    labels = {f"{LABEL}name": name, f"{LABEL}zone": "lab"}
    made = docker.create_container(builder.reference, ["/sbin/init"], name=name, labels=labels)["Id"]
    variables = builder.folder / "capture.json"
    given = {f"zonal_publish_{key}": builder.options[key] for key in ("s3_endpoint", "s3_access_key", "s3_secret_key", "ca_file")}
    given |= {"zonal_hosts": "r1", "_instances_packages": [], "zonal_capture_name": "captured:1"}
    before = builder.objects()
    try:
        for instance, message in (("", "zonal_capture_instance: not set"), ("nobody", "nobody is on no host"), (name, "changed=1 ")):
            variables.write_text(json.dumps({**given, **({"zonal_capture_instance": instance} if instance else {})}))
            output = builder.play("zonal.cloud.capture_image", "--check", "-e", f"@{variables}").communicate(timeout=400)[0]
            assert message in " ".join(output.split()), output
            assert [secret for secret in builder.secrets if secret in output] == []
        assert "Traceback" not in output
        assert builder.objects() == before
    finally:
        docker.remove_container(made, force=True)
        docker.remove_image(builder.reference)


def test_what_docker_pulls_is_published_as_what_it_was(builder: Builder) -> None:
    checked = check_archive(builder.archive(pack(*everything(10))), Policy())
    told = builder.publish()
    api, local = builder.registry.docker(), f"local-{builder.name}"
    assert builder.registry.pull(builder.reference) == ""
    api.tag(builder.reference, *local.rsplit(":", 1))
    try:
        docker = {"name": local, "source": local, "from": "docker"}
        foretold = builder.publish("--check", **docker)
        assert (foretold["changed"], foretold["image"]) == (True, {"name": local})
        again = builder.publish(**docker)
        assert actions(again) == ALL
        assert again["image"]["digest"] == told["image"]["digest"] == checked.content.digest
        assert builder.publish(**docker)["plan"] == []
    finally:
        for name in (local, builder.reference):
            api.remove_image(name)


def test_of_a_hostile_archive_nothing_is_published(builder: Builder) -> None:
    builder.archive(pack(member("etc/motd"), member("../../etc/passwd")))
    before = builder.objects()
    told = builder.publish()
    assert (told["failed"], told["changed"]) == (True, False)
    assert "which leads out of its root" in told["msg"]
    assert (builder.objects(), builder.is_clean()) == (before, True)
    assert builder.registry.pull(builder.reference) != ""


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"registry_password": "wrong"}, "unauthorized"),
        ({"s3_secret_key": "wrong"}, "the store refuses this user"),
        ({"ca_file": "/nowhere/ca.crt"}, "there is no file /nowhere/ca.crt (option ca_file)"),
        ({"bucket": "nothing-here"}, "there is no such bucket"),
        ({"registry": "127.0.0.1:9"}, "connection refused"),
        ({"s3_endpoint": "https://127.0.0.1:9"}, "Could not connect to the endpoint"),
    ],
)
def test_what_stands_against_it_is_one_message(builder: Builder, change: dict[str, str], words: str) -> None:
    builder.archive(pack(member("etc/motd")))
    told = builder.publish(**change)
    assert told["failed"] is True
    assert words in told["msg"]
    assert "\n" not in told["msg"]
    assert builder.manifest().startswith("refused: NoSuchKey")


def test_killed_when_half_is_there_the_name_is_nothing_and_the_next_run_finishes(builder: Builder) -> None:
    blob = large(builder)
    with held(builder) as through:
        process = builder.start(**through.options)
        through.wait_for_push(builder)
        kill(process)
    assert blob.key in builder.objects()
    assert builder.manifest().startswith("refused: NoSuchKey")
    told = builder.publish()
    assert (actions(told), builder.parts(), builder.is_clean()) == (["push", "write_manifest"], [], True)
    assert builder.publish()["plan"] == []


def test_killed_while_it_sends_nothing_is_left_of_it(builder: Builder) -> None:
    large(builder)
    with held(builder) as through:
        process = builder.start(**through.options)
        through.wait()
        assert len(builder.parts()) == 1
        kill(process)
    assert builder.manifest().startswith("refused: NoSuchKey")
    told = builder.publish()
    assert (actions(told), builder.parts(), builder.is_clean()) == (ALL, [], True)


def test_a_registry_that_goes_away_is_told_and_the_next_run_finishes(builder: Builder) -> None:
    node = builder.registry.node
    large(builder)
    with held(builder) as through:
        process = builder.start(**through.options)
        through.wait_for_push(builder)
        node.run("sh", "-c", f"kill -KILL $(cat /run/systemctl/{_SERVICE}.pid)")
        try:
            told = builder.end(process)
        finally:
            node.systemctl("start", _SERVICE)
    assert told["failed"] is True
    assert f"Cannot push {builder.reference}: " in told["msg"]
    assert [step["action"] for step in told["plan"]] == ["upload"]
    assert (builder.manifest().startswith("refused: NoSuchKey"), builder.is_clean()) == (True, True)
    login = {"username": "nobody", "password": "x"}
    wait_for("the registry", lambda: "unauthorized" in builder.registry.pull(builder.reference, login))
    assert actions(builder.publish()) == ["push", "write_manifest"]


def test_a_storage_daemon_that_dies_meanwhile_is_told_and_waited_for(builder: Builder) -> None:
    """A host waits for the store for minutes; what is told after these is seen with less patience."""
    registry = builder.registry
    # Asked for before, since that needs the storage daemon, too.
    keys = registry.keys("zonal-images")
    large(builder)
    with held(builder) as through:
        process = builder.start(**through.options)
        through.wait()
        registry.node.run("sh", "-c", "kill -KILL $(cat /run/systemctl/ceph-osd@0.service.pid)")
        through.release()
        try:
            told = registry.by_hosts_python(impatient.__name__, f"{builder.name}/other", keys=keys)
            assert "Cannot write s3://" in told
            assert "ceph -s on its hosts tells whether it is well" in told
            assert process.poll() is None
        finally:
            registry.node.systemctl("start", "ceph-osd@0.service")
            process.communicate(timeout=400)
    assert (builder.publish()["plan"], builder.parts(), builder.is_clean()) == ([], [], True)


@dataclass(frozen=True)
class Held:
    """Another way to the store, which ends in the middle of what is sent. ``options`` are the module's that lead through it."""

    folder: Path
    options: dict[str, str]

    def wait(self) -> None:
        wait_for("half of the archive at the store", (self.folder / "held").exists, 120)

    def release(self) -> None:
        (self.folder / "release").touch()

    def wait_for_push(self, builder: Builder) -> None:
        """After the sending, the registry is asked again only by the push."""
        self.wait()
        self.release()
        connections = ("ss", "-Htn", "state", "established", f"sport = :{REGISTRY_PORT}")
        wait_for("the push", lambda: builder.registry.node.run(*connections), 120)


@contextmanager
def held(builder: Builder) -> Iterator[Held]:
    node = builder.registry.node
    words = (node.address, str(_RELAY_PORT), str(S3_PORT), str(32 * _MIB), str(builder.folder))
    with subprocess.Popen(node.enter("/usr/bin/python3", str(_RELAY), *words)) as relay:
        try:
            wait_for("the other way", (builder.folder / "listening").exists)
            yield Held(builder.folder, {"s3_endpoint": f"https://{node.address}:{_RELAY_PORT}"})
        finally:
            kill_tree(relay.pid)


def large(builder: Builder) -> Blob:
    """Make an archive that takes its time to be sent and pushed."""
    with tarfile.open(builder.options["source"], "w") as tar:
        entry = tarfile.TarInfo("bytes")
        entry.size = 64 * _MIB
        with open("/dev/urandom", "rb") as file:
            tar.addfile(entry, file)
    return check_archive(builder.options["source"], Policy()).blob


def kill(process: subprocess.Popen[str]) -> None:
    """End a run and all that it has started, at once."""
    kill_tree(process.pid)
    process.communicate()
