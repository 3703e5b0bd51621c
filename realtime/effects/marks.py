"""The bare results of the analysis: the mesh's wires, the keypoints with their confidence."""

from __future__ import annotations

import numpy as np

from realtime.controls import Settings
from realtime.effects.base import Effect
from realtime.frame import Drawn, Face, Floats, Frame
from realtime.geometry.mesh import face_mesh
from realtime.geometry.topology import LANDMARKS
from realtime.geometry.views import view_depth
from realtime.render.canvas import Canvas


class Wires(Effect):
    """The lifted mesh as lines, nearer ones brighter."""

    def __init__(self) -> None:
        self._mesh = face_mesh()
        self._edges = self._mesh.edges()

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        for face in faces:
            depth = np.zeros(len(face.points), np.float32) if face.depth is None else face.depth
            solid = self._mesh.weights @ np.column_stack([face.points, depth])
            flat = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], np.float32)
            near = 0.5 - 0.5 * view_depth(flat, solid)
            colour = np.column_stack([0.35 + 0.65 * near, 0.6 + 0.4 * near, np.full_like(near, 1.0)])
            canvas.lines(self._edges, solid[:, :2], _with_alpha(colour, 0.4 + 0.6 * near))
        return {}


class Dots(Effect):
    """The keypoints: green where trusted, red where not; the forehead in blue."""

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        for face in faces:
            sure = face.confidence
            colour = np.column_stack([1 - sure, sure, np.full_like(sure, 0.1)])
            colour[LANDMARKS:] = (0.2, 0.5, 1.0)
            size = max(2.0, max(face.box[2:]) / 70)
            canvas.dots(face.points, np.full((len(sure), 4), (0, 0, 0, 0.6), np.float32), size + 2)
            canvas.dots(face.points, _with_alpha(colour, np.ones_like(sure)), size)
        return {}


class Nothing(Effect):
    """The picture as it came (mode `off`)."""

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        return {}


def _with_alpha(colour: np.ndarray, alpha: np.ndarray) -> Floats:
    packed: Floats = np.column_stack([colour * alpha[:, None], alpha]).astype(np.float32)
    return packed
