"""Depth on the pixels of another camera, against a loop in float64 that follows the formula point by point."""

from __future__ import annotations

import itertools
import math
from functools import lru_cache

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from realtime.frame import Intrinsics
from realtime.rgbd.calibration import Calibration, Camera
from realtime.rgbd.registration import FARTHEST_MM, Registration, back_project, fill_holes, in_millimetres, project

DEPTHS = arrays(np.uint16, (12, 16), elements=st.sampled_from([0, 0, 500, 620, 800, 803, 1500, 4000]))


def calibration(angles: tuple[float, float, float], shift: tuple[float, float, float], bend: float) -> Calibration:
    """Two cameras of 16x12 and 20x14 pixels."""
    colour = Camera((20, 14), Intrinsics(18.0, 17.5, 9.3, 6.8), (bend, -bend / 2, 0.01 * bend, -0.02 * bend, 0.0))
    depth = Camera((16, 12), Intrinsics(15.0, 15.2, 7.6, 5.4), (-bend / 2, 0.0, 0.0, 0.01 * bend, 0.0))
    return Calibration(colour, depth, cv2.Rodrigues(np.deg2rad(angles))[0], np.array(shift))


def bent(x: float, y: float, distortion: tuple[float, ...]) -> tuple[float, float]:
    """OpenCV's camera model, term by term."""
    k1, k2, p1, p2, k3 = distortion
    r2 = x**2 + y**2
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    return (
        x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x**2),
        y * radial + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y,
    )


@lru_cache(maxsize=1024)
def straightened(u: float, v: float, camera: Camera) -> tuple[float, float]:
    """Where a pixel looks, by Newton's way with differences."""
    seen = camera.intrinsics
    wanted = np.array([(u - seen.cx) / seen.fx, (v - seen.cy) / seen.fy])
    at = wanted.copy()
    for _ in range(8):
        here = np.array(bent(*at, camera.distortion))
        slope = np.column_stack(
            [(np.array(bent(*(at + 1e-6 * unit), camera.distortion)) - here) / 1e-6 for unit in np.eye(2)]
        )
        at = at - np.linalg.solve(slope, here - wanted)
    return float(at[0]), float(at[1])


def landed(depth: np.ndarray, known: Calibration) -> list[tuple[float, float, float]]:
    """x, y (not rounded) in the colour picture and depth there of every measured point."""
    points, colour = [], known.colour.intrinsics
    for v in range(depth.shape[0]):
        for u in range(depth.shape[1]):
            if depth[v, u]:
                ray = np.array([*straightened(u, v, known.depth), 1.0])
                x, y, z = known.rotation @ ray * float(depth[v, u]) + known.translation_mm
                if z > 0:
                    x, y = bent(x / z, y / z, known.colour.distortion)
                    points.append((colour.fx * x + colour.cx, colour.fy * y + colour.cy, z))
    return points


@settings(max_examples=30)
@given(
    DEPTHS,
    st.tuples(*[st.floats(-8, 8)] * 3),
    st.tuples(*[st.floats(-60, 60)] * 3),
    st.sampled_from([0.0, 0.1, -0.2]),
)
def test_the_nearest_point_on_each_pixel(
    depth: np.ndarray, angles: tuple[float, float, float], shift: tuple[float, float, float], bend: float
) -> None:
    known = calibration(angles, shift, bend)
    moved = Registration(known)._moved(depth)
    unsure = np.zeros(moved.shape, bool)
    truth = np.full(moved.shape, np.inf)
    for x, y, z in landed(depth, known):
        near_edge = min(abs(x % 1 - 0.5), abs(y % 1 - 0.5)) < 2e-3
        for column in {round(x - 2e-3), round(x + 2e-3)} if near_edge else {round(x)}:
            for row in {round(y - 2e-3), round(y + 2e-3)} if near_edge else {round(y)}:
                if 0 <= column < moved.shape[1] and 0 <= row < moved.shape[0]:
                    unsure[row, column] |= near_edge  # single precision may put it beside
                    truth[row, column] = min(truth[row, column], z)
    sure = ~unsure
    assert np.array_equal(moved[sure] > 0, np.isfinite(truth[sure]))
    both = sure & (moved > 0)
    np.testing.assert_allclose(moved[both], truth[both], atol=0.51)


def by_loop(depth: np.ndarray, widest: int) -> np.ndarray:
    """Rows, then columns: what a gap that short becomes, run by run."""
    filled = depth.astype(int)
    for lines in (filled, filled.T):  # views: written through
        for line in lines:
            known = np.flatnonzero(line)
            for before, after in itertools.pairwise(known):
                a, b = line[before], line[after]
                if 1 < after - before <= widest + 1:
                    share = (np.arange(before + 1, after) - before) / (after - before)
                    even = np.rint(a + (b - a) * share)
                    line[before + 1 : after] = even if abs(a - b) < 0.05 * min(a, b) else max(a, b)
    return filled


@given(DEPTHS, st.integers(1, 4))
def test_short_gaps_are_filled(depth: np.ndarray, widest: int) -> None:
    filled = fill_holes(depth, widest)
    np.testing.assert_allclose(filled, by_loop(depth, widest), atol=1)  # halves round either way
    assert np.array_equal(filled[depth > 0], depth[depth > 0])
    assert np.array_equal(filled > 0, by_loop(depth, widest) > 0)


def test_wide_holes_and_borders_stay_open() -> None:
    depth = np.full((9, 20), 700, np.uint16)
    depth[:, 5:9] = 0
    depth[:, 12:15] = 0
    depth[:, :2] = 0
    filled = fill_holes(depth)
    assert not filled[:, 5:9].any()
    assert not filled[:, :2].any()
    assert (filled[:, 12:15] == 700).all()


def test_what_was_hidden_is_the_background() -> None:
    depth = np.array([[600, 600, 0, 0, 900, 900]], np.uint16)
    np.testing.assert_array_equal(fill_holes(depth), [[600, 600, 900, 900, 900, 900]])


def test_a_registered_sensor_keeps_its_pixels(rng: np.random.Generator) -> None:
    depth = rng.integers(400, 5000, (30, 40)).astype(np.uint16)
    known = Calibration.registered((40, 30), Intrinsics(40, 40, 19.5, 14.5))
    np.testing.assert_array_equal(Registration(known)(depth), depth)


@pytest.mark.parametrize("value", [0, FARTHEST_MM + 1, 65535])
def test_nothing_and_saturation_are_no_depth(value: int) -> None:
    depth = np.full((12, 16), value, np.uint16)
    assert not Registration(calibration((0, 0, 0), (-20, 0, 0), 0.0))(depth).any()


def test_the_unit_counts() -> None:
    stored = np.array([[0, 4000, 65535, 50000]], np.uint16)
    np.testing.assert_array_equal(in_millimetres(stored, 0.2), [[0, 800, 0, 10000]])
    np.testing.assert_array_equal(in_millimetres(stored, 0.125), [[0, 500, 8192, 6250]])


@given(st.floats(0, 639), st.floats(0, 479), st.floats(300, 9000))
def test_there_and_back(u: float, v: float, depth: float) -> None:
    camera = Camera((640, 480), Intrinsics(525, 530, 320.5, 238))
    points = back_project(camera.intrinsics, np.array([[u, v]]), np.array([depth]))
    np.testing.assert_allclose(project(camera, points), [[u, v]], atol=1e-9)


@pytest.mark.parametrize("finer", [1.1, 1.9, 2.6, 2.93])
def test_nothing_shines_through_in_a_picture_finer_than_depth(finer: float) -> None:
    depth_camera = Camera((40, 30), Intrinsics(36.5, 36.5, 19.5, 14.5))
    size = (round(40 * finer), round(30 * finer))
    colour = Camera(size, Intrinsics(36.5 * finer, 36.5 * finer, (size[0] - 1) / 2, (size[1] - 1) / 2))
    depth = np.full((30, 40), 3000, np.uint16)
    depth[8:22, 12:28] = 1000
    moved = Registration(Calibration(colour, depth_camera, translation_mm=np.array([40.0, 0, 0])))(depth)
    assert moved.shape == size[::-1]
    # the near square in the colour picture, less what rounding may shift its rim by
    left, right = ((column - 19.5) * finer + colour.intrinsics.cx + 0.04 * colour.intrinsics.fx for column in (12, 27))
    top, bottom = ((row - 14.5) * finer + colour.intrinsics.cy for row in (8, 21))
    rim = math.ceil(finer)
    inside = moved[math.ceil(top) + rim : int(bottom) - rim, math.ceil(left) + rim : int(right) - rim]
    assert inside.size > 50
    assert (inside == 1000).all()
