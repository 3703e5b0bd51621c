"""Recordings of fakenect, libfreenect's twin: what a Kinect v1 gave, file by file, with INDEX.txt.

Names are `d-SECONDS-STAMP.pgm` (raw depth, 11 bits), `r-SECONDS-STAMP.ppm` (colour): the computer's time, and the
Kinect's own stamp of 32 bits. The one-line headers announce big-endian values, and the bytes are little-endian.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.errors import DeviceLostError, InputError, OutputError
from realtime.frame import Millimetres, Pixels

INDEX = "INDEX.txt"
SIZE = (640, 480)
_NAME = re.compile(r"([dra])-(\d+(?:\.\d*)?)-(\d+)\b")


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of INDEX.txt.

    Attributes:
        kind: "d" depth, "r" colour, "a" accelerometer.
        time_s: when the computer got it, seconds.
        stamp: the Kinect's own clock.
        path: the file.
    """

    kind: str
    time_s: float
    stamp: int
    path: Path


def entries(folder: Path) -> list[Entry]:
    """What the index lists, in order.

    Raises:
        InputError: there is no index, a line is no name of this format, or its file is missing.
    """
    try:
        names = (folder / INDEX).read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{folder} has no {INDEX} that can be read: it is no fakenect recording.") from error
    found = []
    for name in filter(None, map(str.strip, names)):
        match = _NAME.match(name)
        path = folder / name
        if match is None or path.parent != folder:
            raise InputError(f"{folder / INDEX} lists {name!r}, which is no name of fakenect's: record it again.")
        if not path.is_file():
            raise InputError(f"{path} is listed in {INDEX} and missing: take its line out.")
        found.append(Entry(match[1], float(match[2]), int(match[3]), path))
    if not found:
        raise InputError(f"{folder / INDEX} is empty: record it again.")
    return found


def read_colour(path: Path) -> Pixels:
    """(480, 640, 3) uint8 RGB.

    Raises:
        InputError: the file is cut off or no such file.
    """
    return _body(path, np.dtype(np.uint8), 3)


def read_depth(path: Path) -> Millimetres:
    """(480, 640) uint16, raw: see `realtime.rgbd.kinect1.millimetres`."""
    return _body(path, np.dtype("<u2"), 1)[..., 0]


class FakenectWriter:
    """Writes such a recording, as it comes from the sensor.

    Raises:
        OutputError: the folder cannot be written, or holds a recording already.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / INDEX).touch(exist_ok=False)
        except FileExistsError as error:
            raise OutputError(f"{folder} holds a recording already: choose another folder.") from error
        except OSError as error:
            raise OutputError(f"{folder} cannot be written ({error.strerror}): choose another folder.") from error

    def add_colour(self, data: bytes, time_s: float, stamp: int) -> None:
        """Add 640x480 RGB.

        Raises:
            DeviceLostError: the disk is full or went away.
        """
        self._add(f"r-{time_s:f}-{stamp}.ppm", f"P6 {SIZE[0]} {SIZE[1]} 255\n".encode() + data)

    def add_depth(self, data: bytes, time_s: float, stamp: int) -> None:
        """Add 640x480 raw depth, little-endian; see `add_colour`."""
        self._add(f"d-{time_s:f}-{stamp}.pgm", f"P5 {SIZE[0]} {SIZE[1]} 65535\n".encode() + data)

    def _add(self, name: str, content: bytes) -> None:
        path = self._folder / name
        try:
            path.write_bytes(content)
            with (self._folder / INDEX).open("a", encoding="utf-8") as index:  # afterwards: what is listed is whole
                index.write(name + "\n")
        except OSError as error:
            path.unlink(missing_ok=True)
            raise DeviceLostError(f"{path} could not be written ({error.strerror}): free some space.") from error


def unwrapped(stamps: Iterator[int], ticks_per_s: float) -> Iterator[float]:
    """Seconds since the first of 32-bit stamps that overflow (every 71 s); they may go back a little."""
    last: int | None = None
    total = 0
    for stamp in stamps:
        if last is not None:
            total += (stamp - last + 2**31) % 2**32 - 2**31
        last = stamp
        yield total / ticks_per_s


def _body(path: Path, kind: np.dtype[np.generic], channels: int) -> np.ndarray:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): record it again.") from error
    body = data[data.find(b"\n") + 1 :]
    expected = SIZE[0] * SIZE[1] * channels * kind.itemsize
    if not data.startswith((b"P5", b"P6")) or len(body) < expected:
        raise InputError(f"{path} is no picture of fakenect's, or cut off: take its line out of {INDEX}.")
    return np.frombuffer(body, kind, SIZE[0] * SIZE[1] * channels).reshape(SIZE[1], SIZE[0], channels)
