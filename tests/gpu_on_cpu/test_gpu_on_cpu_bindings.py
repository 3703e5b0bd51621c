"""What is asked of NVIDIA's bindings is there, and the stand-ins for them take what they take."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from OpenGL import GL

import engines
from engines.errors import EngineError
from engines.nvidia import gpus
from engines.runtime import cuda
from tests.gpu_on_cpu.interop_on_cpu import GlRuntime

ROOT = engines.WEIGHTS.parents[1]
CALLS = [name for name, value in inspect.getmembers(GlRuntime, callable) if name.startswith("cuda")]
USERS = [ROOT / "engines/runtime/cuda.py", *sorted((ROOT / "realtime/gpu").glob("*.py")), ROOT / "bench/gpu_meters.py"]


@pytest.mark.parametrize("path", USERS, ids=lambda path: path.stem)
def test_every_name_that_is_used_exists(path: Path) -> None:
    for chain in re.findall(r"\bruntime((?:\.cuda\w+)+)", path.read_text("utf-8")):
        found = cuda.runtime
        for name in chain[1:].split("."):
            assert hasattr(found, name), chain
            found = getattr(found, name)


@pytest.mark.parametrize("name", CALLS)
def test_the_stand_in_takes_what_the_binding_takes(name: str) -> None:
    """Its documentation begins with the signature."""
    plain = getattr(cuda.runtime, name)
    (taken,) = re.findall(rf"^{name}\((.*?)\)", (plain.__doc__ or "").replace("\n", " "))
    wanted = len(taken.split(",")) if taken else 0
    assert len(inspect.signature(getattr(GlRuntime, name)).parameters) - 1 == wanted, taken


def test_the_binding_takes_arguments_of_the_types_that_are_given() -> None:
    """It looks at them before it looks for a driver; numbers that stand for nothing may only be tried without one."""
    if gpus():
        pytest.skip("there is a driver")
    r, name = cuda.runtime, np.uint32(3)  # PyOpenGL's names
    array, resource, graph, texture = (
        np.zeros(64, np.uint8),
        r.cudaGraphicsResource_t(),
        r.cudaGraph_t(),
        r.cudaArray_t(),
    )
    across, stream, event, there = r.cudaMemcpyKind.cudaMemcpyDeviceToDevice, 77, 5, 4096
    for call, *arguments in (
        (r.cudaMemcpyAsync, there, array.ctypes.data, 64, r.cudaMemcpyKind.cudaMemcpyHostToDevice, stream),
        (r.cudaMemcpy2DToArrayAsync, texture, 0, 0, there, 64, 64, 4, across, stream),
        (r.cudaMemcpy2DFromArrayAsync, there, 64, texture, 0, 0, 64, 4, across, stream),
        (r.cudaEventRecord, event, stream),
        (r.cudaStreamWaitEvent, stream, event, 0),
        (r.cudaStreamBeginCapture, stream, r.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal),
        (r.cudaGraphInstantiate, graph, 0),
        (r.cudaGraphLaunch, 9, stream),
        (r.cudaGraphicsGLRegisterImage, name, GL.GL_TEXTURE_2D, 0),
        (r.cudaGraphicsGLRegisterBuffer, int(name), 0),
        (r.cudaGraphicsMapResources, 1, resource, stream),
        (r.cudaGraphicsUnmapResources, 1, resource, stream),
        (r.cudaGraphicsSubResourceGetMappedArray, resource, 0, 0),
        (r.cudaGraphicsResourceGetMappedPointer, resource),
    ):
        assert call(*arguments)[0] == r.cudaError_t.cudaErrorInsufficientDriver
    for made in (r.cudaStream_t(stream), r.cudaEvent_t(event), r.cudaGraphExec_t(9)):
        assert int(made) in (stream, event, 9), "they are kept as numbers"


def test_a_driver_too_old_is_one_sentence_before_the_start() -> None:
    """As on this machine where there is none: the binding itself answers."""
    if gpus():
        pytest.skip("there is a driver")
    with pytest.raises(EngineError, match=r"driver is missing or too old for CUDA \d+\.\d+: update it") as caught:
        cuda.new_stream()
    assert caught.value.exit_code == 2
