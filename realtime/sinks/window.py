"""The window: shows the newest frame, takes keys and the mouse. Made, pumped and closed on the main thread."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import glfw

from realtime.controls import KEYS, Action, Controls, Settings
from realtime.errors import OutputError
from realtime.frame import Pixels, Result
from realtime.sinks.base import Sink, SinkOptions
from realtime.sinks.present import Presenter

_USUAL_SIZE = (1280, 720)
_HUD_S = 0.25  # figures that change faster cannot be read
_DRAG_DEG = 120.0  # a drag across the whole window
_REPEATED = {
    Action.YAW_LEFT,
    Action.YAW_RIGHT,
    Action.PITCH_UP,
    Action.PITCH_DOWN,
    Action.ROLL_LEFT,
    Action.ROLL_RIGHT,
}
# In a mirror the left arrow turns to what is seen as left.
_MIRRORED = {"left": "right", "right": "left", "comma": "period", "period": "comma"}


class Window(Sink):
    """A window on the screen.

    `write` may be called from any thread and only notes the newest frame; `pump` on the main thread does the rest.
    Nothing waits for the display's refresh.

    Args:
        options: `options.size` is the size the window opens with.
        controls: what keys and mouse act on, and where mirror, full screen, figures and help are read.
        hud: gives the lines of figures to show.
        title: of the window.

    Raises:
        OutputError: there is no display, or no OpenGL 3.3 on it.
    """

    def __init__(
        self, options: SinkOptions, controls: Controls, hud: Callable[[], list[str]], title: str = "Facet"
    ) -> None:
        self.name = "window"
        self._controls = controls
        self._hud = hud
        self._thread = threading.get_ident()
        self._window = _open_window(options.size or _USUAL_SIZE, title)
        glfw.make_context_current(self._window)
        glfw.swap_interval(0)
        self._presenter = Presenter(help_lines())
        self._sized = options.size is not None
        self._newest: Pixels | None = None
        self._fresh = threading.Event()
        self._stale = True  # something other than the frame changed
        self._drawn: tuple[Settings, list[str]] | None = None
        self._lines: list[str] = []
        self._lines_at = 0.0
        self._dragging = False
        self._mouse: tuple[float, float] | None = None  # where events, not the server, say it is: events may lag
        self._place: tuple[int, int, int, int] | None = None  # x, y, width, height to go back to from full screen
        self._closed = False
        self._listen()

    def write(self, result: Result) -> None:
        self._newest = result.frame.pixels
        self._fresh.set()

    def pump(self) -> None:
        """Take the events since the last call and draw what is new; main thread only, at least 30 times a second."""
        if self._window is None:
            return
        if self._closed:
            self.close()
            return
        glfw.poll_events()
        settings = self._controls.settings
        self._set_fullscreen(settings.fullscreen)
        now = time.monotonic()
        if now - self._lines_at >= _HUD_S:
            self._lines, self._lines_at = self._hud(), now
        seen = (settings, self._lines)
        if self._fresh.is_set() or self._stale or seen != self._drawn:
            self._draw(settings)
            self._drawn, self._stale = seen, False

    def close(self) -> None:
        """On the main thread: take the window away. On another one: it goes with the next `pump` or `close` there."""
        self._closed = True
        if self._window is not None and threading.get_ident() == self._thread:
            glfw.make_context_current(self._window)
            self._presenter.release()
            glfw.destroy_window(self._window)
            self._window = None

    def _draw(self, settings: Settings) -> None:
        size = glfw.get_framebuffer_size(self._window)
        if min(size) == 0:  # minimised
            return
        glfw.make_context_current(self._window)
        if self._fresh.is_set():
            self._fresh.clear()
            pixels = self._newest
            assert pixels is not None
            if not self._sized:
                self._sized = True
                glfw.set_window_size(self._window, *_on_screen((pixels.shape[1], pixels.shape[0])))
            self._presenter.show(pixels)
        self._presenter.draw(size, settings.mirror, self._lines if settings.hud else [], settings.help)
        glfw.swap_buffers(self._window)

    def _listen(self) -> None:
        glfw.set_key_callback(self._window, self._on_key)
        glfw.set_mouse_button_callback(self._window, self._on_button)
        glfw.set_cursor_pos_callback(self._window, self._on_move)
        glfw.set_window_close_callback(self._window, lambda _: self._controls.act(Action.QUIT))
        glfw.set_framebuffer_size_callback(self._window, lambda *_: self._refresh())
        glfw.set_window_refresh_callback(self._window, lambda _: self._refresh())

    def _refresh(self) -> None:
        # Where moving or resizing holds the event loop (Windows, macOS), GLFW still calls this: draw at once.
        self._draw(self._controls.settings)

    def _on_key(self, _: Any, code: int, scancode: int, event: int, modifiers: int) -> None:
        if event == glfw.RELEASE or modifiers & (glfw.MOD_CONTROL | glfw.MOD_ALT | glfw.MOD_SUPER):
            return
        name = key_name(code, scancode)
        if self._controls.settings.mirror:
            name = _MIRRORED.get(name, name)
        if event == glfw.PRESS or KEYS.get(name) in _REPEATED:
            self._controls.press(name)

    def _on_button(self, _: Any, button: int, event: int, __: int) -> None:
        if button == glfw.MOUSE_BUTTON_LEFT:
            self._dragging = event == glfw.PRESS

    def _on_move(self, _: Any, x: float, y: float) -> None:
        before, self._mouse = self._mouse or (x, y), (x, y)
        if self._dragging:
            degrees = _DRAG_DEG / max(glfw.get_window_size(self._window)[0], 1)
            right, down = degrees * (x - before[0]), degrees * (y - before[1])
            self._controls.turn(-right if self._controls.settings.mirror else right, -down)

    def _set_fullscreen(self, wanted: bool) -> None:
        if wanted == (self._place is not None):
            return
        if self._place is None:
            self._place = (*glfw.get_window_pos(self._window), *glfw.get_window_size(self._window))
            monitor = glfw.get_primary_monitor()
            mode = glfw.get_video_mode(monitor)
            glfw.set_window_monitor(self._window, monitor, 0, 0, mode.size.width, mode.size.height, mode.refresh_rate)
        else:
            glfw.set_window_monitor(self._window, None, *self._place, 0)  # type: ignore[arg-type]
            self._place = None
        glfw.swap_interval(0)  # some drivers forget it with the surface
        self._stale = True


def key_name(code: int, scancode: int) -> str:
    """The name of a key as in `realtime.controls.KEYS`, or "" for one that has none.

    Letters are what the person's keyboard layout says, all other keys those of GLFW (their place on a US keyboard).
    """
    letter = glfw.get_key_name(code, scancode)
    if letter and letter.isascii() and letter.isalpha():
        return str(letter.lower())
    return next((name for name in KEYS if getattr(glfw, f"KEY_{name.upper()}") == code), "")


def help_lines() -> list[str]:
    """One line per action: its keys and what they do."""
    keys: dict[Action, list[str]] = {}
    for key, action in KEYS.items():
        keys.setdefault(action, []).append(key)
    return [f"{' or '.join(names)}:  {action}" for action, names in keys.items()] + [
        "mouse drag:  turn the face, or move the lamp"
    ]


def _open_window(size: tuple[int, int], title: str) -> Any:
    reasons: list[str] = []

    def note(_: int, text: Any) -> None:  # bytes, whatever the package's annotation says
        reasons.append(text.decode(errors="replace"))

    glfw.set_error_callback(note)
    window = None
    if glfw.init():
        glfw.default_window_hints()
        glfw.window_hint(glfw.CONTEXT_VERSION_MAJOR, 3)
        glfw.window_hint(glfw.CONTEXT_VERSION_MINOR, 3)
        glfw.window_hint(glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE)
        glfw.window_hint(glfw.OPENGL_FORWARD_COMPAT, glfw.TRUE)
        if sys.platform.startswith("linux"):  # see realtime.render: PyOpenGL knows one platform, EGL
            glfw.window_hint(glfw.CONTEXT_CREATION_API, glfw.EGL_CONTEXT_API)
        window = glfw.create_window(*_on_screen(size), title, None, None)
    glfw.set_error_callback(None)  # type: ignore[arg-type]  # back to the package's own
    if not window:
        reason = reasons[-1] if reasons else "GLFW gives no reason"
        raise OutputError(
            f"The window cannot be opened ({reason}): start it in a desktop session, or use --sink out.mp4 instead."
        )
    return window


def _on_screen(size: tuple[int, int]) -> tuple[int, int]:
    """`size`, (width, height), shrunk with its shape kept to nine tenths of the screen."""
    monitor = glfw.get_primary_monitor()
    if not monitor:
        return size
    _, _, width, height = glfw.get_monitor_workarea(monitor)
    scale = min(0.9 * width / size[0], 0.9 * height / size[1], 1.0)
    return max(round(size[0] * scale), 1), max(round(size[1] * scale), 1)
