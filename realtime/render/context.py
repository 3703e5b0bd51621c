"""An OpenGL 3.3 core context that draws off screen.

Linux: surfaceless EGL, on a GPU where there is one, else on Mesa's software renderer. Windows and macOS: a hidden GLFW
window (never run by the authors on those systems). A context belongs to the thread that makes it current.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Callable, Sequence
from functools import partial
from types import TracebackType
from typing import Any, Protocol, Self

from realtime.errors import GraphicsError


class _Backend(Protocol):
    def make_current(self) -> None: ...

    def release(self) -> None: ...


class Context:
    """An off-screen context, current on the thread that opened it.

    Attributes:
        description: version and renderer, e.g. "4.5 (Core Profile) Mesa, llvmpipe".

    Raises:
        GraphicsError: no OpenGL 3.3 core context can be made here.
    """

    def __init__(self) -> None:
        self._backend: _Backend | None = _EGL() if sys.platform.startswith("linux") else _HiddenWindow()
        self._backend.make_current()
        from OpenGL import GL

        version, renderer = (GL.glGetString(name).decode() for name in (GL.GL_VERSION, GL.GL_RENDERER))
        self.description = f"{version}, {renderer}"

    def make_current(self) -> None:
        """Draw here from now on: another context of this thread was made since, or is drawn in, too."""
        if self._backend is not None:
            self._backend.make_current()

    def release(self) -> None:
        """Give the context back; may be called more than once, on the thread that made it."""
        if self._backend is not None:
            self._backend.release()
            self._backend = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


_QueryAttribute = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_void_p, ctypes.c_int, ctypes.POINTER(ctypes.c_ssize_t))
_CUDA_DEVICE = 0x323A  # EGL_NV_device_cuda
_MOST_DEVICES = 16


def in_cuda_order(devices: Sequence[Any], query: Callable[..., int]) -> list[Any]:
    """EGL's devices, those first that CUDA knows in this process, by its numbers: EGL has an order of its own.

    Args:
        devices: pointers.
        query: EGL's eglQueryDeviceAttribEXT.
    """

    def number(device: Any) -> float:
        value = ctypes.c_ssize_t()
        known = query(ctypes.cast(device, ctypes.c_void_p), _CUDA_DEVICE, ctypes.byref(value))
        return value.value if known else float("inf")

    return sorted(devices, key=number)


class _EGL:
    """Surfaceless EGL: the GPUs that CUDA knows in its order, for frames stay on its first one; then the drivers' other
    devices in theirs, Mesa's surfaceless platform, and the default display."""

    _PLATFORM_DEVICE = 0x313F
    _PLATFORM_SURFACELESS = 0x31DD

    def __init__(self) -> None:
        try:
            from OpenGL import EGL
        except (ImportError, AttributeError) as error:
            raise GraphicsError(f"EGL could not be loaded ({error}): install libegl1 and libgl1-mesa-dri") from error
        self._egl: Any = EGL
        for ask in self._displays():
            if self._open(ask):
                return
        raise GraphicsError("no OpenGL 3.3 context could be made through EGL: install libegl1 and libgl1-mesa-dri")

    def _displays(self) -> list[Callable[[], Any]]:
        """What to ask for them, one after the other; a driver may answer with an error."""
        from OpenGL.EGL.EXT.platform_base import eglGetPlatformDisplayEXT

        asked: list[Callable[[], Any]] = []
        if eglGetPlatformDisplayEXT:
            devices = [(self._PLATFORM_DEVICE, device) for device in self._devices()]
            for platform, device in (*devices, (self._PLATFORM_SURFACELESS, None)):
                asked.append(partial(eglGetPlatformDisplayEXT, platform, device, None))
        return [*asked, partial(self._egl.eglGetDisplay, self._egl.EGL_DEFAULT_DISPLAY)]

    def _devices(self) -> list[Any]:
        from OpenGL.EGL.EXT.device_enumeration import eglQueryDevicesEXT

        egl = self._egl
        devices, count = (egl.EGLDeviceEXT * _MOST_DEVICES)(), egl.EGLint()
        try:
            if not eglQueryDevicesEXT or not eglQueryDevicesEXT(_MOST_DEVICES, devices, ctypes.byref(count)):
                return []
        except egl.EGLError:
            return []
        # PyOpenGL has this function, too, but looks for its extension at a display that is not open yet
        query = egl.eglGetProcAddress(b"eglQueryDeviceAttribEXT")
        found = devices[: count.value]
        return in_cuda_order(found, _QueryAttribute(query)) if query else found

    def _open(self, ask: Callable[[], Any]) -> bool:
        egl = self._egl
        try:
            display = ask()
            if not display or not egl.eglInitialize(display, None, None):
                return False
            egl.eglBindAPI(egl.EGL_OPENGL_API)
            wanted = [egl.EGL_RENDERABLE_TYPE, egl.EGL_OPENGL_BIT, egl.EGL_SURFACE_TYPE, 0, egl.EGL_NONE]
            config, count = (egl.EGLConfig * 1)(), egl.EGLint()
            egl.eglChooseConfig(display, (egl.EGLint * len(wanted))(*wanted), config, 1, ctypes.byref(count))
            # EGL 1.5: major, minor version and the core profile bit
            version = [0x3098, 3, 0x30FB, 3, 0x30FD, 1, egl.EGL_NONE]
            context = egl.eglCreateContext(
                display, config[0], egl.EGL_NO_CONTEXT, (egl.EGLint * len(version))(*version)
            )
        except egl.EGLError:
            return False
        if count.value == 0 or not context:
            return False
        self._display, self._context = display, context
        return True

    def make_current(self) -> None:
        egl = self._egl
        if not egl.eglMakeCurrent(self._display, egl.EGL_NO_SURFACE, egl.EGL_NO_SURFACE, self._context):
            raise GraphicsError("this EGL cannot draw without a surface: update the graphics driver")

    def release(self) -> None:
        egl = self._egl
        egl.eglMakeCurrent(self._display, egl.EGL_NO_SURFACE, egl.EGL_NO_SURFACE, egl.EGL_NO_CONTEXT)
        egl.eglDestroyContext(self._display, self._context)


class _HiddenWindow:
    """A hidden GLFW window's context. GLFW wants windows made on the main thread; drawing may be elsewhere."""

    def __init__(self) -> None:
        import glfw

        self._glfw = glfw
        if not glfw.init():
            raise GraphicsError("GLFW could not start: is there a display?")
        glfw.window_hint(glfw.VISIBLE, glfw.FALSE)
        glfw.window_hint(glfw.CONTEXT_VERSION_MAJOR, 3)
        glfw.window_hint(glfw.CONTEXT_VERSION_MINOR, 3)
        glfw.window_hint(glfw.OPENGL_PROFILE, glfw.OPENGL_CORE_PROFILE)
        glfw.window_hint(glfw.OPENGL_FORWARD_COMPAT, glfw.TRUE)
        self._window = glfw.create_window(16, 16, "offscreen", None, None)
        if not self._window:
            raise GraphicsError("no OpenGL 3.3 context could be made: update the graphics driver")

    def make_current(self) -> None:
        self._glfw.make_context_current(self._window)

    def release(self) -> None:
        self._glfw.make_context_current(None)  # type: ignore[arg-type]  # GLFW: none
        self._glfw.destroy_window(self._window)
