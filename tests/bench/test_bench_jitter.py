"""What the jitter bench computes, on faces whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.jitter import calmest, completed, tracked
from bench.smoothing import Path, delay_frames, jitter_percent, noisy_portrait
from realtime.analysis.landmarks import Landmarks
from realtime.analysis.networks import Networks
from realtime.geometry.template import template
from realtime.geometry.topology import KEYPOINTS, OF_66, eye_distance
from training.peers import Ours


def test_missing_points_lie_where_the_mean_face_has_them(rng: np.random.Generator) -> None:
    affine = rng.normal(0, 40, (2, 3))
    truth = template() @ affine.T + (300, 200)
    known = np.full((1, KEYPOINTS, 2), np.nan, np.float32)
    known[0, OF_66] = truth[OF_66]
    confidence = np.where(np.isfinite(known[..., 0]), 0.8, 0).astype(np.float32)
    points, sure = completed(Landmarks(known, confidence, np.ones(1, np.float32)))
    np.testing.assert_allclose(points, truth, atol=1e-2)
    np.testing.assert_array_equal(points[OF_66], known[0, OF_66])
    np.testing.assert_array_equal(sure, confidence[0])


def test_the_calmest_part_is_found_beside_frames_without_a_speed() -> None:
    speeds = np.array([np.nan, 0.0, 5, 4, 1, 1, 2, 6, np.nan])
    assert calmest(speeds, 3) == 4 and calmest(-speeds, 2) == 2


@pytest.mark.parametrize("frames", [0.0, 0.6, 2.0])
def test_lag_is_found_where_frames_are_missing(frames: float) -> None:
    """The recorder's repeated frames are left out, so the times have gaps."""
    times = 7.0 + np.delete(np.arange(60), [7, 20, 21, 40]) / 30

    def at(seconds: np.ndarray) -> np.ndarray:
        turn = 100 * np.sin(2.5 * seconds)[:, None, None]
        return turn * np.ones((1, KEYPOINTS, 2))

    path = Path(times, at(times), np.zeros((len(times), KEYPOINTS)))
    assert delay_frames(path, at(times - frames / 30), (0, 30)) == pytest.approx(frames, abs=0.1)


def test_jitter_of_a_swinging_point_is_its_second_difference() -> None:
    points = 50 * template()[None, :, :2] + 0.5 * (-1.0) ** np.arange(20)[:, None, None]
    eye_px = float(eye_distance(points[0]))
    assert jitter_percent(points, eye_px) == pytest.approx(100 * 2 * np.sqrt(2) / eye_px)


def test_the_filter_calms_a_still_picture_and_leaves_the_face_where_it_is() -> None:
    networks, frames = Networks.load(threads=1), noisy_portrait(3.0, 9, 30.0)
    raw, smoothed = (tracked(Ours(networks.landmarks), networks, frames, smooth) for smooth in (False, True))
    assert jitter_percent(smoothed.points, raw.eye_px) < 0.5 * jitter_percent(raw.points, raw.eye_px)
    away = np.linalg.norm(smoothed.points.mean(axis=0) - raw.points.mean(axis=0), axis=1)
    assert away.mean() < 0.01 * raw.eye_px
