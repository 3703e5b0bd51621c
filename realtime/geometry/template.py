"""The mean face in 3D: what head pose is measured against, and what stands in where no depth is known."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

import engines
from realtime.errors import EngineError
from realtime.frame import Floats
from realtime.geometry.topology import KEYPOINTS

TEMPLATE = Path(engines.__file__).resolve().parent / "weights" / "template.npz"


@lru_cache(maxsize=1)
def template() -> Floats:
    """(81, 3) float32, read-only: the mean of a morphable model's faces, frontal, neutral, mirror-symmetric.

    Axes x image right, y down, z away from the camera; the outer eye corners are 1 apart; the origin is the mean of
    the 68 landmarks. The lips are slightly open: the inner upper and lower lip do not coincide.

    Raises:
        EngineError: the file is missing or damaged.
    """
    return load_template(TEMPLATE)


def load_template(path: Path) -> Floats:
    """The template in `path`; see `template`."""
    try:
        with np.load(path) as file:
            points = np.asarray(file["points"], np.float32)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise EngineError(f"The mean face cannot be read from {path}: restore the file.") from error
    if points.shape != (KEYPOINTS, 3):
        raise EngineError(f"The mean face in {path} has the shape {points.shape}: restore the file.")
    points.flags.writeable = False
    return points
