# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Registries against what skopeo was seen to say; the true one is in tests/integration/engines/test_registry_images.py."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._adapters.registry_download import RegistryDownloads
from ansible_collections.zonal.cloud.plugins.module_utils._adapters.skopeo import Registry, RegistryAccess
from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import ZonalError
from ansible_collections.zonal.cloud.plugins.module_utils._ports import EngineAbsent, EngineError, Pause
from ansible_collections.zonal.cloud.tests.unit.plugins.fakes.skopeo import FakeSkopeo

REFERENCE = "kvm01:5000/team/debian:13"
SHOWN = f"docker://{REFERENCE}"
ACCESS = RegistryAccess("zonal", "secret", __file__)


def test_what_is_there_is_found_by_whoever_may(tmp_path: Path) -> None:
    skopeo = FakeSkopeo(b"one", b"two")
    registry = Registry(skopeo, ACCESS)
    image = registry.find(REFERENCE)
    assert image is not None
    assert (image.repository, image.size) == ("kvm01:5000/team/debian", 6)
    registry.copy(image, str(tmp_path / "copy"))
    login = {"auths": {"kvm01:5000": {"auth": base64.b64encode(b"zonal:secret").decode()}}}
    assert [json.loads(text) for text in skopeo.logins] == [login] * 2
    for call in skopeo.calls:
        assert call.startswith(f"env SSL_CERT_FILE={__file__} SSL_CERT_DIR=/dev/null ")
        assert "tls-verify=true" in call
        assert "secret" not in call
        assert not os.path.exists(call.partition("authfile=")[2].split()[0])
    # What is copied is what was looked at, whatever the tag means by then.
    assert f"docker://{image.pinned} " in skopeo.calls[1]
    assert f"--fsize={3 + 16 * 1024**2} skopeo copy" in skopeo.calls[1]
    assert "secret" not in repr(ACCESS)


def test_who_names_a_digest_gets_no_other_manifest() -> None:
    skopeo = FakeSkopeo(b"one")
    image = Registry(skopeo, ACCESS).find(REFERENCE)
    assert image is not None
    assert Registry(skopeo, ACCESS).find(image.pinned) == image
    with pytest.raises(EngineError, match=r"Cannot read the manifest of kvm01:5000/team/debian@sha256:\w+: the registry gave another one"):
        Registry(FakeSkopeo(b"two"), ACCESS).find(image.pinned)


def test_anybody_does_not_use_the_hosts_own_login() -> None:
    skopeo = FakeSkopeo(b"one")
    Registry(skopeo, RegistryAccess()).find(REFERENCE)
    assert skopeo.calls == [f"skopeo inspect --tls-verify=true --no-creds --raw docker://{REFERENCE}"]


BEGIN = 'time="2026-01-01" level=fatal msg="Error parsing image name \\"docker://kvm01:5000/team/debian:13\\": '
PING = f'{BEGIN}pinging container registry kvm01:5000: Get \\"https://kvm01:5000/v2/\\": '
READ = f"{BEGIN}reading manifest 13 in kvm01:5000/team/debian: "
MISSING = [f'{READ}manifest unknown: manifest unknown"', f'{READ}name unknown: repository name not known to registry"']
SAID = {
    f'{READ}unauthorized: authentication required"': "the registry wants another user or password",
    f'{READ}denied: requested access to the resource is denied"': "the registry refuses it to this user",
    f'{PING}x509: certificate signed by unknown authority"': "the registry's certificate is not trusted; name the authority in ca_file",
    f'{PING}http: server gave HTTP response to HTTPS client"': "it speaks no TLS, and without TLS nothing is taken from a registry",
    f'{PING}dial tcp 10.0.0.1:5000: connect: connection refused"': "the registry does not answer",
    f'{PING}dial tcp: lookup kvm01: no such host"': "the registry's name is not known here",
    'level=fatal msg="Get \\"https://s3/x?X-Amz-Signature=secret\\": odd"': 'Get "https://s3/x": odd',
    "no answer within 120 seconds": "the registry takes too long",
    "exit status -9": "skopeo was killed",
    "something new ?sig=secret": "something new",
}


@pytest.mark.parametrize("said", SAID)
def test_a_failure_is_told_without_secrets(said: str) -> None:
    skopeo = FakeSkopeo()
    skopeo.said = said
    with pytest.raises(EngineError) as told:
        Registry(skopeo, ACCESS).find(REFERENCE)
    assert str(told.value) == f"Cannot look for {REFERENCE}: {SAID[said]}"
    assert "secret" not in f"{told.value} {told.value.details}"


@pytest.mark.parametrize("said", MISSING)
def test_what_is_missing_is_none(said: str) -> None:
    skopeo = FakeSkopeo()
    skopeo.said = said
    assert Registry(skopeo, ACCESS).find(REFERENCE) is None


@pytest.mark.parametrize("said", ["the program skopeo is not installed", "env: 'skopeo': No such file or directory"])
def test_a_missing_program_is_told_with_its_package(said: str) -> None:
    skopeo = FakeSkopeo()
    skopeo.said = said
    with pytest.raises(EngineAbsent, match=r"the program skopeo is not installed; install the package skopeo$"):
        Registry(skopeo, ACCESS).find(REFERENCE)


def test_a_missing_authority_is_told() -> None:
    with pytest.raises(EngineError, match=r"there is no file /nowhere \(option ca_file\)$"):
        Registry(FakeSkopeo(), RegistryAccess(ca_file="/nowhere")).find(REFERENCE)


def test_an_odd_manifest_is_told() -> None:
    with pytest.raises(EngineError, match=f"^Cannot read the manifest of {REFERENCE}: it has 0 layers"):
        Registry(FakeSkopeo(), ACCESS).find(REFERENCE)


def downloads(folder: Path, skopeo: FakeSkopeo) -> RegistryDownloads:
    return RegistryDownloads(skopeo, str(folder), Registry(skopeo, ACCESS))


def leftovers(folder: Path) -> None:
    """What runs that were cut off anywhere leave."""
    (folder / "name.layers" / "blobs").mkdir(parents=True)
    (folder / "name.new").mkdir()


@pytest.mark.parametrize("plain", [False, True])
def test_the_only_layer_is_the_archive(tmp_path: Path, plain: bool) -> None:
    leftovers(tmp_path)
    skopeo = FakeSkopeo(b"archive")
    skopeo.plain = plain
    brought = downloads(tmp_path, skopeo)
    for _again in range(2):
        path = brought.fetch(REFERENCE, SHOWN, "name", 1000)
    assert Path(path).read_bytes() == b"archive"
    assert (brought.size("name"), brought.has_layers("name")) == (7, False)
    assert [name for call in skopeo.calls for name in ("inspect", "aria2c", "copy") if f" {name} " in call] == [
        "inspect",
        "aria2c",
        *([] if plain else ["copy"]),
    ]
    assert os.listdir(tmp_path) == ["name"]


@pytest.mark.parametrize(
    ("password", "written"), [("secret", "secret"), ("a/b:c@d?e#f g%h", "a%2Fb%3Ac%40d%3Fe%23f%20g%25h"), ("two\nlines", "two%0Alines")]
)
def test_who_downloads_a_layer_logs_in_unseen_to_that_registry_only(tmp_path: Path, password: str, written: str) -> None:
    skopeo = FakeSkopeo(b"archive")
    skopeo.plain = True
    access = RegistryAccess("zonal", password, "/etc/hostname")
    RegistryDownloads(skopeo, str(tmp_path), Registry(skopeo, access)).fetch(REFERENCE, SHOWN, "name", 1000)
    repository, layer = REFERENCE.partition("/")[2].partition(":")[0], hashlib.sha256(b"archive").hexdigest()
    # aria2 would tell http-user and http-passwd to whomever the registry sends it on to.
    asked = [f"https://zonal:{written}@kvm01:5000/v2/{repository}/blobs/sha256:{layer}", "out=name.new"]
    assert [line.strip() for line in skopeo.asked.splitlines()] == asked
    assert not any(text in " ".join(skopeo.calls) for text in (password, written))
    assert "--ca-certificate=/etc/hostname" in skopeo.calls[1]


def test_a_layer_that_is_half_there_is_not_begun_anew(tmp_path: Path) -> None:
    (tmp_path / "name.new").write_bytes(b"x" * 8192)
    (tmp_path / "name.new.aria2").touch()
    with pytest.raises(EngineError, match="wants another user or password"):
        downloads(tmp_path, FakeSkopeo(b"x" * 10000)).fetch(REFERENCE, SHOWN, "name", 20000)
    assert sorted(os.listdir(tmp_path)) == ["name.new", "name.new.aria2"]


@pytest.mark.parametrize("layers", [(b"archive",), (b"one", b"three")])
def test_before_skopeo_begins_it_is_told_what_comes(tmp_path: Path, layers: tuple[bytes, ...]) -> None:
    skopeo = FakeSkopeo(*layers)
    with pytest.raises(Pause) as pause:
        RegistryDownloads(skopeo, str(tmp_path), Registry(skopeo, ACCESS), 10).fetch(REFERENCE, SHOWN, "name", 1000)
    assert (pause.value.line, pause.value.last) == (f"downloading {SHOWN}: 0K in {len(layers)} layers", True)
    assert not any(" copy " in call for call in skopeo.calls)


def test_of_several_one_is_made(tmp_path: Path) -> None:
    leftovers(tmp_path)
    brought = downloads(tmp_path, FakeSkopeo(b"one", b"three"))
    path = brought.fetch(REFERENCE, SHOWN, "name", 1000)
    assert (brought.size("name"), brought.has_layers("name"), os.listdir(tmp_path)) == (8, True, ["name"])
    with pytest.raises(EngineError), brought.flattened("name"):
        raise EngineError("unpack", "layers", "they are broken")
    assert brought.has_layers("name")
    with brought.flattened("name") as archive:
        assert os.stat(archive).st_mode & 0o777 == 0o600
        Path(archive).write_bytes(b"archive")
    assert Path(path).read_bytes() == b"archive"
    assert os.listdir(tmp_path) == ["name"]
    brought.forget("name")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize(("size", "words"), [(2000, "has 2000 bytes, more than 1000"), (6, "tells other sizes of its layers than")])
def test_another_size_than_told_leaves_nothing(tmp_path: Path, size: int, words: str) -> None:
    skopeo = FakeSkopeo(b"archive")
    skopeo.told_size = size
    with pytest.raises(ZonalError, match=words):
        downloads(tmp_path, skopeo).fetch(REFERENCE, SHOWN, "name", 1000)
    assert os.listdir(tmp_path) == []


def test_a_missing_image_is_told(tmp_path: Path) -> None:
    skopeo = FakeSkopeo()
    skopeo.said = MISSING[0]
    with pytest.raises(EngineError, match=f"^Cannot download {SHOWN}: the registry does not have it$"):
        downloads(tmp_path, skopeo).fetch(REFERENCE, SHOWN, "name", 1000)
