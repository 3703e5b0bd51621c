"""Where this driver's head points when they look at the road: learned in the first minute, and adapted ever after."""

from __future__ import annotations

import numpy as np

from realtime.frame import Pose

LEARN_S = 60.0
# Until so much was seen no neutral is claimed; from then on it is the median of what was seen so far.
FIRST_S = 3.0
_STEP_S = 0.1  # samples kept of the first minute
_ADAPT_S = 120.0
# Later, only heads this near to the neutral move it: a long look away is none.
_NEAR_DEG = 12.0


class Neutral:
    """Yaw and pitch of the driver at rest."""

    def __init__(self) -> None:
        self._first: list[tuple[float, float]] = []
        self._seen_s = 0.0
        self._kept_s = -_STEP_S
        self._place: np.ndarray | None = None

    @property
    def learning(self) -> bool:
        """Whether the first minute is not over."""
        return self._seen_s < LEARN_S

    @property
    def place(self) -> tuple[float, float] | None:
        """(yaw, pitch) in degrees, None in the first seconds."""
        return None if self._place is None else (float(self._place[0]), float(self._place[1]))

    def add(self, pose: Pose, step_s: float) -> None:
        """A head that was seen so for `step_s` seconds."""
        now = np.array([pose.yaw, pose.pitch])
        self._seen_s += step_s
        if self._seen_s <= LEARN_S:
            if self._seen_s - self._kept_s >= _STEP_S:
                self._first.append((pose.yaw, pose.pitch))
                self._kept_s = self._seen_s
                if self._seen_s >= FIRST_S:
                    self._place = np.median(self._first, axis=0)
        elif self._place is not None and np.abs(now - self._place).max() < _NEAR_DEG:
            self._place = self._place + (1 - np.exp(-step_s / _ADAPT_S)) * (now - self._place)

    def turned(self, pose: Pose) -> tuple[float, float] | None:
        """(yaw, pitch) in degrees against the neutral."""
        return None if self._place is None else (pose.yaw - float(self._place[0]), pose.pitch - float(self._place[1]))
