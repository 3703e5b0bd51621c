"""How lstsq.cu is compiled: ahead of time, for every NVIDIA card from Ampere on, into one file."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from engines import cache_folder
from engines.errors import EngineError
from engines.lstsq.rules import FLAT, MIN_POINTS, SHALLOW

SOURCE = Path(__file__).with_name("lstsq.cu")
# machine code for these; other cards from 8.0 on translate the file's PTX when they first load it
TARGETS = (80, 86, 89, 90, 100, 120)
# of a face: three for each lane of a warp
MAX_POINTS = 96
# of a block: few, so that a handful of faces spreads over the whole card
WARPS = 4


def defines() -> list[str]:
    """The constants the source expects, as arguments of a compiler."""
    values = {
        "MIN_POINTS": MIN_POINTS,
        "MAX_POINTS": MAX_POINTS,
        "WARPS": WARPS,
        "FLAT": f"{FLAT}f",
        "SHALLOW": f"{SHALLOW}f",
    }
    return [f"-D{name}={value}" for name, value in values.items()]


def fatbin(folder: Path | None = None) -> Path:
    """Where the compiled kernel lies, or would lie; source and options are in its name, so it is never out of date."""
    recipe = SOURCE.read_bytes() + " ".join(_options()).encode()
    return (folder or cache_folder() / "lstsq") / f"lstsq-{hashlib.sha256(recipe).hexdigest()[:12]}.fatbin"


def build(folder: Path | None = None, nvcc: Path | None = None) -> Path:
    """The compiled kernel in `folder` (the cache by default); compiles it with `nvcc` unless it is there.

    Raises:
        EngineError: there is no nvcc, it fails, or the folder cannot be written.
    """
    path = fatbin(folder)
    if path.is_file():
        return path
    compiler = nvcc or find_nvcc()
    if compiler is None:
        raise EngineError("The CUDA kernel cannot be compiled without nvcc: install CUDA, or set CUDA_HOME to it.")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path.parent) as work:
            part = Path(work) / path.name
            command = [str(compiler), *_options(), "-o", str(part), str(SOURCE)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                said = (done.stderr or done.stdout).strip().splitlines() or ["no word why"]
                raise EngineError(f"The CUDA kernel {SOURCE.name} was refused by {compiler}: {said[0]}.")
            part.replace(path)
    except OSError as error:
        raise EngineError(f"The CUDA kernel cannot be compiled into {path.parent} by {compiler}: {error}.") from error
    return path


def find_nvcc() -> Path | None:
    """CUDA's compiler: in `$CUDA_HOME`, on the path, or among the Python packages (nvidia-cuda-nvcc); None without."""
    if "CUDA_HOME" in os.environ:
        return Path(os.environ["CUDA_HOME"]) / "bin" / "nvcc"
    if found := shutil.which("nvcc"):
        return Path(found)
    return next((nvcc for folder in sys.path for nvcc in Path(folder).glob("nvidia/cu*/bin/nvcc")), None)


def _options() -> list[str]:
    codes = [f"-gencode=arch=compute_{target},code=sm_{target}" for target in TARGETS]
    portable = f"-gencode=arch=compute_{TARGETS[0]},code=compute_{TARGETS[0]}"
    return ["-fatbin", "-std=c++17", "-O3", "--threads=0", "-Werror", "all-warnings", *codes, portable, *defines()]
