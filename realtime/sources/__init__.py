"""Where frames come from. `open_source` makes a source from one string; each kind has its own file."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from realtime.errors import InputError
from realtime.sources.base import Source, SourceOptions
from realtime.sources.camera import open_camera
from realtime.sources.demo import DURATION_S, Demo
from realtime.sources.devices import list_devices
from realtime.sources.image import ImageFolder, is_image, open_image, read_image
from realtime.sources.memory import Memory
from realtime.sources.modes import Device, Mode
from realtime.sources.network import open_address
from realtime.sources.video import VideoFile
from realtime.sources.wrapped import Detached, Limited, Paced

__all__ = [
    "KNOWN",
    "Demo",
    "Detached",
    "Device",
    "ImageFolder",
    "Limited",
    "Memory",
    "Mode",
    "Paced",
    "Source",
    "SourceOptions",
    "VideoFile",
    "chosen",
    "list_devices",
    "open_source",
    "read_image",
]

KNOWN = (
    "camera, camera:NUMBER, camera:NAME, a video file or address, an image file, images:FOLDER, kinect1:NUMBER,"
    " kinect1:NUMBER:ir, kinect2:NUMBER, azure:NUMBER, orbbec:NUMBER, rgbd:FOLDER, demo, auto"
)


def open_source(spec: str, options: SourceOptions | None = None) -> Source:
    """Open what a string names: see `KNOWN`; `auto` is a camera where there is one, else the demo.

    Raises:
        InputError: one sentence on what is wrong with it.
    """
    if not spec:
        raise InputError(f"No source was named: use {KNOWN}.")
    options = options or SourceOptions()
    source = _opened(spec, options)
    if options.limit_s is not None or options.limit_frames is not None:
        source = Limited(source, options.limit_s, options.limit_frames)
    return Paced(source) if options.paced and not source.live else source


def _opened(spec: str, options: SourceOptions) -> Source:
    spec = chosen(spec)
    scheme, _, argument = spec.partition(":")
    if not Path(spec).exists():
        if argument.startswith("//"):
            return open_address(spec, options)
        if scheme in _KINDS:
            _check_kinect_options(scheme, options)
            return _KINDS[scheme](argument, options)
        # one letter is a drive of Windows
        if argument and len(scheme) > 1 and scheme.isalnum():
            raise InputError(f"There is no source of the kind {scheme} (in {spec}): use {KNOWN}.")
    if is_image(Path(spec)):
        return open_image(Path(spec), options)
    video = VideoFile(spec, loop=options.loop)
    return Detached(video) if Path(spec).is_fifo() else video


def _check_kinect_options(scheme: str, options: SourceOptions) -> None:
    for name, value in (("--calibration", options.calibration), ("--save-kinect", options.save_kinect)):
        if value is not None and scheme != "kinect1":
            raise InputError(f"{name} belongs to a Kinect: leave it out, or use kinect1:0.")


def _open_folder(argument: str, options: SourceOptions) -> Source:
    if not argument:
        raise InputError("No folder was named after images: use images:FOLDER.")
    return ImageFolder(Path(argument), rate=options.rate, loop=options.loop)


def _open_demo(argument: str, options: SourceOptions) -> Source:
    if argument:
        raise InputError(f"The demo takes no argument (demo:{argument} was given): use demo.")
    endless = options.loop or options.limit_s is not None or options.limit_frames is not None
    return Demo(None if endless else DURATION_S)


def _open_rgbd(argument: str, options: SourceOptions) -> Source:
    from realtime.sources.rgbd import open_rgbd  # late: what it reads with is built on this package

    return open_rgbd(argument, options)


def _open_kinect1(argument: str, options: SourceOptions) -> Source:
    from realtime.sources.kinect1 import open_kinect1

    return open_kinect1(argument, options)


def _open_depth_camera(kind: str, argument: str, options: SourceOptions) -> Source:
    from realtime.sources.depth_cameras import open_depth_camera

    return open_depth_camera(kind, argument, options)


def chosen(spec: str) -> str:
    """`spec`, or for `auto` what it stands for on this machine: camera, or demo where no camera can be used."""
    if spec != "auto":
        return spec
    return "camera" if any(device.trouble is None for device in list_devices()) else "demo"


_KINDS: dict[str, Callable[[str, SourceOptions], Source]] = {
    "camera": open_camera,
    "images": _open_folder,
    "kinect1": _open_kinect1,
    **{kind: partial(_open_depth_camera, kind) for kind in ("kinect2", "azure", "orbbec")},
    "rgbd": _open_rgbd,
    "demo": _open_demo,
}
