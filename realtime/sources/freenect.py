"""The system's libfreenect by ctypes: as much of it as colour, infrared and raw depth of a Kinect v1 need.

Its twin fakenect has the same functions and plays a recording instead: it is taken where the system's loader is told
to (`fakenect RECORDING COMMAND` of Debian's libfreenect-bin, or LD_LIBRARY_PATH), with FAKENECT_PATH set.
"""

from __future__ import annotations

import ctypes
import os
from ctypes import POINTER, byref, c_int, c_int8, c_int16, c_int32, c_long, c_uint32, c_void_p
from pathlib import Path
from typing import Any

from realtime.errors import InputError
from realtime.rgbd import fakenect

_NAMES = (
    *("libfreenect.so.0.5", "libfreenect.so.0", "libfreenect.so"),
    *("libfreenect.0.dylib", "libfreenect.dylib", "freenect.dll"),
)
RESOLUTION_MEDIUM = 1
VIDEO_RGB, VIDEO_IR_8BIT = 0, 2
DEPTH_11BIT = 0
DEVICE_CAMERA = 2
LOG_FATAL = 0


class FrameMode(ctypes.Structure):
    """`freenect_frame_mode`."""

    _fields_ = (
        ("reserved", c_uint32),
        ("resolution", c_int32),
        ("format", c_int32),
        ("bytes", c_int32),
        ("width", c_int16),
        ("height", c_int16),
        ("data_bits_per_pixel", c_int8),
        ("padding_bits_per_pixel", c_int8),
        ("framerate", c_int8),
        ("is_valid", c_int8),
    )


class TimeVal(ctypes.Structure):
    """`struct timeval`."""

    _fields_ = (("seconds", c_long), ("microseconds", c_long))


# device, pixels, time stamp
FrameCallback = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_uint32)

_SIGNATURES: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "freenect_init": (c_int, (POINTER(c_void_p), c_void_p)),
    "freenect_shutdown": (c_int, (c_void_p,)),
    "freenect_set_log_level": (None, (c_void_p, c_int)),
    "freenect_select_subdevices": (None, (c_void_p, c_int)),
    "freenect_num_devices": (c_int, (c_void_p,)),
    "freenect_open_device": (c_int, (c_void_p, POINTER(c_void_p), c_int)),
    "freenect_close_device": (c_int, (c_void_p,)),
    "freenect_find_video_mode": (FrameMode, (c_int, c_int)),
    "freenect_find_depth_mode": (FrameMode, (c_int, c_int)),
    "freenect_set_video_mode": (c_int, (c_void_p, FrameMode)),
    "freenect_set_depth_mode": (c_int, (c_void_p, FrameMode)),
    "freenect_set_video_callback": (None, (c_void_p, FrameCallback)),
    "freenect_set_depth_callback": (None, (c_void_p, FrameCallback)),
    "freenect_start_video": (c_int, (c_void_p,)),
    "freenect_start_depth": (c_int, (c_void_p,)),
    "freenect_stop_video": (c_int, (c_void_p,)),
    "freenect_stop_depth": (c_int, (c_void_p,)),
    "freenect_process_events_timeout": (c_int, (c_void_p, POINTER(TimeVal))),
}


def load() -> Any:
    """The library with its functions declared.

    Raises:
        InputError: it is not installed, or lacks a function.
    """
    library = None
    for name in _NAMES:
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    if library is None:
        raise InputError(
            "A Kinect v1 needs libfreenect, which is not installed: sudo apt-get install libfreenect0.5"
            " (macOS: brew install libfreenect)."
        )
    for name, (result, arguments) in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError as error:
            raise InputError(f"The installed libfreenect is too old (it has no {name}): install 0.5.") from error
        function.restype, function.argtypes = result, arguments
    return library


def plays_recordings(library: Any) -> bool:
    """Whether it is fakenect, which cannot set what only hardware has."""
    return not hasattr(library, "freenect_set_flag")


class Device:
    """One opened Kinect that streams; what comes in is gathered by `process`. Used on one thread.

    Args:
        library: see `load`.
        number: which one, from 0.
        infrared: instead of colour.

    Raises:
        InputError: there is none, it is used by another program, or does not start.
    """

    def __init__(self, library: Any, number: int, infrared: bool) -> None:
        if plays_recordings(library):
            _check_recording(infrared)
        self._library = library
        self._came: list[tuple[str, bytes, int]] = []
        self._context, self._device = c_void_p(), c_void_p()
        if library.freenect_init(byref(self._context), None) < 0:
            raise InputError("libfreenect cannot be started (no USB?): plug the Kinect in and try again.")
        try:
            self._start(number, infrared)
        except BaseException:
            self.close()
            raise

    def process(self, timeout_s: float) -> list[tuple[str, bytes, int]]:
        """Wait for the driver at most so long.

        Returns:
            ("video" or "depth", pixels, time stamp in ticks) of each frame that came, in order.

        Raises:
            InputError: the Kinect is gone.
        """
        wait = TimeVal(int(timeout_s), int(timeout_s % 1 * 1e6))
        if self._library.freenect_process_events_timeout(self._context, byref(wait)) < 0:
            raise InputError("it was pulled out, or its power failed.")
        came, self._came = self._came, []
        return came

    def close(self) -> None:
        """Stop and release it; may be called more than once."""
        if self._device:
            self._library.freenect_stop_video(self._device)
            self._library.freenect_stop_depth(self._device)
            self._library.freenect_close_device(self._device)
            self._device = c_void_p()
        if self._context:
            self._library.freenect_shutdown(self._context)
            self._context = c_void_p()

    def _start(self, number: int, infrared: bool) -> None:
        library = self._library
        library.freenect_set_log_level(self._context, LOG_FATAL)
        library.freenect_select_subdevices(self._context, DEVICE_CAMERA)
        count = library.freenect_num_devices(self._context)
        if number >= count:
            found = f"{count} found" if count > 0 else "none found"
            raise InputError(f"There is no Kinect v1 with the number {number} ({found}): plug in it and its power.")
        if library.freenect_open_device(self._context, byref(self._device), number) < 0:
            raise InputError(
                f"The Kinect {number} may not be opened: close other programs that use it (Linux: join the group"
                " plugdev)."
            )
        modes = (
            ("video", library.freenect_find_video_mode(RESOLUTION_MEDIUM, VIDEO_IR_8BIT if infrared else VIDEO_RGB)),
            ("depth", library.freenect_find_depth_mode(RESOLUTION_MEDIUM, DEPTH_11BIT)),
        )
        self._callbacks = []  # the library keeps no reference
        for kind, mode in modes:
            callback = FrameCallback(self._gather(kind, mode.bytes))
            self._callbacks.append(callback)
            getattr(library, f"freenect_set_{kind}_callback")(self._device, callback)
            if (
                not mode.is_valid
                or getattr(library, f"freenect_set_{kind}_mode")(self._device, mode) < 0
                or getattr(library, f"freenect_start_{kind}")(self._device) < 0
            ):
                raise InputError(f"The Kinect {number} gives no {kind}: use another USB port, without a hub.")

    def _gather(self, kind: str, size: int) -> Any:
        def came(_: int, pixels: int, stamp: int) -> None:
            # copied: the buffer is filled again; and nothing else here, for errors would be lost in C
            self._came.append((kind, ctypes.string_at(pixels, size), stamp))

        return came


def _check_recording(infrared: bool) -> None:
    """What fakenect does not check: it would end the process."""
    folder = os.environ.get("FAKENECT_PATH")
    if not folder:
        raise InputError("fakenect is loaded in place of libfreenect, and FAKENECT_PATH names no recording: set it.")
    if infrared:
        raise InputError(f"A recording of fakenect has no infrared ({folder}): use kinect1:0.")
    fakenect.entries(Path(folder))
