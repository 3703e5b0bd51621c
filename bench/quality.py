"""What makes a drawn face pass for a real one, as numbers: pure functions of pictures, masks, points and features.

Seam energy, kernel distance to real faces, landmark drift, identity and flicker: the measures of the repair network
and of the swap. Grey levels run from 0 to 255.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime.frame import Floats, Pixels
from realtime.geometry.mesh import OUTLINE
from realtime.geometry.topology import LANDMARKS, eye_distance

BAND = 4  # pixels, the width of the seam
_LEAST_SPREAD = 0.05  # of the mean deviation: a feature that hardly ever changes must not decide a distance


def face_mask(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: inside the outline, chin to hairline, of (81, 2) keypoints in a picture of (width, height)."""
    mask = np.zeros((size[1], size[0]), np.uint8)
    cv2.fillPoly(mask, [np.round(points[OUTLINE] * 16).astype(np.int32)], 1, shift=4)
    return mask > 0


def seam_band(mask: np.ndarray, width: int = BAND) -> np.ndarray:
    """(H, W) bool: half of `width` pixels on either side of the mask's edge; the picture's own border is no edge."""
    square = np.ones((width + 1, width + 1), np.uint8)
    filled = mask.astype(np.uint8)
    grown, shrunk = (change(filled, square, borderType=cv2.BORDER_REPLICATE) for change in (cv2.dilate, cv2.erode))
    return np.asarray(grown > shrunk)


def seam_energy(picture: Pixels, band: np.ndarray) -> float:
    """Mean gradient magnitude, grey levels per pixel, of an (H, W, 3) RGB picture in a band (H, W) of `seam_band`.

    Compare it with that of the real picture in the same place: a seam has more, a smear has less.
    """
    down, right = np.gradient(_luma(picture))
    return float(np.hypot(down, right)[band].mean())


def landmark_drift(before: np.ndarray, after: np.ndarray) -> float:
    """Mean distance of the 68 landmarks of (81, 2) keypoints, in percent of the eye distance before."""
    away = np.linalg.norm(after[:LANDMARKS] - before[:LANDMARKS], axis=1).mean()
    return float(100 * away / eye_distance(before))


def cosine(first: np.ndarray, second: np.ndarray) -> float:
    """Of two vectors, in -1..1."""
    return float(first @ second / (np.linalg.norm(first) * np.linalg.norm(second)))


def flow_between(previous: Pixels, current: Pixels) -> Floats:
    """(H, W, 2) float32: where each pixel of `current` was in `previous`, as x and y offsets (Kroeger et al. 2016)."""
    first, second = (cv2.cvtColor(each, cv2.COLOR_RGB2GRAY) for each in (current, previous))
    search = cv2.DISOpticalFlow_create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    return np.asarray(search.calc(first, second, None), np.float32)


def flicker(previous: Pixels, current: Pixels, flow: Floats, mask: np.ndarray) -> float:
    """Mean difference, in grey levels, of a picture from the one before, moved along `flow`, within a mask (H, W).

    With the picture's own flow this is flicker alone; with that of the video it was drawn into, also what moves
    otherwise.
    """
    height, width = mask.shape
    at = np.dstack(np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))) + flow
    inside = mask & (at >= 0).all(axis=2) & (at[..., 0] <= width - 1) & (at[..., 1] <= height - 1)
    if not inside.any():
        return 0.0
    moved = cv2.remap(previous.astype(np.float32), at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return float(np.abs(current - moved).mean(axis=2)[inside].mean())


@dataclass(frozen=True, slots=True)
class Distance:
    """A kernel distance with its 95 % interval."""

    value: float
    low: float
    high: float


def kernel_distance(
    first: np.ndarray,
    second: np.ndarray,
    groups: np.ndarray | None = None,
    real_groups: np.ndarray | None = None,
    less: np.ndarray | None = None,
    resampled: int = 200,
    seed: int = 0,
) -> Distance:
    """KID (Bińkowski et al. 2018): squared maximum mean discrepancy under k(x, y) = (x·y / d + 1)³, unbiased.

    Features are brought to the real ones' mean and deviation first. It may be negative: two samples of one kind of
    pictures are closer than chance about half of the time.

    Args:
        first: (N, d) features of the pictures in question.
        second: (M, d) features of real pictures.
        groups: (N,) or (N, G) what belongs together in `first`, say what was drawn into one picture and, in another
            column, what was drawn from one photo: pictures that share any are alike without being drawn alike, and are
            never compared with each other. Those of the first column are resampled as a whole. None: each its own.
        real_groups: likewise of `second`, say frames of one clip.
        less: (N, d) features of the same pictures in another state, whose distance is taken off: the interval of such
            a difference is much narrower than either distance's.
        resampled: bootstrap samples for the interval. Rows drawn twice are not compared with themselves.
        seed: of the resampling.
    """
    middle, spread = second.mean(axis=0, dtype=np.float64), second.std(axis=0, dtype=np.float64)
    states = [first] if less is None else [first, less]
    *xs, y = ((part - middle) / np.maximum(spread, _LEAST_SPREAD * spread.mean()) for part in (*states, second))
    (number, apart), (real_number, real_apart) = _grouped(len(first), groups), _grouped(len(second), real_groups)
    kernels = [(_cubic(x, x) * apart, _cubic(x, y)) for x in xs]
    real = _cubic(y, y) * real_apart

    def value(drawn: np.ndarray, others: np.ndarray) -> float:
        pairs = float(drawn @ apart @ drawn)
        own = _share(others @ real @ others, others @ real_apart @ others)
        distances = [
            _share(drawn @ xx @ drawn, pairs) + own - 2 * float(drawn @ xy @ others) / (drawn.sum() * others.sum())
            for xx, xy in kernels
        ]
        return distances[0] - sum(distances[1:])

    rng = np.random.default_rng(seed)
    values = [value(_redrawn(number, rng), _redrawn(real_number, rng)) for _ in range(resampled)]
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return Distance(value(np.ones(len(first)), np.ones(len(y))), float(low), float(high))


def _grouped(count: int, groups: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """(N,) the number of each row's first group, and (N, N) bool, which rows share no group."""
    columns = np.arange(count)[:, None] if groups is None else groups.reshape(count, -1)
    return np.unique(columns[:, 0], return_inverse=True)[1], (columns[:, None] != columns[None]).all(axis=2)


def _redrawn(number: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(N,) how often each row is in a sample of as many groups, drawn with replacement."""
    many = int(number.max()) + 1
    return np.bincount(rng.integers(0, many, many), minlength=many)[number]


def _cubic(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.asarray((x @ y.T / x.shape[1] + 1) ** 3)


def _share(total: float, pairs: float) -> float:
    return float(total) / float(pairs) if pairs else float("nan")


def _luma(picture: Pixels) -> np.ndarray:
    return np.asarray(picture.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))
