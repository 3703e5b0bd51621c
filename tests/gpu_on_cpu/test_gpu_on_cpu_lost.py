"""A GPU that fails in the middle of a run: a sentence, exit code 3, and a recording that can be played."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from engines.errors import GpuError
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.backend import open_backend
from realtime.controls import Controls, Mode, Settings
from realtime.frame import Frame, Result
from realtime.loop import Loop
from realtime.renderer import Renderer, RenderOptions
from realtime.sinks import SinkOptions, open_sink
from realtime.sources.demo import portraits
from realtime.sources.memory import Memory
from tests.engines.cuda_on_cpu import Driver
from tests.gpu_on_cpu.interop_on_cpu import GlRuntime

LASTS = 4  # frames


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> GlRuntime:
    """CUDA's runtime, with what it shares with OpenGL."""
    from engines.runtime import cuda

    stand_in = GlRuntime()
    monkeypatch.setattr(cuda, "runtime", stand_in)
    return stand_in


class Failing(Renderer):
    """Breaks the GPU before a frame."""

    def __init__(self, break_it: object, *arguments: object, **options: object) -> None:
        super().__init__(*arguments, **options)  # type: ignore[arg-type]
        self._break_it = break_it

    def draw(self, frame: Frame, *arguments: object) -> Result:
        if frame.index == LASTS:
            self._break_it()  # type: ignore[operator]
        return super().draw(frame, *arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize("what", ["launch", "cudaMemcpyAsync", "cudaStreamSynchronize"])
def test_a_gpu_lost_in_the_middle_leaves_a_recording(
    what: str, torch_on_cpu: None, driver: Driver, runtime: GlRuntime, tmp_path: Path
) -> None:
    def break_it() -> None:
        driver.broken = runtime.broken = what

    pictures = [portraits()[0][:240, 40:360].copy() for _ in range(8)]
    backend = open_backend("torch", tell=lambda sentence: None)
    analyser = open_analyser(AnalysisOptions(threads=1), backend)
    renderer = Failing(break_it, RenderOptions(), transfer=backend.transfer, turner=backend.turner)
    path = tmp_path / "out.mp4"
    sink = open_sink(str(path), SinkOptions(live=False, rate=30.0, size=(320, 240)), Controls(), list)
    loop = Loop(Memory(pictures), analyser, renderer, [sink], Controls(Settings(Mode.ROTATE, yaw=10)))
    with pytest.raises(GpuError, match=r"^The GPU could not ") as caught:
        loop.run()
    assert caught.value.exit_code == 3
    with av.open(str(path)) as recorded:
        assert len(list(recorded.decode(video=0))) == loop.outcome().frames_out >= LASTS
