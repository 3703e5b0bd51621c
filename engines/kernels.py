"""CUDA kernels: compiled ahead of time by nvcc, for every NVIDIA card from Ampere on, and loaded through pycuda.

    LSTSQ = CudaSource(Path("lstsq.cu"), {"WARPS": 4})
    LSTSQ.build()                                        # as build_engines.py does
    kernel = KernelModule(LSTSQ).function("affine_lstsq", "PPPPPPPqif")

They run on the device's primary context, the one torch and TensorRT use: their memory and streams need no copies.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from engines import cache_folder
from engines.errors import EngineError, GpuError

# machine code for these; other cards from 8.0 on translate the file's PTX when they first load it
TARGETS = (80, 86, 89, 90, 100, 120)
STREAM_NON_BLOCKING = 1  # CU_STREAM_NON_BLOCKING


@dataclass(frozen=True)
class CudaSource:
    """A .cu file, and the constants it expects as preprocessor names."""

    path: Path
    constants: Mapping[str, str | int]

    def defines(self) -> list[str]:
        """The constants as arguments of a compiler."""
        return [f"-D{name}={value}" for name, value in self.constants.items()]

    def fatbin(self, folder: Path | None = None) -> Path:
        """Where it lies compiled, or would lie; source and options are in the name, so it is never out of date."""
        recipe = self.path.read_bytes() + " ".join(self._options()).encode()
        name = f"{self.path.stem}-{hashlib.sha256(recipe).hexdigest()[:12]}.fatbin"
        return (folder or cache_folder()) / self.path.stem / name

    def build(self, folder: Path | None = None, nvcc: Path | None = None) -> Path:
        """The compiled file in `folder` (the cache by default); compiles it with `nvcc` unless it is there.

        Raises:
            EngineError: there is no nvcc, it fails, or the folder cannot be written.
        """
        path = self.fatbin(folder)
        if path.is_file():
            return path
        compiler = nvcc or find_nvcc()
        if compiler is None:
            raise EngineError("The CUDA kernels cannot be compiled without nvcc: install CUDA, or set CUDA_HOME to it.")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent) as work:
                part = Path(work) / path.name
                command = [str(compiler), *self._options(), "-o", str(part), str(self.path)]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode != 0:
                    said = (done.stderr or done.stdout).strip().splitlines() or ["no word why"]
                    raise EngineError(f"The CUDA kernel {self.path.name} was refused by {compiler}: {said[0]}.")
                part.replace(path)
        except OSError as error:
            raise EngineError(
                f"The CUDA kernel cannot be compiled into {path.parent} by {compiler}: {error}."
            ) from error
        return path

    def _options(self) -> list[str]:
        codes = [f"-gencode=arch=compute_{target},code=sm_{target}" for target in TARGETS]
        portable = f"-gencode=arch=compute_{TARGETS[0]},code=compute_{TARGETS[0]}"
        options = ["-fatbin", "-std=c++17", "-O3", "--threads=0", "-Werror", "all-warnings"]
        return [*options, *codes, portable, *self.defines()]


class KernelModule:
    """A compiled source, loaded on one GPU. Calls may come from several threads."""

    def __init__(self, source: CudaSource, device: int = 0, fatbin: Path | None = None) -> None:
        """Load it.

        Args:
            source: what was compiled.
            device: number of the GPU.
            fatbin: the compiled file; by default the one `build_engines.py` puts into the cache.

        Raises:
            EngineError: pycuda, the driver, the GPU or the compiled file is missing or does not fit.
        """
        path = fatbin or source.fatbin()
        if not path.is_file():
            raise EngineError(f"The CUDA kernel is not at {path}: compile it with python build_engines.py.")
        self.driver = _driver()
        try:
            self.driver.init()
            gpu = self.driver.Device(device)
            self._context = gpu.retain_primary_context()
            atexit.register(self._context.detach)  # pycuda's own clean-up takes it for a context of its making
        except self.driver.Error as error:
            raise EngineError(f"CUDA cannot use GPU {device}: {error}.") from error
        self.processors = int(gpu.get_attribute(self.driver.device_attribute.MULTIPROCESSOR_COUNT))
        with self.active(
            f"load {path}, which may be damaged or for another GPU, so delete and recompile it", EngineError
        ):
            self._module = self.driver.module_from_file(str(path))

    def function(self, name: str, types: str) -> Any:
        """A kernel as a prepared pycuda function; `types` of its arguments as in Python's struct.

        Raises:
            EngineError: the file has no such kernel.
        """
        with self.active(f"find the kernel {name}", EngineError):
            function = self._module.get_function(name)
            function.prepare(types)
        return function

    def stream(self) -> Any:
        """A new pycuda stream on this GPU, which does not wait for the default one; others wrap its `handle`."""
        with self.active("make a stream"):
            return self.driver.Stream(STREAM_NON_BLOCKING)

    @contextmanager
    def active(self, doing: str, family: type[EngineError] = GpuError) -> Iterator[None]:
        """The device's context on this thread, and its errors in the family of ours: the GPU could not do that."""
        try:
            self._context.push()
            try:
                yield
            finally:
                self.driver.Context.pop()
        except self.driver.Error as error:
            raise family(f"The GPU could not {doing}: {error}.") from error


def find_nvcc() -> Path | None:
    """CUDA's compiler: in `$CUDA_HOME`, on the path, or among the Python packages (nvidia-cuda-nvcc); None without."""
    if "CUDA_HOME" in os.environ:
        return Path(os.environ["CUDA_HOME"]) / "bin" / "nvcc"
    if found := shutil.which("nvcc"):
        return Path(found)
    return next((nvcc for folder in sys.path for nvcc in Path(folder).glob("nvidia/cu*/bin/nvcc")), None)


def _driver() -> Any:
    """pycuda's driver interface; imported late, for machines without a GPU."""
    try:
        import pycuda.driver
    except ImportError as error:
        raise EngineError(f"CUDA kernels need pycuda and NVIDIA's driver ({error}): install both.") from error
    return pycuda.driver
