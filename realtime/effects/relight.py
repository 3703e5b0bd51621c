"""Colours: the drawn face takes the live face's light and skin tone, and keeps its own detail.

Both faces are sampled on a coarse grid of the flat face and blurred over plain skin, in Lab, which leaves light and
tone; the live one is averaged over time. The drawn colour is gain · (source - source's tone) + live tone, the gain
being the ratio of the two skins' contrasts, clamped. (Reinhard et al. 2001, made local.)
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from realtime.effects.regions import feature_mask, skin
from realtime.frame import Floats, Pixels
from realtime.geometry.mesh import face_mesh, layout
from realtime.geometry.thin_plate import thin_plate_weights
from realtime.geometry.topology import BROWS

GRID = 32
# Of L, a, b: light changes across a face; its tone hardly does, and a beard must not be given the colour of skin.
_BLUR_CELLS = (5.0, 14.0, 14.0)
_MEMORY_S = 0.3
_GAIN = (0.7, 1.4)
# Weights of the Lab axes, and the distances from the skin's median where covering begins and is certain.
_COVER_AXES = np.array([0.5, 1.0, 1.0], np.float32)
_COVERED = (18.0, 30.0)


class Tone:
    """Light, tone and contrast of a face.

    Attributes:
        low: (GRID, GRID, 3) float32 Lab, blurred over skin.
        contrast: standard deviation of L over skin after `low` is taken away.
    """

    def __init__(self, pixels: Pixels, points: Floats) -> None:
        """Measure (H, W, 3) RGB `pixels` with (81, 2) keypoints."""
        lab = _sampled(pixels, points)
        weight = _skin()
        self.low = _smooth(lab, weight)
        detail = (lab - self.low)[..., 0]
        self.contrast = float(np.sqrt((weight * detail**2).sum() / weight.sum()))


class Relight:
    """The running tone of one live face."""

    def __init__(self) -> None:
        self._low: Floats | None = None
        self._contrast = 0.0
        self._time = 0.0

    def transfer(self, tone: Tone, source: Tone, time_s: float) -> Floats:
        """(V, 4) float32 for each vertex of the face mesh: RGB offset in 0..1, and gain (see shaders/warp.vert).

        Args:
            tone: of the live face, now.
            source: of the face that is drawn.
            time_s: media time; tones of the last 0.3 s are averaged.
        """
        share = 1.0 if self._low is None else float(1 - np.exp(-max(time_s - self._time, 0.0) / _MEMORY_S))
        self._low = tone.low if self._low is None else self._low + share * (tone.low - self._low)
        self._contrast += share * (tone.contrast - self._contrast)
        self._time = time_s
        gain = float(np.clip(self._contrast / max(source.contrast, 1e-3), *_GAIN))
        offset = _rgb(self._low) - gain * _rgb(source.low)
        return np.column_stack([_at_vertices(offset), np.full(len(face_mesh().uv), gain, np.float32)])


class Fringe:
    """Hair over the live forehead, which stays in front of the drawn face.

    Only above the brows: further down a beard would be taken for a cover.
    """

    def __init__(self) -> None:
        self._clear: Floats | None = None
        self._time = 0.0

    def clear(self, pixels: Pixels, points: Floats, time_s: float) -> Floats:
        """(V,) float32 in [0, 1] at the face mesh's vertices, 0 under hair, averaged over 0.3 s of media time."""
        now = 1 - (1 - uncovered(pixels, points)) * _above_brows()
        share = float(1 - np.exp(-max(time_s - self._time, 0.0) / _MEMORY_S))
        clear = now if self._clear is None else self._clear + share * (now - self._clear)
        self._clear, self._time = clear.astype(np.float32), time_s
        return self._clear


def uncovered(pixels: Pixels, points: Floats) -> Floats:
    """(V,) float32 in [0, 1] at the face mesh's vertices: 0 where something that is not skin covers the face.

    Told by colour alone: cells of the grid, features aside, whose Lab colour is far from the skin's median. Lightness
    counts half, for one side of a face may lie in shadow.
    """
    lab = _sampled(pixels, points)
    middle = np.median(lab[_skin() > 0.5], axis=0)
    distance = np.linalg.norm((lab - middle) * _COVER_AXES, axis=-1)
    covered = np.clip((distance - _COVERED[0]) / (_COVERED[1] - _COVERED[0]), 0, 1) * _beside_features()
    return 1 - _at_vertices(cv2.GaussianBlur(covered.astype(np.float32), (0, 0), 0.8))


def _at_vertices(grid: np.ndarray) -> np.ndarray:
    """(V[, C]) a (GRID, GRID[, C]) map of the flat face at the vertices of the face mesh."""
    at = (face_mesh().uv * GRID - 0.5)[:, None]
    return np.asarray(cv2.remap(grid, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))[:, 0]


@cache
def _beside_features() -> Floats:
    features = cv2.dilate(feature_mask(), np.ones((5, 5), np.uint8))
    return 1 - np.asarray(cv2.resize(features, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)


@cache
def _above_brows() -> Floats:
    """(V,) float32: 0 below the brows, 1 from a little above them on."""
    brows = float(layout()[BROWS, 1].min())
    return np.asarray(np.clip((brows - face_mesh().uv[:, 1]) / 0.04, 0, 1), np.float32)


@cache
def _grid_weights() -> Floats:
    """(GRID², 81) keypoints → places of the grid's cell centres."""
    centres = (np.arange(GRID) + 0.5) / GRID
    at = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    return thin_plate_weights(layout(), at)


@cache
def _skin() -> Floats:
    return np.asarray(cv2.resize(skin(), (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)


def _sampled(pixels: Pixels, points: Floats) -> Floats:
    at = (_grid_weights() @ points.astype(np.float32)).reshape(GRID, GRID, 2)
    at = np.clip(at, -1, [pixels.shape[1], pixels.shape[0]]).astype(np.float32)
    colours = cv2.remap(pixels, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cv2.cvtColor(colours.astype(np.float32) / 255, cv2.COLOR_RGB2LAB))


def _smooth(lab: Floats, weight: Floats) -> Floats:
    return np.dstack([_blurred(lab[..., i], weight, cells) for i, cells in enumerate(_BLUR_CELLS)])


def _blurred(values: Floats, weight: Floats, cells: float) -> Floats:
    weighted, total = (
        cv2.GaussianBlur(each, (0, 0), cells, borderType=cv2.BORDER_CONSTANT) for each in (values * weight, weight)
    )
    return np.asarray(weighted / np.maximum(total, 1e-4), np.float32)


def _rgb(lab: Floats) -> Floats:
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))
