"""Faces in their boxes, with pictures where wanted, and which to pair: what DepthNet is trained and measured on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.errors import InputError
from realtime.geometry.box import boxed, landmark_box
from realtime.geometry.crops import Crop, square_crop
from realtime.geometry.topology import LANDMARKS
from training import data

SIZE = 80  # pixels of a box's picture
TARGETS = 24  # each face is paired with that many others
LEAST_SPREAD = 1e-4  # of points in box units, across the line that fits them best


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """Faces to lift.

    Attributes:
        points: (N, 68, 2) float32, box units.
        identity: (N,) str, "" = unknown.
        images: (N, 80, 80) uint8 grey of each box, or None.

    Raises:
        InputError: no face at all, a landmark that is missing (NaN), or points on a line.
    """

    points: np.ndarray
    identity: np.ndarray
    images: np.ndarray | None = None

    def __post_init__(self) -> None:
        if not len(self.points):
            raise InputError("There is no face to lift: the set is empty or none of its faces has all 68 landmarks.")
        missing = ~np.isfinite(self.points).all(axis=(1, 2))
        if missing.any():
            raise InputError(f"Face {missing.argmax()} has landmarks that are missing or not finite: leave it out.")
        centred = self.points - self.points.mean(axis=1, keepdims=True)
        on_line = np.linalg.svd(centred.astype(np.float64), compute_uv=False)[:, 1] < LEAST_SPREAD
        if on_line.any():
            raise InputError(f"The landmarks of face {on_line.argmax()} lie on a line: leave it out.")

    def __len__(self) -> int:
        return len(self.points)


def box_crop(points: np.ndarray, roll_deg: float = 0.0) -> Crop:
    """The crop that shows the box of (68, 2) pixels, which covers it exactly; upright for a head so tilted."""
    angle = np.deg2rad(roll_deg)
    upright = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    centre, side = landmark_box(points @ upright.T)
    return square_crop(centre @ upright, float(side), roll_deg, SIZE)


def pictured(faces: data.FaceSet, rows: np.ndarray) -> Faces:
    """The faces of these rows of a set, with their pictures."""
    landmarks = faces.points[rows, :LANDMARKS]
    crops = [box_crop(points).cut(faces.grey(row)) for row, points in zip(rows, landmarks, strict=True)]
    images = np.array(crops, np.uint8).reshape(-1, SIZE, SIZE)
    return Faces(boxed(landmarks).astype(np.float32), faces.identity[rows], images)


def held_out() -> Faces:
    """319 real faces of 27 people kept apart, with pictures (faces_ytf)."""
    faces = data.faces_ytf()
    return pictured(faces, faces.testing())


def unpaired(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """(24 N,) source and target: every face with 24 others, whoever they are of."""
    count = len(faces)
    order = np.random.default_rng(0).permutation(count)
    shifts = np.linspace(1, count - 1, TARGETS).astype(int)
    return np.tile(order, TARGETS), np.concatenate([np.roll(order, shift) for shift in shifts])


def same_identity(faces: Faces) -> tuple[np.ndarray, np.ndarray]:
    """Source and target: all ordered pairs of different faces of one person."""
    alike = faces.identity[:, None] == faces.identity
    # some frames are in the set twice
    same_face = (faces.points[:, None] == faces.points).all(axis=(2, 3))
    source, target = np.nonzero(alike & ~same_face)
    return source, target
