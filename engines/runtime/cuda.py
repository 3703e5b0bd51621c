"""CUDA memory, streams and graphs through NVIDIA's own binding (cuda-python), on the primary context.

Only what an engine needs. Errors are `GpuError`; imported late, for machines without a GPU.
"""

from __future__ import annotations

import ctypes
from functools import partial
from typing import Any

import numpy as np
from cuda.bindings import runtime as runtime

from engines.errors import EngineError, GpuError
from engines.runtime.base import Array, DeviceArray, Work, recording


class Memory:
    """Page-locked host arrays, arrays on the GPU, and events, all given back when it goes."""

    def __init__(self) -> None:
        self._host: list[int] = []
        self._device: list[int] = []
        self._events: list[int] = []

    def pinned(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> Array:
        """Zeros on the host that the GPU reads and writes at full speed, without the processor."""
        size = int(np.prod(shape)) * dtype.itemsize
        pointer = int(done(runtime.cudaMallocHost(size), f"keep {size} bytes of the host's memory for it"))
        self._host.append(pointer)
        array: Array = np.frombuffer(memoryview((ctypes.c_char * size).from_address(pointer)), dtype).reshape(shape)
        array[:] = 0
        return array

    def device(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> DeviceArray:
        """Memory on the GPU, with whatever lay there."""
        size = int(np.prod(shape)) * dtype.itemsize
        pointer = int(done(runtime.cudaMalloc(size), f"keep {size} bytes of its memory"))
        self._device.append(pointer)
        return DeviceArray(pointer, shape, dtype)

    def event(self) -> int:
        """What streams wait for, see `mark`."""
        event = int(done(runtime.cudaEventCreateWithFlags(runtime.cudaEventDisableTiming), "make an event"))
        self._events.append(event)
        return event

    def __del__(self) -> None:
        # no errors here: at the end of the program the driver may be gone before us
        for event in self._events:
            runtime.cudaEventDestroy(event)
        for pointer in self._host:
            runtime.cudaFreeHost(pointer)
        for pointer in self._device:
            runtime.cudaFree(pointer)


def new_stream() -> int:
    """A stream of its own, which does not wait for the default one."""
    return int(done(runtime.cudaStreamCreateWithFlags(runtime.cudaStreamNonBlocking), "make a stream"))


def upload(array: Array, to: DeviceArray, stream: int) -> None:
    """Start copying to the GPU; `array` is page-locked and left alone until the stream has come so far."""
    kind = runtime.cudaMemcpyKind.cudaMemcpyHostToDevice
    done(runtime.cudaMemcpyAsync(to.pointer, array.ctypes.data, to.nbytes, kind, stream), "take a copy")


def download(source: DeviceArray, to: Array, stream: int) -> None:
    """Start copying from the GPU into page-locked `to`."""
    kind = runtime.cudaMemcpyKind.cudaMemcpyDeviceToHost
    done(runtime.cudaMemcpyAsync(to.ctypes.data, source.pointer, source.nbytes, kind, stream), "give a copy")


def wait(stream: int) -> None:
    """Until the stream has done all it was given."""
    done(runtime.cudaStreamSynchronize(stream), "finish")


def mark(event: int, stream: int) -> None:
    """The event is over when the stream has done all it was given."""
    done(runtime.cudaEventRecord(event, stream), "mark an event")


def wait_for(event: int, stream: int) -> None:
    """What the stream is given from now on starts after the event; the host does not wait."""
    done(runtime.cudaStreamWaitEvent(stream, event, 0), "wait for an event")


def record(work: Work, stream: int) -> int:
    """What `work` does on the stream it is given, as a CUDA graph for `replay`; nothing of it runs now."""
    mode = runtime.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal  # other threads may go on
    with recording():
        done(runtime.cudaStreamBeginCapture(stream, mode), "begin a graph")
        try:
            work(stream)
        finally:
            ended = runtime.cudaStreamEndCapture(stream)
        graph = done(ended, "end a graph")
        try:
            return int(done(runtime.cudaGraphInstantiate(graph, 0), "make a graph ready"))
        finally:
            runtime.cudaGraphDestroy(graph)


def is_recording(stream: int) -> bool:
    """Whether a graph is being recorded on that stream."""
    status = done(runtime.cudaStreamIsCapturing(stream), "say what it does")
    return bool(status != runtime.cudaStreamCaptureStatus.cudaStreamCaptureStatusNone)


def replay(graph: int, stream: int) -> None:
    """Start a recorded graph."""
    done(runtime.cudaGraphLaunch(graph, stream), "run a graph")


def recorded(work: Work, stream: int) -> Work:
    """As `record`, what puts the graph on a stream."""
    return partial(replay, record(work, stream))


def done(result: tuple[Any, ...], doing: str) -> Any:
    """The value of a call of `runtime`; GpuError where it failed: the GPU could not do that. EngineError where nothing
    can be done at all, for want of a driver that is new enough."""
    error, *values = result
    if error == runtime.cudaError_t.cudaErrorInsufficientDriver:
        version = done(runtime.cudaRuntimeGetVersion(), "say its version")
        raise EngineError(
            f"NVIDIA's driver is missing or too old for CUDA {version // 1000}.{version % 1000 // 10}: update it, or "
            "take --runtime openvino."
        )
    if error != runtime.cudaError_t.cudaSuccess:
        name = runtime.cudaGetErrorString(error)[1].decode()
        raise GpuError(f"The GPU could not {doing}: {name}.")
    return values[0] if values else None
