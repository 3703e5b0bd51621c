"""Rotate and frontalise: the live head turned to another pose, its surroundings following softly."""

from __future__ import annotations

import numpy as np

from realtime.analysis.pose import rotation_of
from realtime.controls import Settings
from realtime.effects.base import Effect
from realtime.effects.patch import face_patch
from realtime.effects.turning import HostTurner, Turn, Turner
from realtime.frame import Drawn, Face, Frame, Pose
from realtime.geometry.topology import LANDMARKS
from realtime.render.canvas import Canvas

SWEEP_DEG = 45.0
SWEEP_S = 6.0


class Rotate(Effect):
    """Turns each head by the settings' yaw, pitch and roll, or by the sweep 0 → +45° → -45° → 0.

    Args:
        turner: makes the turned heads; by default on the host.
    """

    synthetic = True

    def __init__(self, turner: Turner | None = None) -> None:
        self._turner = turner or HostTurner()

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        # the furthest face first: nearer ones, which are larger, cover it
        lifted = sorted((face for face in faces if face.depth is not None), key=lambda face: face.box[2])
        turned = self._turner.turn([Turn(face, self._rotation(face, frame, settings)) for face in lifted])
        drawn = {}
        for face, model in zip(lifted, turned, strict=True):
            if model is not None and face.depth is not None:
                canvas.draw(face_patch(face.id, model.warp))
                drawn[face.id] = Drawn(model.affine, face.depth[:LANDMARKS], face.landmarks)
        return drawn

    def _rotation(self, face: Face, frame: Frame, settings: Settings) -> np.ndarray:
        yaw = sweep_yaw(frame.time_s) if settings.sweep else settings.yaw
        return rotation_of(Pose(yaw, settings.pitch, settings.roll))


class Frontalise(Rotate):
    """Turns each head to face the camera."""

    def _rotation(self, face: Face, frame: Frame, settings: Settings) -> np.ndarray:
        return rotation_of(face.pose).T


def sweep_yaw(time_s: float) -> float:
    """Yaw of the camera sweep in degrees: 0 → +45 → -45 → 0, once in six seconds."""
    return float(SWEEP_DEG * 2 / np.pi * np.arcsin(np.sin(2 * np.pi * time_s / SWEEP_S)))
