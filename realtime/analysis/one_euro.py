"""Steady keypoints: the One-Euro filter (Casiez, Roussel, Vogel, CHI 2012) applied to a whole face.

A One-Euro filter is a low pass whose cut-off rises with speed: strong at rest, where jitter shows, weak in motion,
where lag shows. Applied to each point alone it lets the noise through while the head turns, and leaves points behind
that the network is unsure of. Here the motion of the head comes first, an affine map of [x y z 1] fitted to all points
at once and therefore nearly free of noise, which carries the unsure ones along; what is left of each point (its
expression, and its noise) is smoothed on its own. Measured at equal lag against one filter per point: half the jitter
in a slow turn, half the error of hidden points.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.analysis.pose import RIGIDITY
from realtime.frame import Floats
from realtime.geometry.topology import EYES, KEYPOINTS, LANDMARKS, LIPS


@dataclass(frozen=True, slots=True)
class Strength:
    """How much to smooth. Lengths are in face radii (the rms distance of the landmarks from their mean).

    Attributes:
        motion_hz, shape_hz: cut-off at rest of the head's motion, and of the points against it.
        motion_gain, shape_gain: how fast the cut-offs rise, Hz per face radius per second.
        feature_gain: the same for what moves fast by nature, eyelids and lips.
        speed_hz: cut-off of the speed estimate itself.
        sure: points of less confidence follow more slowly and count less for the motion, by the square of the ratio.
        gap_s: after a longer pause the filter starts anew.
    """

    motion_hz: float = 1.0
    shape_hz: float = 1.0
    motion_gain: float = 12.0
    shape_gain: float = 5.0
    feature_gain: float = 40.0
    speed_hz: float = 2.0
    sure: float = 0.6
    gap_s: float = 0.5


class FaceFilter:
    """Smooths the 81 points of one face over time; knows time only from its argument, so files repeat exactly.

    Attributes:
        gains: (81,) how fast the cut-off of each point rises, see `Strength`.
    """

    def __init__(self, strength: Strength | None = None) -> None:
        self._strength = strength or Strength()
        self.gains = np.full(KEYPOINTS, self._strength.shape_gain)
        self.gains[np.concatenate([EYES, LIPS])] = self._strength.feature_gain
        self._time: float | None = None
        self._points = np.zeros((KEYPOINTS, 2))
        self._motion = np.zeros((KEYPOINTS, 2))  # speed of each point with the head, face radii per second, low-passed
        self._change = np.zeros((KEYPOINTS, 2))  # speed of each point against the head

    def reset(self) -> None:
        """Forget the past: the next points come back as they are."""
        self._time = None

    def __call__(self, points: Floats, confidence: Floats, time_s: float, depth: Floats | None = None) -> Floats:
        """Smoothed points at `time_s`.

        Args:
            points: (81, 2) pixels as the network gave them.
            confidence: (81,) in [0, 1]; points the network is unsure of follow more slowly.
            time_s: media time in seconds; where it stands still or runs backwards the last points are returned.
            depth: (81,) depth of the points returned last, in any scale: with it a turn of the head counts as motion,
                not as a change of shape. None does without.

        Returns:
            (81, 2) float32 pixels.
        """
        step = np.inf if self._time is None else time_s - self._time
        if step > self._strength.gap_s:
            self._time, self._points = time_s, points.astype(np.float64)
            self._motion[:] = self._change[:] = 0
        elif step > 0:
            trust = np.square(np.clip(confidence / self._strength.sure, 0.1, 1))
            self._advance(points, trust, step, depth)
            self._time = time_s
        return self._points.astype(np.float32)

    def _advance(self, points: Floats, trust: Floats, step: float, depth: Floats | None) -> None:
        strength = self._strength
        motion = _motion(self._points, points, trust * RIGIDITY, depth)
        change = points - self._points - motion
        centred = self._points[:LANDMARKS] - self._points[:LANDMARKS].mean(axis=0)
        per_second = 1 / (step * max(np.sqrt(np.vdot(centred, centred) / LANDMARKS), 1e-6))
        steady = _share(strength.speed_hz, step)
        self._motion += steady * (motion * per_second - self._motion)
        self._change += steady * (change * per_second - self._change)
        speed = np.sqrt(np.vdot(self._motion, self._motion) / KEYPOINTS)
        speeds = np.sqrt(np.square(self._change).sum(axis=1))
        of_motion = _share(strength.motion_hz + strength.motion_gain * speed, step)
        of_change = _share((strength.shape_hz + self.gains * speeds) * trust, step)
        self._points = self._points + of_motion * motion + of_change[:, None] * change


def _share(cutoff_hz: np.ndarray | float, step_s: float) -> np.ndarray:
    """Share of the way an exponential low pass goes in one step, the same however time is cut into steps."""
    return np.asarray(1 - np.exp(-2 * np.pi * step_s * np.asarray(cutoff_hz)))


def _motion(last: np.ndarray, points: Floats, weights: np.ndarray, depth: Floats | None) -> np.ndarray:
    """(81, 2) what an affine map of [x y (z) 1], fitted to the weighted points, moves the last points by."""
    columns = last if depth is None else np.column_stack([last, depth])
    share = weights / weights.sum()
    columns = columns - share @ columns
    shift = points - last
    weighted = columns.T * share
    gram = weighted @ columns
    # Keeps columns that are nearly alike (a depth that follows x, points on a line) from fitting noise.
    gram[np.diag_indices_from(gram)] += 1e-3 * gram.diagonal() + 1e-12
    return np.asarray(share @ shift + columns @ np.linalg.solve(gram, weighted @ shift))
