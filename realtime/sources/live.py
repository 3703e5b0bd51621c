"""Live inputs: cameras and network streams, which stall, vanish and come back."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import av
import av.error
from av.container import InputContainer
from av.video.reformatter import Colorspace

from realtime.errors import DeviceLostError, InputError
from realtime.frame import Frame, Pixels
from realtime.sources.base import Source
from realtime.sources.picture import PictureMaker
from realtime.sources.video import video_stream


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
        matrix: colour matrix of pictures that do not name theirs.

    Raises:
        InputError: it cannot be opened, or gives no picture in time.
    """

    live = True
    _MOST_HUNG = 4

    def __init__(
        self,
        name: str,
        opener: Callable[[], InputContainer],
        patience: Patience | None = None,
        matrix: Colorspace | None = None,
    ) -> None:
        self._name, self._opener, self._patience = name, opener, patience or Patience()
        self._matrix = matrix
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
                last = frame = Frame(last.pixels, last.index + 1, now - start, now, held=True, notice=notice)
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
        reader = _Reader(self._name, self._opener, self._matrix, self._patience, self._news)
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
        missed, self._taken = arrival.count - self._taken - 1, arrival.count
        self.skipped += reader.collect_skipped()
        try:
            pixels = arrival.picture()
        except av.FFmpegError:
            self.skipped += 1
            return None
        if last is None:
            return Frame(pixels, 0, 0.0, arrival.captured)
        # a held frame may have been made after this one was captured
        media = max(last.time_s, arrival.captured - start)
        return Frame(pixels, last.index + 1 + missed, media, arrival.captured)

    def _replace_hung(self) -> None:
        self._hung = [reader for reader in self._hung if reader.thread.is_alive()]
        if self._reader.silent() > self._patience.hang and len(self._hung) < self._MOST_HUNG:
            self._reader.stop()
            self._hung.append(self._reader)
            self._reader, self._taken = self._started(), 0

    def _reason(self) -> str:
        return str(self._reader.error or "it does not answer").rstrip(".")


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A decoded frame that was not turned into a picture yet: most of the time only the newest one has to be."""

    frame: av.VideoFrame
    maker: PictureMaker
    captured: float
    count: int

    def picture(self) -> Pixels:
        return self.maker(self.frame)


class _Reader:
    """One thread that opens the input, drains it, and opens it again; may be left behind where it hangs."""

    def __init__(
        self,
        name: str,
        opener: Callable[[], InputContainer],
        matrix: Colorspace | None,
        patience: Patience,
        news: threading.Condition,
    ) -> None:
        self._name, self._opener, self._matrix, self._patience, self._news = name, opener, matrix, patience, news
        self._stopped = threading.Event()
        self._answered: float | None = time.perf_counter()  # None while it waits on purpose
        self._count = 0
        self._skipped = 0
        self.newest: _Arrival | None = None
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
                with self._opener() as container:
                    self._drain(container)
                error: Exception = InputError(f"{self._name} has ended.")
            except (InputError, av.FFmpegError) as failure:
                error = failure
            with self._news:
                self.error = error
                self._news.notify_all()
            wait = self._patience.retry if self._count > before else min(2 * wait, self._patience.retry_most)
            self._answered = None
            self._stopped.wait(wait)

    def _drain(self, container: InputContainer) -> None:
        stream = video_stream(container, self._name)
        # frame threads would keep pictures back
        stream.codec_context.thread_count = 1
        rate = stream.average_rate or stream.guessed_rate
        self.rate = float(rate) if rate else None
        maker = PictureMaker(stream.sample_aspect_ratio, self._matrix)
        for packet in container.demux(stream):
            if self._stopped.is_set():
                return
            try:
                frames = stream.decode(packet)
            except av.error.EOFError:
                return
            except av.FFmpegError:
                self._skipped += 1
                continue
            for frame in frames:
                self._deliver(frame, maker, _captured(frame, stream.time_base))

    def _deliver(self, frame: av.VideoFrame, maker: PictureMaker, captured: float) -> None:
        self._answered = time.perf_counter()
        self._count += 1
        with self._news:
            self.error = None
            self.newest = _Arrival(frame, maker, captured, self._count)
            self._news.notify_all()


def _captured(frame: av.VideoFrame, time_base: object) -> float:
    """The driver's stamp where it is on our clock (Video4Linux stamps with the monotonic one), else now."""
    now = time.perf_counter()
    if frame.pts is None or time_base is None:
        return now
    stamp = float(frame.pts * time_base)  # type: ignore[operator]
    return stamp if now - 1.0 < stamp <= now else now
