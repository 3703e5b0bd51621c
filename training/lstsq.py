"""The least squares of `engines.lstsq` in torch: the best affine, what it leaves of a target, and their gradients.

x, y and 1 are eliminated first: with Q taking out planes over x and y, z's column of the affine is
(Qz)ᵀ Qt / (|Qz|² + ridge), and for the plain residual |T - X(z) M|² = |QT|² - |(QT)ᵀ ẑ|², ẑ = Qz / |Qz|. So nothing
is inverted, and automatic differentiation gives the exact gradient, the envelope's -2 r · m_z included.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_ENERGY = 1e-12  # |Qz|² of a flat depth, whose gradient must stay finite


def residual(
    source: Tensor, depth: Tensor, target: Tensor, weights: Tensor | None = None, ridge: float = 0.0
) -> Tensor:
    """(B,) weighted sum of squared residuals of the best affine from (source, depth) to the target.

    Args:
        source: (B, K, 2).
        depth: (B, K), any gauge; a plane over the source leaves the 2D affine's residual.
        target: (B, K, 2).
        weights: (B, K) ≥ 0, or None for all 1.
        ridge: as in `engines.lstsq.solve`; the affine is that of the penalised system, the penalty is not counted.
    """
    rest = off_plane(source, torch.cat([depth[..., None], target], dim=-1), weights)
    slope = _depth_slope(depth, rest, weights, ridge)
    left = rest[..., 1:] - rest[..., :1] * slope
    return _sum(left.square(), weights).sum(dim=-1)


def affine(source: Tensor, depth: Tensor, target: Tensor, weights: Tensor | None = None, ridge: float = 0.0) -> Tensor:
    """(B, 2, 4) affines from [x y z 1] to the target; arguments as in `residual`.

    Those of `engines.lstsq.solve`, but for its rules for poor systems: a flat depth gets a slope of its rounding
    errors, and points on a line no meaningful answer.
    """
    values = torch.cat([depth[..., None], target], dim=-1)
    plane, rest = regressed(source, values, weights)
    slope = _depth_slope(depth, rest, weights, ridge)[:, 0]
    across = plane[..., 1:] - plane[..., :1] * slope[:, None]
    return torch.cat([across[:, :2], slope[:, None], across[:, 2:]], dim=1).mT


def metric_errors(source: Tensor, depth: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared error of depth: (B,) in what `residual` cannot see (a plane, the scale), and (B,) in the rest."""
    error = depth - truth
    rest, shape = off_plane(source, torch.stack([error, truth], dim=-1)).unbind(dim=-1)
    shape = shape / shape.norm(dim=1, keepdim=True).clamp_min(1e-6)
    scale = (rest * shape).sum(dim=1, keepdim=True) * shape
    return (error - rest + scale).square().mean(dim=1), (rest - scale).square().mean(dim=1)


def off_plane(source: Tensor, values: Tensor, weights: Tensor | None = None) -> Tensor:
    """(B, K, C) what is left of `values` (B, K, C) after regressing each column on the source's x, y and 1."""
    return regressed(source, values, weights)[1]


def regressed(source: Tensor, values: Tensor, weights: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """Each column of `values` (B, K, C) regressed on the source's x, y and 1, with weights (B, K) or none.

    Returns:
        (B, 3, C) the slopes over x and y and the constant, and (B, K, C) what is left.
    """
    middle, mean = _mean(source, weights), _mean(values, weights)
    centred = values - mean
    x, y = (source - middle).unbind(dim=-1)
    xx, xy, yy = _sum(x * x, weights)[:, None], _sum(x * y, weights)[:, None], _sum(y * y, weights)[:, None]
    det = (xx * yy - xy * xy).clamp_min(1e-12)
    xv, yv = _sum(x[..., None] * centred, weights), _sum(y[..., None] * centred, weights)
    across, down = (yy * xv - xy * yv) / det, (xx * yv - xy * xv) / det
    constant = mean[:, 0] - middle[:, 0, :1] * across - middle[:, 0, 1:] * down
    rest = centred - x[..., None] * across[:, None] - y[..., None] * down[:, None]
    return torch.stack([across, down, constant], dim=1), rest


def _depth_slope(depth: Tensor, rest: Tensor, weights: Tensor | None, ridge: float) -> Tensor:
    """(B, 1, 2) the affine's z column, from what `off_plane` left of depth and target."""
    z, t = rest[..., :1], rest[..., 1:]
    energy = _sum(z.square(), weights)
    if ridge:
        total = depth.shape[1] if weights is None else weights.sum(dim=1, keepdim=True)
        spread = _sum((depth[..., None] - _mean(depth[..., None], weights)).square(), weights)
        energy = energy + ridge / total * spread
    return (_sum(z * t, weights) / energy.clamp_min(LEAST_ENERGY))[:, None]


def _sum(values: Tensor, weights: Tensor | None) -> Tensor:
    """(B, ...) weighted sum over the points of (B, K, ...)."""
    if weights is None:
        return values.sum(dim=1)
    return (weights.reshape(weights.shape + (1,) * (values.ndim - 2)) * values).sum(dim=1)


def _mean(values: Tensor, weights: Tensor | None) -> Tensor:
    """(B, 1, C) weighted mean over the points of (B, K, C)."""
    total = values.shape[1] if weights is None else weights.sum(dim=1, keepdim=True)
    return (_sum(values, weights) / total)[:, None]
