"""What needs an NVIDIA GPU: skipped, with the reason, where there is none.

    make test-gpu

installs what they need (`.[train,test,gpu]`; nvcc from the system or from pip) and runs them. FACET_SOAK_S=600 makes
the soak ten minutes long.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from engines.lstsq import cuda
from engines.lstsq.kernel import LSTSQ
from engines.nvidia import gpus
from realtime.gpu.sources import SOURCES


@pytest.fixture(scope="session")
def gpu() -> str:
    """The first GPU's name."""
    found = gpus()
    if not found:
        pytest.skip("there is no NVIDIA GPU")
    if importlib.util.find_spec("pycuda") is None:
        pytest.skip('there is a GPU, but not pycuda: pip install -e ".[gpu]"')
    return found[0].name


@pytest.fixture(scope="session")
def kernel_cache(gpu: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All kernels, compiled anew."""
    folder = tmp_path_factory.mktemp("cache")
    for source in SOURCES:
        source.build(folder)
    return folder


@pytest.fixture
def compiled(kernel_cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of the programs is that."""
    monkeypatch.setenv("FACET_CACHE", str(kernel_cache))


@pytest.fixture(scope="session")
def cuda_solver(kernel_cache: Path) -> cuda.CudaSolver:
    return cuda.CudaSolver(fatbin=LSTSQ.fatbin(kernel_cache))
