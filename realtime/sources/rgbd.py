"""Recorded colour and depth as a source: `rgbd:FOLDER`."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

from realtime.errors import InputError
from realtime.frame import Frame
from realtime.rgbd.pairing import Pairing
from realtime.rgbd.recording import Recording, Shot
from realtime.rgbd.registration import Registration
from realtime.sources.base import Source, SourceOptions
from realtime.sources.video import MediaClock

_NOMINAL_RATE = 30.0  # of pictures that stand for themselves


def open_rgbd(argument: str, options: SourceOptions) -> RecordedDepth:
    """A folder as documented in docs/formats.md.

    Raises:
        InputError: see `RecordedDepth`.
    """
    if not argument:
        raise InputError("No folder was named after rgbd: use rgbd:FOLDER.")
    return RecordedDepth(Path(argument), options.rate)


class RecordedDepth(Source):
    """The colour pictures of a recording, each with the depth nearest in time, on its pixels.

    Args:
        folder: see `realtime.rgbd.recording.Recording`.
        rate: how fast pictures follow that stand for themselves.

    Raises:
        InputError: it cannot be read; while iterating: a picture is not as large as the calibration says.
    """

    def __init__(self, folder: Path, rate: float | None = None) -> None:
        self._folder = folder
        self._closed = threading.Event()
        self._busy = threading.Lock()  # held while a decoder runs: files must not be closed under it
        self._recording = Recording(folder)
        calibration = self._recording.calibration
        self._registration = Registration(calibration)
        self.tracked = self._recording.timed
        self.size, self.frames = calibration.colour.size, self._recording.frames
        self.rate = self._recording.rate if self.tracked else rate
        self.pairing: Pairing = Pairing()
        self._shots = iter(self._recording)
        self._first = next(self._shots, None)
        if self._first is None:
            raise InputError(f"{folder} holds no picture that can be read: record it again.")
        self._check(self._first)

    def __iter__(self) -> Iterator[Frame]:
        clock = MediaClock(self.rate if self.tracked else self.rate or _NOMINAL_RATE)
        index = 0
        while (shot := self._next()) is not None:
            time_s = clock(shot.time_s if self.tracked else None)
            notice = self.pairing.add(shot.apart_s, time_s)
            yield Frame(
                shot.pixels,
                index,
                time_s,
                time.perf_counter(),
                shot.name,
                notice=notice,
                depth=None if shot.stored is None else self._registration(shot.stored),
                intrinsics=self._recording.calibration.colour.intrinsics,
            )
            self.skipped = self._recording.skipped
            index += 1

    def close(self) -> None:
        self._closed.set()
        if self._busy.acquire(timeout=0.5):
            try:
                self._shots = iter(())
            finally:
                self._busy.release()

    def _next(self) -> Shot | None:
        with self._busy:
            if self._closed.is_set():
                return None
            shot, self._first = self._first or next(self._shots, None), None
        if shot is not None:
            self._check(shot)
        return shot

    def _check(self, shot: Shot) -> None:
        calibration = self._recording.calibration
        for name, picture, camera in (
            ("colour", shot.pixels, calibration.colour),
            ("depth", shot.stored, calibration.depth),
        ):
            if picture is not None and (picture.shape[1], picture.shape[0]) != camera.size:
                raise InputError(
                    f"A {name} picture of {self._folder} is {picture.shape[1]}x{picture.shape[0]}, but its"
                    f" calibration is for {camera.size[0]}x{camera.size[1]}: use the calibration of these pictures."
                )
