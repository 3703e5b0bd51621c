"""How far away a head is: measured where there is a depth sensor, else from how far apart its eyes look."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime.frame import Face, Floats, Frame, Intrinsics

# Mean distance of adults' pupils; people differ by 4 mm (standard deviation), so distances from it by 6 %.
PUPILS_MM = 63.0
_INNER = slice(17, 68)  # brows, nose, eyes, mouth: jaw points lie beside the head as often as on it
_LEAST = 0.15  # share of the face that has to be measured


@dataclass(frozen=True, slots=True)
class Distance:
    """How far the face's surface is from the camera, along its axis.

    Attributes:
        mm: millimetres.
        measured: by a depth sensor. Else it supposes pupils `PUPILS_MM` apart, and where the frame has no intrinsics
            a usual webcam (`Intrinsics.guessed`): it can then be a third off.
    """

    mm: float
    measured: bool


def head_distance(face: Face, frame: Frame) -> Distance:
    """The distance of one face of a frame."""
    measured = None if frame.depth is None else _median_depth(face, frame.depth)
    if measured is not None:
        return Distance(measured, True)
    intrinsics = frame.intrinsics or Intrinsics.guessed(frame.size)
    return Distance(intrinsics.fx * millimetres_per_pixel(face), False)


def millimetres_per_pixel(face: Face) -> float:
    """The scale of a face's points and depths, if its pupils are `PUPILS_MM` apart."""
    solid = face.points if face.depth is None else np.column_stack([face.points, face.depth])
    left, right = solid[36:42].mean(axis=0), solid[42:48].mean(axis=0)
    apart = float(np.linalg.norm(right - left))
    if face.depth is None:
        apart /= max(float(np.cos(np.deg2rad(face.pose.yaw))), 0.25)
    return PUPILS_MM / max(apart, 1e-6)


def _median_depth(face: Face, depth: np.ndarray) -> float | None:
    """Median of what was measured inside the inner points; None where that is too little to go by."""
    if not np.isfinite(face.points).all():
        return None
    inside = inner_face(face.points, (depth.shape[1], depth.shape[0]))
    seen = depth[inside & (depth > 0)]
    return float(np.median(seen)) if seen.size > max(_LEAST * np.count_nonzero(inside), 9) else None


def inner_face(points: Floats, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the convex hull of brows, eyes, nose and mouth in a picture of (width, height)."""
    inside = np.zeros((size[1], size[0]), np.uint8)
    hull = cv2.convexHull(np.clip(points[_INNER], -1e4, 1e4).astype(np.float32))
    cv2.fillConvexPoly(inside, np.rint(hull).astype(np.int32), 1)
    return inside > 0
