"""Head position and pose to opentrack, or whatever else listens: "UDP over network", six doubles a datagram.

The order is x, y, z in centimetres, then yaw, pitch, roll in degrees, little endian (opentrack issues 155 and 881). The
signs are those of whoever faces the camera: x > 0 to their right, y > 0 up, z > 0 towards the camera (z is below 0);
yaw > 0 to their right, pitch > 0 up, roll > 0 towards their right shoulder. opentrack can turn every axis round and
centres all of them.
"""

from __future__ import annotations

import socket
import struct

from realtime.errors import OutputError
from realtime.frame import Result
from realtime.monitor.reading import Head
from realtime.sinks.base import Sink
from realtime.sinks.links import udp_address

PACKET = struct.Struct("<6d")


def packet(head: Head) -> bytes:
    """The datagram of a head: 48 bytes."""
    x, y, z = (part / 10 for part in head.position_mm)
    # The camera sees a mirror image of what its subject calls right: across, yaw and roll change their signs.
    return PACKET.pack(-x, -y, -z, -head.pose.yaw, head.pose.pitch, -head.pose.roll)


class OpentrackSink(Sink):
    """Sends every head that is known. Nobody knows whether anybody listens, and nothing waits for it.

    Raises:
        OutputError: the address lacks a part, or the host is unknown.
    """

    def __init__(self, address: str) -> None:
        """`address`: HOST:PORT; opentrack's usual port is 4242."""
        self.name = f"opentrack {address}"
        host, port = udp_address(f"udp://{address}")
        try:
            found = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        except OSError as error:
            raise OutputError(f"The host {host} cannot be found ({error.strerror}): check --opentrack.") from error
        self._address = found[4]
        self._socket = socket.socket(found[0], found[1])
        self._socket.setblocking(False)

    def write(self, result: Result) -> None:
        """Send the head, if there is one; what the network does not take at once is left out."""
        if result.reading is None or result.reading.head is None:
            return
        try:
            self._socket.sendto(packet(result.reading.head), self._address)
        except OSError:  # full buffers, or a far end that refuses: the next head is as good
            return

    def close(self) -> None:
        self._socket.close()
