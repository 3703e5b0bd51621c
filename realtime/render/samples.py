"""A place to draw in whose pixels have several samples each: edges of a surface come out smooth, not as stairs."""

from __future__ import annotations

from OpenGL import GL

from realtime.errors import GraphicsError
from realtime.render.gl import Target

_SAMPLES = 4


class Multisampled:
    """A framebuffer with colour and depth of several samples; what is drawn goes on to a `Target` by `resolve`."""

    def __init__(self, size: tuple[int, int]) -> None:
        self.size = size
        samples = min(_SAMPLES, int(GL.glGetIntegerv(GL.GL_MAX_SAMPLES)))
        self._id = GL.glGenFramebuffers(1)
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._id)
        self._buffers = GL.glGenRenderbuffers(2)
        parts = ((GL.GL_RGBA8, GL.GL_COLOR_ATTACHMENT0), (GL.GL_DEPTH_COMPONENT24, GL.GL_DEPTH_ATTACHMENT))
        for buffer, (kind, point) in zip(self._buffers, parts, strict=True):
            GL.glBindRenderbuffer(GL.GL_RENDERBUFFER, buffer)
            GL.glRenderbufferStorageMultisample(GL.GL_RENDERBUFFER, samples, kind, *size)
            GL.glFramebufferRenderbuffer(GL.GL_FRAMEBUFFER, point, GL.GL_RENDERBUFFER, buffer)
        if GL.glCheckFramebufferStatus(GL.GL_FRAMEBUFFER) != GL.GL_FRAMEBUFFER_COMPLETE:
            raise GraphicsError(f"this driver cannot draw {samples} samples into a {size[0]}x{size[1]} picture")

    def begin(self, viewport: tuple[int, int]) -> None:
        """Draw into the top-left `viewport` (width, height) from now on, over transparent black."""
        GL.glBindFramebuffer(GL.GL_FRAMEBUFFER, self._id)
        GL.glViewport(0, 0, *viewport)
        GL.glClearColor(0, 0, 0, 0)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)

    def resolve(self, target: Target, viewport: tuple[int, int]) -> None:
        """Put the mean of each pixel's samples into a target that has one texture."""
        GL.glBindFramebuffer(GL.GL_READ_FRAMEBUFFER, self._id)
        GL.glBindFramebuffer(GL.GL_DRAW_FRAMEBUFFER, target.id)
        GL.glBlitFramebuffer(0, 0, *viewport, 0, 0, *viewport, GL.GL_COLOR_BUFFER_BIT, GL.GL_NEAREST)

    def release(self) -> None:
        if self._id:
            GL.glDeleteRenderbuffers(2, self._buffers)
            GL.glDeleteFramebuffers(1, [self._id])
            self._id = 0
