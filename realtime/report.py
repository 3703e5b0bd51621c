"""What a run came to: the `--report` file (schema 1, a public interface) and the closing table."""

from __future__ import annotations

import json
import math
import platform
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.console import Group
from rich.table import Table

from realtime.errors import OutputError
from realtime.loop import Lane, Outcome
from realtime.repair.stage import Status
from realtime.sources.base import Source
from realtime.timing import Histogram

SCHEMA = 1
_PACKAGES = ("facet", "numpy", "opencv-python", "openvino", "av", "glfw", "PyOpenGL")


def make_report(
    outcome: Outcome, source: Source, name: str, runtime: str, repair: Status | None = None
) -> dict[str, Any]:
    """The report as plain dicts, lists and numbers (null where nothing was measured).

    Keys of the schema: schema, frames_in, frames_out, dropped (frames lost between the stages), fps (drawn per second),
    latency_ms {p50, p95, p99} (capture to the first sink that shows, else the first), stages_ms {name: {p50, p95}},
    source, sinks, runtime, repair {asked, running, why}, versions. Beyond it: fps_in, skipped (pictures that could not
    be decoded), of a depth sensor the pictures paired and alone and how far apart they are, and of each sink its
    frames, drops, latency and error.

    Args:
        outcome: of the loop.
        source: what was read.
        name: what the source was called on the command line.
        runtime: what computed, in words.
        repair: of the faces, at the end; None where there was none.
    """
    return {
        "schema": SCHEMA,
        "frames_in": outcome.frames_in,
        "frames_out": outcome.frames_out,
        "dropped": sum(outcome.dropped.values()),
        "fps": _number(outcome.fps_out),
        "fps_in": _number(outcome.fps_in),
        "latency_ms": _percentiles(outcome.shown.latency, 50, 95, 99),
        "stages_ms": {stage: _percentiles(histogram, 50, 95) for stage, histogram in outcome.timings.items()},
        "source": {
            "name": name,
            "size": list(source.size),
            "rate": source.rate and _number(source.rate),
            "live": source.live,
            "skipped": outcome.skipped,
            "depth": _depth(source),
        },
        "sinks": [_sink(lane) for lane in outcome.lanes],
        "runtime": runtime,
        "repair": None if repair is None else asdict(repair),
        "versions": _versions(),
    }


def write_report(report: dict[str, Any], path: Path) -> None:
    """Write the report as indented JSON.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        path.write_text(json.dumps(report, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"The report cannot be written to {path} ({error.strerror}): choose a folder that can be written."
        ) from error


def closing_table(report: dict[str, Any]) -> Group:
    """The report for people: a sentence, and a table of the sinks and stages."""
    table = Table()
    for column in ("", "frames", "dropped", "p50 ms", "p95 ms", "p99 ms"):
        table.add_column(column, justify="right" if column else "left")
    for sink in report["sinks"]:
        latency = sink["latency_ms"]
        name = f"to {sink['name']}" + (" (given up)" if sink["error"] else "")
        figures = [_text(latency[key]) for key in ("p50", "p95", "p99")]
        table.add_row(name, str(sink["frames"]), str(sink["dropped"]), *figures)
    table.add_section()
    for stage, times in report["stages_ms"].items():
        table.add_row(stage, "", "", _text(times["p50"]), _text(times["p95"]), "")
    repair = report["repair"]
    told = [f"Repair {repair['running']}: {repair['why']}."] if repair is not None and repair["why"] else []
    return Group(_headline(report), table, *told)


def _headline(report: dict[str, Any]) -> str:
    skipped = report["source"]["skipped"]
    unread = f", {skipped} unreadable" if skipped else ""
    depth = report["source"]["depth"]
    apart = "" if depth is None else _apart(depth)
    return (
        f"{report['frames_in']} frames in ({_text(report['fps_in'])}/s{unread}), {report['frames_out']} drawn "
        f"({_text(report['fps'])}/s), {report['dropped']} dropped.{apart}"
        " Times from capture to each sink, and of each stage:"
    )


def _depth(source: Source) -> dict[str, Any] | None:
    pairing = source.pairing
    if pairing is None:
        return None
    return {"paired": pairing.paired, "alone": pairing.alone, "apart_ms": pairing.apart_ms()}


def _apart(depth: dict[str, Any]) -> str:
    total, apart = depth["paired"] + depth["alone"], depth["apart_ms"]
    return (
        f" Depth for {depth['paired']} of {total} pictures, {_text(apart['p50'])} ms apart"
        f" (95 %: {_text(apart['p95'])}, drift {_text(apart['drift'])})."
    )


def _sink(lane: Lane) -> dict[str, Any]:
    return {
        "name": lane.sink.name,
        "frames": lane.written,
        "dropped": lane.slot.dropped,
        "latency_ms": _percentiles(lane.latency, 50, 95, 99),
        "error": None if lane.error is None else str(lane.error),
    }


def _percentiles(histogram: Histogram, *percents: int) -> dict[str, float | None]:
    return {f"p{percent}": _number(1000 * histogram.percentile(percent)) for percent in percents}


def _number(value: float) -> float | None:
    return round(value, 3) if math.isfinite(value) else None


def _text(value: float | None) -> str:
    return "–" if value is None else f"{value:.1f}"


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version(), "system": platform.platform(terse=True)}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # facet itself runs uninstalled, too
            continue
    return versions
