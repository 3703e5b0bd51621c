"""The TensorRT runtime: a plan for this machine's GPU, one CUDA graph per batch size and thread.

Convolutions compute in half precision (see `engines.runtime.half`). Never run so far: no machine with a GPU had the
library; plans are compiled by TensorRT for RTX in every test run, and this file runs there on a stand-in for the GPU.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from engines.errors import EngineError, GpuError
from engines.nvidia import gpus
from engines.runtime import cuda
from engines.runtime.base import Bindings, Buffers, DeviceArray, DeviceBuffers, DeviceEngine, Spec, TensorSpec, Work
from engines.runtime.cuda import Memory
from engines.runtime.plans import PlanBuilder, library, make_log, profile_of


@dataclass(slots=True)
class _Bound:
    """Of one thread and batch size: memory here and there, what computes, a stream, and the graph once it is wanted."""

    memory: Memory
    buffers: Buffers
    device: DeviceBuffers
    compute: Work
    stream: int
    graph: Work | None = None


class TensorRtEngine(DeviceEngine):
    """A network by TensorRT. Buffers live as long as the engine."""

    runtime = "tensorrt"
    precision = "float16"

    def _opened(self) -> Spec:
        found = gpus()
        if not found:
            raise EngineError(
                "TensorRT needs an NVIDIA GPU and its driver, and there is none: take --runtime openvino."
            )
        self._trt = library()
        self.runtime = f"{self._trt.__name__} {self._trt.__version__} {found[0].name}"
        self._log = make_log(self._trt)
        builder = PlanBuilder(self._trt, found[0], self._cache or Path(tempfile.gettempdir()) / "facet")
        self.remarks = builder.remarks(self._name, self._path)
        self._plan = builder.plan(self._name, self._path, self._progress)
        self._engine = self._loaded()
        if self._engine is None:  # the file is damaged: once more, from the network
            self.remarks += (f"The plan {self._plan} was damaged: '{self._name}' has been compiled anew.",)
            self._plan.unlink()
            self._plan = builder.plan(self._name, self._path, self._progress)
            self._engine = self._loaded()
        if self._engine is None:
            raise EngineError(f"TensorRT cannot load the plan {self._plan} it has just made: {self._log.last}.")
        spec = self._read_spec()
        self._bindings: Bindings[_Bound] = Bindings(spec)
        return spec

    def bind(self, batch: int) -> Buffers:
        return self._bindings.bind(batch, self._make).buffers

    def device(self, batch: int) -> DeviceBuffers:
        return self._bindings.bind(batch, self._make).device

    def run(self, stream: Any = None) -> None:
        """Compute; on a `stream` (a CUDA stream's address) results are there when that has come so far."""
        current = self._bindings.current
        on = current.stream if stream is None else int(stream)
        for array, there in zip(current.buffers.inputs, current.device.inputs, strict=True):
            cuda.upload(array, there, on)
        self.launch(on)
        self.fetch(on)
        if stream is None:
            cuda.wait(on)

    def launch(self, stream: int) -> None:
        current = self._bindings.current
        if current.graph is None:
            current.graph = self.record(current.compute, current.stream)
        current.graph(stream)

    def enqueue(self, stream: int) -> None:
        self._bindings.current.compute(stream)

    def fetch(self, stream: int) -> None:
        current = self._bindings.current
        for there, array in zip(current.device.outputs, current.buffers.outputs, strict=True):
            cuda.download(there, array, stream)

    def record(self, work: Work, stream: int) -> Work:
        return cuda.recorded(work, stream)

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
        name, log = self._name, self._log  # what computes must not keep the engine: its memory goes with it

        def must(good: bool, doing: str) -> None:
            if not good:
                raise GpuError(f"TensorRT could not {doing} the network '{name}': {log.last}.")

        must(context is not None, "find memory to run")
        if self._engine.num_optimization_profiles > 1:
            must(context.set_optimization_profile_async(profile_of(batch), stream), f"run {batch} at once by")
        for item in self.spec.inputs:
            must(context.set_input_shape(item.name, item.sized(batch)), f"take {item} into")
        arrays: list[DeviceArray] = []
        for item in (*self.spec.inputs, *self.spec.outputs):
            arrays.append(memory.device(item.sized(batch), item.dtype))
            must(context.set_tensor_address(item.name, arrays[-1].pointer), f"use memory for {item} in")

        def compute(on: int) -> None:
            must(context.execute_async_v3(on), "run")

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
            compute,
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
