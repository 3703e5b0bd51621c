"""What is in front of the live face stays in front of the drawn one, on a picture whose cover is known exactly."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from faces_making import frame_of, portrait, posed_face

from realtime.controls import Mode, Settings
from realtime.effects.cover import Covered, covered_share
from realtime.effects.photo import person
from realtime.effects.swap import Swap
from realtime.frame import Drawn, Face, Occlusion, Pixels
from realtime.geometry.crops import face_crop
from realtime.render.canvas import Canvas
from realtime.renderer import _scaled

SIZE = (480, 360)
FACE = posed_face(size=110, centre=(240.0, 185.0))


def _with(covered: np.ndarray, face: Face = FACE) -> Face:
    """The face with a (S, S) map in 0..1 of its crop."""
    levels = np.round(255 * covered).astype(np.uint8)
    return replace(face, occlusion=Occlusion(levels, face_crop(face.points, len(covered)).matrix))


def _left_half(size: int = 128) -> np.ndarray:
    covered = np.zeros((size, size), np.float32)
    covered[:, : size // 2] = 1
    return covered


def _swapped(canvas: Canvas, pixels: Pixels, face: Face) -> tuple[Pixels, dict[int, Drawn]]:
    source = posed_face(size=120, centre=(200, 200))
    swap = Swap((person("blue", [(portrait(source.points, (400, 400), seed=3), source)]),), False, False)
    canvas.begin(pixels)
    drawn = swap.draw(canvas, frame_of(pixels), (face,), Settings(Mode.SWAP))
    picture = canvas.finish()
    swap.release()
    return picture, drawn


def test_the_covered_half_is_the_live_picture(canvas: Canvas, rng: np.random.Generator) -> None:
    pixels = portrait(FACE.points, SIZE, skin=(120, 190, 110))
    pixels[:, :238] = rng.integers(0, 256, (SIZE[1], 238, 3), np.uint8)  # something in front
    free, _ = _swapped(canvas, pixels, _with(np.zeros((128, 128))))
    half, _ = _swapped(canvas, pixels, _with(_left_half()))
    plain, _ = _swapped(canvas, pixels, FACE)
    np.testing.assert_array_equal(free, plain)
    x, y, width, height = (round(v) for v in FACE.box)
    inner = np.s_[y : y + height, x : x + width]
    left, right = half[inner][:, : width // 2 - 6], half[inner][:, width // 2 + 6 :]
    np.testing.assert_array_equal(left, pixels[inner][:, : width // 2 - 6])
    np.testing.assert_array_equal(right, plain[inner][:, width // 2 + 6 :])
    assert (plain[inner][:, : width // 2 - 6] != left).mean() > 0.5


def test_the_edge_is_soft(canvas: Canvas) -> None:
    pixels = np.full((SIZE[1], SIZE[0], 3), 20, np.uint8)
    ramp = np.tile(np.linspace(0, 1, 128), (128, 1))
    half, _ = _swapped(canvas, pixels, _with(ramp))
    row = half[200, 190:290].astype(int).mean(axis=1)
    assert np.abs(np.diff(row)).max() < 25


def test_a_hidden_face_counts_as_lost(canvas: Canvas) -> None:
    pixels = portrait(FACE.points, SIZE)
    picture, drawn = _swapped(canvas, pixels, _with(np.ones((128, 128))))
    assert drawn == {}
    np.testing.assert_array_equal(picture, pixels)


@pytest.mark.parametrize(("covered", "share"), [(np.zeros((128, 128)), 0), (np.ones((64, 64)), 1), (_left_half(), 0.5)])
def test_the_covered_share_is_that_of_the_face(covered: np.ndarray, share: float) -> None:
    assert covered_share(_with(covered)) == pytest.approx(share, abs=0.03)


def test_a_face_nobody_looked_at_is_free(canvas: Canvas) -> None:
    assert covered_share(FACE) == 0
    assert Covered()(None) is None


def test_a_smaller_frame_has_the_same_cover() -> None:
    small = _scaled(_with(_left_half()), 0.25)
    assert covered_share(small) == pytest.approx(0.5, abs=0.03)
    before = _with(_left_half()).occlusion
    assert before is not None
    assert small.occlusion is not None
    at = FACE.points[30] @ before.matrix[:, :2].T + before.matrix[:, 2]
    np.testing.assert_allclose(small.points[30] @ small.occlusion.matrix[:, :2].T + small.occlusion.matrix[:, 2], at)
