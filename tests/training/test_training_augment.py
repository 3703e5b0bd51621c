"""Augmentation: points and pictures move together, mirrors agree, lost crops are lost."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.geometry.crops import face_crop
from realtime.geometry.topology import FLIP, KEYPOINTS
from training.augment import degraded, jittered_crop, mirrored, misplaced_crop, occluded, turn_about

SIZE = 112


def oval(rng: np.random.Generator) -> np.ndarray:
    """(81, 2) spread points with the eyes where a face has them."""
    points = rng.uniform((80, 70), (180, 190), (KEYPOINTS, 2))
    points[36:42] = rng.normal((100, 100), 2, (6, 2))
    points[42:48] = rng.normal((150, 104), 2, (6, 2))
    return points.astype(np.float32)


def spot(picture: np.ndarray) -> np.ndarray:
    """(x, y) centre of brightness."""
    y, x = np.mgrid[: picture.shape[0], : picture.shape[1]]
    weight = picture.astype(float)
    return np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()


def with_spot(point: np.ndarray) -> np.ndarray:
    """A black 256-pixel picture with a soft white spot at `point`."""
    y, x = np.mgrid[:256, :256]
    return (255 * np.exp(-((x - point[0]) ** 2 + (y - point[1]) ** 2) / 50)).astype(np.uint8)


@pytest.mark.parametrize("seed", range(6))
def test_points_stay_on_the_picture_through_crop_and_mirror(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = oval(rng)
    crop = jittered_crop(points, SIZE, rng)
    keypoint = 30
    points[keypoint] = points[36:48].mean(axis=0)  # in the middle, so that the whole spot is in the crop
    image, placed = crop.cut(with_spot(points[keypoint])), crop.into(points)
    np.testing.assert_allclose(spot(image), placed[keypoint], atol=0.15)
    flipped, mirror = mirrored(image, placed)
    np.testing.assert_allclose(spot(flipped), mirror[FLIP[keypoint]], atol=0.15)


def test_mirroring_twice_changes_nothing(rng: np.random.Generator) -> None:
    image, points = rng.integers(0, 256, (SIZE, SIZE)).astype(np.uint8), oval(rng)
    again, same = mirrored(*mirrored(image, points))
    np.testing.assert_array_equal(again, image)
    np.testing.assert_allclose(same, points, atol=1e-4)


@given(st.floats(-180, 180), st.floats(0.2, 4), st.floats(-0.5, 0.5), st.floats(-0.5, 0.5))
def test_turning_moves_the_centre_by_the_shift_alone(angle: float, scale: float, right: float, down: float) -> None:
    matrix = turn_about(SIZE, angle, scale, np.array([right, down]))
    centre = np.array([(SIZE - 1) / 2, (SIZE - 1) / 2, 1])
    np.testing.assert_allclose((matrix @ centre)[:2] - centre[:2], (SIZE * right, SIZE * down), atol=1e-9)
    assert np.sqrt(np.linalg.det(matrix[:2, :2])) == pytest.approx(scale)


def test_jitter_keeps_nearly_all_of_the_face_inside(rng: np.random.Generator) -> None:
    points = oval(rng)
    placed = np.concatenate([jittered_crop(points, SIZE, rng).into(points[:68]) for _ in range(300)])
    assert ((placed > -2) & (placed < SIZE + 1)).all(axis=1).mean() > 0.97


def test_a_misplaced_crop_is_far_from_the_live_crop(rng: np.random.Generator) -> None:
    points = oval(rng)
    true = face_crop(points, SIZE).into(points[:68])
    for _ in range(100):
        placed = misplaced_crop(points, SIZE, rng).into(points[:68])
        away = np.linalg.norm(placed.mean(axis=0) - true.mean(axis=0)) / SIZE
        scale = (placed - placed.mean(axis=0)).std() / (true - true.mean(axis=0)).std()
        assert away > 0.3 or not 0.5 < scale < 2


def test_degraded_pictures_stay_pictures_and_repeat_by_seed(rng: np.random.Generator) -> None:
    image = cv2.GaussianBlur(rng.integers(0, 256, (SIZE, SIZE)).astype(np.uint8), (0, 0), 3)
    for seed in range(60):
        one, two = (degraded(image, np.random.default_rng(seed)) for _ in range(2))
        assert one.shape == image.shape and one.dtype == np.uint8
        np.testing.assert_array_equal(one, two)


def test_an_occluder_hides_a_part_only(rng: np.random.Generator) -> None:
    image, other = np.full((SIZE, SIZE), 100, np.uint8), np.full((SIZE, SIZE), 200, np.uint8)
    for _ in range(40):
        changed = (occluded(image, rng, other) != image).mean()
        assert changed < 0.4
