"""Lifting keypoints with the deployed DepthNet: the mean face, turned, must come back."""

from __future__ import annotations

import numpy as np
import pytest

import engines
from engines import Engine
from realtime.analysis.lift import lift
from realtime.analysis.pose import rotation_of
from realtime.frame import Pose
from realtime.geometry.template import template
from realtime.geometry.topology import FLIP, HAIRLINE, LANDMARKS, mirror

EYES = 120.0  # eye distance in pixels


@pytest.fixture(scope="module")
def depthnet() -> Engine:
    return engines.load("depthnet", threads=1)


def turned(pose: Pose) -> np.ndarray:
    """(81, 3) the mean face in `pose`, pixels."""
    return np.asarray(EYES * template() @ rotation_of(pose).T + [320, 240, 0])


POSES = [Pose(0, 0, 0), Pose(25, 0, 0), Pose(-45, 5, 0), Pose(0, 15, 0), Pose(10, -15, 20), Pose(-20, 0, -60)]


@pytest.mark.parametrize("pose", POSES)
def test_the_turned_mean_face_comes_back(depthnet: Engine, pose: Pose) -> None:
    face = turned(pose)
    (depth,), (found,) = lift(depthnet, face[None, :, :2].astype(np.float32))
    true = face[:, 2] - face[:LANDMARKS, 2].mean()
    assert depth[:LANDMARKS].mean() == pytest.approx(0, abs=1e-3)
    assert np.corrcoef(depth, true)[0, 1] > 0.95
    assert np.abs(depth - true)[:LANDMARKS].mean() < 0.12 * EYES
    assert np.abs(depth - true)[HAIRLINE].mean() < 0.25 * EYES
    np.testing.assert_allclose([found.yaw, found.pitch, found.roll], [pose.yaw, pose.pitch, pose.roll], atol=8)


def test_place_size_and_tilt_do_not_matter(depthnet: Engine) -> None:
    face = turned(Pose(20, 5, 0))[:, :2]
    angle = np.deg2rad(35)
    tilt = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    faces = np.stack([face, 3 * face + [50, -400], face @ tilt.T]).astype(np.float32)
    depth, poses = lift(depthnet, faces)
    np.testing.assert_allclose(depth[1], 3 * depth[0], atol=0.02 * EYES)
    np.testing.assert_allclose(depth[2], depth[0], atol=0.01 * EYES)
    assert poses[2].roll == pytest.approx(poses[0].roll + 35, abs=0.2)
    assert poses[2].yaw == pytest.approx(poses[0].yaw, abs=0.2)


def test_the_mirror_image_is_lifted_alike(depthnet: Engine) -> None:
    face = turned(Pose(25, 5, 0))[:, :2].astype(np.float32)
    (plain, flipped), _ = lift(depthnet, np.stack([face, mirror(face, 640)]))
    assert np.abs(flipped - plain[FLIP]).mean() < 0.05 * EYES


def test_faces_of_a_batch_do_not_touch_each_other(depthnet: Engine) -> None:
    faces = np.stack([turned(pose)[:, :2] for pose in POSES]).astype(np.float32)
    together, _ = lift(depthnet, faces)
    for face, depth in zip(faces, together, strict=True):
        np.testing.assert_allclose(lift(depthnet, face[None])[0][0], depth, atol=0.01 * EYES)
