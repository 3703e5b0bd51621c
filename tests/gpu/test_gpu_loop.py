"""The whole loop on a real GPU: vertices, graphs, equality with the processor's, and a soak."""

from __future__ import annotations

import os

import psutil
import pytest
from loop_table import LoopTable, swaying
from model_table import ModelTable, ToneTable, TurnTable

from engines.errors import EngineError
from engines.runtime.plans import library
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.backend import open_backend
from realtime.controls import Mode, Settings
from realtime.people import demo_people
from realtime.renderer import Renderer, RenderOptions

torch = pytest.importorskip("torch", reason="the GPU tests need torch")

SOAK_S = float(os.environ.get("FACET_SOAK_S", "20"))  # the goal is held against 600


@pytest.fixture(autouse=True)
def ready(compiled: None) -> None:
    """With all kernels, and torch."""
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")


class TestModel(ModelTable):
    pass


class TestTone(ToneTable):
    pass


class TestTurn(TurnTable):
    pass


class TestLoop(LoopTable):
    @pytest.fixture(params=["torch", "tensorrt"])
    def gpu_runtime(self, request: pytest.FixtureRequest) -> str:
        if request.param == "tensorrt":
            try:
                library()
            except EngineError as error:
                pytest.skip(str(error))
        return str(request.param)


def test_nothing_grows() -> None:
    """Over FACET_SOAK_S seconds of swap (20 by default): memory of the GPU and of the process."""
    backend, process = open_backend("torch"), psutil.Process()
    with open_analyser(AnalysisOptions(occlusion=lambda: True), backend) as analyser:
        renderer = Renderer(
            RenderOptions(demo_people(analyser)[1:]), transfer=backend.transfer, modeller=backend.modeller
        )
        renderer.open()
        frames, settings = list(swaying(300)), Settings(Mode.SWAP)
        used: list[tuple[int, int]] = []
        for round_ in range(max(3, int(SOAK_S * 30 / len(frames)))):
            for frame in frames:
                later = frame.index + round_ * len(frames)
                moved = type(frame)(frame.pixels.copy(), later, later / 30, 0.0)
                renderer.draw(moved, analyser.analyse(moved), settings)
            free, _ = torch.cuda.mem_get_info()
            used.append((-free, process.memory_info().rss))
        renderer.close()
    for first, last in zip(used[1], used[-1], strict=True):  # the first round makes room
        assert last - first < 32 << 20
