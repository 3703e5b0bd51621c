"""The map of what covers a face: where it lies, and how it follows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faces_making import posed_face

from engines import Buffers, Engine, Spec, TensorSpec
from realtime.analysis.crop_net import CropNet
from realtime.analysis.occlusion import OcclusionNet
from realtime.frame import Face, Occlusion, Pixels, Pose

SIDE = 32
FLOAT = np.dtype(np.float32)
FACE = posed_face(Pose(0, 0, 20), 60, (100, 90), number=4)
OTHER = posed_face(size=40, centre=(330, 60), number=7)


class Brightness(Engine):
    """Takes what is red for covered."""

    def __init__(self) -> None:
        super().__init__("red", Path())

    def _opened(self) -> Spec:
        inputs = (TensorSpec("image", (-1, 3, SIDE, SIDE), FLOAT),)
        return Spec("red", inputs, (TensorSpec("covered", (-1, 1, SIDE, SIDE), FLOAT),))

    def bind(self, batch: int) -> Buffers:
        channels = ((3, SIDE, SIDE), (1, SIDE, SIDE))
        taken, given = (np.zeros((batch, *shape), np.float32) for shape in channels)
        self._buffers = Buffers((taken,), (given,))
        return self._buffers

    def run(self, stream: object | None = None) -> None:
        self._buffers.outputs[0][:] = self._buffers.inputs[0][:, :1] / 255


def _picture(red: float = 0.0) -> Pixels:
    pixels = np.zeros((180, 400, 3), np.uint8)
    pixels[..., 0] = round(255 * red)
    return pixels


def _map(face: Face) -> Occlusion:
    assert face.occlusion is not None
    return face.occlusion


def test_the_map_lies_where_the_picture_was_cut() -> None:
    pixels = _picture()
    x, y = np.round(FACE.points[36]).astype(int)
    pixels[y - 9 : y + 10, x - 9 : x + 10, 0] = 255
    found = _map(OcclusionNet(CropNet(Brightness()))(pixels, (FACE,), 0.0)[0])
    at = np.argwhere(found.covered > 127)[:, ::-1].mean(axis=0)
    np.testing.assert_allclose(found.matrix[:, :2] @ (x, y) + found.matrix[:, 2], at, atol=0.5)
    assert np.percentile(found.covered, 80) == 0


def test_every_face_has_its_own() -> None:
    pixels = _picture()
    pixels[:, 260:, 0] = 255
    free, covered, lost = OcclusionNet(CropNet(Brightness()))(
        pixels, (FACE, OTHER, replace(OTHER, id=9, lost=0.2)), 0.0
    )
    assert _map(free).covered.max() == 0
    assert _map(covered).covered.min() == 255
    assert lost.occlusion is None
    assert free.id == FACE.id
    np.testing.assert_array_equal(free.points, FACE.points)


def test_no_face_no_work() -> None:
    assert OcclusionNet(CropNet(Brightness()))(_picture(), (), 0.0) == ()


def _followed(levels: list[float], rate: float = 30.0) -> list[float]:
    net = OcclusionNet(CropNet(Brightness()))
    return [
        _map(net(_picture(level), (FACE,), index / rate)[0]).covered.mean() / 255 for index, level in enumerate(levels)
    ]


def test_a_hand_is_followed_at_once_and_a_waver_is_not() -> None:
    assert _followed([0, 1, 0]) == [0, 1, 0]
    wavering = _followed([0.4, 0.6] * 20)
    assert np.ptp(wavering[10:]) < 0.1
    assert abs(np.mean(wavering[10:]) - 0.5) < 0.02


def test_what_comes_is_followed_sooner_than_what_goes() -> None:
    _, came = _followed([0.2, 0.65])
    _, went = _followed([0.65, 0.2])
    assert came - 0.2 == pytest.approx(2 * (0.65 - went), abs=0.01)
    assert came > 0.6


def test_settling_is_a_matter_of_time_not_of_frames() -> None:
    slow, fast = _followed([0, 0.1, 0.1, 0.1], 15), _followed([0, *[0.1] * 6], 30)
    assert abs(slow[3] - fast[6]) < 0.012


def test_what_is_forgotten_does_not_linger() -> None:
    net = OcclusionNet(CropNet(Brightness()))
    net(_picture(0.6), (FACE,), 0.0)
    net.forget()
    assert _map(net(_picture(0.4), (FACE,), 0.01)[0]).covered.max() == 102
    net(_picture(0.6), (OTHER,), 0.02)  # the first face has gone: its map with it
    assert _map(net(_picture(0.6), (FACE,), 0.03)[0]).covered.min() == 153
