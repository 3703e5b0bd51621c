"""Cameras by place, name or address: Video4Linux, DirectShow (Windows) and AVFoundation (macOS) through FFmpeg."""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from functools import partial

import av
import av.error
from av.container import InputContainer
from av.video.reformatter import Colorspace

from realtime.errors import InputError
from realtime.sources.base import SourceOptions
from realtime.sources.devices import INTERFACES, list_devices
from realtime.sources.feed import open_feed
from realtime.sources.live import LiveInput, Patience
from realtime.sources.modes import Device, choose_mode


def open_camera(which: str, options: SourceOptions) -> LiveInput:
    """A camera: "" or "0" the first one, "N" the one at place N of `list_devices`, else (part of) a name or address.

    Raises:
        InputError: there is none like that, it is busy, or it gives no picture.
    """
    device = find_camera(which, list_devices())
    name, opener = f"Camera {device.name}", CameraOpener(device, options)
    # cameras that do not say so use BT.601 at every size
    feed = partial(open_feed, opener, name, Colorspace.ITU601)
    return LiveInput(name, feed, Patience(lost=options.lost_after))


def find_camera(which: str, devices: list[Device]) -> Device:
    """The camera meant by a word.

    Raises:
        InputError: says what was looked for and what there is.
    """
    if not devices:
        wanted = f"camera {which}" if which else "a camera"
        raise InputError(f"There is no camera on this machine ({wanted} was asked for): plug one in or use demo.")
    if not which or which.isdigit():
        place = int(which or 0)
        if place < len(devices):
            return devices[place]
    else:
        word = which.lower()
        exact = [device for device in devices if word in (device.name.lower(), device.address.lower())]
        similar = [device for device in devices if word in device.name.lower()]
        if exact or similar:
            return (exact or similar)[0]
    there = ", ".join(f"{place} {device.name}" for place, device in enumerate(devices))
    raise InputError(f"There is no camera {which}: choose one of {there}.")


class CameraOpener:
    """Opens one camera, also after it was plugged in again under another number.

    Args:
        device: as it was found first.
        options: size and rate to ask for.
        devices: gives the cameras there are now.
    """

    def __init__(
        self, device: Device, options: SourceOptions, devices: Callable[[], list[Device]] = list_devices
    ) -> None:
        self._device, self._options, self._devices = device, options, devices

    def __call__(self) -> InputContainer:
        """Open it.

        Raises:
            InputError: it is gone, busy, not allowed, or does not start.
        """
        devices = self._devices()
        same = [device for device in devices if device.name == self._device.name]
        device = next((device for device in same if device.address == self._device.address), None)
        device = device or next(iter(same), None)
        if device is None:
            raise InputError(f"Camera {self._device.name} is not plugged in: plug it in again.")
        interface = INTERFACES[sys.platform]
        try:
            container: InputContainer = av.open(device.address, format=interface, options=self._asked(device))
        except av.FFmpegError as error:
            raise InputError(_sentence(device, error)) from error
        return container

    def _asked(self, device: Device) -> dict[str, str]:
        """FFmpeg options of the interface for the size, rate and format wanted."""
        wanted = self._options
        mode = choose_mode(device.modes, wanted.width, wanted.height, wanted.rate)
        if mode is not None:
            asked = {"input_format": mode.format, "video_size": f"{mode.width}x{mode.height}"}
            if mode.rates:
                rate = min(mode.rates, key=lambda rate: abs(rate - (wanted.rate or mode.best_rate)))
                asked["framerate"] = f"{rate:g}"
            return asked
        asked = {"framerate": f"{wanted.rate or 30:g}"}
        if wanted.width and wanted.height:
            asked["video_size"] = f"{wanted.width}x{wanted.height}"
        return asked


def _sentence(device: Device, error: av.FFmpegError) -> str:
    if error.errno == errno.EBUSY:
        return f"Camera {device.name} is used by another program: close that program."
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"Camera {device.name} may not be opened: allow it in the system settings (Linux: the group video)."
    return f"Camera {device.name} cannot be started ({error.strerror}): ask for another size or rate."
