"""Depth cameras behind Python packages of their makers or friends: Kinect v2, Azure Kinect, Orbbec.

Written from the packages' own examples and tried against stand-ins of them alone: NONE OF THIS HAS RUN ON HARDWARE.
The packages are imported when such a camera is asked for.
"""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterator
from functools import partial
from importlib import import_module
from typing import Any

import cv2
import numpy as np

from realtime.errors import InputError
from realtime.frame import Intrinsics, Pixels
from realtime.rgbd.calibration import Calibration, Camera
from realtime.rgbd.pairing import Pairing
from realtime.rgbd.registration import Registration
from realtime.sources.base import SourceOptions
from realtime.sources.feed import Arrival, Feed, Picture
from realtime.sources.live import LiveInput, Patience

_WAIT_MS = 200
_SILENT_S = 3.0


class PackagedFeed(Feed):
    """A camera whose package gives colour and depth of one moment together.

    Args:
        package: the imported module.
        number: which camera, from 0.

    Raises:
        InputError: there is none, or it does not start.
    """

    rate = 30.0
    title: str
    module: str
    install: str

    def __init__(self, package: Any, number: int) -> None:
        self._package = package
        try:
            self._open(number)
        except Exception as error:  # the packages share no family of errors, and some raise Exception itself
            raise InputError(
                f"{self.title} {number} cannot be started ({error}): plug it in, with its power, and close other"
                " programs that use it."
            ) from error

    def __iter__(self) -> Iterator[Arrival | None]:
        heard = time.perf_counter()
        while True:
            try:
                came = self._wait()
            except Exception as error:
                raise InputError(f"it gives no pictures ({error}).") from error
            now = time.perf_counter()
            heard = now if came is not None else heard
            if now - heard > _SILENT_S:
                raise InputError("it sends no pictures.")
            yield None
            if came is not None:
                yield Arrival(now, came)

    @abstractmethod
    def _open(self, number: int) -> None:
        """Start the camera."""

    @abstractmethod
    def _wait(self) -> partial[Picture] | None:
        """What makes the next picture, or None where none came in time."""


class Kinect2Feed(PackagedFeed):
    """Kinect v2 through libfreenect2: 512x424 depth on colour at half size, 960x540."""

    title, module = "Kinect v2", "pylibfreenect2"
    install = "build libfreenect2, then pip install pylibfreenect2"
    _COLOUR = (960, 540)
    _DEPTH = (512, 424)
    _BETWEEN_MM = 52.0  # its colour camera stands beside the infrared one

    def _open(self, number: int) -> None:
        package = self._package
        self._system = package.Freenect2()
        if number >= self._system.enumerateDevices():
            raise InputError("there is none")
        self._device = self._system.openDevice(self._system.getDeviceSerialNumber(number))
        self._listener = package.SyncMultiFrameListener(package.FrameType.Color | package.FrameType.Depth)
        self._device.setColorFrameListener(self._listener)
        self._device.setIrAndDepthFrameListener(self._listener)
        self._device.start()
        infrared, colour = self._device.getIrCameraParams(), self._device.getColorCameraParams()
        seen = Intrinsics(infrared.fx, infrared.fy, infrared.cx, infrared.cy)
        self._intrinsics = Intrinsics(colour.fx, colour.fy, colour.cx, colour.cy).scaled(0.5)
        self._registration = Registration(
            Calibration(
                Camera(self._COLOUR, self._intrinsics),
                Camera(self._DEPTH, seen, (infrared.k1, infrared.k2, infrared.p1, infrared.p2, infrared.k3)),
                translation_mm=np.array([-self._BETWEEN_MM, 0.0, 0.0]),
            )
        )

    def _wait(self) -> partial[Picture] | None:
        frames = self._listener.waitForNewFrame()  # no time limit in this package: a hung thread is left behind
        colour = frames["color"].asarray()[..., :3].copy()
        depth = frames["depth"].asarray().copy()
        self._listener.release(frames)
        return partial(self._picture, colour, depth)

    def close(self) -> None:
        self._device.stop()
        self._device.close()

    def _picture(self, colour: np.ndarray, depth: np.ndarray) -> Picture:
        small = cv2.resize(colour, self._COLOUR, interpolation=cv2.INTER_AREA)
        measured = np.where(np.isfinite(depth), np.clip(depth, 0, 65535), 0).astype(np.uint16)
        return Picture(_rgb(small), self._registration(measured), self._intrinsics, 0.0)


class AzureFeed(PackagedFeed):
    """Azure Kinect through Microsoft's SDK, which registers depth to colour itself: 1280x720."""

    title, module = "Azure Kinect", "pyk4a"
    install = "install Microsoft's Azure Kinect SDK, then pip install pyk4a"

    def _open(self, number: int) -> None:
        package = self._package
        config = package.Config(
            color_resolution=package.ColorResolution.RES_720P,
            depth_mode=package.DepthMode.NFOV_UNBINNED,
            camera_fps=package.FPS.FPS_30,
            synchronized_images_only=True,
        )
        self._camera = package.PyK4A(config, device_id=number)
        self._camera.start()
        matrix = self._camera.calibration.get_camera_matrix(package.CalibrationType.COLOR)
        self._intrinsics = Intrinsics(*(float(matrix[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2))))

    def _wait(self) -> partial[Picture] | None:
        try:
            capture = self._camera.get_capture(_WAIT_MS)
        except self._package.K4ATimeoutException:
            return None
        return partial(self._picture, capture) if capture.color is not None else None

    def close(self) -> None:
        self._camera.stop()

    def _picture(self, capture: Any) -> Picture:
        depth = capture.transformed_depth
        apart_s = None if depth is None else (capture.depth_timestamp_usec - capture.color_timestamp_usec) / 1e6
        return Picture(_rgb(capture.color), depth, self._intrinsics, apart_s)


class OrbbecFeed(PackagedFeed):
    """Orbbec's cameras (Femto, Gemini, Astra 2) through their SDK, which registers depth to colour itself."""

    title, module = "Orbbec camera", "pyorbbecsdk"
    install = "pip install pyorbbecsdk2 (or build pyorbbecsdk)"

    def _open(self, number: int) -> None:
        package = self._package
        devices = package.Context().query_devices()
        if number >= devices.get_count():
            raise InputError("there is none")
        self._pipeline = package.Pipeline(devices.get_device_by_index(number))
        config = package.Config()
        colour = self._pipeline.get_stream_profile_list(package.OBSensorType.COLOR_SENSOR)
        config.enable_stream(colour.get_video_stream_profile(0, 0, package.OBFormat.RGB, 0))
        depth = self._pipeline.get_stream_profile_list(package.OBSensorType.DEPTH_SENSOR)
        config.enable_stream(depth.get_default_video_stream_profile())
        self._align = package.AlignFilter(align_to_stream=package.OBStreamType.COLOR_STREAM)
        self._pipeline.enable_frame_sync()
        self._pipeline.start(config)

    def _wait(self) -> partial[Picture] | None:
        frames = self._pipeline.wait_for_frames(_WAIT_MS)
        aligned = None if frames is None else self._align.process(frames)
        if not aligned:
            return None
        aligned = aligned.as_frame_set()
        colour, depth = aligned.get_color_frame(), aligned.get_depth_frame()
        return None if colour is None or depth is None else partial(self._picture, colour, depth)

    def close(self) -> None:
        self._pipeline.stop()

    def _picture(self, colour: Any, depth: Any) -> Picture:
        pixels = np.frombuffer(colour.get_data(), np.uint8).reshape(colour.get_height(), colour.get_width(), 3)
        steps = np.frombuffer(depth.get_data(), np.uint16).reshape(depth.get_height(), depth.get_width())
        measured = np.rint(np.minimum(steps * float(depth.get_depth_scale()), 65535)).astype(np.uint16)
        seen = self._pipeline.get_camera_param().rgb_intrinsic
        apart_s = (depth.get_timestamp() - colour.get_timestamp()) / 1e3
        return Picture(pixels, measured, Intrinsics(seen.fx, seen.fy, seen.cx, seen.cy), apart_s)


_KINDS: dict[str, type[PackagedFeed]] = {"kinect2": Kinect2Feed, "azure": AzureFeed, "orbbec": OrbbecFeed}


def open_depth_camera(kind: str, argument: str, options: SourceOptions) -> LiveInput:
    """A camera of a kind (`kinect2`, `azure`, `orbbec`) by its number, "" for the first.

    Raises:
        InputError: its package or the camera is missing.
    """
    feed = _KINDS[kind]
    if argument and not argument.isdigit():
        raise InputError(f"{kind}:{argument} means nothing: use {kind} or {kind}:NUMBER.")
    try:
        package = import_module(feed.module)
    except ImportError as error:
        raise InputError(
            f"{feed.title} needs the Python package {feed.module}, which cannot be loaded ({error}): {feed.install}."
        ) from error
    number = int(argument or 0)
    name = f"{feed.title} {number}"
    return LiveInput(name, partial(feed, package, number), Patience(lost=options.lost_after), Pairing())


def _rgb(bgr: np.ndarray) -> Pixels:
    return np.ascontiguousarray(bgr[..., 2::-1])
