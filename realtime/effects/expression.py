"""Shape and expression kept apart: what of the live face the drawn one follows.

The affine carries the head's place and turn. What it leaves over, the residual, is taken back into the source's own
axes, so that it turns with the head. Its running median is how the two people's faces differ; the rest is expression.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from realtime.frame import Floats
from realtime.geometry.topology import BROWS, EYES, HAIRLINE, JAW, KEYPOINTS, LANDMARKS, LIPS, NOSE

MEMORY_S = 10.0
SAMPLE_S = 0.1
SETTLE_S = 0.4
# lips more than the rest inside: the photo's smile is no feature of its shape; and the brows most: the drawn ones must
# cover the live ones. Both as little as still looks right: more costs likeness (`python -m bench identity`).
_SHAPE_OUTLINE, _SHAPE_INSIDE, _SHAPE_LIPS, _SHAPE_BROWS = 1.0, 0.3, 0.4, 0.7
# Inner-lip points above and below each other, with the outer-lip points that move with them.
_LIP_PAIRS = ((61, 67, 50, 58), (62, 66, 51, 57), (63, 65, 52, 56))


def solve_weights(confidence: Floats) -> Floats:
    """(68,) float32: how much each landmark counts in the affine. Lips and brows move, the skull does not."""
    weights = np.ones(LANDMARKS, np.float32)
    weights[JAW] = 0.5
    weights[6:11] = 0.25  # the chin opens with the mouth
    weights[BROWS] = 0.2
    weights[LIPS] = 0.2
    weights[EYES] = 0.6
    weights[[36, 39, 42, 45]] = 1.5
    weights[NOSE] = 1.5
    return weights * np.maximum(confidence[:LANDMARKS], 0.05)


class Residual:
    """The running split of one live face against one source view.

    Sampled ten times a second over ten seconds of media time, so that a file gives the same result every time.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, Floats]] = deque()
        self._median: Floats | None = None
        self._shape: Floats | None = None
        self._time = 0.0

    def split(self, residual: Floats, time_s: float) -> tuple[Floats, Floats]:
        """Take the residual of now and give (shape, expression), which add up to it.

        Args:
            residual: (81, 3) float32 in the source's axes.
            time_s: media time in seconds.
        """
        if not self._samples or time_s - self._samples[-1][0] >= SAMPLE_S - 1e-6:
            self._samples.append((time_s, residual))
            while time_s - self._samples[0][0] > MEMORY_S:
                self._samples.popleft()
            self._median = np.median(np.stack([sample for _, sample in self._samples]), axis=0)
        assert self._median is not None
        if self._shape is None:
            self._shape = self._median
        share = 1 - np.exp(-max(time_s - self._time, 0.0) / SETTLE_S)
        self._shape = (self._shape + share * (self._median - self._shape)).astype(np.float32)
        self._time = time_s
        return self._shape, residual - self._shape


def into_source(affine: np.ndarray, residual: np.ndarray) -> Floats:
    """(81, 3) residual in the source's axes: the smallest displacement there that the affine maps onto `residual`.

    Args:
        affine: (2, 4) source → picture.
        residual: (81, 2) picture pixels.
    """
    linear = affine[:, :3]
    moved: Floats = (residual @ np.linalg.pinv(linear).T).astype(np.float32)
    return moved


def shape_gain(shape: float | None) -> Floats:
    """(81, 1) float32: how much of the shape difference is followed; None: all of it along the outline, 0.3
    inside, 0.4 at the lips, 0.7 at the brows."""
    if shape is not None:
        return np.full((KEYPOINTS, 1), shape, np.float32)
    gain = np.full((KEYPOINTS, 1), _SHAPE_INSIDE, np.float32)
    gain[LIPS] = _SHAPE_LIPS
    gain[BROWS] = _SHAPE_BROWS
    gain[JAW] = _SHAPE_OUTLINE
    gain[HAIRLINE] = _SHAPE_OUTLINE
    return gain


def match_mouth(points: Floats, live: Floats, strength: float) -> Floats:
    """Open the drawn mouth exactly as far as the live one is open, whatever the photo's mouth did.

    Args:
        points: (81, 2) drawn keypoints in picture pixels.
        live: (81, 2) live keypoints.
        strength: 0 leaves the mouth alone, 1 matches it.

    Returns:
        (81, 2) float32; upper and lower lip have moved towards or from each other by the same amount.
    """
    out = points.copy()
    up = _up(live)
    for upper, lower, outer_upper, outer_lower in _LIP_PAIRS:
        wanted = (live[lower] - live[upper]) @ -up
        change = 0.5 * strength * (max(wanted, 0.0) - (points[lower] - points[upper]) @ -up)
        out[[upper, outer_upper]] += change * up
        out[[lower, outer_lower]] -= change * up
    return out


def _up(points: Floats) -> Floats:
    """(2,) unit vector towards the top of the head, square to the eye line."""
    right = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
    up = np.array([right[1], -right[0]])
    return np.asarray(up / max(float(np.linalg.norm(up)), 1e-6), np.float32)
