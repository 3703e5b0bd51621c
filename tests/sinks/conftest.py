"""What the tests of sinks share: results to write, and files to read back."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.frame import Frame, Pixels, Result

MakeResult = Callable[..., Result]
Reader = Callable[..., list[tuple[float, Pixels]]]


@pytest.fixture
def make_result() -> MakeResult:
    """make_result(pixels, index=0, time_s=None, captured=None, name=None, synthetic=True)."""

    def make(
        pixels: Pixels,
        index: int = 0,
        time_s: float | None = None,
        captured: float | None = None,
        name: str | None = None,
        synthetic: bool = True,
    ) -> Result:
        time_s = index / 30 if time_s is None else time_s
        frame = Frame(pixels, index, time_s, time_s if captured is None else captured, name)
        return Result(frame, synthetic=synthetic)

    return make


@pytest.fixture
def read_video() -> Reader:
    """read_video(path or bytes) → [(seconds, RGB picture)], decoded by FFmpeg with the colours the file declares."""

    def read(source: Path | bytes) -> list[tuple[float, Pixels]]:
        frames = []
        with av.open(io.BytesIO(source) if isinstance(source, bytes) else str(source)) as container:
            packets = list(container.demux(video=0))
            for packet in packets:
                try:
                    frames += [(float(frame.time or 0), frame.to_ndarray(format="rgb24")) for frame in packet.decode()]
                except av.InvalidDataError:  # a player shows what comes before a packet that was cut
                    if packet not in packets[-2:]:
                        raise
        return frames

    return read


@pytest.fixture
def card() -> Callable[..., Pixels]:
    """card(width, height): a picture whose quarters are red, green (top), blue, white (bottom)."""

    def make(width: int, height: int) -> Pixels:
        quarters = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
        rows = np.arange(height) * 2 // height
        columns = np.arange(width) * 2 // width
        return quarters[rows][:, columns]

    return make
