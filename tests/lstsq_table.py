"""What every implementation of the least squares must keep: random faces by the thousand, poor ones, wrong shapes.

A test file subclasses a table and gives it a fixture `solver`.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from engines.errors import EngineError
from engines.lstsq import host, reference
from engines.lstsq.rules import MIN_POINTS, SHALLOW

Solver = Callable[..., np.ndarray]
FACES, PART = 100_000, 10_000
K = 68


def random_faces(rng: np.random.Generator, count: int, near_flat: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Points and targets in box units; depth of a share of the faces is a plane plus very little."""
    points = rng.uniform(-0.5, 0.5, (count, K, 3))
    flat = rng.random(count) < near_flat
    plane = (points[..., :2] @ rng.normal(size=(count, 2, 1)))[..., 0]
    rest = 10 ** rng.uniform(-4, -0.5, (count, 1))
    points[flat, :, 2] = (plane + rest * points[..., 2])[flat]
    affine = rng.normal(0, 0.5, (count, 2, 4))
    targets = points @ affine[..., :3].swapaxes(1, 2) + affine[:, None, :, 3] + rng.normal(0, 0.02, (count, K, 2))
    return points.astype(np.float32), targets.astype(np.float32)


def moved(affines: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Where the affines carry the points."""
    return points @ affines[..., :3].swapaxes(-1, -2) + affines[..., None, :, 3]


def exact(points: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Batched float64 QR: the 3D affine, the 2D affine, and s, for faces by the hundred thousand."""
    wide, goal = points.astype(np.float64), targets.astype(np.float64)
    centred = wide - wide.mean(axis=1, keepdims=True)
    right = goal - goal.mean(axis=1, keepdims=True)
    q, r = np.linalg.qr(centred)
    s = r[:, 2, 2] ** 2 / np.square(centred[..., 2]).sum(axis=1)
    linear = np.linalg.solve(r, q.swapaxes(1, 2) @ right).swapaxes(1, 2)
    flat = np.zeros_like(linear)
    flat[..., :2] = np.linalg.solve(r[:, :2, :2], q[..., :2].swapaxes(1, 2) @ right).swapaxes(1, 2)

    def whole(part: np.ndarray) -> np.ndarray:
        shift = goal.mean(axis=1) - (part @ wide.mean(axis=1)[..., None])[..., 0]
        return np.concatenate([part, shift[..., None]], axis=-1)

    return whole(linear), whole(flat), s


class PoorFaces:
    """Every implementation keeps the same rules. `precise`: float64 inputs are computed with as such."""

    precise = True

    @pytest.fixture(params=[1, 40])
    def faces(self, request: pytest.FixtureRequest) -> int:
        return int(request.param)

    def test_flat_depth_gives_the_2d_affine(self, rng: np.random.Generator, solver: Solver, faces: int) -> None:
        points, targets = (array.astype(np.float64) for array in random_faces(rng, faces))
        for depth in (0.0, 5.0, 3 * points[..., 0] - points[..., 1] + 2):
            points[..., 2] = depth
            affines = solver(points, targets)
            np.testing.assert_array_equal(affines[..., 2], 0)
            flat = exact(points + 1e-9 * rng.random(points.shape), targets)[1]
            np.testing.assert_allclose(affines, flat, atol=1e-6 if self.precise else 1e-5)

    def test_ridge_shrinks_only_depth(self, rng: np.random.Generator, solver: Solver, faces: int) -> None:
        points, targets = random_faces(rng, faces, near_flat=0)
        affines = solver(points, targets, None, 1e9)
        np.testing.assert_allclose(affines, exact(points, targets)[1], atol=1e-4)

    @pytest.mark.parametrize("kept", [0, 1, MIN_POINTS - 1])
    def test_too_few_points_are_nan(self, rng: np.random.Generator, solver: Solver, faces: int, kept: int) -> None:
        points, targets = random_faces(rng, faces)
        weights = np.ones((faces, K))
        weights[0, kept:] = 0
        affines = solver(points, targets, weights)
        assert np.isnan(affines[0]).all()
        assert np.isfinite(affines[1:]).all(), "other faces of the batch are not harmed"
        assert np.isnan(solver(points[:, :kept], targets[:, :kept])).all()

    def test_points_on_a_line_are_nan(self, rng: np.random.Generator, solver: Solver, faces: int) -> None:
        points, targets = random_faces(rng, faces)
        for slope, start in rng.normal(size=(5, 2)):
            points[0, :, 1] = slope * points[0, :, 0] + start
            assert np.isnan(solver(points, targets)[0]).all()
        points[0, :, 0], points[0, :, 1] = points[0, :, 1], 0.3
        assert np.isnan(solver(points, targets)[0]).all()
        points[0] = 7
        assert np.isnan(solver(points, targets)[0]).all()

    def test_a_strip_is_no_line(self, rng: np.random.Generator, solver: Solver, faces: int) -> None:
        points, targets = random_faces(rng, faces, near_flat=0)
        points[..., 1] = 0.001 * points[..., 1] + points[..., 0]
        affines = solver(points, targets)
        there = moved(affines.astype(np.float64), points)
        np.testing.assert_allclose(there, moved(exact(points, targets)[0], points), atol=1e-4 if self.precise else 1e-3)

    def test_no_faces_give_no_affines(self, solver: Solver) -> None:
        assert solver(np.zeros((0, K, 3)), np.zeros((0, K, 2))).shape == (0, 2, 4)

    @pytest.mark.parametrize(
        ("points", "targets", "weights"),
        [
            ((1, K, 2), (1, K, 2), None),
            ((1, K, 3), (1, K, 3), None),
            ((1, K, 3), (2, K, 2), None),
            ((K, 3), (K, 2), None),
            ((1, K, 3), (1, K, 2), (1, K, 1)),
            ((1, K, 3), (1, K, 2), (K,)),
        ],
    )
    def test_wrong_shapes_are_refused(
        self, solver: Solver, points: tuple[int, ...], targets: tuple[int, ...], weights: tuple[int, ...] | None
    ) -> None:
        with pytest.raises(EngineError, match="least squares"):
            solver(np.zeros(points), np.zeros(targets), None if weights is None else np.ones(weights))


class SolverTable(PoorFaces):
    """All of it; single precision is enough."""

    @pytest.mark.parametrize("part", range(FACES // PART))
    def test_acceptance_on_many_random_faces(self, solver: Solver, part: int) -> None:
        points, targets = random_faces(np.random.default_rng(part), PART)
        affines = solver(points, targets)
        deep, flat, s = exact(points, targets)
        clear = s >= 0.05
        assert 0.88 < clear.mean() < 0.97
        away = np.abs(affines - deep).max(axis=(1, 2)) / np.abs(deep).max(axis=(1, 2))
        assert away[clear].max() < 1e-5
        off_deep = np.abs(moved(affines, points) - moved(deep, points)).max(axis=(1, 2))
        off_flat = np.abs(moved(affines, points) - moved(flat, points)).max(axis=(1, 2))
        assert off_deep[s > 2 * SHALLOW].max() < 1e-4
        assert off_flat[s < SHALLOW / 2].max() < 1e-4
        assert np.minimum(off_deep, off_flat).max() < 1e-4, "near the threshold either branch is right"
        assert ((affines[..., 2] == 0).all(axis=1) == (s <= SHALLOW))[np.abs(np.log(s / SHALLOW)) > 0.1].all()

    @pytest.mark.parametrize("batch", [1, host.SCALAR_FACES - 1, host.SCALAR_FACES, 100, host.CHUNK + 3])
    @pytest.mark.parametrize("weighted", [False, True])
    @pytest.mark.parametrize("ridge", [0.0, 1e-4 * K, 1.0])
    @pytest.mark.parametrize("offset", [0, 4000])
    def test_equals_the_reference(
        self, rng: np.random.Generator, solver: Solver, batch: int, weighted: bool, ridge: float, offset: float
    ) -> None:
        points, targets = random_faces(rng, batch)
        points[..., :2] = 100 * points[..., :2] + offset
        targets = 100 * targets + offset
        weights = rng.random((batch, K)).astype(np.float32) if weighted else None
        affines = solver(points, targets, weights, ridge)
        truth = reference.solve(points, targets, weights, ridge)
        assert affines.dtype == np.float32
        s = reference.depth_left(points, weights)
        sure = (s > 2 * SHALLOW) | (s < SHALLOW / 2)
        np.testing.assert_allclose(
            moved(affines.astype(np.float64), points)[sure], moved(truth, points)[sure], atol=1e-2 if offset else 2e-4
        )

    def test_nan_in_a_face_stays_in_that_face(self, rng: np.random.Generator, solver: Solver) -> None:
        points, targets = random_faces(rng, 40)
        points[3, 5, 2] = np.nan
        affines = solver(points, targets)
        assert np.isnan(affines[3]).all()
        assert np.isfinite(np.delete(affines, 3, axis=0)).all()
