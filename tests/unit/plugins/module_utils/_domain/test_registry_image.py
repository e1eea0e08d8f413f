# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a registry may tell of an image, and what of it may not be."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from ansible_collections.zonal.cloud.plugins.module_utils._domain.errors import RefusedError, SpecError
from ansible_collections.zonal.cloud.plugins.module_utils._domain.registry_image import (
    MOST_LAYERS,
    Layer,
    RegistryImage,
    check_download,
    choose_manifest,
    parse_manifest,
    repository_of,
)

ONE, TWO = "1" * 64, "2" * 64
LIST = "application/vnd.docker.distribution.manifest.list.v2+json"


def layer(sha256: str = ONE, size: Any = 7, **more: Any) -> dict[str, Any]:
    return {"digest": f"sha256:{sha256}", "size": size, **more}


def manifest(*layers: Any, **more: Any) -> str:
    return json.dumps({"schemaVersion": 2, "layers": layers, **more})


def item(sha256: str, machine: Any, system: Any = "linux") -> dict[str, Any]:
    return {"digest": f"sha256:{sha256}", "platform": {"architecture": machine, "os": system}}


@pytest.mark.parametrize(
    "reference", ["kvm01:5000/team/debian:13", f"kvm01:5000/team/debian@sha256:{ONE}"], ids=["by a tag", "by a digest"]
)
def test_a_manifest_is_read(reference: str) -> None:
    raw = manifest(layer(ONE, 7), layer(TWO, 0))
    image = parse_manifest(reference, raw)
    assert image == RegistryImage("kvm01:5000/team/debian", hashlib.sha256(raw.encode()).hexdigest(), (Layer(ONE, 7), Layer(TWO, 0)))
    assert (image.size, image.pinned) == (7, f"kvm01:5000/team/debian@sha256:{image.sha256}")
    assert repository_of(image.pinned) == image.repository


BAD = {
    "": "its manifest is no JSON object",
    "[]": "its manifest is no JSON object",
    "[" * 100_000: "its manifest is no JSON object",
    '{"schemaVersion": 1, "fsLayers": []}': "its manifest is neither one of OCI nor",
    '{"schemaVersion": 2, "manifests": []}': "its manifest is neither one of OCI nor",
    '{"schemaVersion": 2, "layers": {}}': "its manifest has no proper list",
    manifest(): "it has 0 layers",
    manifest(1): "its manifest has no proper list",
    manifest(*[layer()] * (MOST_LAYERS + 1)): f"it has {MOST_LAYERS + 1} layers; it may have 1 to {MOST_LAYERS}",
    manifest(layer(size=-1)): "its manifest has a layer without a size",
    manifest(layer(size=True)): "its manifest has a layer without a size",
    manifest(layer(size="7")): "its manifest has a layer without a size",
    manifest(layer("../../etc/passwd")): "its manifest has a digest that is no sha256",
    manifest({"size": 1, "digest": 1}): "its manifest has a digest that is no sha256",
    manifest(layer(urls=["http://169.254.169.254/"])): "a layer of it is not in the registry but elsewhere",
}


@pytest.mark.parametrize("raw", BAD, ids=[text[:30] for text in BAD])
def test_what_cannot_be_is_told(raw: str) -> None:
    with pytest.raises(ValueError, match=f"^{BAD[raw]}"):
        parse_manifest("h/a:1", raw)


def test_of_a_list_the_one_for_the_machine_is_chosen() -> None:
    items = [{"digest": "x"}, {"platform": 1}, item(TWO, "amd64", "windows"), item(ONE, "amd64"), item(TWO, "arm64")]
    for raw in (json.dumps({"mediaType": LIST, "manifests": items}), json.dumps({"manifests": items})):
        assert [choose_manifest(raw, machine) for machine in ("x86_64", "aarch64")] == [ONE, TWO]
    assert choose_manifest(manifest(layer()), "x86_64") == ""


def test_a_list_without_the_machine_is_told_in_few_words() -> None:
    raw = json.dumps({"manifests": [item(ONE, "a" * 10_000)] * 1000})
    with pytest.raises(ValueError, match=r"^it has none for this host's linux/riscv64, only for linux/aaa") as told:
        choose_manifest(raw, "riscv64")
    assert len(str(told.value)) < 1000
    with pytest.raises(ValueError, match=r"only for nothing$"):
        choose_manifest('{"manifests": []}', "x86_64")


def test_what_is_not_wanted_is_not_brought() -> None:
    one = RegistryImage("h/a", TWO, (Layer(ONE, 7),))
    two = RegistryImage("h/a", TWO, (Layer(ONE, 7), Layer(TWO, 3)))
    check_download(one, "docker://h/a:1", 7, ONE)
    check_download(two, "docker://h/a:1", 10, "")
    with pytest.raises(RefusedError, match=r"^src: docker://h/a:1 has 10 bytes, more than 9 \(option max_size\); nothing was downloaded$"):
        check_download(two, "docker://h/a:1", 9, "")
    with pytest.raises(RefusedError, match=f"^src: docker://h/a:1 has the sha256 {ONE}, but {TWO} is wanted"):
        check_download(one, "docker://h/a:1", 7, TWO)
    with pytest.raises(SpecError, match=r"^sha256: '1+' is that of an archive, but docker://h/a:1 has 2 layers"):
        check_download(two, "docker://h/a:1", 10, ONE)
