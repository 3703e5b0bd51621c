"""How a stream's bytes reach the far end. No call waits for it longer than a moment."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from pathlib import Path
from urllib.parse import urlsplit

from realtime.errors import OutputError

# Seven MPEG-TS packets fill an Ethernet frame; FFmpeg's buffer holds whole datagrams, so that none is cut elsewhere.
_DATAGRAM = 7 * 188
WHOLE_DATAGRAMS = 16 * _DATAGRAM
_SEND_TIMEOUT_S = 0.1
_BACKLOG_BYTES = 400_000  # half a second of 6 Mbit/s: with more waiting, frames are left out
_STALLED_S = 10.0


class Link(ABC):
    """One connection, and a file that FFmpeg can write to.

    Attributes:
        container: FFmpeg's name of the container format that this kind of link carries.
        lost: why the connection is over, or None while it stands.
    """

    container: str
    lost: str | None = None

    @abstractmethod
    def ready(self) -> bool:
        """Whether another frame may be sent; False while earlier ones are still on their way."""

    @abstractmethod
    def write(self, data: bytes) -> int:
        """Send, or drop what cannot be sent and set `lost`; returns len(data)."""

    @abstractmethod
    def close(self) -> None:
        """End the connection within two seconds."""


class UdpLink(Link):
    """MPEG-TS in datagrams. Nobody knows whether the far end is there."""

    container = "mpegts"

    def __init__(self, url: str) -> None:
        """Raises OSError where the host has no address."""
        host, port = udp_address(url)
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_DGRAM)[0]
        self._address = address
        self._socket = socket.socket(family, kind, protocol)
        self._socket.settimeout(_SEND_TIMEOUT_S)

    def ready(self) -> bool:
        return True

    def write(self, data: bytes) -> int:
        try:
            for start in range(0, len(data), _DATAGRAM):
                if self.lost is None:
                    self._socket.sendto(data[start : start + _DATAGRAM], self._address)
        except OSError as error:
            self.lost = error.strerror or "the network does not take the data"
        return len(data)

    def close(self) -> None:
        self._socket.close()


class RelayLink(Link):
    """FLV through a process that talks RTMP (see `realtime.sinks.relay`); a thread feeds it from a short queue."""

    container = "flv"

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("relay.py")), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        self._waiting: deque[bytes] = deque()
        self._bytes = 0
        self._closed = False
        self._moved = time.monotonic()
        self._change = threading.Condition()
        self._feeder = threading.Thread(target=self._feed, name="stream feeder", daemon=True)
        self._feeder.start()

    def ready(self) -> bool:
        with self._change:
            if self._bytes and time.monotonic() - self._moved > _STALLED_S:
                self.lost = "the far end takes no data"
            return self._bytes < _BACKLOG_BYTES

    def write(self, data: bytes) -> int:
        with self._change:
            if self.lost is None and not self._closed:
                if not self._bytes:
                    self._moved = time.monotonic()
                self._waiting.append(data)
                self._bytes += len(data)
                self._change.notify()
        return len(data)

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify()
        self._feeder.join(1.0)
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            self._process.kill()  # breaks the pipe, which ends a feeder that still waits
            self._process.wait()
        self._feeder.join()
        self._process.stderr.close()  # type: ignore[union-attr]

    def _feed(self) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        try:
            with pipe:
                while (data := self._take()) is not None:
                    pipe.write(data)
                    pipe.flush()
                    with self._change:
                        self._bytes -= len(data)
                        self._moved = time.monotonic()
        except OSError:  # the process is gone: its last words say why
            words = self._process.stderr.read().decode(errors="replace").strip()  # type: ignore[union-attr]
            self.lost = words.splitlines()[-1] if words else "the connection ended"

    def _take(self) -> bytes | None:
        """The next bytes, or None when the link is closed and all was sent."""
        with self._change:
            self._change.wait_for(lambda: self._waiting or self._closed)
            return self._waiting.popleft() if self._waiting else None


def udp_address(url: str) -> tuple[str, int]:
    """("127.0.0.1", 1234) of udp://127.0.0.1:1234.

    Raises:
        OutputError: host or port is missing.
    """
    parts = urlsplit(url)
    try:
        if parts.hostname and parts.port:
            return parts.hostname, parts.port
    except ValueError:  # a port that is no number
        pass
    raise OutputError(f"The address {url} lacks a host or a port: write it like udp://127.0.0.1:1234.")
