"""Normals of measured depth, against planes and balls."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.frame import Intrinsics
from realtime.geometry.normals import depth_normals

SIZE = (60, 50)
SEEN = Intrinsics(180.0, 170.0, 31.0, 22.0)


def rays() -> np.ndarray:
    """(H, W, 3) where pixels look, x right, y down, z away, 1 deep."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    return np.dstack([(x - SEEN.cx) / SEEN.fx, (y - SEEN.cy) / SEEN.fy, np.ones(SIZE[::-1])])


def degrees(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.rad2deg(np.arccos(np.clip((found * truth).sum(axis=-1), -1, 1)))


@settings(max_examples=25)
@given(st.floats(-55, 55), st.floats(-55, 55), st.floats(600, 4000), st.floats(1.2, 5), st.integers(0, 1000))
def test_a_plane_has_one_normal(yaw: float, pitch: float, distance: float, spread: float, seed: int) -> None:
    turn, tip = np.tan(np.deg2rad([yaw, pitch]))
    normal = np.array([turn, tip, -1]) / np.linalg.norm([turn, tip, 1])  # of the camera's axes, towards it
    depth = normal[2] * distance / (rays() @ normal)
    holes = np.random.default_rng(seed).uniform(size=depth.shape) < 0.3
    depth[(depth < 300) | (depth > 9000) | holes] = 0
    found = depth_normals(np.rint(depth).astype(np.uint16), SEEN, spread)
    known = found.any(axis=2)
    assert not known[depth == 0].any()
    # whole millimetres tilt a small window: 0.3 mm over some pixels, more where holes leave it one-sided
    step = distance / SEEN.fx
    allowed = 0.5 + np.rad2deg(0.6 / (step * spread**2))
    error = degrees(found[known], normal * [1, -1, -1])
    assert np.percentile(error, 95) < 1.3 * allowed
    assert error.max() < 3 * allowed + (3 if spread < 2 else 0)
    assert known[8:-8, 8:-8][depth[8:-8, 8:-8] > 0].mean() > 0.95 if (depth > 0).mean() > 0.6 else True


def ball(middle: np.ndarray, radius: float) -> tuple[np.ndarray, np.ndarray]:
    """Depth of a ball (0 beside it) and its true normals, y up and z to the camera."""
    ray = rays()
    square, along = (ray**2).sum(axis=2), ray @ middle
    root = along**2 - square * (middle @ middle - radius**2)
    far = np.where(root > 0, (along - np.sqrt(np.maximum(root, 0))) / square, 0)
    normals = (ray * far[..., None] - middle) / radius
    return far, normals * [1, -1, -1]


def test_a_head_sized_ball_measured_in_steps() -> None:
    depth, truth = ball(np.array([10.0, -15.0, 900.0]), 110)
    inner = (depth > 0) & (truth[..., 2] > 0.6)
    for step, spread, allowed in ((1, 1.5, 3.0), (8, 2.0, 8.0), (8, 3.0, 6.0)):
        measured = np.where(depth > 0, step * np.rint(depth / step), 0).astype(np.uint16)
        found = depth_normals(measured, SEEN, spread)
        assert found[inner].any(axis=1).all()
        assert degrees(found, truth)[inner].mean() < allowed, (step, spread)
    single = depth_normals(measured, SEEN, 0.3)
    assert degrees(single, truth)[inner].mean() > 15, "normals of single pixels are those of the steps"


def test_nothing_measured() -> None:
    assert not depth_normals(np.zeros(SIZE[::-1], np.uint16), SEEN, 2.0).any()
