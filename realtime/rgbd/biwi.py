"""The Biwi Kinect Head Pose set in its authors' format (Fanelli et al. 2013), for who holds it.

A sequence is a folder with `frame_NNNNN_rgb.png`, `frame_NNNNN_depth.bin`, `frame_NNNNN_pose.txt`; `rgb.cal` and
`depth.cal` lie in it, or the second one folder above.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from realtime.errors import InputError
from realtime.frame import Intrinsics, Millimetres
from realtime.rgbd.calibration import Calibration, Camera, Doubles

SIZE = (640, 480)
_NUMBER = re.compile(r"frame_(\d+)_rgb\.png")


@dataclass(frozen=True, slots=True)
class BiwiFrame:
    """The files of one moment.

    Attributes:
        number: as in the file names; numbers that are missing were not recorded.
        colour, depth, pose: its files; pose is None where the sequence has none.
    """

    number: int
    colour: Path
    depth: Path
    pose: Path | None


def frames(folder: Path) -> Iterator[BiwiFrame]:
    """The frames of a sequence that have colour and depth, in order."""
    for path in sorted(folder.glob("frame_*_rgb.png")):
        match = _NUMBER.fullmatch(path.name)
        depth = path.with_name(path.name.replace("_rgb.png", "_depth.bin"))
        pose = path.with_name(path.name.replace("_rgb.png", "_pose.txt"))
        if match is not None and depth.is_file():
            yield BiwiFrame(int(match[1]), path, depth, pose if pose.is_file() else None)


def read_depth(path: Path) -> Millimetres:
    """(H, W) uint16 millimetres of a `_depth.bin`: runs of zeros and of measured values, alternating.

    Raises:
        InputError: the file is missing, cut off or no such file.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror}): fetch it again.") from error
    try:
        return decode_depth(data)
    except (struct.error, ValueError) as error:
        raise InputError(f"{path} is no depth of the Biwi set, or cut off: fetch it again.") from error


def decode_depth(data: bytes) -> Millimetres:
    """See `read_depth`.

    Raises:
        ValueError, struct.error: the bytes are no such file.
    """
    width, height = struct.unpack_from("<2i", data)
    if not (0 < width <= 4096 and 0 < height <= 4096):
        raise ValueError("no size")
    flat = np.zeros(width * height, np.int16)
    place, at = 0, 8
    while place < flat.size:
        empty, full = struct.unpack_from("<2i", data, at)
        if empty < 0 or full < 0 or empty + full == 0 or place + empty + full > flat.size:
            raise ValueError("no runs")
        place += empty
        flat[place : place + full] = np.frombuffer(data, "<i2", full, at + 8)
        place, at = place + full, at + 8 + 2 * full
    return np.maximum(flat, 0).astype(np.uint16).reshape(height, width)


def encode_depth(depth: Millimetres) -> bytes:
    """The bytes of a `_depth.bin` of (H, W) uint16 millimetres below 32768."""
    flat = depth.ravel().astype("<i2")
    edges = np.flatnonzero(np.diff(flat > 0)) + 1
    runs = np.split(flat, edges)
    if flat[0] > 0:
        runs.insert(0, flat[:0])
    if len(runs) % 2:
        runs.append(flat[:0])
    out = [struct.pack("<2i", depth.shape[1], depth.shape[0])]
    for empty, full in zip(runs[::2], runs[1::2], strict=True):
        out += [struct.pack("<2i", len(empty), len(full)), full.tobytes()]
    return b"".join(out)


def read_pose(path: Path) -> tuple[Doubles, Doubles]:
    """(3, 3) rotation and (3,) head centre in millimetres of a `_pose.txt`, in the depth camera's axes.

    Raises:
        InputError: it does not hold 12 numbers.
    """
    numbers = _numbers(path)
    if numbers.size < 12:
        raise InputError(f"{path} holds {numbers.size} numbers instead of 12: fetch it again.")
    return numbers[:9].reshape(3, 3), numbers[9:12]


def read_calibration(folder: Path) -> Calibration:
    """Of a sequence: `rgb.cal` and `depth.cal` hold intrinsics, distortion, rotation and translation (mm).

    Raises:
        InputError: one is missing or damaged.
    """
    files = {}
    for name in ("rgb.cal", "depth.cal"):
        found = [path for path in (folder / name, folder.parent / name) if path.is_file()]
        if not found:
            raise InputError(f"{folder} has no {name} (nor the folder above it): put it there.")
        files[name] = found[0]
    colour, rotation, translation = _camera(files["rgb.cal"])
    depth, *_ = _camera(files["depth.cal"])
    return Calibration(colour, depth, rotation, translation)


def _camera(path: Path) -> tuple[Camera, Doubles, Doubles]:
    numbers = _numbers(path)
    # 9 of the matrix, 4 or 5 of the distortion, 9 and 3 of rotation and translation, and in some files the size
    count = next((n for n in (4, 5) if numbers.size in (21 + n, 23 + n)), None)
    if count is None:
        raise InputError(f"{path} holds {numbers.size} numbers, which is no calibration of Biwi's: fetch it again.")
    matrix = numbers[:9].reshape(3, 3)
    k1, k2, p1, p2, k3 = map(float, (*numbers[9 : 9 + count], 0.0)[:5])
    rest = numbers[9 + count :]
    seen = Intrinsics(float(matrix[0, 0]), float(matrix[1, 1]), float(matrix[0, 2]), float(matrix[1, 2]))
    return Camera(SIZE, seen, (k1, k2, p1, p2, k3)), rest[:9].reshape(3, 3), rest[9:12]


def _numbers(path: Path) -> Doubles:
    try:
        return np.array([float(word) for word in path.read_text(encoding="utf-8").split()])
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read ({error}): fetch it again.") from error
