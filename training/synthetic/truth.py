"""A rendered face and everything known about it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.frame import Intrinsics
from training.synthetic.parts import Class


@dataclass(frozen=True, slots=True, eq=False)
class Rendered:
    """One picture. Camera axes: x image right, y down, z away; pixel centres at integers.

    Attributes:
        person: number of who it is.
        picture: (S, S, 3) uint8 RGB as a camera shows it; infrared ones are grey.
        clean: (S, S, 3) uint8 RGB before the sensor's faults.
        depth: (S, S) float32 mm along the camera's axis, 0 = background.
        normals: (S, S, 3) float32 unit, x image right, y UP, z TOWARDS the camera, as normal maps are drawn; 0 =
            background.
        classes: (S, S) uint8 of `training.synthetic.parts.Class`.
        points: (68, 2) float32 pixels, jaw points on the visible contour, as people mark them.
        points_mm: (68, 3) float32 camera axes, jaw points on the jaw line.
        visible: (68,) bool, nothing lies before the point and it lies in the picture.
        rotation: (3, 3) head axes → camera axes.
        angles: (3,) yaw, pitch, roll in degrees, the project's signs.
        centre: (3,) mm, the middle of the skull in camera axes.
        closure: (2,) 0 open … 1 closed, image-left and image-right eye.
        gaze: (2,) degrees to the image right and up, seen from the head.
        camera: of the picture.
        infrared: whether it was lit in the near infrared.
    """

    person: int
    picture: np.ndarray
    clean: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    classes: np.ndarray
    points: np.ndarray
    points_mm: np.ndarray
    visible: np.ndarray
    rotation: np.ndarray
    angles: np.ndarray
    centre: np.ndarray
    closure: np.ndarray
    gaze: np.ndarray
    camera: Intrinsics
    infrared: bool

    @property
    def face(self) -> np.ndarray:
        """(S, S) bool: skin, eyes and mouth of the head, unhidden."""
        return np.isin(self.classes, (Class.SKIN, Class.EYE, Class.MOUTH))
