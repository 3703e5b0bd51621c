"""Small pictures over the frame: premultiplied, as large as their text, safe with any text."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

from realtime.render.overlay import bar_picture, place_within, text_picture

GREY = np.linspace(0, 1, 16)[:, None].repeat(3, axis=1)


@pytest.mark.parametrize("letter", [5, 9, 14, 40])
@pytest.mark.parametrize("lines", [["SYNTHETIC FACE"], ["one", "and another line"], [""], []])
def test_text_is_premultiplied_rgba(lines: list[str], letter: float) -> None:
    picture = text_picture(lines, letter)
    assert picture.dtype == np.uint8
    assert picture.ndim == 3
    assert picture.shape[2] == 4
    assert picture.flags.c_contiguous
    assert (picture[..., :3] <= picture[..., 3:]).all()


def test_bar_is_premultiplied_and_shows_its_colours_from_low_to_high() -> None:
    colours = np.stack([np.linspace(0, 1, 16), np.zeros(16), np.linspace(1, 0, 16)], axis=1)
    picture = bar_picture(colours, "-50 mm", "+70 mm", "depth", 12)
    assert picture.shape[2] == 4
    assert (picture[..., :3] <= picture[..., 3:]).all()
    bar = picture[(picture[..., 3] == 255) & (picture[..., 1] == 0)]  # no green: neither text nor plate
    assert len(bar) > 500
    rows = np.flatnonzero(((picture[..., 3] == 255) & (picture[..., 1] == 0)).sum(axis=1) > picture.shape[1] / 2)
    line = picture[rows[len(rows) // 2]]
    line = line[(line[:, 3] == 255) & (line[:, 1] == 0)].astype(int)
    assert (np.diff(line[:, 0]) >= 0).all()
    assert (np.diff(line[:, 2]) <= 0).all()
    assert line[0, 2] > 240
    assert line[-1, 0] > 240


def test_text_grows_with_its_letters_and_lines() -> None:
    sizes = [text_picture(["face"], letter).shape[:2] for letter in (6, 12, 24, 48)]
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(sizes))
    assert sizes[3][0] == pytest.approx(8 * sizes[0][0], rel=0.2)
    assert text_picture(["face", "face"], 12).shape[0] > text_picture(["face"], 12).shape[0]
    assert text_picture(["face face"], 12).shape[1] > text_picture(["face"], 12).shape[1]


@pytest.mark.parametrize("letter", [12, 22, 44])
def test_a_capital_is_as_high_as_asked(letter: int) -> None:
    ink = text_picture(["H"], letter)[..., 0] > 128
    rows = np.flatnonzero(ink.any(axis=1))
    assert rows[-1] - rows[0] + 1 == pytest.approx(letter, abs=0.15 * letter + 1)


def test_the_ink_is_white_inside_the_plate() -> None:
    picture = text_picture(["Wj|"], 30, backing=0.5)
    ink = picture[..., 0] == 255
    assert ink.sum() > 100
    assert (picture[ink] == 255).all()
    rows, columns = np.nonzero(picture[..., 0] > 0)
    assert rows.min() > 0
    assert columns.min() > 0
    assert rows.max() < picture.shape[0] - 1, "descenders are not cut off"
    assert columns.max() < picture.shape[1] - 1
    middle = picture[picture.shape[0] // 2, 2]
    assert middle[3] == pytest.approx(128, abs=2)
    assert picture[0, 0, 3] < 20, "the corners are round"


@pytest.mark.parametrize("text", ["Müller", "顔", "😀 go", "tab\tand\x00nul"])
def test_any_text_is_safe(text: str) -> None:
    shown = text_picture([text], 14)
    assert (shown[..., :3] <= shown[..., 3:]).all()
    if text.isprintable():
        replaced = text.encode("ascii", "replace").decode()
        np.testing.assert_array_equal(shown, text_picture([replaced], 14))


@pytest.mark.parametrize(
    ("size", "frame", "place", "expected"),
    [
        ((100, 30), (640, 480), (0.0, 1.0), (9, 441, 100, 30)),
        ((100, 30), (640, 480), (1.0, 1.0), (531, 441, 100, 30)),
        ((100, 30), (640, 480), (0.5, 0.0), (270, 9, 100, 30)),
        ((100, 30), (60, 480), (1.0, 1.0), (3, 454.8, 54, 16.2)),  # 0.9 of the width
        ((100, 30), (640, 20), (0.0, 1.0), (9, 9, 100 / 3, 10)),  # half the height
    ],
)
def test_a_small_picture_shrinks_with_the_frame(
    size: tuple[int, int], frame: tuple[int, int], place: tuple[float, float], expected: tuple[float, ...]
) -> None:
    assert place_within(size, frame, 9, *place) == pytest.approx(expected)
