"""Triangles into pixels on the CPU, where no graphics context is at hand."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from realtime.frame import Floats


def rasterise(triangles: NDArray[np.int32], vertices: Floats, values: Floats, size: tuple[int, int]) -> Floats:
    """Values at the pixel centres that a surface covers, of its nearest layer.

    Args:
        triangles: (T, 3); those wound anticlockwise in the image face away and are left out.
        vertices: (V, 3) x, y in pixels, z growing away.
        values: (V, C) interpolated along each triangle.
        size: (width, height) of the picture.

    Returns:
        (H, W, C) float32, NaN where nothing lies.
    """
    width, height = size
    corners = vertices[triangles].astype(np.float64)
    corners = corners[np.isfinite(corners).all(axis=(1, 2))]
    low = np.clip(np.ceil(corners[..., :2].min(axis=1)), 0, (width, height)).astype(int)
    high = np.clip(np.floor(corners[..., :2].max(axis=1)), -1, (width - 1, height - 1)).astype(int)
    span = (high - low + 1).max(axis=1)
    visible = (high >= low).all(axis=1) & (_cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]) > 0)
    out = np.full((height * width, values.shape[1]), np.nan, np.float32)
    pixels: list[np.ndarray] = []
    depths: list[np.ndarray] = []
    blends: list[np.ndarray] = []
    owners: list[np.ndarray] = []
    reach = 2
    while visible.any():  # triangles of like size together: one array of windows for each
        chosen = np.flatnonzero(visible & (span <= reach))
        visible[chosen] = False
        found = _covered(corners[chosen], low[chosen], high[chosen], reach)
        owner, x, y, weights = found
        pixels.append(y * width + x)
        owners.append(chosen[owner])
        blends.append(weights)
        depths.append((weights * corners[chosen[owner], :, 2]).sum(axis=1))
        reach *= 2
    if pixels:
        order = np.argsort(-np.concatenate(depths), kind="stable")  # the nearest is written last
        owner, weights = np.concatenate(owners)[order], np.concatenate(blends)[order]
        kept = values[triangles][np.isfinite(vertices[triangles]).all(axis=(1, 2))]
        out[np.concatenate(pixels)[order]] = np.einsum("nk,nkc->nc", weights, kept[owner])
    return out.reshape(height, width, -1)


def _covered(
    corners: np.ndarray, low: np.ndarray, high: np.ndarray, reach: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Triangle, x, y and (N, 3) barycentric weights of every pixel centre inside windows `reach` wide."""
    step = np.arange(reach)
    x = low[:, 0, None, None] + step[None, None, :]
    y = low[:, 1, None, None] + step[None, :, None]
    x, y = np.broadcast_arrays(x, y)
    point = np.stack([x, y], axis=-1).astype(np.float64)
    a, b, c = (corners[:, None, None, i, :2] for i in range(3))
    areas = np.stack([_cross(b - point, c - point), _cross(c - point, a - point), _cross(a - point, b - point)], -1)
    inside = (areas >= 0).all(axis=-1) & (x <= high[:, 0, None, None]) & (y <= high[:, 1, None, None])
    owner = np.nonzero(inside)[0]
    weights = areas[inside]
    return owner, x[inside], y[inside], weights / weights.sum(axis=1, keepdims=True)


def _cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
