"""The CPU runtime: OpenVINO, one compiled network per batch size, buffers shared with NumPy."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from engines.errors import EngineError
from engines.runtime.base import Buffers, Engine, Progress, Spec, TensorSpec


@lru_cache(maxsize=1)
def _core() -> Any:
    return ov.Core()


@dataclass(slots=True)
class _Thread:
    """What one calling thread owns: a request with its buffers per batch size, and the one it bound last."""

    bound: dict[int, tuple[Any, Buffers]] = field(default_factory=dict)
    current: Any = None


class OpenVinoEngine(Engine):
    """A network on the CPU, compiled for latency when a batch size is first asked for, and cached on disk.

    Static shapes instead of one dynamic shape: a new batch size costs about the same either way (50 to 150 ms,
    less from the cache), runs are up to a quarter quicker, and buffers stay where they are.

    Numbers are float32, unless the file says `precision: bfloat16` (metadata; `training.export`) and the CPU has
    instructions for it. OpenVINO then keeps in float32 what follows the last convolution or matrix product. Which
    networks stand that was measured: it moves the detector's boxes by up to five pixels.
    """

    runtime = f"openvino {ov.__version__.split('-')[0]} cpu"
    precision = "float32"

    def __init__(
        self,
        name: str,
        path: Path,
        threads: int | None = None,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """Read the network and compile it for one item.

        Args:
            name: for messages.
            path: the .onnx file.
            threads: how many threads compute; None leaves it to OpenVINO (all cores).
            cache: folder for compiled networks, or None for no cache.
            progress: of no use here, compiling takes a moment.

        Raises:
            EngineError: the file is damaged, or is a network that a batch-first call cannot run.
        """
        self._name = name
        self._path = path
        model = self._read()
        if _stands_bfloat16(model) and _has_bfloat16():
            self.precision = "bfloat16"
        self._config: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[self.precision],
            # several engines live in one process: pinned, they would all sit on the same core
            "ENABLE_CPU_PINNING": False,
        }
        if threads is not None:
            self._config["INFERENCE_NUM_THREADS"] = threads
        if cache is not None:
            self._config["CACHE_DIR"] = str(cache)
        self._compiled: dict[int, Any] = {}
        self._lock = threading.Lock()
        self._local = threading.local()
        self.spec = _spec(name, model)
        self._compile(max(1, self.spec.inputs[0].shape[0]))

    def bind(self, batch: int) -> Buffers:
        mine = self._mine()
        if batch not in mine.bound:
            self.spec.check_batch(batch)
            request = self._compile(batch).create_infer_request()
            buffers = Buffers(
                tuple(np.zeros(item.sized(batch), item.dtype) for item in self.spec.inputs),
                tuple(np.zeros(item.sized(batch), item.dtype) for item in self.spec.outputs),
            )
            for place, array in enumerate(buffers.inputs):
                request.set_input_tensor(place, ov.Tensor(array, shared_memory=True))
            for place, array in enumerate(buffers.outputs):
                request.set_output_tensor(place, ov.Tensor(array, shared_memory=True))
            mine.bound[batch] = request, buffers
        mine.current, buffers = mine.bound[batch]
        return buffers

    def run(self, stream: object | None = None) -> None:
        request = self._mine().current
        if request is None:
            raise EngineError(f"The network '{self._name}' was run before bind() on this thread: bind a batch first.")
        request.infer()

    def _mine(self) -> _Thread:
        if not hasattr(self._local, "state"):
            self._local.state = _Thread()
        state: _Thread = self._local.state
        return state

    def _read(self) -> Any:
        try:
            return _core().read_model(self._path)
        except RuntimeError as error:
            raise EngineError(
                f"The network '{self._name}' cannot be read from {self._path}: restore the file, it is damaged."
            ) from error

    def _compile(self, batch: int) -> Any:
        with self._lock:
            if batch not in self._compiled:
                model = self._read()
                model.reshape({item.name: list(item.sized(batch)) for item in self.spec.inputs})
                try:
                    self._compiled[batch] = _core().compile_model(model, "CPU", self._config)
                except RuntimeError as error:
                    raise EngineError(
                        f"The network '{self._name}' ({self._path}) does not compile for OpenVINO's CPU: "
                        "export it again with operators OpenVINO has."
                    ) from error
            return self._compiled[batch]


def _stands_bfloat16(model: Any) -> bool:
    key = ["framework", "precision"]  # where OpenVINO puts an ONNX file's metadata
    return bool(model.has_rt_info(key)) and model.get_rt_info(key).astype(str) == "bfloat16"


def _has_bfloat16() -> bool:
    # OpenVINO names what the CPU has; oneDNN below it may have been told to leave it alone
    return "ONEDNN_MAX_CPU_ISA" not in os.environ and "BF16" in _core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")


def _spec(name: str, model: Any) -> Spec:
    """Names, shapes and types, where only the first axis may be open."""

    def tensors(ports: Any) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(
                port.any_name,
                tuple(-1 if side.is_dynamic else side.get_length() for side in port.partial_shape),
                np.dtype(port.element_type.to_dtype()),
            )
            for port in ports
        )

    spec = Spec(name, tensors(model.inputs), tensors(model.outputs))
    for item in (*spec.inputs, *spec.outputs):
        if not item.shape or -1 in item.shape[1:]:
            raise EngineError(f"The network '{name}' has an open shape {item}: only the first axis may be open.")
    return spec
