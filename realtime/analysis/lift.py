"""Keypoints from 2D to 3D: DepthNet for the 68 landmarks, the mean face for the forehead."""

from __future__ import annotations

import numpy as np

from engines import Engine
from realtime.analysis.pose import fit_template, pose_of
from realtime.frame import Floats, Pose
from realtime.geometry.box import boxed, landmark_box
from realtime.geometry.crops import roll_of
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS


def lift(engine: Engine, points: Floats) -> tuple[Floats, list[Pose]]:
    """Depth of every keypoint from the face alone (DepthNet with the face as its own target), and the heads' poses.

    The network sees each face upright in its box, so the depth does not depend on where, how large or how tilted the
    face is. The forehead lies where the mean face has it, fitted to the rest.

    Args:
        engine: `depthnet` (see engines/weights/depthnet.md).
        points: (B, 81, 2) pixels, B from 1 to 16.

    Returns:
        (B, 81) float32 pixels, smaller is nearer, mean 0 over the 68 landmarks; and B poses.
    """
    faces = depth_inputs(points)
    (relative,) = engine(faces, faces)
    return lifted(points, relative)


def depth_inputs(points: Floats) -> Floats:
    """(B, 68, 2) float32: (B, 81, 2) points as DepthNet is given them, upright and in units of their box."""
    return boxed(_upright_all(points)).astype(np.float32)


def lifted(points: Floats, relative: Floats) -> tuple[Floats, list[Pose]]:
    """As `lift`, from what DepthNet says of (B, 81, 2) points: (B, 68) in units of the upright face's box."""
    _, sides = landmark_box(_upright_all(points))
    depth = np.empty(points.shape[:2], np.float32)
    depth[:, :LANDMARKS] = (relative - relative.mean(axis=1, keepdims=True)) * sides[:, None]
    poses = []
    for face, z in zip(points, depth, strict=True):
        scale, rotation, shift = fit_template(np.column_stack([face, z]))
        z[LANDMARKS:] = scale * template()[LANDMARKS:] @ rotation[2] + shift[2]
        poses.append(pose_of(rotation))
    return depth, poses


def _upright_all(points: Floats) -> np.ndarray:
    """(B, 68, 2) landmarks of (B, 81, 2) points, each face turned as by `_upright`."""
    return np.stack([_upright(face[:LANDMARKS]) for face in points])


def _upright(landmarks: Floats) -> np.ndarray:
    """(68, 2) landmarks turned about the origin until the eye line is level."""
    angle = np.deg2rad(roll_of(landmarks))
    return np.asarray(landmarks @ np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]))
