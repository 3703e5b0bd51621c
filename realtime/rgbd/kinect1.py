"""What every Kinect v1 has in common: sizes, clock, raw depth in millimetres, and its usual calibration."""

from __future__ import annotations

import numpy as np

from realtime.frame import Intrinsics, Millimetres
from realtime.rgbd.calibration import Calibration, Camera
from realtime.rgbd.registration import FARTHEST_MM

SIZE = (640, 480)
TICKS_PER_S = 60e6  # of its time stamps
RAW_LEVELS = 2048  # 11 bits; the highest means "nothing"

# The reference pattern lies 120 mm of focal length away in pixels of 0.1042 mm, two of which make one of 640; the
# projector stands 75 mm beside the camera; raw values count eighths of a pixel, from this disparity down.
_FOCAL = 120 / (2 * 0.1042)
_BASELINE_MM = 75.0
_ZERO_DISPARITY = _BASELINE_MM * _FOCAL / 1200 + (800 / 4 + 0.375) / 2

# Each Kinect differs by some pixels: one's own calibration is better (`--calibration`).
CALIBRATION = Calibration(
    Camera(SIZE, Intrinsics(525.0, 525.0, 319.5, 239.5)),
    Camera(SIZE, Intrinsics(_FOCAL, _FOCAL, 319.5, 239.5)),
    translation_mm=np.array([-25.0, 0.0, 0.0]),
)


def _millimetres() -> Millimetres:
    disparity = _ZERO_DISPARITY - np.arange(RAW_LEVELS) / 8
    depth = np.divide(_FOCAL * _BASELINE_MM, disparity, out=np.zeros(RAW_LEVELS), where=disparity > 0)
    depth[(depth > FARTHEST_MM)] = 0
    depth[-1] = 0
    return np.rint(depth).astype(np.uint16)


MILLIMETRES = _millimetres()


def millimetres(raw: Millimetres) -> Millimetres:
    """(480, 640) uint16 millimetres, 0 where nothing was measured, of raw depth of 11 bits."""
    return np.asarray(MILLIMETRES[np.minimum(raw, RAW_LEVELS - 1)])


def raw_depth(depth_mm: np.ndarray) -> Millimetres:
    """The raw values nearest to depths in millimetres; what is out of the sensor's reach has none."""
    disparity = _FOCAL * _BASELINE_MM / np.maximum(depth_mm, 1)
    raw = np.rint(8 * (_ZERO_DISPARITY - disparity))
    reached = (raw >= 0) & (raw < RAW_LEVELS - 1) & (depth_mm > 0) & (depth_mm <= FARTHEST_MM)
    return np.where(reached, raw, RAW_LEVELS - 1).astype(np.uint16)
