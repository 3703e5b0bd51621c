"""Things that last: blinks, long closures and yawns, and the share of a window that something took."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Span:
    """Something that lasted from `start_s` for `duration_s` seconds of media time."""

    start_s: float
    duration_s: float


class Lasting:
    """Turns a measure into spans in which it was high: begins at `on`, ends below `off` (hysteresis).

    Beginning and end are where it crossed the middle between the two, placed between frames.
    Where it is not known (None) for longer than `gap_s` the span is given up, for nobody saw its end.
    """

    def __init__(self, on: float, off: float, gap_s: float = 0.2) -> None:
        self._on, self._off, self._gap_s = on, off, gap_s
        self._middle = (on + off) / 2
        self._crossed_s = 0.0
        self._start: float | None = None
        self._last: tuple[float, float] | None = None  # time and value last known

    def since(self, time_s: float) -> float:
        """For how long it has been high."""
        return 0.0 if self._start is None else time_s - self._start

    def __call__(self, value: float | None, time_s: float) -> Span | None:
        """The span that ends with this value, or None."""
        if value is None:
            if self._last is None or time_s - self._last[0] > self._gap_s:
                self._start = self._last = None
            return None
        if self._last is None:
            self._crossed_s = time_s
        elif (self._last[1] < self._middle) != (value < self._middle):
            before_s, before = self._last
            self._crossed_s = before_s + (time_s - before_s) * (self._middle - before) / (value - before)
        ended = None
        if self._start is None and value >= self._on:
            self._start = self._crossed_s
        elif self._start is not None and value < self._off:
            ended = Span(self._start, self._crossed_s - self._start)
            self._start = None
        self._last = (time_s, value)
        return ended


class Share:
    """What share of the judged time within a window a condition held; None while too little was judged."""

    def __init__(self, window_s: float, least_s: float) -> None:
        self._window_s, self._least_s = window_s, least_s
        self._pieces: deque[tuple[float, float, bool]] = deque()  # end, length, held
        self.judged_s = self.held_s = 0.0

    def add(self, held: bool | None, time_s: float, step_s: float) -> None:
        """A piece of time that ends at `time_s`; None is time that could not be judged."""
        if held is not None and step_s > 0:
            self._pieces.append((time_s, step_s, held))
            self.judged_s += step_s
            self.held_s += step_s * held
        while self._pieces and self._pieces[0][0] <= time_s - self._window_s:
            _, length, was = self._pieces.popleft()
            self.judged_s -= length
            self.held_s -= length * was

    @property
    def share(self) -> float | None:
        return min(max(self.held_s / self.judged_s, 0.0), 1.0) if self.judged_s >= self._least_s else None


class Blinks:
    """Rate and mean duration of the blinks of the last minute.

    A closure of at most `LONGEST_S` is a blink (spontaneous blinks take 0.1 to 0.4 s); longer ones are told apart.
    """

    LONGEST_S = 0.5
    _WINDOW_S = 60.0

    def __init__(self) -> None:
        self._closed = Lasting(on=0.7, off=0.5)
        self._recent: deque[Span] = deque()
        self._judged = Share(self._WINDOW_S, least_s=10.0)

    def __call__(self, closure: float | None, time_s: float, step_s: float) -> Span | None:
        """The closure, short or long, that ended in this frame."""
        self._judged.add(None if closure is None else True, time_s, step_s)
        span = self._closed(closure, time_s)
        if span is not None and span.duration_s <= self.LONGEST_S:
            self._recent.append(span)
        while self._recent and self._recent[0].start_s <= time_s - self._WINDOW_S:
            self._recent.popleft()
        return span

    @property
    def per_minute(self) -> float | None:
        """Blinks a minute of judged time; None below ten seconds of it."""
        judged = self._judged
        return None if judged.share is None else 60 * len(self._recent) / judged.judged_s

    @property
    def mean_s(self) -> float | None:
        """Their mean duration."""
        return sum(span.duration_s for span in self._recent) / len(self._recent) if self._recent else None
