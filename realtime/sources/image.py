"""Pictures from image files: one of them, or a folder of unrelated ones."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np

from realtime.errors import InputError
from realtime.frame import Frame, Pixels
from realtime.sources.base import Source, SourceOptions
from realtime.sources.memory import Memory
from realtime.sources.picture import over_black

_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".dib", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pbm", ".pnm", ".jp2", ".avif", ".sr", ".ras"),
)
_NOMINAL_RATE = 25.0


def is_image(path: Path) -> bool:
    """Whether the name is that of an image file."""
    return path.suffix.lower() in _SUFFIXES


def read_image(path: Path) -> Pixels:
    """(H, W, 3) uint8 RGB, turned upright as EXIF says, over black where transparent, 16 bits reduced to 8.

    Raises:
        InputError: the file is missing, empty, or no image.
    """
    try:
        data = np.fromfile(path, dtype=np.uint8)
    except FileNotFoundError as error:
        raise InputError(f"There is no file {path}: check the path.") from error
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): choose another image.") from error
    if not data.size:
        raise InputError(f"{path} is empty: choose another image.")
    try:
        pixels = _decode(data)
    except cv2.error as error:
        raise InputError(f"{path} is too large or damaged: choose another image.") from error
    if pixels is None:
        raise InputError(f"{path} is not an image that can be read: choose another.")
    return pixels


def open_image(path: Path, options: SourceOptions) -> Source:
    """A single picture: one frame, or with `loop` the same one for ever, 30 times a second.

    Raises:
        InputError: see `read_image`.
    """
    return Memory(
        [read_image(path)], rate=options.rate or 30.0, loop=options.loop, name=path.name, tracked=options.loop
    )


class ImageFolder(Source):
    """The images of a folder (not of those inside it) in natural order: 2.png comes before 10.png.

    Files that cannot be read are passed over and counted in `skipped`.

    Raises:
        InputError: no such folder, or no readable image in it.
    """

    tracked = False

    def __init__(self, folder: Path, rate: float | None = None, loop: bool = False) -> None:
        if not folder.is_dir():
            raise InputError(f"There is no folder {folder}: check the path after images:.")
        files = [path for path in folder.iterdir() if is_image(path) and path.is_file()]
        self._files = sorted(files, key=natural)
        self._period, self._loop = 1.0 / (rate or _NOMINAL_RATE), loop
        self._closed = threading.Event()
        self._pictures = self._read()
        self._first = next(self._pictures, None)
        if self._first is None:
            raise InputError(f"{folder} holds no image that can be read: choose a folder with pictures.")
        self.rate = rate
        self.frames = None if loop else len(self._files)
        self.size = self._first[1].shape[1], self._first[1].shape[0]

    def __iter__(self) -> Iterator[Frame]:
        index, picture = 0, self._first
        while picture is not None and not self._closed.is_set():
            path, pixels = picture
            yield Frame(pixels, index, index * self._period, time.perf_counter(), path.name)
            index, picture = index + 1, next(self._pictures, None)
            if picture is None and self._loop:
                self._pictures = self._read()
                picture = next(self._pictures, None)

    def close(self) -> None:
        self._closed.set()

    def _read(self) -> Iterator[tuple[Path, Pixels]]:
        for path in self._files:
            try:
                yield path, read_image(path)
            except InputError:
                self.skipped += 1


def natural(path: Path) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", path.name.lower())]


def _decode(data: np.ndarray) -> Pixels | None:
    # IMREAD_COLOR turns upright and reduces to 8 bits, but drops alpha
    raw = None if data[:2].tobytes() == b"\xff\xd8" else cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if raw is not None and raw.ndim == 3 and raw.shape[2] == 4:
        if raw.dtype != np.uint8:
            raw = np.rint(raw * (255 / np.iinfo(raw.dtype).max)).astype(np.uint8)
        return over_black(np.asarray(cv2.cvtColor(raw, cv2.COLOR_BGRA2RGBA), dtype=np.uint8))
    pixels = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return None if pixels is None else np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB), dtype=np.uint8)
