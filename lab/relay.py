# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""The bare hosts' way to a package mirror: the lab's router stands for it and passes each connection on.

One process listens inside the namespace and connects from the machine's own network. Nothing
but the mirrors of the machine's apt sources can be reached through it.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from lab import aptsources, netns
from lab.model import mirror_addresses
from lab.paths import REPO, Paths
from lab.process import Process
from lab.uml import start_detached

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass(frozen=True)
class Route:
    """Connections to ``address``:port inside the lab go to ``host``:port outside."""

    address: str
    host: str
    port: int

    def word(self) -> str:
        """The route as one command line word."""
        return f"{self.address}={self.host}:{self.port}"

    @classmethod
    def from_word(cls, word: str) -> Route:
        """The route behind a command line word."""
        address, _dummy, target = word.partition("=")
        host, _dummy, port = target.rpartition(":")
        return cls(address=address, host=host, port=int(port))


def routes(sources: Sequence[aptsources.Source]) -> list[Route]:
    """One route for each mirror host and port."""
    addresses = mirror_addresses(source.host for source in sources)
    found = [Route(addresses[source.host], source.host, source.port) for source in sources if source.host in addresses]
    return list(dict.fromkeys(found))


def ensure(paths: Paths, known: Process | None) -> Process:
    """The running relay, started when there is none."""
    if known is not None and known.alive():
        return known
    wanted = routes(aptsources.machine_sources())
    for route in wanted:
        netns.add_router_address(paths.namespace, route.address)
    mark = paths.relay_mark
    program = [sys.executable, "-IS", str(REPO / "lab" / "main.py"), *mark.split()]
    return start_detached([*program, *(route.word() for route in wanted)], paths.log("relay"), mark)


def serve(namespace: str, words: Sequence[str]) -> int:
    """Listen for all routes until ended by a signal."""
    asyncio.run(_serve(namespace, [Route.from_word(word) for word in words]))
    return 0


async def _serve(namespace: str, wanted: Sequence[Route]) -> None:
    servers = []
    for route in wanted:
        listener = netns.new_socket(namespace)
        listener.bind((route.address, route.port))
        servers.append(await asyncio.start_server(_handler(route), sock=listener))
    await asyncio.gather(*(server.serve_forever() for server in servers))


def _handler(route: Route) -> Handler:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            far_reader, far_writer = await asyncio.open_connection(route.host, route.port)
        except OSError as error:
            print(f"relay: cannot reach {route.host}:{route.port}: {error}", file=sys.stderr, flush=True)
            writer.close()
            return
        await asyncio.gather(_copy(reader, far_writer), _copy(far_reader, writer))
        far_writer.close()
        writer.close()

    return handle


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.write_eof()
    except OSError:
        writer.close()  # the other side went away; this ends the other direction too
