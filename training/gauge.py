"""`engines.lstsq.gauge.canonical_depth` in torch, with its gradient: what a critic of depth has to be fed."""

from __future__ import annotations

from torch import Tensor

from training.lstsq import off_plane

LEAST_NORM = 1e-6


def canonical(source: Tensor, depth: Tensor) -> Tensor:
    """(B, K) depth of unit norm without its plane over (B, K, 2) keypoints, about 0 where it is a plane.

    The least squares cannot tell depths apart that differ in scale or plane; a critic could, and would win on that
    alone. The sign stays as it is, unlike in `canonical_depth`: chosen by one point it would jump, and the critic can
    teach it.
    """
    rest = off_plane(source, depth[..., None])[..., 0]
    return rest / rest.norm(dim=1, keepdim=True).clamp_min(LEAST_NORM)
