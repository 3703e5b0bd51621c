"""The CPU runtime: OpenVINO, one compiled network per batch size, buffers shared with NumPy."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov

from engines.errors import EngineError
from engines.runtime.base import Bindings, Buffers, Engine, Spec, TensorSpec


@lru_cache(maxsize=1)
def _core() -> Any:
    return ov.Core()


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

    def _opened(self) -> Spec:
        model = _read(self._name, self._path)
        self.precision = _precision(model)
        self._config: dict[str, Any] = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": {"float32": "f32", "bfloat16": "bf16"}[self.precision],
            # several engines live in one process: pinned, they would all sit on the same core
            "ENABLE_CPU_PINNING": False,
        }
        if self._threads is not None:
            self._config["INFERENCE_NUM_THREADS"] = self._threads
        if self._cache is not None:
            self._config["CACHE_DIR"] = str(self._cache)
        self._compiled: dict[int, Any] = {}
        self.spec = _spec(self._name, model)
        self._bindings: Bindings[tuple[Any, Buffers]] = Bindings(self.spec)
        self._compile(max(1, self.spec.inputs[0].shape[0]))
        return self.spec

    def bind(self, batch: int) -> Buffers:
        return self._bindings.bind(batch, self._bound)[1]

    def run(self, stream: object | None = None) -> None:
        self._bindings.current[0].infer()

    def _bound(self, batch: int) -> tuple[Any, Buffers]:
        """A request with its buffers."""
        request = self._compile(batch).create_infer_request()
        buffers = Buffers(
            tuple(np.zeros(item.sized(batch), item.dtype) for item in self.spec.inputs),
            tuple(np.zeros(item.sized(batch), item.dtype) for item in self.spec.outputs),
        )
        for place, array in enumerate(buffers.inputs):
            request.set_input_tensor(place, ov.Tensor(array, shared_memory=True))
        for place, array in enumerate(buffers.outputs):
            request.set_output_tensor(place, ov.Tensor(array, shared_memory=True))
        return request, buffers

    @classmethod
    def precision_of(cls, path: Path) -> str:
        return _precision(_read(path.stem, path))

    def _compile(self, batch: int) -> Any:
        if batch not in self._compiled:
            model = _read(self._name, self._path)
            model.reshape({item.name: list(item.sized(batch)) for item in self.spec.inputs})
            try:
                self._compiled[batch] = _core().compile_model(model, "CPU", self._config)
            except RuntimeError as error:
                raise EngineError(
                    f"The network '{self._name}' ({self._path}) does not compile for OpenVINO's CPU: "
                    "export it again with operators OpenVINO has."
                ) from error
        return self._compiled[batch]


def _read(name: str, path: Path) -> Any:
    try:
        return _core().read_model(path)
    except RuntimeError as error:
        raise EngineError(
            f"The network '{name}' cannot be read from {path}: restore the file, it is damaged."
        ) from error


def _precision(model: Any) -> str:
    return "bfloat16" if _stands_bfloat16(model) and _has_bfloat16() else "float32"


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
