"""A stand-in for pycuda whose GPU is this computer: memory is the host's, and lstsq.cu runs as the C++ it nearly is.

It has what engines/lstsq/cuda.py uses, and is as strict: nothing works without the context, on memory that was not
allocated, or with arguments other than those prepared.
"""

from __future__ import annotations

import ctypes
import subprocess
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from engines.lstsq import kernel

PROCESSORS = 1
HEADERS = Path(__file__).with_name("warp_on_cpu")


class Error(Exception):
    """As pycuda.driver.Error."""


def compile_for_cpu(path: Path) -> ctypes.CDLL:
    """lstsq.cu with the host's compiler, as a library with `launch`."""
    options = ["-x", "c++", "-std=c++17", "-O1", "-ffp-contract=off", "-Wall", "-Werror", "-Wno-unknown-pragmas"]
    options += ["-Wno-unused-function", "-shared", "-fPIC", f"-I{HEADERS}", *kernel.defines()]
    subprocess.run(["g++", *options, kernel.SOURCE, "-o", path], check=True)
    return ctypes.CDLL(str(path))


class Driver:
    """As the module pycuda.driver. `broken` names the call that fails."""

    Error = Error
    device_attribute = SimpleNamespace(MULTIPROCESSOR_COUNT="processors")

    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        self.memory: list[np.ndarray] = []
        self.pushed = 0
        self.launches: list[tuple[int, ...]] = []
        self.broken = ""
        self.Context = SimpleNamespace(pop=self._pop)

    def init(self) -> None:
        self._called("init")

    def Device(self, number: int) -> Any:
        if number > 0:
            raise Error("cuDeviceGet failed: invalid device ordinal")
        return SimpleNamespace(
            retain_primary_context=lambda: SimpleNamespace(push=self._push, detach=lambda: None),
            get_attribute={"processors": PROCESSORS}.__getitem__,
        )

    def Stream(self) -> Any:
        self._called("Stream", context=True)
        return SimpleNamespace(handle=1)

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
        return SimpleNamespace(get_function={"affine_lstsq": Function(self)}.__getitem__)

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
    """As pycuda.driver.Function, of the one kernel."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    def prepare(self, types: str) -> None:
        self._types = [
            {"P": ctypes.c_void_p, "q": ctypes.c_longlong, "i": ctypes.c_int, "f": ctypes.c_float}[t] for t in types
        ]

    def prepared_async_call(
        self, grid: tuple[int, ...], block: tuple[int, ...], stream: Any, *arguments: Any, shared_size: int
    ) -> None:
        self._driver._called("launch", context=True)
        assert stream is None or stream.handle
        assert block == (32 * kernel.WARPS, 1, 1)
        faces, count = arguments[7:9]
        assert shared_size == 2 * kernel.WARPS * (6 if arguments[2] else 5) * -(-count // 4) * 16
        self._driver.launches.append((grid[0], faces, count))
        self._driver.library.launch(grid[0], *(kind(value) for kind, value in zip(self._types, arguments, strict=True)))
