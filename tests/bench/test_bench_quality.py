"""The measures of drawn faces, on pictures and samples whose values are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bench.quality import (
    cosine,
    face_mask,
    flicker,
    flow_between,
    kernel_distance,
    landmark_drift,
    seam_band,
    seam_energy,
)
from realtime.geometry.mesh import OUTLINE
from realtime.geometry.template import template


def half(height: int = 40, width: int = 60, column: int = 30) -> np.ndarray:
    mask = np.zeros((height, width), bool)
    mask[:, column:] = True
    return mask


def texture(rng: np.random.Generator, side: int = 128) -> np.ndarray:
    rough = rng.uniform(0, 255, (side, side, 3)).astype(np.float32)
    soft = cv2.GaussianBlur(rough, (0, 0), 3)
    return np.clip(128 + 6 * (soft - soft.mean()), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("width", "columns"), [(2, 2), (4, 4), (8, 8)])
def test_the_band_lies_on_both_sides_of_the_edge_and_not_on_the_border(width: int, columns: int) -> None:
    band = seam_band(half(), width)
    np.testing.assert_array_equal(np.flatnonzero(band.all(axis=0)), np.arange(30 - columns // 2, 30 + columns // 2))
    assert band.sum() == 40 * columns


@pytest.mark.parametrize("step", [0, 40, 100])
def test_a_step_has_the_seam_energy_of_its_central_difference(step: int) -> None:
    picture = np.where(half()[..., None], np.uint8(100 + step), np.uint8(100)).repeat(3, axis=2)
    # half of the step at either of two columns, of the four in the band
    assert seam_energy(picture, seam_band(half())) == pytest.approx(step / 4, abs=1e-3)


def test_a_slope_has_its_own_seam_energy_whatever_the_mask() -> None:
    x, y = np.meshgrid(np.arange(60), np.arange(40))
    picture = (3 * x + 1 * y)[..., None].repeat(3, axis=2).astype(np.uint8)
    mask = np.zeros((40, 60), bool)
    mask[10:30, 20:45] = True
    assert seam_energy(picture, seam_band(mask)) == pytest.approx(np.hypot(3, 1), rel=1e-3)


def test_the_mask_has_the_area_of_the_outline() -> None:
    points = template()[:, :2] * 150 + (200, 210)
    x, y = points[OUTLINE].T
    area = abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) / 2
    mask = face_mask(points, (400, 400))
    assert mask.sum() == pytest.approx(area, rel=0.02)
    assert mask[210, 200] and not mask[5, 5]


@given(st.floats(-20, 20), st.floats(-20, 20))
def test_drift_of_shifted_landmarks_is_the_shift(x: float, y: float) -> None:
    points = template()[:, :2].astype(np.float64) * 80  # outer eye corners 80 pixels apart
    assert landmark_drift(points, points + np.array([x, y])) == pytest.approx(100 * np.hypot(x, y) / 80, abs=1e-4)


def test_cosine_of_known_angles() -> None:
    assert cosine(np.array([2.0, 0]), np.array([3.0, 0])) == pytest.approx(1)
    assert cosine(np.array([1.0, 0]), np.array([1.0, np.sqrt(3)])) == pytest.approx(0.5)


def test_flow_finds_a_shift_and_flicker_vanishes_along_it(rng: np.random.Generator) -> None:
    large = texture(rng, 160)
    previous, current = large[10:138, 10:138], large[13:141, 8:136]
    mask = np.zeros((128, 128), bool)
    mask[30:100, 30:100] = True
    flow = flow_between(np.ascontiguousarray(previous), np.ascontiguousarray(current))
    np.testing.assert_allclose(np.median(flow[mask], axis=0), (-2, 3), atol=0.1)
    assert flicker(previous, current, flow, mask) < 1.5
    assert flicker(previous, current, np.zeros_like(flow), mask) > 8


def test_flicker_of_pumping_light_is_its_step_along_the_true_motion(rng: np.random.Generator) -> None:
    large = np.clip(texture(rng, 160), 20, 220)
    previous, current = large[10:138, 10:138], large[13:141, 8:136] + np.uint8(7)
    flow = np.broadcast_to(np.array([-2, 3], np.float32), (128, 128, 2))
    assert flicker(previous, current, flow, np.ones((128, 128), bool)) == pytest.approx(7, abs=1e-3)


def test_flicker_where_everything_came_from_outside_is_none() -> None:
    picture = np.zeros((8, 8, 3), np.uint8)
    assert flicker(picture, picture, np.full((8, 8, 2), 50, np.float32), np.ones((8, 8), bool)) == 0


def discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """The definition, pair by pair."""
    x, y = ((part - y.mean(axis=0)) / y.std(axis=0) for part in (x, y))

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return float((a @ b / len(a) + 1) ** 3)

    n, m = len(x), len(y)
    own = sum(kernel(x[i], x[j]) for i in range(n) for j in range(n) if i != j) / (n * (n - 1))
    other = sum(kernel(y[i], y[j]) for i in range(m) for j in range(m) if i != j) / (m * (m - 1))
    return own + other - 2 * sum(kernel(a, b) for a in x for b in y) / (n * m)


def test_kernel_distance_is_its_definition(rng: np.random.Generator) -> None:
    x, y = rng.normal(0, 1, (9, 5)), rng.normal(0.5, 2, (7, 5))
    assert kernel_distance(x, y, resampled=3).value == pytest.approx(discrepancy(x, y), abs=1e-9)


def test_what_belongs_together_is_not_compared_with_itself(rng: np.random.Generator) -> None:
    """Every row twice, in one group: the distance is that of the rows alone."""
    x, y = rng.normal(0, 1, (9, 5)), rng.normal(0.5, 2, (7, 5))
    twice = kernel_distance(x.repeat(2, axis=0), y, np.arange(9).repeat(2), resampled=3)
    assert twice.value == pytest.approx(discrepancy(x, y), abs=1e-9)


def test_no_clip_of_real_pictures_is_compared_with_itself(rng: np.random.Generator) -> None:
    x, y = rng.normal(0, 1, (9, 5)), rng.normal(0.5, 2, (7, 5))
    clips = kernel_distance(x, y.repeat(3, axis=0), real_groups=np.arange(7).repeat(3), resampled=3)
    assert clips.value == pytest.approx(discrepancy(x, y), abs=1e-9)


def test_pictures_that_share_either_of_two_things_are_not_compared(rng: np.random.Generator) -> None:
    """Six photos of three people, each with a twin in another clip: what is left are the pairs of neither."""
    x, y = rng.normal(0, 1, (6, 5)), rng.normal(0.5, 2, (7, 5))
    groups = np.array([(0, 0), (0, 1), (1, 1), (1, 2), (2, 2), (2, 0)])
    far = kernel_distance(x, y, groups, resampled=3)
    pairs = [(i, j) for i in range(6) for j in range(6) if not (groups[i] == groups[j]).any()]
    first = (x - y.mean(axis=0)) / y.std(axis=0)
    kernel = (first @ first.T / 5 + 1) ** 3
    own = np.mean([kernel[pair] for pair in pairs]) - kernel[~np.eye(6, dtype=bool)].mean()
    assert far.value == pytest.approx(discrepancy(x, y) + own, abs=1e-9)
    assert len(pairs) == 18


def test_a_difference_of_kernel_distances(rng: np.random.Generator) -> None:
    real, before = rng.normal(size=(60, 4)), rng.normal(0.6, 1, (50, 4))
    after = before - 0.2
    one, other = kernel_distance(after, real), kernel_distance(before, real)
    gained = kernel_distance(after, real, less=before)
    assert gained.value == pytest.approx(one.value - other.value, abs=1e-9)
    assert gained.high < 0
    assert gained.high - gained.low < 0.7 * (other.high - other.low)


def test_kernel_distance_has_no_bias(rng: np.random.Generator) -> None:
    """The mean over many small samples of one distribution is zero."""
    values = [
        kernel_distance(rng.normal(size=(12, 4)), rng.normal(size=(15, 4)), resampled=1).value for _ in range(400)
    ]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(len(values))
    assert min(values) < 0 < max(values)


def test_kernel_distance_grows_with_the_shift_and_its_interval_holds_it(rng: np.random.Generator) -> None:
    real = rng.normal(size=(150, 6))
    found = [kernel_distance(rng.normal(shift, 1, (120, 6)), real) for shift in (0.0, 0.5, 1.0)]
    assert found[0].value < found[1].value < found[2].value
    assert found[1].low < found[1].value < found[1].high < found[2].high


def test_frames_that_belong_together_widen_the_interval(rng: np.random.Generator) -> None:
    real, scenes = rng.normal(size=(100, 4)), rng.normal(size=(8, 4)).repeat(15, axis=0)
    frames = scenes + 0.05 * rng.normal(size=(120, 4))
    alone, together = (kernel_distance(frames, real, groups) for groups in (None, np.arange(120) // 15))
    assert together.high - together.low > 1.5 * (alone.high - alone.low)
