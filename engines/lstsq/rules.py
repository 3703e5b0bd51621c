"""When a face's system is too poor to solve: the rules every implementation of `solve` keeps.

With C the weighted covariance of the points and s = 1 - R² of z regressed on x, y and 1:

* fewer than MIN_POINTS points of positive weight, or points on a line (det C_xy <= FLAT · trace² C_xy): the affine is
  NaN, and the caller holds the last good one;
* s <= SHALLOW (z is a plane over x and y, or constant): z is dropped and the affine is 2D, its z column 0.
"""

from __future__ import annotations

from engines.errors import EngineError

MIN_POINTS = 4
FLAT = 1e-8
SHALLOW = 1e-4


def check_shapes(points: tuple[int, ...], targets: tuple[int, ...], weights: tuple[int, ...] | None) -> None:
    """Raise EngineError unless the shapes are (B, K, 3), (B, K, 2) and (B, K)."""
    if len(points) == 3 and points[2] == 3 and targets == (*points[:2], 2) and weights in (None, points[:2]):
        return
    raise EngineError(
        f"The least squares were given points {points}, targets {targets} and weights {weights}: "
        "they take (B, K, 3), (B, K, 2) and (B, K) or none."
    )
