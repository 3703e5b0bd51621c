"""The network's square: whole pixels, steady, and the same picture whether the frame holds all of it or not."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest
from faces_making import smooth_picture
from hypothesis import given
from hypothesis import strategies as st

from realtime.repair.tile import Square

FACE = np.array([[-60, -80], [60, -80], [60, 80], [-60, 80]], np.float32)


@given(
    x=st.floats(-3000, 3000), y=st.floats(-3000, 3000), width=st.floats(0.5, 4000), height=st.floats(0.5, 4000)
)  # fmt: skip
def test_the_square_is_round_the_face_with_room_on_every_side(x: float, y: float, width: float, height: float) -> None:
    points = np.array([[x, y], [x + width, y + height]], np.float32)
    square = Square.around(points)
    longest = float((points[1] - points[0]).max())
    assert square.side % 16 == 0
    assert 1.45 * longest <= square.side + 1e-3
    assert square.side <= 1.45 * longest + 16
    step = square.side // 16
    assert square.x % step == square.y % step == 0
    assert abs(square.x + square.side / 2 - 0.5 - points[:, 0].mean()) <= step
    assert abs(square.y + square.side / 2 - 0.5 - points[:, 1].mean()) <= step


def test_a_jittering_face_leaves_its_square_where_it_is(rng: np.random.Generator) -> None:
    first = square = Square.around(FACE + 200)
    for _ in range(200):
        square = Square.around(FACE * rng.uniform(0.97, 1.03) + 200 + rng.uniform(-5, 5, 2), square)
        assert square == first


def test_a_square_that_moves_does_so_by_whole_steps() -> None:
    squares = [Square.around(FACE + 200)]
    for shift in range(1, 150):
        squares.append(Square.around(FACE + 200 + np.float32([shift, -2 * shift]), squares[-1]))
    step = squares[0].side // 16
    for before, after in pairwise(squares):
        assert after.side == before.side
        assert (after.x - before.x) % step == (after.y - before.y) % step == 0
    last = squares[-1]
    assert abs(last.x + last.side / 2 - (200 + 149)) <= step + 1
    assert abs(last.y + last.side / 2 - (200 - 298)) <= step + 1
    moved = sum(before != after for before, after in pairwise(squares))
    assert moved <= (149 + 298) / step


def test_a_face_that_grows_gets_a_larger_square() -> None:
    square = Square.around(FACE)
    assert Square.around(FACE * 1.5, square).side >= 1.45 * 160 * 1.5
    assert Square.around(FACE * 0.5, square).side <= 1.45 * 160 * 0.5 + 16


@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize("place", [(40, 30), (-50, 30), (200, -70), (210, 160), (-60, -60)], ids=str)
@pytest.mark.parametrize("side", [96, 160, 400, 1136])
def test_cutting_is_an_area_mean_of_the_frame_with_its_edge_repeated(
    rng: np.random.Generator, place: tuple[int, int], side: int, size: int
) -> None:
    # halved first, a large square is not quite the mean of its pixels: in pictures, that change slowly, it is
    frame = smooth_picture(rng, (320, 240)) if side >= 4 * size else rng.integers(0, 256, (240, 320, 3), np.uint8)
    rows = np.clip(np.arange(place[1], place[1] + side), 0, 239)
    columns = np.clip(np.arange(place[0], place[0] + side), 0, 319)
    whole = frame[rows[:, None], columns].astype(np.float64)
    ours = Square(*place, side).cut(frame, size)
    if side >= size:  # an area mean in float64: every pixel spread over sixteen, then 16 * side / size averaged
        weights = _area_weights(side, size)
        truth = np.einsum("ai,ijc,bj->abc", weights, whole, weights, optimize=True)
    else:
        truth = cv2.resize(whole, (size, size), interpolation=cv2.INTER_LINEAR)
    assert ours.shape == (size, size, 3)
    assert np.abs(ours - truth).max() <= (5 if side >= 4 * size else 1.01)


def _area_weights(side: int, size: int) -> np.ndarray:
    """(size, side) share of each input pixel in each output pixel."""
    edges = np.arange(size + 1) * side / size
    low, high = edges[:-1, None], edges[1:, None]
    pixels = np.arange(side)
    overlap = np.clip(np.minimum(high, pixels + 1) - np.maximum(low, pixels), 0, None)
    return overlap / overlap.sum(axis=1, keepdims=True)


def test_what_lies_beyond_the_frame_is_blanked() -> None:
    tile = np.ones((128, 128, 2), np.uint8)
    Square(-64, 100, 256).blank_outside(tile, (320, 240))
    assert not tile[:, :32].any()
    assert not tile[70:].any()
    assert tile[:70, 32:].all()


@pytest.mark.parametrize(
    ("square", "fits"),
    [
        (Square(10, 10, 64), True),
        (Square(-40, -40, 64), True),
        (Square(-64, 0, 64), False),
        (Square(320, 0, 64), False),
        (Square(0, 240, 64), False),
        (Square(10, 10, 32), False),
        (Square(-300, -300, 960), True),
        (Square(-300, -300, 976), False),
    ],
)
def test_only_faces_in_the_frame_and_of_sensible_size_fit(square: Square, fits: bool) -> None:
    assert square.fits((320, 240)) is fits


@pytest.mark.parametrize("rectangle", [(37, -50, 640, 640), (100, 20, 300, 411), (37, 250, 1, 1), (600, 500, 77, 90)])
def test_a_part_is_enlarged_as_the_whole_square_is(
    rectangle: tuple[int, int, int, int], rng: np.random.Generator
) -> None:
    square, tile = Square(37, -50, 640), rng.integers(0, 256, (384, 384, 4), np.uint8)
    x, y, width, height = rectangle
    whole = cv2.resize(tile, (640, 640), interpolation=cv2.INTER_LINEAR)
    part = square.enlarge(tile, rectangle)
    assert part.shape == (height, width, 4)
    difference = np.abs(part.astype(int) - whole[y + 50 : y + 50 + height, x - 37 : x - 37 + width])
    assert difference.max() <= 1  # where a coefficient is rounded the other way
    assert (difference > 0).mean() < 0.001
