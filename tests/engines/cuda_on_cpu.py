"""A stand-in for pycuda whose GPU is this computer: memory is the host's, and .cu files run as the C++ they nearly are.

It has what engines/kernels.py and engines/lstsq/cuda.py use, and is as strict: nothing works without the context, or
with arguments other than those prepared; what it copies lies on memory that was allocated.
"""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from engines.kernels import CudaSource

PROCESSORS = 1
HEADERS = Path(__file__).with_name("block_on_cpu")
SHARED_BYTES = 48 << 10


class Error(Exception):
    """As pycuda.driver.Error."""


def compile_for_cpu(source: CudaSource, kernels: Iterable[str], folder: Path) -> ctypes.CDLL:
    """A .cu file by the host's compiler, as a library with `launch_NAME` for each of its kernels; skips without g++."""
    if shutil.which("g++") is None or not sys.platform.startswith("linux"):
        pytest.skip("running CUDA sources on the CPU takes g++ on Linux")
    # memory that a launch brings is an array here, memory that the kernel declares is the function's own
    shared = "" if "extern __shared__" in source.path.read_text("utf-8") else "static"
    lines = ['#include "block.h"', f"float4 staging[{SHARED_BYTES // 16}];", f"#define __shared__ {shared}"]
    lines.append(f'#include "{source.path}"')
    lines += [
        f'extern "C" void launch_{name}(int x, int y, int threads, void** arguments)'
        f"{{ block::launch({name}, x, y, threads, arguments, staging, sizeof staging); }}"
        for name in kernels
    ]
    path, unit = folder / f"{source.path.stem}.so", folder / f"{source.path.stem}.cpp"
    unit.write_text("\n".join(lines) + "\n")
    options = ["-std=c++17", "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-Wno-unknown-pragmas"]
    options += ["-Wno-unused-function", "-shared", "-fPIC", f"-I{HEADERS}", *source.defines()]
    subprocess.run(["g++", *options, unit, "-o", path], check=True)
    return ctypes.CDLL(str(path))


def start(library: ctypes.CDLL, name: str, blocks: tuple[int, int], threads: int, arguments: Iterable[Any]) -> None:
    """Run a kernel; `arguments` are ctypes values."""
    values = list(arguments)
    pointers = (ctypes.c_void_p * len(values))(*(ctypes.addressof(value) for value in values))
    getattr(library, f"launch_{name}")(*blocks, threads, pointers)


class Driver:
    """As the module pycuda.driver, beside that runtime, if any, whose streams are its own. `broken` names the call that
    fails.

    Attributes:
        launches: name, blocks and arguments of each kernel started.
    """

    Error = Error
    device_attribute = SimpleNamespace(MULTIPROCESSOR_COUNT="processors")

    def __init__(self, *libraries: ctypes.CDLL, runtime: Any = None) -> None:
        self.libraries, self.runtime = libraries, runtime
        self.memory: list[np.ndarray] = []
        self.pushed = 0
        self.launches: list[tuple[str, tuple[int, ...], tuple[Any, ...]]] = []
        self.shared: list[int] = []
        self.broken = ""
        self.Context = SimpleNamespace(pop=self._pop)

    def installed(self, monkeypatch: pytest.MonkeyPatch) -> Driver:
        """Itself, where `import pycuda.driver` finds it."""
        package = ModuleType("pycuda")
        monkeypatch.setattr(package, "driver", self, raising=False)
        monkeypatch.setitem(sys.modules, "pycuda", package)
        monkeypatch.setitem(sys.modules, "pycuda.driver", self)
        return self

    def init(self) -> None:
        self._called("init")

    def Device(self, number: int) -> Any:
        if number > 0:
            raise Error("cuDeviceGet failed: invalid device ordinal")
        return SimpleNamespace(
            retain_primary_context=lambda: SimpleNamespace(push=self._push, detach=lambda: None),
            get_attribute={"processors": PROCESSORS}.__getitem__,
        )

    def Stream(self, flags: int) -> Any:
        self._called("Stream", context=True)
        assert flags == 1, "it must not wait for the default stream"
        return SimpleNamespace(handle=self.runtime.cudaStreamCreateWithFlags(flags)[1] if self.runtime else 1)

    def enqueue(self, stream: Any, work: Callable[[], None]) -> None:
        """At once, or into what the runtime records on that stream."""
        self.runtime.enqueue(stream.handle, work) if self.runtime and stream is not None else work()

    def mem_alloc(self, size: int) -> int:
        self._called("mem_alloc", context=True)
        self.memory.append(np.full(size + 256, 0xFF, np.uint8))
        return -(-self.memory[-1].ctypes.data // 256) * 256

    def memcpy_htod(self, to: int, array: np.ndarray) -> None:
        self._called("memcpy_htod", context=True)
        self._check(to, array.nbytes)
        ctypes.memmove(to, array.ctypes.data, array.nbytes)

    def memcpy_dtoh(self, array: np.ndarray, start: int) -> None:
        self._called("memcpy_dtoh", context=True)
        self._check(start, array.nbytes)
        ctypes.memmove(array.ctypes.data, start, array.nbytes)

    def module_from_file(self, path: str) -> Any:
        self._called("module_from_file", context=True)
        assert Path(path).is_file()
        return SimpleNamespace(get_function=lambda name: Function(self, name))

    def _called(self, name: str, context: bool = False) -> None:
        if context and not self.pushed:
            raise Error(f"{name} failed: invalid device context")
        if name == self.broken:
            raise Error(f"{name} failed: out of memory")

    def _check(self, start: int, size: int) -> None:
        assert any(
            part.ctypes.data <= start and start + size <= part.ctypes.data + part.nbytes for part in self.memory
        ), "an address that was not allocated"

    def _push(self) -> None:
        self.pushed += 1

    def _pop(self) -> None:
        self.pushed -= 1


class Function:
    """As pycuda.driver.Function."""

    def __init__(self, driver: Driver, name: str) -> None:
        (self._library,) = (library for library in driver.libraries if hasattr(library, f"launch_{name}"))
        self._driver, self._name = driver, name

    def prepare(self, types: str) -> None:
        known = {"P": ctypes.c_void_p, "q": ctypes.c_longlong, "i": ctypes.c_int, "f": ctypes.c_float}
        self._types = [known[letter] for letter in types]

    def prepared_async_call(
        self, grid: tuple[int, int], block: tuple[int, int, int], stream: Any, *arguments: Any, shared_size: int = 0
    ) -> None:
        self._driver._called("launch", context=True)
        assert stream is None or stream.handle
        assert block[1:] == (1, 1)
        values = [kind(value) for kind, value in zip(self._types, arguments, strict=True)]

        def run() -> None:
            self._driver.launches.append((self._name, grid, arguments))
            self._driver.shared.append(shared_size)
            start(self._library, self._name, grid, block[0], values)

        self._driver.enqueue(stream, run)
