"""The analysis with its frames on the GPU beside that of the CPU: the same faces, points, depths, maps."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from engines.errors import EngineError
from engines.runtime import cuda
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.backend import open_backend
from realtime.frame import Face, Frame
from realtime.gpu import backend
from realtime.gpu.kernels import FrameKernels
from realtime.gpu.pictures import Pictures
from realtime.sources.demo import portraits
from tests.engines.cuda_on_cpu import Driver
from tests.engines.tensorrt_on_cpu import CudaRuntime

SIZE = (640, 360)


def moving(count: int) -> Iterator[Frame]:
    """A portrait drifting, growing and tilting; then gone for a moment, and back elsewhere."""
    portrait = portraits()[0]
    factor = 1.1 * SIZE[1] / portrait.shape[0]
    for index in range(count):
        turn = cv2.getRotationMatrix2D((256, 256), 3 * np.sin(index / 3), factor * (1 + 0.004 * index))
        turn[:, 2] += [60 - 2 * index if index < count - 3 else 200, -40]
        pixels = cv2.warpAffine(portrait, turn, SIZE, borderValue=(90, 90, 90))
        if index == count - 4:
            pixels[:] = 90
        yield Frame(np.ascontiguousarray(pixels), index, index / 30, 0.0)


def analysed(device: str) -> list[tuple[Face, ...]]:
    options = AnalysisOptions(threads=1, device=device, occlusion=lambda: True, eyes=lambda: True)
    with open_analyser(options) as analyser:
        return [analyser.analyse(frame) for frame in moving(7)]


def test_it_sees_what_the_cpu_sees(torch_on_cpu: None, driver: Driver, runtime: CudaRuntime) -> None:
    ours, theirs = analysed("torch"), analysed("openvino")
    assert [[face.id for face in faces] for faces in ours] == [[face.id for face in faces] for faces in theirs]
    assert [bool(faces) and faces[0].lost for faces in ours] == [bool(faces) and faces[0].lost for faces in theirs]
    for mine, other in zip(sum(ours, ()), sum(theirs, ()), strict=True):
        np.testing.assert_allclose(mine.points, other.points, atol=0.25)
        assert np.abs(mine.confidence - other.confidence).mean() < 0.01
        assert mine.depth is not None
        assert other.depth is not None
        np.testing.assert_allclose(mine.depth, other.depth, atol=0.5)
        assert abs(mine.pose.yaw - other.pose.yaw) < 0.5
        assert (mine.occlusion is None) == (other.occlusion is None)
        if mine.occlusion is not None and other.occlusion is not None:
            off = np.abs(mine.occlusion.covered.astype(float) - other.occlusion.covered)
            assert off.mean() < 3
        assert (mine.eyes_seen is None) == (other.eyes_seen is None)
        if mine.eyes_seen is not None and other.eyes_seen is not None:
            assert abs(mine.eyes_seen - other.eyes_seen) < 0.05
    started = [name for name, _, _ in driver.launches]
    assert started.count("follow") == started.count("brighten") >= 4, "known faces never leave the GPU"
    assert runtime.replays >= 6, "all of it is one graph, what covers the faces another"


def test_pictures_that_end_make_room(kernels: FrameKernels, runtime: CudaRuntime) -> None:
    pictures, stream = Pictures(), kernels.stream
    kept = np.full((40, 60, 3), 7, np.uint8)
    place = pictures(kept, stream)
    before = len(runtime.memory)
    for value in range(20):
        passing = np.full((40, 60, 3), value, np.uint8)
        there = pictures(passing, stream)
        assert there.pointer != place.pointer
        cuda.wait(stream)
        assert bytes(runtime.memory[there.pointer]) == passing.tobytes()
        del passing
    assert len(runtime.memory) == before + 2, "room for one more picture, here and there"
    assert pictures(kept, stream) == place
    assert pictures.sent == 21 * kept.nbytes
    larger = np.zeros((80, 60, 3), np.uint8)
    pictures(larger, stream)
    assert len(runtime.memory) == before + 2, "what no longer fits is given back"


def test_a_gpu_lost_in_the_middle_is_one_sentence(torch_on_cpu: None, driver: Driver) -> None:
    with open_analyser(AnalysisOptions(threads=1, device="torch")) as analyser:
        frames = list(moving(3))
        analyser.analyse(frames[0])
        driver.broken = "launch"
        with pytest.raises(EngineError, match=r"^The GPU could not cut crops: launch failed") as caught:
            analyser.analyse(frames[1])
    assert caught.value.exit_code == 3


def test_without_graphs_it_goes_on_and_says_so(torch_on_cpu: None, runtime: CudaRuntime) -> None:
    told: list[str] = []
    runtime.broken = "cudaGraphInstantiate"
    with open_analyser(AnalysisOptions(threads=1), open_backend("torch", tell=told.append)) as analyser:
        faces = [analyser.analyse(frame) for frame in list(moving(9))[:4]]
    assert all(len(each) == 1 for each in faces)
    assert told == [
        "There is no CUDA graph for 'analyse faces', which goes kernel by kernel: "
        "The GPU could not make a graph ready: out of memory."
    ]


def test_without_its_packages_it_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "realtime.gpu.backend", None)
    with pytest.raises(EngineError, match="needs cuda-bindings and pycuda"):
        open_analyser(AnalysisOptions(device="torch"))


@pytest.mark.parametrize("runtime", ["torch", "tensorrt"])
def test_without_a_gpu_it_says_so(runtime: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend, "gpus", tuple)
    with pytest.raises(EngineError, match=rf"^The runtime '{runtime}' needs an NVIDIA GPU .* take --runtime openvino"):
        open_analyser(AnalysisOptions(device=runtime))
