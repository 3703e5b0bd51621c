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
from engines.runtime import cuda
from engines.runtime.torch import TorchEngine
from realtime.gpu.kernels import FRAME, FrameKernels
from tests.engines.cuda_on_cpu import Driver, compile_for_cpu
from tests.engines.tensorrt_on_cpu import CudaRuntime


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """frame.cu, compiled for the CPU."""
    return compile_for_cpu(FRAME, ["cut", "brighten", "follow", "pack", "unpack"], tmp_path_factory.mktemp("frame"))


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> CudaRuntime:
    """CUDA's runtime on the host's memory."""
    stand_in = CudaRuntime()
    monkeypatch.setattr(cuda, "runtime", stand_in)
    return stand_in


@pytest.fixture
def driver(library: ctypes.CDLL, runtime: CudaRuntime, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """pycuda; its streams are those of the runtime."""
    runtime.cudaStreamCreateWithFlags(0)
    return Driver(library).installed(monkeypatch)


@pytest.fixture
def kernels(driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FrameKernels:
    """The kernels, from a cache that says it has them."""
    monkeypatch.setenv("FACET_CACHE", str(tmp_path))
    FRAME.fatbin().parent.mkdir()
    FRAME.fatbin().touch()
    return FrameKernels()


@pytest.fixture
def torch_on_cpu(kernels: FrameKernels, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`--runtime torch` without a GPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(engines, "engine_class", lambda runtime: partial(TorchEngine, device="cpu"))
    yield
    torch.set_num_threads(threads)
