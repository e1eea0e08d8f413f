# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
"""Passes TCP connections on, up to a number of bytes from all clients together; then it makes FOLDER/held and waits for
FOLDER/release. FOLDER/listening is there from the beginning on. So tests cut off in the middle, on machines of any speed:

python3 holding_relay.py ADDRESS PORT TARGET_PORT BYTES FOLDER
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path


class Relay:
    """From ``address``:``port`` to another port of the same address."""

    def __init__(self, address: str, target: int, most: int, folder: Path) -> None:
        self._address, self._target, self._left = address, target, most
        self._listening, self._held, self._release = folder / "listening", folder / "held", folder / "release"

    async def serve(self, port: int) -> None:
        server = await asyncio.start_server(self._pass_on, self._address, port)
        self._listening.touch()
        await server.serve_forever()

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection(self._address, self._target)
        await asyncio.gather(self._copy(reader, far_writer, counted=True), self._copy(far_reader, writer, counted=False))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool) -> None:
        try:
            while data := await reader.read(65536):
                self._left -= len(data) if counted else 0
                while counted and self._left < 0 and not self._release.exists():
                    self._held.touch()
                    await asyncio.sleep(0.1)
                writer.write(data)
                await writer.drain()
        except OSError:
            pass  # one side went away; so does the other
        writer.close()


if __name__ == "__main__":
    where, listen, onwards, size, seen = sys.argv[1:]
    asyncio.run(Relay(where, int(onwards), int(size), Path(seen)).serve(int(listen)))
