"""realtime/gpu with a GPU that is this computer: kernels by g++, CUDA's runtime and pycuda by stand-ins, networks by
torch's CPU device. What needs a GPU is in tests/gpu."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest
import torch

import engines
import realtime.render  # noqa: F401  chooses OpenGL's platform before anybody imports it
from engines.lstsq.kernel import LSTSQ
from engines.nvidia import Gpu
from engines.runtime import cuda
from engines.runtime.base import Work
from engines.runtime.torch import TorchEngine
from realtime.gpu import backend
from realtime.gpu.kernels import FrameKernels
from realtime.gpu.sources import FACES, FRAME, MODEL, PICTURE, SOURCES, TONE
from tests.engines.cuda_on_cpu import Driver, compile_for_cpu
from tests.engines.tensorrt_on_cpu import CudaRuntime


class RecordedEngine(TorchEngine):
    """torch on the CPU, its work recorded by the stand-in for CUDA's runtime."""

    def record(self, work: Work, stream: int) -> Work:
        return cuda.recorded(work, stream)

    def _do(self, work: Callable[[], None], stream: int) -> None:
        def done() -> None:
            with self._computing():
                work()

        cuda.runtime.enqueue(stream, done)


@pytest.fixture(scope="session")
def libraries(tmp_path_factory: pytest.TempPathFactory) -> tuple[ctypes.CDLL, ...]:
    """All .cu files, compiled for the CPU."""
    folder = tmp_path_factory.mktemp("kernels")
    kernels_of = (
        (FRAME, ["cut", "brighten"]),
        (FACES, ["follow", "lift"]),
        (PICTURE, ["unpack", "pack", "show", "steady", "change", "enlarge", "add"]),
        (TONE, ["tone"]),
        (MODEL, ["aim", "model", "aim_turned", "turn"]),
        (LSTSQ, ["affine_lstsq"]),
    )
    return tuple(compile_for_cpu(source, kernels, folder) for source, kernels in kernels_of)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch) -> CudaRuntime:
    """CUDA's runtime on the host's memory."""
    stand_in = CudaRuntime()
    monkeypatch.setattr(cuda, "runtime", stand_in)
    return stand_in


@pytest.fixture
def driver(libraries: tuple[ctypes.CDLL, ...], runtime: CudaRuntime, monkeypatch: pytest.MonkeyPatch) -> Driver:
    """pycuda; its streams are those of the runtime."""
    return Driver(*libraries, runtime=runtime).installed(monkeypatch)


@pytest.fixture
def compiled(driver: Driver, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cache that says it has the kernels."""
    monkeypatch.setenv("FACET_CACHE", str(tmp_path))
    for source in SOURCES:
        source.fatbin().parent.mkdir()
        source.fatbin().touch()


@pytest.fixture
def torch_on_cpu(kernels: FrameKernels, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """`--runtime torch` without a GPU."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    monkeypatch.setattr(backend, "gpus", lambda: (Gpu("Some GPU", (8, 0)),))
    monkeypatch.setattr(engines, "engine_class", lambda runtime: partial(RecordedEngine, device="cpu"))
    yield
    torch.set_num_threads(threads)
