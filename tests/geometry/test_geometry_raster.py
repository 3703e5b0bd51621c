"""The CPU rasteriser against a loop over every pixel and triangle in float64."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.geometry.raster import rasterise

SIZE = (14, 11)


def by_loop(triangles: np.ndarray, vertices: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Values, and where a pixel centre lies too near an edge or two layers too near each other to decide."""
    out = np.full((SIZE[1], SIZE[0], values.shape[1]), np.nan)
    nearest = np.full((SIZE[1], SIZE[0]), np.inf)
    unsure = np.zeros((SIZE[1], SIZE[0]), bool)
    for a, b, c in triangles:
        corners = vertices[[a, b, c]].astype(float)
        system = np.vstack([corners[:, :2].T, np.ones(3)])
        area = np.linalg.det(system)
        if area <= 1e-6:
            continue
        for y in range(SIZE[1]):
            for x in range(SIZE[0]):
                weights = np.linalg.solve(system, [x, y, 1])
                z = weights @ corners[:, 2]
                if abs(weights.min()) < 1e-5:
                    unsure[y, x] = True
                elif weights.min() > 0:
                    unsure[y, x] |= abs(z - nearest[y, x]) < 1e-3
                    if z < nearest[y, x]:
                        nearest[y, x] = z
                        out[y, x] = weights @ values[[a, b, c]]
    return out, unsure


@settings(max_examples=12)
@given(st.integers(0, 2**32 - 1), st.integers(1, 7))
def test_every_pixel_has_the_nearest_layer(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    vertices = (rng.uniform(-0.4, 1.4, (3 * count, 3)) * [*SIZE, 5]).astype(np.float32)
    triangles = rng.integers(0, len(vertices), (count, 3)).astype(np.int32)
    values = rng.normal(0, 1, (len(vertices), 2)).astype(np.float32)
    drawn = rasterise(triangles, vertices, values, SIZE)
    truth, unsure = by_loop(triangles, vertices, values)
    np.testing.assert_allclose(drawn[~unsure], truth[~unsure], atol=1e-3)


def test_nothing_to_draw() -> None:
    corners = np.array([[0, 0, 0], [np.nan, 0, 0], [0, 5, 0], [5, 0, 0]], np.float32)
    for triangles in ([[0, 1, 2]], [[0, 2, 3]], np.zeros((0, 3))):
        drawn = rasterise(np.array(triangles, np.int32).reshape(-1, 3), corners, corners, SIZE)
        assert drawn.shape == (SIZE[1], SIZE[0], 3)
        assert np.isnan(drawn).all()


def test_neighbours_leave_no_gap() -> None:
    steps = np.linspace(-2, 20, 8)
    x, y = np.meshgrid(steps, steps)
    vertices = np.column_stack([x.ravel(), y.ravel(), np.zeros(64)]).astype(np.float32)
    corner = np.arange(49) // 7 * 8 + np.arange(49) % 7
    triangles = np.vstack([np.column_stack([corner, corner + 1, corner + 8]),
                           np.column_stack([corner + 8, corner + 1, corner + 9])]).astype(np.int32)  # fmt: skip
    drawn = rasterise(triangles, vertices, vertices[:, :2], SIZE)
    np.testing.assert_allclose(drawn, np.dstack(np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))), atol=1e-4)
