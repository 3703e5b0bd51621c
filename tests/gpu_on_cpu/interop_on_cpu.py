"""CUDA's share of OpenGL, and its events, on a stand-in: a texture is mapped by reading it, unmapped by writing it, for
which OpenGL waits."""

from __future__ import annotations

import ctypes
import time
from typing import Any

import numpy as np
from OpenGL import GL

from tests.engines.tensorrt_on_cpu import CudaRuntime


class Resource:
    """A texture or a buffer that is registered; `array` is its contents while it is mapped."""

    def __init__(self, name: int, buffer: bool = False) -> None:
        self.name, self.buffer = name, buffer
        self.array: np.ndarray | None = None

    def __int__(self) -> int:
        return int(self.name)

    @property
    def alive(self) -> bool:
        """Whether OpenGL still has it."""
        return bool(GL.glIsBuffer(self.name) if self.buffer else GL.glIsTexture(self.name))

    def read(self) -> np.ndarray:
        """What is in it."""
        if self.buffer:
            GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self.name)
            size = int(GL.glGetBufferParameteriv(GL.GL_ARRAY_BUFFER, GL.GL_BUFFER_SIZE))
            return np.frombuffer(GL.glGetBufferSubData(GL.GL_ARRAY_BUFFER, 0, size), np.uint8).copy()
        GL.glBindTexture(GL.GL_TEXTURE_2D, self.name)
        sides = (GL.GL_TEXTURE_HEIGHT, GL.GL_TEXTURE_WIDTH)
        shape = tuple(int(GL.glGetTexLevelParameteriv(GL.GL_TEXTURE_2D, 0, side)) for side in sides)
        data = GL.glGetTexImage(GL.GL_TEXTURE_2D, 0, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE)
        return np.frombuffer(data, np.uint8).reshape(*shape, 4).copy()

    def write(self, contents: np.ndarray) -> None:
        """Replace it."""
        if self.buffer:
            GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self.name)
            GL.glBufferSubData(GL.GL_ARRAY_BUFFER, 0, contents.nbytes, contents)
            return
        height, width, _ = contents.shape
        GL.glBindTexture(GL.GL_TEXTURE_2D, self.name)
        GL.glTexSubImage2D(GL.GL_TEXTURE_2D, 0, 0, 0, width, height, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, contents)


class GlRuntime(CudaRuntime):
    """As the module cuda.bindings.runtime. OpenGL must not be given a texture while CUDA has it, nor CUDA one that was
    not mapped."""

    def __init__(self) -> None:
        super().__init__()
        self.registered: list[Resource] = []

    def cudaEventCreate(self) -> tuple[Any, ...]:
        return self._result("cudaEventCreate", [0.0])

    def cudaEventRecord(self, event: Any, stream: int) -> tuple[Any, ...]:
        if not isinstance(event, list):  # one that keeps no time
            return super().cudaEventRecord(event, stream)
        assert stream not in self.recording, "a clock in a graph"
        self.enqueue(stream, lambda: event.__setitem__(0, time.perf_counter()))
        return self._result("cudaEventRecord")

    def cudaEventSynchronize(self, event: list[float]) -> tuple[Any, ...]:
        self._finish()
        return self._result("cudaEventSynchronize")

    def cudaEventElapsedTime(self, start: list[float], end: list[float]) -> tuple[Any, ...]:
        return self._result("cudaEventElapsedTime", 1000 * (end[0] - start[0]))

    def cudaGraphicsGLRegisterImage(self, texture: int, target: int, flags: int) -> tuple[Any, ...]:
        assert target == GL.GL_TEXTURE_2D
        assert GL.glIsTexture(texture)
        self.registered.append(Resource(texture))
        return self._result("cudaGraphicsGLRegisterImage", self.registered[-1])

    def cudaGraphicsGLRegisterBuffer(self, buffer: int, flags: int) -> tuple[Any, ...]:
        assert GL.glIsBuffer(buffer)
        self.registered.append(Resource(buffer, buffer=True))
        return self._result("cudaGraphicsGLRegisterBuffer", self.registered[-1])

    def cudaGraphicsUnregisterResource(self, resource: Resource) -> tuple[Any, ...]:
        assert resource.alive, "it must be given back before it is released"
        self.registered.remove(resource)
        return self._result("cudaGraphicsUnregisterResource")

    def cudaGraphicsMapResources(self, count: int, resource: Resource, stream: int) -> tuple[Any, ...]:
        assert count == 1
        assert resource in self.registered
        assert resource.array is None
        resource.array = resource.read()
        if resource.buffer:
            self.memory[resource.array.ctypes.data] = resource.array
        return self._result("cudaGraphicsMapResources")

    def cudaGraphicsResourceGetMappedPointer(self, resource: Resource) -> tuple[Any, ...]:
        assert resource.buffer
        assert resource.array is not None
        return self._result("cudaGraphicsResourceGetMappedPointer", resource.array.ctypes.data, resource.array.nbytes)

    def cudaGraphicsSubResourceGetMappedArray(self, resource: Resource, index: int, level: int) -> tuple[Any, ...]:
        assert (index, level) == (0, 0)
        assert resource.array is not None
        return self._result("cudaGraphicsSubResourceGetMappedArray", resource.array)

    def cudaGraphicsUnmapResources(self, count: int, resource: Resource, stream: int) -> tuple[Any, ...]:
        assert resource.array is not None
        self._finish(stream)  # OpenGL waits for it
        resource.write(resource.array)
        if resource.buffer:
            del self.memory[resource.array.ctypes.data]
        resource.array = None
        return self._result("cudaGraphicsUnmapResources")

    def cudaMemcpy2DToArrayAsync(
        self, array: np.ndarray, x: int, y: int, start: int, pitch: int, row: int, rows: int, kind: int, stream: int
    ) -> tuple[Any, ...]:
        self._check(array, (x, y), start, (pitch, row, rows), kind)
        self.enqueue(stream, lambda: ctypes.memmove(array.ctypes.data, start, array.nbytes))
        return self._result("cudaMemcpy2DToArrayAsync")

    def cudaMemcpy2DFromArrayAsync(
        self, to: int, pitch: int, array: np.ndarray, x: int, y: int, row: int, rows: int, kind: int, stream: int
    ) -> tuple[Any, ...]:
        self._check(array, (x, y), to, (pitch, row, rows), kind)
        self.enqueue(stream, lambda: ctypes.memmove(to, array.ctypes.data, array.nbytes))
        return self._result("cudaMemcpy2DFromArrayAsync")

    def _check(
        self, array: np.ndarray, corner: tuple[int, int], pointer: int, rows: tuple[int, int, int], kind: int
    ) -> None:
        height, width, _ = array.shape
        assert corner == (0, 0)
        assert kind == 3
        assert pointer in self.memory
        assert rows == (4 * width, 4 * width, height)
