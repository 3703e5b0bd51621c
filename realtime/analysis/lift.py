"""Keypoints from 2D to 3D: DepthNet for the 68 landmarks, the mean face for the forehead."""

from __future__ import annotations

import numpy as np

from engines import Engine
from realtime.analysis.pose import fit_template, pose_of
from realtime.frame import Floats, Pose
from realtime.geometry.crops import roll_of
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS

BOX_SCALE = 1.25


def lift(engine: Engine, points: Floats) -> tuple[Floats, list[Pose]]:
    """Depth of every keypoint from the face alone (DepthNet with the face as its own target), and the heads' poses.

    The network sees each face upright in a square box 1.25 times its landmarks' extent, so the depth does not depend
    on where, how large or how tilted the face is. The forehead lies where the mean face has it, fitted to the rest.

    Args:
        engine: `depthnet` (see engines/weights/depthnet.md).
        points: (B, 81, 2) pixels, B from 1 to 16.

    Returns:
        (B, 81) float32 pixels, smaller is nearer, mean 0 over the 68 landmarks; and B poses.
    """
    boxed, sides = zip(*(_boxed(face[:LANDMARKS]) for face in points), strict=True)
    faces = np.stack(boxed).astype(np.float32)
    (relative,) = engine(faces, faces)
    depth = np.empty(points.shape[:2], np.float32)
    depth[:, :LANDMARKS] = (relative - relative.mean(axis=1, keepdims=True)) * np.array(sides)[:, None]
    poses = []
    for face, z in zip(points, depth, strict=True):
        scale, rotation, shift = fit_template(np.column_stack([face, z]))
        z[LANDMARKS:] = scale * template()[LANDMARKS:] @ rotation[2] + shift[2]
        poses.append(pose_of(rotation))
    return depth, poses


def _boxed(landmarks: Floats) -> tuple[np.ndarray, float]:
    """(68, 2) landmarks turned upright, in units of their box from its centre; and the box's side in pixels."""
    angle = np.deg2rad(roll_of(landmarks))
    upright = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turned = landmarks @ upright
    low, high = turned.min(axis=0), turned.max(axis=0)
    side = BOX_SCALE * max(float((high - low).max()), 1e-6)
    return (turned - (low + high) / 2) / side, side
