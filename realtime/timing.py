"""Measuring the run: percentiles over all of it in bounded memory, stage times, and the figures of the last second."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

# Bins grow by 1 %, so a percentile read from a bin's middle is off by 0.5 % at most.
_LOWEST_S = 1e-7
_HIGHEST_S = 1e4
_LOG_STEP = math.log(1.01)
_BINS = int(math.log(_HIGHEST_S / _LOWEST_S) / _LOG_STEP) + 1


class Histogram:
    """Durations of a whole run in logarithmic bins: constant memory, percentiles within 0.5 %.

    Durations outside 0.1 µs … 10⁴ s count as the nearest end. One thread adds; any thread may read.
    """

    def __init__(self) -> None:
        self._bins = [0] * _BINS
        self.count = 0
        self.total_s = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        place = int(math.log(max(seconds, _LOWEST_S) / _LOWEST_S) / _LOG_STEP)
        self._bins[min(place, _BINS - 1)] += 1
        self.count += 1
        self.total_s += seconds

    def percentile(self, percent: float) -> float:
        """Seconds below which `percent` (0…100) of the durations lie; NaN before the first one."""
        bins = self._bins.copy()
        count = sum(bins)
        if not count:
            return math.nan
        # the rank numpy's default percentile aims at, without its interpolation between neighbours
        rank = percent / 100 * (count - 1)
        seen = 0
        for place, number in enumerate(bins):
            seen += number
            if number and seen > rank:
                return _LOWEST_S * math.exp((place + 0.5) * _LOG_STEP)
        raise AssertionError("the rank lies within the count")

    @property
    def mean(self) -> float:
        """Mean in seconds; NaN before the first one."""
        return self.total_s / self.count if self.count else math.nan


class Timings:
    """Histograms by name, made when a name is first used: the times of every stage of a run.

    Example:
        timings = Timings()
        with timings.timer("warp"):
            warp()
        timings["warp"].percentile(95)
    """

    def __init__(self) -> None:
        self._histograms: dict[str, Histogram] = {}
        self._lock = threading.Lock()

    @contextmanager
    def timer(self, name: str) -> Iterator[None]:
        """Add the duration of the `with` block to the stage `name`; a block that raises counts, too."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(name, time.perf_counter() - start)

    def add(self, name: str, seconds: float) -> None:
        """Add one duration to the stage `name`."""
        histogram = self._histograms.get(name)
        if histogram is None:
            with self._lock:
                histogram = self._histograms.setdefault(name, Histogram())
        histogram.add(seconds)

    def add_parts(self, name: str, parts: Mapping[str, float]) -> None:
        """Add the parts of one run of the stage `name`, in seconds by part (`Split.end`), as stages `NAME PART`."""
        for part, seconds in parts.items():
            self.add(f"{name} {part}", seconds)

    def add_stages(self, name: str, parts: Mapping[str, float], apart: tuple[str, ...]) -> None:
        """Add one run of the stage `name` by its parts in seconds; those named in `apart` count as stages beside it."""
        rest = {part: seconds for part, seconds in parts.items() if part not in apart}
        self.add(name, sum(rest.values()))
        for part in apart:
            if part in parts:
                self.add(part, parts[part])
        self.add_parts(name, rest)

    def __getitem__(self, name: str) -> Histogram:
        return self._histograms[name]

    def items(self) -> list[tuple[str, Histogram]]:
        """(name, histogram) in the order of first use."""
        return list(self._histograms.items())


class Split:
    """Shares out a stage's time among its parts: every moment counts for one of them, so they add up to the whole.

    One thread uses it. A part that is entered within another one takes its time out of that one.

    Args:
        rest: the part that has every moment outside the others.

    Example:
        split = Split("prepare")
        split.begin()
        with split.part("warp"):
            warp()
        seconds = split.end()  # {"prepare": ..., "warp": ...}
    """

    def __init__(self, rest: str) -> None:
        self._rest = self._now = rest
        self._spent: dict[str, float] = {}
        self._since = time.perf_counter()

    def begin(self) -> None:
        """Forget what was counted and start, in the rest."""
        self._now, self._spent = self._rest, {}
        self._since = time.perf_counter()

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count the `with` block for the part `name`."""
        outer = self._now
        self._enter(name)
        try:
            yield
        finally:
            self._enter(outer)

    def end(self) -> dict[str, float]:
        """Seconds by part since `begin`, in the order in which the parts were first left."""
        self._enter(self._rest)
        return self._spent

    def _enter(self, name: str) -> None:
        now = time.perf_counter()
        self._spent[self._now] = self._spent.get(self._now, 0.0) + now - self._since
        self._now, self._since = name, now


@dataclass(frozen=True, slots=True)
class Figures:
    """What a person wants to know while it runs.

    Attributes:
        fps: frames per second that reached the sink over the last second.
        latency_ms: their mean time from capture to the sink; NaN without frames.
        dropped: frames lost since the start.
    """

    fps: float
    latency_ms: float
    dropped: int

    def lines(self) -> list[str]:
        """For the window's corner."""
        latency = "–" if math.isnan(self.latency_ms) else f"{self.latency_ms:.0f}"
        return [f"{self.fps:.0f} frames/s", f"{latency} ms late", f"{self.dropped} dropped"]


class Meter:
    """Rate and latency of the last second, and what was lost; every method may be called from any thread."""

    def __init__(self, window_s: float = 1.0) -> None:
        self._window_s = window_s
        self._events: deque[tuple[float, float]] = deque()
        self._dropped = 0
        self._lock = threading.Lock()

    def add(self, latency_s: float, now: float | None = None) -> None:
        """Note a frame that reached the sink; `now` is `time.perf_counter()` unless given."""
        now = time.perf_counter() if now is None else now
        with self._lock:
            self._events.append((now, latency_s))
            self._forget(now)

    def drop(self) -> None:
        """Note a lost frame."""
        with self._lock:
            self._dropped += 1

    def read(self, now: float | None = None) -> Figures:
        """The figures of the last second."""
        now = time.perf_counter() if now is None else now
        with self._lock:
            self._forget(now)
            count = len(self._events)
            latency = sum(latency for _, latency in self._events) / count if count else math.nan
            return Figures(count / self._window_s, 1000 * latency, self._dropped)

    def _forget(self, now: float) -> None:
        while self._events and self._events[0][0] <= now - self._window_s:
            self._events.popleft()
