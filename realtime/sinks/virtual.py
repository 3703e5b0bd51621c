"""The virtual camera: other programs see the picture as a webcam. Needs pyvirtualcam (GPL-2) and a driver."""

from __future__ import annotations

import platform
import threading
import time
from typing import Any

from realtime.errors import DeviceLostError, OutputError
from realtime.frame import Pixels, Result
from realtime.sinks.base import Sink, SinkOptions
from realtime.sinks.fit import even, fit

DRIVERS = {
    "Linux": "install v4l2loopback (sudo apt install v4l2loopback-dkms) and load it"
    " (sudo modprobe v4l2loopback exclusive_caps=1 card_label=Facet)",
    "Darwin": "install OBS 30 or newer (https://obsproject.com), start its virtual camera once, and stop it again",
    "Windows": "install OBS (https://obsproject.com), whose setup brings the driver OBS Virtual Camera",
}
_USUAL_SIZE = (1280, 720)
_USUAL_RATE = 30.0
# A frame that is late by less than half its time is waited for: repeating would only delay it.
_PATIENCE = 1.5


class VirtualCamera(Sink):
    """Sends every new frame at once, on a thread of its own, and repeats the last one while no new one comes.

    The size is that of the first frame (made even); frames of another size are fitted in.

    Attributes:
        device: what the camera is called in other programs, e.g. "/dev/video10".
    """

    def __init__(self, device: str | None, options: SinkOptions) -> None:
        """Open `device`, or the first one there is.

        Raises:
            OutputError: pyvirtualcam or its driver is missing, or the device is in use.
        """
        self._wanted = device
        self._rate = options.rate or _USUAL_RATE
        self._size = even(options.size or _USUAL_SIZE)
        self._camera: Any = self._open()
        self.device: str = self._camera.device
        self.name = f"virtual:{self.device}"
        self._newest: Pixels | None = None
        self._fresh = self._closed = False
        self._error: Exception | None = None
        self._change = threading.Condition()
        self._sender: threading.Thread | None = None

    def write(self, result: Result) -> None:
        if self._error is not None:
            raise DeviceLostError(
                f"The virtual camera {self.device} takes no more frames ({self._error}): was its driver unloaded?"
            ) from self._error
        if self._sender is None:
            self._begin(even(result.frame.size))
        picture = fit(result.frame.pixels, self._size)
        with self._change:
            self._newest, self._fresh = picture, True
            self._change.notify()

    def close(self) -> None:
        with self._change:
            self._closed = True
            self._change.notify()
        if self._sender is not None:
            self._sender.join()
        self._camera.close()

    def _begin(self, size: tuple[int, int]) -> None:
        if size != self._size:
            self._camera.close()
            self._size = size
            self._camera = self._open()
        self._sender = threading.Thread(target=self._send, name="virtual camera", daemon=True)
        self._sender.start()

    def _open(self) -> Any:
        try:
            import pyvirtualcam
        except ImportError as error:
            raise OutputError(
                "The virtual camera needs the package pyvirtualcam: install it with pip install pyvirtualcam"
                " (it is GPL-2 and therefore not among the requirements)."
            ) from error
        width, height = self._size
        try:
            return pyvirtualcam.Camera(width, height, self._rate, device=self._wanted)
        except RuntimeError as error:
            reasons = "; ".join(str(error).splitlines())
            help_line = DRIVERS.get(platform.system(), "this system has no driver that pyvirtualcam knows")
            raise OutputError(
                f"No virtual camera{f' {self._wanted}' if self._wanted else ''} can be opened ({reasons}): {help_line}."
            ) from error

    def _send(self) -> None:
        period = 1 / self._rate
        due = time.monotonic()
        try:
            while True:
                with self._change:
                    self._change.wait_for(lambda: self._fresh or self._closed, max(due - time.monotonic(), 0))
                    if self._closed:
                        return
                    picture, fresh, self._fresh = self._newest, self._fresh, False
                if picture is not None:
                    self._camera.send(picture)
                due = time.monotonic() + (_PATIENCE if fresh else 1) * period
        except (RuntimeError, OSError) as error:  # what drivers raise; `write` reports it
            self._error = error
