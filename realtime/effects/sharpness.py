"""How sharp and grainy the live picture is, so that the drawn face is no sharper and no cleaner than its surroundings.

Blur is told by blurring again (Crete et al. 2007): what was sharp loses much of its differences between neighbours,
what was blurred little. Grain is told by a filter that cancels edges and slopes (Immerkær 1996).
"""

from __future__ import annotations

import cv2
import numpy as np

from realtime.effects.photo import View
from realtime.frame import Floats, Pixels
from realtime.geometry.crops import square_crop
from realtime.geometry.topology import INNER, eye_distance

_EVERY = 6  # frames between two measurements
_MEMORY = 0.3  # share of a new measurement
_PATCH = 160  # pixels of the picture that are looked at, at most, in each direction
_LEVELS = np.arange(0, 3.01, 0.5)
_LAPLACIAN = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


class Sharpness:
    """The running sharpness of one live face, and what it asks of one source view."""

    def __init__(self) -> None:
        self._count = 0
        self._blur = 0.0
        self._grain = 0.0
        self._view: View | None = None
        self._scale = 0.0
        self._view_blurs = np.linspace(0, 1, len(_LEVELS))
        self._view_grain = 0.0

    def look(self, pixels: Pixels, points: Floats) -> None:
        """Measure the live face now and then: (H, W, 3) RGB, (81, 2) keypoints. Called once per frame."""
        if self._count % _EVERY == 0:
            blur, grain = measure(_patch(pixels, points, 1.0))
            share = _MEMORY if self._count else 1.0
            self._blur += share * (blur - self._blur)
            self._grain += share * (grain - self._grain)
        self._count += 1

    def match(self, view: View, scale: float) -> tuple[float, float]:
        """What to do to a view that is drawn `scale` times as large as in its own picture.

        Returns:
            level: mipmap levels to go down from the one that fits the size, 0 … 3.
            grain: standard deviation of the noise to add, in 0..1 of a colour.
        """
        if view is not self._view or not 0.85 < scale / self._scale < 1.18:
            self._view, self._scale = view, scale
            patch = _patch(view.pixels, view.points, scale)
            blurs, grains = zip(*(measure(_softened(patch, level)) for level in _LEVELS), strict=True)
            self._view_blurs, self._view_grain = np.maximum.accumulate(blurs), grains[0]
        level = float(np.interp(self._blur, self._view_blurs, _LEVELS))
        return level, float(np.sqrt(max(self._grain**2 - self._view_grain**2, 0.0)))


def measure(patch: Floats) -> tuple[float, float]:
    """Blur in [0, 1] (0 is sharp) and noise (standard deviation, 0..1) of an (H, W) float32 grey patch in 0..1."""
    blur = 0.0
    for kernel, axis in (((9, 1), 1), ((1, 9), 0)):
        sharp = np.abs(np.diff(patch, axis=axis))
        soft = np.abs(np.diff(cv2.blur(patch, kernel), axis=axis))
        lost = np.maximum(sharp - soft, 0).sum()
        blur = max(blur, float(1 - lost / max(float(sharp.sum()), 1e-6)))
    response = np.abs(cv2.filter2D(patch, -1, _LAPLACIAN))
    # the median is deaf to the edges that the filter leaves; 0.6745 turns it, 6 the filter, into a standard deviation
    return blur, float(np.median(response)) / 0.6745 / 6


def _patch(pixels: Pixels, points: Floats, scale: float) -> Floats:
    """Grey middle of the face, eyes to mouth, with pixels as large as they are drawn."""
    inner = points[INNER]
    centre = (inner.min(axis=0) + inner.max(axis=0)) / 2
    size = int(np.clip(1.2 * float(eye_distance(points)) * scale, 16, _PATCH))
    crop = square_crop(centre, size / scale, 0.0, size)
    return np.asarray(cv2.cvtColor(crop.cut(pixels), cv2.COLOR_RGB2GRAY) / np.float32(255), np.float32)


def _softened(patch: Floats, level: float) -> Floats:
    """What the patch looks like from a mipmap that is `level` steps too small: pixels 2^level as wide, interpolated."""
    sigma = 0.45 * np.sqrt(4**level - 1)
    return patch if sigma < 0.1 else np.asarray(cv2.GaussianBlur(patch, (0, 0), sigma), np.float32)
