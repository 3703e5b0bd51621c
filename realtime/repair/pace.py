"""Which repair there is time for: measured once before the start, then watched while a live source runs."""

from __future__ import annotations

import statistics
import time
from collections import deque
from collections.abc import Callable
from enum import StrEnum

GOAL = 30.0  # frames per second that a repair must not cost
_MEASURED_S = 0.5
_MOST_RUNS = 12
_SHARE = 0.6  # of a frame's time that drawing and repair may take alone: beside the analysis it is up to 1.6 times that

_WATCHED_S = 2.0
_LATE = 2  # times in a row that it is late before a level is given up: once is a hiccup
_LOST = 0.1  # share of the frames that may get lost
_PATIENCE_S = 20.0  # before what was too slow is tried again; doubled whenever that is in vain
_MOST_PATIENCE_S = 320.0
_PROVEN_S = 10.0  # what holds so long was not in vain


class Level(StrEnum):
    """How faces are repaired, in the order of what it costs."""

    OFF = "off"
    FAST = "fast"
    FULL = "full"


def median_seconds(draw: Callable[[], None], clock: Callable[[], float] = time.perf_counter) -> float:
    """Median time of calling `draw`, measured in about half a second; the first call does not count."""
    draw()
    begin = clock()
    times: list[float] = []
    while len(times) < _MOST_RUNS and (not times or clock() - begin < _MEASURED_S):
        start = clock()
        draw()
        times.append(clock() - start)
    return statistics.median(times)


def holds(seconds: float) -> bool:
    """Whether a machine that draws and repairs a frame in so many seconds keeps up with `GOAL`."""
    return seconds <= _SHARE / GOAL


class Pace:
    """Watches what of a live source gets lost: falls back to a cheaper repair, and tries the dearer one again later.

    All time is the frames' own capture time.

    Args:
        levels: what there is, from the cheapest to the one wanted.
    """

    def __init__(self, levels: tuple[Level, ...]) -> None:
        self._levels = levels
        self.reset()

    def reset(self) -> None:
        """Start again with the level wanted."""
        self._place = len(self._levels) - 1
        self._patience = _PATIENCE_S
        self._late = 0
        self._tried = False  # the last step was one up
        self._since: float | None = None
        self._seen: deque[tuple[float, int]] = deque()

    @property
    def level(self) -> Level:
        """What there is time for now."""
        return self._levels[self._place]

    @property
    def fallen(self) -> bool:
        """Whether that is less than what is wanted."""
        return self._place < len(self._levels) - 1

    def fall(self) -> None:
        """Start with the cheapest level."""
        self._place = 0

    def note(self, captured: float, index: int) -> bool:
        """Take note of a frame that is drawn: when it was captured, in seconds, and its number in the source.

        Returns:
            True where it shows that there is not the time for the present level, which is given up.
        """
        if self._since is None:
            self._since = captured
        self._seen.append((captured, index))
        if captured - self._seen[0][0] >= _WATCHED_S:
            late = _behind(self._seen)
            self._seen.clear()
            self._late = self._late + 1 if late else 0
            if self._late >= _LATE and self._place > 0:
                self._step(-1, captured)
                return True
            if not late and self.fallen and captured - self._since >= self._patience:
                self._step(+1, captured)
        return False

    def _step(self, by: int, now: float) -> None:
        assert self._since is not None
        in_vain = by < 0 and self._tried and now - self._since < _PROVEN_S
        if by < 0:
            self._patience = min(2 * self._patience, _MOST_PATIENCE_S) if in_vain else _PATIENCE_S
        self._tried = by > 0
        self._place += by
        self._late = 0
        self._since = now


def _behind(seen: deque[tuple[float, int]]) -> bool:
    """Whether fewer frames were drawn than came, and fewer than `GOAL` asks for."""
    span = seen[-1][0] - seen[0][0]
    drawn, given = len(seen) - 1, seen[-1][1] - seen[0][1]
    return drawn < (1 - _LOST) * min(given, GOAL * span)
