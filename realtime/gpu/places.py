"""Where the GPU has the keypoints of faces."""

from __future__ import annotations

from collections.abc import Collection

from engines.runtime.base import DeviceArray
from engines.runtime.cuda import Memory
from realtime.frame import Face
from realtime.gpu.following import Exchange
from realtime.gpu.kernels import SEEN, Kernels
from realtime.gpu.twins import Twins


class Places:
    """Finds the rows of SEEN that the analysis left there, and sends what is not there; used by one thread.

    Args:
        faces: knows where the points and depths of known faces are.
        kernels: on whose stream faces are sent.
    """

    def __init__(self, faces: Twins, kernels: Kernels) -> None:
        self._faces, self._kernels = faces, kernels
        self._memory = Memory()
        self._sent = Exchange(self._memory, SEEN)

    def __call__(self, faces: Collection[Face]) -> dict[int, DeviceArray]:
        """By face id a row of SEEN, whose points, confidence and depth (where the face has one) are right for what is
        put on the stream from now on, until faces are asked for again; at most 16."""
        rows, strangers = {}, 0
        for face in faces:
            row = self._faces.find(face.points)
            if row is None or (face.depth is not None and self._faces.find(face.depth) != row):
                here = self._sent.here[strangers]
                here["points"], here["confidence"] = face.points, face.confidence
                here["depth"] = 0 if face.depth is None else face.depth
                row = self._sent.there.item(strangers)
                strangers += 1
            rows[face.id] = row
        if strangers:
            self._sent.send(strangers, self._kernels.stream)
        return rows


def address(row: DeviceArray, name: str) -> int:
    """Of a field of a row of SEEN."""
    assert SEEN.fields is not None
    return row.pointer + int(SEEN.fields[name][1])
