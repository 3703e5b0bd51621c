"""Frames between a stand-in for CUDA and OpenGL in software: what the processor's own way gives, to the byte."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import cv2
import numpy as np
import pytest
from faces_making import frame_of, portrait, posed_face
from OpenGL import GL
from repair_making import write_network

import engines
from engines.errors import EngineError
from engines.runtime import cuda
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.backend import HostBackend, open_backend
from realtime.controls import Mode, Settings
from realtime.effects.rotate import Rotate
from realtime.frame import Frame
from realtime.gpu.backend import GpuBackend
from realtime.gpu.interop import InteropTransfer
from realtime.gpu.mend import DeviceMender
from realtime.people import demo_people
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.context import Context
from realtime.render.transfer import BufferTransfer
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.retouch import Retouch
from realtime.repair.tile import Square
from realtime.sources.demo import portraits
from tests.gpu_on_cpu.interop_on_cpu import GlRuntime


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> GlRuntime:
    """CUDA's runtime, with what it shares with OpenGL."""
    stand_in = GlRuntime()
    monkeypatch.setattr(cuda, "runtime", stand_in)
    return stand_in


@pytest.fixture
def context() -> Iterator[Context]:
    with Context() as context:
        yield context


@pytest.fixture
def backend(torch_on_cpu: None) -> GpuBackend:
    backend = open_backend("torch", tell=lambda sentence: None)
    assert isinstance(backend, GpuBackend)
    return backend


def drawn(canvas: Canvas, pixels: np.ndarray) -> np.ndarray:
    """The picture with a red square on it."""
    canvas.begin(pixels)
    label = gl.Texture((2, 2))
    label.upload(np.tile(np.array([255, 0, 0, 255], np.uint8), (2, 2, 1)))
    canvas.place(label, (3, 2, 4, 5))
    label.release()
    return canvas.finish()


def test_pictures_come_and_go_as_by_the_processor(
    context: Context, backend: GpuBackend, runtime: GlRuntime, rng: np.random.Generator
) -> None:
    """Of several sizes in turn, odd ones among them."""
    transfer = backend.transfer()
    assert isinstance(transfer, InteropTransfer)
    ours, theirs = Canvas(transfer=transfer), Canvas()
    for size in ((64, 48), (64, 48), (33, 17), (64, 48)):
        pixels = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
        fetched = runtime.bytes_fetched
        result = drawn(ours, pixels)
        np.testing.assert_array_equal(result, drawn(theirs, pixels))
        assert result[3, 4].tolist() == [255, 0, 0]
        assert result.base is None
        assert runtime.bytes_fetched - fetched == pixels.nbytes, "three bytes a pixel"
        assert len(runtime.registered) == 2
    ours.release()
    theirs.release()
    assert not runtime.registered
    assert GL.glGetError() == GL.GL_NO_ERROR


@pytest.mark.parametrize("settings", [Settings(Mode.ROTATE, yaw=20), Settings(Mode.SWAP)], ids=lambda each: each.mode)
def test_a_frame_is_sent_once_for_analysis_and_drawing(
    backend: GpuBackend, runtime: GlRuntime, settings: Settings
) -> None:
    """The whole way, beside that of the processor: the same picture comes out, and nobody notices but the bus."""
    frames = [Frame(portraits()[0][:400].copy(), index, index / 30, 0.0) for index in range(4)]
    pictures = []
    for each in (backend, open_backend("openvino", 1)):
        with open_analyser(AnalysisOptions(threads=1), each) as analyser:
            people = demo_people(analyser)[1:] if settings.mode is Mode.SWAP else ()
            renderer = Renderer(RenderOptions(people), None, each.transfer, each.modeller, each.turner)
            renderer.open()
            for frame in frames:
                sent, fetched, replays = backend.pictures.sent, runtime.bytes_fetched, runtime.replays
                faces = analyser.analyse(frame)
                assert len(faces) == 1
                result = renderer.draw(frame, faces, settings)
                assert list(result.drawn) == [faces[0].id]
            pictures.append(result.frame.pixels)
            if each is backend:
                assert backend.pictures.sent - sent == frame.pixels.nbytes
                assert runtime.bytes_fetched - fetched < frame.pixels.nbytes + 20_000
                assert runtime.replays - replays == 2, "graphs a frame"
                row, of_depth = (backend._faces.find(array) for array in (faces[0].points, faces[0].depth))
                assert row is not None
                assert row == of_depth, "both are there already"
                assert renderer.description.endswith("; frames by CUDA–OpenGL interop")
                assert any(resource.buffer for resource in runtime.registered), "vertices go there directly"
            renderer.close()
    assert not runtime.registered
    off = np.abs(pictures[0].astype(int) - pictures[1])
    assert off.mean() < 0.2, "points differ by hundredths of a pixel"


def test_where_opengl_is_elsewhere_frames_take_another_way(
    context: Context, torch_on_cpu: None, runtime: GlRuntime, rng: np.random.Generator
) -> None:
    told: list[str] = []
    backend = open_backend("torch", tell=told.append)
    runtime.broken = "cudaGraphicsGLRegisterImage"
    transfer = backend.transfer()
    assert isinstance(transfer, BufferTransfer)
    assert told == [
        "Frames go through the host's memory between CUDA and OpenGL: The GPU could not share a texture with OpenGL: "
        "out of memory. Is OpenGL on that GPU?"
    ]
    assert "pixel-buffer objects (The GPU could not" in transfer.description
    pixels = rng.integers(0, 256, (21, 35, 3), dtype=np.uint8)
    canvas = Canvas(transfer=transfer)
    assert drawn(canvas, pixels)[3, 4].tolist() == [255, 0, 0]
    canvas.release()
    assert GL.glGetError() == GL.GL_NO_ERROR


def test_bindings_that_only_say_they_share_are_not_believed(
    context: Context, torch_on_cpu: None, runtime: GlRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    monkeypatch.setattr(runtime, "cudaGraphicsGLRegisterImage", lambda texture, target, flags: (0, 0))
    transfer = open_backend("torch", tell=told.append).transfer()
    assert isinstance(transfer, BufferTransfer)
    assert "This cuda-bindings shares nothing with OpenGL: install another version." in told[0]
    transfer.release()


@pytest.mark.parametrize("shift", [(0.1, -0.05, 0.2), (np.nan, 0.0, 0.0)])
def test_faces_are_repaired_as_by_the_processor(
    shift: tuple[float, float, float], context: Context, backend: GpuBackend, runtime: GlRuntime, tmp_path: Path
) -> None:
    """The same picture to the rounding, over frames in which the head turns; of it nothing leaves the GPU but what says
    whether the network gave numbers."""
    write_network(tmp_path, 128, shift)
    network = engines.load("repair_128", "torch", folder=tmp_path)
    pictures: list[list[np.ndarray]] = []
    for each in (backend, HostBackend()):
        canvas = Canvas(transfer=each.transfer())
        mender, effect = each.mender(canvas), Rotate()
        assert isinstance(mender, DeviceMender) == (each is backend)
        pictures.append([])
        for number in range(4):
            face = posed_face(size=40.0, centre=(150.0 + 3 * number, 120.0))
            pixels = portrait(face.points, (320, 240))
            canvas.begin(pixels)
            effect.draw(canvas, frame_of(pixels), (face,), Settings(Mode.ROTATE, yaw=20 + 2 * number))
            squares = [Square.around(patch.face_points) for patch in canvas.patches]
            fetched = runtime.bytes_fetched
            with nullcontext() if np.isfinite(shift).all() else pytest.raises(EngineError, match="no numbers"):
                mender.mend(network, 128, canvas.patches, squares, number / 30, 0.8)
            assert runtime.bytes_fetched - fetched == (8 if each is backend else 0)
            pictures[-1].append(canvas.finish())
        mender.forget()
        mender.release()
        canvas.release()
    assert not runtime.registered
    for ours, theirs in zip(*pictures, strict=True):
        off = np.abs(ours.astype(int) - theirs)
        assert off.max() <= 3
        assert off.mean() < 0.05


def test_a_repair_changes_nothing_outside_of_its_mask(
    context: Context, backend: GpuBackend, tmp_path: Path, rng: np.random.Generator
) -> None:
    """Bit by bit, before noise."""
    write_network(tmp_path, 128, (0.3, 0.3, -0.3))
    network = engines.load("repair_128", "torch", folder=tmp_path)
    face = posed_face(size=40.0)
    pixels = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    canvas, effect = Canvas(transfer=backend.transfer()), Rotate()
    canvas.begin(pixels)
    effect.draw(canvas, frame_of(pixels), (face,), Settings(Mode.ROTATE, yaw=20))
    squares = [Square.around(patch.face_points) for patch in canvas.patches]
    before, retouch = canvas.finish(), Retouch(canvas)
    ((*_, mask),) = retouch.read(canvas.patches, squares, 128)
    mender = backend.mender(canvas)
    mender.mend(network, 128, canvas.patches, squares, 0.0, 1.0)
    changed = (canvas.finish() != before).any(axis=2)
    for held in (retouch, mender, canvas):
        held.release()
    (square,) = squares
    x, y, width, height = square.inside((320, 240))
    large = cv2.resize(mask, (square.side, square.side), interpolation=cv2.INTER_LINEAR)
    outside = np.ones(changed.shape, bool)
    outside[y : y + height, x : x + width] = large[y - square.y :, x - square.x :][:height, :width] == 0
    assert not changed[outside].any()
    assert changed.mean() > 0.05
