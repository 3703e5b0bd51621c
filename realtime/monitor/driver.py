"""Which of the faces is the driver: the largest one, or the largest in a region, for as long as it is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.frame import Face

# x, y, width, height as shares of the picture
Region = tuple[float, float, float, float]
EVERYWHERE: Region = (0.0, 0.0, 1.0, 1.0)

# Somebody this much larger for this long has taken the driver's place (the first face found may be a passenger's).
_LARGER, _LARGER_S = 1.3, 3.0
_NEAR, _ALIKE = 1.2, 1.6  # who comes back within so many face sizes, and so alike in size, is the same person


@dataclass(slots=True)
class _Place:
    """Where the driver was seen last: centre and size in pixels, and when."""

    centre: np.ndarray
    size: float
    time_s: float


class Driver:
    """Chooses in each frame.

    Args:
        region: where the driver sits.
        new_driver_s: whoever appears after so long without a driver is a new one.
    """

    def __init__(self, region: Region = EVERYWHERE, new_driver_s: float = 10.0) -> None:
        self._region, self._new_driver_s = region, new_driver_s
        self._id: int | None = None
        self._place: _Place | None = None
        self._larger_since: float | None = None

    def choose(self, faces: tuple[Face, ...], size: tuple[int, int], time_s: float) -> tuple[Face | None, bool]:
        """The driver's face in a picture of (width, height), None where it is not seen, and whether it is a new driver
        who took the place of another."""
        seen = [face for face in faces if face.lost == 0 and face.depth is not None and self._within(face, size)]
        largest = max(seen, key=_size, default=None)
        current = next((face for face in seen if face.id == self._id), None)
        if largest is None:
            return None, False
        if current is None:
            if any(face.id == self._id for face in faces):  # the tracker still hopes to find it
                return None, False
            return self._take(largest, time_s)
        overtaken = largest is not current and _size(largest) > _LARGER * _size(current)
        self._larger_since = (self._larger_since or time_s) if overtaken else None
        if self._larger_since is not None and time_s - self._larger_since >= _LARGER_S:
            return self._take(largest, time_s)[0], True
        self._place = _Place(_centre(current), _size(current), time_s)
        return current, False

    def _take(self, face: Face, time_s: float) -> tuple[Face, bool]:
        before, first = self._place, self._id is None
        self._id, self._place, self._larger_since = face.id, _Place(_centre(face), _size(face), time_s), None
        return face, not first and (before is None or not self._same(before, face, time_s))

    def _same(self, before: _Place, face: Face, time_s: float) -> bool:
        alike = 1 / _ALIKE <= _size(face) / before.size <= _ALIKE
        near = np.linalg.norm(_centre(face) - before.centre) <= _NEAR * before.size
        return bool(alike and near and time_s - before.time_s < self._new_driver_s)

    def _within(self, face: Face, size: tuple[int, int]) -> bool:
        x, y = (_centre(face) + 0.5) / size
        left, top, width, height = self._region
        return bool(left <= x <= left + width and top <= y <= top + height)


def _centre(face: Face) -> np.ndarray:
    x, y, width, height = face.box
    return np.array([x + width / 2, y + height / 2])


def _size(face: Face) -> float:
    return max(face.box[2:])
