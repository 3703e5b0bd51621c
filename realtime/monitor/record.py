"""Readings and events as plain lists and numbers: what `--tracks` and `--events` write (see docs/formats.md)."""

from __future__ import annotations

from typing import Any

from realtime.frame import Pose
from realtime.monitor.reading import Event, Eye, Head, Reading

SCHEMA = 1


def reading_record(reading: Reading) -> dict[str, Any]:
    """The "monitor" object of a line of tracks; null is "not known"."""
    timers = reading.timers
    return {
        "state": reading.state.value,
        "alert": int(reading.alert),
        "doubt": reading.doubt and reading.doubt.value,
        "driver": reading.driver,
        "head": None if reading.head is None else _head(reading.head),
        "turned": None
        if reading.turned is None
        else dict(zip(("yaw", "pitch"), map(_short, reading.turned), strict=True)),
        "learning": reading.learning,
        "eyes": None if reading.eyes is None else [_eye(eye) for eye in reading.eyes],
        "closure": _short(reading.closure),
        "perclos": _short(reading.perclos),
        "blinks_per_minute": _short(reading.blinks_per_minute),
        "blink_s": _short(reading.blink_s),
        "mouth_mm": _short(reading.mouth_mm),
        "yawns": reading.yawns,
        "timers": {
            "closed_s": _short(timers.closed_s),
            "away_s": _short(timers.away_s),
            "away_total_s": _short(timers.away_total_s),
            "absent_s": _short(timers.absent_s),
            "unsure_s": _short(timers.unsure_s),
        },
    }


def event_record(event: Event, frame: int) -> dict[str, Any]:
    """One line of `--events`; `frame` is the source's index of the frame in which it was told."""
    record: dict[str, Any] = {
        "schema": SCHEMA,
        "kind": event.kind.value,
        "time_s": round(event.time_s, 6),
        "duration_s": _short(event.duration_s),
        "frame": frame,
        "driver": event.driver,
    }
    if event.state is not None and event.before is not None and event.alert is not None:
        record |= {
            "state": event.state.value,
            "before": event.before.value,
            "alert": int(event.alert),
            "doubt": event.doubt and event.doubt.value,
        }
    return record


def _head(head: Head) -> dict[str, Any]:
    return {
        "pose": _pose(head.pose),
        "sigma": _pose(head.sigma),
        "position_mm": [round(part, 1) for part in head.position_mm],
        "measured": head.measured,
    }


def _pose(pose: Pose) -> dict[str, float]:
    return {name: round(angle, 2) for name, angle in (("yaw", pose.yaw), ("pitch", pose.pitch), ("roll", pose.roll))}


def _eye(eye: Eye) -> dict[str, Any]:
    return {
        "aperture_mm": _short(eye.aperture_mm),
        "closure": _short(eye.closure),
        "doubt": eye.doubt and eye.doubt.value,
    }


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 3)
