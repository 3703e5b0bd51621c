"""The mesh as networks see it: in which unit, what of it stays DepthNet's, upright in the picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faces_making import posed_face

from engines import Buffers, Engine, Spec, TensorSpec
from realtime.analysis.crop_net import CropNet
from realtime.analysis.distance import millimetres_per_pixel
from realtime.analysis.surface import FacingNet, ReliefNet
from realtime.frame import Face, Floats, Pose
from realtime.geometry.depth_code import FACE_MM, SPAN_MM, anchor
from realtime.geometry.mesh import face_mesh
from realtime.rgbd.surfaces import lifted_mesh

SIDE = 40
FLOAT = np.dtype(np.float32)
FACE = posed_face(Pose(10, 0, 20), 60, (100, 90), number=4)
PIXELS = np.zeros((200, 240, 3), np.uint8)


class Says(Engine):
    """Gives the same answer ([K,] SIDE, SIDE) to every crop of as many channels, and keeps what it was shown."""

    def __init__(self, answer: np.ndarray) -> None:
        self._answer = answer
        self._shape = (3 if answer.ndim == 3 else 1, SIDE, SIDE)
        super().__init__("says", Path())

    def _opened(self) -> Spec:
        inputs = (TensorSpec("crop", (-1, *self._shape), FLOAT),)
        return Spec("says", inputs, (TensorSpec("map", (-1, *self._shape), FLOAT),))

    def bind(self, batch: int) -> Buffers:
        taken, given = (np.zeros((batch, *self._shape), np.float32) for _ in range(2))
        self.buffers = Buffers((taken,), (given,))
        return self.buffers

    def run(self, stream: object | None = None) -> None:
        self.buffers.outputs[0][:] = self._answer


def relief_of(face: Face, answer: np.ndarray) -> Floats:
    (seen,) = ReliefNet(CropNet(Says(answer)))(PIXELS, (face,))
    assert seen.relief is not None
    return seen.relief


@pytest.mark.parametrize("slope", [(0.0, 2.0), (1.5, 0.0)])
def test_the_network_tells_the_shape_in_millimetres(slope: tuple[float, float]) -> None:
    """A network that sees a tilted wall tilts the face as much, against one that sees a wall straight ahead."""
    v, u = np.mgrid[:SIDE, :SIDE]
    behind = 100 + slope[0] * (u - SIDE / 2) + slope[1] * (v - SIDE / 2)
    change = relief_of(FACE, 1 - 2 * behind / SPAN_MM) - relief_of(FACE, np.zeros((SIDE, SIDE)))
    places = lifted_mesh(FACE)[:, :2]
    inner = np.linalg.norm(places - FACE.points[30], axis=1) < 15  # at the edges means are of one side
    assert inner.sum() > 30
    fitted = np.linalg.lstsq(np.column_stack([places[inner], np.ones(inner.sum())]), change[inner], rcond=None)[0]
    # a pixel of the crop is FACE_MM / SIDE millimetres wide and so many deep: pixels of the picture per pixel
    np.testing.assert_allclose(fitted[:2], np.array(slope) * SIDE / FACE_MM, atol=0.02)


def test_what_is_fine_stays_as_it_was_lifted() -> None:
    flat = relief_of(FACE, np.zeros((SIDE, SIDE)))
    assert flat[:68].mean() == pytest.approx(0, abs=1e-4)
    solid = lifted_mesh(FACE)
    tip, cheeks = 30, [2, 14]
    assert flat[tip] < flat[cheeks].mean() - 3, "the nose stands out of what the network takes for a wall"
    assert np.ptp(flat) < 0.8 * np.ptp(solid[:, 2])


def test_the_crop_covers_the_same_millimetres_of_all_heads() -> None:
    pixels = PIXELS.copy()
    for size in (30.0, 80.0):
        face = posed_face(Pose(25, 0, 0), size, (100, 90))
        x, y = np.rint(anchor(face.points)).astype(int)
        half = 22 / millimetres_per_pixel(face)
        pixels[:] = 0
        pixels[round(y - half) : round(y + half) + 1, round(x - half) : round(x + half) + 1] = 255
        engine = Says(np.zeros((SIDE, SIDE)))
        ReliefNet(CropNet(engine))(pixels, (face,))
        shown = engine.buffers.inputs[0][0, 0] > 127
        assert shown.sum() == pytest.approx((44 * SIDE / FACE_MM) ** 2, rel=0.25)
        np.testing.assert_allclose(np.argwhere(shown).mean(axis=0), (SIDE - 1) / 2, atol=0.8)


@pytest.mark.parametrize("roll", [0.0, 35.0, -60.0])
def test_normals_are_turned_back_from_the_upright_crop(roll: float) -> None:
    up = np.zeros((3, SIDE, SIDE), np.float32)
    up[1], up[2] = 0.3, 0.4  # of any length
    (seen,) = FacingNet(CropNet(Says(up)))(PIXELS, (posed_face(Pose(0, 0, roll), 60, (100, 90)),))
    # the head's up, in a picture whose y runs down, tilts clockwise with it
    angle = np.deg2rad(roll)
    assert seen.facing is not None
    expected = np.broadcast_to([0.6 * np.sin(angle), 0.6 * np.cos(angle), 0.8], seen.facing.shape)
    np.testing.assert_allclose(seen.facing, expected, atol=0.02)


def test_normals_lie_where_the_network_saw_them() -> None:
    sides = np.zeros((3, SIDE, SIDE), np.float32)
    sides[2] = 1
    sides[0, :, SIDE // 2 :] = 1  # the image-right half of an upright face looks to the right
    face = posed_face(size=60, centre=(100, 90))
    engine = Says(sides)
    pixels = np.full_like(PIXELS, 0)
    pixels[..., 0] = 200
    (seen,) = FacingNet(CropNet(engine))(pixels, (face,))
    assert seen.facing is not None
    assert engine.buffers.inputs[0][0].mean(axis=(1, 2)).tolist() == [200, 0, 0], "red comes first"
    left, right = seen.facing[[2, 36]], seen.facing[[14, 45]]
    np.testing.assert_allclose(left, np.broadcast_to([0, 0, 1], left.shape), atol=1e-3)
    np.testing.assert_allclose(right[:, 0], np.sqrt(0.5), atol=1e-3)


def test_lost_and_unlifted_faces_have_none() -> None:
    network = ReliefNet(CropNet(Says(np.zeros((SIDE, SIDE)))))
    seen = network(PIXELS, (FACE, replace(FACE, id=5, lost=0.3), replace(FACE, id=6, depth=None)))
    assert [face.id for face in seen] == [4, 5, 6]
    assert [face.relief is None for face in seen] == [False, True, True]
    assert seen[0].relief is not None
    assert seen[0].relief.shape == (len(face_mesh().uv),)
    assert network(PIXELS, ()) == ()
