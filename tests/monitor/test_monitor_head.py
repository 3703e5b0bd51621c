"""The head against exact geometry, and its uncertainty against Monte Carlo."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from faces_making import posed_face

from realtime.analysis.pose import pose_of, rotation_of
from realtime.frame import Face, Intrinsics, Pose
from realtime.geometry.template import template
from realtime.monitor.head import SHAPE_DEG, angle_deviations, fit_head, measure_head, sensor_depths, unit_mm

CAMERA = Intrinsics(600.0, 600.0, 319.5, 239.5)


def angles(pose: Pose) -> np.ndarray:
    return np.array([pose.yaw, pose.pitch, pose.roll])


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(25, -10, 5), Pose(-50, 20, -15)])
@pytest.mark.parametrize("uneven", [False, True])
def test_deviations_are_those_of_monte_carlo(pose: Pose, uneven: bool, rng: np.random.Generator) -> None:
    solid = 90 * template()[:68].astype(np.float64) @ rotation_of(pose).T
    deviation = np.full((68, 3), 2.0)
    if uneven:
        deviation *= rng.uniform(0.3, 3, (68, 1)) * [1, 1, 2]
    fit = fit_head(solid, deviation)
    expected = angles(angle_deviations(fit.rotation, fit.covariance))
    drawn = [
        angles(pose_of(fit_head(solid + deviation * rng.standard_normal((68, 3)), deviation).rotation))
        for _ in range(600)
    ]
    np.testing.assert_allclose(np.std(drawn, axis=0), expected, rtol=0.15)


def test_surer_points_give_a_surer_pose() -> None:
    face = posed_face(Pose(20, 0, 0))
    sigmas = [
        measure_head(replace(face, confidence=np.full(81, sure, np.float32)), CAMERA)[0].sigma.yaw
        for sure in (0.3, 0.6, 0.95)
    ]
    assert sigmas == sorted(sigmas, reverse=True)
    assert sigmas[-1] > SHAPE_DEG[0]


def seen(pose: Pose, place_mm: tuple[float, float, float]) -> tuple[Face, np.ndarray]:
    """A face with pupils 63 mm apart somewhere in space as the camera sees it, and its true depths in mm."""
    solid = unit_mm() * template().astype(np.float64) @ rotation_of(pose).T + place_mm
    points = solid[:, :2] * CAMERA.fx / solid[:, 2:] + [CAMERA.cx, CAMERA.cy]
    # DepthNet tells depth along the line of sight, for it sees the face alone
    depth = solid @ (place_mm / np.linalg.norm(place_mm)) * CAMERA.fx / place_mm[2]
    depth -= depth[:68].mean()
    made = Face(1, points.astype(np.float32), np.full(81, 0.9, np.float32), 1.0, pose, depth.astype(np.float32))
    return made, solid[:68, 2]


@pytest.mark.parametrize("place", [(0.0, 0.0, 700.0), (250.0, 0.0, 700.0), (-200.0, 150.0, 900.0)])
@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(35, 10, 5), Pose(-20, -15, -10)])
def test_place_and_pose_in_space(pose: Pose, place: tuple[float, float, float]) -> None:
    face, depth = seen(pose, place)
    head, _ = measure_head(face, CAMERA)
    np.testing.assert_allclose(head.position_mm, place, atol=30)  # a scaled orthographic view of a near head
    np.testing.assert_allclose(angles(head.pose), angles(pose), atol=2.5)
    measured, _ = measure_head(face, CAMERA, depth.astype(np.float32))
    assert measured.measured
    assert not head.measured
    np.testing.assert_allclose(measured.position_mm, place, atol=0.5)
    np.testing.assert_allclose(angles(measured.pose), angles(pose), atol=0.1)


def test_a_camera_that_is_not_known_corrects_nothing() -> None:
    face, _ = seen(Pose(0, 0, 0), (300.0, 0.0, 600.0))
    assert measure_head(face, CAMERA, known=False)[0].pose.yaw > 15  # the camera sees it from its side
    assert abs(measure_head(face, CAMERA, known=True)[0].pose.yaw) < 5


def test_a_hand_before_the_sensor_is_left_out() -> None:
    face, depth = seen(Pose(10, 0, 0), (0.0, 0.0, 800.0))
    disturbed = depth.copy()
    disturbed[36:42] -= 90  # a hand at one eye
    disturbed[27:30] = 0  # a hole in the depth
    head, _ = measure_head(face, CAMERA, disturbed.astype(np.float32))
    assert head.measured
    np.testing.assert_allclose(angles(head.pose), [10, 0, 0], atol=1)


@pytest.mark.parametrize("depth", [np.zeros(68), np.where(np.arange(68) < 36, 0.0, 9000.0 * (np.arange(68) % 7 == 0))])
def test_a_sensor_that_sees_too_little_is_not_used(depth: np.ndarray) -> None:
    face, _ = seen(Pose(0, 0, 0), (0.0, 0.0, 800.0))
    assert not measure_head(face, CAMERA, depth.astype(np.float32))[0].measured


def test_depths_are_read_where_the_landmarks_are(rng: np.random.Generator) -> None:
    depth = np.full((60, 80), 700, np.uint16)
    depth[:, 40:] = 900
    depth[rng.random(depth.shape) < 0.3] = 0
    depth[20:30, 10:20] = 0
    points = np.array([[5.0, 5.0], [70.2, 50.4], [15.0, 25.0], [-9.0, 5.0], [79.0, 59.0], [200.0, 10.0]])
    np.testing.assert_array_equal(sensor_depths(depth, points), [700, 900, 0, 0, 900, 0])
