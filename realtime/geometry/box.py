"""The square box DepthNet sees a face in: its unit of length and its origin (training and live use share it)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from realtime.geometry.topology import LANDMARKS

# side of the box in units of the larger side of the bounding box of the 68 landmarks
BOX_SCALE = 1.25


def landmark_box(points: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Centre (..., 2) and side (...) of the square box around (..., K, 2 or 3) keypoints; the first 68 count."""
    axes = np.ascontiguousarray(points[..., :LANDMARKS, :2].swapaxes(-1, -2))  # several times as quick to reduce
    low, high = axes.min(axis=-1), axes.max(axis=-1)
    side = BOX_SCALE * np.maximum((high - low).max(axis=-1), 1e-6)
    return (low + high) / 2, side


def boxed(points: NDArray[Any]) -> NDArray[Any]:
    """(..., K, 2) keypoints in units of their box's side, from its centre: within ±0.5."""
    centre, side = landmark_box(points)
    return np.asarray((points[..., :2] - centre[..., None, :]) / side[..., None, None])
