"""The published network's view of a face: square crops of 80 grey pixels from known points, and their jitter.

As in the authors' code: an upright square of 1.3 times the points' larger extent, black where the photo ends. It is not
turned with the head and does not reach above the forehead, unlike the live network's crop (`geometry.crops`).
"""

from __future__ import annotations

import numpy as np

from engines.networks.rcn import SIZE
from realtime.geometry.crops import Crop, square_crop
from realtime.geometry.topology import LANDMARKS

BOX = 1.3  # side of the crop in units of the points' larger extent
JITTER = 0.2 * 0.5  # of the box: how much its side may change, and how far it may move in x and in y
BLOCK = (20, 50)  # least and largest side of the black block, pixels


def face_square(points: np.ndarray, scale: float = BOX, size: int = SIZE) -> Crop:
    """The upright square crop around known landmarks (68 or 81, 2), `scale` times their larger extent."""
    centre, extent = _box(points)
    return square_crop(centre, scale * extent, 0.0, size)


def jittered_square(points: np.ndarray, rotation: float, rng: np.random.Generator) -> Crop:
    """`face_square` with its box scaled, moved, and turned by whole degrees up to ±`rotation`, all uniformly."""
    centre, extent = _box(points)
    side = BOX * extent
    scale = 1 + rng.uniform(-JITTER, JITTER)
    shift = side * rng.uniform(-JITTER, JITTER, 2)
    angle = np.round(rng.uniform(-rotation, rotation))
    return square_crop(centre + shift, side * scale, angle, SIZE)


def blocked(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A (80, 80) picture with one black block of random sides, wholly inside it."""
    height, width = rng.integers(BLOCK[0], BLOCK[1] + 1, 2)
    top, left = rng.integers(0, SIZE - height + 1), rng.integers(0, SIZE - width + 1)
    crop = crop.copy()
    crop[top : top + height, left : left + width] = 0
    return crop


def inside(points: np.ndarray, width: float, height: float) -> np.ndarray:
    """(...,) bool: which points (..., 2) lie on a pixel of a picture of that size; NaN ones do not."""
    return np.asarray((points > -0.5) & (points < np.array([width, height]) - 0.5)).all(axis=-1)


def _box(points: np.ndarray) -> tuple[np.ndarray, float]:
    landmarks = points[:LANDMARKS].astype(np.float64)
    low, high = landmarks.min(axis=0), landmarks.max(axis=0)
    return (low + high) / 2, float((high - low).max())
