"""Thin-plate weights: what they must reproduce exactly, and scipy's spline as the independent truth."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.interpolate import RBFInterpolator

from realtime.geometry.mesh import layout
from realtime.geometry.thin_plate import thin_plate_weights

seeds = st.integers(0, 10_000)
counts = st.integers(4, 60)


def _knots(rng: np.random.Generator, count: int) -> np.ndarray:
    """Distinct places: a jittered grid, so that no two knots nearly coincide."""
    side = int(np.ceil(np.sqrt(count)))
    grid = np.stack(np.meshgrid(np.arange(side), np.arange(side)), axis=-1).reshape(-1, 2)
    return (rng.permutation(grid)[:count] + rng.uniform(-0.3, 0.3, (count, 2))) / side


@given(seeds, counts)
@settings(max_examples=30, deadline=None)
def test_affine_values_and_constants_are_reproduced(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    knots, at = _knots(rng, count), rng.uniform(-0.2, 1.2, (50, 2))
    weights = thin_plate_weights(knots, at)
    assert weights.shape == (50, count)
    assert weights.dtype == np.float32
    scale = np.abs(weights).sum(axis=1).max()  # far outside the knots the weights alternate and grow
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=2e-6 * scale)
    linear, shift = rng.normal(size=(2, 2)), rng.normal(size=2)
    np.testing.assert_allclose(weights @ (knots @ linear + shift), at @ linear + shift, atol=1e-5 * scale)


@given(seeds, counts)
@settings(max_examples=30, deadline=None)
def test_values_at_the_knots_are_kept(seed: int, count: int) -> None:
    knots = _knots(np.random.default_rng(seed), count)
    np.testing.assert_allclose(thin_plate_weights(knots, knots), np.eye(count), atol=1e-6)


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_between_the_knots_it_is_the_thin_plate_spline_of_scipy(seed: int) -> None:
    rng = np.random.default_rng(seed)
    knots, at, values = _knots(rng, 40), rng.uniform(0, 1, (80, 2)), rng.normal(size=(40, 3))
    truth = RBFInterpolator(knots, values, kernel="thin_plate_spline", degree=1)(at)
    np.testing.assert_allclose(thin_plate_weights(knots, at) @ values, truth, atol=2e-5)


def test_the_unit_of_the_plane_does_not_matter() -> None:
    knots, at = layout().astype(np.float64), np.random.default_rng(0).uniform(0.2, 0.8, (30, 2))
    np.testing.assert_allclose(thin_plate_weights(knots, at), thin_plate_weights(640 * knots, 640 * at), atol=1e-5)
