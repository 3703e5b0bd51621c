"""The TensorRT runtime: a plan for this machine's GPU, one CUDA graph per batch size and thread.

Convolutions compute in half precision (see `engines.runtime.half`). Never run so far: no machine with a GPU had the
library; plans are compiled by TensorRT for RTX in every test run, and this file runs there on a stand-in for the GPU.
"""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from engines.errors import EngineError
from engines.nvidia import gpus
from engines.runtime import cuda
from engines.runtime.base import Buffers, DeviceArray, DeviceBuffers, DeviceEngine, Progress, Spec, TensorSpec
from engines.runtime.cuda import Memory
from engines.runtime.plans import PlanBuilder, library, make_log, profile_of


@dataclass(frozen=True, slots=True)
class _Bound:
    """Of one thread and batch size: memory here and there, what computes, and the stream it was recorded on."""

    memory: Memory
    buffers: Buffers
    device: DeviceBuffers
    context: Any
    graph: int
    stream: int


@dataclass(slots=True)
class _Thread:
    """What one calling thread owns: buffers per batch size, and those it bound last."""

    bound: dict[int, _Bound] = field(default_factory=dict)
    current: _Bound | None = None


class TensorRtEngine(DeviceEngine):
    """A network by TensorRT. Buffers live as long as the engine."""

    runtime = "tensorrt"
    precision = "float16"

    def __init__(
        self,
        name: str,
        path: Path,
        threads: int | None = None,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        """As `Engine`; threads have no use here."""
        found = gpus()
        if not found:
            raise EngineError(
                "TensorRT needs an NVIDIA GPU and its driver, and there is none: take --runtime openvino."
            )
        self._trt = library()
        self.runtime = f"{self._trt.__name__} {self._trt.__version__} {found[0].name}"
        self._name = name
        self._log = make_log(self._trt)
        builder = PlanBuilder(self._trt, found[0], cache or Path(tempfile.gettempdir()) / "facet")
        self._plan = builder.plan(name, path, progress)
        self._engine = self._loaded()
        if self._engine is None:  # the file is damaged: once more, from the network
            self._plan.unlink()
            self._plan = builder.plan(name, path, progress)
            self._engine = self._loaded()
        if self._engine is None:
            raise EngineError(f"TensorRT cannot load the plan {self._plan} it has just made: {self._log.last}.")
        self.spec = self._read_spec()
        self._lock = threading.Lock()
        self._local = threading.local()

    def bind(self, batch: int) -> Buffers:
        return self._bind(batch).buffers

    def device(self, batch: int) -> DeviceBuffers:
        return self._bind(batch).device

    def run(self, stream: Any = None) -> None:
        """Compute; on a `stream` (a CUDA stream's address) results are there when that has come so far."""
        current = self._bound()
        on = current.stream if stream is None else int(stream)
        for array, there in zip(current.buffers.inputs, current.device.inputs, strict=True):
            cuda.upload(array, there, on)
        self.launch(on)
        self.fetch(on)
        if stream is None:
            cuda.wait(on)

    def launch(self, stream: int) -> None:
        cuda.replay(self._bound().graph, stream)

    def fetch(self, stream: int) -> None:
        current = self._bound()
        for there, array in zip(current.device.outputs, current.buffers.outputs, strict=True):
            cuda.download(there, array, stream)

    def _bind(self, batch: int) -> _Bound:
        mine = self._mine()
        if batch not in mine.bound:
            self.spec.check_batch(batch)
            with self._lock:
                mine.bound[batch] = self._make(batch)
        mine.current = mine.bound[batch]
        return mine.current

    def _bound(self) -> _Bound:
        current = self._mine().current
        if current is None:
            raise EngineError(f"The network '{self._name}' was run before bind() on this thread: bind a batch first.")
        return current

    def _mine(self) -> _Thread:
        if not hasattr(self._local, "state"):
            self._local.state = _Thread()
        state: _Thread = self._local.state
        return state

    def _loaded(self) -> Any:
        """The plan made ready on the GPU, None where it is damaged."""
        self._runtime = self._trt.Runtime(self._log)
        return self._runtime.deserialize_cuda_engine(self._plan.read_bytes())

    def _read_spec(self) -> Spec:
        specs: dict[Any, list[TensorSpec]] = {self._trt.TensorIOMode.INPUT: [], self._trt.TensorIOMode.OUTPUT: []}
        for place in range(self._engine.num_io_tensors):
            name = self._engine.get_tensor_name(place)
            dtype = np.dtype(_NUMPY[self._engine.get_tensor_dtype(name).name])
            item = TensorSpec(name, tuple(self._engine.get_tensor_shape(name)), dtype)
            specs[self._engine.get_tensor_mode(name)].append(item)
        inputs, outputs = specs.values()
        return Spec(self._name, tuple(inputs), tuple(outputs))

    def _make(self, batch: int) -> _Bound:
        memory, stream = Memory(), cuda.new_stream()
        context, keep = self._context()
        if self._engine.num_optimization_profiles > 1:
            context.set_optimization_profile_async(profile_of(batch), stream)
        arrays: list[DeviceArray] = []
        for item in (*self.spec.inputs, *self.spec.outputs):
            arrays.append(memory.device(item.sized(batch), item.dtype))
            context.set_tensor_address(item.name, arrays[-1].pointer)
        for item in self.spec.inputs:
            context.set_input_shape(item.name, item.sized(batch))

        def compute(on: int) -> None:
            if not context.execute_async_v3(on):
                raise EngineError(f"TensorRT could not run the network '{self._name}': {self._log.last}.")

        compute(stream)  # what is done once, at the first run, must not be recorded
        cuda.wait(stream)
        keep()
        count = len(self.spec.inputs)
        return _Bound(
            memory,
            Buffers(
                tuple(memory.pinned(array.shape, array.dtype) for array in arrays[:count]),
                tuple(memory.pinned(array.shape, array.dtype) for array in arrays[count:]),
            ),
            DeviceBuffers(tuple(arrays[:count]), tuple(arrays[count:])),
            context,
            cuda.record(compute, stream),
            stream,
        )

    def _context(self) -> tuple[Any, Any]:
        """An execution context, and what keeps the code TensorRT for RTX makes for the card at the first run."""
        if not hasattr(self._engine, "create_runtime_config"):
            return self._engine.create_execution_context(), lambda: None
        config = self._engine.create_runtime_config()
        if not hasattr(config, "create_runtime_cache"):
            return self._engine.create_execution_context(config), lambda: None
        # code for the very batch size at once: a graph keeps what it was recorded with
        config.dynamic_shapes_kernel_specialization_strategy = self._trt.DynamicShapesKernelSpecializationStrategy.EAGER
        made = config.create_runtime_cache()
        path = self._plan.with_suffix(".code")
        if path.is_file():
            made.deserialize(path.read_bytes())  # refused where it does not fit, and then made anew
        config.set_runtime_cache(made)

        def keep() -> None:
            path.write_bytes(bytes(made.serialize()))

        return self._engine.create_execution_context(config), keep


_NUMPY = {
    "FLOAT": np.float32,
    "HALF": np.float16,
    "INT8": np.int8,
    "UINT8": np.uint8,
    "INT32": np.int32,
    "INT64": np.int64,
    "BOOL": np.bool_,
}
