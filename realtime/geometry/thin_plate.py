"""Thin-plate splines as matrices: smooth interpolation between scattered keypoints (Duchon 1977, Bookstein 1989)."""

from __future__ import annotations

import numpy as np

from realtime.frame import Floats


def thin_plate_weights(knots: np.ndarray, at: np.ndarray) -> Floats:
    """Weights that carry values at the knots to other places of the plane.

    Args:
        knots: (K, 2) distinct, not collinear.
        at: (V, 2) where values are wanted.

    Returns:
        (V, K) float32. Rows sum to 1, values that are affine in the plane are reproduced exactly, and so are the values
        at the knots themselves.
    """
    knots = np.asarray(knots, np.float64)
    count = len(knots)
    system = np.zeros((count + 3, count + 3))
    system[:count, :count] = _bend(knots, knots)
    system[:count, count:] = _affine(knots)
    system[count:, :count] = _affine(knots).T
    basis = np.hstack([_bend(np.asarray(at, np.float64), knots), _affine(at)])
    weights: Floats = np.linalg.solve(system.T, basis.T).T[:, :count].astype(np.float32)
    return weights


def _bend(points: np.ndarray, knots: np.ndarray) -> np.ndarray:
    square = ((points[:, None] - knots[None]) ** 2).sum(axis=-1)
    return np.asarray(square * np.log(np.maximum(square, 1e-24)))


def _affine(points: np.ndarray) -> np.ndarray:
    return np.column_stack([np.ones(len(points)), points])
