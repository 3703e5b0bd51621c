"""Recorded colour and depth in a folder, read and written: the format of `rgbd:FOLDER` (see docs/formats.md)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import av
import cv2
import numpy as np
from av.container import OutputContainer
from av.video.stream import VideoStream

from realtime.errors import DeviceLostError, InputError, OutputError
from realtime.frame import Millimetres, Pixels
from realtime.rgbd.calibration import Calibration, read_calibration
from realtime.rgbd.pairing import paired
from realtime.sinks.png import write_png
from realtime.sinks.recorded import RecordedFile
from realtime.sources.image import is_image, natural, read_image
from realtime.sources.picture import PictureMaker
from realtime.sources.video import decoded, open_container, seconds, video_stream

CALIBRATION = "calibration.json"
COLOUR, DEPTH = "colour", "depth"
_VIDEO = ".mkv"
_TICK = Fraction(1, 1000)  # Matroska's
# Lossless and quick: 640x480 takes 15 ms of colour and 12 ms of depth on one core.
_FFV1 = {"level": "3", "slices": "4", "slicecrc": "1", "coder": "0", "context": "0"}
_CLUSTERS = {"cluster_time_limit": "1000", "flush_packets": "1"}

Load = Callable[[], np.ndarray | None]


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """A colour picture and what the depth camera saw at the time.

    Attributes:
        time_s: of the colour picture, on the recording's clock.
        pixels: (H, W, 3) uint8 RGB.
        stored: (h, w) uint16 as recorded, in steps of the calibration's unit, or None.
        apart_s: seconds by which depth is later, or None without it.
        name: file name of a picture that stands for itself, else None.
    """

    time_s: float
    pixels: Pixels
    stored: Millimetres | None
    apart_s: float | None = None
    name: str | None = None


class Recording:
    """Reads a folder; iterate it once.

    Attributes:
        calibration: of its cameras.
        timed: whether pictures follow each other in time; else each stands for itself and pairs go by name.
        rate: colour pictures per second, or None.
        frames: how many colour pictures there are, or None where the file does not say.
        skipped: pictures that could not be read so far.

    Raises:
        InputError: no such folder, a part of it is missing, or its colour and depth are from different times.
    """

    def __init__(self, folder: Path) -> None:
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}: check the path after rgbd:.")
        self.calibration = read_calibration(folder / CALIBRATION)
        self.skipped = 0
        self.rate: float | None = None
        self.frames: int | None = None
        self._folder = folder
        self._parts = {part: self._part(part) for part in (COLOUR, DEPTH)}
        timed = {part: path.suffix == _VIDEO or all(_microseconds(file) >= 0 for file in self._files(path))
                 for part, path in self._parts.items()}  # fmt: skip
        if timed[COLOUR] != timed[DEPTH]:
            raise InputError(f"In {folder} only colour or depth has time stamps: name the files of both alike.")
        self.timed = timed[COLOUR]
        self._look_ahead()

    def __iter__(self) -> Iterator[Shot]:
        if not self.timed:
            yield from self._by_name()
            return
        colour, depth = (self._track(path, part == DEPTH) for part, path in self._parts.items())
        for time_s, load, load_depth, apart_s in paired(colour, depth):
            pixels = load()
            stored = None if load_depth is None else load_depth()
            if pixels is None:
                self.skipped += 1
            else:
                yield Shot(time_s, pixels, stored, None if stored is None else apart_s)

    def _part(self, part: str) -> Path:
        for path in (self._folder / f"{part}{_VIDEO}", self._folder / part):
            if path.is_file() or (path.is_dir() and self._files(path)):
                return path
        raise InputError(f"{self._folder} has neither {part}{_VIDEO} nor pictures in {part}/: record it again.")

    @staticmethod
    def _files(folder: Path) -> list[Path]:
        return sorted((path for path in folder.iterdir() if is_image(path)), key=natural) if folder.is_dir() else []

    def _look_ahead(self) -> None:
        spans = {part: self._span(path) for part, path in self._parts.items()}
        if not self.timed:
            return
        (first, last), (depth_first, depth_last) = spans[COLOUR], spans[DEPTH]
        if depth_first > last + 1 or first > depth_last + 1:
            raise InputError(
                f"Colour and depth of {self._folder} are from different times ({first:.1f} to {last:.1f} s,"
                f" {depth_first:.1f} to {depth_last:.1f} s): give both the time stamps of one clock."
            )

    def _span(self, path: Path) -> tuple[float, float]:
        """Times of the first and last picture in seconds; notes rate and number of the colour ones."""
        if path.suffix != _VIDEO:
            files = self._files(path)
            times = [_microseconds(file) / 1e6 for file in files]
            if path.name == COLOUR:
                steps = np.diff(times)
                self.frames = len(files)
                self.rate = round(float(1 / np.median(steps)), 3) if self.timed and len(steps) else None
            return times[0], times[-1]
        with open_container(str(path)) as container:
            stream = video_stream(container, str(path))
            if path.stem == COLOUR:
                self.rate = float(stream.average_rate) if stream.average_rate else None
                self.frames = stream.frames or None
            start = (container.start_time or 0) / av.time_base
            # a recording that was cut off does not say how long it is
            return start, start + container.duration / av.time_base if container.duration else float("inf")

    def _track(self, path: Path, is_depth: bool) -> Iterator[tuple[float, Load]]:
        if path.suffix != _VIDEO:
            read = self._read_depth if is_depth else self._read_colour
            for file in self._files(path):
                yield _microseconds(file) / 1e6, partial(read, file)
            return
        last = 0.0
        with open_container(str(path)) as container:
            stream = video_stream(container, str(path))
            maker = PictureMaker(stream.sample_aspect_ratio)
            for frame in decoded(container, stream):
                if frame is None:
                    self.skipped += not is_depth
                    continue
                stamp = seconds(frame, stream)
                last = last if stamp is None else stamp
                yield last, partial(_stored, frame, path) if is_depth else partial(maker, frame)

    def _by_name(self) -> Iterator[Shot]:
        depth = {file.stem: file for file in self._files(self._parts[DEPTH])}
        for index, file in enumerate(self._files(self._parts[COLOUR])):
            pixels = self._read_colour(file)
            if pixels is None:
                self.skipped += 1
                continue
            stored = self._read_depth(depth[file.stem]) if file.stem in depth else None
            yield Shot(float(index), pixels, stored, None if stored is None else 0.0, file.name)

    @staticmethod
    def _read_colour(file: Path) -> Pixels | None:
        try:
            return read_image(file)
        except InputError:
            return None

    @staticmethod
    def _read_depth(file: Path) -> Millimetres | None:
        data = np.fromfile(file, np.uint8)
        stored = cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None
        if stored is not None and (stored.ndim != 2 or stored.dtype != np.uint16):
            raise InputError(f"{file} is no depth: 16-bit grey PNG is needed, convert it.")
        return None if stored is None else np.asarray(stored, np.uint16)


class RecordingWriter:
    """Writes a folder: a pair of FFV1 videos, or, for pictures that stand for themselves, PNG pairs.

    Args:
        folder: made where missing.
        calibration: of what will be written.
        about: anything to keep beside the calibration, e.g. where the recording came from.

    Raises:
        OutputError: the folder cannot be written, or holds a recording already.

    Example:
        with RecordingWriter(Path("out/me"), Calibration.registered((640, 480), intrinsics)) as writer:
            writer.add_colour(pixels, 0.033)
            writer.add_depth(depth, 0.035)
    """

    def __init__(self, folder: Path, calibration: Calibration, about: dict[str, Any] | None = None) -> None:
        self._folder, self._calibration = folder, calibration
        self._videos: dict[str, _Video] = {}
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if (folder / CALIBRATION).exists():
                raise OutputError(f"{folder} holds a recording already: choose another folder.")
            text = json.dumps(calibration.as_json() | ({"about": about} if about else {}), indent=2)
            (folder / CALIBRATION).write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise OutputError(
                f"The recording {folder} cannot be written ({error.strerror}): choose another folder."
            ) from error

    def add_colour(self, pixels: Pixels, at: float | str) -> None:
        """Add (H, W, 3) RGB, at a time in seconds or under a name.

        Raises:
            OutputError: its size is not that of the calibration.
            DeviceLostError: the disk is full or went away.
        """
        self._add(COLOUR, pixels, at)

    def add_depth(self, stored: Millimetres, at: float | str) -> None:
        """Add (h, w) uint16 in steps of the calibration's unit; see `add_colour`."""
        self._add(DEPTH, stored, at)

    def close(self) -> None:
        """Finish the videos; may be called more than once."""
        videos, self._videos = self._videos, {}
        for video in videos.values():
            video.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _add(self, part: str, picture: np.ndarray, at: float | str) -> None:
        camera = self._calibration.colour if part == COLOUR else self._calibration.depth
        size = (picture.shape[1], picture.shape[0])
        if size != camera.size:
            raise OutputError(
                f"A {part} picture of {size[0]}x{size[1]} came into the recording {self._folder}, which is"
                f" {camera.size[0]}x{camera.size[1]}: start another one."
            )
        if isinstance(at, str):
            self._write_file(self._folder / part / f"{Path(at).stem}.png", picture)
            return
        if part not in self._videos:
            self._videos[part] = _Video(self._folder / f"{part}{_VIDEO}", camera.size, part == DEPTH)
        self._videos[part].add(picture, at)

    def _write_file(self, path: Path, picture: np.ndarray) -> None:
        try:
            path.parent.mkdir(exist_ok=True)
            write_png(path, picture)
        except OSError as error:
            raise DeviceLostError(f"{path} could not be written ({error.strerror}): free some space.") from error


class _Video:
    """One lossless video whose frames come when they come."""

    def __init__(self, path: Path, size: tuple[int, int], is_depth: bool) -> None:
        self._path = path
        self._form, self._coded = ("gray16le", "gray16le") if is_depth else ("rgb24", "bgr0")
        self._file = RecordedFile(path, None)
        self._file.begin()
        self._output: OutputContainer = av.open(self._file, "w", format="matroska", container_options=_CLUSTERS)
        self._stream: VideoStream = self._output.add_stream("ffv1", rate=30, options=_FFV1)
        self._stream.width, self._stream.height = size
        self._stream.pix_fmt = self._coded
        self._stream.codec_context.time_base = _TICK
        self._stream.codec_context.thread_count = 2
        self._last = -1

    def add(self, picture: np.ndarray, time_s: float) -> None:
        frame = av.VideoFrame.from_ndarray(picture, self._form)
        self._last = max(self._last + 1, round(time_s / _TICK))  # stamps must grow
        frame.pts, frame.time_base = self._last, _TICK
        self._output.mux(self._stream.encode(frame.reformat(format=self._coded)))
        self._check_disk()

    def close(self) -> None:
        if not self._file.failed:
            self._output.mux(self._stream.encode(None))
        self._output.close()
        self._file.close()
        self._check_disk()

    def _check_disk(self) -> None:
        error = self._file.take_error()
        if error is not None:
            raise DeviceLostError(
                f"Recording to {self._path} stopped ({error.strerror}): what was written until then can be read;"
                " free some space or choose another place."
            ) from error


def _stored(frame: av.VideoFrame, path: Path) -> Millimetres:
    if frame.format.name not in ("gray16le", "gray16be"):
        raise InputError(f"{path} is no depth ({frame.format.name}): 16-bit grey FFV1 is needed, convert it.")
    return np.asarray(frame.to_ndarray(format="gray16le"), np.uint16)


def _microseconds(file: Path) -> int:
    """The time in a file's name, -1 where it is no number."""
    return int(file.stem) if file.stem.isascii() and file.stem.isdigit() else -1
