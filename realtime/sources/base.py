"""The contract every source of frames keeps, and what it is told when it is opened."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self

from realtime.frame import Frame
from realtime.rgbd.pairing import Pairing


@dataclass(frozen=True, slots=True)
class SourceOptions:
    """What is asked of a source.

    Attributes:
        width, height: picture size asked of a camera in pixels; None: the camera's best at `rate`.
        rate: frames per second asked of a camera, None: as many as it gives; also how fast single pictures follow.
        loop: start again at the end (a video), keep the picture (an image), go on for ever (the demo).
        paced: play at the source's own speed, like a camera: the source is then `live`.
        lost_after: seconds a live device may be away before `DeviceLostError`.
        limit_s: stop after this much media time in seconds.
        limit_frames: stop after this many frames.
        calibration: a depth sensor's own calibration.json; None: a usual one.
        save_kinect: where everything a Kinect v1 gives is kept, in fakenect's format; None: nowhere.
    """

    width: int | None = None
    height: int | None = None
    rate: float | None = None
    loop: bool = False
    paced: bool = False
    lost_after: float = 10.0
    limit_s: float | None = None
    limit_frames: int | None = None
    calibration: Path | None = None
    save_kinect: Path | None = None


class Source(ABC):
    """An iterable of frames, opened once, iterated once, closed as a context manager.

    The loop iterates a source on a thread of its own. `close` may be called from another thread at any moment and
    makes the iteration end within a second, also while it is blocked in a driver.

    Attributes:
        live: True where time passes by itself (a camera): frames that come too late are worthless. False where
            every frame counts (a file).
        tracked: True where consecutive frames belong together; False for a folder of unrelated pictures.
        size: (width, height) of the first frame in pixels; later frames may differ.
        rate: nominal frames per second, or None where there is no such thing (a single image).
        frames: how many frames there will be, or None where nobody knows (a progress bar is drawn from it).
        path: the file that audio is taken from when recording, or None.
        pixel_shape: width / height of one pixel of the frames, near 1 (what is further from it was stretched).
        skipped: pictures that could not be decoded and were passed over so far.
        pairing: how well depth keeps step with colour, or None without a depth sensor.
    """

    live: bool = False
    tracked: bool = True
    size: tuple[int, int]
    rate: float | None = None
    frames: int | None = None
    path: Path | None = None
    pixel_shape: Fraction = Fraction(1)
    skipped: int = 0
    pairing: Pairing | None = None

    @abstractmethod
    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order.

        Raises:
            DeviceLostError: a device went away and did not come back.
        """

    def close(self) -> None:  # noqa: B027  many sources hold nothing
        """Release the device or file; may be called more than once."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
