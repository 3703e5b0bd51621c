"""The torch runtime: an .onnx file's operators as torch's, on an NVIDIA GPU as one CUDA graph per batch size.

For machines with torch and a GPU; numbers are float32 throughout.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import ModelProto, helper

from engines.errors import EngineError, GpuError
from engines.runtime.base import (
    Buffers,
    DeviceArray,
    DeviceBuffers,
    DeviceEngine,
    Progress,
    Spec,
    TensorSpec,
)
from engines.runtime.folding import fold_constants
from engines.runtime.torch_operators import Program

WARM_UP_RUNS = 3


@dataclass(slots=True)
class _Bound:
    """Of one thread and batch size: host memory, the GPU's (the same memory on a CPU), and what computes."""

    buffers: Buffers
    host: tuple[tuple[Any, ...], tuple[Any, ...]]
    device: tuple[tuple[Any, ...], tuple[Any, ...]]
    compute: Callable[[], None]

    def fetch(self) -> None:
        """Start copying the results to the host."""
        for here, there in zip(self.host[1], self.device[1], strict=True):
            here.copy_(there, non_blocking=True)


@dataclass(slots=True)
class _Thread:
    """What one calling thread owns: buffers per batch size, and those it bound last."""

    bound: dict[int, _Bound] = field(default_factory=dict)
    current: _Bound | None = None


class TorchEngine(DeviceEngine):
    """A network by torch; on a GPU one CUDA graph per batch size and thread."""

    runtime = f"torch {torch.__version__}"
    precision = "float32"

    def __init__(
        self,
        name: str,
        path: Path,
        threads: int | None = None,
        cache: Path | None = None,
        progress: Progress | None = None,
        device: str = "cuda",
    ) -> None:
        """As `Engine`; `device` is "cuda", or "cpu" for tests of this runtime. The rest has no use here."""
        if device == "cuda" and not torch.cuda.is_available():
            raise EngineError("The torch runtime needs an NVIDIA GPU and torch with CUDA: take --runtime openvino.")
        self._device = torch.device(device)
        self.runtime = f"{TorchEngine.runtime} {torch.cuda.get_device_name() if device == 'cuda' else device}"
        self._name = name
        try:
            self._model = onnx.load(path)
            onnx.checker.check_model(self._model)
        except (DecodeError, onnx.checker.ValidationError) as error:
            raise EngineError(
                f"The network '{name}' cannot be read from {path}: restore the file, it is damaged."
            ) from error
        self.spec = _spec(name, self._model)
        self._programs: dict[int, Program] = {}
        self._lock = threading.Lock()
        self._local = threading.local()
        self._program(max(1, self.spec.inputs[0].shape[0]))

    def bind(self, batch: int) -> Buffers:
        return self._bind(batch).buffers

    def device(self, batch: int) -> DeviceBuffers:
        inputs, outputs = self._bind(batch).device
        return DeviceBuffers(tuple(map(_device_array, inputs)), tuple(map(_device_array, outputs)))

    def run(self, stream: Any = None) -> None:
        """Compute; with a `stream` (torch.cuda.Stream) of the caller's, results are there when that has come so far."""
        current = self._current()
        with self._computing(), torch.cuda.stream(stream):
            for there, here in zip(current.device[0], current.host[0], strict=True):
                there.copy_(here, non_blocking=True)
            current.compute()
            current.fetch()
            if stream is None and self._device.type == "cuda":
                torch.cuda.current_stream().synchronize()

    def launch(self, stream: int) -> None:
        with self._computing(), self._on(stream):
            self._current().compute()

    def fetch(self, stream: int) -> None:
        with self._computing(), self._on(stream):
            self._current().fetch()

    def bound(self) -> Buffers:
        """The buffers this thread bound last."""
        return self._current().buffers

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """No gradients, and torch's errors in the family of ours."""
        try:
            with torch.inference_mode():
                yield
        except RuntimeError as error:
            said = (str(error).splitlines() or ["no word why"])[0].rstrip(".")
            raise GpuError(f"torch could not run the network '{self._name}': {said}.") from error

    def _on(self, stream: int) -> Any:
        """What runs on that CUDA stream; on a CPU there is none."""
        on_gpu = self._device.type == "cuda"
        return torch.cuda.stream(torch.cuda.ExternalStream(stream) if on_gpu else None)

    def _bind(self, batch: int) -> _Bound:
        mine = self._mine()
        if batch not in mine.bound:
            self.spec.check_batch(batch)
            with self._lock, self._computing():
                mine.bound[batch] = self._bound(batch)
        mine.current = mine.bound[batch]
        return mine.current

    def _current(self) -> _Bound:
        current = self._mine().current
        if current is None:
            raise EngineError(f"The network '{self._name}' was run before bind() on this thread: bind a batch first.")
        return current

    def _mine(self) -> _Thread:
        if not hasattr(self._local, "state"):
            self._local.state = _Thread()
        state: _Thread = self._local.state
        return state

    def _program(self, batch: int) -> Program:
        if batch not in self._programs:
            self._programs[batch] = Program(self._name, fold_constants(self._model, batch), self._device)
        return self._programs[batch]

    def _bound(self, batch: int) -> _Bound:
        program = self._program(batch)
        on_gpu = self._device.type == "cuda"

        def host(items: Sequence[TensorSpec]) -> tuple[Any, ...]:
            empty = (torch.from_numpy(np.zeros(item.sized(batch), item.dtype)) for item in items)
            return tuple(tensor.pin_memory() if on_gpu else tensor for tensor in empty)

        inputs, outputs = host(self.spec.inputs), host(self.spec.outputs)
        there = tuple(tensor.to(self._device) for tensor in inputs)
        results = tuple(torch.empty_like(tensor, device=self._device) for tensor in outputs)

        def compute() -> None:
            for result, value in zip(results, program(there), strict=True):
                result.copy_(value)

        return _Bound(
            Buffers(tuple(tensor.numpy() for tensor in inputs), tuple(tensor.numpy() for tensor in outputs)),
            (inputs, outputs),
            (there, results),
            _captured(compute) if on_gpu else compute,
        )


def _device_array(tensor: Any) -> DeviceArray:
    return DeviceArray(tensor.data_ptr(), tuple(tensor.shape), np.dtype(str(tensor.dtype).removeprefix("torch.")))


def _captured(compute: Callable[[], None]) -> Callable[[], None]:
    """The replay of a CUDA graph of it."""
    graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    # torch would else let convolutions round to TF32, ten bits: a graph keeps what it was captured with
    with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_RUNS):  # libraries choose their algorithms and allocate
                compute()
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):  # other threads may go on
            compute()
    replay: Callable[[], None] = graph.replay
    return replay


def _spec(name: str, model: ModelProto) -> Spec:
    """Names, shapes and types, where only the first axis may be open."""

    def tensors(values: Any) -> tuple[TensorSpec, ...]:
        return tuple(
            TensorSpec(
                value.name,
                tuple(
                    side.dim_value if side.HasField("dim_value") else -1 for side in value.type.tensor_type.shape.dim
                ),
                np.dtype(helper.tensor_dtype_to_np_dtype(value.type.tensor_type.elem_type)),
            )
            for value in values
        )

    spec = Spec(name, tensors(model.graph.input), tensors(model.graph.output))
    for item in (*spec.inputs, *spec.outputs):
        if not item.shape or -1 in item.shape[1:]:
            raise EngineError(f"The network '{name}' has an open shape {item}: only the first axis may be open.")
    return spec
