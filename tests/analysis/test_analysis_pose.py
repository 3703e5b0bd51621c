"""Head pose against scipy's rotations and against similarities made up on purpose."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from realtime.analysis.pose import RIGIDITY, fit_similarity, fit_template, pose_of, rotation_of
from realtime.frame import Pose
from realtime.geometry.template import template
from realtime.geometry.topology import FLIP, NOSE_TIP, mirror

NOSE = np.array([0.0, 0.0, -1.0])  # where a frontal face points: towards the camera
angles = st.floats(-85, 85)
turns = st.floats(-179, 179)


@pytest.mark.parametrize(
    ("pose", "axis", "sign"),
    [
        (Pose(30, 0, 0), 0, 1),  # yaw > 0: the nose points to the right of the image
        (Pose(-30, 0, 0), 0, -1),
        (Pose(0, 30, 0), 1, -1),  # pitch > 0: up
        (Pose(0, -30, 0), 1, 1),
    ],
)
def test_signs_of_yaw_and_pitch(pose: Pose, axis: int, sign: int) -> None:
    assert (rotation_of(pose) @ NOSE)[axis] * sign == pytest.approx(0.5)


def test_roll_tilts_the_head_clockwise() -> None:
    top_of_head = rotation_of(Pose(0, 0, 20)) @ np.array([0, -1.0, 0])
    assert top_of_head[0] > 0.3  # y down: clockwise brings the top to the right


@given(angles, turns, turns)
def test_pose_comes_back_from_its_rotation(yaw: float, pitch: float, roll: float) -> None:
    rotation = rotation_of(Pose(yaw, pitch, roll))
    again = pose_of(rotation)
    np.testing.assert_allclose([again.yaw, again.pitch, again.roll], [yaw, pitch, roll], atol=1e-6)
    expected = Rotation.from_euler("xyz", [-pitch, -yaw, roll], degrees=True).as_matrix()
    np.testing.assert_allclose(rotation, expected, atol=1e-12)


@pytest.mark.parametrize("yaw", [-90.0, 90.0])
@pytest.mark.parametrize("pitch", [-30.0, 0.0, 50.0])
def test_full_profile_still_gives_the_rotation(yaw: float, pitch: float) -> None:
    rotation = rotation_of(Pose(yaw, pitch, 25))
    np.testing.assert_allclose(rotation_of(pose_of(rotation)), rotation, atol=1e-7)


@given(angles, angles, turns, st.floats(0.01, 1000), st.integers(0, 1000))
def test_similarity_is_recovered(yaw: float, pitch: float, roll: float, size: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    shape, shift, weights = rng.normal(size=(81, 3)), rng.normal(size=3) * size, rng.uniform(0.1, 1, 81)
    truth = rotation_of(Pose(yaw, pitch, roll))
    scale, rotation, translation = fit_similarity(shape, size * shape @ truth.T + shift, weights)
    assert scale == pytest.approx(size, rel=1e-9)
    np.testing.assert_allclose(rotation, truth, atol=1e-9)
    np.testing.assert_allclose(translation, shift, atol=1e-8 * size)


def test_noisy_fit_is_the_weighted_optimum(rng: np.random.Generator) -> None:
    """No small turn, growth or shift away from the answer lowers the weighted error."""
    shape, weights = rng.normal(size=(40, 3)), rng.uniform(0, 1, 40)
    points = 2 * shape @ rotation_of(Pose(20, 10, 5)).T + rng.normal(size=(40, 3)) * 0.3

    def error(scale: float, rotation: np.ndarray, shift: np.ndarray) -> float:
        return float(weights @ np.square(points - scale * shape @ rotation.T - shift).sum(axis=1))

    scale, rotation, shift = fit_similarity(shape, points, weights)
    best = error(scale, rotation, shift)
    for step in rng.normal(size=(200, 7)) * 1e-3:
        turned = Rotation.from_rotvec(step[:3]).as_matrix() @ rotation
        assert error(scale + step[6], turned, shift + step[3:6]) > best


def test_a_mirror_image_is_never_fitted_by_a_reflection(rng: np.random.Generator) -> None:
    shape = rng.normal(size=(30, 3))
    _, rotation, _ = fit_similarity(shape, shape * [-1, 1, 1])
    assert np.linalg.det(rotation) == pytest.approx(1)


@pytest.mark.parametrize("points", [np.zeros((81, 3)), np.outer(np.linspace(0, 1, 81), [1.0, 2, 3])])
def test_degenerate_points_give_a_proper_rotation(points: np.ndarray) -> None:
    scale, rotation, shift = fit_similarity(template(), points, RIGIDITY)
    assert np.isfinite(shift).all()
    assert scale >= 0
    assert np.linalg.det(rotation) == pytest.approx(1)


def test_weights_turn_the_face_as_the_mirror_does() -> None:
    np.testing.assert_array_equal(RIGIDITY, RIGIDITY[FLIP])


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(40, 0, 0), Pose(-60, 20, 10), Pose(15, -25, -30)])
def test_pose_of_a_turned_mean_face(pose: Pose) -> None:
    turned = 120 * template() @ rotation_of(pose).T + [300, 200, 50]
    found = pose_of(fit_template(turned)[1])
    np.testing.assert_allclose([found.yaw, found.pitch, found.roll], [pose.yaw, pose.pitch, pose.roll], atol=1e-3)
    assert np.sign(turned[NOSE_TIP, 0] - turned[:68, 0].mean()) == np.sign(pose.yaw) or pose.yaw == 0
    flipped = pose_of(fit_template(mirror(turned, 640))[1])
    expected = [-pose.yaw, pose.pitch, -pose.roll]
    np.testing.assert_allclose([flipped.yaw, flipped.pitch, flipped.roll], expected, atol=1e-3)


def test_a_wandering_jaw_line_does_not_turn_the_head() -> None:
    turned = 120 * template() @ rotation_of(Pose(40, 5, 0)).T
    contour = turned.copy()
    contour[:8] += [-20, 0, -30]  # the far jaw points where a cheek hides them
    np.testing.assert_allclose(fit_template(contour)[1], fit_template(turned)[1], atol=1e-9)
