"""Crops: coordinates that come back, and pictures cut where the coordinates say, to a tenth of a pixel."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.analysis.pose import rotation_of
from realtime.frame import Pose
from realtime.geometry.crops import Crop, face_crop, face_crop_of_box, roll_of, square_crop
from realtime.geometry.template import template

places = st.floats(-3000, 3000)
sides = st.floats(4, 5000)
rolls = st.floats(-180, 180)
sizes = st.integers(8, 512)


def _posed(pose: Pose, size: float, centre: tuple[float, float]) -> np.ndarray:
    """(81, 2) the mean face, `size` pixels between the outer eye corners when frontal."""
    return (template() @ rotation_of(pose).T)[:, :2] * size + centre


@given(places, places, sides, rolls, sizes, st.integers(0, 1000))
@settings(deadline=None)
def test_into_and_back_are_inverse(x: float, y: float, side: float, roll: float, size: int, seed: int) -> None:
    crop = square_crop(np.array([x, y]), side, roll, size)
    points = np.random.default_rng(seed).uniform(-1, 1, (81, 2)) * side + [x, y]
    np.testing.assert_allclose(crop.back(crop.into(points)), points, atol=1e-6)
    np.testing.assert_allclose(crop.into(np.array([x, y])), np.full(2, (size - 1) / 2), atol=1e-6)


@given(places, places, sides, rolls, sizes)
@settings(deadline=None)
def test_it_is_a_similarity_of_the_promised_size(x: float, y: float, side: float, roll: float, size: int) -> None:
    linear = square_crop(np.array([x, y]), side, roll, size).matrix[:, :2]
    np.testing.assert_allclose(linear @ linear.T, np.eye(2) * (size / side) ** 2, rtol=1e-9, atol=1e-12)
    assert np.linalg.det(linear) > 0, "no mirror image"


def test_an_upright_crop_covers_its_square_edge_to_edge() -> None:
    crop = square_crop(np.array([9.5, 19.5]), 20, 0, 40)
    np.testing.assert_allclose(crop.into(np.array([-0.5, 9.5])), [-0.5, -0.5])
    np.testing.assert_allclose(crop.into(np.array([19.5, 29.5])), [39.5, 39.5])


@given(st.floats(-60, 60), st.floats(-20, 20), st.floats(-170, 170), st.floats(20, 900))
@settings(max_examples=60, deadline=None)
def test_a_face_lies_upright_in_its_crop_forehead_and_all(yaw: float, pitch: float, roll: float, size: float) -> None:
    points = _posed(Pose(yaw, pitch, roll), size, (700, 400))
    crop = face_crop(points, 112)
    inside = crop.into(points)
    assert inside.min() >= 0
    assert inside.max() <= 111
    assert roll_of(inside) == pytest.approx(0, abs=1e-3)
    assert np.ptp(inside[:68], axis=0).max() > 112 / 2, "and it fills more than half of it"


@given(st.floats(-170, 170), st.floats(20, 900))
@settings(deadline=None)
def test_only_the_landmarks_count(roll: float, size: float) -> None:
    points = _posed(Pose(0, 0, roll), size, (300, 200))
    np.testing.assert_array_equal(face_crop(points, 96).matrix, face_crop(points[:68], 96).matrix)


@pytest.mark.parametrize("roll", [0.0, 25.0, -70.0])
def test_a_face_turned_in_the_picture_gives_the_same_crop_points(roll: float) -> None:
    upright, turned = (_posed(Pose(20, 5, angle), 150, (320, 240)) for angle in (0.0, roll))
    by_eyes = [face_crop(points, 112).into(points) for points in (upright, turned)]
    np.testing.assert_allclose(*by_eyes, atol=1e-3)
    given_roll = face_crop(turned, 112, roll_deg=roll_of(turned))
    np.testing.assert_allclose(given_roll.into(turned), by_eyes[1], atol=1e-9)


def test_a_detected_box_gives_the_crop_of_its_landmarks() -> None:
    points = _posed(Pose(10, 0, 0), 200, (500, 300))
    low, high = points[:68].min(axis=0), points[:68].max(axis=0)
    box = (*low.tolist(), *(high - low).tolist())
    np.testing.assert_allclose(face_crop_of_box(box, 112).matrix, face_crop(points, 112, 0.0).matrix, atol=1e-6)


# scale is crop pixels per frame pixel: below 0.5 the picture is averaged first
CUTS = [(2.5, 0.0), (1.0, 0.0), (0.7, 30.0), (0.49, 0.0), (0.3, -20.0), (0.25, 90.0), (0.13, 45.0), (0.06, 0.0)]


def _cut_case(scale: float, roll: float, shape: tuple[int, int]) -> tuple[Crop, np.ndarray]:
    """A crop from the middle of a picture and the frame places of four marks in it."""
    size = 64
    centre = np.array([shape[1] / 2 + 3.3, shape[0] / 2 - 2.7])
    crop = square_crop(centre, size / scale, roll, size)
    return crop, crop.back(np.array([[18.2, 20.1], [44.7, 17.3], [20.4, 45.6], [43.1, 42.8]]))


def _picture(shape: tuple[int, int], marks: np.ndarray, width: float) -> np.ndarray:
    """Gaussian marks, 100 levels high, on a level of 20."""
    y, x = (np.arange(n, dtype=np.float64) for n in shape)
    total = np.full(shape, 20.0)
    for mark in marks:
        across, down = (np.exp(-0.5 * ((axis - at) / width) ** 2) for axis, at in zip((x, y), mark, strict=True))
        total += 100 * np.outer(down, across)
    return np.round(total).astype(np.uint8)


@pytest.mark.parametrize(("scale", "roll"), CUTS)
@pytest.mark.parametrize("shape", [(1400, 1500), (1333, 1201)], ids=["even", "odd"])
def test_cut_puts_marks_where_into_says(scale: float, roll: float, shape: tuple[int, int]) -> None:
    crop, marks = _cut_case(scale, roll, shape)
    cut = crop.cut(_picture(shape, marks, 2.5 / scale)).astype(np.float64) - 20
    assert cut.shape == (64, 64)
    y, x = np.mgrid[0:64, 0:64]
    for place in crop.into(marks):
        near = np.hypot(x - place[0], y - place[1]) < 9
        weight = cut * near
        centroid = np.array([(weight * x).sum(), (weight * y).sum()]) / weight.sum()
        np.testing.assert_allclose(centroid, place, atol=0.1)


@pytest.mark.parametrize(("scale", "roll"), CUTS)
def test_cut_is_the_analytic_picture_resampled(scale: float, roll: float) -> None:
    shape = (1400, 1500)
    crop, marks = _cut_case(scale, roll, shape)
    width = 5 / min(scale, 1.0)
    cut = crop.cut(_picture(shape, marks, width)).astype(np.float64)
    grid = np.stack(np.meshgrid(np.arange(64), np.arange(64)), axis=-1).reshape(-1, 2)
    away = ((crop.back(grid)[:, None] - marks[None]) ** 2).sum(axis=-1)
    truth = 20 + 100 * np.exp(-0.5 * away / width**2).sum(axis=1).reshape(64, 64)
    # linear sampling flattens a peak of this width by half a level, averaging over two to four pixels by one or two
    np.testing.assert_allclose(cut, truth, atol=2.5)


def test_fine_texture_is_averaged_not_aliased(rng: np.random.Generator) -> None:
    noise = rng.integers(0, 256, (1200, 1200), np.uint8)
    cut = square_crop(np.array([600.0, 600.0]), 1100, 0, 64).cut(noise)
    assert cut.std() < 0.2 * noise.std()


def test_outside_repeats_the_edge_and_colours_stay_apart() -> None:
    pixels = np.zeros((20, 30, 3), np.uint8)
    pixels[:] = [10, 120, 250]
    cut = square_crop(np.array([0.0, 0.0]), 60, 10, 40).cut(pixels)
    assert cut.shape == (40, 40, 3)
    np.testing.assert_array_equal(cut, np.broadcast_to([10, 120, 250], cut.shape))


@pytest.mark.parametrize("side", [50, 150, 700])
def test_a_grey_crop_is_the_crop_made_grey(rng: np.random.Generator, side: float) -> None:
    picture = cv2.GaussianBlur(rng.integers(0, 256, (300, 400, 3), dtype=np.uint8), (0, 0), 2)
    crop = square_crop(np.array([180.0, 140.0]), side, 20, 112)
    wanted = cv2.cvtColor(crop.cut(picture), cv2.COLOR_RGB2GRAY).astype(int)
    assert np.abs(crop.cut(picture, grey=True) - wanted).max() <= 2


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 40, 3), (40, 1, 3)])
def test_a_picture_of_one_pixel_or_line_can_be_cut_however_small(shape: tuple[int, ...]) -> None:
    picture = np.full(shape, 77, np.uint8)
    cut = square_crop(np.array([0.0, 0.0]), 5000, 10, 40).cut(picture)
    assert cut.shape == (40, 40, 3) and (cut == 77).all()
