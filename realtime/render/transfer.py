"""How whole pictures get into OpenGL and out of it."""

from __future__ import annotations

import ctypes
from abc import ABC, abstractmethod

import cv2
import numpy as np
from OpenGL import GL

from realtime.frame import Pixels
from realtime.render import gl


class Transfer(ABC):
    """Used on the thread of the context.

    Attributes:
        description: how it is done, for reports; empty where there is nothing to say.
    """

    description = ""

    @abstractmethod
    def send(self, pixels: Pixels, texture: gl.Texture) -> None:
        """Make (H, W, 3) uint8 RGB `pixels` the contents of an 8-bit texture of that size, opaque."""

    @abstractmethod
    def fetch(self, target: gl.Target) -> Pixels:
        """(H, W, 3) uint8 RGB: the colours of a target, in memory of its own."""

    def settle(self) -> None:
        """At the end of each part of the drawing: wait until OpenGL has done it, so that the host's clock tells what it
        took. In software that costs nothing, for the next fetch waits for all of it."""
        GL.glFinish()

    def forget(self) -> None:  # noqa: B027  the host remembers nothing
        """Let go of the textures and targets it was given, which are about to be released."""

    def release(self) -> None:
        """Release everything; may be called more than once."""
        self.forget()


class HostTransfer(Transfer):
    """By the processor."""

    def __init__(self) -> None:
        self._rgba = np.empty((1, 1, 4), np.uint8)

    def send(self, pixels: Pixels, texture: gl.Texture) -> None:
        texture.upload(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA, dst=self._scratch(texture.size))))

    def fetch(self, target: gl.Target) -> Pixels:
        pixels: Pixels = cv2.cvtColor(target.read(self._scratch(target.size)), cv2.COLOR_RGBA2RGB)
        return pixels

    def _scratch(self, size: tuple[int, int]) -> Pixels:
        if self._rgba.shape[:2] != size[::-1]:
            self._rgba = np.empty((size[1], size[0], 4), np.uint8)
        return self._rgba


class BufferTransfer(Transfer):
    """Through pixel-buffer objects: memory of the driver's that the graphics card reads and writes by itself.

    Args:
        reason: why it is not done in a better way, for reports.
    """

    def __init__(self, reason: str) -> None:
        self.description = f"frames through pixel-buffer objects ({reason})"
        self._into, self._out_of = GL.glGenBuffers(2).tolist()

    def send(self, pixels: Pixels, texture: gl.Texture) -> None:
        width, height = texture.size
        GL.glBindBuffer(GL.GL_PIXEL_UNPACK_BUFFER, self._into)
        try:
            # new memory each time: the card may still read the last frame's
            GL.glBufferData(GL.GL_PIXEL_UNPACK_BUFFER, 4 * width * height, None, GL.GL_STREAM_DRAW)
            mapped = _mapped(GL.GL_PIXEL_UNPACK_BUFFER, texture.size, GL.GL_MAP_WRITE_BIT)
            cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA, dst=mapped)
            GL.glUnmapBuffer(GL.GL_PIXEL_UNPACK_BUFFER)
            texture.upload(None)
        finally:
            GL.glBindBuffer(GL.GL_PIXEL_UNPACK_BUFFER, 0)

    def fetch(self, target: gl.Target) -> Pixels:
        width, height = target.size
        GL.glBindBuffer(GL.GL_PIXEL_PACK_BUFFER, self._out_of)
        try:
            GL.glBufferData(GL.GL_PIXEL_PACK_BUFFER, 4 * width * height, None, GL.GL_STREAM_READ)
            target.read_into_buffer()
            mapped = _mapped(GL.GL_PIXEL_PACK_BUFFER, target.size, GL.GL_MAP_READ_BIT)
            pixels: Pixels = cv2.cvtColor(mapped, cv2.COLOR_RGBA2RGB)
            GL.glUnmapBuffer(GL.GL_PIXEL_PACK_BUFFER)
        finally:
            GL.glBindBuffer(GL.GL_PIXEL_PACK_BUFFER, 0)
        return pixels

    def release(self) -> None:
        if self._into:
            GL.glDeleteBuffers(2, [self._into, self._out_of])
            self._into = self._out_of = 0


def _mapped(kind: int, size: tuple[int, int], access: int) -> Pixels:
    """(H, W, 4) uint8: the bound buffer's own memory, until it is unmapped."""
    count = 4 * size[0] * size[1]
    address = GL.glMapBufferRange(kind, 0, count, access)
    memory = memoryview((ctypes.c_ubyte * count).from_address(int(address)))
    return np.frombuffer(memory, np.uint8).reshape(size[1], size[0], 4)
