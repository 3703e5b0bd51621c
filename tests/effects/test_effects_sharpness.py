"""A drawn face is as sharp as the live one: what is foretold of OpenGL's drawing, and what follows from it."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_making import posed_face

from realtime.effects.photo import View, person
from realtime.effects.sharpness import Pyramid, Sharpness, measure
from realtime.frame import Floats, Pixels
from realtime.geometry.mesh import face_mesh
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.surface import Warp

SIDE = 512
FACE = posed_face(size=170.0, centre=(256.0, 256.0))


def _detailed(seed: int = 3) -> Pixels:
    """Grey noise as fine as pixels and coarser, like skin and hair."""
    rng = np.random.default_rng(seed)
    layers = [cv2.resize(rng.normal(0, 18, (n, n)).astype(np.float32), (SIDE, SIDE)) for n in (SIDE, SIDE // 2, 64)]
    return np.repeat(np.clip(np.sum(layers, axis=0) + 128, 0, 255).astype(np.uint8)[..., None], 3, axis=2)


@pytest.mark.parametrize("scale", [0.9, 0.55, 0.3])
@pytest.mark.parametrize("level", [-1.0, 0.0, 0.7])
def test_the_pyramid_foretells_what_opengl_draws(canvas: Canvas, scale: float, level: float) -> None:
    picture = _detailed()
    size = round(SIDE * scale)
    source = (face_mesh().weights @ FACE.points).astype(np.float32)
    position = ((source + 0.5) * (size / SIDE) - 0.5).astype(np.float32)
    texture = gl.Texture((SIDE, SIDE), mipmaps=True)
    texture.upload(np.dstack([picture, np.full((SIDE, SIDE), 255, np.uint8)]))
    canvas.begin(np.zeros((size, size, 3), np.uint8))
    canvas.warp(Warp(face_mesh(), np.column_stack([position, np.zeros(len(position))]), source, texture, soften=level))
    drawn = canvas.finish()[..., 0] / np.float32(255)
    texture.release()

    foretold = Pyramid(picture, FACE.points, size / SIDE)(level)
    inner = (FACE.points[17:68].min(axis=0) + FACE.points[17:68].max(axis=0)) / 2  # its middle
    left, top = np.round((inner + 0.5) * (size / SIDE) - 0.5 - (len(foretold) - 1) / 2).astype(int)
    shown = drawn[top : top + len(foretold), left : left + len(foretold)]
    assert measure(shown)[0] == pytest.approx(measure(foretold)[0], abs=0.015)
    assert float(shown.std()) == pytest.approx(float(foretold.std()), rel=0.03)


def _view(picture: Pixels) -> View:
    return person("somebody", [(picture, FACE)]).views[0]


def _frame(patch: Floats) -> tuple[Pixels, Floats]:
    """A picture with the patch where a face with the keypoints given has its middle."""
    size = len(patch)
    face = posed_face(size=size / 1.2 + 0.01, centre=(200.0, 200.0)).points
    inner = (face[17:68].min(axis=0) + face[17:68].max(axis=0)) / 2
    left, top = np.round(inner - size / 2).astype(int)
    picture = np.full((400, 400, 3), 128, np.uint8)
    picture[top : top + size, left : left + size] = np.round(255 * patch)[..., None].astype(np.uint8)
    return picture, face


@pytest.mark.parametrize("level", [-0.6, 0.3, 1.4])
def test_the_level_is_the_one_that_the_live_face_shows(level: float) -> None:
    view = _view(_detailed())
    sharpness = Sharpness()
    sharpness.look(*_frame(Pyramid(view.pixels, view.points, 0.4)(level)))
    found, grain = sharpness.match(view, 0.4)
    assert found == pytest.approx(level, abs=0.15)
    assert grain < 0.01


def test_a_live_face_sharper_than_any_level_asks_for_the_sharpest() -> None:
    view = _view(cv2.GaussianBlur(_detailed(), (0, 0), 6))
    sharpness = Sharpness()
    sharpness.look(*_frame(Pyramid(_detailed(), FACE.points, 0.4)(-1.0)))
    assert sharpness.match(view, 0.4)[0] == -1.0


def test_noise_of_the_live_face_is_asked_for() -> None:
    view = _view(cv2.GaussianBlur(_detailed(), (0, 0), 6))
    clean = Pyramid(view.pixels, view.points, 0.4)(0.0)
    noisy = clean + np.random.default_rng(0).normal(0, 0.03, clean.shape).astype(np.float32)
    sharpness = Sharpness()
    sharpness.look(*_frame(np.clip(noisy, 0, 1)))
    assert sharpness.match(view, 0.4)[1] == pytest.approx(0.03, rel=0.25)


def test_the_live_face_is_read_in_its_own_pixels() -> None:
    """A place between pixels must not soften what is measured."""
    patch = Pyramid(_detailed(), FACE.points, 0.6)(-1.0)
    picture, points = _frame(patch)
    blurs = []
    for aside in (0.0, 0.3, 0.45):
        sharpness = Sharpness()
        sharpness.look(picture, points + np.float32(aside))
        blurs.append(sharpness._blur)
    np.testing.assert_allclose(blurs, blurs[0], atol=0.01)
