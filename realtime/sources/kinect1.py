"""Kinect v1: `kinect1`, `kinect1:NUMBER`, and `kinect1:NUMBER:ir` for the infrared picture, which needs no light."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from realtime.errors import InputError
from realtime.frame import Millimetres
from realtime.rgbd import kinect1
from realtime.rgbd.calibration import read_calibration
from realtime.rgbd.fakenect import FakenectWriter
from realtime.rgbd.pairing import TOLERANCE_S, Pairing
from realtime.rgbd.registration import Registration
from realtime.sources import freenect
from realtime.sources.base import SourceOptions
from realtime.sources.feed import Arrival, Feed, Picture
from realtime.sources.live import LiveInput, Patience

_WAIT_S = 0.1
_SILENT_S = 2.0  # a Kinect that sends nothing for so long is opened again
_IR_ROWS = 488  # of its infrared picture; the depth picture is cut out of the middle


def open_kinect1(argument: str, options: SourceOptions) -> LiveInput:
    """A Kinect v1 through libfreenect.

    Raises:
        InputError: libfreenect or the Kinect is missing, or the argument means nothing.
    """
    number, infrared = _parsed(argument)
    calibration = read_calibration(options.calibration) if options.calibration else kinect1.CALIBRATION
    for camera in (calibration.colour, calibration.depth):
        if camera.size != kinect1.SIZE:
            raise InputError(
                f"The calibration {options.calibration} is for {camera.size[0]}x{camera.size[1]}, and a Kinect v1"
                " gives 640x480: use the calibration of this Kinect."
            )
    if infrared:
        calibration = replace(calibration, colour=calibration.depth, rotation=np.eye(3), translation_mm=np.zeros(3))
    if infrared and options.save_kinect is not None:
        raise InputError("--save-kinect keeps colour and depth, not infrared: leave one of the two out.")
    library = freenect.load()
    record = None if options.save_kinect is None else FakenectWriter(options.save_kinect)
    device = partial(freenect.Device, library, number, infrared)
    opener = partial(KinectFeed, device, Registration(calibration), infrared, record)
    source = LiveInput(f"Kinect {number}", opener, Patience(lost=options.lost_after), Pairing())
    source.rate = source.rate or KinectFeed.rate
    return source


class KinectFeed(Feed):
    """Colour or infrared as it comes, each with the depth that came last.

    Args:
        opener: opens the device.
        registration: of its two cameras.
        infrared: what the picture is.
        record: gets everything that comes, too.

    Raises:
        InputError: see `freenect.Device`.
    """

    rate = 30.0

    def __init__(
        self,
        opener: Callable[[], Any],
        registration: Registration,
        infrared: bool = False,
        record: FakenectWriter | None = None,
    ) -> None:
        self._registration, self._intrinsics = registration, registration.colour.intrinsics
        self._infrared, self._record = infrared, record
        self._device = opener()

    def __iter__(self) -> Iterator[Arrival | None]:
        depth: tuple[bytes, int] | None = None
        started = heard = time.perf_counter()
        while True:
            came = self._device.process(_WAIT_S)
            now = time.perf_counter()
            heard = now if came else heard
            if now - heard > _SILENT_S:
                raise InputError("it sends no pictures.")
            yield None
            for kind, data, stamp in came:
                self._keep(kind, data, stamp)
                if kind == "depth":
                    depth = (data, stamp)
                elif depth is not None or now - started > _SILENT_S:  # the first picture waits for depth
                    yield Arrival(now, partial(self._picture, data, stamp, depth))

    def close(self) -> None:
        self._device.close()

    def _keep(self, kind: str, data: bytes, stamp: int) -> None:
        if self._record is not None and kind == "depth":
            self._record.add_depth(data, time.time(), stamp)
        elif self._record is not None:
            self._record.add_colour(data, time.time(), stamp)

    def _picture(self, data: bytes, stamp: int, depth: tuple[bytes, int] | None) -> Picture:
        width, height = kinect1.SIZE
        if self._infrared:
            top = (_IR_ROWS - height) // 2
            grey = np.frombuffer(data, np.uint8).reshape(_IR_ROWS, width)[top : top + height]
            pixels = np.repeat(grey[..., None], 3, axis=2)
        else:
            pixels = np.frombuffer(data, np.uint8).reshape(height, width, 3)
        if depth is None:
            return Picture(pixels, None, self._intrinsics)
        apart_s = _ticks(depth[1] - stamp) / kinect1.TICKS_PER_S
        if abs(apart_s) > TOLERANCE_S:
            return Picture(pixels, None, self._intrinsics)
        raw: Millimetres = np.frombuffer(depth[0], "<u2").reshape(height, width)
        return Picture(pixels, self._registration(kinect1.millimetres(raw)), self._intrinsics, apart_s)


def _parsed(argument: str) -> tuple[int, bool]:
    """Which Kinect, and whether its infrared is meant."""
    words = [word for word in argument.split(":") if word]
    infrared = bool(words) and words[-1] == "ir"
    number = words[:-1] if infrared else words
    if len(number) > 1 or not all(word.isdigit() for word in number):
        raise InputError(f"kinect1:{argument} means nothing: use kinect1, kinect1:NUMBER or kinect1:NUMBER:ir.")
    return int(number[0]) if number else 0, infrared


def _ticks(difference: int) -> int:
    """Of two stamps of 32 bits, which overflow every 71 s."""
    return (difference + 2**31) % 2**32 - 2**31
