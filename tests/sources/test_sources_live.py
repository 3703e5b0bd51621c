"""Live inputs that stall, vanish and come back. The inputs are real ones (files, pipes) opened as a camera is."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import av
import numpy as np
import pytest
from av.container import InputContainer
from sources_making import number_of, numbered, packet_places, write_video

from realtime.errors import DeviceLostError, InputError
from realtime.frame import Frame
from realtime.sources.feed import open_feed
from realtime.sources.live import LiveInput, Patience
from realtime.sources.video import open_container

QUICK = Patience(first=10.0, stall=0.15, hang=0.3, lost=20.0, retry=0.02, retry_most=0.05, repeat=0.02)

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a matter of Unix")


class Feed:
    """Device files: named pipes, each fed with a video as slowly as wanted, until it hangs or is pulled out."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        clip = write_video(folder / "feed.nut", [numbered(i) for i in range(32)], rate=30)
        self._data, places = clip.read_bytes(), packet_places(clip)
        self._ends = [place + size for place, size in places]
        self._threads: list[threading.Thread] = []
        self._pipes: list[Path] = []
        self._release = threading.Event()
        self.opened = 0

    def send(self, *upto: int, hold: bool, after: threading.Event | None = None) -> None:
        """Make the next pipe and give it the header and the frames up to a number; `after` an event up to the next.

        Then hang (`hold`) or end.
        """
        path = self._folder / f"pipe{len(self._pipes)}"
        os.mkfifo(path)
        self._pipes.append(path)

        def run() -> None:
            with path.open("wb") as pipe:
                sent = 0
                for count, number in enumerate(upto):
                    if count and after is not None:
                        after.wait(60)
                    pipe.write(self._data[sent : self._ends[number]])
                    pipe.flush()
                    sent = self._ends[number]
                if hold:
                    self._release.wait(60)

        self._threads.append(threading.Thread(target=run, daemon=True))
        self._threads[-1].start()

    def open(self) -> InputContainer:
        """Open the next pipe as a driver does: without reading ahead to find out about the stream."""
        if self.opened >= len(self._pipes):
            raise InputError("The feed has ended.")
        self.opened += 1
        options = {"analyzeduration": "0", "probesize": "32", "fpsprobesize": "0"}
        return av.open(str(self._pipes[self.opened - 1]), options=options)

    def close(self) -> None:
        self._release.set()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def feed(tmp_path: Path) -> Iterator[Feed]:
    feed = Feed(tmp_path)
    yield feed
    feed.close()


def opened_file(path: Path) -> Callable[[], InputContainer]:
    return lambda: open_container(str(path))


def live_input(name: str, opener: Callable[[], InputContainer], patience: Patience) -> LiveInput:
    """The input as cameras have it."""
    return LiveInput(name, partial(open_feed, opener, name), patience)


def until(source: LiveInput, enough: Callable[[list[Frame]], bool], most: int = 3000) -> list[Frame]:
    """Frames of the source up to the one that is enough (or too many)."""
    frames: list[Frame] = []
    for frame in source:
        frames.append(frame)
        if enough(frames) or len(frames) >= most:
            break
    return frames


def check_order(frames: list[Frame]) -> None:
    assert frames[0].index == 0
    assert np.all(np.diff([frame.index for frame in frames]) > 0)
    assert np.all(np.diff([frame.time_s for frame in frames]) >= 0)


def test_pulled_out_held_and_back_again(tmp_path: Path) -> None:
    path = write_video(tmp_path / "camera.mkv", [numbered(i) for i in range(20)])
    away = path.with_name("away.mkv")
    with live_input("Camera X", opened_file(path), QUICK) as source:
        assert source.live
        assert source.size == (64, 48)
        assert source.rate == pytest.approx(30, abs=0.1)
        path.rename(away)
        frames = until(source, lambda seen: sum(frame.held for frame in seen) >= 5)
        held = [frame for frame in frames if frame.held]
        assert len(held) == 5
        last = next(frame for frame in reversed(frames) if not frame.held)
        for frame in held:
            assert np.array_equal(frame.pixels, last.pixels)
            assert frame.notice is not None
            assert "Camera X" in frame.notice
    check_order(frames)


def test_comes_back(tmp_path: Path) -> None:
    path = write_video(tmp_path / "camera.mkv", [numbered(i) for i in range(20)])
    away = path.with_name("away.mkv")
    with live_input("Camera X", opened_file(path), QUICK) as source:
        path.rename(away)

        def enough(seen: list[Frame]) -> bool:
            if seen[-1].held and away.exists():
                away.rename(path)
            return len(seen) > 1 and seen[-2].held and not seen[-1].held

        frames = until(source, enough)
    assert not frames[-1].held
    assert frames[-1].notice is None
    check_order(frames)


def test_lost_for_good(tmp_path: Path) -> None:
    path = write_video(tmp_path / "camera.mkv", [numbered(i) for i in range(5)])
    patience = Patience(first=10.0, stall=0.1, lost=0.4, retry=0.02, retry_most=0.05, repeat=0.02)
    with live_input("Camera X", opened_file(path), patience) as source:
        path.unlink()
        frames = []
        with pytest.raises(DeviceLostError, match=r"Camera X did not come back.*no file") as caught:
            frames.extend(source)
        assert caught.value.exit_code == 3
        assert str(caught.value).count(".") - str(caught.value).count(".mkv") == 1


def test_a_driver_that_hangs_is_given_up_and_another_thread_goes_on(feed: Feed) -> None:
    feed.send(10, hold=True)
    with live_input("Camera X", feed.open, QUICK) as source:
        feed.send(20, hold=True)
        frames = until(source, lambda seen: len(seen) > 1 and seen[-2].held and not seen[-1].held)
    assert not frames[-1].held
    assert feed.opened == 2
    check_order(frames)


def test_a_network_stream_that_ends_is_opened_again(feed: Feed) -> None:
    feed.send(10, hold=False)
    feed.send(20, hold=True)
    with live_input("Stream", feed.open, QUICK) as source:
        frames = until(source, lambda seen: number_of(seen[-1].pixels) == 20)
    assert number_of(frames[-1].pixels) == 20
    check_order(frames)


def test_only_the_newest_is_kept(feed: Feed) -> None:
    taken, drained = threading.Event(), threading.Event()
    feed.send(10, 30, hold=False, after=taken)

    def opener() -> InputContainer:
        if feed.opened:
            drained.set()
        return feed.open()

    patience = Patience(first=10.0, stall=60.0, lost=60.0)
    with live_input("Camera X", opener, patience) as source:
        iterator = iter(source)
        first = next(iterator)
        taken.set()
        assert drained.wait(20)
        frame = next(iterator)
    assert number_of(frame.pixels) == 30
    assert (first.index, frame.index) == (0, 30 - number_of(first.pixels))  # the gap says how many were missed


def test_the_stamp_of_the_driver_counts(tmp_path: Path) -> None:
    now = time.perf_counter()
    stamps = [round((now - 0.2 + i * 0.01) * 1000) for i in range(10)]
    path = write_video(tmp_path / "stamped.nut", [numbered(i) for i in range(10)], "ffv1", "yuv444p", stamps=stamps)
    with live_input("Camera X", opened_file(path), QUICK) as source:
        frame = next(iter(source))
    if time.perf_counter() - now < 0.7:  # else the stamps were too old to be believed
        assert round(frame.captured * 1000) in stamps


def test_stamps_of_another_clock_do_not(tmp_path: Path) -> None:
    path = write_video(tmp_path / "camera.mkv", [numbered(i) for i in range(10)])
    before = time.perf_counter()
    with live_input("Camera X", opened_file(path), QUICK) as source:
        frame = next(iter(source))
    assert before <= frame.captured <= time.perf_counter()


def test_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no file"):
        live_input("Camera X", opened_file(tmp_path / "nothing"), QUICK)


def test_gives_no_picture(feed: Feed, tmp_path: Path) -> None:
    feed.send(0, hold=True)
    patience = Patience(first=0.3)

    def opener() -> InputContainer:
        return av.open(str(tmp_path / "pipe0"), options={"probesize": "100000000"})

    with pytest.raises(InputError, match="Camera X gives no picture"):
        live_input("Camera X", opener, patience)


def test_a_mistake_in_the_reader_is_not_taken_for_a_lost_camera(tmp_path: Path) -> None:
    path = write_video(tmp_path / "camera.mkv", [numbered(i) for i in range(5)])
    places = [path]

    def opener() -> InputContainer:
        return open_container(str(places.pop()))  # nothing is left the second time

    with live_input("Camera X", opener, QUICK) as source, pytest.raises(IndexError):
        list(source)


def test_broken_packets_are_counted(tmp_path: Path) -> None:
    path = write_video(tmp_path / "camera.mkv", [numbered(i) for i in range(20)])
    data = bytearray(path.read_bytes())
    for place, size in packet_places(path)[5:8]:
        data[place : place + size] = bytes(size)
    path.write_bytes(data)
    with live_input("Camera X", opened_file(path), QUICK) as source:
        until(source, lambda seen: source.skipped >= 3)
        assert source.skipped >= 3


@pytest.mark.parametrize("held", [False, True])
def test_close_ends_the_iteration_while_the_driver_blocks(held: bool, feed: Feed) -> None:
    feed.send(10, hold=True)
    patience = QUICK if held else Patience(stall=60.0, lost=60.0, hang=60.0)
    source = live_input("Camera X", feed.open, patience)
    ended, seen = threading.Event(), threading.Event()

    def read() -> None:
        for frame in source:
            if frame.held or not held:
                seen.set()
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    assert seen.wait(20)
    source.close()
    assert ended.wait(10)
    source.close()
