"""A folder of numbered PNG files, and the PNG encoder with text that sink and snapshot share."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.errors import DeviceLostError, OutputError
from realtime.frame import Result
from realtime.sinks.base import Sink, SinkOptions

# Eight bytes of signature and the IHDR chunk (length, type, 13 bytes, checksum): text may follow from here on.
_AFTER_HEADER = 8 + 4 + 4 + 13 + 4
_FASTEST = 1


def encode_png(pixels: NDArray[np.uint8] | NDArray[np.uint16], text: Iterable[tuple[str, str]] = ()) -> bytes:
    """The bytes of a PNG file with one tEXt chunk (PNG specification 11.3.4.3) a (key, text).

    Args:
        pixels: (H, W, 3) RGB or (H, W) grey, 8 or 16 bits.
        text: Latin-1.
    """
    stored = pixels if pixels.ndim == 2 else cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode(".png", stored, (cv2.IMWRITE_PNG_COMPRESSION, _FASTEST))
    data = encoded.tobytes()
    return data[:_AFTER_HEADER] + b"".join(_text(key, value) for key, value in text) + data[_AFTER_HEADER:]


def _text(key: str, value: str) -> bytes:
    # The standard's own keywords ("Title", "Comment") begin with a capital; the character set is Latin-1.
    body = b"tEXt" + key.capitalize().encode("latin-1") + b"\0" + value.encode("latin-1", "replace")
    return struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))


def write_png(path: Path, pixels: NDArray[np.uint8] | NDArray[np.uint16], text: Iterable[tuple[str, str]] = ()) -> None:
    """Write one file whole (see `encode_png`), or remove what there is of it.

    Raises:
        OSError: the disk is full, or the folder went away.
    """
    try:
        path.write_bytes(encode_png(pixels, text))
    except OSError:
        path.unlink(missing_ok=True)
        raise


def made_folder(folder: Path) -> Path:
    """`folder`, made where missing.

    Raises:
        OutputError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(
            f"The PNG folder {folder} cannot be written ({error.strerror}): choose another folder."
        ) from error
    return folder


class FileNames:
    """Names of the files of a folder: a frame's own with .png, or its index as 000123.png."""

    def __init__(self) -> None:
        self._given: set[str] = set()

    def __call__(self, name: str | None, index: int) -> str:
        """Two inputs may differ in their endings alone (a.jpg, a.png): the later one gets its index added."""
        stem = Path(name).stem if name else f"{index:06d}"
        if stem in self._given:
            stem = f"{stem}.{index:06d}"
        self._given.add(stem)
        return f"{stem}.png"


class PngSink(Sink):
    """Writes every frame as FOLDER/000123.png (its index in the source), or under the frame's own name with .png.

    Synthetic frames carry `options.metadata` as text.

    Raises:
        OutputError: the folder cannot be made or written.
    """

    lossless = True
    recorder = True

    def __init__(self, folder: Path, options: SinkOptions) -> None:
        self.name = f"png:{folder}"
        self._folder = made_folder(folder)
        self._metadata = options.metadata
        self._names = FileNames()
        self._written = 0

    def write(self, result: Result) -> None:
        frame = result.frame
        path = self._folder / self._names(frame.name, frame.index)
        try:
            write_png(path, frame.pixels, self._metadata if result.synthetic else ())
        except OSError as error:
            raise DeviceLostError(
                f"Picture {path} could not be written ({error.strerror}): the {self._written} pictures"
                " before it are whole; free some space or choose another folder."
            ) from error
        self._written += 1
