# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an archive's source may be, and what of it may be shown."""

from __future__ import annotations

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.source import parse_source

_GOOD = {
    "/srv/images/debian 13.tgz": ("file", "/srv/images/debian 13.tgz"),
    "images/x": ("file", "images/x"),
    "https://images.example/debian.tgz": ("web", "https://images.example/debian.tgz"),
    "HTTP://[2001:db8::1]:8080/a%20b": ("web", "http://[2001:db8::1]:8080/a%20b"),
    "https://me:word@images.example/a?X-Amz-Signature=0f": ("web", "https://images.example/a"),
    "s3://images/debian/13.tgz": ("s3", "s3://images/debian/13.tgz"),
    "docker://registry.example/debian:13": ("registry", "docker://registry.example/debian:13"),
    "docker://kvm01:5000/my-team/a__b.c:V_1.0-x": ("registry", "docker://kvm01:5000/my-team/a__b.c:V_1.0-x"),
    "DOCKER://localhost/a:1": ("registry", "DOCKER://localhost/a:1"),
    f"docker://10.0.0.1/a@sha256:{'0f' * 32}": ("registry", f"docker://10.0.0.1/a@sha256:{'0f' * 32}"),
}
_BAD = {
    "ftp://images.example/x": "'ftp://images.example/x' is of no kind that can be downloaded",
    "file:///etc/shadow": "'file:///etc/shadow' is of no kind that can be downloaded",
    "https:///x": "'https:///x' is not a whole address",
    "http://images.example:port/x": "is not an address",
    "http://images.example:99999/x": "is not an address",
    "http://[::1/x": "is not an address",
    "https://images.example/a b": "has the character ' ', which an address must write as %XX",
    "https://images.example/a\n  out=/etc/passwd": "has the character '\\n'",
    "https://images.example/a\thttp://other/": "has the character '\\t'",
    "https://images.example/ä": "has the character 'ä'",
    "docker://debian:13": "is not an image of a registry; write docker://HOST[:PORT]/PATH:TAG",
    "docker://library/debian:13": "is not an image of a registry",
    "docker://registry.example/debian": "is not an image of a registry",
    "docker://registry.example/Debian:13": "is not an image of a registry",
    "docker://registry.example:port/debian:13": "is not an image of a registry",
    "docker://registry.example/../debian:13": "is not an image of a registry",
    "docker://registry.example/debian:13 --all": "is not an image of a registry",
    "docker://-x.example/debian:13?a=b": "is not an image of a registry",
    f"docker://registry.example/debian:13@sha256:{'0f' * 32}": "is not an image of a registry",
    "docker://registry.example:99999/debian:13": "is not an image of a registry",
    "docker://registry.example:0/debian:13": "is not an image of a registry",
    "s3://images/%FF": "is not a whole address",
    "s3://images:80/x": "is not a whole address",
    "s3://images": "is not a whole address",
    "s3://images/": "is not a whole address",
    "s3://images/x?versionId=1": "is not a whole address",
}


@pytest.mark.parametrize("value", _GOOD)
def test_what_it_may_be(value: str) -> None:
    source = parse_source("src", value)
    assert (source.kind, source.shown) == _GOOD[value]
    assert source.location == value


@pytest.mark.parametrize("value", _BAD)
def test_what_it_may_not_be(value: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_source("src", value)
    assert str(refused.value).startswith("src: ")
    assert _BAD[value] in str(refused.value)


@pytest.mark.parametrize(
    "value",
    [
        "https://me:word@[::1/x?sig=word",
        "ftp://me:word@host/x?sig=word",
        "https://me:word@h/ x?sig=word",
        "docker://me:word@h.example/a:1",
        "s3://me:word@images/x",
    ],
)
def test_a_refusal_keeps_secrets(value: str) -> None:
    with pytest.raises(SpecError) as refused:
        parse_source("src", value)
    assert "word" not in str(refused.value)
    assert "word" not in str(refused.value.details)


def test_an_image_has_a_reference() -> None:
    assert parse_source("src", "docker://kvm01:5000/debian:13").reference == "kvm01:5000/debian:13"


def test_an_object_has_a_bucket_and_a_key() -> None:
    source = parse_source("src", "s3://images/debian/13.tgz")
    assert (source.bucket, source.key) == ("images", "debian/13.tgz")
    # As the refusal of a blank says.
    assert parse_source("src", "s3://images/debian%2013%25+b.tgz").key == "debian 13%+b.tgz"
