"""Frames on a real GPU: the tables of frame.cu and picture.cu, and the analysis beside that of the CPU."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from frame_table import FrameTable
from picture_table import PictureTable

from engines.errors import EngineError
from engines.runtime.plans import library
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.frame import Face, Frame
from realtime.gpu.kernels import FRAME, PICTURE, FrameKernels, PictureKernels
from realtime.sources import Demo


@pytest.fixture(scope="module")
def kernels(gpu: str, tmp_path_factory: pytest.TempPathFactory) -> FrameKernels:
    """The kernels, compiled anew."""
    return FrameKernels(FRAME.build(tmp_path_factory.mktemp("frame")))


@pytest.fixture(scope="module")
def picture_kernels(gpu: str, tmp_path_factory: pytest.TempPathFactory) -> PictureKernels:
    return PictureKernels(PICTURE.build(tmp_path_factory.mktemp("picture")))


class TestFrame(FrameTable):
    pass


class TestPicture(PictureTable):
    pass


@pytest.mark.parametrize("runtime", ["torch", "tensorrt"])
def test_the_analysis_sees_what_the_cpu_sees(
    kernels: FrameKernels, runtime: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over the demo; half precision moves landmarks by hundredths of a pixel, and a doubtful one to another peak."""
    torch = pytest.importorskip("torch", reason="the GPU tests need torch")
    if runtime == "torch" and not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    if runtime == "tensorrt":
        try:
            library()
        except EngineError as error:
            pytest.skip(str(error))
    monkeypatch.setenv("FACET_CACHE", str(tmp_path))
    FRAME.build()
    with Demo() as demo:
        frames = [frame for frame, _ in zip(demo, range(60), strict=False)]
    ours, theirs = (_analysed(frames, device) for device in (runtime, "openvino"))
    assert [[face.id for face in faces] for faces in ours] == [[face.id for face in faces] for faces in theirs]
    for mine, other in zip(sum(ours, ()), sum(theirs, ()), strict=True):
        off = np.linalg.norm(mine.points - other.points, axis=1)
        assert np.median(off) < 0.25
        assert abs(mine.pose.yaw - other.pose.yaw) < 2


def _analysed(frames: list[Frame], device: str) -> list[tuple[Face, ...]]:
    with open_analyser(AnalysisOptions(device=device, occlusion=lambda: True)) as analyser:
        return [analyser.analyse(frame) for frame in frames]
