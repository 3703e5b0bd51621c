"""Colours: the drawn face takes the live face's light and skin tone, and keeps its own detail.

Both faces are sampled on a coarse grid of the flat face and blurred over plain skin, which leaves light and tone; the
live one is averaged over time. What the drawn face adds to its own tone is scaled by the ratio of the two tones, as
light on a surface scales: black stays black, and what is grey, a beard say, stays nearly grey on any skin.
(Reinhard et al. 2001 made local; the ratio is the quotient image of Shashua and Riklin-Raviv 2001.)
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from realtime.effects.regions import feature_mask, skin
from realtime.frame import Floats, Pixels
from realtime.geometry.mesh import face_mesh, layout
from realtime.geometry.thin_plate import thin_plate_weights

GRID = 32
# Of L, a, b: light changes across a face; its tone changes less.
BLUR_CELLS = (4.0, 8.0, 8.0)
_MEMORY_S = 0.3
LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # as in shaders/warp.frag
CONTRAST = (0.8, 1.1)  # more contrast than the photo has is blotches more than features
DARKEST = 0.12  # of a photo's skin: what is darker is noise, of which no more than this is made
COLOUR = (0.25, 2.0)
BLUSH = 0.7  # share of the photo's differences in colour that is kept: all of them would be blotches on paler skin
# To tell what is not skin, dark and light skins are first brought to this luma. Then: weights of the Lab axes, and the
# distances from the skin's median where covering begins and is certain.
SKIN_LUMA = 0.55
COVER_AXES = np.array([0.5, 1.0, 1.0], np.float32)
_COVERED = (18.0, 30.0)
FOREIGN = (14.0, 24.0)  # the same, for what may lie on a face but says nothing of its light: a beard


class Tone:
    """What a picture tells of a face's skin and light.

    Attributes:
        low: (GRID, GRID, 3) float32 RGB in 0..1, blurred over plain skin.
        contrast: standard deviation of luma over plain skin, relative to `low`.
        clear: (V,) float32 in [0, 1] at the face mesh's vertices: 0 where something that is not skin covers the face.
            Told by colour alone: cells of the grid, features aside, whose Lab colour is far from the skin's median.
            Lightness counts half, for one side of a face may lie in shadow.
    """

    def __init__(self, pixels: Pixels, points: Floats) -> None:
        """Measure (H, W, 3) RGB `pixels` with (81, 2) keypoints."""
        colours = _sampled(pixels, points)
        distance = _unlikeness(colours)
        weight = skin_cells() * (1 - _rising(distance, *FOREIGN)) + 1e-4 * skin_cells()
        self.low = _rgb(_smooth(cv2.cvtColor(colours, cv2.COLOR_RGB2LAB), weight))
        detail = (colours @ LUMA) / np.maximum(self.low @ LUMA, 1e-2) - 1
        self.contrast = float(np.sqrt((weight * detail**2).sum() / weight.sum()))
        covered = _rising(distance, *_COVERED) * _beside_features()
        covered = cv2.dilate(covered, np.ones((3, 3), np.uint8)) * _beside_features()
        self.clear = 1 - at_vertices(cv2.GaussianBlur(covered, (0, 0), 0.8))


class Relight:
    """The running tone of one live face."""

    def __init__(self) -> None:
        self._low: Floats | None = None
        self._contrast = 0.0
        self._time = 0.0

    def follow(self, tone: Tone, time_s: float) -> None:
        """Take in the live face's tone of now; those of the last 0.3 s of media time are averaged."""
        share = 1.0 if self._low is None else share_of(time_s - self._time)
        self._low = tone.low if self._low is None else self._low + share * (tone.low - self._low)
        self._contrast += share * (tone.contrast - self._contrast)
        self._time = time_s

    def transfer(self, source: Tone) -> Floats:
        """(V, 7) float32 for each vertex of the face mesh, see `Warp.relight`. `follow` came first.

        Args:
            source: tone of the face that is drawn.
        """
        assert self._low is not None
        low, source_low = at_vertices(self._low), at_vertices(source.low)
        _, colour = _split(low)
        source_luma, source_colour = _split(source_low)
        scale = 1 / np.maximum(source_luma, DARKEST)
        contrast = float(np.clip(self._contrast / max(source.contrast, 1e-3), *CONTRAST))
        # what is brighter or darker than the skin has the live skin's colour; what differs in colour differs as much
        # in relation to the skin as it did in the photo
        alike = (colour * source_colour).sum(axis=1, keepdims=True)
        strength = (source_colour**2).sum(axis=1, keepdims=True)
        tint = BLUSH * np.clip(alike / np.maximum(strength, 1e-5), *COLOUR)
        gain = scale * (contrast * low - tint * source_colour)
        offset = (1 - contrast * scale * source_luma) * low
        return np.column_stack([gain, tint, offset]).astype(np.float32)


def share_of(step_s: float) -> float:
    """How much of a tone is new, so many seconds after the last one."""
    return float(1 - np.exp(-max(step_s, 0.0) / _MEMORY_S))


def _unlikeness(colours: Floats) -> Floats:
    """(GRID, GRID) how far RGB colours of the flat face are from the skin's median, in Lab."""
    plain = skin_cells() > 0.5
    level = float(np.median(colours[plain] @ LUMA))
    lab = cv2.cvtColor(np.minimum(colours * (SKIN_LUMA / max(level, 0.02)), 1), cv2.COLOR_RGB2LAB)
    return np.asarray(np.linalg.norm((lab - np.median(lab[plain], axis=0)) * COVER_AXES, axis=-1), np.float32)


def at_vertices(grid: np.ndarray) -> np.ndarray:
    """(V[, C]) a (GRID, GRID[, C]) map of the flat face at the vertices of the face mesh."""
    at = (face_mesh().uv * GRID - 0.5)[:, None]
    return np.asarray(cv2.remap(grid, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE))[:, 0]


@cache
def _beside_features() -> Floats:
    features = cv2.dilate(feature_mask(), np.ones((5, 5), np.uint8))
    return 1 - np.asarray(cv2.resize(features, (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)


@cache
def grid_weights() -> Floats:
    """(GRID², 81) keypoints → places of the grid's cell centres."""
    centres = (np.arange(GRID) + 0.5) / GRID
    at = np.stack(np.meshgrid(centres, centres), axis=-1).reshape(-1, 2)
    return thin_plate_weights(layout(), at)


@cache
def skin_cells() -> Floats:
    """(GRID, GRID) in [0, 1]: how much of each cell is plain skin."""
    return np.asarray(cv2.resize(skin(), (GRID, GRID), interpolation=cv2.INTER_AREA), np.float32)


def _sampled(pixels: Pixels, points: Floats) -> Floats:
    """(GRID, GRID, 3) RGB in 0..1 of the flat face."""
    at = (grid_weights() @ points.astype(np.float32)).reshape(GRID, GRID, 2)
    at = np.clip(at, -1, [pixels.shape[1], pixels.shape[0]]).astype(np.float32)
    colours = cv2.remap(pixels, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(colours / np.float32(255), np.float32)


def _smooth(lab: Floats, weight: Floats) -> Floats:
    return np.dstack([_blurred(lab[..., i], weight, cells) for i, cells in enumerate(BLUR_CELLS)])


def _blurred(values: Floats, weight: Floats, cells: float) -> Floats:
    spread = _spread(cells)
    weighted, total = (spread @ each @ spread for each in (values * weight, weight))
    return np.asarray(weighted / np.maximum(total, 1e-4), np.float32)


@cache
def _spread(cells: float) -> Floats:
    """(GRID, GRID) symmetric: blurs by a Gaussian along an axis of the grid, beyond which there is nothing.

    `cv2.GaussianBlur` with a kernel twice as wide as the picture takes five times as long.
    """
    reach = round(4 * cells)
    taps = cv2.getGaussianKernel(2 * reach + 1, cells, cv2.CV_32F)[reach:, 0]
    places = np.arange(GRID)
    apart = np.abs(places[:, None] - places)
    return np.where(apart <= reach, taps[np.minimum(apart, reach)], 0).astype(np.float32)


def _rgb(lab: Floats) -> Floats:
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_LAB2RGB))


def _split(rgb: Floats) -> tuple[Floats, Floats]:
    """(..., 1) luma of RGB colours, and (..., 3) what differs from it."""
    luma = (rgb @ LUMA)[..., None]
    return luma, rgb - luma


def _rising(value: Floats, low: float, high: float) -> Floats:
    return np.asarray(np.clip((value - low) / (high - low), 0, 1), np.float32)
