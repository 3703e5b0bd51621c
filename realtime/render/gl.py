"""The few OpenGL objects the renderer needs: programs, textures, targets, meshes.

Every object belongs to the context that is current when it is made, and is released once, by `release`. All pictures,
textures and targets alike, hold the top row first: row 0 is the top of the picture and NDC y = -1.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np
from OpenGL import GL

from realtime.errors import GraphicsError
from realtime.frame import Floats, Pixels

SHADERS = Path(__file__).resolve().parents[2] / "shaders"

Rectangle: TypeAlias = tuple[int, int, int, int]  # x, y, width, height in pixels
Uniforms: TypeAlias = "Mapping[str, float | int | tuple[float, ...] | Texture]"


class Program:
    """A linked pair of shaders, `shaders/NAME.vert` and `shaders/NAME.frag`, with preprocessor names defined.

    Raises:
        GraphicsError: a shader does not compile or link; the message ends with the driver's log.
    """

    def __init__(self, vertex: str, fragment: str, defines: tuple[str, ...] = ()) -> None:
        self.id = GL.glCreateProgram()
        for name, kind in ((f"{vertex}.vert", GL.GL_VERTEX_SHADER), (f"{fragment}.frag", GL.GL_FRAGMENT_SHADER)):
            shader = GL.glCreateShader(kind)
            version, rest = (SHADERS / name).read_text("utf-8").split("\n", 1)
            GL.glShaderSource(shader, "\n".join([version, *(f"#define {define}" for define in defines), rest]))
            GL.glCompileShader(shader)
            if not GL.glGetShaderiv(shader, GL.GL_COMPILE_STATUS):
                raise GraphicsError(f"shader {name} does not compile: {GL.glGetShaderInfoLog(shader).decode()}")
            GL.glAttachShader(self.id, shader)
            GL.glDeleteShader(shader)
        GL.glLinkProgram(self.id)
        if not GL.glGetProgramiv(self.id, GL.GL_LINK_STATUS):
            raise GraphicsError(f"{vertex} and {fragment} do not link: {GL.glGetProgramInfoLog(self.id).decode()}")
        self._places: dict[str, int] = {}
        self._values: dict[str, float | tuple[float, ...]] = {}  # what OpenGL has of the uniforms that are no textures

    def use(self, uniforms: Uniforms) -> None:
        """Make current and set uniforms: numbers, tuples of 2 to 4 (vectors), and textures (units in order)."""
        GL.glUseProgram(self.id)
        unit = 0
        for name, value in uniforms.items():
            place = self._place(name)
            if place == -1:  # this variant has no such uniform
                continue
            if isinstance(value, Texture):
                GL.glActiveTexture(GL.GL_TEXTURE0 + unit)
                GL.glBindTexture(GL.GL_TEXTURE_2D, value.id)
                GL.glUniform1i(place, unit)
                unit += 1
                continue
            if self._values.get(name) == value:
                continue
            self._values[name] = value
            if isinstance(value, int):
                GL.glUniform1i(place, value)
            elif isinstance(value, float):
                GL.glUniform1f(place, value)
            else:
                (GL.glUniform2f, GL.glUniform3f, GL.glUniform4f)[len(value) - 2](place, *value)

    def _place(self, name: str) -> int:
        if name not in self._places:
            self._places[name] = GL.glGetUniformLocation(self.id, name)
        return self._places[name]

    def release(self) -> None:
        if self.id:
            GL.glDeleteProgram(self.id)
            self.id = 0


class Texture:
    """A 2D texture, clamped at its edges, sampled linearly.

    Args:
        size: (width, height).
        mipmaps: trilinear sampling; `upload` then also builds the smaller levels.
        floating: 16-bit float channels instead of 8-bit.
        precise: 32-bit float channels where they are floating.
    """

    def __init__(
        self, size: tuple[int, int], mipmaps: bool = False, floating: bool = False, precise: bool = False
    ) -> None:
        self.size, self.mipmaps = size, mipmaps
        self._kind = GL.GL_FLOAT if floating else GL.GL_UNSIGNED_BYTE
        self.id = GL.glGenTextures(1)
        GL.glBindTexture(GL.GL_TEXTURE_2D, self.id)
        inner = (GL.GL_RGBA32F if precise else GL.GL_RGBA16F) if floating else GL.GL_RGBA8
        GL.glTexImage2D(GL.GL_TEXTURE_2D, 0, inner, *size, 0, GL.GL_RGBA, self._kind, None)
        smaller = GL.GL_LINEAR_MIPMAP_LINEAR if mipmaps else GL.GL_LINEAR
        for name, value in (
            (GL.GL_TEXTURE_MIN_FILTER, smaller),
            (GL.GL_TEXTURE_MAG_FILTER, GL.GL_LINEAR),
            (GL.GL_TEXTURE_WRAP_S, GL.GL_CLAMP_TO_EDGE),
            (GL.GL_TEXTURE_WRAP_T, GL.GL_CLAMP_TO_EDGE),
        ):
            GL.glTexParameteri(GL.GL_TEXTURE_2D, name, value)

    def upload(self, picture: np.ndarray | None, rectangle: Rectangle | None = None) -> None:
        """Replace the texture, or a rectangle of it, by (H, W, 4) uint8 (float32 for a floating one), contiguous.

        None takes what is in the pixel-unpack buffer that is bound.
        """
        GL.glBindTexture(GL.GL_TEXTURE_2D, self.id)
        place = rectangle or (0, 0, *self.size)
        GL.glTexSubImage2D(GL.GL_TEXTURE_2D, 0, *place, GL.GL_RGBA, self._kind, picture)
        if self.mipmaps:
            GL.glGenerateMipmap(GL.GL_TEXTURE_2D)

    def release(self) -> None:
        if self.id:
            GL.glDeleteTextures([self.id])
            self.id = 0


class Target:
    """A framebuffer to draw into: an 8-bit colour texture; on request a second, floating one and a depth buffer.

    `precise` makes the floating one 32 bits deep.
    """

    def __init__(
        self, size: tuple[int, int], floating: bool = False, depth: bool = False, precise: bool = False
    ) -> None:
        self.size, self.floating = size, floating
        self.id = GL.glGenFramebuffers(1)
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self.id)
        self.textures = [Texture(size)] + ([Texture(size, floating=True, precise=precise)] if floating else [])
        points = [GL.GL_COLOR_ATTACHMENT0 + i for i in range(len(self.textures))]
        for point, texture in zip(points, self.textures, strict=True):
            GL.glFramebufferTexture2D(GL.GL_FRAMEBUFFER, point, GL.GL_TEXTURE_2D, texture.id, 0)
        GL.glDrawBuffers(len(points), points)
        self._depth = 0
        if depth:
            self._depth = GL.glGenRenderbuffers(1)
            GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, self._depth)
            GL.glRenderbufferStorage(GL.GL_RENDERBUFFER, GL.GL_DEPTH_COMPONENT24, *size)
            GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, GL.GL_DEPTH_ATTACHMENT, GL.GL_RENDERBUFFER, self._depth)
        if GL.glCheckFramebufferStatus(GL.GL_FRAMEBUFFER) != GL.GL_FRAMEBUFFER_COMPLETE:
            raise GraphicsError(f"this driver cannot draw into a {size[0]}x{size[1]} picture")

    @property
    def texture(self) -> Texture:
        return self.textures[0]

    def bind(self, viewport: tuple[int, int] | None = None) -> None:
        """Draw here from now on, into the top-left `viewport` (width, height) or all of it."""
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self.id)
        GL.glViewport(0, 0, *(viewport or self.size))

    def clear(self) -> None:
        """Everything transparent black, depth at the far end. The target must be bound."""
        GL.glClearColor(0, 0, 0, 0)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT | (GL.GL_DEPTH_BUFFER_BIT if self._depth else 0))

    def clear_depth(self, rectangle: Rectangle) -> None:
        """Depth at the far end in x, y, width, height. The target must be bound."""
        GL.glEnable(GL.GL_SCISSOR_TEST)
        GL.glScissor(*rectangle)
        GL.glClear(GL.GL_DEPTH_BUFFER_BIT)
        GL.glDisable(GL.GL_SCISSOR_TEST)

    def read(self, out: Pixels | None = None, rectangle: Rectangle | None = None) -> Pixels:
        """(H, W, 4) uint8 RGBA, top row first; of a rectangle only where one is given."""
        x, y, width, height = rectangle or (0, 0, *self.size)
        if out is None:
            out = np.empty((height, width, 4), np.uint8)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self.id)
        GL.glReadBuffer(GL.GL_COLOR_ATTACHMENT0)
        GL.glReadPixels(x, y, width, height, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, out)
        return out

    def read_into_buffer(self) -> None:
        """As `read`, into the pixel-pack buffer that is bound."""
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self.id)
        GL.glReadBuffer(GL.GL_COLOR_ATTACHMENT0)
        GL.glReadPixels(0, 0, *self.size, GL.GL_RGBA, GL.GL_UNSIGNED_BYTE, ctypes.c_void_p(0))

    def read_floating(self) -> Floats:
        """(H, W, 4) float32, the second attachment."""
        out = np.empty((self.size[1], self.size[0], 4), np.float32)
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self.id)
        GL.glReadBuffer(GL.GL_COLOR_ATTACHMENT1)
        GL.glReadPixels(0, 0, *self.size, GL.GL_RGBA, GL.GL_FLOAT, out)
        return out

    def copy_from(self, other: Target) -> None:
        """Copy the colour of a target of the same size."""
        width, height = self.size
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, other.id)
        GL.glReadBuffer(GL.GL_COLOR_ATTACHMENT0)
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, self.id)
        GL.glBlitFramebuffer(0, 0, width, height, 0, 0, width, height, GL.GL_COLOR_BUFFER_BIT, GL.GL_NEAREST)

    def release(self) -> None:
        if self.id:
            for texture in self.textures:
                texture.release()
            if self._depth:
                GL.glDeleteRenderbuffers(1, [self._depth])
            GL.glDeleteFramebuffers(1, [self.id])
            self.id = 0


class Mesh:
    """Vertices that change every frame and an index list that does not.

    Args:
        layout: floats per attribute, in the order of the shader's `layout(location = i)`.
        indices: (N, 3) triangles or (N, 2) lines, or None for points in order.
    """

    def __init__(self, layout: tuple[int, ...], indices: np.ndarray | None) -> None:
        self._stride = 4 * sum(layout)
        self._shared = False
        self._vertices = GL.glGenBuffers(1)
        self._indices = GL.glGenBuffers(1)
        self.id = GL.glGenVertexArrays(1)
        GL.glBindVertexArray(self.id)
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._vertices)
        offset = 0
        for location, floats in enumerate(layout):
            GL.glEnableVertexAttribArray(location)
            GL.glVertexAttribPointer(location, floats, GL.GL_FLOAT, GL.GL_FALSE, self._stride, ctypes.c_void_p(offset))
            offset += 4 * floats
        self._count: int | None = None
        self._shape = GL.GL_POINTS
        if indices is not None:
            self._shape = GL.GL_TRIANGLES if indices.shape[1] == 3 else GL.GL_LINES
            self._count = indices.size
            packed = np.ascontiguousarray(indices, np.uint32)
            GL.glBindBuffer(GL.GL_ELEMENT_ARRAY_BUFFER, self._indices)
            GL.glBufferData(GL.GL_ELEMENT_ARRAY_BUFFER, packed.nbytes, packed, GL.GL_STATIC_DRAW)
        GL.glBindVertexArray(0)

    def draw(self, vertices: Floats) -> None:
        """Upload (V, sum of the layout) float32 vertices and draw."""
        self.fill(vertices)
        GL.glBindVertexArray(self.id)
        if self._count is not None:
            GL.glDrawElements(self._shape, self._count, GL.GL_UNSIGNED_INT, None)
        else:
            GL.glDrawArrays(self._shape, 0, len(vertices))
        GL.glBindVertexArray(0)

    def fill(self, vertices: Floats) -> None:
        """Upload (V, sum of the layout) float32 vertices, for `draw_part`."""
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._vertices)
        packed = np.ascontiguousarray(vertices, np.float32)
        if self._shared:
            GL.glBufferSubData(GL.GL_ARRAY_BUFFER, 0, packed.nbytes, packed)
        else:
            GL.glBufferData(GL.GL_ARRAY_BUFFER, packed.nbytes, packed, GL.GL_STREAM_DRAW)

    def order(self, indices: np.ndarray) -> None:
        """Replace the index list by one of the same length."""
        GL.glBindVertexArray(self.id)  # whose index list it is
        packed = np.ascontiguousarray(indices, np.uint32)
        GL.glBufferSubData(GL.GL_ELEMENT_ARRAY_BUFFER, 0, packed.nbytes, packed)
        GL.glBindVertexArray(0)

    def share(self, size: int) -> int:
        """Keep the vertices where they are from now on, in `size` bytes, for others to fill.

        Returns:
            OpenGL's name of that buffer.
        """
        GL.glBindBuffer(GL.GL_ARRAY_BUFFER, self._vertices)
        GL.glBufferData(GL.GL_ARRAY_BUFFER, size, None, GL.GL_DYNAMIC_DRAW)
        self._shared = True
        return int(self._vertices)

    def draw_part(self, first: int, end: int) -> None:
        """Draw the triangles from `first` to before `end` of the index list with the vertices uploaded last."""
        GL.glBindVertexArray(self.id)
        start = ctypes.c_void_p(4 * 3 * first)
        GL.glDrawElements(self._shape, 3 * (end - first), GL.GL_UNSIGNED_INT, start)
        GL.glBindVertexArray(0)

    def release(self) -> None:
        if self.id:
            GL.glDeleteVertexArrays(1, [self.id])
            GL.glDeleteBuffers(2, [self._vertices, self._indices])
            self.id = 0


class Meshes:
    """The mesh of every index list, made when it is first drawn."""

    def __init__(self) -> None:
        self._made: dict[tuple[int, tuple[int, ...]], tuple[np.ndarray, Mesh]] = {}

    def __call__(self, indices: np.ndarray, layout: tuple[int, ...]) -> Mesh:
        """The mesh of an index list that never changes, as in `Mesh`."""
        key = (id(indices), layout)  # index lists are made once; kept here, so that their id stays theirs
        if key not in self._made:
            self._made[key] = (indices, Mesh(layout, indices))
        return self._made[key][1]

    def release(self) -> None:
        for _, mesh in self._made.values():
            mesh.release()


@contextmanager
def blending() -> Iterator[None]:
    """Premultiplied colours cover what is there."""
    GL.glEnable(GL.GL_BLEND)
    try:
        yield
    finally:
        GL.glDisable(GL.GL_BLEND)


@contextmanager
def backs_removed() -> Iterator[None]:
    """Only triangles that face the viewer are drawn."""
    GL.glEnable(GL.GL_CULL_FACE)
    GL.glFrontFace(GL.GL_CCW)  # our triangles run clockwise in the image, whose y points down: in NDC it is drawn up
    try:
        yield
    finally:
        GL.glDisable(GL.GL_CULL_FACE)


@contextmanager
def hidden_surfaces_removed() -> Iterator[None]:
    """Nearest triangles win, and only those that face the viewer are drawn."""
    GL.glEnable(GL.GL_DEPTH_TEST)
    GL.glDepthFunc(GL.GL_LESS)
    try:
        with backs_removed():
            yield
    finally:
        GL.glDisable(GL.GL_DEPTH_TEST)
