"""The whole way of a frame on the stand-ins: graphs are what their kernels are, and the CPU draws the same."""

from __future__ import annotations

import pytest
from loop_table import LoopTable

from engines.runtime import cuda
from tests.gpu_on_cpu.interop_on_cpu import GlRuntime


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> GlRuntime:
    """CUDA's runtime, with what it shares with OpenGL."""
    stand_in = GlRuntime()
    monkeypatch.setattr(cuda, "runtime", stand_in)
    return stand_in


@pytest.mark.timeout(300)  # every thread of every kernel takes its turn
@pytest.mark.usefixtures("torch_on_cpu")
class TestLoop(LoopTable):
    frames, size = 3, (320, 240)  # faces are found, followed kernel by kernel, and followed by graphs
