"""Lines of sight. A head beside the middle of a picture is seen along a line that is turned against the camera's
axis, and how it looks does not say by how much: where it lies in the picture and the lens do.

Camera axes are x right, y down, z away.
"""

from __future__ import annotations

import numpy as np

from realtime.frame import Floats, Intrinsics

_OUTWARD = np.array([1, -1, -1], np.float32)  # normals have x right, y up, z towards the camera


def place_of(pixel: np.ndarray, away: float, camera: Intrinsics) -> np.ndarray:
    """(3,) the place in space of a pixel at a depth, in that depth's unit."""
    return np.array([(pixel[0] - camera.cx) * away / camera.fx, (pixel[1] - camera.cy) * away / camera.fy, away])


def line_of_sight(place: np.ndarray) -> np.ndarray:
    """(3, 3) the turn from the camera's axis to its line to `place`: what a head there looks turned by."""
    ray = place / np.linalg.norm(place)
    axis, along = np.array([-ray[1], ray[0], 0.0]), float(ray[2])
    cross = np.array([[0, -axis[2], axis[1]], [axis[2], 0, -axis[0]], [-axis[1], axis[0], 0]])
    return np.asarray(np.eye(3) + cross + cross @ cross / (1 + along))


def turned_normals(normals: Floats, turn: np.ndarray) -> Floats:
    """(..., 3) float32 normals turned as (3, 3) `turn` turns what is in camera axes."""
    return np.asarray(normals * _OUTWARD @ turn.T.astype(np.float32) * _OUTWARD, np.float32)


def depth_along(depth: Floats, pixel: np.ndarray, camera: Intrinsics) -> Floats:
    """(H, W) float32 depth along a pixel's line of sight, of that along the camera's axis; 0 stays missing."""
    line = place_of(pixel, 1.0, camera)
    x, y, ahead = (line / np.linalg.norm(line)).astype(np.float32)
    row, column = (np.arange(count, dtype=np.float32) for count in depth.shape)
    share = x * (column - camera.cx) / camera.fx + (y * (row - camera.cy) / camera.fy)[:, None] + ahead
    return np.asarray(depth * share, np.float32)
