"""The built-in demo."""

from __future__ import annotations

from itertools import islice, pairwise

import cv2
import numpy as np
import pytest

from realtime.sources import Demo, SourceOptions, open_source
from realtime.sources.demo import RATE, SIZE, TURN_S, portraits

# face in the portrait: x, y, width, height; enlarged by about this much in the demo
FACES = [((185, 75, 75, 105), 2.3), ((195, 150, 150, 170), 1.55)]


def likeness(pixels: np.ndarray, portrait: int) -> float:
    """Best normalised correlation of a portrait's face with a part of the picture, over some zooms and rolls."""
    (x, y, width, height), scale = FACES[portrait]
    face = cv2.cvtColor(portraits()[portrait], cv2.COLOR_RGB2GRAY)[y : y + height, x : x + width]
    small = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
    best = -1.0
    for zoom in np.linspace(0.95, 1.2, 6):
        template = cv2.resize(face, None, fx=scale * zoom / 4, fy=scale * zoom / 4, interpolation=cv2.INTER_AREA)
        for roll in (-4, -2, 0, 2, 4):
            centre = template.shape[1] / 2, template.shape[0] / 2
            matrix = cv2.getRotationMatrix2D(centre, roll, 1.0)
            turned = cv2.warpAffine(template, matrix, template.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
            best = max(best, float(cv2.matchTemplate(small, turned, cv2.TM_CCOEFF_NORMED).max()))
    return best


def test_frame_n_is_the_same_in_every_run() -> None:
    first, second = list(islice(Demo(), 12)), Demo()
    assert [frame.index for frame in first] == list(range(12))
    assert [frame.time_s for frame in first] == pytest.approx(np.arange(12) / RATE)
    for frame in first:
        assert frame.size == SIZE
        assert frame.pixels.flags.c_contiguous
        assert np.array_equal(frame.pixels, second.picture(frame.index))
    assert len({frame.pixels.tobytes() for frame in first}) == 12


@pytest.mark.parametrize("seconds", [0.0, 2.5, 6.0, 8.5, 12.0, 15.5, 17.0, 26.0, 3600.0])
def test_the_two_portraits_take_turns(seconds: float) -> None:
    shown = int(seconds / TURN_S) % 2
    pixels = Demo().picture(round(seconds * RATE))
    assert likeness(pixels, shown) > 0.85
    assert likeness(pixels, 1 - shown) < 0.6


def test_it_moves_like_a_hand_held_camera() -> None:
    demo = Demo()
    # reduced, because the noise would be found to move otherwise
    views = [cv2.resize(demo.picture(i), (320, 180), interpolation=cv2.INTER_AREA) for i in range(60)]
    greys = [cv2.GaussianBlur(cv2.cvtColor(view, cv2.COLOR_RGB2GRAY), (0, 0), 2).astype(np.float32) for view in views]
    window = cv2.createHanningWindow((320, 180), cv2.CV_32F)
    shifts = 4 * np.array([cv2.phaseCorrelate(a, b, window)[0] for a, b in pairwise(greys)])
    steps = np.hypot(*shifts.T)
    assert 0.2 < steps.mean() < 4
    assert steps.max() < 8


@pytest.mark.parametrize(
    ("options", "count"), [({}, 600), ({"limit_s": 1.0}, 30), ({"loop": True}, None), ({"limit_s": 30.0}, 900)]
)
def test_how_long_it_lasts(options: dict[str, float], count: int | None) -> None:
    assert open_source("demo", SourceOptions(**options)).frames == count  # type: ignore[arg-type]


def test_paced_it_is_live() -> None:
    with open_source("demo", SourceOptions(paced=True, limit_frames=8)) as source:
        assert source.live
        frames = list(source)
    captured = np.array([frame.captured for frame in frames])
    assert len(frames) == 8
    assert np.all(np.diff(captured) >= 1 / RATE - 1e-6)
