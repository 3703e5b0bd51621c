"""The torch runtime: an .onnx file's operators as torch's, on an NVIDIA GPU as one CUDA graph per batch size.

For machines with torch and a GPU.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import onnx
import torch
from google.protobuf.message import DecodeError
from onnx import ModelProto, helper

from engines.errors import EngineError, GpuError
from engines.runtime.base import (
    Bindings,
    Buffers,
    DeviceArray,
    DeviceBuffers,
    DeviceEngine,
    Spec,
    TensorSpec,
    Work,
    recording,
)
from engines.runtime.folding import fold_constants
from engines.runtime.half import halve
from engines.runtime.torch_operators import Program

WARM_UP_RUNS = 3


@dataclass(slots=True)
class _Bound:
    """Of one thread and batch size: host memory, the GPU's (the same memory on a CPU), what computes, and that as a
    graph once it is wanted."""

    buffers: Buffers
    host: tuple[tuple[Any, ...], tuple[Any, ...]]
    device: tuple[tuple[Any, ...], tuple[Any, ...]]
    compute: Callable[[], None]
    graph: Callable[[], None] | None = None

    def fetch(self) -> None:
        """Start copying the results to the host."""
        for here, there in zip(self.host[1], self.device[1], strict=True):
            here.copy_(there, non_blocking=True)


class TorchEngine(DeviceEngine):
    """A network by torch; on a GPU one CUDA graph per batch size and thread, convolutions in float16 (see
    `engines.runtime.half`) with channels last.

    Args:
        device: "cuda", or "cpu" for tests of this runtime.
        half: whether convolutions compute in float16; None: on a GPU.
    """

    runtime = f"torch {torch.__version__}"
    precision = "float16"

    def __init__(self, *arguments: Any, device: str = "cuda", half: bool | None = None, **options: Any) -> None:
        self._device = torch.device(device)
        self._half = self._on_gpu if half is None else half
        self.precision = "float16" if self._half else "float32"
        super().__init__(*arguments, **options)

    def _opened(self) -> Spec:
        if self._on_gpu and not torch.cuda.is_available():
            raise EngineError("The torch runtime needs an NVIDIA GPU and torch with CUDA: take --runtime openvino.")
        self.runtime = f"{TorchEngine.runtime} {torch.cuda.get_device_name() if self._on_gpu else self._device}"
        try:
            self._model = onnx.load(self._path)
            onnx.checker.check_model(self._model)
        except (DecodeError, onnx.checker.ValidationError) as error:
            raise EngineError(
                f"The network '{self._name}' cannot be read from {self._path}: restore the file, it is damaged."
            ) from error
        spec = _spec(self._name, self._model)
        self._programs: dict[int, Program] = {}
        self._bindings: Bindings[_Bound] = Bindings(spec)
        self._program(max(1, spec.inputs[0].shape[0]))
        return spec

    @property
    def _on_gpu(self) -> bool:
        return bool(self._device.type == "cuda")

    def bind(self, batch: int) -> Buffers:
        return self._bind(batch).buffers

    def device(self, batch: int) -> DeviceBuffers:
        inputs, outputs = self._bind(batch).device
        return DeviceBuffers(tuple(map(_device_array, inputs)), tuple(map(_device_array, outputs)))

    def run(self, stream: Any = None) -> None:
        """Compute; with a `stream` (torch.cuda.Stream) of the caller's, results are there when that has come so far."""
        current = self._bindings.current
        with self._computing(), torch.cuda.stream(stream):
            for there, here in zip(current.device[0], current.host[0], strict=True):
                there.copy_(here, non_blocking=True)
            self._replayed(current)
            current.fetch()
            if stream is None and self._on_gpu:
                torch.cuda.current_stream().synchronize()

    def launch(self, stream: int) -> None:
        self._do(partial(self._replayed, self._bindings.current), stream)

    def enqueue(self, stream: int) -> None:
        self._do(self._bindings.current.compute, stream)

    def fetch(self, stream: int) -> None:
        self._do(self._bindings.current.fetch, stream)

    def record(self, work: Work, stream: int) -> Work:
        if not self._on_gpu:
            return work
        with self._computing():
            return partial(self._do, _captured(partial(work, stream), torch.cuda.ExternalStream(stream)))

    def bound(self) -> Buffers:
        """The buffers this thread bound last."""
        return self._bindings.current.buffers

    @contextmanager
    def _computing(self) -> Iterator[None]:
        """No gradients, and torch's errors in the family of ours."""
        try:
            with torch.inference_mode():
                yield
        except RuntimeError as error:
            said = (str(error).splitlines() or ["no word why"])[0].rstrip(".")
            raise GpuError(f"torch could not run the network '{self._name}': {said}.") from error

    def _do(self, work: Callable[[], None], stream: int) -> None:
        """Put work of torch's on that CUDA stream; on a CPU there is none."""
        with self._computing(), torch.cuda.stream(torch.cuda.ExternalStream(stream) if self._on_gpu else None):
            work()

    def _bind(self, batch: int) -> _Bound:
        with self._computing():
            return self._bindings.bind(batch, self._bound)

    def _replayed(self, current: _Bound) -> None:
        """Compute by a graph of this network alone."""
        if current.graph is None:
            current.graph = _captured(current.compute) if self._on_gpu else current.compute
        current.graph()

    def _program(self, batch: int) -> Program:
        if batch not in self._programs:
            model = fold_constants(self._model, batch)
            model = halve(model) if self._half else model
            self._programs[batch] = Program(self._name, model, self._device, channels_last=self._half)
        return self._programs[batch]

    def _bound(self, batch: int) -> _Bound:
        program, on_gpu = self._program(batch), self._on_gpu

        def host(items: Sequence[TensorSpec]) -> tuple[Any, ...]:
            empty = (torch.from_numpy(np.zeros(item.sized(batch), item.dtype)) for item in items)
            return tuple(tensor.pin_memory() if on_gpu else tensor for tensor in empty)

        inputs, outputs = host(self.spec.inputs), host(self.spec.outputs)
        there = tuple(tensor.to(self._device) for tensor in inputs)
        results = tuple(torch.empty_like(tensor, device=self._device) for tensor in outputs)

        def compute() -> None:
            # torch would else let convolutions round to TF32, ten bits
            with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
                for result, value in zip(results, program(there), strict=True):
                    result.copy_(value)

        if on_gpu:
            _warm(compute)
        return _Bound(
            Buffers(tuple(tensor.numpy() for tensor in inputs), tuple(tensor.numpy() for tensor in outputs)),
            (inputs, outputs),
            (there, results),
            compute,
        )


def _device_array(tensor: Any) -> DeviceArray:
    return DeviceArray(tensor.data_ptr(), tuple(tensor.shape), np.dtype(str(tensor.dtype).removeprefix("torch.")))


def _warm(compute: Callable[[], None]) -> None:
    """Let libraries choose their algorithms and allocate, which cannot be captured."""
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        for _ in range(WARM_UP_RUNS):
            compute()
    stream.synchronize()


def _captured(work: Callable[[], None], stream: Any = None) -> Callable[[], None]:
    """The replay of a CUDA graph of what `work` puts on torch's current stream: that `stream`, or one of its own."""
    graph = torch.cuda.CUDAGraph()
    # other threads may go on, but one at a time captures; torch waits for the whole GPU before
    with recording(), torch.cuda.graph(graph, stream=stream, capture_error_mode="thread_local"):
        work()
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
