"""Sources around another source: paced by the clock, cut short, or read on a thread of their own."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import replace

from realtime.frame import Frame
from realtime.sources.base import Source


class Wrapped(Source):
    """Takes over what another source says of itself, and closes it."""

    def __init__(self, inner: Source) -> None:
        self._inner = inner
        self._closed = threading.Event()
        self.live, self.tracked, self.size = inner.live, inner.tracked, inner.size
        self.rate, self.frames, self.path = inner.rate, inner.frames, inner.path
        self.pixel_shape, self.skipped, self.pairing = inner.pixel_shape, inner.skipped, inner.pairing

    def _frames(self) -> Iterator[Frame]:
        """The frames of the source inside, until it ends or this one is closed."""
        for frame in self._inner:
            self.skipped = self._inner.skipped
            if self._closed.is_set():
                return
            yield frame
        self.skipped = self._inner.skipped

    def close(self) -> None:
        self._closed.set()
        self._inner.close()


class Paced(Wrapped):
    """Plays a source by the clock, as if a camera gave it: frames come when they are due and are stamped so.

    Nothing is dropped here: that is for the slot behind. Where the source itself cannot keep up, it plays slower.

    Args:
        inner: any source.
        rate: frames per second; None: the source's own time stamps.
    """

    _PATIENCE_S = 0.2

    def __init__(self, inner: Source, rate: float | None = None) -> None:
        super().__init__(inner)
        self.live = True
        self._period = None if rate is None else 1.0 / rate
        self.rate = rate or inner.rate

    def __iter__(self) -> Iterator[Frame]:
        start: float | None = None
        for count, frame in enumerate(self._frames()):
            media = frame.time_s if self._period is None else count * self._period
            now = time.perf_counter()
            if start is None or now > start + media + self._PATIENCE_S:
                start = now - media
            due = start + media
            if self._closed.wait(max(0.0, due - now)):
                return
            yield replace(frame, time_s=media, captured=due)


class Limited(Wrapped):
    """The first frames of a source.

    Args:
        inner: any source.
        seconds: media time from which on nothing comes any more, or None.
        count: how many frames come at most, or None.
    """

    def __init__(self, inner: Source, seconds: float | None = None, count: int | None = None) -> None:
        super().__init__(inner)
        self._seconds, self._count = seconds, count
        bounds = [inner.frames, count]
        if seconds is not None and inner.rate and not inner.live:
            bounds.append(round(seconds * inner.rate))
        self.frames = min((bound for bound in bounds if bound is not None), default=None)

    def __iter__(self) -> Iterator[Frame]:
        for frame in itertools.islice(self._frames(), self._count):
            if self._seconds is not None and frame.time_s >= self._seconds:
                return
            yield frame


class Detached(Wrapped):
    """Reads a source on a thread of its own, which is left behind where it hangs (a network, a pipe).

    Frames keep their order and none is lost: the thread waits while `depth` frames are ready.
    """

    _POLL_S = 0.1

    def __init__(self, inner: Source, depth: int = 4) -> None:
        super().__init__(inner)
        self._ready: queue.Queue[Frame | Exception | None] = queue.Queue(depth)

    def __iter__(self) -> Iterator[Frame]:
        threading.Thread(target=self._read, name="source reader", daemon=True).start()
        while not self._closed.is_set():
            try:
                item = self._ready.get(timeout=self._POLL_S)
            except queue.Empty:
                continue
            if item is None:
                return
            if isinstance(item, Exception):
                raise item
            yield item

    def _read(self) -> None:
        try:
            for frame in self._frames():
                self._put(frame)
            self._put(None)
        except Exception as error:  # noqa: BLE001  raised again where the frames are taken
            self._put(error)

    def _put(self, item: Frame | Exception | None) -> None:
        while not self._closed.is_set():
            try:
                return self._ready.put(item, timeout=self._POLL_S)
            except queue.Full:
                continue
        return None
