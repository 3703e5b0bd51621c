"""The contract every sink keeps, and what it is told when it is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from realtime.frame import Result


@dataclass(frozen=True, slots=True)
class SinkOptions:
    """What a sink has to know of the run it belongs to.

    Attributes:
        live: True where the source is live: a recorder then uses wall-clock time stamps and may miss frames.
        rate: nominal frames per second of the source, or None where it has none.
        audio: file whose sound a recorder copies beside the picture, or None.
        metadata: key → text written into files that can carry it (the provenance mark is one of them).
        pixel_shape: width / height of one pixel of the frames, which a recorder passes on.
        size: (width, height) that frames will probably have, or None; a device is opened with it before the first.
    """

    live: bool
    rate: float | None
    audio: Path | None = None
    metadata: tuple[tuple[str, str], ...] = ()
    pixel_shape: Fraction = Fraction(1)
    size: tuple[int, int] | None = None


class Sink(ABC):
    """Where finished frames go. The loop calls `write` and `close` on the sink's own thread, one at a time.

    Attributes:
        name: how reports call it, e.g. "out.mp4".
        lossless: True where the sink wants every frame: its slot is bounded and, for a file source, waits. False
            where only the newest frame matters.
        recorder: True where the record key holds it: no frames come while `settings.recording` is False.
    """

    name: str
    lossless: bool = False
    recorder: bool = False

    @abstractmethod
    def write(self, result: Result) -> None:
        """Take one finished frame; `result.frame.pixels` must not be written to.

        Raises:
            OutputError, DeviceLostError: the sink cannot go on; the loop drops it, says so, and keeps the others.
        """

    def close(self) -> None:  # noqa: B027  many sinks hold nothing
        """Finish what was written so that it is usable; may be called more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
