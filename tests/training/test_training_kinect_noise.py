"""The noise of depth sensors, against its statistics and the geometry of its shadow."""

from __future__ import annotations

import numpy as np
import pytest

from training.kinect_noise import (
    V1_BASELINE,
    V1_FOCAL,
    V1_SIGMA,
    V1_STEP,
    V2_SIGMA,
    kinect_v1,
    kinect_v2,
    shadow,
)


@pytest.mark.parametrize("distance", [800.0, 1500.0, 2500.0])
def test_v1_errs_by_its_square_and_its_rounding(distance: float, rng: np.random.Generator) -> None:
    # a ramp over some roundings, so that none of them stands for all
    ramp = distance + np.linspace(-60, 60, 400, dtype=np.float32) * (distance / 1000) ** 2
    depth = np.tile(ramp, (300, 1))
    error = kinect_v1(depth, rng).astype(float) - depth
    kept = error > -depth
    assert kept.mean() > 0.99
    step = distance**2 / (V1_FOCAL * V1_BASELINE) * V1_STEP
    expected = np.sqrt((V1_SIGMA * distance**2) ** 2 + step**2 / 12)
    assert error[kept].std() == pytest.approx(expected, rel=0.15)
    assert abs(error[kept].mean()) < 0.1 * expected


def test_v1_knows_only_eighths_of_a_disparity(rng: np.random.Generator) -> None:
    depth = np.tile(np.linspace(1900, 2100, 200, dtype=np.float32), (50, 1))
    measured = kinect_v1(depth, rng)
    levels = np.unique(measured[measured > 0]).astype(float)
    eighths = V1_FOCAL * V1_BASELINE / levels / V1_STEP
    # depth is rounded to millimetres after the disparity
    slack = 0.5 * V1_FOCAL * V1_BASELINE / levels**2 / V1_STEP
    assert (np.abs(eighths - np.rint(eighths)) <= slack + 1e-6).all()
    assert len(levels) < 40


def test_v1_shadow_is_as_wide_as_two_disparities_differ() -> None:
    depth = np.full((20, 300), 2000.0, np.float32)
    depth[:, 120:200] = 800.0
    dark = shadow(depth, V1_FOCAL)
    width = V1_FOCAL * V1_BASELINE * (1 / 800 - 1 / 2000)
    assert dark.any(axis=0).nonzero()[0].max() < 120
    assert dark[10].sum() == pytest.approx(width, abs=2.0)
    assert not shadow(np.full((4, 50), 900.0, np.float32), V1_FOCAL).any()


def test_v2_errs_by_millimetres_on_a_wall_and_flies_at_edges(rng: np.random.Generator) -> None:
    depth = np.full((200, 200), 1000.0, np.float32)
    error = kinect_v2(depth, rng).astype(float) - depth
    assert error.std() == pytest.approx(np.hypot(sum(V2_SIGMA), 12**-0.5), rel=0.05)
    assert abs(error.mean()) < 0.1
    depth[:, 100:] = 1400.0
    measured = kinect_v2(depth, rng)
    flying = (measured > 1040) & (measured < 1360)
    assert 0.2 < flying[:, 99:101].mean() < 0.7
    assert not flying[:, :98].any()
    assert not flying[:, 102:].any()


@pytest.mark.parametrize("sensor", [kinect_v1, kinect_v2])
def test_nothing_stays_nothing_and_hair_swallows(sensor: object, rng: np.random.Generator) -> None:
    depth = np.full((80, 80), 900.0, np.float32)
    depth[:, :20] = 0
    absorbing = np.zeros((80, 80), np.float32)
    absorbing[:, 50:] = 0.6
    measured = sensor(depth, rng, absorbing=absorbing)
    assert measured.dtype == np.uint16
    assert not measured[:, :18].any()
    assert (measured[:, 26:48] > 0).mean() > 0.98
    assert 0.4 < (measured[:, 50:] == 0).mean() < 0.8
    assert not sensor(np.zeros((8, 8), np.float32), rng).any()
