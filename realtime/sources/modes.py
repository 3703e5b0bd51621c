"""A camera and the ways it can run, and which of them to use."""

from __future__ import annotations

from dataclasses import dataclass

_SIZE = (1280, 720)
_RATE = 30.0


@dataclass(frozen=True, slots=True)
class Mode:
    """One way a camera can run: FFmpeg's pixel format or codec name, size in pixels, the rates it offers (1/s)."""

    format: str
    width: int
    height: int
    rates: tuple[float, ...] = ()

    @property
    def best_rate(self) -> float:
        """The highest rate; 0 where the driver names none."""
        return max(self.rates, default=0.0)


@dataclass(frozen=True, slots=True)
class Device:
    """A camera: the name people know, the address FFmpeg opens, its modes (empty: the system does not tell), and
    what is wrong with it, if anything."""

    name: str
    address: str
    modes: tuple[Mode, ...] = ()
    trouble: str | None = None


def choose_mode(
    modes: tuple[Mode, ...], width: int | None = None, height: int | None = None, rate: float | None = None
) -> Mode | None:
    """The mode nearest to the wanted size (default 1280x720) that comes nearest to the wanted rate (default 30).

    Among equals an uncompressed one, which costs no decoding: MJPEG only where it gives more frames/s. None: no modes.
    """
    wanted_width, wanted_height = width or _SIZE[0], height or _SIZE[1]

    def badness(mode: Mode) -> tuple[float, float, bool, float]:
        size = abs(mode.width - wanted_width) + abs(mode.height - wanted_height)
        return size, -min(mode.best_rate, rate or _RATE), mode.format == "mjpeg", -mode.best_rate

    return min(modes, key=badness, default=None)
