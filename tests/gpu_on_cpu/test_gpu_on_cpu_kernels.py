"""frame.cu, faces.cu and picture.cu as the C++ they nearly are, beside the CPU's own stages."""

from __future__ import annotations

import pytest
from frame_table import FacesTable, FrameTable
from picture_table import PictureTable

from engines.errors import EngineError
from realtime.gpu.kernels import FrameKernels
from tests.engines.cuda_on_cpu import Driver


class TestFrame(FrameTable):
    pass


class TestFaces(FacesTable):
    pass


class TestPicture(PictureTable):
    pass


def test_a_gpu_that_fails_is_one_sentence(driver: Driver, kernels: FrameKernels) -> None:
    driver.broken = "launch"
    with pytest.raises(EngineError, match=r"^The GPU could not brighten crops: launch failed"):
        kernels.brighten(type("Nothing", (), {"shape": (1, 1, 8, 8), "pointer": 0})())
    assert driver.pushed == 0
    driver.broken = "module_from_file"
    with pytest.raises(EngineError, match="delete and recompile"):
        FrameKernels()
