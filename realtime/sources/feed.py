"""What a live input gives while it is open, and the feed of one that FFmpeg decodes."""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Self

import av
import av.error
from av.container import InputContainer
from av.video.reformatter import Colorspace

from realtime.frame import Intrinsics, Millimetres, Pixels
from realtime.sources.picture import PictureMaker
from realtime.sources.video import video_stream


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """What becomes of a frame.

    Attributes:
        pixels, depth, intrinsics: as in `realtime.frame.Frame`.
        apart_s: seconds by which depth was taken later, None without depth.
    """

    pixels: Pixels
    depth: Millimetres | None = None
    intrinsics: Intrinsics | None = None
    apart_s: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Arrival:
    """Something that came in and was not turned into a picture yet: most of the time only the newest one has to be.

    Attributes:
        captured: `time.perf_counter()` when it was taken.
        picture: makes the picture, or gives None where that is impossible.
    """

    captured: float
    picture: Callable[[], Picture | None]


class Feed(ABC):
    """An open live input. One thread opens it, iterates it once and closes it.

    Attributes:
        rate: nominal pictures per second, or None.
        skipped: pictures so far that could not be decoded.
    """

    rate: float | None = None
    skipped: int = 0

    @abstractmethod
    def __iter__(self) -> Iterator[Arrival | None]:
        """What comes in, in order; now and then None, so that whoever iterates can stop.

        Raises:
            InputError, av.FFmpegError: the input is gone.
        """

    @abstractmethod
    def close(self) -> None:
        """Release the device."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class DecodedFeed(Feed):
    """A camera or stream behind FFmpeg.

    Args:
        container: opened.
        name: what messages call it.
        matrix: colour matrix of pictures that do not name theirs.

    Raises:
        InputError: it has no picture.
    """

    def __init__(self, container: InputContainer, name: str, matrix: Colorspace | None = None) -> None:
        self._container = container
        self._stream = video_stream(container, name)
        # frame threads would keep pictures back
        self._stream.codec_context.thread_count = 1
        rate = self._stream.average_rate or self._stream.guessed_rate
        self.rate = float(rate) if rate else None
        self._maker = PictureMaker(self._stream.sample_aspect_ratio, matrix)

    def __iter__(self) -> Iterator[Arrival | None]:
        for packet in self._container.demux(self._stream):
            yield None
            try:
                frames = self._stream.decode(packet)
            except av.error.EOFError:
                return
            except av.FFmpegError:
                self.skipped += 1
                continue
            for frame in frames:
                yield Arrival(_captured(frame, self._stream.time_base), partial(self._made, frame))

    def close(self) -> None:
        self._container.close()

    def _made(self, frame: av.VideoFrame) -> Picture | None:
        try:
            return Picture(self._maker(frame))
        except av.FFmpegError:
            return None


def open_feed(opener: Callable[[], InputContainer], name: str, matrix: Colorspace | None = None) -> DecodedFeed:
    """Open a container and what it gives; see `DecodedFeed`."""
    container = opener()
    try:
        return DecodedFeed(container, name, matrix)
    except BaseException:
        container.close()
        raise


def _captured(frame: av.VideoFrame, time_base: object) -> float:
    """The driver's stamp where it is on our clock (Video4Linux stamps with the monotonic one), else now."""
    now = time.perf_counter()
    if frame.pts is None or time_base is None:
        return now
    stamp = float(frame.pts * time_base)  # type: ignore[operator]
    return stamp if now - 1.0 < stamp <= now else now
