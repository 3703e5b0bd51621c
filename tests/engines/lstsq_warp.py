"""engines/lstsq/lstsq.cu line by line in NumPy: 32 lanes, single precision, every shuffle; vectorised over faces.

Names are the kernel's. What a warp agrees on is (faces,), what a lane holds (LANES, faces), and what it holds of each
of its points (OWN, LANES, faces).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from engines.lstsq.rules import FLAT, MIN_POINTS, SHALLOW, check_shapes

LANES, OWN = 32, 3
LANE = np.arange(LANES)
Float = np.ndarray


class Fit(NamedTuple):
    """What the kernel writes."""

    affines: Float
    residuals: Float
    losses: Float
    gradients: Float


def solve(points: Float, targets: Float, weights: Float | None = None, ridge: float = 0.0) -> Float:
    """(B, 2, 4) float32 affines; arguments as in `engines.lstsq.solve`, at most 96 points."""
    return fit(points, targets, weights, ridge).affines


def fit(points: Float, targets: Float, weights: Float | None = None, ridge: float = 0.0) -> Fit:
    """Affines, and the kernel's residuals (B, K, 2), losses (B,) and gradients of the loss in z (B, K)."""
    check_shapes(points.shape, targets.shape, None if weights is None else weights.shape)
    faces, count = points.shape[:2]
    weights = np.ones((faces, count)) if weights is None else weights
    if count == 0:  # not launched
        nan = np.full((faces, 2, 4), np.nan, np.float32)
        return Fit(nan, nan[:, :0, :2], nan[:, 0, 0], nan[:, :0, 0])
    with np.errstate(all="ignore"):
        return _kernel(points.astype(np.float32), targets.astype(np.float32), weights.astype(np.float32), ridge)


def _kernel(points: Float, targets: Float, weights: Float, ridge: float) -> Fit:
    count = weights.shape[1]
    x0, y0, z0 = points[:, 0].T
    u0, v0 = targets[:, 0].T
    x, y, z = (_owned(points[..., axis] - points[:, :1, axis]) for axis in range(3))
    u, v = (_owned(targets[..., axis] - targets[:, :1, axis]) for axis in range(2))
    w = _owned(weights)

    n, sx, sy, sz, su, sv, visible, _ = warp_sums(
        [_own(w), _own(w * x), _own(w * y), _own(w * z), _own(w * u), _own(w * v), _own((w > 0).astype(np.float32))], 8
    )
    per_n = 1 / n
    mx, my, mz, mu, mv = sx * per_n, sy * per_n, sz * per_n, su * per_n, sv * per_n

    x, y, z, u, v = x - mx, y - my, z - mz, u - mu, v - mv
    wx = w * x
    xx, xy, xz, xu, xv, yy, zz, _ = warp_sums(
        [_own(wx * x), _own(wx * y), _own(wx * z), _own(wx * u), _own(wx * v), _own(w * y * y), _own(w * z * z)], 8
    )
    per_xx = 1 / xx
    yx, zx, ux, vx = xy * per_xx, xz * per_xx, xu * per_xx, xv * per_xx

    y, z, u, v = y - yx * x, z - zx * x, u - ux * x, v - vx * x
    wy = w * y
    y_left, yz, yu, yv = warp_sums([_own(wy * y), _own(wy * z), _own(wy * u), _own(wy * v)], 4)
    per_y = 1 / y_left
    zy, uy, vy = yz * per_y, yu * per_y, yv * per_y

    z, u, v = z - zy * y, u - uy * y, v - vy * y
    wz = w * z
    z_left, zu, zv, _ = warp_sums([_own(wz * z), _own(wz * u), _own(wz * v)], 4)
    pivot = z_left + np.float32(ridge) * zz * per_n
    per_z = np.where(z_left <= np.float32(SHALLOW) * zz, np.float32(0), 1 / pivot)
    uz, vz = zu * per_z, zv * per_z

    trace = xx + yy
    solvable = (visible >= MIN_POINTS) & (xx * y_left > np.float32(FLAT) * trace * trace)
    gate = np.where(solvable, np.float32(0), np.float32(np.nan))

    def row(by_x: Float, by_y: Float, by_z: Float, middle: Float) -> Float:
        down = by_y - by_z * zy
        across = by_x - down * yx - by_z * zx
        shift = middle - across * (mx + x0) - down * (my + y0) - by_z * (mz + z0)
        return np.stack([across + gate, down + gate, by_z + gate, shift + gate], axis=-1)

    affines = np.stack([row(ux, uy, uz, mu + u0), row(vx, vy, vz, mv + v0)], axis=1)

    u, v = u + (gate - uz * z), v + (gate - vz * z)
    (losses,) = warp_sums([_own(w * (u * u + v * v))], 1)
    gradients = np.float32(-2) * w * (u * uz + v * vz)
    residuals = np.stack([_points(u, count), _points(v, count)], axis=-1)
    return Fit(affines, residuals, losses, _points(gradients, count))


def warp_sums(values: list[Float], slots: int) -> list[Float]:
    """The sum over the lanes of each value, those beyond the list being 0, by exchanges of halves."""
    values = values + [np.zeros_like(values[0])] * (slots - len(values))
    mask, half = LANES // 2, slots // 2
    while half:
        upper = (LANE & mask)[:, None] != 0
        for i in range(half):
            kept = np.where(upper, values[i + half], values[i])
            given = np.where(upper, values[i], values[i + half])
            values[i] = kept + given[LANE ^ mask]
        half, mask = half // 2, mask // 2
    while mask:
        values[0] = values[0] + values[0][LANE ^ mask]
        mask //= 2
    return [values[0][LANES // slots * i] for i in range(slots)]


def _owned(values: Float) -> Float:
    """(OWN, LANES, B): point l + 32 j of (B, K) with lane l, zeros where there is none."""
    held = np.zeros((OWN * LANES, len(values)), np.float32)
    held[: values.shape[1]] = values.T
    return held.reshape(OWN, LANES, -1)


def _points(held: Float, count: int) -> Float:
    """(B, K) of what lanes hold, back in the points' order."""
    return held.reshape(OWN * LANES, -1)[:count].T


def _own(terms: Float) -> Float:
    """Each lane's sum over its points, in their order."""
    return terms[0] + terms[1] + terms[2]
