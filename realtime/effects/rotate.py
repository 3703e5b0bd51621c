"""Rotate and frontalise: the live head turned to another pose, its surroundings following softly."""

from __future__ import annotations

import numpy as np

from engines.lstsq import solve
from realtime.analysis.pose import rotation_of
from realtime.controls import Settings
from realtime.effects.base import Effect
from realtime.effects.patch import face_patch
from realtime.frame import Drawn, Face, Floats, Frame, Pose
from realtime.geometry.mesh import head_mesh
from realtime.geometry.topology import LANDMARKS, eye_distance
from realtime.geometry.views import view_depth
from realtime.render.canvas import Canvas
from realtime.render.surface import Warp

SWEEP_DEG = 45.0
SWEEP_S = 6.0
# The head turns about a point this far behind the mean of the landmarks, in eye distances. That is nearer than a neck:
# turned about the neck, the face would move further aside, and the lines behind the head would bend more.
_PIVOT = 0.55


class Rotate(Effect):
    """Turns each head by the settings' yaw, pitch and roll, or by the sweep 0 → +45° → -45° → 0."""

    synthetic = True

    def __init__(self) -> None:
        self._mesh, self._anchors, self._follow = head_mesh()
        self._face_count = len(self._mesh.uv) - len(self._anchors)

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        drawn = {}
        for face in sorted(faces, key=lambda face: face.box[2]):
            if face.depth is None:
                continue
            affine = self._affine(face, self._rotation(face, frame, settings))
            if np.isfinite(affine).all():
                canvas.draw(face_patch(face.id, self._warp(face, affine)))
                drawn[face.id] = Drawn(affine, face.depth[:LANDMARKS], face.landmarks)
        return drawn

    def _rotation(self, face: Face, frame: Frame, settings: Settings) -> np.ndarray:
        yaw = sweep_yaw(frame.time_s) if settings.sweep else settings.yaw
        return rotation_of(Pose(yaw, settings.pitch, settings.roll))

    def _affine(self, face: Face, rotation: np.ndarray) -> Floats:
        """(2, 4) live keypoints with depth → the keypoints of the turned head, by least squares."""
        solid = _solid(face)
        pivot = solid.mean(axis=0) + np.array([0, 0, _PIVOT * float(eye_distance(solid))])
        turned = (solid - pivot) @ rotation.T + pivot
        affine: Floats = solve(solid[None].astype(np.float32), turned[None, :, :2].astype(np.float32))[0]
        return affine

    def _warp(self, face: Face, affine: Floats) -> Warp:
        assert face.depth is not None
        source = self._mesh.weights @ face.points
        vertices = np.column_stack([source, self._mesh.weights @ face.depth])
        position = source.copy()
        inner = slice(0, self._face_count)
        position[inner] = vertices[inner] @ affine[:, :3].T + affine[:, 3]
        movement = position[self._anchors] - source[self._anchors]
        position[self._face_count :] += self._follow[:, None] * movement
        depth = view_depth(affine, vertices)
        # what surrounds the face lies behind all of it
        depth[inner] = depth[inner] * 0.5 - 0.5
        depth[self._face_count :] = 0.9 - 0.4 * self._follow
        return Warp(self._mesh, np.column_stack([position, depth]), source)


class Frontalise(Rotate):
    """Turns each head to face the camera."""

    def _rotation(self, face: Face, frame: Frame, settings: Settings) -> np.ndarray:
        return rotation_of(face.pose).T


def sweep_yaw(time_s: float) -> float:
    """Yaw of the camera sweep in degrees: 0 → +45 → -45 → 0, once in six seconds."""
    return float(SWEEP_DEG * 2 / np.pi * np.arcsin(np.sin(2 * np.pi * time_s / SWEEP_S)))


def _solid(face: Face) -> np.ndarray:
    assert face.depth is not None
    return np.column_stack([face.landmarks, face.depth[:LANDMARKS]]).astype(np.float64)
