"""Painted faces for tests of what comes before them."""

from __future__ import annotations

import cv2
import numpy as np
from faces_making import portrait, posed_face

from engines.networks.occlusion import SIZE
from realtime.frame import Pose
from training.data import FaceSet
from training.occluders.scene import Scene

POSES = (Pose(0, 0, 0), Pose(35, -5, 10), Pose(-30, 10, -15))


def scene_of(pose: Pose = POSES[0], seed: int = 0) -> Scene:
    """The crop of a painted portrait."""
    face = posed_face(pose, 46, (64, 74))
    return Scene(portrait(face.points, (SIZE, SIZE), seed=seed), face.points)


def face_set(count: int = 3) -> FaceSet:
    """So many painted portraits, one in each pose."""
    codes, points = [], []
    for number in range(count):
        face = posed_face(POSES[number % 3], 100, (150, 170))
        picture = portrait(face.points, (300, 300), seed=number)
        codes.append(cv2.imencode(".jpg", picture[..., ::-1])[1].ravel())
        points.append(face.points)
    empty = np.full(count, "")
    return FaceSet("300w", codes, np.stack(points), np.zeros((count, 4), np.float32), empty, np.zeros(count, bool))
