"""opentrack's datagrams, decoded by hand from a real socket."""

from __future__ import annotations

import socket
import struct

import numpy as np
import pytest

from realtime.errors import OutputError
from realtime.frame import Frame, Pose, Result
from realtime.monitor.reading import Alert, Head, Reading, State, Timers
from realtime.sinks.opentrack import OpentrackSink, packet

FRAME = Frame(np.zeros((4, 4, 3), np.uint8), 0, 0.0, 0.0)
HEAD = Head(Pose(30, 10, -5), Pose(1, 1, 1), (120.0, -45.0, 800.0), False, 1.0)


def result(head: Head | None) -> Result:
    return Result(FRAME, reading=Reading(State.ATTENTIVE, Alert.NONE, Timers(), head=head))


def test_six_little_endian_doubles_in_the_order_of_opentrack() -> None:
    data = packet(HEAD)
    assert len(data) == 48
    values = [struct.unpack("<d", data[start : start + 8])[0] for start in range(0, 48, 8)]
    # image right is the driver's left, down is not up, and nearer is forward
    np.testing.assert_allclose(values, [-12.0, 4.5, -80.0, -30.0, 10.0, 5.0])


def test_heads_arrive_and_nothing_else_does() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind(("127.0.0.1", 0))
        listener.settimeout(5)
        with OpentrackSink(f"127.0.0.1:{listener.getsockname()[1]}") as sink:
            sink.write(Result(FRAME))
            sink.write(result(None))
            sink.write(result(HEAD))
        assert listener.recv(1000) == packet(HEAD)


def test_nobody_listening_is_no_trouble() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with OpentrackSink(f"127.0.0.1:{port}") as sink:
        for _ in range(5):  # from the second on the system knows that the port is closed
            sink.write(result(HEAD))


@pytest.mark.parametrize("address", ["", "localhost", "localhost:port", ":4242", "no.such.host.invalid:4242"])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(OutputError):
        OpentrackSink(address)
