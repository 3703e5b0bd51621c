"""A face's crop that things are drawn over, and the mask they leave."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.geometry.template import template
from realtime.geometry.topology import HAIRLINE, LANDMARKS
from training.backgrounds import octaves

FINE = 2  # shapes are drawn this many times as large, then averaged
_SHIFT = 4  # fractional bits of OpenCV's drawing


class Scene:
    """A picture being covered.

    Attributes:
        picture: (S, S, 3) float32 RGB 0..255, as far as it is drawn.
        mask: (S, S) float32 in 0..1, how much of a pixel is covered by something in front of the face.
        unsure: (S, S) bool, where nobody could say whether that is a cover: half-dark lenses, glare.
        points: (81, 2) float32 the face's keypoints, pixels of the crop.
        unit: distance of the outer eye corners in pixels, as if the head were not turned.
        skin: (3,) float32, colour of the cheeks.
        light: 0..1, how bright the picture is.
    """

    def __init__(self, picture: np.ndarray, points: np.ndarray) -> None:
        """Of (S, S, 3) uint8 RGB with (68 or 81, 2) keypoints in its pixels; NaN forehead points are made up."""
        self.picture = picture.astype(np.float32)
        self.size = len(picture)
        self.mask = np.zeros(picture.shape[:2], np.float32)
        self.unsure = np.zeros(picture.shape[:2], bool)
        self._affine = _fitted(points)
        self.points = whole(points, self._affine)
        self.unit = float(np.sqrt(np.linalg.norm(self._affine[0, :3]) * np.linalg.norm(self._affine[1, :3])))
        cheeks = self.at(np.array([[s * 0.38, y, 0.05] for s in (-1, 1) for y in (-0.05, 0.1)]))
        self.skin = np.median(self.colours(cheeks, 0.08 * self.unit), axis=0)
        self.light = float(np.clip(np.percentile(self.picture, 90) / 255, 0.08, 1))
        self.hair = self._hair_colour()

    def at(self, solid: np.ndarray) -> np.ndarray:
        """(N, 3) places in the axes of the mean face (see `template`) → (N, 2) pixels, on this head as it is turned."""
        return np.asarray(solid @ self._affine[:, :3].T + self._affine[:, 3], np.float32)

    def colours(self, places: np.ndarray, radius: float) -> np.ndarray:
        """(N, 3) float32 mean colours around (N, 2) places, clipped into the picture."""
        soft = cv2.blur(self.picture, (2 * int(radius) + 1,) * 2)
        x, y = np.clip(np.round(places), 0, self.size - 1).astype(int).T
        return soft[y, x]

    def paint(self, colour: np.ndarray, alpha: np.ndarray, counts: np.ndarray | float | None = None) -> None:
        """Cover the picture.

        Args:
            colour: (3,) or (S, S, 3) RGB 0..255.
            alpha: (S, S) in 0..1.
            counts: the part of it that the mask takes; None is `alpha`.
        """
        self.picture += alpha[..., None] * (np.asarray(colour, np.float32) - self.picture)
        taken = np.maximum(self.mask, alpha if counts is None else counts)
        self.mask = np.clip(taken, 0, 1).astype(np.float32)

    def shade(self, factor: np.ndarray) -> None:
        """Make the picture darker or lighter by (S, S) or (S, S, 3) factors; that is no cover."""
        self.picture *= factor if factor.ndim == 3 else factor[..., None]

    def cast_shadow(self, alpha: np.ndarray, rng: np.random.Generator) -> None:
        """The shadow on the face of what will be painted with (S, S) `alpha`."""
        away = (rng.normal(0, 0.1, 2) + np.array([0, 0.05])) * self.unit
        moved = cv2.warpAffine(alpha, np.float64([[1, 0, away[0]], [0, 1, away[1]]]), (self.size, self.size))
        soft = cv2.GaussianBlur(moved, (0, 0), rng.uniform(0.01, 0.12) * self.unit + 0.3)
        self.shade(1 - rng.uniform(0, 0.5) * soft)

    def polygon(self, *polygons: np.ndarray) -> np.ndarray:
        """(S, S) float32 coverage of filled (N, 2) polygons."""
        canvas = self._canvas()
        for points in polygons:
            cv2.fillPoly(canvas, [_fixed(points)], 255, shift=_SHIFT)
        return self._averaged(canvas)

    def line(self, points: np.ndarray, width: float, closed: bool = False) -> np.ndarray:
        """(S, S) float32 coverage of a polyline, `width` pixels wide."""
        canvas = self._canvas()
        pen = max(1, round(width * FINE))
        cv2.polylines(canvas, [_fixed(points)], closed, 255, pen, cv2.LINE_AA, _SHIFT)
        return self._averaged(canvas) * min(1.0, width * FINE)

    def _canvas(self) -> np.ndarray:
        return np.zeros((FINE * self.size,) * 2, np.uint8)

    def _averaged(self, canvas: np.ndarray) -> np.ndarray:
        small = cv2.resize(canvas, (self.size, self.size), interpolation=cv2.INTER_AREA)
        return small.astype(np.float32) / 255

    def _hair_colour(self) -> np.ndarray:
        """(3,) the colour beyond the hairline that differs most from skin: hair, where there is some."""
        middle = self.points[:LANDMARKS].mean(axis=0)
        beyond = middle + 1.25 * (self.points[HAIRLINE] - middle)
        found = self.colours(beyond, 0.08 * self.unit)
        return found[np.argmax(np.linalg.norm(found - self.skin, axis=1))]


def whole(points: np.ndarray, affine: np.ndarray | None = None) -> np.ndarray:
    """(81, 2) float32 keypoints; forehead points that are not there come from the mean face."""
    affine = _fitted(points) if affine is None else affine
    made_up = (template() @ affine[:, :3].T + affine[:, 3]).astype(np.float32)
    made_up[: len(points)] = np.where(np.isfinite(points), points, made_up[: len(points)])
    return made_up


def noise(rng: np.random.Generator, size: int, spread: float) -> np.ndarray:
    """(size, size) float32 cloudy noise around 0, of standard deviation `spread`."""
    cloud = octaves(rng, size).astype(np.float32)
    return spread * (cloud - cloud.mean()) / max(float(cloud.std()), 1.0)


def _fitted(points: np.ndarray) -> np.ndarray:
    """(2, 4) affine of the mean face onto the landmarks."""
    rows = np.column_stack([template()[:LANDMARKS], np.ones(LANDMARKS)]).astype(np.float64)
    return np.linalg.lstsq(rows, np.asarray(points[:LANDMARKS], np.float64), rcond=None)[0].T


def _fixed(points: np.ndarray) -> np.ndarray:
    return np.round(((points + 0.5) * FINE - 0.5) * 2**_SHIFT).astype(np.int32)
