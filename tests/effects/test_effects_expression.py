"""Shape and expression: a split that loses nothing, in axes that turn with the head; a mouth as open as it must be."""

from __future__ import annotations

import numpy as np
import pytest
from faces_making import posed_solid
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.effects.expression import Residual, into_source, match_mouth, shape_gain, solve_weights
from realtime.frame import Pose
from realtime.geometry.topology import BROWS, HAIRLINE, JAW, LIPS, NOSE

_PAIRS = ((61, 67), (62, 66), (63, 65))


def _face_at(time_s: float) -> np.ndarray:
    """(81, 3) residual of a face whose shape differs and whose expression swings around it."""
    shape = np.random.default_rng(1).normal(size=(81, 3))
    speech = np.random.default_rng(2).normal(size=(81, 3))
    return (shape + speech * np.sin(2 * np.pi * 1.7 * time_s)).astype(np.float32)


def _run(rate: float, seconds: float) -> list[tuple[np.ndarray, np.ndarray]]:
    running = Residual()
    return [running.split(_face_at(i / rate), i / rate) for i in range(round(rate * seconds) + 1)]


def test_the_two_parts_add_up() -> None:
    running = Residual()
    for i in range(100):
        shape, expression = running.split(_face_at(i / 30), i / 30)
        assert shape.dtype == np.float32
        np.testing.assert_allclose(shape + expression, _face_at(i / 30), atol=1e-6)


def test_a_face_that_keeps_still_has_no_expression() -> None:
    running = Residual()
    for i in range(60):
        shape, expression = running.split(_face_at(0.2), i / 30)
        assert np.abs(expression).max() < 1e-6
    np.testing.assert_allclose(shape, _face_at(0.2), atol=1e-6)


def test_in_time_the_shape_is_found_and_the_expression_is_the_rest() -> None:
    shape, expression = _run(30, 15)[-1]
    truth, speech = np.random.default_rng(1).normal(size=(81, 3)), np.random.default_rng(2).normal(size=(81, 3))
    np.testing.assert_allclose(shape, truth, atol=0.2)
    np.testing.assert_allclose(expression, speech * np.sin(2 * np.pi * 1.7 * 15), atol=0.21)


def test_a_first_expression_is_forgotten() -> None:
    """Who smiles at the start does not keep an upside-down smile for ever: ten seconds on, only the face counts."""
    running = Residual()
    smile = np.zeros((81, 3), np.float32)
    smile[LIPS] = 5
    for i in range(60):
        running.split(smile, i / 30)
    for i in range(60, 30 * 15):
        shape, expression = running.split(np.zeros((81, 3), np.float32), i / 30)
    assert np.abs(shape).max() < 1e-3
    assert np.abs(expression).max() < 1e-3


def test_the_same_media_time_gives_the_same_split() -> None:
    for (one, _), (other, _) in zip(_run(30, 12), _run(30, 12), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("rate", [15.0, 24.0, 30.0, 60.0])
def test_the_frame_rate_does_not_matter(rate: float) -> None:
    """Sampled ten times a second, or as often as frames come: after some seconds the shape is the same."""
    reference, other = _run(120, 12), _run(rate, 12)
    for second in (5, 8, 12):
        np.testing.assert_allclose(
            other[round(second * rate)][0], reference[second * 120][0], atol=0.2
        )  # of swings of 3


@pytest.mark.parametrize("rate", [20, 30, 60])
def test_a_new_shape_settles_in_media_time(rate: int) -> None:
    """One value for a second, then another: at two seconds the median changes, and the shape follows in 0.4 s."""
    running = Residual()
    reached = {}
    for i in range(4 * rate):
        value = np.full((81, 3), float(i > rate), np.float32)
        reached[i / rate] = float(running.split(value, i / rate)[0].mean())
    assert reached[1.8] == pytest.approx(0, abs=0.01)
    start = next(time for time, value in reached.items() if value > 0.01)
    assert start == pytest.approx(2.05, abs=0.11)
    for after in (0.2, 0.5, 1.0):
        value = next(value for time, value in reached.items() if time >= start + after - 1e-6)
        assert value == pytest.approx(1 - np.exp(-after / 0.4), abs=0.08)


def test_shape_moves_smoothly() -> None:
    shapes = np.stack([shape for shape, _ in _run(30, 5)])
    steps = np.abs(np.diff(shapes, axis=0)).max(axis=(1, 2))
    assert steps.max() < 0.25 * np.abs(_face_at(0.15) - _face_at(0.45)).max(), "no pop while the median settles"


affines = st.integers(0, 10_000).map(
    lambda seed: np.random.default_rng(seed).normal(size=(2, 4)) * [1.2, 1.2, 1.2, 100] + np.eye(2, 4)
)


@given(affines, st.integers(0, 1000))
@settings(deadline=None)
def test_a_residual_taken_into_the_source_and_drawn_is_itself(affine: np.ndarray, seed: int) -> None:
    residual = np.random.default_rng(seed).normal(size=(81, 2)) * 5
    linear = affine[:, :3]
    if np.linalg.svd(linear, compute_uv=False)[-1] < 0.05:
        return  # nearly singular: what a squeezed affine cannot show is not asked for
    inside = into_source(affine, residual)
    assert inside.shape == (81, 3)
    np.testing.assert_allclose(inside @ linear.T, residual, atol=2e-3)
    # and no smaller displacement does it: nothing along the direction that the affine does not see
    unseen = np.cross(linear[0], linear[1])
    assert np.abs(inside @ (unseen / np.linalg.norm(unseen))).max() < 1e-3


def test_a_residual_turns_with_the_head() -> None:
    """A dimple in the source's axes, seen from two sides: what is measured from one is drawn right from the other."""
    source = posed_solid(Pose(0, 0, 0), 100, (0, 0)).astype(np.float64)
    moved = np.zeros((81, 3))
    moved[:, 1] = 4.0  # along the head's own down
    for roll in (0.0, 90.0):
        turned = posed_solid(Pose(0, 0, roll), 100, (0, 0)).astype(np.float64)
        linear = np.linalg.lstsq(source, turned, rcond=None)[0].T[:2]
        affine = np.column_stack([linear, np.zeros(2)])
        np.testing.assert_allclose(into_source(affine, moved @ linear.T), moved, atol=1e-3)


@pytest.mark.parametrize("strength", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("roll", [0.0, 35.0, 170.0])
def test_the_mouth_opens_as_far_as_the_live_one(strength: float, roll: float) -> None:
    rng = np.random.default_rng(3)
    drawn = posed_solid(Pose(10, 0, roll), 100, (300, 200))[:, :2]
    live = posed_solid(Pose(0, 5, roll), 80, (100, 150))[:, :2].copy()
    down = np.array([-np.sin(np.deg2rad(roll)), np.cos(np.deg2rad(roll))])
    live[[65, 66, 67, 56, 57, 58]] += (20 * down + rng.normal(size=(6, 2))).astype(np.float32)
    out = match_mouth(drawn, live, strength)
    right = live[42:48].mean(axis=0) - live[36:42].mean(axis=0)
    axis = np.array([-right[1], right[0]]) / np.linalg.norm(right)
    for upper, lower in _PAIRS:
        wanted, was, now = (float((points[lower] - points[upper]) @ axis) for points in (live, drawn, out))
        assert now == pytest.approx(was + strength * (wanted - was), abs=1e-3)
        np.testing.assert_allclose(out[upper] + out[lower], drawn[upper] + drawn[lower], atol=1e-3)
    rest = np.setdiff1d(np.arange(81), [*(i for pair in _PAIRS for i in pair), 50, 51, 52, 56, 57, 58])
    np.testing.assert_array_equal(out[rest], drawn[rest])
    np.testing.assert_allclose(out[[51, 57]] - drawn[[51, 57]], out[[62, 66]] - drawn[[62, 66]], atol=1e-4)


def test_crossed_live_lips_close_the_mouth_and_no_more() -> None:
    live = posed_solid(Pose(0, 0, 0), 100, (0, 0))[:, :2].copy()
    live[[61, 62, 63]], live[[67, 66, 65]] = live[[67, 66, 65]] + 1, live[[61, 62, 63]] - 1
    out = match_mouth(posed_solid(Pose(0, 0, 0), 100, (0, 0))[:, :2], live, 1.0)
    for upper, lower in _PAIRS:
        assert out[lower, 1] - out[upper, 1] == pytest.approx(0, abs=1e-3)


def test_points_in_one_place_stay_finite() -> None:
    assert np.isfinite(match_mouth(np.zeros((81, 2), np.float32), np.zeros((81, 2), np.float32), 1.0)).all()


def test_shape_gain_follows_the_outline_most() -> None:
    gain = shape_gain(None)
    assert gain.shape == (81, 1)
    assert (gain[JAW] == 1).all()
    assert (gain[HAIRLINE] == 1).all()
    np.testing.assert_allclose(gain[LIPS], 0.4)
    np.testing.assert_allclose(gain[BROWS], 0.7)
    np.testing.assert_allclose(gain[NOSE], 0.3)
    for value in (0.0, 0.5, 1.0):
        np.testing.assert_array_equal(shape_gain(value), np.full((81, 1), value, np.float32))


def test_what_moves_with_the_expression_counts_less_for_the_head(rng: np.random.Generator) -> None:
    weights = solve_weights(np.ones(81, np.float32))
    assert weights.shape == (68,)
    assert weights[LIPS].max() < weights[NOSE].min()
    assert weights[BROWS].max() < weights[NOSE].min()
    assert weights[8] < weights[0], "the chin less than the temples"
    confidence = rng.uniform(0, 1, 81).astype(np.float32)
    np.testing.assert_allclose(solve_weights(confidence), weights * np.maximum(confidence[:68], 0.05))
    assert solve_weights(np.zeros(81, np.float32)).min() > 0, "a covered face still has an affine"
