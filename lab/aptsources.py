# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Debian mirrors, read from the machine's own apt sources and aimed at another release."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from lab.errors import LabError

ETC_APT = Path("/etc/apt")
POCKETS = ("", "-updates", "-security")  # in this order: main suite first
_BASES = "bookworm|trixie|forky|sid|stable|testing|oldstable|unstable"
_SUITE = re.compile(rf"({_BASES})(-updates|-security|/updates)?")
_ONE_LINE = re.compile(r"deb\s+(?:\[[^\]]*\]\s+)?(\S+)\s+(\S+)\s+(.+)")


@dataclass(frozen=True)
class Source:
    """One mirror folder that serves one pocket ("", "-updates" or "-security") of a Debian release."""

    uri: str
    pocket: str

    def line(self, release: str) -> str:
        """One-line apt source for a release; only ``main``, the lab needs nothing else."""
        return f"deb {self.uri} {release}{self.pocket} main"

    @property
    def host(self) -> str:
        """Name of the mirror's machine."""
        return urlsplit(self.uri).hostname or ""

    @property
    def port(self) -> int:
        """TCP port of the mirror."""
        parts = urlsplit(self.uri)
        return parts.port or (443 if parts.scheme == "https" else 80)


def parse_one_line(text: str) -> list[Source]:
    """Sources of a ``*.list`` file that serve Debian's main component."""
    found = []
    for line in text.splitlines():
        match = _ONE_LINE.fullmatch(line.partition("#")[0].strip())
        if match:
            found += _sources([match[1]], [match[2]], match[3].split())
    return found


def parse_deb822(text: str) -> list[Source]:
    """Sources of a ``*.sources`` file that serve Debian's main component."""
    found = []
    plain = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for paragraph in re.split(r"\n\s*\n", plain):
        fields: dict[str, list[str]] = {}
        name = ""
        for line in paragraph.splitlines():
            if line[:1] not in (" ", "\t"):
                name, _dummy, line = line.partition(":")
                name = name.strip().lower()
            fields.setdefault(name, []).extend(line.split())
        if "deb" in fields.get("types", []) and fields.get("enabled", ["yes"]) != ["no"]:
            found += _sources(fields.get("uris", []), fields.get("suites", []), fields.get("components", []))
    return found


def _sources(uris: Iterable[str], suites: Iterable[str], components: Iterable[str]) -> list[Source]:
    if "main" not in components:
        return []
    pockets = [match[2] or "" for suite in suites if (match := _SUITE.fullmatch(suite))]
    web = [uri.rstrip("/") for uri in uris if urlsplit(uri).scheme in ("http", "https")]
    return [Source(uri, "-security" if pocket == "/updates" else pocket) for uri in web for pocket in pockets]


def machine_sources(folder: Path = ETC_APT) -> list[Source]:
    """One source for each pocket that the machine's own apt uses; LabError when it has no Debian mirror."""
    found: list[Source] = []
    files = [folder / "sources.list", *sorted((folder / "sources.list.d").glob("*"))]
    for path in files:
        if path.is_file() and path.suffix in (".list", ".sources"):
            text = path.read_text(encoding="utf-8", errors="replace")
            found += parse_deb822(text) if path.suffix == ".sources" else parse_one_line(text)
    first = {source.pocket: source for source in reversed(found)}
    if "" not in first:
        raise LabError(
            f"no Debian mirror (http or https, component main) among the apt sources in {folder}: "
            "the lab builds its hosts from the machine's own mirror; add one to sources.list"
        )
    return [first[pocket] for pocket in POCKETS if pocket in first]
