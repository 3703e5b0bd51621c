"""Video files and addresses, decoded by PyAV: every frame, in order, the same each time."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import av.error
from av.codec.context import ThreadType
from av.container import InputContainer
from av.video.stream import VideoStream

from realtime.errors import InputError
from realtime.frame import Frame, Pixels
from realtime.sources.base import Source
from realtime.sources.picture import PictureMaker, nearly_square

_DECODER_THREADS = 2
_DEFAULT_RATE = 25.0


class VideoFile(Source):
    """A recorded video: a file, or an address that ends.

    Broken packets are passed over and counted in `skipped`; a file that was cut off ends where it was cut.

    Args:
        location: path or address.
        loop: start again at the end; time and index go on.
        timeout: seconds to wait for an address to answer; None: wait.
        name: what messages call it, if not `location`.

    Raises:
        InputError: there is nothing there, or no video in it.
    """

    def __init__(
        self,
        location: str,
        loop: bool = False,
        timeout: float | None = None,
        name: str | None = None,
    ) -> None:
        self._location, self._loop, self._timeout, self._name = location, loop, timeout, name or location
        self._closed = threading.Event()
        self._busy = threading.Lock()  # held while the decoder runs: the container must not be closed under it
        self._container = open_container(location, timeout, name)
        try:
            stream = video_stream(self._container, self._name)
            self._pictures = self._decoded(self._container, stream)
            self._first = next(self._pictures, None)
        except BaseException:
            self._container.close()
            raise
        if self._first is None:
            self._container.close()
            raise InputError(f"{self._name} holds no picture that can be decoded: choose another file.")
        self.size = self._first[0].shape[1], self._first[0].shape[0]
        rate = stream.average_rate or stream.guessed_rate
        self.rate = float(rate) if rate else None
        self.frames = (stream.frames or None) if not loop else None
        shape = stream.sample_aspect_ratio
        self.pixel_shape = shape if shape and shape > 0 and nearly_square(shape) else Fraction(1)
        self.path = Path(location) if Path(location).is_file() else None

    def __iter__(self) -> Iterator[Frame]:
        clock = MediaClock(self.rate)
        index = 0
        while (picture := self._next()) is not None:
            pixels, stamp = picture
            yield Frame(pixels, index, clock(stamp), time.perf_counter())
            index += 1

    def close(self) -> None:
        self._closed.set()
        if self._busy.acquire(timeout=0.5):
            try:
                self._container.close()
            finally:
                self._busy.release()

    def _next(self) -> tuple[Pixels, float | None] | None:
        with self._busy:
            if self._first is not None and not self._closed.is_set():
                picture, self._first = self._first, None
                return picture
            following = None if self._closed.is_set() else next(self._pictures, None)
            if following is None and self._loop and not self._closed.is_set():
                self._container.close()
                self._container = open_container(self._location, self._timeout, self._name)
                self._pictures = self._decoded(self._container, video_stream(self._container, self._name))
                following = next(self._pictures, None)
            if following is None or self._closed.is_set():
                self._container.close()
                return None
            return following

    def _decoded(self, container: InputContainer, stream: VideoStream) -> Iterator[tuple[Pixels, float | None]]:
        """Upright pictures with their stamps in seconds (None where the file gives none)."""
        picture = PictureMaker(stream.sample_aspect_ratio)
        for frame in decoded(container, stream):
            pixels = None if frame is None else _made(picture, frame)
            if frame is None or pixels is None:
                self.skipped += 1
            else:
                yield pixels, seconds(frame, stream)


class MediaClock:
    """Time stamps → seconds since the first frame that never go back, whatever the file says."""

    def __init__(self, rate: float | None) -> None:
        self._period = 1.0 / (rate or _DEFAULT_RATE)
        self._offset = 0.0
        self._last: float | None = None

    def __call__(self, stamp: float | None) -> float:
        """Media time of the next frame; `stamp` as in the file (seconds, None where there is none)."""
        if self._last is None:
            self._offset, self._last = -(stamp or 0.0), 0.0
            return 0.0
        following = self._last + self._period
        now = following if stamp is None else stamp + self._offset
        if now < self._last:
            # stamps that start anew: parts joined to one file, or the file in a loop
            self._offset += following - now
            now = following
        self._last = now
        return now


def open_container(location: str, timeout: float | None = None, name: str | None = None) -> InputContainer:
    """Open a file or address for reading; `name` is what messages call it, if not `location`.

    Raises:
        InputError: one sentence on why that is not possible.
    """
    path = Path(location)
    if "://" not in location:
        if path.is_dir():
            raise InputError(f"{location} is a folder, not a video: use images:{location} for the pictures in it.")
        if not path.exists():
            raise InputError(f"There is no file {location}: check the path.")
        if path.is_file() and path.stat().st_size == 0:
            raise InputError(f"{location} is empty: choose another file.")
    try:
        container: InputContainer = av.open(location, timeout=timeout, metadata_errors="ignore")
    except av.error.PermissionError as error:
        raise InputError(
            f"{name or location} may not be read: change its permissions or choose another file."
        ) from error
    except (av.error.InvalidDataError, av.error.EOFError) as error:
        raise InputError(
            f"{name or location} is not a video that can be read, or a piece is missing: choose another."
        ) from error
    except av.FFmpegError as error:
        raise InputError(
            f"{name or location} cannot be opened ({error.strerror}): check the path or address."
        ) from error
    return container


def video_stream(container: InputContainer, name: str) -> VideoStream:
    """The first stream that moves (cover pictures of music do not).

    Raises:
        InputError: there is none.
    """
    for stream in container.streams.video:
        if not stream.disposition & av.stream.Disposition.attached_pic and stream.codec_context is not None:
            return stream
    raise InputError(f"{name} has no picture in it{', only sound' if container.streams.audio else ''}: "
                     "choose a video.")  # fmt: skip


def decoded(container: InputContainer, stream: VideoStream) -> Iterator[av.VideoFrame | None]:
    """The frames of a stream in order; None for each packet that cannot be decoded."""
    stream.thread_type = ThreadType.AUTO
    stream.codec_context.thread_count = _DECODER_THREADS
    for packet in _packets(container, stream):
        try:
            frames = stream.decode(packet)
        except av.error.EOFError:
            return
        except av.FFmpegError:
            yield None
            continue
        yield from frames


def seconds(frame: av.VideoFrame, stream: VideoStream) -> float | None:
    """The time stamp of a frame as in the file, or None where it has none."""
    # frame.time is NaN for the frames that flushing gives
    return None if frame.pts is None or stream.time_base is None else float(frame.pts * stream.time_base)


def _made(picture: PictureMaker, frame: av.VideoFrame) -> Pixels | None:
    """The picture, or None where the frame is broken or in a form that swscale cannot read."""
    if frame.is_corrupt:
        return None
    try:
        return picture(frame)
    except av.FFmpegError:
        return None


def _packets(container: InputContainer, stream: VideoStream) -> Iterator[av.Packet[VideoStream] | None]:
    """Packets of a stream, then None to flush; a file that cannot be read on ends there."""
    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets, None)
        except av.FFmpegError:
            packet = None
        if packet is None or not packet.size:
            yield None
            return
        yield packet
