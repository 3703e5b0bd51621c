"""Stand-ins for what only a GPU has: CUDA's runtime on the host's memory, and TensorRT's engine on ONNX's reference.

Plans are compiled by the real library; the stand-in "loads" one by looking up the network it was made from. It is as
strict as the GPU: nothing is computed before shapes and addresses are set, nor on memory that was not allocated, and
what is recorded into a graph runs when that is replayed, not before. What is put on a stream waits there until somebody
waits for it: who reads too soon, or writes into what is still to be copied, gets other numbers.
"""

from __future__ import annotations

import ctypes
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
from onnx.reference import ReferenceEvaluator

_ALIGNMENT = 256  # bytes, as CUDA's memory


class Mark:
    """A place in a stream."""

    def __init__(self, stream: int) -> None:
        self.stream, self.passed = stream, False

    def __call__(self) -> None:
        self.passed = True


class CudaRuntime:
    """As the module cuda.bindings.runtime, as lazy as a GPU may be. `broken` names a call that fails."""

    cudaError_t = SimpleNamespace(cudaSuccess=0, cudaErrorInsufficientDriver=35)
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2, cudaMemcpyDeviceToDevice=3)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)
    cudaStreamCaptureStatus = SimpleNamespace(cudaStreamCaptureStatusNone=0)
    cudaStreamNonBlocking = 1
    cudaEventDisableTiming = 2

    def __init__(self) -> None:
        self.broken = ""
        self.memory: dict[int, Any] = {}
        self.streams = 0
        self.recording: dict[int, list[Callable[[], None]]] = {}
        self.graphs: list[list[Callable[[], None]]] = []
        self.marked: dict[int, Mark | None] = {}  # events, and where they were marked last
        self.replays = self.bytes_fetched = 0
        self._waiting: dict[int, deque[Callable[[], Any]]] = defaultdict(deque)
        self._lock = threading.RLock()  # one thread at a time does the GPU's work

    def cudaMalloc(self, size: int) -> tuple[Any, ...]:
        return self._allocated("cudaMalloc", size)

    def cudaMallocHost(self, size: int) -> tuple[Any, ...]:
        return self._allocated("cudaMallocHost", size)

    def cudaFree(self, pointer: int) -> tuple[Any, ...]:
        self._finish()
        return (0,) if self.memory.pop(pointer, None) is not None else (1,)

    cudaFreeHost = cudaFree

    def cudaStreamCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        self.streams += 1
        return self._result("cudaStreamCreateWithFlags", self.streams)

    def cudaStreamSynchronize(self, stream: int) -> tuple[Any, ...]:
        assert stream not in self.recording, "who records cannot wait"
        self._finish(stream)
        return self._result("cudaStreamSynchronize")

    def cudaMemcpyAsync(self, to: int, start: int, size: int, kind: int, stream: int) -> tuple[Any, ...]:
        assert self._within(to, size)
        assert self._within(start, size)

        def copy() -> None:
            assert self._within(to, size), "it was given back"
            assert self._within(start, size), "it was given back"
            ctypes.memmove(to, start, size)
            self.bytes_fetched += size if kind == self.cudaMemcpyKind.cudaMemcpyDeviceToHost else 0

        self.enqueue(stream, copy)
        return self._result("cudaMemcpyAsync")

    def cudaEventCreateWithFlags(self, flags: int) -> tuple[Any, ...]:
        assert flags == self.cudaEventDisableTiming
        self.marked[len(self.marked) + 1] = None
        return self._result("cudaEventCreateWithFlags", len(self.marked))

    def cudaEventRecord(self, event: Any, stream: int) -> tuple[Any, ...]:
        assert stream not in self.recording, "an event outside of the graph"
        self.marked[event] = mark = Mark(stream)
        self.enqueue(stream, mark)
        return self._result("cudaEventRecord")

    def cudaStreamWaitEvent(self, stream: int, event: Any, flags: int) -> tuple[Any, ...]:
        assert stream not in self.recording, "an event outside of the graph"
        mark = self.marked[event]
        assert mark is not None, "nobody marks that event"
        self.enqueue(stream, lambda: self._finish(mark.stream, mark))
        return self._result("cudaStreamWaitEvent")

    def cudaEventDestroy(self, event: Any) -> tuple[Any, ...]:
        return self._result("cudaEventDestroy")

    def cudaStreamBeginCapture(self, stream: int, mode: int) -> tuple[Any, ...]:
        self.recording[stream] = []
        return self._result("cudaStreamBeginCapture")

    def cudaStreamIsCapturing(self, stream: int) -> tuple[Any, ...]:
        return self._result("cudaStreamIsCapturing", int(stream in self.recording))

    def cudaStreamEndCapture(self, stream: int) -> tuple[Any, ...]:
        return self._result("cudaStreamEndCapture", self.recording.pop(stream))

    def cudaGraphInstantiate(self, graph: list[Callable[[], None]], flags: int) -> tuple[Any, ...]:
        self.graphs.append(list(graph))
        return self._result("cudaGraphInstantiate", len(self.graphs) - 1)

    def cudaGraphDestroy(self, graph: list[Callable[[], None]]) -> tuple[Any, ...]:
        graph.clear()
        return self._result("cudaGraphDestroy")

    def cudaGraphLaunch(self, graph: int, stream: int) -> tuple[Any, ...]:
        assert stream not in self.recording, "a graph in a graph"
        self.replays += 1
        for work in self.graphs[graph]:
            self.enqueue(stream, work)
        return self._result("cudaGraphLaunch")

    def cudaGetErrorString(self, error: int) -> tuple[int, bytes]:
        return 0, b"out of memory" if error == 2 else b"?"

    def enqueue(self, stream: int, work: Callable[[], Any]) -> None:
        """When somebody waits for it, or into the graph that is being recorded."""
        assert 1 <= stream <= self.streams
        (self.recording if stream in self.recording else self._waiting)[stream].append(work)

    def _finish(self, stream: int | None = None, mark: Mark | None = None) -> None:
        """Do what waits on a stream, or on all, up to a mark, if any."""
        with self._lock:
            for each in list(self._waiting) if stream is None else [stream]:
                waiting = self._waiting[each]
                while waiting and not (mark is not None and mark.passed):
                    waiting.popleft()()

    def _allocated(self, call: str, size: int) -> tuple[Any, ...]:
        assert not self.recording, "who records cannot allocate"
        memory = np.full(size + _ALIGNMENT, 0xFF, np.uint8)
        first = -memory.ctypes.data % _ALIGNMENT
        pointer = memory.ctypes.data + first
        self.memory[pointer] = memory[first : first + size]
        return self._result(call, pointer)

    def _within(self, start: int, size: int) -> bool:
        """Whether that lies in memory that was allocated."""
        return any(
            pointer <= start and start + size <= pointer + memoryview(memory).nbytes
            for pointer, memory in self.memory.items()
        )

    def _result(self, call: str, *values: Any) -> tuple[Any, ...]:
        return (2, None) if call == self.broken else (0, *values)


class TensorRt:
    """As the real module, but for `Runtime`.

    Attributes:
        networks: name of a plan file's network → the .onnx file it stands for.
        refused: how many plans in a row count as damaged.
    """

    def __init__(self, module: Any, cuda: CudaRuntime, network: Path) -> None:
        self._module, self._cuda, self._network = module, cuda, network
        self.refused = 0
        self.fails = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def Runtime(self, log: Any) -> Any:
        def deserialize(plan: bytes) -> Any:
            assert len(plan) > 100
            if self.refused:
                self.refused -= 1
                return None
            return _Engine(self, self._cuda, self._network)

        return SimpleNamespace(deserialize_cuda_engine=deserialize)


class _Engine:
    def __init__(self, trt: TensorRt, cuda: CudaRuntime, network: Path) -> None:
        model = onnx.load(network)
        self.trt, self.cuda, self.evaluator = trt, cuda, ReferenceEvaluator(model)
        self.values = [*model.graph.input, *model.graph.output]
        self.inputs = {value.name for value in model.graph.input}
        self.num_io_tensors = len(self.values)
        self.num_optimization_profiles = 1 if self.get_tensor_shape(self.values[0].name)[0] != -1 else 4

    def get_tensor_name(self, place: int) -> str:
        return self.values[place].name

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        value = next(value for value in self.values if value.name == name)
        return tuple(side.dim_value or -1 for side in value.type.tensor_type.shape.dim)

    def get_tensor_dtype(self, name: str) -> Any:
        return self.trt.DataType.FLOAT

    def get_tensor_mode(self, name: str) -> Any:
        return self.trt.TensorIOMode.INPUT if name in self.inputs else self.trt.TensorIOMode.OUTPUT

    def create_runtime_config(self) -> Any:
        cache = SimpleNamespace(serialize=lambda: b"code", deserialize=lambda blob: blob == b"code")
        return SimpleNamespace(create_runtime_cache=lambda: cache, set_runtime_cache=lambda cache: True)

    def create_execution_context(self, config: Any = None) -> Any:
        return _Context(self, config)


class _Context:
    def __init__(self, engine: _Engine, config: Any) -> None:
        self.engine, self.config = engine, config
        self.addresses: dict[str, int] = {}
        self.shapes: dict[str, tuple[int, ...]] = {}
        self.profile = 0

    def set_optimization_profile_async(self, profile: int, stream: int) -> bool:
        self.profile = profile
        return True

    def set_tensor_address(self, name: str, pointer: int) -> bool:
        assert pointer in self.engine.cuda.memory
        self.addresses[name] = pointer
        return True

    def set_input_shape(self, name: str, shape: tuple[int, ...]) -> bool:
        if self.engine.num_optimization_profiles > 1:
            least, most = ((1, 1), (2, 2), (3, 8), (9, 16))[self.profile]
            assert least <= shape[0] <= most, "the batch is not one of the profile's"
        self.shapes[name] = shape
        return True

    def execute_async_v3(self, stream: int) -> bool:
        if self.engine.trt.fails:
            return False
        assert set(self.shapes) == self.engine.inputs
        assert len(self.addresses) == self.engine.num_io_tensors
        self.engine.cuda.enqueue(stream, self._compute)
        return True

    def _compute(self) -> None:
        inputs = {name: self._array(name, shape) for name, shape in self.shapes.items()}
        names = [value.name for value in self.engine.values if value.name not in self.engine.inputs]
        for name, result in zip(names, self.engine.evaluator.run(None, inputs), strict=True):
            self._array(name, result.shape)[...] = result

    def _array(self, name: str, shape: tuple[int, ...]) -> np.ndarray:
        memory = self.engine.cuda.memory[self.addresses[name]]
        return np.frombuffer(memory, np.float32).reshape(shape)
