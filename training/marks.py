"""Where people put the 68 landmarks on a head, against the vertices that the morphable model has for them.

They differ by 2 % of the eye distance at the eyes and 6 % at the jaw, so that shapes learned from the one are misread
from the other: heads seem raised by a degree or two. What two ways of labelling a head disagree about is fixed to the
head, an offset in its axes; what an estimator gets wrong changes with pose and light. So the offsets that explain best
what estimators trained on people's labels see on rendered heads in many poses, whose place in space is known, are where
people mark. Fits to hand-made labels leave the same at chin, jaw and wings of the nose.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from realtime.analysis.pose import rotation_of
from realtime.frame import Pose
from realtime.geometry.topology import FLIP, LANDMARKS
from realtime.monitor.head import sensor_depths
from training.synthetic.stock import Kept

MARKS = Path(__file__).with_name("marks.csv")
EYES_MM = 89.2  # between the outer eye corners of the model's mean face
# Upper and lower points of lids and inner lips: how far they are open is the face's doing, or a slip of estimators.
OPPOSITE = np.array([(37, 41), (38, 40), (43, 47), (44, 46), (61, 67), (62, 66), (63, 65)])
RIDGE = 0.05  # of the mean square: how far a landmark lies in depth is seen in turned heads alone
OFF_FACE_MM = 25.0  # from the model's landmark: a surface further off is that of hair, a hand or glasses


def marks() -> np.ndarray:
    """(68, 3) float32 what to add to the model's landmarks: outer-eye distances of its mean face, head axes.

    As measured and written by `python -m training marks`.
    """
    return np.loadtxt(MARKS, np.float32, delimiter=",")


def marked(face: Kept, marks: np.ndarray) -> np.ndarray:
    """(68, 2) float32 pixels of a rendered head's landmarks, moved by `marks`."""
    return np.asarray(face.points + np.einsum("kij,kj->ki", pixels_per_unit(face), marks), np.float32)


def pixels_per_unit(face: Kept) -> np.ndarray:
    """(68, 2, 3) pixels that an offset of one (mean) eye distance along the head's axes moves each landmark by."""
    axes = rotation_of(Pose(*face.angles.tolist()))[:2]
    return np.asarray(EYES_MM * face.camera.fx / face.points_mm[:, 2, None, None] * axes)


def head_offsets(turned: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """(68, D) offsets o in head axes with about the least squared error of moves = turned · o.

    They are mirror-symmetric, and open or close neither lids nor lips.

    Args:
        turned: (M, 68, 2, D) what an offset of one unit moves a point by; D = 3, or 2 for x and y alone.
        moves: (M, 68, 2).
    """
    normal = np.einsum("mkij,mkil->kjl", turned, turned)
    towards = np.einsum("mkij,mki->kj", turned, moves)
    axes = turned.shape[3]
    ridge = RIDGE * np.trace(normal, axis1=1, axis2=2)[:, None, None] / axes * np.eye(axes)
    return _even(np.linalg.solve(normal + ridge, towards[..., None])[..., 0])


def surface_depth(heads: Sequence[Kept], offsets: np.ndarray) -> np.ndarray:
    """(68,) how far behind the model's landmark the surface lies where `offsets` (68, 3) put it in the picture.

    In the unit of the offsets, along the head's z; the median over the heads.
    """
    behind: list[list[float]] = [[] for _ in range(LANDMARKS)]
    for head in heads:
        pixels = marked(head, offsets)
        away = sensor_depths(head.depth, pixels)
        rays = np.column_stack([(pixels - [head.camera.cx, head.camera.cy]) / head.camera.fx, np.ones(LANDMARKS)])
        apart = (rays * away[:, None] - head.points_mm) @ rotation_of(Pose(*head.angles.tolist()))
        for point in np.flatnonzero(np.linalg.norm(apart, axis=1) < OFF_FACE_MM):
            behind[point].append(apart[point, 2] / EYES_MM)
    middle = [np.median(values) if values else 0.0 for values in behind]
    return _even(np.column_stack([np.zeros((LANDMARKS, 2)), middle]))[:, 2]


def _even(offsets: np.ndarray) -> np.ndarray:
    """(68, D) offsets made mirror-symmetric, lids and lips as far open as before."""
    offsets = (offsets + offsets[FLIP[:LANDMARKS]] * [-1, 1, 1][: offsets.shape[1]]) / 2
    offsets[OPPOSITE] = offsets[OPPOSITE].mean(axis=1, keepdims=True)
    return np.asarray(offsets)
