"""The least squares on the CPU: moments by one product, then the normal equations in closed form.

The 8x8 system of the paper falls apart into one 3x3 system with two right sides once points and targets are
centred; z is eliminated last, so its pivot is the Schur complement the fallback rule looks at. Sums are float64: faces
may lie 10,000 times their own size away from the origin.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engines.lstsq.rules import FLAT, MIN_POINTS, SHALLOW, check_shapes

# below this many faces plain floats beat arrays, whose every operation costs half a microsecond
SCALAR_FACES = 12
# faces solved at a time: their columns stay in the processor's second cache
CHUNK = 256


def solve(
    points: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None = None, ridge: float = 0.0
) -> NDArray[Any]:
    """The affine M that minimises Σ w |target - M [x y z 1]|² for each face.

    Args:
        points: (B, K, 3) x, y, z.
        targets: (B, K, 2) in any unit.
        weights: (B, K) not negative, or None for all ones; a weight of 2 counts like a point given twice.
        ridge: added to the diagonal of z, after z was scaled to unit variance (1e-4 · K is a mild choice).

    Returns:
        (B, 2, 4): M, float64 where an input is, else float32. Degenerate faces follow `engines.lstsq.rules`: the z
        column is 0 where depth adds nothing; the whole affine is NaN where points are too few or on a line.

    Raises:
        EngineError: shapes do not fit.
    """
    check_shapes(points.shape, targets.shape, None if weights is None else weights.shape)
    faces, count = points.shape[:2]
    wide = np.float64 in (points.dtype, targets.dtype)
    affines = np.empty((faces, 2, 4), np.float64 if wide else np.float32)
    if count < MIN_POINTS:
        affines.fill(np.nan)
    elif faces < SCALAR_FACES:
        moments = _moments(points, targets, weights, np.empty((faces, 6, count))).tolist()
        for index, (affine, face) in enumerate(zip(affines, moments, strict=True)):
            enough = weights is None or int(np.count_nonzero(weights[index])) >= MIN_POINTS
            affine.reshape(8)[:] = _affine(face, ridge, enough)
    else:
        rows = np.empty((CHUNK, 6, count))
        with np.errstate(invalid="ignore"):
            for start in range(0, faces, CHUNK):
                part = slice(start, min(start + CHUNK, faces))
                weight = None if weights is None else weights[part]
                moments = _moments(points[part], targets[part], weight, rows[: part.stop - start])
                enough = weight is None or np.count_nonzero(weight, axis=1) >= MIN_POINTS
                affines[part].reshape(-1, 8).T[:] = _affine(moments.T, ridge, enough)
    return affines


def _moments(
    points: NDArray[Any], targets: NDArray[Any], weights: NDArray[Any] | None, rows: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(B, 24) sums over the points of (1 x y z) by (1 x y z u v); `rows` (B, 6, K) is scratch."""
    rows[:, 0] = 1
    rows[:, 1:4] = points.transpose(0, 2, 1)
    rows[:, 4:] = targets.transpose(0, 2, 1)
    left = rows[:, :4] if weights is None else rows[:, :4] * weights[:, None]
    return np.asarray(left @ rows.transpose(0, 2, 1)).reshape(-1, 24)


def _affine(moments: Any, ridge: float, enough: Any) -> tuple[Any, ...]:
    """The eight numbers of one affine, row by row, from 24 moments: products of (1 x y z) with (1 x y z u v).

    The same formulas serve floats and arrays of faces: conditions are factors of 0 and 1, never branches.
    """
    n, sx, sy, sz, su, sv, _, xx, xy, xz, xu, xv, _, _, yy, yz, yu, yv, _, _, _, zz, zu, zv = moments
    n = n + (n <= 0)
    mx, my, mz, mu, mv = sx / n, sy / n, sz / n, su / n, sv / n
    xx, xy, xz, xu, xv = xx - sx * mx, xy - sx * my, xz - sx * mz, xu - sx * mu, xv - sx * mv
    yy, yz, yu, yv = yy - sy * my, yz - sy * mz, yu - sy * mu, yv - sy * mv
    zz, zu, zv = zz - sz * mz, zu - sz * mu, zv - sz * mv

    det = xx * yy - xy * xy
    solvable = enough * (det > FLAT * (xx + yy) * (xx + yy))
    det = det * solvable + (1 - solvable)
    # z's own slopes over x and y; what they leave of z is the pivot
    zx, zy = (xz * yy - yz * xy) / det, (yz * xx - xz * xy) / det
    pivot = zz - zx * xz - zy * yz
    deep = 1 * (pivot > SHALLOW * zz)
    pivot = (pivot + ridge * zz / n) * deep + (1 - deep)
    gate = math.nan ** (1 - solvable)  # NaN to the power of 0 is 1

    def row(xt: Any, yt: Any, zt: Any, mt: Any) -> tuple[Any, ...]:
        depth = (zt - zx * xt - zy * yt) / pivot * deep * gate
        across, down = (xt * yy - yt * xy) / det - depth * zx, (yt * xx - xt * xy) / det - depth * zy
        return across, down, depth, mt - across * mx - down * my - depth * mz

    return *row(xu, yu, zu, mu), *row(xv, yv, zv, mv)
