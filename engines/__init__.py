"""What computes: networks made ready for this machine, and the least squares.

    engine = engines.load("depthnet")
    (depth,) = engine(source, target)

Nothing here knows a camera or a window.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from engines.errors import EngineError
from engines.runtime.base import MAX_BATCH, Buffers, DeviceEngine, Engine, Progress, Spec, TensorSpec

__all__ = [
    "MAX_BATCH",
    "WEIGHTS",
    "Buffers",
    "DeviceEngine",
    "Engine",
    "EngineError",
    "Progress",
    "Spec",
    "TensorSpec",
    "cache_folder",
    "engine_class",
    "load",
]

WEIGHTS = Path(__file__).resolve().parent / "weights"


def load(
    name: str,
    runtime: str = "auto",
    threads: int | None = None,
    cache: Path | None = None,
    folder: Path = WEIGHTS,
    progress: Progress | None = None,
) -> Engine:
    """The network `name`, ready to be called.

    Args:
        name: file name in `folder` without ".onnx".
        runtime: "openvino" (or "cpu"), "tensorrt" or "torch" (on an NVIDIA GPU), or "auto": OpenVINO, until the others
            were measured.
        threads: how many CPU threads compute; None leaves it to the runtime. A GPU has no use for it.
        cache: folder for compiled networks, which make the next start quick (each has its own folder in there);
            None is `cache_folder()`.
        folder: where the .onnx files lie.
        progress: hears of compiling, where that takes long.

    Raises:
        EngineError: no such network, runtime or number of threads, or the file is damaged.
    """
    make = engine_class(runtime)
    if threads is not None and threads < 1:
        raise EngineError(f"The network '{name}' cannot run on {threads} threads: give 1 or more, or leave it out.")
    path = folder / f"{name}.onnx"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in folder.glob("*.onnx"))) or "none"
        raise EngineError(
            f"The network '{name}' is not at {path}: restore the file or take one of those there ({known})."
        )
    return make(name, path, threads=threads, cache=_writable((cache or cache_folder()) / name), progress=progress)


def engine_class(runtime: str = "auto") -> type[Engine]:
    """What `load` makes engines with; its `runtime` and `precision` say what it is.

    Raises:
        EngineError: the runtime is not known, or not installed; nothing else is taken in its place.
    """
    # imported late: a program that only solves least squares does not pay for a runtime
    if runtime in ("auto", "cpu", "openvino"):
        from engines.runtime.openvino import OpenVinoEngine

        return OpenVinoEngine
    if runtime == "tensorrt":
        try:
            from engines.runtime.tensorrt import TensorRtEngine
        except ImportError as error:
            raise EngineError(f"The TensorRT runtime needs cuda-bindings and onnx: install both ({error}).") from error
        return TensorRtEngine
    if runtime == "torch":
        try:
            from engines.runtime.torch import TorchEngine
        except ImportError as error:
            raise EngineError(f"The torch runtime needs torch and onnx: install both ({error}).") from error
        return TorchEngine
    raise EngineError(
        f"The runtime '{runtime}' is not known to the engines: use auto, openvino (or cpu), tensorrt, or torch."
    )


def cache_folder() -> Path:
    """Where compiled networks are kept: `$FACET_CACHE`, else `facet` in the user's cache folder of this system."""
    if "FACET_CACHE" in os.environ:
        return Path(os.environ["FACET_CACHE"])
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "facet" / "cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "facet"
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "facet"


def _writable(folder: Path) -> Path | None:
    """`folder`, made if need be; None where it cannot be written: then every start compiles anew."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.W_OK) else None
