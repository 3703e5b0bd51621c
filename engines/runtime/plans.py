"""TensorRT plans: a network compiled for one GPU, kept in the cache under a name that says what it is for.

The library is TensorRT, or TensorRT for RTX, its edition for GeForce RTX and RTX PRO cards that pip can install
everywhere: a plan takes it a second, without a GPU, and the card's own code is made when the plan is first run.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import onnx
from google.protobuf.message import DecodeError

from engines.errors import EngineError
from engines.nvidia import Gpu
from engines.runtime.base import Progress
from engines.runtime.folding import fold_constants
from engines.runtime.half import halve

EDITIONS = ("tensorrt", "tensorrt_rtx")
# one optimisation profile for each: up to so many items at once, tuned for that many
BATCHES = (1, 2, 8, 16)
# raised whenever plans of the same network and library come out differently
RECIPE = 2


def library() -> Any:
    """The module of TensorRT, or of TensorRT for RTX where that is what is installed.

    Raises:
        EngineError: neither can be imported; it says why.
    """
    reasons = []
    for name in EDITIONS:
        try:
            return import_module(name)
        except (ImportError, OSError) as error:  # OSError: installed, and a shared library of it is missing
            reasons.append(str(error))
    raise EngineError(
        f"TensorRT is not installed ({'; '.join(reasons)}): pip install tensorrt-rtx-cu13 for a GeForce RTX or RTX PRO "
        "card, tensorrt for others."
    )


def profile_of(batch: int) -> int:
    """Number of the optimisation profile that serves a batch."""
    return next(place for place, most in enumerate(BATCHES) if batch <= most)


@dataclass(frozen=True, slots=True)
class PlanBuilder:
    """Compiles networks for one GPU.

    Attributes:
        tensorrt: the module, see `library`.
        gpu: the card the plans are for; it need not be in this machine for TensorRT for RTX.
        folder: where plans lie, and TensorRT's timing cache, which later builds profit from.
    """

    tensorrt: Any
    gpu: Gpu
    folder: Path

    def path(self, name: str, network: Path) -> Path:
        """Where the plan of that .onnx file lies, or would lie: network, library, its version, GPU and what the plan
        is made of are in the name, so it is never out of date and never another card's."""
        content = hashlib.sha256(network.read_bytes() + f"{RECIPE}{BATCHES}".encode()).hexdigest()[:12]
        return self.folder / f"{name}-{self._place}-{content}.plan"

    def plan(self, name: str, network: Path, progress: Progress | None = None) -> Path:
        """The plan of that .onnx file; compiled unless it is there.

        Raises:
            EngineError: the network is damaged, TensorRT refuses it or the GPU, or the folder cannot be written.
        """
        path = self.path(name, network)
        if not path.is_file():
            self._write(path, self._compiled(name, network, progress))
        return path

    def remarks(self, name: str, network: Path) -> tuple[str, ...]:
        """What to tell the person before `plan`: that there are plans, but none for this card, library and network."""
        others = sorted(other.name for other in self.folder.glob(f"{name}-*.plan"))
        if not others or self.path(name, network).is_file():
            return ()
        return (
            f"The network '{name}' is compiled for {self.gpu.name} by {self._edition} {self.tensorrt.__version__}: the "
            f"plan there is for something else ({', '.join(others)}).",
        )

    @property
    def _edition(self) -> str:
        return str(self.tensorrt.__name__)

    @property
    def _place(self) -> str:
        """Library, version and card, as part of a file's name."""
        card = re.sub(r"[^a-z0-9]+", "-", self.gpu.name.lower()).strip("-")
        return f"{self._edition}-{self.tensorrt.__version__}-{card}"

    @property
    def _timings(self) -> Path:
        return self.folder / f"timings-{self._place}.cache"

    def _compiled(self, name: str, network: Path, progress: Progress | None) -> bytes:
        log = make_log(self.tensorrt)
        builder = self.tensorrt.Builder(log)
        definition = builder.create_network(1 << int(self.tensorrt.NetworkDefinitionCreationFlag.STRONGLY_TYPED))
        parser = self.tensorrt.OnnxParser(definition, log)
        if not parser.parse(_typed(name, network)):
            raise EngineError(f"TensorRT's parser refuses the network '{name}': {log.last}.")
        config = self._config(builder, name)
        for profile in _profiles(builder, definition):
            config.add_optimization_profile(profile)
        if progress is not None:
            config.progress_monitor = _monitor(self.tensorrt, progress)
        plan = builder.build_serialized_network(definition, config)
        if plan is None:
            raise EngineError(f"TensorRT cannot compile the network '{name}' for {self.gpu.name}: {log.last}.")
        if self._edition == "tensorrt":
            self._write(self._timings, bytes(config.get_timing_cache().serialize()))
        return bytes(plan)

    def _config(self, builder: Any, name: str) -> Any:
        config = builder.create_builder_config()
        config.clear_flag(self.tensorrt.BuilderFlag.TF32)  # what keeps float32 needs its digits: TF32 has ten bits
        if self._edition == "tensorrt":
            stored = self._timings.read_bytes() if self._timings.is_file() else b""
            config.set_timing_cache(config.create_timing_cache(stored), ignore_mismatch=False)
            return config
        major, minor = self.gpu.capability
        target = getattr(self.tensorrt.ComputeCapability, f"SM{major}{minor}", None)
        if target is None:
            raise EngineError(
                f"TensorRT for RTX has no code for {self.gpu.name} (compute capability {major}.{minor}), so '{name}' "
                "cannot be compiled for it: install tensorrt."
            )
        config.num_compute_capabilities = 1
        config.set_compute_capability(target, 0)
        return config

    def _write(self, path: Path, content: bytes) -> None:
        """All of it or nothing: a plan cut short must not be found by the next start."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=path.parent) as work:
                part = Path(work) / path.name
                part.write_bytes(content)
                part.replace(path)
        except OSError as error:
            raise EngineError(f"The plan cannot be written to {path}: {error}.") from error


def make_log(tensorrt: Any) -> Any:
    """A logger for TensorRT that prints nothing and keeps the last error in `last`."""

    class Log(tensorrt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.last = "it does not say why"

        def log(self, severity: Any, message: str) -> None:
            if severity in (tensorrt.ILogger.ERROR, tensorrt.ILogger.INTERNAL_ERROR):
                self.last = " ".join(message.split()).rstrip(".")

    return Log()


def _typed(name: str, network: Path) -> bytes:
    """The graph with sizes as numbers and half precision where it is wanted."""
    try:
        return bytes(halve(fold_constants(onnx.load(network))).SerializeToString())
    except (DecodeError, onnx.checker.ValidationError) as error:
        raise EngineError(
            f"The network '{name}' cannot be read from {network}: restore the file, it is damaged."
        ) from error


def _profiles(builder: Any, definition: Any) -> list[Any]:
    """One for each of BATCHES; none where the network fixes its batch."""
    inputs = [definition.get_input(place) for place in range(definition.num_inputs)]
    if all(item.shape[0] != -1 for item in inputs):
        return []
    profiles = []
    for least, most in zip((1, *(batch + 1 for batch in BATCHES)), BATCHES, strict=False):
        profile = builder.create_optimization_profile()
        for item in inputs:
            rest = list(item.shape)[1:]
            profile.set_shape(item.name, [least, *rest], [most, *rest], [most, *rest])
        profiles.append(profile)
    return profiles


def _monitor(tensorrt: Any, progress: Progress) -> Any:
    """TensorRT's progress monitor, which counts nested phases, handing on one line at a time."""

    class Monitor(tensorrt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self._steps: dict[str, int] = {}

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._steps[phase] = steps
            progress(phase, 0, steps)

        def step_complete(self, phase: str, step: int) -> bool:
            progress(phase, step + 1, self._steps[phase])
            return True

        def phase_finish(self, phase: str) -> None:
            steps = self._steps.pop(phase)
            progress(phase, steps, steps)

    return Monitor()
