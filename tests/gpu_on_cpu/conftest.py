"""realtime/gpu with a GPU that is this computer: kernels by g++, CUDA's runtime and pycuda by stand-ins, networks by
torch's CPU device. What needs a GPU is in tests/gpu."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

import engines
import realtime.render  # noqa: F401  chooses OpenGL's platform before anybody imports it
from engines.nvidia import Gpu
from engines.runtime import cuda
from engines.runtime.torch import TorchEngine
from realtime.gpu import backend
from realtime.gpu.kernels import FRAME, PICTURE, FrameKernels, PictureKernels
from tests.engines.cuda_on_cpu import Driver, compile_for_cpu
from tests.engines.tensorrt_on_cpu import CudaRuntime


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> tuple[ctypes.CDLL, ...]:
    """frame.cu and picture.cu, compiled for the CPU."""
    folder = tmp_path_factory.mktemp("kernels")
    of_frame = ["cut", "brighten", "follow"]
    of_picture = ["unpack", "pack", "show", "steady", "change", "enlarge", "add"]
    return compile_for_cpu(FRAME, of_frame, folder), compile_for_cpu(PICTURE, of_picture, folder)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> CudaRuntime:
    """CUDA's runtime on the host's memory."""
    stand_in = CudaRuntime()
    monkeypatch.setattr(cuda, "runtime", stand_in)
    return stand_in


@pytest.fixture
def driver(libraries: tuple[ctypes.CDLL, ...], runtime: CudaRuntime, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """pycuda; its streams are those of the runtime."""
    runtime.cudaStreamCreateWithFlags(0)
    return Driver(*libraries).installed(monkeypatch)


@pytest.fixture
def compiled(driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that says it has the kernels."""
    monkeypatch.setenv("FACET_CACHE", str(tmp_path))
    for source in (FRAME, PICTURE):
        source.fatbin().parent.mkdir()
        source.fatbin().touch()


@pytest.fixture
def kernels(compiled: None) -> FrameKernels:
    return FrameKernels()


@pytest.fixture
def picture_kernels(compiled: None) -> PictureKernels:
    return PictureKernels()


@pytest.fixture
def torch_on_cpu(kernels: FrameKernels, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`--runtime torch` without a GPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(backend, "gpus", lambda: (Gpu("Some GPU", (8, 0)),))
    monkeypatch.setattr(engines, "engine_class", lambda runtime: partial(TorchEngine, device="cpu"))
    yield
    torch.set_num_threads(threads)
