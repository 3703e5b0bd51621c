"""How far the mouth is open, and yawns."""

from __future__ import annotations

import numpy as np

from realtime.analysis.pose import pose_of
from realtime.frame import Face
from realtime.geometry.topology import LIPS
from realtime.monitor.head import Fit, unit_mm
from realtime.monitor.spans import Lasting, Span

_UNSURE = 0.45
_SIDE_DEG = 55.0
_CLOSES = 0.7  # share of the gap below which a yawn is over


def opening_mm(face: Face, fit: Fit) -> float | None:
    """Gap of the inner lips along the head's own vertical; None where the lips cannot be trusted."""
    if face.confidence[LIPS].mean() < _UNSURE or abs(pose_of(fit.rotation).yaw) > _SIDE_DEG:
        return None
    downward = fit.scale * fit.rotation[:2, 1]
    gap = face.points[[65, 66, 67]].mean(axis=0) - face.points[[61, 62, 63]].mean(axis=0)
    return max(float(gap.astype(np.float64) @ downward / max(downward @ downward, 1e-9)), 0.0) * unit_mm()


class Yawns:
    """Counts wide openings that last.

    Args:
        wide_mm: gap from which the mouth is wide open.
        least_s: how long it has to stay so.
    """

    def __init__(self, wide_mm: float, least_s: float) -> None:
        self._wide = Lasting(on=wide_mm, off=_CLOSES * wide_mm, gap_s=0.5)
        self._least_s = least_s
        self.count = 0

    def __call__(self, opening: float | None, time_s: float) -> Span | None:
        """The yawn that ends in this frame."""
        span = self._wide(opening, time_s)
        if span is None or span.duration_s < self._least_s:
            return None
        self.count += 1
        return span
