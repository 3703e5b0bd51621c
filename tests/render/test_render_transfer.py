"""Pictures through pixel-buffer objects: what the processor's own way gives, to the byte."""

from __future__ import annotations

import numpy as np
import pytest
from OpenGL import GL

from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.transfer import BufferTransfer


@pytest.mark.parametrize("size", [(64, 48), (33, 17), (1, 1)])
def test_buffers_carry_what_the_processor_does(canvas: Canvas, rng: np.random.Generator, size: tuple[int, int]) -> None:
    through = BufferTransfer("tried here")
    target = gl.Target(size)
    for _ in range(3):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        through.send(pixels, target.texture)
        np.testing.assert_array_equal(target.read(), np.dstack([pixels, np.full(size[::-1], 255, np.uint8)]))
        fetched = through.fetch(target)
        np.testing.assert_array_equal(fetched, pixels)
    through.send(255 - pixels, target.texture)
    np.testing.assert_array_equal(fetched, pixels, "in memory of its own")
    through.release()
    through.release()
    np.testing.assert_array_equal(target.read()[..., :3], 255 - pixels, "no buffer is left bound")
    target.release()
    assert GL.glGetError() == GL.GL_NO_ERROR


def test_a_canvas_uses_and_releases_what_it_is_given(canvas: Canvas, rng: np.random.Generator) -> None:
    ours = Canvas(transfer=BufferTransfer("tried here"))
    for size in ((40, 30), (25, 31)):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        for each in (ours, canvas):
            each.begin(pixels)
        np.testing.assert_array_equal(ours.finish(), canvas.finish())
    ours.release()
    assert "tried here" in BufferTransfer("tried here").description
