"""Draws the newest frame and lines of text into the window's framebuffer."""

from __future__ import annotations

import cv2

import realtime.render  # noqa: F401  chooses PyOpenGL's platform, so it comes first

# isort: split
from OpenGL import GL

from realtime.frame import Pixels
from realtime.render.gl import Program, Texture
from realtime.render.overlay import text_picture
from realtime.sinks.fit import letterbox

Size = tuple[int, int]
_LINE = 1.7  # height of a line in letter heights, as `text_picture` sets it


class Presenter:
    """The GL objects of one window; its context must be current on every call.

    Args:
        keys: the lines of the help page.
    """

    def __init__(self, keys: list[str]) -> None:
        self._program = Program("window", "window")
        self._vertices = GL.glGenVertexArrays(1)  # empty: the core profile wants one bound
        self._frame = _Picture()
        self._hud = _Text()
        self._help = _Text()
        self._keys = keys

    def show(self, pixels: Pixels) -> None:
        """Take a new frame, (H, W, 3) RGB."""
        self._frame.upload(cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA))

    def draw(self, size: Size, mirror: bool, hud: list[str], with_help: bool) -> None:
        """Fill a framebuffer of `size` (width, height): the frame with its shape kept, the figures, the help page."""
        width, height = size
        GL.glViewport(0, 0, width, height)
        GL.glClearColor(0, 0, 0, 1)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT)
        GL.glBindVertexArray(self._vertices)
        GL.glDisable(GL.GL_BLEND)
        if self._frame.texture is not None:
            self._fill(self._frame.texture, size, letterbox(self._frame.texture.size, size), mirror)
        GL.glEnable(GL.GL_BLEND)
        GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        letter = min(max(height / 52, 8.0), 28.0)
        margin = round(letter)
        if hud and (texture := self._hud.lay(hud, letter, (width - 2 * margin, height - 2 * margin))):
            self._fill(texture, size, (margin, margin, *texture.size))
        if with_help and (texture := self._help.lay(self._keys, 1.2 * letter, (width * 9 // 10, height * 9 // 10))):
            self._fill(texture, size, ((width - texture.size[0]) // 2, (height - texture.size[1]) // 2, *texture.size))

    def release(self) -> None:
        for picture in (self._frame, self._hud.picture, self._help.picture):
            picture.release()
        GL.glDeleteVertexArrays(1, [self._vertices])
        self._program.release()

    def _fill(self, texture: Texture, size: Size, rectangle: tuple[int, int, int, int], mirror: bool = False) -> None:
        x, y, width, height = (float(value) for value in rectangle)
        self._program.use(
            {
                "window": (float(size[0]), float(size[1])),
                "rectangle": (x, y, width, height),
                "mirror": float(mirror),
                "picture": texture,
            }
        )
        GL.glDrawArrays(GL.GL_TRIANGLE_STRIP, 0, 4)


class _Picture:
    """A texture that is made anew when the size of what it shows changes."""

    def __init__(self) -> None:
        self.texture: Texture | None = None

    def upload(self, rgba: Pixels) -> Texture:
        size = (rgba.shape[1], rgba.shape[0])
        if self.texture is None or self.texture.size != size:
            self.release()
            self.texture = Texture(size)
        self.texture.upload(rgba)
        return self.texture

    def release(self) -> None:
        if self.texture is not None:
            self.texture.release()
            self.texture = None


class _Text:
    """Lines of text as a texture, made anew when they or the room for them change."""

    def __init__(self) -> None:
        self.picture = _Picture()
        self._shown: tuple[list[str], float, Size] | None = None

    def lay(self, lines: list[str], letter_px: float, room: Size) -> Texture | None:
        """The lines in letters of `letter_px`, or smaller ones where the room, (width, height), is small."""
        if self._shown != (lines, letter_px, room) and min(room) > 0:
            self._shown = (list(lines), letter_px, room)
            letter = min(letter_px, room[1] / (_LINE * len(lines) + 1))
            plate = text_picture(lines, letter)
            if plate.shape[1] > room[0]:
                plate = text_picture(lines, letter * room[0] / plate.shape[1])
            self.picture.upload(plate)
        return self.picture.texture
