"""The face filter: lag and jitter on faces whose true path is known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.smoothing import MOVES, Move, delay_frames, jitter_percent, move_face, smoothed, white_noise
from realtime.analysis.one_euro import FaceFilter, Strength
from realtime.geometry.topology import BROWS, JAW, LIPS, NOSE

FULL = np.ones(81, np.float32)


@pytest.mark.parametrize("rate", [25, 30, 60])
@pytest.mark.parametrize("move", MOVES, ids=lambda move: move.name)
def test_lag_is_below_a_frame(move: Move, rate: int, rng: np.random.Generator) -> None:
    path = move_face(move, rate)
    noisy = path.points + white_noise(path.points.shape, path.eye_px, 0.35, rng)
    assert abs(delay_frames(path, smoothed(noisy, path), move.watched)) <= (1 if rate <= 30 else 2)


@pytest.mark.parametrize("raw_percent", [0.3, 0.4])
def test_a_still_face_stands_still(raw_percent: float, rng: np.random.Generator) -> None:
    path = move_face(Move("still"), 30)
    noisy = path.points + white_noise(path.points.shape, path.eye_px, raw_percent, rng)
    assert jitter_percent(noisy, path.eye_px) == pytest.approx(raw_percent, rel=0.1)
    assert jitter_percent(smoothed(noisy, path), path.eye_px) <= 0.10


def test_a_turning_face_is_steadier_than_its_raw_points(rng: np.random.Generator) -> None:
    path = move_face(next(move for move in MOVES if move.name == "slow turn"), 30)
    noisy = path.points + white_noise(path.points.shape, path.eye_px, 0.35, rng)
    assert jitter_percent(smoothed(noisy, path) - path.points, path.eye_px) < 0.5 * 0.35


def test_speaking_does_not_shake_the_rest_of_the_face() -> None:
    path = move_face(next(move for move in MOVES if move.name == "speech"), 30)
    off = np.linalg.norm(smoothed(path.points, path) - path.points, axis=2)[:, np.r_[BROWS, NOSE]]
    assert off.max() < 0.01 * path.eye_px


def test_no_motion_passes_exactly(rng: np.random.Generator) -> None:
    points = rng.uniform(0, 500, (81, 2)).astype(np.float32)
    steady = FaceFilter()
    for index in range(5):
        np.testing.assert_array_equal(steady(points, FULL, index / 30), points)


def test_moving_and_growing_the_picture_moves_and_grows_the_result(rng: np.random.Generator) -> None:
    path = move_face(MOVES[0], 30)
    noisy = path.points + white_noise(path.points.shape, path.eye_px, 0.35, rng)
    plain = smoothed(noisy, path)
    np.testing.assert_allclose(smoothed(4 * noisy + [100, -50], path), 4 * plain + [100, -50], atol=0.02)


def test_the_rate_of_frames_does_not_change_the_path() -> None:
    """60 frames/s seen at every second frame is what 30 frames/s gives, within a few percent of the way."""
    slow, fast = (move_face(MOVES[0], rate) for rate in (30, 60))
    at_30, at_60 = smoothed(slow.points, slow), smoothed(fast.points, fast)[::2]
    assert np.linalg.norm(at_30 - at_60, axis=2).max() < 0.02 * slow.eye_px


def test_unsure_points_follow_more_slowly(rng: np.random.Generator) -> None:
    points = rng.uniform(0, 300, (81, 2)).astype(np.float32)
    jumped = points.copy()
    jumped[30] += 5
    unsure = FULL.copy()
    unsure[30] = 0.1
    moved = []
    for confidence in (FULL, unsure):
        steady = FaceFilter()
        steady(points, confidence, 0.0)
        moved.append(np.linalg.norm(steady(jumped, confidence, 1 / 30)[30] - points[30]))
    assert moved[1] < 0.5 * moved[0]


@pytest.mark.parametrize("name", ["slow turn", "fast shift"])
def test_hidden_points_are_carried_along(name: str, rng: np.random.Generator) -> None:
    """A hand before the mouth: its points are guesses, and the network knows it."""
    path = move_face(next(move for move in MOVES if move.name == name), 30)
    hidden = np.r_[JAW[4:13], LIPS]
    noisy = path.points + white_noise(path.points.shape, path.eye_px, 0.35, rng)
    noisy[:, hidden] += white_noise(noisy[:, hidden].shape, path.eye_px, 5.0, rng)
    confidence = FULL.copy()
    confidence[hidden] = 0.15
    off = smoothed(noisy, path, confidence)[:, hidden] - path.points[:, hidden]
    assert np.linalg.norm(off[5:], axis=2).mean() < 0.01 * path.eye_px
    assert jitter_percent(off, path.eye_px) < 1.0


@pytest.mark.parametrize("later_s", [0.0, -0.1])
def test_time_that_stands_still_returns_the_last_points(later_s: float, rng: np.random.Generator) -> None:
    points = rng.uniform(0, 300, (81, 2)).astype(np.float32)
    steady = FaceFilter()
    steady(points, FULL, 1.0)
    np.testing.assert_array_equal(steady(points + 10, FULL, 1.0 + later_s), points)


def test_a_long_gap_and_a_reset_start_anew(rng: np.random.Generator) -> None:
    points = rng.uniform(0, 300, (81, 2)).astype(np.float32)
    steady = FaceFilter(Strength(gap_s=0.5))
    steady(points, FULL, 0.0)
    np.testing.assert_array_equal(steady(points + 3, FULL, 0.6), points + 3)
    steady.reset()
    np.testing.assert_array_equal(steady(points + 7, FULL, 0.61), points + 7)


@pytest.mark.parametrize("points", [np.zeros((81, 2)), np.outer(np.arange(81), [1.0, 0.5])])
def test_collapsed_faces_stay_finite(points: np.ndarray) -> None:
    steady = FaceFilter()
    depth = np.zeros(81, np.float32)
    for index in range(4):
        assert np.isfinite(steady((points + index).astype(np.float32), FULL, index / 30, depth)).all()


def test_two_runs_agree(rng: np.random.Generator) -> None:
    path = move_face(MOVES[0], 30)
    noisy = path.points + white_noise(path.points.shape, path.eye_px, 0.35, rng)
    np.testing.assert_array_equal(smoothed(noisy, path), smoothed(noisy, path))
