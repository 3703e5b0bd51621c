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
_LEVELS = np.arange(-1, 3.01, 0.5)  # below -1 a picture made small flickers
_UNSEEN = 1 / 255  # grain of no more than a level is not drawn: nobody sees it, and it flickers
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
        self._view_grains = np.zeros(len(_LEVELS))

    def look(self, pixels: Pixels, points: Floats) -> None:
        """Measure the live face now and then: (H, W, 3) RGB, (81, 2) keypoints. Called once per frame."""
        if self._count % _EVERY == 0:
            blur, grain = measure(_patch(pixels, points))
            share = _MEMORY if self._count else 1.0
            self._blur += share * (blur - self._blur)
            self._grain += share * (grain - self._grain)
        self._count += 1

    def match(self, view: View, scale: float) -> tuple[float, float]:
        """What to do to a view that is drawn `scale` times as large as in its own picture.

        Returns:
            level: mipmap levels to go down from the one that fits the size, -1 … 3.
            grain: standard deviation of the noise to add, in 0..1 of a colour.
        """
        if view is not self._view or not 0.85 < scale / self._scale < 1.18:
            self._view, self._scale = view, scale
            pyramid = Pyramid(view.pixels, view.points, scale)
            blurs, grains = zip(*(measure(pyramid(float(level))) for level in _LEVELS), strict=True)
            self._view_blurs, self._view_grains = np.maximum.accumulate(blurs), np.array(grains)
        level = float(np.interp(self._blur, self._view_blurs, _LEVELS))
        grain = float(np.interp(level, _LEVELS, self._view_grains))
        return level, float(np.sqrt(max(self._grain**2 - grain**2 - _UNSEEN**2, 0.0)))


class Pyramid:
    """The grey middle of a face as OpenGL draws it from a texture with mipmaps.

    Args:
        pixels, points: (H, W, 3) RGB, (81, 2) keypoints.
        scale: how many times as large it is drawn.
    """

    def __init__(self, pixels: Pixels, points: Floats, scale: float) -> None:
        self._centre, self._size = _middle(points, scale)
        self._scale = scale
        self._levels = [_grey(pixels)]

    def __call__(self, level: float) -> Floats:
        """(h, w) float32 in 0..1, drawn from so many levels further down than the size asks for."""
        place = max(level - float(np.log2(self._scale)), 0.0)
        here = int(place)
        patches = [self._sampled(each) for each in (here, here + 1)]
        return np.asarray(patches[0] + np.float32(place - here) * (patches[1] - patches[0]), np.float32)

    def _sampled(self, number: int) -> Floats:
        """The patch from one level alone, between whose pixels is interpolated."""
        while len(self._levels) <= number:
            height, width = self._levels[-1].shape
            half = (max(width // 2, 1), max(height // 2, 1))
            self._levels.append(
                np.asarray(cv2.resize(self._levels[-1], half, interpolation=cv2.INTER_AREA), np.float32)
            )
        step = 2.0**number
        matrix = square_crop((self._centre + 0.5) / step - 0.5, self._size / self._scale / step, 0.0, self._size).matrix
        size = (self._size, self._size)
        patch = cv2.warpAffine(
            self._levels[number], matrix, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        return np.asarray(patch, np.float32)


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


def _patch(pixels: Pixels, points: Floats) -> Floats:
    """(h, w) the grey middle of the face in 0..1, in the picture's very pixels: interpolating would soften them."""
    centre, size = _middle(points, 1.0)
    left, top = np.round(centre - size / 2).astype(int)
    height, width = pixels.shape[:2]
    rows, columns = np.arange(top, top + size).clip(0, height - 1), np.arange(left, left + size).clip(0, width - 1)
    return _grey(np.ascontiguousarray(pixels[np.ix_(rows, columns)]))


def _middle(points: Floats, scale: float) -> tuple[Floats, int]:
    """Centre of the face, eyes to mouth, and how many pixels of it are looked at where it is drawn `scale` times as
    large."""
    inner = points[INNER]
    centre: Floats = (inner.min(axis=0) + inner.max(axis=0)) / 2
    return centre, int(np.clip(1.2 * float(eye_distance(points)) * scale, 16, _PATCH))


def _grey(pixels: Pixels) -> Floats:
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY) / np.float32(255), np.float32)
