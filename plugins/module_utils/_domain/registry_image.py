# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""An image as its manifest in a registry tells it. A registry may tell anything: ValueError says what cannot be."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any

from .errors import RefusedError, SpecError

# As many as docker takes.
MOST_LAYERS = 127
_LONGEST_SHOWN, _MOST_SHOWN = 40, 10
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_LISTS = ("application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json")
# uname -m and how the architecture is named in manifests (GOARCH).
_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "armv7l": "arm", "i686": "386"}


@dataclass(frozen=True)
class Layer:
    """One layer: the sha256 and the number of its bytes as they are stored."""

    sha256: str
    size: int


@dataclass(frozen=True)
class RegistryImage:
    """``repository`` is HOST[:PORT]/PATH, ``sha256`` that of the manifest, which tells the layers from the lowest up."""

    repository: str
    sha256: str
    layers: tuple[Layer, ...]

    @property
    def pinned(self) -> str:
        """The reference of exactly this manifest."""
        return f"{self.repository}@sha256:{self.sha256}"

    @property
    def size(self) -> int:
        """The bytes of all layers."""
        return sum(layer.size for layer in self.layers)


def repository_of(reference: str) -> str:
    """Return HOST[:PORT]/PATH of HOST[:PORT]/PATH:TAG or HOST[:PORT]/PATH@DIGEST."""
    host, path = reference.split("/", 1)
    return f"{host}/{path.split('@', 1)[0].split(':', 1)[0]}"


def check_manifest(reference: str, raw: str) -> str:
    """Return the text of a manifest that was asked for; whoever named its digest gets no other one."""
    wanted = reference.partition("@sha256:")[2]
    if raw and wanted not in ("", hashlib.sha256(raw.encode()).hexdigest()):
        raise ValueError("the registry gave another one than that with this digest")
    return raw


def choose_manifest(raw: str, machine: str) -> str:
    """Return the sha256 of the manifest for a machine (``uname -m``) when ``raw`` is a list of them, else an empty text."""
    told = _read(raw)
    if told.get("mediaType") not in _LISTS and "manifests" not in told:
        return ""
    wanted = _ARCHITECTURES.get(machine, machine)
    found = []
    for item in _dicts(told.get("manifests")):
        platform = item.get("platform")
        platform = platform if isinstance(platform, dict) else {}
        if (platform.get("os"), platform.get("architecture")) == ("linux", wanted):
            return _sha256(item)
        found.append(f"{platform.get('os')}/{platform.get('architecture')}"[:_LONGEST_SHOWN])
    raise ValueError(f"it has none for this host's linux/{wanted}, only for {', '.join(found[:_MOST_SHOWN]) or 'nothing'}")


def parse_manifest(reference: str, raw: str) -> RegistryImage:
    """Return the image of a manifest, from its very text."""
    told = _read(raw)
    if told.get("schemaVersion") != 2 or "layers" not in told:
        raise ValueError("its manifest is neither one of OCI nor docker's version 2, schema 2")
    layers = tuple(_layer(item) for item in _dicts(told["layers"]))
    if not 0 < len(layers) <= MOST_LAYERS:
        raise ValueError(f"it has {len(layers)} layers; it may have 1 to {MOST_LAYERS}")
    return RegistryImage(repository_of(reference), hashlib.sha256(raw.encode()).hexdigest(), layers)


def check_download(image: RegistryImage, shown: str, limit: int, sha256: str) -> None:
    """Refuse to bring an image that is larger than ``limit`` or has another archive than one with ``sha256``, if that is given."""
    if image.size > limit:
        raise RefusedError(f"src: {shown} has {image.size} bytes, more than {limit} (option max_size); nothing was downloaded", field="src")
    if not sha256:
        return
    if len(image.layers) > 1:
        raise SpecError(
            "sha256",
            sha256,
            f"is that of an archive, but {shown} has {len(image.layers)} layers, of which one is made here; write digest",
        )
    found = image.layers[0].sha256
    if found != sha256:
        raise RefusedError(f"src: {shown} has the sha256 {found}, but {sha256} is wanted; nothing was downloaded", field="src")


def _read(raw: str) -> dict[str, Any]:
    try:
        told = json.loads(raw)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise ValueError("its manifest is no JSON object")
    return told


def _dicts(items: object) -> list[dict[str, Any]]:
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise ValueError("its manifest has no proper list")
    return items


def _layer(item: dict[str, Any]) -> Layer:
    size = item.get("size")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise ValueError("its manifest has a layer without a size")
    if item.get("urls"):
        raise ValueError("a layer of it is not in the registry but elsewhere (foreign layer)")
    return Layer(_sha256(item), size)


def _sha256(item: dict[str, Any]) -> str:
    digest = item.get("digest")
    match = _DIGEST.fullmatch(digest) if isinstance(digest, str) else None
    if match is None:
        raise ValueError("its manifest has a digest that is no sha256")
    return match.group(1)
