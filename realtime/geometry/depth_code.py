"""How facial depth maps are cut and coded (Pini et al. 2018, section 3): by head distance, in 8 bits, back to mm.

The crop covers the same millimetres of every head, so its side in pixels follows from focal length and distance. Depth
inside is coded from 255 (nearest) down to 1 over a span; 0 is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.frame import Floats, Intrinsics, Pixels
from realtime.geometry.crops import Crop, square_crop

FACE_MM = 220.0  # side of the crop at the head's distance
SPAN_MM = 300.0
NEAREST_SHARE = 2.0  # percentile of the depth that counts as the nearest: a few wrong pixels must not set the scale
SIDE = 100  # pixels
# Mean distance of the outer eye corners of adults, for cameras without a depth sensor
OUTER_EYES_MM = 90.0


def anchor(points: np.ndarray) -> np.ndarray:
    """(2,) where a depth crop is centred: halfway from the middle of the outer eye corners to that of the mouth's.

    `points` are (68 or more, 2) keypoints in pixels.
    """
    middle: np.ndarray = np.asarray(points)[[36, 45, 48, 54]].mean(axis=0)
    return middle


def depth_crop(
    centre: np.ndarray, distance: float, camera: Intrinsics, size: int = SIDE, roll_deg: float = 0.0
) -> Crop:
    """The square of `FACE_MM` around `centre` (2,) pixels for a head at `distance` mm, tilted by `roll_deg`."""
    side = 0.5 * (camera.fx + camera.fy) * FACE_MM / max(distance, 1.0)
    return square_crop(centre, side, roll_deg, size)


@dataclass(frozen=True, slots=True)
class DepthCode:
    """One crop's code: 255 at `near` mm, 0 would lie `span` mm further.

    Millimetres come back to within span / 510.
    """

    near: float
    span: float = SPAN_MM

    @staticmethod
    def of(depth: np.ndarray, span: float = SPAN_MM) -> DepthCode:
        """The code that suits a depth map (mm, 0 = missing). One that is all missing gets a code that encodes none."""
        known = depth[depth > 0]
        return DepthCode(float(np.percentile(known, NEAREST_SHARE)) if known.size else 0.0, span)

    def encode(self, depth: np.ndarray) -> Pixels:
        """uint8 of mm: 255 at and before `near`; 0 where depth is 0 or beyond the span."""
        level = np.rint(255 * (self.near + self.span - depth.astype(np.float64)) / self.span)
        return np.where(depth > 0, np.clip(level, 0, 255), 0).astype(np.uint8)

    def decode(self, code: np.ndarray) -> Floats:
        """float32 mm of codes (of any number type, so that a network's finer steps are kept); 0 stays missing."""
        depth = self.near + self.span * (1 - code.astype(np.float64) / 255)
        return np.where(code > 0, depth, 0).astype(np.float32)
