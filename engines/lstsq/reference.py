"""The least squares in float64 by singular values, face by face: the truth other versions are tested with."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.lstsq.rules import FLAT, MIN_POINTS, SHALLOW, check_shapes


def solve(
    points: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None = None, ridge: float = 0.0
) -> NDArray[np.float64]:
    """(B, 2, 4) affines; arguments, rules and errors as in `engines.lstsq.host.solve`."""
    check_shapes(points.shape, targets.shape, None if weights is None else weights.shape)
    weights = np.ones(points.shape[:2]) if weights is None else weights
    wide = [array.astype(np.float64) for array in (points, targets, weights)]
    return np.array([_solve_face(p, t, w, ridge) for p, t, w in zip(*wide, strict=True)]).reshape(-1, 2, 4)


def depth_left(points: NDArray[Any], weights: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """(B,) s = 1 - R² of z regressed on x, y and 1: how much of the depth is not a plane (0 where z is constant)."""
    weights = np.ones(points.shape[:2]) if weights is None else weights
    left = [
        _depth_left(face.astype(np.float64), np.sqrt(weight.astype(np.float64)))
        for face, weight in zip(points, weights, strict=True)
    ]
    return np.array(left)


def _solve_face(
    points: NDArray[np.float64], targets: NDArray[np.float64], weights: NDArray[np.float64], ridge: float
) -> NDArray[np.float64]:
    if np.count_nonzero(weights > 0) < MIN_POINTS:
        return np.full((2, 4), np.nan)
    root = np.sqrt(weights)[:, None]
    total = weights.sum()
    centre, goal = weights @ points / total, weights @ targets / total
    design, right = root * (points - centre), root * (targets - goal)
    across = np.linalg.svd(design[:, :2], compute_uv=False)
    if not np.prod(across**2) > FLAT * np.sum(across**2) ** 2:
        return np.full((2, 4), np.nan)
    linear = np.zeros((2, 3))
    if _depth_left(points, root[:, 0]) > SHALLOW:
        # the ridge is one more equation: its weight times the normalised z slope is 0
        penalty = [[0, 0, np.sqrt(ridge / total) * np.linalg.norm(design[:, 2])]]
        linear[:] = np.linalg.lstsq(np.vstack([design, penalty]), np.vstack([right, [[0, 0]]]), rcond=None)[0].T
    else:
        linear[:, :2] = np.linalg.lstsq(design[:, :2], right, rcond=None)[0].T
    return np.column_stack([linear, goal - linear @ centre])


def _depth_left(points: NDArray[np.float64], root: NDArray[np.float64]) -> float:
    if root.sum() == 0:
        return 0.0
    design = root[:, None] * (points - root**2 @ points / (root**2).sum())
    depth = design[:, 2]
    slopes = np.linalg.lstsq(design[:, :2], depth, rcond=None)[0]
    whole = float(depth @ depth)
    rest = depth - design[:, :2] @ slopes
    return float(rest @ rest) / whole if whole > 0 else 0.0
