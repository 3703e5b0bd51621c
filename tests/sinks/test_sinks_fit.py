"""Fitting frames to a fixed size."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.sinks.fit import even, fit, letterbox

SIDE = st.integers(1, 4000)


@given(SIDE, SIDE, SIDE, SIDE)
def test_letterbox_lies_inside_centred_and_keeps_the_shape(w: int, h: int, width: int, height: int) -> None:
    x, y, inner_w, inner_h = letterbox((w, h), (width, height))
    assert min(x, y) >= 0 and x + inner_w <= width and y + inner_h <= height
    assert abs(2 * x + inner_w - width) <= 1 and abs(2 * y + inner_h - height) <= 1
    assert inner_w == width or inner_h == height
    scale = min(width / w, height / h)
    assert abs(inner_w - max(w * scale, 1)) <= 1 and abs(inner_h - max(h * scale, 1)) <= 1


@pytest.mark.parametrize(("size", "expected"), [((1, 1), (2, 2)), ((640, 479), (640, 480)), ((4, 6), (4, 6))])
def test_even(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert even(size) == expected


def test_one_missing_row_or_column_repeats_the_edge(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (5, 7, 3), dtype=np.uint8)
    out = fit(pixels, (8, 6))
    assert np.array_equal(out[:5, :7], pixels)
    assert np.array_equal(out[5, :7], pixels[4]) and np.array_equal(out[:5, 7], pixels[:, 6])


def test_the_right_size_is_not_copied(rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    assert fit(pixels, (8, 6)) is pixels


@pytest.mark.parametrize(("width", "height"), [(20, 80), (80, 20), (400, 300)])
def test_other_sizes_get_black_bars(width: int, height: int) -> None:
    out = fit(np.full((height, width, 3), 200, np.uint8), (60, 40))
    x, y, inner_width, inner_height = letterbox((width, height), (60, 40))
    inside = np.zeros((40, 60), bool)
    inside[y : y + inner_height, x : x + inner_width] = True
    assert out.shape == (40, 60, 3)
    assert (out[inside] == 200).all() and (out[~inside] == 0).all()
