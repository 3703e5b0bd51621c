"""Lines of sight, and what is turned against them."""

from __future__ import annotations

import cv2
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from realtime.frame import Intrinsics
from realtime.geometry.sight import depth_along, line_of_sight, place_of, turned_normals

CAMERA = Intrinsics(500, 510, 320, 240)


@given(st.floats(-300, 900), st.floats(-300, 800), st.floats(0.1, 3000))
def test_a_pixel_s_place_is_seen_there(x: float, y: float, away: float) -> None:
    place = place_of(np.array([x, y]), away, CAMERA)
    assert place[2] == away
    seen, _ = cv2.projectPoints(
        place[None], np.zeros(3), np.zeros(3), np.array([[500, 0, 320], [0, 510, 240], [0, 0, 1.0]]), None
    )
    np.testing.assert_allclose(seen[0, 0], [x, y], atol=1e-6)


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0.1, 10))
def test_it_turns_the_axis_to_the_place_by_the_shortest_way(x: float, y: float, length: float) -> None:
    place = length * np.array([x, y, 1.0])
    turn = line_of_sight(place)
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    np.testing.assert_allclose(turn[:, 2], place / np.linalg.norm(place), atol=1e-9)
    # no shorter one: its angle is that between axis and line
    np.testing.assert_allclose((np.trace(turn) - 1) / 2, turn[2, 2], atol=1e-9)


def test_on_the_axis_nothing_is_turned() -> None:
    np.testing.assert_array_equal(line_of_sight(np.array([0.0, 0.0, 700.0])), np.eye(3))


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_what_looks_at_the_camera_has_its_normal_on_the_line(x: float, y: float) -> None:
    place = np.array([x, y, 1.0])
    towards = (-place / np.linalg.norm(place) * [1, -1, -1]).astype(np.float32)  # x right, y up, z to the camera
    ahead = turned_normals(np.stack([towards, 0 * towards]), line_of_sight(place).T)
    np.testing.assert_allclose(ahead, [[0, 0, 1], [0, 0, 0]], atol=1e-6)
    np.testing.assert_allclose(turned_normals(ahead[:1], line_of_sight(place))[0], towards, atol=1e-6)


@given(st.floats(-100, 740), st.floats(-100, 580))
def test_a_wall_across_the_line_of_sight_is_equally_far_along_it(x: float, y: float) -> None:
    line = place_of(np.array([x, y]), 1.0, CAMERA)
    line /= np.linalg.norm(line)
    columns, rows = np.meshgrid(np.arange(64), np.arange(48))
    camera = Intrinsics(50, 51, 32, 24)  # a tenth as fine
    rays = np.dstack([(columns - 32) / 50, (rows - 24) / 51, np.ones((48, 64))])
    depth = (700 / (rays @ line)).astype(np.float32)
    depth[:2] = 0
    found = depth_along(depth, np.array([x / 10, y / 10]), camera)
    np.testing.assert_allclose(found[2:], 700, rtol=1e-5)
    assert not found[:2].any()
