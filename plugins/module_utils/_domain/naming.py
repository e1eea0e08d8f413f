# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Names of instances from a zone's template, and the address that a MAC was made of."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping

from .addresses import parse_ipv4
from .errors import SpecError
from .names import parse_label

DEFAULT_TEMPLATE = "{zone}-{app}-{tail}"
WORDS = ("zone", "tenant", "app", "kind", "index", "tail")
_WORD = re.compile(r"{([^{}]*)}")
_MAC = re.compile(r"02[:-]?42(?:[:-]?[0-9a-f]{2}){4}", re.ASCII | re.IGNORECASE)


def parse_template(field: str, value: object) -> str:
    """Return a template of names whose words are known and which can tell two instances of an app apart."""
    text = str(value)
    words = _WORD.findall(text)
    for word in words:
        if word not in WORDS:
            raise SpecError(field, value, f"has the unknown word {{{word}}}; known are {', '.join(WORDS)}")
    if not {"index", "tail"} & set(words):
        raise SpecError(field, value, "gives all instances of an app one name; add {tail} or {index}")
    parse_label(field, _WORD.sub("x", text))
    return text


def render_name(template: str, owner: Mapping[str, str], *, index: int, address: str) -> str:
    """Return the name of one instance from the words zone, tenant, app and kind of its owner; SpecError when it is no valid name."""
    octets = parse_ipv4("address", address).packed
    words = {**owner, "index": str(index), "tail": f"{octets[2]:03d}{octets[3]:03d}"}
    return parse_label("name", _WORD.sub(lambda match: words[match.group(1)], template))


def address_of_mac(mac: object) -> str:
    """Return the IPv4 address that a MAC of this collection was derived from; SpecError for any other MAC."""
    if not isinstance(mac, str) or not _MAC.fullmatch(mac):
        raise SpecError("mac", mac, "is not a MAC that was derived from an address (02:42 and four octets)")
    return str(ipaddress.IPv4Address(bytes.fromhex(re.sub("[:-]", "", mac))[2:]))
