"""What is kept of a drive: a few figures for every fifth of a second, and the events."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from realtime.errors import InputError
from realtime.monitor.reading import Kind, State

STEP_S = 0.2
_LONGEST_S = 1.0  # a longer gap between frames belongs to no state


@dataclass(slots=True)
class Sample:
    """A fifth of a second: of each figure the last value known (closure, mouth: the largest), the most urgent state."""

    time_s: float
    state: State
    alert: int
    figures: dict[str, float] = field(default_factory=dict)


@dataclass(slots=True)
class Drive:
    """Collects the "monitor" objects of tracks and the lines of events.

    Attributes:
        source: what was watched.
        samples: by time.
        events: as in the events file.
        seconds: time spent in each state.
        frames: how many were added.
    """

    source: str
    samples: list[Sample] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    seconds: dict[State, float] = field(default_factory=dict)
    frames: int = 0
    _last_s: float | None = None

    @property
    def span(self) -> tuple[float, float]:
        """Media time of the first and the last sample."""
        return (self.samples[0].time_s, self._last_s or 0.0) if self.samples else (0.0, 0.0)

    def add(self, time_s: float, record: dict[str, Any]) -> None:
        """One frame's "monitor" object."""
        state = State(record["state"])
        if self._last_s is not None and 0 < time_s - self._last_s <= _LONGEST_S:
            self.seconds[state] = self.seconds.get(state, 0.0) + time_s - self._last_s
        self._last_s = time_s
        self.frames += 1
        if not self.samples or time_s - self.samples[-1].time_s >= STEP_S:
            self.samples.append(Sample(time_s, state, int(record["alert"])))
        sample = self.samples[-1]
        if record["alert"] > sample.alert:
            sample.state, sample.alert = state, int(record["alert"])
        for name, value in _figures(record).items():
            larger = name in ("closure", "mouth") and sample.figures.get(name, value) > value
            sample.figures[name] = sample.figures[name] if larger else value

    def series(self, name: str) -> list[tuple[float, float | None]]:
        """(time, value or None) of one figure: yaw and pitch against the neutral in degrees, closure and perclos as
        shares, mouth in mm, distance in cm."""
        return [(sample.time_s, sample.figures.get(name)) for sample in self.samples]

    def of(self, kind: Kind) -> list[dict[str, Any]]:
        """The events of one kind."""
        return [event for event in self.events if event["kind"] == kind.value]


def _figures(record: dict[str, Any]) -> dict[str, float]:
    turned, head = record["turned"] or {}, record["head"]
    found = {
        "yaw": turned.get("yaw"),
        "pitch": turned.get("pitch"),
        "closure": record["closure"],
        "perclos": record["perclos"],
        "mouth": record["mouth_mm"],
        "distance": None if head is None else head["position_mm"][2] / 10,
    }
    return {name: value for name, value in found.items() if value is not None}


def read_drive(tracks: Path, events: Path | None = None) -> Drive:
    """The drive in a file of tracks (made in mode `monitor`) and, where given, one of events.

    Raises:
        InputError: a file cannot be read, or nobody was watched in it.
    """
    drive = Drive(tracks.name)
    for line in _lines(tracks):
        if (record := line.get("monitor")) is not None:
            try:
                drive.add(float(line["time_s"]), record)
            except (AttributeError, KeyError, TypeError, ValueError) as error:
                raise InputError(f"A line of {tracks} lacks something ({error}): give a file of --tracks.") from error
    if not drive.frames:
        raise InputError(f"Nobody is watched in {tracks}: give tracks that were made with --mode monitor.")
    if events is not None:
        known = {kind.value for kind in Kind}
        for line in _lines(events):
            if line.get("kind") in known and isinstance(line.get("time_s"), (int, float)):
                drive.events.append(line)
    return drive


def _lines(path: Path) -> Iterator[dict[str, Any]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, text in enumerate(file, start=1):
                try:
                    line = json.loads(text)
                except json.JSONDecodeError as error:
                    raise InputError(f"Line {number} of {path} is no JSON: give a file of --tracks.") from error
                if isinstance(line, dict):
                    yield line
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: give a file of --tracks or --events.") from error
