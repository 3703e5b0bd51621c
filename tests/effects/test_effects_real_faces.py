"""The effects on photographs with hand-set keypoints: what holds for painted faces must hold for real ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from faces_making import asymmetry, frame_of

import engines
from realtime.analysis.lift import lift
from realtime.controls import Mode, Settings
from realtime.effects.photo import person
from realtime.effects.relight import Tone
from realtime.effects.rotate import Frontalise, Rotate
from realtime.effects.swap import Swap
from realtime.frame import Face, Pixels
from realtime.geometry.mesh import face_mesh
from realtime.render.canvas import Canvas
from training.data import faces_300w

COUNT = 12
_MOST = 480  # larger pictures are halved until they are no larger: the tests need no detail


@pytest.fixture(scope="module")
def faces(data: Path) -> list[tuple[Pixels, Face]]:
    """Pictures of the held-out part with their faces, lifted by DepthNet."""
    found = faces_300w()
    engine = engines.load("depthnet", threads=1)
    pictures = []
    whole = found.held_out & np.isfinite(found.points).all(axis=(1, 2))
    for index in np.flatnonzero(whole)[:COUNT]:
        pixels, points = found.picture(index), found.points[index]
        while max(pixels.shape) > _MOST:
            pixels = cv2.resize(pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            points = (points + 0.5) / 2 - 0.5
        points = points.astype(np.float32)
        (depth,), (pose,) = lift(engine, points[None])
        face = Face(0, points, np.ones(81, np.float32), 1.0, pose, depth)
        pictures.append((np.ascontiguousarray(pixels), face))
    return pictures


def test_a_person_drawn_on_their_own_picture_is_themselves(canvas: Canvas, faces: list[tuple[Pixels, Face]]) -> None:
    for pixels, face in faces:
        swap = Swap((person("self", [(pixels, face)]),))
        canvas.begin(pixels)
        swap.draw(canvas, frame_of(pixels), (face,), Settings(Mode.SWAP))
        x, y, width, height = (max(0, round(value)) for value in face.box)
        inside = np.s_[y : y + height, x : x + width]
        difference = np.abs(canvas.finish()[inside].astype(float) - pixels[inside])
        swap.release()
        assert difference.mean() < 4
        assert np.percentile(difference, 99) < 40


def test_frontalising_makes_turned_heads_more_symmetric(canvas: Canvas, faces: list[tuple[Pixels, Face]]) -> None:
    effect, turned = Frontalise(), 0
    for pixels, face in faces:
        canvas.begin(pixels)
        drawn = effect.draw(canvas, frame_of(pixels), (face,), Settings(Mode.FRONTALISE))[0]
        assert drawn.affine is not None
        assert face.depth is not None
        points = np.column_stack([face.points, face.depth, np.ones(81)]) @ drawn.affine.T
        before, after = abs(asymmetry(face.points)), abs(asymmetry(points))
        if before > 0.3:
            turned += 1
            assert after < 0.75 * before
        eyes = points[42:48].mean(axis=0) - points[36:42].mean(axis=0)
        assert abs(np.rad2deg(np.arctan2(eyes[1], eyes[0]))) < 8
        assert (canvas.finish() != pixels).any()
    assert turned >= 2


def test_turning_by_nothing_keeps_a_photograph(canvas: Canvas, faces: list[tuple[Pixels, Face]]) -> None:
    effect = Rotate()
    for pixels, face in faces[:4]:
        canvas.begin(pixels)
        effect.draw(canvas, frame_of(pixels), (face,), Settings(Mode.ROTATE))
        difference = np.abs(canvas.finish().astype(float) - pixels)
        assert difference.mean() <= 0.5
        assert difference.max() <= 16


def test_plain_faces_are_mostly_uncovered(faces: list[tuple[Pixels, Face]]) -> None:
    middle = np.linalg.norm(face_mesh().uv - 0.5, axis=1) < 0.3
    shares = [float((Tone(pixels, face.points).clear[middle] > 0.8).mean()) for pixels, face in faces]
    assert np.median(shares) > 0.9
    assert min(shares) > 0.5
