# SPDX-FileCopyrightText: zonal.cloud contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# PRIVATE: may change without notice.
"""Speaks ARP through a raw packet socket; see packet(7)."""

from __future__ import annotations

import select
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from .._ports import EngineError
from .._ports_network import Wire

_ETH_P_ARP = 0x0806
# An ARP frame has 42 bytes; what follows is padding.
_ENOUGH = 64


@contextmanager
def open_wire(interface: str) -> Iterator[Wire]:
    """Open an interface that is there and up."""
    try:
        # Without a protocol it hears nothing until it is bound: no frame of another interface slips in.
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as plug:
            plug.bind((interface, _ETH_P_ARP))
            yield _PacketWire(plug, interface)
    except PermissionError:
        raise EngineError("probe through", interface, "only root may send raw frames; use become: true") from None
    except OSError as error:
        raise EngineError("probe through", interface, error.strerror or str(error)) from error


class _PacketWire:
    """See ``Wire`` in ``_ports_network.py``."""

    def __init__(self, plug: socket.socket, interface: str) -> None:
        self._plug = plug
        self._interface = interface

    @property
    def mac(self) -> bytes:
        mac: bytes = self._plug.getsockname()[4]
        return mac

    def send(self, frame: bytes) -> None:
        self._plug.send(frame)

    def hear(self, seconds: float) -> bytes | None:
        if not select.select([self._plug], [], [], seconds)[0]:
            return None
        frame, (name, _protocol, kind, *_hardware) = self._plug.recvfrom(_ENOUGH)
        # The kernel also hands over the frames of other VLANs, their tags cut off: those of a VLAN interface upon this one
        # under that one's name, all others as if they were meant for another host.
        return frame if name == self._interface and kind != socket.PACKET_OTHERHOST else None
