"""What every runtime offers: a network with named inputs and outputs, called with NumPy arrays."""

from __future__ import annotations

import gc
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from engines.errors import EngineError

Array = NDArray[Any]

MAX_BATCH = 16

# told what is being compiled, how many steps of that are done, and how many there are
Progress: TypeAlias = Callable[[str, int, int], None]
# puts something on a CUDA stream
Work: TypeAlias = Callable[[int], None]
_RECORDING = threading.Lock()


@contextmanager
def recording() -> Iterator[None]:
    """While a CUDA graph is recorded: by one thread of the process at a time, for what one waits for another may not do
    meanwhile; and no garbage is collected, for memory of the GPU that was given back meanwhile would end the graph."""
    with _RECORDING:
        collecting = gc.isenabled()
        gc.disable()
        try:
            yield
        finally:
            if collecting:
                gc.enable()


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output: its name, its shape (-1 where the batch goes, always first), and its type."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    def sized(self, batch: int) -> tuple[int, ...]:
        """The shape for a batch of that many."""
        return tuple(batch if side == -1 else side for side in self.shape)

    def __str__(self) -> str:
        return f"{self.name} {self.dtype}({', '.join('B' if side == -1 else str(side) for side in self.shape)})"


@dataclass(frozen=True, slots=True)
class Spec:
    """What a network takes and gives, in the order of the call."""

    network: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    def check_batch(self, batch: int) -> None:
        """Raise EngineError unless the network can run `batch` items at once."""
        fixed = next((item.shape[0] for item in self.inputs if item.shape[0] != -1), None)
        if not 1 <= batch <= MAX_BATCH or (fixed is not None and batch != fixed):
            allowed = f"1 to {MAX_BATCH}" if fixed is None else f"exactly {fixed}"
            raise EngineError(f"The network '{self.network}' was given a batch of {batch}: it takes {allowed}.")

    def check(self, arrays: Sequence[Array]) -> int:
        """The common batch size of `arrays`; EngineError where number, shapes or types are not the spec's."""
        shapes = [np.shape(array) for array in arrays]
        batch = shapes[0][0] if shapes and shapes[0] else 0
        good = len(arrays) == len(self.inputs) and all(
            shape == item.sized(batch) and np.can_cast(np.asarray(array).dtype, item.dtype, "same_kind")
            for array, shape, item in zip(arrays, shapes, self.inputs, strict=True)
        )
        if not good:
            given = ", ".join(f"{np.asarray(array).dtype}{shape}" for array, shape in zip(arrays, shapes, strict=True))
            wanted = ", ".join(str(item) for item in self.inputs)
            raise EngineError(f"The network '{self.network}' was given {given or 'nothing'}: it takes {wanted}.")
        self.check_batch(batch)
        return batch


@dataclass(frozen=True, slots=True)
class DeviceArray:
    """Memory on a GPU without gaps, as torch, CuPy, pycuda and Numba take it."""

    pointer: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @property
    def nbytes(self) -> int:
        """Its size."""
        return int(np.prod(self.shape)) * self.dtype.itemsize

    def first(self, count: int) -> DeviceArray:
        """As many as `count` along the first axis."""
        return DeviceArray(self.pointer, (count, *self.shape[1:]), self.dtype)

    def item(self, place: int) -> DeviceArray:
        """What lies at a place along the first axis, from 0."""
        return DeviceArray(self.pointer + place * self.nbytes // self.shape[0], self.shape[1:], self.dtype)

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        return {"shape": self.shape, "typestr": self.dtype.str, "data": (self.pointer, False), "version": 3}


@dataclass(frozen=True, slots=True, eq=False)
class Buffers:
    """Memory that the runtime reads and writes in place: fill `inputs`, run, read `outputs` (spec order)."""

    inputs: tuple[Array, ...]
    outputs: tuple[Array, ...]


Bound = TypeVar("Bound")


class Bindings(Generic[Bound]):
    """What each thread has bound of an engine: something of its own per batch size, and which it bound last.

    Args:
        spec: of the network.
    """

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._lock = threading.Lock()
        self._local = threading.local()

    def bind(self, batch: int, make: Callable[[int], Bound]) -> Bound:
        """What the calling thread has for a batch size, which is its current one now.

        Args:
            batch: 1 to 16.
            make: makes what a thread needs for a batch size; one thread at a time is in it.

        Raises:
            EngineError: the network does not take such a batch, or `make` fails.
        """
        bound: dict[int, Bound] = self._local.__dict__.setdefault("bound", {})
        if batch not in bound:
            self._spec.check_batch(batch)
            with self._lock:
                bound[batch] = make(batch)
        self._local.current = bound[batch]
        return bound[batch]

    @property
    def current(self) -> Bound:
        """What the calling thread bound last; EngineError where that is nothing."""
        if not hasattr(self._local, "current"):
            raise EngineError(f"The network '{self._spec.network}' was run before bind() on this thread: bind first.")
        current: Bound = self._local.current
        return current


class Engine(ABC):
    """A network made ready for this machine.

    Calls may come from several threads: `bind` and `run` work on memory of the calling thread.

    Args:
        name: for messages.
        path: the .onnx file.
        threads: how many CPU threads compute, where the CPU does; None leaves it to the runtime.
        cache: folder for compiled networks, where the runtime compiles to files, or None for no cache.
        progress: hears of compiling, where that takes long enough to be told in steps.

    Attributes:
        spec: names, shapes and types of inputs and outputs.
        runtime: what computes, with version and device, for reports and tables.
        precision: the number type it computes in.
        remarks: sentences for the person about how it was made ready; most often there is nothing to say.

    Raises:
        EngineError: the runtime cannot work here, the file is damaged, or is a network that it cannot run.
    """

    runtime: str
    precision: str
    remarks: tuple[str, ...] = ()

    def __init__(
        self,
        name: str,
        path: Path,
        threads: int | None = None,
        cache: Path | None = None,
        progress: Progress | None = None,
    ) -> None:
        self._name, self._path = name, path
        self._threads, self._cache, self._progress = threads, cache, progress
        self.spec = self._opened()

    @classmethod
    def precision_of(cls, path: Path) -> str:
        """The number type in which it would compute that .onnx file on this machine; EngineError as for an engine."""
        return cls.precision

    @abstractmethod
    def _opened(self) -> Spec:
        """Read the network and make it ready, as told by the arguments."""

    @abstractmethod
    def bind(self, batch: int) -> Buffers:
        """This thread's preallocated buffers for `batch` items; `run` of this thread uses them from now on.

        Raises:
            EngineError: the network does not take such a batch.
        """

    @abstractmethod
    def run(self, stream: object | None = None) -> None:
        """Compute the outputs of the buffers this thread bound last, on `stream` where the runtime has streams."""

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        """Outputs for `arrays`, both in spec order, batch first, 1 to 16 items; the results are the caller's own.

        Raises:
            EngineError: number, shape or type of an array is not the spec's (before anything is computed).
        """
        buffers = self.bind(self.spec.check(arrays))
        for buffer, array in zip(buffers.inputs, arrays, strict=True):
            np.copyto(buffer, array, casting="same_kind")
        self.run()
        return tuple(output.copy() for output in buffers.outputs)


@dataclass(frozen=True, slots=True)
class DeviceBuffers:
    """Memory on the GPU that `DeviceEngine.launch` reads and writes in place, in spec order."""

    inputs: tuple[DeviceArray, ...]
    outputs: tuple[DeviceArray, ...]


class DeviceEngine(Engine):
    """An engine on a GPU. `Buffers` are page-locked host memory, which `run` copies to the GPU and back.

    Between networks that follow each other on the GPU the copies are left out:

        engine.device(batch).inputs[0]    # is written there
        engine.launch(stream)
        engine.fetch(stream)              # where the results are wanted on the host, too

    Where other work stands round networks, all of it is recorded as one CUDA graph:

        def work(stream): engine.enqueue(stream); ...
        replay = engine.record(work, stream)
        replay(stream)
    """

    @abstractmethod
    def device(self, batch: int) -> DeviceBuffers:
        """As `bind`, the memory on the GPU: for `launch`. It stays where it is as long as the engine lives.

        Raises:
            EngineError: the network does not take such a batch, or the GPU has no memory for it.
        """

    @abstractmethod
    def launch(self, stream: int) -> None:
        """Start computing the outputs of this thread's device buffers on a CUDA stream, and return at once."""

    @abstractmethod
    def enqueue(self, stream: int) -> None:
        """As `launch`, kernel by kernel: for `record`."""

    @abstractmethod
    def fetch(self, stream: int) -> None:
        """Start copying them into the outputs of this thread's host buffers (`bind`), and return at once."""

    @abstractmethod
    def record(self, work: Work, stream: int) -> Work:
        """What `work` puts on the stream it is given, networks of this runtime by `enqueue`, as one CUDA graph.

        Nothing of it runs now, and all of it ran before (at the first time code is loaded, which cannot be recorded).
        The result puts the graph on the stream it is given.
        """
