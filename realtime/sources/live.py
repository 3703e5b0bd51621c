"""Live inputs: cameras and network streams, which stall, vanish and come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import av

from realtime.errors import DeviceLostError, InputError
from realtime.frame import Frame
from realtime.rgbd.pairing import Pairing
from realtime.sources.base import Source
from realtime.sources.feed import Arrival, Feed


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a live input is waited for, in seconds.

    Attributes:
        first: until the first picture, when opening.
        stall: without a picture until the last one is held and the notice appears.
        hang: without any answer of the driver until its thread is given up and another one opens the input.
        lost: without a picture until `DeviceLostError`.
        retry, retry_most: between attempts to open again; doubles from the first to the second.
        repeat: between held frames.
    """

    first: float = 10.0
    stall: float = 1.0
    hang: float = 3.0
    lost: float = 10.0
    retry: float = 0.25
    retry_most: float = 2.0
    repeat: float = 0.1


class LiveInput(Source):
    """Reads an input on a thread of its own that keeps only the newest picture, and opens it again when it fails.

    While the input is away the last picture is repeated, `held`, with a `notice`. `index` counts what arrived:
    pictures nobody took in time leave gaps.

    Args:
        name: what messages call it.
        opener: opens the input; called again after every failure; raises InputError or av.FFmpegError.
        patience: the times to wait.
        pairing: counts how depth keeps step, where the input has a depth sensor.

    Raises:
        InputError: it cannot be opened, or gives no picture in time.
    """

    live = True
    _MOST_HUNG = 4

    def __init__(
        self,
        name: str,
        opener: Callable[[], Feed],
        patience: Patience | None = None,
        pairing: Pairing | None = None,
    ) -> None:
        self._name, self._opener, self._patience = name, opener, patience or Patience()
        self.pairing = pairing
        self._news = threading.Condition()
        self._closed = False
        self._taken = 0
        self._hung: list[_Reader] = []
        self._reader = self._started()
        try:
            self._first = self._wait_for_first()
        except BaseException:
            self.close()
            raise
        self.size = self._first.pixels.shape[1], self._first.pixels.shape[0]
        self.rate = self._reader.rate

    def __iter__(self) -> Iterator[Frame]:
        patience, last = self._patience, self._first
        start, arrived = last.captured, time.perf_counter()
        yield last
        while not self._closed:
            frame = self._take(patience.repeat, last, start)
            away = time.perf_counter() - arrived
            if frame is not None:
                last, arrived = frame, time.perf_counter()
            elif away >= patience.lost:
                raise DeviceLostError(f"{self._name} did not come back within {away:.0f} s: {self._reason()}.")
            elif away >= patience.stall:
                self._replace_hung()
                now = time.perf_counter()
                notice = f"{self._name} does not answer, trying again"
                last = frame = replace(
                    last, index=last.index + 1, time_s=now - start, captured=now, held=True, notice=notice
                )
            if frame is not None and not self._closed:
                yield frame

    def close(self) -> None:
        with self._news:
            self._closed = True
            self._news.notify_all()
        for reader in [self._reader, *self._hung]:
            reader.stop()
        # a working driver answers within a frame time; one that hangs is left behind
        self._reader.thread.join(0.5)

    def _started(self) -> _Reader:
        reader = _Reader(self._name, self._opener, self._patience, self._news)
        reader.thread.start()
        return reader

    def _wait_for_first(self) -> Frame:
        with self._news:
            self._news.wait_for(
                lambda: self._reader.newest or self._reader.error or self._reader.fault, self._patience.first
            )
        frame = self._take(0.0)
        if frame is not None:
            return frame
        if isinstance(self._reader.error, InputError):
            raise self._reader.error
        raise InputError(f"{self._name} gives no picture: {self._reason()}; try another source.")

    def _take(self, timeout: float, last: Frame | None = None, start: float = 0.0) -> Frame | None:
        """The newest picture as the frame after `last`, or None where none came in time."""
        reader = self._reader
        with self._news:
            self._news.wait_for(lambda: reader.newest or reader.fault or self._closed, timeout)
            arrival, reader.newest = reader.newest, None
        if reader.fault is not None:
            raise reader.fault
        if arrival is None:
            return None
        (count, came), taken = arrival, self._taken
        self._taken = count
        self.skipped += reader.collect_skipped()
        picture = came.picture()
        if picture is None:
            self.skipped += 1
            return None
        # a held frame may have been made after this one was captured
        media = 0.0 if last is None else max(last.time_s, came.captured - start)
        index = 0 if last is None else last.index + count - taken
        notice = None if self.pairing is None else self.pairing.add(picture.apart_s, media)
        return Frame(
            picture.pixels,
            index,
            media,
            came.captured,
            notice=notice,
            depth=picture.depth,
            intrinsics=picture.intrinsics,
        )

    def _replace_hung(self) -> None:
        self._hung = [reader for reader in self._hung if reader.thread.is_alive()]
        if self._reader.silent() > self._patience.hang and len(self._hung) < self._MOST_HUNG:
            self._reader.stop()
            self._hung.append(self._reader)
            self._reader, self._taken = self._started(), 0

    def _reason(self) -> str:
        return str(self._reader.error or "it does not answer").rstrip(".")


class _Reader:
    """One thread that opens the input, drains it, and opens it again; may be left behind where it hangs."""

    def __init__(
        self,
        name: str,
        opener: Callable[[], Feed],
        patience: Patience,
        news: threading.Condition,
    ) -> None:
        self._name, self._opener, self._patience, self._news = name, opener, patience, news
        self._stopped = threading.Event()
        self._answered: float | None = time.perf_counter()  # None while it waits on purpose
        self._count = 0
        self._skipped = 0
        self.newest: tuple[int, Arrival] | None = None  # with its number, counted from 1
        self.error: Exception | None = None  # why it is away
        self.fault: Exception | None = None  # a mistake of ours, which ends the thread
        self.rate: float | None = None
        self.thread = threading.Thread(target=self._run, name=f"reader of {name}", daemon=True)

    def stop(self) -> None:
        self._stopped.set()

    def silent(self) -> float:
        """Seconds since the driver answered last."""
        answered = self._answered
        return 0.0 if answered is None else time.perf_counter() - answered

    def collect_skipped(self) -> int:
        skipped, self._skipped = self._skipped, 0
        return skipped

    def _run(self) -> None:
        try:
            self._keep_reading()
        except Exception as fault:  # noqa: BLE001  raised again where the frames are taken
            with self._news:
                self.fault = fault
                self._news.notify_all()

    def _keep_reading(self) -> None:
        wait = self._patience.retry / 2
        while not self._stopped.is_set():
            before = self._count
            self._answered = time.perf_counter()
            try:
                with self._opener() as feed:
                    self._drain(feed)
                error: Exception = InputError(f"{self._name} has ended.")
            except (InputError, av.FFmpegError) as failure:
                error = failure
            with self._news:
                self.error = error
                self._news.notify_all()
            wait = self._patience.retry if self._count > before else min(2 * wait, self._patience.retry_most)
            self._answered = None
            self._stopped.wait(wait)

    def _drain(self, feed: Feed) -> None:
        self.rate = feed.rate
        told = 0
        for arrival in feed:
            if self._stopped.is_set():
                return
            self._skipped += feed.skipped - told
            told = feed.skipped
            if arrival is not None:
                self._deliver(arrival)

    def _deliver(self, arrival: Arrival) -> None:
        self._answered = time.perf_counter()
        self._count += 1
        with self._news:
            self.error = None
            self.newest = (self._count, arrival)
            self._news.notify_all()
