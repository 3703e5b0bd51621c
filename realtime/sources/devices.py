"""Cameras of this machine."""

from __future__ import annotations

import sys

import av
import av.error

from realtime.sources.modes import Device

# What each system calls its camera interface in FFmpeg.
INTERFACES = {"linux": "v4l2", "win32": "dshow", "darwin": "avfoundation"}


def list_devices() -> list[Device]:
    """The cameras of this machine; `camera:N` is the one at place N.

    Windows and macOS list names alone, and were never run here.
    """
    if sys.platform == "linux":
        from realtime.sources import v4l2

        return v4l2.list_cameras()
    interface = INTERFACES.get(sys.platform)
    return [] if interface is None else _listed_by_ffmpeg(interface)


def _listed_by_ffmpeg(interface: str) -> list[Device]:
    try:
        found = av.enumerate_input_devices(interface)
    except (ValueError, av.FFmpegError):
        return []
    devices = []
    for info in found:
        if "video" in info.media_types:
            # dshow opens "video=NAME", avfoundation its own numbers
            address = f"video={info.description}" if interface == "dshow" else info.name
            devices.append(Device(info.description, address))
    return devices
