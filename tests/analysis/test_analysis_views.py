"""Where the detector looks: close-ups leave no small face out, and know what is theirs to answer for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from realtime.analysis.views import View, close_ups, whole

SIDES = st.integers(1, 8000)
NETWORK = 320  # pixels of the network's square


def shows(view: View, box: tuple[float, float, float, float]) -> bool:
    """Whether all of a box x, y, w, h (pixel centres at integers) lies in a view."""
    x, y, w, h = box
    across = view.left - 0.5 <= x and x + w <= view.left + view.width - 0.5
    return across and view.top - 0.5 <= y and y + h <= view.top + view.height - 0.5


@given(st.integers(160, 8000), st.floats(0.4, 2.5), st.floats(0.05, 0.12), st.tuples(st.floats(0, 1), st.floats(0, 1)))
def test_a_face_from_5_percent_of_the_height_on_is_shown_large_enough(
    height: int, aspect: float, share: float, place: tuple[float, float]
) -> None:
    """At any place some view shows all of it, at 20 pixels or, where the frame has fewer, four fifths of its own."""
    width, size = round(aspect * height), share * height
    x, y = (part * (length - size) - 0.5 for part, length in zip(place, (width, height), strict=True))
    zooms = [
        NETWORK / max(view.width, view.height)
        for view in (whole(width, height), *close_ups(width, height))
        if shows(view, (x, y, size, size)) and size <= view.largest
    ]
    assert max(zooms) * size >= min(20, 0.79 * size)


@given(SIDES, SIDES)
def test_close_ups_are_even_parts_of_the_frame(width: int, height: int) -> None:
    parts = close_ups(width, height)
    assume(parts)
    assert len(set(parts)) == len(parts)
    assert {(part.width, part.height) for part in parts} == {(parts[0].width, parts[0].height)}
    for part in parts:
        assert min(part.left, part.top) >= 0
        assert part.left + part.width <= width
        assert part.top + part.height <= height
    shared = max(parts[0].width, parts[0].height) // 3
    for starts in ({part.left for part in parts}, {part.top for part in parts}):
        gaps = np.diff(sorted(starts))
        assert (gaps <= max(parts[0].width, parts[0].height) - shared).all()
        assert len(gaps) == 0 or np.ptp(gaps) <= 1


@pytest.mark.parametrize(
    ("size", "count", "side"),
    [
        ((1280, 720), 8, 432),
        ((720, 1280), 8, 432),
        ((640, 480), 6, 320),
        ((512, 512), 4, 320),
        ((7680, 4320), 8, 2592),
        ((400, 400), 0, 0),
        ((320, 240), 0, 0),
        ((1, 1), 0, 0),
    ],
)
def test_how_many_close_ups_there_are(size: tuple[int, int], count: int, side: int) -> None:
    parts = close_ups(*size)
    assert len(parts) == count
    assert {max(part.width, part.height) for part in parts} <= {side}


def test_the_whole_frame_answers_for_every_box() -> None:
    boxes = np.array([[-200, -90, 3000, 900], [5, 5, 1, 1], [630, 470, 40, 40]], np.float32)
    assert whole(640, 480).answers_for(boxes, (640, 480)).all()


def test_a_close_up_answers_for_what_it_shows_whole() -> None:
    """A face that its edge cuts is another view's, unless the edge is the frame's, too: no view shows more of it."""
    upper_left, inner = View(0, 0, 100, 100, 50), View(60, 60, 100, 100, 50)
    boxes = np.array(
        [
            [70, 70, 20, 20],  # whole in both
            [-5, 40, 20, 20],  # out of the frame
            [50, 70, 20, 20],  # cut by the second's left edge
            [70, 90, 20, 20],  # cut by the first's lower edge
            [62, 62, 20, 60],  # too long for either
        ],
        np.float32,
    )
    assert upper_left.answers_for(boxes, (300, 200)).tolist() == [True, True, True, False, False]
    assert inner.answers_for(boxes, (300, 200)).tolist() == [True, False, False, True, False]
