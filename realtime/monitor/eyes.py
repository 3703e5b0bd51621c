"""How far the eyes are closed: the gap of the lids in millimetres, against what is wide open for this person."""

from __future__ import annotations

import numpy as np

from realtime.analysis.pose import pose_of
from realtime.frame import Face
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from realtime.monitor.head import Fit, unit_mm
from realtime.monitor.reading import Doubt, Eye

# Lid landmarks of closed eyes do not meet: they stop at 0.2 to 0.5 of the open gap. With this share a closure of 0.8 is
# what best parts the open from the closed eyes labelled in the clips (bench/clip_labels.py).
CLOSED_SHARE = 0.42
# Yaw against the camera's ray beyond which the far eye hides behind the nose, and the near one is seen from the side.
_FAR_DEG, _NEAR_DEG = 38.0, 60.0
_PITCH_DEG = 40.0
_UNSURE = 0.45
_LEAST_PX = 7.0  # width of an eye whose lids can still be told apart
_USUAL_MM, _USUAL_S = 7.0, 0.5  # an open eye, as if seen for so long before the person's own
_BIN_MM = 0.25
_BINS = 80
_OPEN_QUANTILE = 0.85
_FORGET_S = 180.0
_KNOWN_S = 10.0
# A gap above this share of the known level says something about the level; before it is known, any gap above this.
_OPEN, _LEAST_MM = 0.6, 2.5


def aperture_mm(face: Face, fit: Fit, eye: np.ndarray) -> float:
    """The lid gap of six eye landmarks along the head's own vertical, so that a nod alone does not change it."""
    upward = fit.scale * fit.rotation[:2, 1]  # what one unit down the face is in pixels
    points = face.points[eye].astype(np.float64)
    gap = (points[4] + points[5] - points[1] - points[2]) / 2
    return float(gap @ upward / max(upward @ upward, 1e-9)) * unit_mm()


def hidden(face: Face, fit: Fit, which: int) -> Doubt | None:
    """Why eye 0 (image left) or 1 (image right) cannot be judged by its landmarks, or None where it can."""
    eye = (LEFT_EYE, RIGHT_EYE)[which]
    pose = pose_of(fit.rotation)
    far = pose.yaw < 0 if which == 0 else pose.yaw > 0  # the nose points at the far eye's side
    if abs(pose.yaw) > (_FAR_DEG if far else _NEAR_DEG) or abs(pose.pitch) > _PITCH_DEG:
        return Doubt.PROFILE
    if np.linalg.norm(face.points[eye[3]] - face.points[eye[0]]) < _LEAST_PX:
        return Doubt.SMALL
    if face.confidence[eye].mean() < _UNSURE:
        return Doubt.COVERED
    return None


class Lids:
    """One eye over time: learns its wide-open gap.

    The level is a high quantile of the gaps seen, old ones forgotten. Gaps that may be a closed eye are left out, so
    that a sleeping driver does not become the new normal.
    """

    def __init__(self) -> None:
        self._weights = np.zeros(_BINS)
        self._weights[int(_USUAL_MM / _BIN_MM)] = _USUAL_S

    @property
    def open_mm(self) -> float:
        """The gap of the wide-open eye."""
        total = np.cumsum(self._weights)
        return float(np.searchsorted(total, _OPEN_QUANTILE * total[-1]) + 0.5) * _BIN_MM

    def closure(self, gap_mm: float, step_s: float) -> float:
        """0 open … 1 closed, and the level moved on by a gap that was seen for `step_s` seconds."""
        level = self.open_mm
        known = self._weights.sum() > _KNOWN_S
        if gap_mm > (_OPEN * level if known else _LEAST_MM):
            self._weights *= np.exp(-step_s / _FORGET_S)
            self._weights[min(int(max(gap_mm, 0.0) / _BIN_MM), _BINS - 1)] += step_s
        return closure_of(gap_mm, level)


def closure_of(gap_mm: float, open_mm: float) -> float:
    """Share of the way from open to closed, in [0, 1]."""
    return float(np.clip((1 - gap_mm / open_mm) / (1 - CLOSED_SHARE), 0, 1))


class Eyes:
    """Both eyes of one driver over time."""

    def __init__(self) -> None:
        self._lids = (Lids(), Lids())

    def __call__(self, face: Face, fit: Fit, doubt: Doubt | None, step_s: float) -> tuple[Eye, Eye]:
        """Image-left and image-right eye; `doubt` is why neither can be judged whatever the landmarks say."""
        left, right = (
            self._eye(
                which, aperture_mm(face, fit, (LEFT_EYE, RIGHT_EYE)[which]), doubt or hidden(face, fit, which), step_s
            )
            for which in (0, 1)
        )
        return left, right

    def _eye(self, which: int, gap_mm: float, doubt: Doubt | None, step_s: float) -> Eye:
        if doubt is not None:
            return Eye(gap_mm, None, doubt)
        return Eye(gap_mm, self._lids[which].closure(gap_mm, step_s))


def both(eyes: tuple[Eye, Eye]) -> float | None:
    """Closure of the more open eye: a wink, or a lash that hides one eye, is no sleep."""
    known = [eye.closure for eye in eyes if eye.closure is not None]
    return min(known) if known else None
