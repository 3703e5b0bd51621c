"""A rigid pose as networks predict it: three angles by their sines and cosines, freely scaled."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

STRAIGHT = (0.0, 1.0) * 3  # the numbers of no rotation


def rotation(pairs: Tensor) -> Tensor:
    """(B, 3, 3) rotations from (B, 6): sine and cosine of yaw, pitch and roll, each pair divided by its length.

    The matrix turns by yaw first and roll last; yaw > 0 takes the nose to the image right, pitch > 0 up, roll > 0 tilts
    the head clockwise (x right, y down, z away from the camera).
    """
    unit = functional.normalize(pairs.unflatten(1, (3, 2)), dim=2, eps=1e-6)
    (sy, sp, sr), (cy, cp, cr) = (part.unbind(dim=1) for part in unit.unbind(dim=2))
    zero, one = torch.zeros_like(sy), torch.ones_like(sy)

    def matrix(*entries: Tensor) -> Tensor:
        return torch.stack(entries, dim=1).unflatten(1, (3, 3))

    about_y = matrix(cy, zero, -sy, zero, one, zero, sy, zero, cy)
    about_x = matrix(one, zero, zero, zero, cp, sp, zero, -sp, cp)
    about_z = matrix(cr, -sr, zero, sr, cr, zero, zero, zero, one)
    return about_z @ about_x @ about_y
