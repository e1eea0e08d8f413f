# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""What ``docker inspect`` tells of a container: the other way of ``container_config``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, cast

from .container_config import DEVICE_LIMITS, LABEL, VARIABLES
from .cpus import parse_cpus
from .errors import ZonalError
from .facts import load_facts
from .field_values import ON_FAILURE, parse_environment
from .fields import SHARES_OF_A_CPU, Spec, addresses_of
from .instance import PAUSED, RUNNING, STOPPED, Renamed
from .names import UNFINISHED, network_of
from .quantity import parse_size


@dataclass(frozen=True)
class Layer:
    """Where docker keeps what a container has written: by which driver, in which folder, over which image."""

    driver: str
    folder: str
    image: str


@dataclass(frozen=True)
class ParsedContainer:
    """What ``docker inspect`` tells of one container. A ``dead`` one was being removed when docker was killed: it can only be removed.

    ``note`` tells why it does not stay up; empty when it does.
    """

    name: str
    spec: Spec
    facts: Mapping[str, str]
    power: str
    ours: bool
    cpus: frozenset[int]
    dead: bool
    note: str


def parse_container(body: Mapping[str, Any]) -> ParsedContainer:
    """Return what the answer of ``GET /containers/NAME/json`` tells."""
    config, host = body.get("Config") or {}, body.get("HostConfig") or {}
    facts = {key[len(LABEL) :]: value for key, value in (config.get("Labels") or {}).items() if key.startswith(LABEL)}
    name = str(body.get("Name", "")).lstrip("/")
    spec = dict(load_facts(facts))
    if facts.get("name") not in (name, name.removesuffix(UNFINISHED)):
        # The labels may be those of the image, which somebody has made of another container: only docker's network tells of an address.
        spec.pop("address", None)
    cpus = parse_cpus(host.get("CpusetCpus") or "")
    shares = host.get("CpuShares") or 0
    spec["vcpus"] = len(cpus) or shares // SHARES_OF_A_CPU
    if cpus and shares not in (0, len(cpus) * SHARES_OF_A_CPU):
        spec["cpu_shares"] = shares
    # A swap limit that is not the memory limit is a difference too, so it must not read as the wanted memory.
    spec["memory"] = host.get("Memory") if host.get("Memory") == host.get("MemorySwap") else 0
    size = (host.get("StorageOpt") or {}).get("size", "")
    with suppress(ZonalError):
        spec["disk"] = parse_size("disk", size)
    policy = (host.get("RestartPolicy") or {}).get("Name")
    spec["autostart"] = policy in ("always", "unless-stopped", "on-failure")
    if policy == "on-failure":
        spec["restart_policy"] = ON_FAILURE
    if config.get("Hostname"):
        spec["hostname"] = config["Hostname"]
    if VARIABLES in facts:
        spec["environment"] = _parse_variables(facts[VARIABLES], config.get("Env") or ())
    rates = {key: (host.get(words) or [{}])[0].get("Rate") for key, words in DEVICE_LIMITS.items()}
    if any(rates.values()):
        spec["io_limits"] = {key: rate for key, rate in rates.items() if rate}
    _parse_endpoint(body, host, spec)
    return ParsedContainer(
        name=name,
        spec=cast(Spec, spec),
        facts=facts,
        power=_power(body.get("State") or {}),
        ours="name" in facts,
        cpus=cpus,
        dead=_is_dead(body.get("State") or {}),
        note=_note(body.get("State") or {}),
    )


def renamed_container(found: ParsedContainer) -> Renamed | None:
    """Return a container that has another name than it says; None for any other, and for one without an address in docker's network."""
    known_as = found.facts.get("name", "")
    if known_as in ("", found.name, found.name.removesuffix(UNFINISHED)) or found.dead or "address" not in found.spec:
        return None
    return Renamed("container", found.name, known_as, tuple(addresses_of(found.spec)))


def _parse_variables(names: str, lines: Sequence[str]) -> dict[str, str] | None:
    """Return the variables of those names; None, which no wish is, when the names cannot be read."""
    try:
        values = dict(line.split("=", 1) for line in lines if "=" in line)
        return parse_environment("environment", {name: values[name] for name in json.loads(names)})
    except (ZonalError, ValueError, TypeError, KeyError, RecursionError):
        return None


def parse_layer(body: Mapping[str, Any]) -> Layer:
    """Return what the answer of ``GET /containers/NAME/json`` tells of the writable layer; empty text for what it does not tell."""
    driver = body.get("GraphDriver") or {}
    return Layer(driver.get("Name") or "", (driver.get("Data") or {}).get("UpperDir") or "", body.get("Image") or "")


def _parse_endpoint(body: Mapping[str, Any], host: Mapping[str, Any], spec: dict[str, Any]) -> None:
    """What docker's network says of address and bridge wins over the facts."""
    mode = str(host.get("NetworkMode") or "")
    prefix = network_of("")
    if mode.startswith(prefix):
        spec["bridge"] = mode[len(prefix) :]
    endpoint = ((body.get("NetworkSettings") or {}).get("Networks") or {}).get(mode) or {}
    address = (endpoint.get("IPAMConfig") or {}).get("IPv4Address")
    if address:
        spec["address"] = address


def _is_dead(state: Mapping[str, Any]) -> bool:
    return bool(state.get("Dead")) or state.get("Status") in ("dead", "removing")


def _note(state: Mapping[str, Any]) -> str:
    ended = f"{state.get('ExitCode')}{', for lack of memory' if state.get('OOMKilled') else ''}"
    if state.get("Restarting"):
        return f"its program ends again and again (last with {ended}), and docker starts it anew"
    return f"its program has ended (with {ended})" if state.get("Status") == "exited" else ""


def _power(state: Mapping[str, Any]) -> str:
    if state.get("Paused"):
        return PAUSED
    return RUNNING if state.get("Running") or state.get("Restarting") else STOPPED
