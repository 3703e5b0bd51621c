"""A sink that only counts: for measurements, and for runs that want the tracks alone."""

from __future__ import annotations

from realtime.frame import Result
from realtime.sinks.base import Sink


class NullSink(Sink):
    """Takes every frame and keeps none.

    Attributes:
        frames: how many it took.
    """

    lossless = True

    def __init__(self) -> None:
        self.name = "null"
        self.frames = 0

    def write(self, result: Result) -> None:
        self.frames += 1
