"""The drawing on a real GPU: frames into OpenGL and out of it, and the repair, beside those of the processor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from faces_making import frame_of, portrait, posed_face
from OpenGL import GL

import engines
from realtime.backend import Backend, HostBackend, open_backend
from realtime.controls import Mode, Settings
from realtime.effects.rotate import Rotate
from realtime.render.canvas import Canvas
from realtime.render.context import Context
from realtime.repair.tile import Square

torch = pytest.importorskip("torch", reason="the GPU tests need torch")


@pytest.fixture
def context() -> Iterator[Context]:
    with Context() as context:
        yield context


@pytest.fixture
def backend(compiled: None) -> Backend:
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    return open_backend("torch")


@pytest.mark.parametrize("size", [(1280, 720), (641, 359), (3840, 2160)])
def test_pictures_come_and_go_as_by_the_processor(
    context: Context, backend: Backend, rng: np.random.Generator, size: tuple[int, int]
) -> None:
    """By interop, or where OpenGL is elsewhere by buffers: the report says which."""
    canvas = Canvas(transfer=backend.transfer())
    print(context.description, canvas.transfer.description)
    for _ in range(3):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        canvas.begin(pixels)
        np.testing.assert_array_equal(canvas.finish(), pixels)
    canvas.release()
    assert GL.glGetError() == GL.GL_NO_ERROR


def test_faces_are_repaired_as_by_the_processor(context: Context, backend: Backend) -> None:
    """By the deployed network, over a second in which the head turns."""
    network = engines.load("repair_128", "torch")
    pictures: list[list[np.ndarray]] = []
    for each in (backend, HostBackend()):
        canvas = Canvas(transfer=each.transfer())
        mender, effect = each.mender(canvas), Rotate()
        pictures.append([])
        for number in range(30):
            face = posed_face(size=150.0, centre=(600.0 + number, 360.0))
            pixels = portrait(face.points, (1280, 720))
            canvas.begin(pixels)
            effect.draw(canvas, frame_of(pixels), (face,), Settings(Mode.ROTATE, yaw=number))
            squares = [Square.around(patch.face_points) for patch in canvas.patches]
            mender.mend(network, 128, canvas.patches, squares, number / 30, 1.0)
            pictures[-1].append(canvas.finish())
        mender.release()
        canvas.release()
    for ours, theirs in zip(*pictures, strict=True):
        off = np.abs(ours.astype(int) - theirs)
        assert off.mean() < 0.1
        assert np.quantile(off, 0.999) <= 3
