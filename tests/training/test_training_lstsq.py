"""The least squares in torch: the affines of `engines.lstsq`, and gradients as theory and finite differences say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.lstsq import reference
from engines.networks.depthnet import DepthNet
from realtime.geometry.topology import LANDMARKS
from training.lstsq import affine, metric_errors, residual

SEED = st.integers(0, 2**32 - 1)
FORMS = {"plain": (False, 0.0), "weighted": (True, 0.0), "ridge": (False, 0.5), "weighted ridge": (True, 0.5)}
FORM = pytest.mark.parametrize("form", FORMS)


class System:
    """Two random faces, in one of the four forms."""

    def __init__(self, seed: int, form: str = "plain") -> None:
        rng = np.random.default_rng(seed)
        self.source, depth, self.target = (rng.uniform(-0.5, 0.5, (2, LANDMARKS, size)) for size in (2, 1, 2))
        self.depth = depth[..., 0]
        weighted, self.ridge = FORMS[form]
        self.weights = rng.uniform(0, 2, (2, LANDMARKS)) * (rng.random((2, LANDMARKS)) < 0.8) if weighted else None

    def points(self) -> np.ndarray:
        return np.concatenate([self.source, self.depth[..., None]], axis=-1)

    def tensors(self, depth: torch.Tensor | None = None) -> tuple[torch.Tensor | float | None, ...]:
        source, target = torch.from_numpy(self.source), torch.from_numpy(self.target)
        weights = None if self.weights is None else torch.from_numpy(self.weights)
        return source, torch.from_numpy(self.depth) if depth is None else depth, target, weights, self.ridge

    def reference(self) -> np.ndarray:
        return reference.solve(self.points(), self.target, self.weights, self.ridge)

    def reference_loss(self, depth: np.ndarray) -> np.ndarray:
        """(2,) weighted squared residuals of the reference's affines."""
        points = np.concatenate([self.source, depth[..., None]], axis=-1)
        affines = reference.solve(points, self.target, self.weights, self.ridge)
        away = points @ affines[..., :3].swapaxes(1, 2) + affines[:, None, :, 3] - self.target
        weights = np.ones(depth.shape) if self.weights is None else self.weights
        return (weights * np.square(away).sum(axis=2)).sum(axis=1)


@FORM
@given(SEED)
@settings(max_examples=15)
def test_affine_and_residual_are_the_references(form: str, seed: int) -> None:
    system = System(seed, form)
    np.testing.assert_allclose(affine(*system.tensors()), system.reference(), rtol=1e-8, atol=1e-11)
    np.testing.assert_allclose(residual(*system.tensors()), system.reference_loss(system.depth), rtol=1e-9)


@FORM
def test_the_residuals_gradient_is_that_of_finite_differences(form: str) -> None:
    system = System(1, form)
    depth = torch.from_numpy(system.depth).requires_grad_()
    residual(*system.tensors(depth)).sum().backward()
    step = 1e-6
    for k in range(0, LANDMARKS, 7):
        change = step * (np.arange(LANDMARKS) == k)
        slope = system.reference_loss(system.depth + change) - system.reference_loss(system.depth - change)
        np.testing.assert_allclose(depth.grad[:, k], slope / (2 * step), atol=1e-8)


@pytest.mark.parametrize("form", ["plain", "weighted"])
def test_without_a_ridge_it_is_the_envelopes(form: str) -> None:
    system = System(2, form)
    depth = torch.from_numpy(system.depth).requires_grad_()
    residual(*system.tensors(depth)).sum().backward()
    affines = system.reference()
    rest = system.target - system.points() @ affines[..., :3].swapaxes(1, 2) - affines[:, None, :, 3]
    weights = 1.0 if system.weights is None else system.weights
    np.testing.assert_allclose(depth.grad, -2 * weights * (rest * affines[:, None, :, 2]).sum(axis=-1), atol=1e-10)


@FORM
def test_any_function_of_the_affine_has_the_published_gradient(form: str) -> None:
    """dL/dX = W R Vᵀ - W X V Mᵀ, V = (G + Λ)⁻¹ dL/dM; Λ is a share of the depth's spread, so it has a slope, too."""
    system = System(3, form)
    slopes = np.random.default_rng(4).normal(size=(2, 2, 4))
    depth = torch.from_numpy(system.depth).requires_grad_()
    (affine(*system.tensors(depth)) * torch.from_numpy(slopes)).sum().backward()
    for face in range(2):
        weights = np.ones(LANDMARKS) if system.weights is None else system.weights[face]
        design = np.column_stack([system.points()[face], np.ones(LANDMARKS)])
        centred = system.depth[face] - np.average(system.depth[face], weights=weights)
        share = system.ridge / weights.sum()
        gram = design.T @ (weights[:, None] * design)
        gram[2, 2] += share * weights @ centred**2
        solution = np.linalg.solve(gram, design.T @ (weights[:, None] * system.target[face]))
        inner = np.linalg.solve(gram, slopes[face].T)
        rest = system.target[face] - design @ solution
        wanted = weights[:, None] * (rest @ inner.T - design @ inner @ solution.T)
        through_ridge = -2 * share * weights * centred * (inner @ solution.T)[2, 2]
        np.testing.assert_allclose(depth.grad[face], wanted[:, 2] + through_ridge, rtol=1e-8, atol=1e-10)


def test_the_loss_is_free_of_scale_and_plane() -> None:
    system = System(5)
    free = torch.from_numpy(3 - 2 * system.depth + system.source[..., 0])
    np.testing.assert_allclose(residual(*system.tensors(free)), residual(*system.tensors()))


def test_a_point_without_weight_does_not_count() -> None:
    system = System(6, "weighted")
    before = residual(*system.tensors())
    system.target[system.weights == 0] += 100
    np.testing.assert_allclose(residual(*system.tensors()), before)


def test_a_flat_depth_has_a_finite_gradient_and_never_learns() -> None:
    """Why the publication starts with random depth biases."""
    torch.manual_seed(0)
    system = System(7)
    source, target = (torch.from_numpy(array.astype(np.float32)) for array in (system.source, system.target))
    for spread in (0.0, 0.5):
        net = DepthNet(depth_spread=spread)
        residual(source, net(source, target), target).sum().backward()
        assert torch.isfinite(net.out.bias.grad).all()
        assert (net.out.bias.grad.abs().max() > 0) == (spread > 0)


def test_no_face_is_no_error() -> None:
    empty = torch.zeros(0, LANDMARKS, 2)
    assert residual(empty, empty[..., 0], empty).shape == (0,)
    assert affine(empty, empty[..., 0], empty).shape == (0, 2, 4)


def test_metric_errors_part_what_the_loss_cannot_see() -> None:
    system = System(8)
    free = 1.3 * system.depth + 0.2 * system.source[..., 0] - 0.1 * system.source[..., 1] + 0.4
    source, found, truth = (torch.from_numpy(array) for array in (system.source, free, system.depth))
    gauge, shape = metric_errors(source, found, truth)
    np.testing.assert_allclose(shape, 0, atol=1e-15)
    np.testing.assert_allclose(gauge, np.square(free - system.depth).mean(axis=1))
    other = np.random.default_rng(9).normal(size=truth.shape)
    gauge, shape = metric_errors(source, torch.from_numpy(other), truth)
    np.testing.assert_allclose(gauge + shape, np.square(other - system.depth).mean(axis=1))
