"""`bench gpu`'s loop on the stand-ins: what it counts is right, what it times means nothing here."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console

from bench import gpu_loop
from bench.gpu import LoopOptions
from bench.gpu_loop import loop_tables, measure_loop
from bench.gpu_meters import Utilisation
from engines.runtime import cuda
from realtime.controls import Mode
from realtime.gpu.kernels import Kernels
from realtime.sources.demo import portraits
from tests.gpu_on_cpu.interop_on_cpu import GlRuntime

SIZE = (320, 240)
_STAGES = ("send the frame", "cut crops", "brighten crops", "landmarks", "follow faces", "depthnet", "lift faces")
_STAGES += ("fetch faces", "occlusion", "fetch maps", "least squares", "turn heads", "into OpenGL", "out of OpenGL")
_STAGES += ("pack a frame", "fetch the picture")
_GRAPHS = {"analyse faces", "occlusion", "turn faces"}


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> GlRuntime:
    """CUDA's runtime, with what it shares with OpenGL."""
    stand_in = GlRuntime()
    monkeypatch.setattr(cuda, "runtime", stand_in)
    return stand_in


def test_both_ways_are_measured(torch_on_cpu: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_loop, "demo_people", lambda analyser: ())
    portrait = portraits()[0]
    pictures = [np.ascontiguousarray(portrait[: SIZE[1], left : left + SIZE[0]]) for left in (80, 90)]
    monkeypatch.setattr(gpu_loop, "clip_pictures", lambda: (pictures, "a portrait"))
    report = measure_loop(LoopOptions(frames=2, settling=3, mode=Mode.ROTATE, repair="off"))
    ours, eager, copies = (report[way] for way in ("frames on the GPU", "torch eager", "host copies between stages"))
    assert set(_STAGES) <= set(eager["cuda_ms"])
    assert set(ours["cuda_ms"]) >= _GRAPHS
    assert not {"landmarks", "follow faces"} & set(ours["cuda_ms"]), "they are in a graph"
    assert not copies["cuda_ms"]
    for way in (ours, eager, copies):
        assert {"upload", "warp", "compose", "readback"} <= set(way["gl_ms"])
        assert 0 <= way["gl_share"] <= 1
        assert way["busy"] is None
        assert way["busy_unknown"], "it says why"
        assert way["host_ms"]["frame"]["p50"] >= way["host_ms"]["analyse"]["p50"] > 0
        assert "render warp" in way["host_ms"]
    pixels = SIZE[0] * SIZE[1]
    assert 3 * pixels < ours["bytes"]["down"] < copies["bytes"]["down"]
    assert ours["bytes"]["up"] < copies["bytes"]["up"]
    assert copies["bytes"]["down"] > 4 * pixels
    console = Console(record=True, width=200)
    console.print(*loop_tables(report, "torch"))
    text = console.export_text()
    assert "MB down a frame" in text
    assert "CUDA events, ms" in text
    assert Kernels.watch.__name__ == "watch", "the clock is gone afterwards"


def test_a_measurement_too_short_for_one_look_says_so() -> None:
    with Utilisation() as busy:
        pass
    assert busy.percent or busy.why
