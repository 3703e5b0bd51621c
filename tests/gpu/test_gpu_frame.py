"""Frames on a real GPU: the tables of frame.cu, faces.cu and picture.cu, and the analysis beside that of the CPU."""

from __future__ import annotations

import numpy as np
import pytest
from frame_table import FacesTable, FrameTable
from picture_table import PictureTable

from engines.errors import EngineError
from engines.runtime.plans import library
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.frame import Face, Frame
from realtime.sources import Demo


class TestFrame(FrameTable):
    pass


class TestFaces(FacesTable):
    pass


class TestPicture(PictureTable):
    pass


@pytest.mark.parametrize("runtime", ["torch", "tensorrt"])
@pytest.mark.usefixtures("compiled")
def test_the_analysis_sees_what_the_cpu_sees(runtime: str) -> None:
    """Over the demo; half precision moves landmarks by hundredths of a pixel, and a doubtful one to another peak."""
    torch = pytest.importorskip("torch", reason="the GPU tests need torch")
    if runtime == "torch" and not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    if runtime == "tensorrt":
        try:
            library()
        except EngineError as error:
            pytest.skip(str(error))
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
