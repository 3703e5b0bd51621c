"""The host's least squares: the table all implementations share, the paper's 8x8 form, and what must not matter."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lstsq_table import K, PoorFaces, Solver, SolverTable, moved, random_faces

from engines.lstsq import host, reference, solve


class TestHost(SolverTable):
    @pytest.fixture
    def solver(self) -> Solver:
        return host.solve


class TestReference(PoorFaces):
    @pytest.fixture
    def solver(self) -> Solver:
        return reference.solve


def test_the_papers_large_system_gives_the_same(rng: np.random.Generator) -> None:
    points, targets = (array.astype(np.float64) for array in random_faces(rng, 20, near_flat=0))
    for affine, face, goal in zip(solve(points, targets), points, targets, strict=True):
        large = np.zeros((2 * K, 8))
        large[0::2, 0:3], large[0::2, 6] = face, 1
        large[1::2, 3:6], large[1::2, 7] = face, 1
        m = np.linalg.pinv(large) @ goal.ravel()
        np.testing.assert_allclose(affine, np.column_stack([m[:6].reshape(2, 3), m[6:]]), atol=1e-6)


FACE = st.integers(0, 2**32 - 1)


def one_face(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(1, K, 3)), rng.normal(size=(1, K, 2)), rng.random((1, K)) + 0.01


@given(FACE)
@settings(max_examples=50, deadline=None)
def test_affine_data_is_found_exactly(seed: int) -> None:
    points, _, weights = one_face(seed)
    affine = np.random.default_rng(seed + 1).normal(size=(1, 2, 4))
    np.testing.assert_allclose(solve(points, moved(affine, points), weights), affine, atol=1e-9)


@given(FACE, st.floats(0.1, 10), st.floats(-3, 3), st.floats(-3, 3), st.floats(-100, 100), st.booleans())
@settings(max_examples=50, deadline=None)
def test_the_gauge_of_depth_does_not_matter(
    seed: int, scale: float, bx: float, by: float, shift: float, sign: bool
) -> None:
    points, targets, weights = one_face(seed)
    other = points.copy()
    other[..., 2] = (-1 if sign else 1) * scale * points[..., 2] + bx * points[..., 0] + by * points[..., 1] + shift
    here, there = (moved(solve(p, targets, weights), p) for p in (points, other))
    np.testing.assert_allclose(here, there, atol=1e-6)


@given(FACE, st.floats(0, 1))
@settings(max_examples=50, deadline=None)
def test_a_whole_weight_repeats_a_point(seed: int, ridge: float) -> None:
    points, targets, _ = one_face(seed)
    times = np.random.default_rng(seed).integers(0, 4, K)
    times[:8] = 1
    again = solve(np.repeat(points, times, axis=1), np.repeat(targets, times, axis=1), None, ridge)
    np.testing.assert_allclose(solve(points, targets, times[None].astype(float), ridge), again, atol=1e-9)


@given(FACE)
@settings(max_examples=50, deadline=None)
def test_the_order_of_points_does_not_matter(seed: int) -> None:
    points, targets, weights = one_face(seed)
    order = np.random.default_rng(seed).permutation(K)
    shuffled = solve(points[:, order], targets[:, order], weights[:, order])
    np.testing.assert_allclose(solve(points, targets, weights), shuffled, atol=1e-9)
