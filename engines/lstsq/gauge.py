"""What the least squares leave open, fixed: scale and plane of the depth, and the third row of an affine.

The keypoint loss does not change under z → a z + b x + c y + d, so depths of different faces and targets can only be
compared after the gauge is fixed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

NOSE_TIP = 30


def canonical_depth(points: NDArray[Any], depth: NDArray[Any], nearest: int = NOSE_TIP) -> NDArray[np.float64]:
    """Depth without its gauge: z_c = Q z / |Q z|, where Q takes out the part that is a plane over x and y.

    Args:
        points: (B, K, 2) keypoints.
        depth: (B, K) depth in any gauge.
        nearest: the keypoint that must come out nearer than the plane; it decides the sign.

    Returns:
        (B, K) of unit norm, orthogonal to x, y and 1, smaller = nearer; all zero where z is a plane.
    """
    plane = np.concatenate([points, np.ones_like(points[..., :1])], axis=-1).astype(np.float64)
    plane[..., :2] -= plane[..., :2].mean(axis=-2, keepdims=True)
    basis = np.linalg.qr(plane)[0]
    centred = depth - depth.mean(axis=-1, keepdims=True, dtype=np.float64)
    rest = centred - (basis @ (basis.swapaxes(-1, -2) @ centred[..., None]))[..., 0]
    norm = np.linalg.norm(rest, axis=-1, keepdims=True)
    flat = norm <= 1e-9 * np.linalg.norm(centred, axis=-1, keepdims=True)
    sign = np.where(rest[..., nearest, None] > 0, -1.0, 1.0)
    return np.asarray(np.where(flat, 0.0, sign * rest / np.where(flat, 1.0, norm)))


def third_row(affine: NDArray[Any]) -> NDArray[np.float64]:
    """The row that completes 2D affines to 3D, so that hidden surfaces can be told: r3 = (a x b) / sqrt(|a||b|).

    With a and b the first two rows, r3 [x y z] orders the points by depth in the target's view; for a scaled rotation
    it is the rotation's own third row. The sign keeps what is near in the source near when nothing turns, also where
    the affine mirrors.

    Args:
        affine: (B, 2, 4) or (B, 2, 3), z in a gauge with the nose nearest.

    Returns:
        (B, 3).
    """
    across, down = np.asarray(affine[..., 0, :3], np.float64), np.asarray(affine[..., 1, :3], np.float64)
    normal = np.cross(across, down)
    size = np.sqrt(np.linalg.norm(across, axis=-1) * np.linalg.norm(down, axis=-1))[..., None]
    sign = np.where(normal[..., 2:] < 0, -1.0, 1.0)
    return np.asarray(sign * normal / np.maximum(size, 1e-12))
