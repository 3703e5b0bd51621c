"""What the network sees of a drawn face, and that its correction changes nothing outside the mask, bit by bit."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces_making import FRONTAL, frame_of, portrait, posed_face

from realtime.controls import Mode, Settings
from realtime.effects.base import Effect
from realtime.effects.photo import person
from realtime.effects.rotate import Rotate
from realtime.effects.swap import Swap
from realtime.frame import Face, Occlusion, Pixels, Pose
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import LEFT_EYE, NOSE_TIP, RIGHT_EYE
from realtime.render.canvas import Canvas
from realtime.repair.retouch import Retouch
from realtime.repair.tile import Square

SIZE = (480, 360)


def _swap() -> Swap:
    face = posed_face(FRONTAL, 120, (200, 200))
    return Swap((person("somebody", [(portrait(face.points, (400, 400), skin=(150, 110, 90)), face)]),))


def _effect(mode: Mode) -> tuple[Effect, Settings]:
    return (_swap(), Settings(mode)) if mode is Mode.SWAP else (Rotate(), Settings(mode, yaw=25))


def _noisy(face: Face, rng: np.random.Generator) -> Pixels:
    """A portrait in front of noise: the slightest change of any pixel shows."""
    pixels = portrait(face.points, SIZE)
    wall = (pixels == (70, 90, 110)).all(axis=2)
    pixels[wall] = rng.integers(0, 256, (int(wall.sum()), 3))
    return pixels


def _at(square: Square, points: np.ndarray, size: int) -> tuple[int, int]:
    """Row and column of the tile's pixel at the mean of (N, 2) frame pixels."""
    x, y = (points.reshape(-1, 2).mean(axis=0) + 0.5 - (square.x, square.y)) * size / square.side
    return int(y), int(x)


@pytest.mark.parametrize("size", [128, 256])
@pytest.mark.parametrize("mode", [Mode.SWAP, Mode.ROTATE])
def test_the_tile_shows_the_composite_and_where_it_may_change(
    canvas: Canvas, rng: np.random.Generator, mode: Mode, size: int
) -> None:
    face = posed_face(FRONTAL, 90, (240.0, 185.0))
    pixels = _noisy(face, rng)
    effect, settings = _effect(mode)
    retouch = Retouch(canvas)
    canvas.begin(pixels)
    drawn = effect.draw(canvas, frame_of(pixels), (face,), settings)
    (patch,) = canvas.patches
    square = Square.around(patch.face_points)
    tile = retouch.read([patch], [square], size)[0]
    composite = canvas.finish()
    retouch.release()
    effect.release()

    assert tile.dtype == np.float32
    assert tile.shape == (5, size, size)
    np.testing.assert_array_equal(np.round(tile[:3].transpose(1, 2, 0) * 255), square.cut(composite, size))
    confidence, mask = tile[3], tile[4]
    assert patch.face == 0
    affine, depth = drawn[0].affine, drawn[0].depth
    assert affine is not None
    assert depth is not None
    turned = np.column_stack([drawn[0].source_points, depth, np.ones(68)]) @ affine.T
    for eye in (LEFT_EYE, RIGHT_EYE):
        assert mask[_at(square, turned[eye], size)] == 0
    nose = _at(square, turned[NOSE_TIP], size)
    assert mask[nose] == 1
    assert confidence[nose] > 0.7
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]])
    assert border.max() < 0.2
    if mode is Mode.SWAP:  # what is drawn ends within the mask
        assert (mask[confidence > 0.02] > 0).mean() > 0.9
        outside = cv2.dilate((confidence > 0.02).astype(np.uint8), np.ones((size // 3, size // 3))) == 0
        assert mask[outside].max() == 0


@pytest.mark.parametrize("mode", [Mode.SWAP, Mode.ROTATE])
@pytest.mark.parametrize("pose", [FRONTAL, Pose(15, 10, -20), Pose(35, 10, -20)], ids=str)
def test_a_correction_changes_no_bit_outside_the_mask(
    canvas: Canvas, rng: np.random.Generator, mode: Mode, pose: Pose
) -> None:
    face = posed_face(pose, 90, (240.0, 185.0))
    pixels = _noisy(face, rng)
    effect, settings = _effect(mode)
    retouch = Retouch(canvas)
    canvas.begin(pixels)
    effect.draw(canvas, frame_of(pixels), (face,), settings)
    (patch,) = canvas.patches
    square = Square.around(patch.face_points)
    mask = retouch.read([patch], [square], square.side)[0, 4]  # at the frame's own resolution
    before = canvas.finish().astype(int)
    seen = retouch.read([patch], [square], 128)[0, 4]
    retouch.add(square, rng.uniform(-1, 1, (3, 128, 128)).astype(np.float32), seen)
    after = canvas.finish().astype(int)
    retouch.release()
    effect.release()

    allowed = np.zeros((SIZE[1] + 2 * square.side, SIZE[0] + 2 * square.side), np.float32)
    x, y = square.x + square.side, square.y + square.side
    allowed[y : y + square.side, x : x + square.side] = mask
    allowed = allowed[square.side : -square.side, square.side : -square.side]
    # a mask of less than half a step of 1/255 is read as 0, and still lets a correction of 1 through
    forbidden = cv2.dilate((allowed > 0).astype(np.uint8), np.ones((3, 3))) == 0
    assert forbidden.mean() > 0.3
    np.testing.assert_array_equal(after[forbidden], before[forbidden])
    changed = np.abs(after - before).max(axis=2)
    assert changed[allowed > 0.9].mean() > 20


def test_what_is_in_front_of_the_face_is_left_alone(canvas: Canvas, rng: np.random.Generator) -> None:
    face = posed_face(FRONTAL, 90, (240.0, 185.0))
    levels = np.zeros((64, 64), np.uint8)
    levels[:, :32] = 255
    face = replace(face, occlusion=Occlusion(levels, face_crop(face.points, 64).matrix))
    pixels = _noisy(face, rng)
    effect, settings = _effect(Mode.SWAP)
    retouch = Retouch(canvas)
    canvas.begin(pixels)
    effect.draw(canvas, frame_of(pixels), (face,), settings)
    (patch,) = canvas.patches
    square = Square.around(patch.face_points)
    mask = retouch.read([patch], [square], 128)[0, 4]
    retouch.add(square, np.full((3, 128, 128), 0.3, np.float32), mask)
    after = canvas.finish()
    retouch.release()
    effect.release()
    axis = int((face.points[NOSE_TIP, 0] - square.x) * 128 / square.side)
    assert mask[:, : axis - 3].max() == 0
    assert mask[:, axis + 3 :].max() == 1
    np.testing.assert_array_equal(after[:, :236], pixels[:, :236])


@pytest.mark.parametrize("strength", [0.0, 0.5, 1.0])
def test_an_even_correction_is_added_as_it_is(canvas: Canvas, strength: float) -> None:
    face = posed_face(FRONTAL, 90, (240.0, 185.0))
    pixels = np.full((SIZE[1], SIZE[0], 3), 100, np.uint8)
    effect, settings = _effect(Mode.ROTATE)
    retouch = Retouch(canvas)
    canvas.begin(pixels)
    effect.draw(canvas, frame_of(pixels), (face,), settings)
    (patch,) = canvas.patches
    square = Square.around(patch.face_points)
    mask = retouch.read([patch], [square], 128)[0, 4]
    correction = np.stack([np.full((128, 128), level, np.float32) for level in (0.2, -0.1, 0.0)])
    retouch.add(square, correction, mask, strength)
    change = canvas.finish().astype(int) - 100
    retouch.release()
    cut = slice(square.y, square.y + square.side), slice(square.x, square.x + square.side)
    wide = cv2.resize(mask, (square.side, square.side), interpolation=cv2.INTER_LINEAR)
    inside = cv2.erode((wide == 1).astype(np.uint8), np.ones((15, 15)))  # by three and a half pixels of the tile
    whole = inside == 1
    assert whole.sum() > 2000
    for channel, level in enumerate((0.2, -0.1, 0.0)):
        full = 255 * strength * level
        np.testing.assert_allclose(change[cut][..., channel][whole], full, atol=1.1)
        assert (change[..., channel] * np.sign(level) <= abs(full) + 1.1).all()
        assert (change[..., channel] * np.sign(level) >= -1.1).all()


@pytest.mark.parametrize("centre", [(20.0, 20.0), (470.0, 185.0), (240.0, 355.0)], ids=str)
def test_a_face_at_the_frames_edge_is_read_and_corrected_up_to_it(
    canvas: Canvas, rng: np.random.Generator, centre: tuple[float, float]
) -> None:
    face = posed_face(FRONTAL, 90, centre)
    pixels = _noisy(face, rng)
    effect, settings = _effect(Mode.SWAP)
    retouch = Retouch(canvas)
    canvas.begin(pixels)
    effect.draw(canvas, frame_of(pixels), (face,), settings)
    (patch,) = canvas.patches
    square = Square.around(patch.face_points)
    assert square.fits(SIZE)
    tile = retouch.read([patch], [square], 128)[0]
    before = canvas.finish().astype(int)
    retouch.add(square, np.full((3, 128, 128), 0.2, np.float32), tile[4])
    after = canvas.finish().astype(int)
    retouch.release()
    effect.release()
    rows, columns = np.mgrid[0:128, 0:128] * square.side / 128
    beyond = (
        (columns + square.x < -square.side / 128)
        | (columns + square.x > SIZE[0])
        | (rows + square.y < -square.side / 128)
        | (rows + square.y > SIZE[1])
    )
    assert beyond.any()
    assert tile[3:, beyond].max() == 0
    assert tile[4].max() == 1
    assert (after - before).max() >= 40


def test_several_faces_are_read_in_one_batch(canvas: Canvas, rng: np.random.Generator) -> None:
    faces = tuple(posed_face(FRONTAL, 40, (100.0 + 250 * i, 180.0), number=i) for i in range(2))
    pixels = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    retouch, effect = Retouch(canvas), Rotate()
    canvas.begin(pixels)
    effect.draw(canvas, frame_of(pixels), faces, Settings(Mode.ROTATE, yaw=20))
    squares = [Square.around(patch.face_points) for patch in canvas.patches]
    both = retouch.read(canvas.patches, squares, 128)
    assert {patch.face for patch in canvas.patches} == {0, 1}
    for one, patch, square in zip(both, canvas.patches, squares, strict=True):
        np.testing.assert_array_equal(retouch.read([patch], [square], 128)[0], one)
    canvas.begin(pixels)
    assert not canvas.patches
    retouch.release()
