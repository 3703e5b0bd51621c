"""The least squares of `engines.lstsq` as a loss: how well depth explains a target, with its gradient.

For the best affine, |T - X(z) M|² = |QT|² - |(QT)ᵀ ẑ|² with ẑ = Qz / |Qz| and Q taking out planes over x and y. So the
matrix inverse of the affine never appears, and the gradient in z is the envelope's: -2 r · m_z per point.
"""

from __future__ import annotations

import torch
from torch import Tensor


def residual(source: Tensor, depth: Tensor, target: Tensor) -> Tensor:
    """(B,) sum of squared residuals of the best affine from (source, depth) to the target.

    Args:
        source: (B, K, 2).
        depth: (B, K), any gauge; a plane over the source leaves the 2D affine's residual.
        target: (B, K, 2).
    """
    rest = off_plane(source, torch.cat([depth[..., None], target], dim=-1))
    z, t = rest[..., :1], rest[..., 1:]
    energy = z.square().sum(dim=1).clamp_min(1e-12)
    return t.square().sum(dim=(1, 2)) - ((z * t).sum(dim=1).square() / energy).sum(dim=1)


def metric_errors(source: Tensor, depth: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Mean squared error of depth: (B,) in what `residual` cannot see (a plane, the scale), and (B,) in the rest."""
    error = depth - truth
    rest, shape = off_plane(source, torch.stack([error, truth], dim=-1)).unbind(dim=-1)
    shape = shape / shape.norm(dim=1, keepdim=True).clamp_min(1e-6)
    scale = (rest * shape).sum(dim=1, keepdim=True) * shape
    return (error - rest + scale).square().mean(dim=1), (rest - scale).square().mean(dim=1)


def off_plane(source: Tensor, values: Tensor) -> Tensor:
    """(B, K, C) what is left of `values` (B, K, C) after regressing each column on the source's x, y and 1."""
    centred = values - values.mean(dim=1, keepdim=True)
    x, y = (source - source.mean(dim=1, keepdim=True)).unbind(dim=-1)
    xx, xy, yy = (x * x).sum(dim=1), (x * y).sum(dim=1), (y * y).sum(dim=1)
    det = (xx * yy - xy * xy).clamp_min(1e-12)[:, None]
    xv, yv = (x[..., None] * centred).sum(dim=1), (y[..., None] * centred).sum(dim=1)
    across = (yy[:, None] * xv - xy[:, None] * yv) / det
    down = (xx[:, None] * yv - xy[:, None] * xv) / det
    return centred - x[..., None] * across[:, None] - y[..., None] * down[:, None]
