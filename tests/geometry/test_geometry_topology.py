"""What the keypoints mean: mirroring and the yardstick."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.geometry import topology
from realtime.geometry.template import template
from realtime.geometry.topology import FLIP, KEYPOINTS, LANDMARKS, OF_66, eye_distance, mirror, to_66, to_68

# The permutation as published for the 68 landmarks (SEEDS: checked to be one).
PUBLISHED = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    *(27, 28, 29, 30, 35, 34, 33, 32, 31),
    *(45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40),
    *(54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55),
    *(64, 63, 62, 61, 60, 67, 66, 65),
]


def test_flip_is_the_published_permutation_and_its_own_inverse() -> None:
    assert FLIP[:LANDMARKS].tolist() == PUBLISHED
    assert sorted(FLIP.tolist()) == list(range(KEYPOINTS))
    np.testing.assert_array_equal(FLIP[FLIP], np.arange(KEYPOINTS))


@pytest.mark.parametrize("part", ["JAW", "BROWS", "NOSE", "EYES", "NOSTRILS", "OUTER_LIPS", "INNER_LIPS", "HAIRLINE"])
def test_parts_land_on_themselves(part: str) -> None:
    indices = getattr(topology, part)
    assert set(FLIP[indices].tolist()) == set(indices.tolist())


def test_the_eyes_change_places() -> None:
    assert set(FLIP[topology.LEFT_EYE].tolist()) == set(topology.RIGHT_EYE.tolist())


@given(st.integers(0, 1000), st.integers(1, 4000), st.sampled_from([(68, 2), (81, 2), (68, 3), (81, 3), (5, 81, 2)]))
@settings(deadline=None)
def test_mirroring_twice_changes_nothing(seed: int, width: int, shape: tuple[int, ...]) -> None:
    points = np.random.default_rng(seed).uniform(-500, 4000, shape)
    once = mirror(points, width)
    assert once.shape == shape
    np.testing.assert_allclose(mirror(once, width), points, atol=1e-9)


def test_mirrored_points_are_where_the_mirrored_picture_has_them() -> None:
    picture = np.zeros((120, 101), np.uint8)
    points = np.stack(np.meshgrid(np.arange(3, 99, 8), np.arange(4, 60, 8)), axis=-1).reshape(-1, 2)[:KEYPOINTS]
    for number, (x, y) in enumerate(points):
        picture[y, x] = number + 1
    flipped = picture[:, ::-1]
    for number, (x, y) in enumerate(mirror(points, picture.shape[1])):
        assert flipped[y, x] == FLIP[number] + 1


def test_the_mean_face_is_its_own_mirror_image() -> None:
    points = 200 * template()[:, :2] + 319.5
    np.testing.assert_allclose(mirror(points, 640), points, atol=1e-3)


def test_eye_distance_is_between_the_outer_corners_and_takes_batches() -> None:
    points = np.zeros((2, 81, 3))
    points[:, 45] = [[3, 4, 100], [0, 5, -7]]  # depth does not count
    np.testing.assert_allclose(eye_distance(points), [5, 5])
    assert eye_distance(points[0, :, :2]) == pytest.approx(5)


def test_66_points_are_the_68_without_the_inner_mouth_corners() -> None:
    points = np.random.default_rng(0).normal(size=(3, LANDMARKS, 3))
    fewer = to_66(points)
    assert fewer.shape == (3, 66, 3) and len(OF_66) == 66
    again = to_68(fewer)
    np.testing.assert_array_equal(again[:, OF_66], points[:, OF_66])
    np.testing.assert_array_equal(to_66(again), fewer)


def test_an_inner_mouth_corner_is_the_mean_of_its_published_neighbours() -> None:
    numbered = np.arange(66.0)[:, None]  # each point's value is its number among the 66
    whole = to_68(numbered)[:, 0]
    assert whole[60] == (59 + 49) / 2 and whole[64] == (53 + 55) / 2
    assert whole[61:64].tolist() == [60, 61, 62] and whole[65:].tolist() == [63, 64, 65]


def test_66_and_68_mirror_alike() -> None:
    face = template()[:LANDMARKS, :2]
    there = to_68(to_66(mirror(face, 10.0)))
    np.testing.assert_allclose(there, mirror(to_68(to_66(face)), 10.0), atol=1e-6)
