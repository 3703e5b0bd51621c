"""Frames between CUDA and OpenGL without a way through the host, where both are on one GPU.

Through cuda-python, for pip's pycuda is built without OpenGL. Never run on a GPU so far: see docs/gpu.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from OpenGL import GL

from engines import EngineError
from engines.runtime import cuda
from engines.runtime.base import DeviceArray
from engines.runtime.cuda import Memory, done
from realtime.frame import Pixels
from realtime.gpu.kernels import PictureKernels
from realtime.gpu.pictures import Pictures
from realtime.render import gl
from realtime.render.transfer import Transfer

_BYTE = np.dtype(np.uint8)


class _Shared:
    """Something of OpenGL's that CUDA reads and writes, until it is released (before OpenGL's is).

    Args:
        registered: what CUDA answered.
        what: for messages.

    Raises:
        EngineError: CUDA cannot share it: OpenGL is on another device, or in software.
    """

    def __init__(self, registered: tuple[Any, ...], what: str) -> None:
        self._what = what
        self._resource: Any = done(registered, f"share {what} with OpenGL")
        if not int(self._resource):  # cuda-bindings 12.9.3 and 13.0.2
            raise EngineError("This cuda-bindings shares nothing with OpenGL: install another version.")

    def release(self) -> None:
        """OpenGL's alone again. No error here: where the GPU is lost, that was said when it was lost."""
        cuda.runtime.cudaGraphicsUnregisterResource(self._resource)

    @contextmanager
    def _mapped(self, stream: int) -> Iterator[None]:
        """What OpenGL was given before is done before what is put on the stream within, and that before what OpenGL is
        given afterwards; the host does not wait."""
        done(cuda.runtime.cudaGraphicsMapResources(1, self._resource, stream), f"take {self._what} from OpenGL")
        try:
            yield
        finally:
            done(cuda.runtime.cudaGraphicsUnmapResources(1, self._resource, stream), f"hand {self._what} to OpenGL")


class SharedTexture(_Shared):
    """An 8-bit RGBA texture."""

    def __init__(self, texture: gl.Texture) -> None:
        self._size = texture.size
        super().__init__(cuda.runtime.cudaGraphicsGLRegisterImage(texture.id, GL.GL_TEXTURE_2D, 0), "a texture")

    def write(self, rgba: DeviceArray, stream: int) -> None:
        """Start replacing it by (H, W, 4) uint8."""
        row, kind = 4 * self._size[0], cuda.runtime.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        with self._mapped(stream):
            copied = cuda.runtime.cudaMemcpy2DToArrayAsync(
                self._array(), 0, 0, rgba.pointer, row, row, self._size[1], kind, stream
            )
            done(copied, "fill a texture")

    def read(self, rgba: DeviceArray, stream: int) -> None:
        """Start copying it to (H, W, 4) uint8."""
        row, kind = 4 * self._size[0], cuda.runtime.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        with self._mapped(stream):
            copied = cuda.runtime.cudaMemcpy2DFromArrayAsync(
                rgba.pointer, row, self._array(), 0, 0, row, self._size[1], kind, stream
            )
            done(copied, "read a texture")

    def _array(self) -> Any:
        return done(cuda.runtime.cudaGraphicsSubResourceGetMappedArray(self._resource, 0, 0), "find a texture")


class SharedVertices(_Shared):
    """The vertices of a mesh, which from now on has room for `size` bytes of them."""

    def __init__(self, mesh: gl.Mesh, size: int) -> None:
        self.size = size
        super().__init__(cuda.runtime.cudaGraphicsGLRegisterBuffer(mesh.share(size), 0), "a vertex buffer")

    def write(self, vertices: DeviceArray, stream: int) -> None:
        """Start replacing all of them."""
        kind = cuda.runtime.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        with self._mapped(stream):
            place = done(cuda.runtime.cudaGraphicsResourceGetMappedPointer(self._resource), "find a vertex buffer")
            copied = cuda.runtime.cudaMemcpyAsync(int(place), vertices.pointer, vertices.nbytes, kind, stream)
            done(copied, "fill a vertex buffer")


@dataclass(frozen=True, slots=True)
class _Scratch:
    """Memory for one size of picture: four and three bytes a pixel on the GPU, three on the host."""

    memory: Memory
    rgba: DeviceArray
    rgb: DeviceArray
    here: Pixels

    @classmethod
    def of(cls, size: tuple[int, int]) -> _Scratch:
        memory, (width, height) = Memory(), size
        rgba, rgb = (memory.device((height, width, channels), _BYTE) for channels in (4, 3))
        return cls(memory, rgba, rgb, memory.pinned((height, width, 3), _BYTE))


class InteropTransfer(Transfer):
    """A frame that the analysis has sent to the GPU becomes a texture there; what was drawn is packed there, too, so
    that three bytes a pixel come back, and nothing else.

    Args:
        kernels: loaded, for the drawing thread alone.
        pictures: where the analysis puts its frames.

    Raises:
        EngineError: CUDA cannot share textures with the OpenGL of this context.

    Attributes:
        kernels: for whatever else is done on that thread.
    """

    description = "frames by CUDA–OpenGL interop"

    def __init__(self, kernels: PictureKernels, pictures: Pictures) -> None:
        self.kernels = kernels
        self._pictures = pictures
        self._shared: dict[int, SharedTexture] = {}
        self._vertices: dict[int, SharedVertices] = {}
        self._scratch: _Scratch | None = None
        trial = gl.Texture((1, 1))
        try:
            SharedTexture(trial).release()
        except EngineError as error:
            raise EngineError(f"{error} Is OpenGL on that GPU?") from error
        finally:
            trial.release()

    def send(self, pixels: Pixels, texture: gl.Texture) -> None:
        stream, scratch = self.kernels.stream, self._of(texture.size)
        self.kernels.unpack(self._pictures(pixels, stream), scratch.rgba)
        with self.kernels.watch("into OpenGL"):
            self._texture(texture).write(scratch.rgba, stream)

    def fetch(self, target: gl.Target) -> Pixels:
        stream, scratch = self.kernels.stream, self._of(target.size)
        self.copy(target, scratch.rgba)
        self.kernels.pack(scratch.rgba, scratch.rgb)
        with self.kernels.watch("fetch the picture"):
            cuda.download(scratch.rgb, scratch.here, stream)
        cuda.wait(stream)
        return scratch.here.copy()

    def settle(self) -> None:
        """Nobody waits: the GPU goes on while the host prepares what comes next. Its own clocks tell what it took."""

    def copy(self, target: gl.Target, picture: DeviceArray) -> None:
        """Start copying the colours of a target to (H, W, 4) uint8 on the GPU."""
        with self.kernels.watch("out of OpenGL"):
            self._texture(target.texture).read(picture, self.kernels.stream)

    def replace(self, target: gl.Target, picture: DeviceArray) -> None:
        """Start making (H, W, 4) uint8 on the GPU the colours of a target."""
        with self.kernels.watch("into OpenGL"):
            self._texture(target.texture).write(picture, self.kernels.stream)

    def fill(self, mesh: gl.Mesh, vertices: DeviceArray) -> None:
        """Start making (V, sum of the layout) float32 on the GPU the vertices of a mesh."""
        known = self._vertices.get(mesh.id)
        if known is None or known.size != vertices.nbytes:
            if known is not None:
                known.release()
            known = self._vertices[mesh.id] = SharedVertices(mesh, vertices.nbytes)
        with self.kernels.watch("vertices into OpenGL"):
            known.write(vertices, self.kernels.stream)

    def forget(self) -> None:
        for shared in (*self._shared.values(), *self._vertices.values()):
            shared.release()
        self._shared.clear()
        self._vertices.clear()

    def _texture(self, texture: gl.Texture) -> SharedTexture:
        if texture.id not in self._shared:
            self._shared[texture.id] = SharedTexture(texture)
        return self._shared[texture.id]

    def _of(self, size: tuple[int, int]) -> _Scratch:
        if self._scratch is None or self._scratch.rgb.shape[:2] != size[::-1]:
            self._scratch = _Scratch.of(size)
        return self._scratch
