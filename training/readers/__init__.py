"""Data sets in their authors' own formats, for who holds them: one module per set, in the project's axes.

300W (`w300`: photos and .pts files) gives a `data.FaceSet`; AFLW2000-3D (`aflw2000`: .mat files) and 3DFAW
(`threedfaw`: photos and .csv files) give `Solids`. A file that is missing, damaged or has the wrong number of points
raises InputError with its name.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from realtime.errors import InputError
from realtime.geometry.topology import JAW, NOSE_TIP

ONE_WAY = 0.9  # share of a set's faces whose nose must point to one side in depth


@dataclass(frozen=True, slots=True, eq=False)
class Solids:
    """Faces with 3D landmarks.

    Attributes:
        names: N file names without their endings.
        points: (N, 68, 3) float64; x and y in pixels of the photo, z in the same unit, away from the camera.
        size: (N, 2) float64 width and height of the photos.
        yaw: (N,) float64 degrees, > 0: the nose to image right; NaN where the set does not say.
        looks: (N,) str "left", "front" or "right" in the image, "" where the set does not say.
    """

    names: tuple[str, ...]
    points: np.ndarray
    size: np.ndarray
    yaw: np.ndarray
    looks: np.ndarray

    def in_pictures(self) -> np.ndarray:
        """(N, 68, 3) points divided by width, height and their mean, as the publication's depth tables have them."""
        return self.points / np.column_stack([self.size, self.size.mean(axis=1)])[:, None]


class Files(Sequence[np.ndarray]):
    """Encoded pictures (uint8 arrays) that stay in their files until they are asked for."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = list(paths)

    def __len__(self) -> int:
        return len(self._paths)

    def __getitem__(self, index: int) -> np.ndarray:
        with reading(self._paths[index]):
            return np.fromfile(self._paths[index], np.uint8)


@contextmanager
def reading(path: Path, *errors: type[Exception]) -> Iterator[None]:
    """Turns what fails in the block, an OSError or one of `errors`, into an InputError that names the file."""
    try:
        yield
    except (OSError, *errors) as error:
        raise InputError(f"{path} cannot be read ({' '.join(str(error).split())}): fetch it again.") from error


def photo_of(folder: Path, name: str) -> Path:
    """The photo `name`.jpg or .png in a folder; its first bytes are checked."""
    found = [path for ending in (".jpg", ".png") if (path := folder / (name + ending)).is_file()]
    if not found:
        raise InputError(f"{folder / name} has landmarks but no photo (.jpg or .png): fetch the set again.")
    if not cv2.haveImageReader(str(found[0])):
        raise InputError(f"{found[0]} is not a picture that can be read: fetch it again.")
    return found[0]


def checked(points: np.ndarray, path: Path, shape: tuple[int, int]) -> np.ndarray:
    """`points` as they are. Raises InputError unless they have that shape and all are finite."""
    if points.shape != shape:
        counted = (
            f"{points.shape[0]} points" if points.ndim == 2 and points.shape[1] == shape[1] else "no list of points"
        )
        raise InputError(f"{path} has {counted}, not {shape[0]} of {shape[1]} numbers each: fetch it again.")
    if not np.isfinite(points).all():
        raise InputError(f"{path} has points that are missing or not finite: leave it out.")
    return points


def depth_away(points: np.ndarray, root: Path) -> np.ndarray:
    """(N, 68, 3) points with z turned, if need be, to grow away from the camera: the nose is before the ears.

    The sets count z differently and say little about it. One sign serves the whole set; InputError where the faces
    disagree.
    """
    nose_behind = points[:, NOSE_TIP, 2] - points[:, JAW[[0, -1]], 2].mean(axis=1)
    before = float((nose_behind < 0).mean())
    if max(before, 1 - before) < ONE_WAY:
        raise InputError(f"The depths in {root} point both ways ({100 * before:.0f} % away): fetch the set again.")
    return points if before > 0.5 else points * (1, 1, -1)
