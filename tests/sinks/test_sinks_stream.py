"""Streams: what arrives at a real socket or RTMP server, and what happens while there is none."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time

import numpy as np
import pytest

from realtime.provenance import METADATA
from realtime.sinks import open_sink
from realtime.sinks.base import SinkOptions
from realtime.sinks.links import RelayLink

LIVE = SinkOptions(live=True, rate=30.0, metadata=METADATA)

# An RTMP server for one publisher; prints time and mean colour of every frame.
SERVER = """
import sys, av
with av.open(sys.argv[1], options={"listen": "1", "fflags": "nobuffer", "analyzeduration": "100000"}) as stream:
    print("open", stream.streams.video[0].width, flush=True)
    for frame in stream.decode(video=0):
        red, green, blue = frame.to_ndarray(format="rgb24").mean((0, 1))
        print(f"{frame.time:.3f} {red:.0f} {green:.0f} {blue:.0f}", flush=True)
"""


@pytest.fixture
def port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def receiver():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiving:
        receiving.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_000_000)
        receiving.bind(("127.0.0.1", 0))
        receiving.settimeout(0.2)
        yield receiving


def drain(receiving: socket.socket) -> list[bytes]:
    datagrams = []
    try:
        while True:
            datagrams.append(receiving.recv(65536))
    except TimeoutError:
        return datagrams


def test_udp_carries_whole_ts_packets_that_play(receiver, make_result, card, read_video) -> None:
    with open_sink(f"udp://127.0.0.1:{receiver.getsockname()[1]}", LIVE) as sink:
        for index in range(20):
            sink.write(make_result(np.roll(card(96, 64), 2 * index, axis=1), index))
        assert sink.dropped == 0 and sink.problem is None
    datagrams = drain(receiver)
    assert all(len(datagram) % 188 == 0 and len(datagram) <= 1316 for datagram in datagrams)
    assert all(datagram[at] == 0x47 for datagram in datagrams for at in range(0, len(datagram), 188))
    frames = read_video(b"".join(datagrams))
    assert len(frames) == 20
    assert np.diff([time_s for time_s, _ in frames]) == pytest.approx(1 / 30, abs=1e-3)
    assert np.abs(frames[0][1].astype(int) - card(96, 64))[8:24, 8:40].max() <= 16


def test_a_viewer_may_join_late(receiver, make_result, card, read_video) -> None:
    """What arrives in two seconds from the middle on holds tables, parameters and a key frame."""
    with open_sink(f"udp://127.0.0.1:{receiver.getsockname()[1]}", LIVE) as sink:
        for index in range(45):
            sink.write(make_result(card(96, 64), index))
        drain(receiver)
        for index in range(45, 120):
            sink.write(make_result(card(96, 64), index))
    times = [time_s for time_s, _ in read_video(b"".join(drain(receiver)))]
    assert len(times) >= 60 and times[-1] - times[0] == pytest.approx((len(times) - 1) / 30, abs=0.01)


def test_udp_without_a_receiver_costs_nothing(port, make_result, card) -> None:
    with open_sink(f"udp://127.0.0.1:{port}", LIVE) as sink:
        for index in range(30):
            sink.write(make_result(card(96, 64), index))
        assert sink.dropped == 0


def test_an_unknown_host_is_told_and_tried_again(make_result, card) -> None:
    with open_sink("udp://host.invalid:99", LIVE) as sink:
        for index in range(5):
            sink.write(make_result(card(96, 64), index))
        assert sink.dropped == 5
        assert "interrupted" in sink.problem and "again in 1 s" in sink.problem


def write_until(sink, make_result, card, condition) -> int:
    """Give the sink a frame every 10 ms until the condition holds; returns how many. pytest's timeout ends it else."""
    index = 0
    while not condition():
        sink.write(make_result(card(96, 64), index))
        index += 1
        time.sleep(0.01)
    return index


def test_rtmp_waits_for_its_server_and_comes_back(port, make_result, card) -> None:
    """No server at first; then one that takes the stream; then it goes away."""
    url = f"rtmp://127.0.0.1:{port}/live/key"
    with open_sink(url, LIVE) as sink:
        write_until(sink, make_result, card, lambda: sink.problem is not None)
        assert "key" not in sink.problem and sink.dropped > 0
        command = [sys.executable, "-c", SERVER, url]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            os.set_blocking(server.stdout.fileno(), False)
            lines: list[str] = []
            write_until(sink, make_result, card, lambda: lines.extend(server.stdout) or len(lines) > 20)
            server.kill()
        connected_drops = sink.dropped
        write_until(sink, make_result, card, lambda: sink.problem is not None and sink.dropped > connected_drops)
    assert lines[0].split() == ["open", "96"]
    time_s, red, green, blue = map(float, lines[2].split())
    assert time_s >= 0
    expected = card(96, 64).mean((0, 1))
    assert np.abs(np.array([red, green, blue]) - expected).max() < 6


def test_a_server_that_never_answers_costs_frames_and_nothing_else(make_result, rng) -> None:
    """It accepts the connection and is silent: FFmpeg would wait for its handshake for ever."""
    noise = rng.integers(0, 256, (480, 640, 3), dtype=np.uint8)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        with open_sink(f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live/key", LIVE) as sink:
            index = 0
            while sink.dropped < 5:
                sink.write(make_result(noise, index))
                index += 1
        assert sink._link is None  # closed, its process ended


def test_a_stalled_link_is_given_up(monkeypatch) -> None:
    monkeypatch.setattr("realtime.sinks.links._STALLED_S", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        link = RelayLink(f"rtmp://127.0.0.1:{silent.getsockname()[1]}/live/key")
        for _ in range(20):
            link.write(bytes(50_000))
        while link.lost is None:
            assert not link.ready()
            time.sleep(0.01)
        link.close()
    assert link.lost == "the far end takes no data"
