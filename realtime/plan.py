"""From what a person wrote to what will run: every default that depends on the machine or on another option."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path

from realtime.controls import Mode, Settings
from realtime.errors import InputError
from realtime.monitor.driver import EVERYWHERE
from realtime.monitor.limits import read_limits
from realtime.monitor.monitor import MonitorOptions
from realtime.options import MonitorGroup, Options
from realtime.sources import SourceOptions, chosen
from realtime.sources.image import is_image

MOST_FACES = 8
_MONITOR_FACES = 3  # front seats, and somebody who leans in
HEADLESS_CLIP = Path("out/facet.mp4")
_SHOWING = ("window", "virtual", "udp", "rtmp", "rtmps")


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run.

    Attributes:
        source: what `open_source` is given, never "auto".
        source_options: how it is opened.
        settings: the state at the start.
        sinks: what `open_sink` is given, at least one.
        take_turns: the demo without other faces: each of its portraits is given the other one's face.
        sheet: where a contact sheet of the first sink's clip goes, or None.
        max_faces: how many faces are followed.
        monitor: how mode `monitor` watches.
    """

    source: str
    source_options: SourceOptions
    settings: Settings
    sinks: tuple[str, ...]
    take_turns: bool
    sheet: Path | None
    max_faces: int
    monitor: MonitorOptions


def make_plan(options: Options, has_display: bool) -> Plan:
    """Fill in what was left open.

    Raises:
        InputError: a number is out of its range.
    """
    _check(options)
    source = chosen(options.source.source)
    sinks = options.output.sink or (("window",) if has_display else (str(HEADLESS_CLIP),))
    # What is only shown goes at its own speed (pictures and the demo on and on), what is recorded as fast as it can. A
    # picture that is to last some seconds does so wherever it goes.
    shown = all(sink.partition(":")[0] in _SHOWING for sink in sinks)
    still, demo = is_image(Path(source)), source == "demo"
    source_options = SourceOptions(
        width=options.source.width,
        height=options.source.height,
        rate=options.source.rate,
        loop=(shown and (still or demo)) or (still and options.source.seconds is not None),
        paced=shown,
        lost_after=options.source.lost_after,
        limit_s=options.source.seconds,
        calibration=options.source.calibration,
        save_kinect=options.source.save_kinect,
    )
    settings = _settings(options, demo=demo)
    headless_demo = demo and not options.output.sink and not has_display
    return Plan(
        source,
        source_options,
        settings,
        sinks,
        take_turns=demo and not options.face.face,
        sheet=HEADLESS_CLIP.with_name("facet_sheet.png") if headless_demo else None,
        max_faces=options.face.max_faces or (_MONITOR_FACES if settings.mode is Mode.MONITOR else 1),
        monitor=_monitor_options(options.monitor),
    )


def display_is_there() -> bool:
    """Whether a window can probably be opened."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def network_threads(wanted: int | None) -> int:
    """CPU threads per network: half the cores, at most 4, for the drawing needs the other half."""
    return wanted or min(4, max(1, (os.cpu_count() or 1) // 2))


def _monitor_options(group: MonitorGroup) -> MonitorOptions:
    return MonitorOptions(read_limits(group.limit), group.driver_region or EVERYWHERE, group.focal)


def _settings(options: Options, demo: bool) -> Settings:
    face, monitor = options.face, options.monitor
    turned = any((face.yaw, face.pitch, face.roll))
    mode = face.mode
    watching = monitor.events or monitor.drive_report or monitor.opentrack
    if mode is None and watching:
        mode = Mode.MONITOR
    elif watching and mode is not Mode.MONITOR:
        raise InputError(f"--events, --drive-report and --opentrack go with mode monitor, not with {mode}.")
    if mode is None:
        swapping = (face.face or demo) and not (turned or face.sweep)
        mode = Mode.SWAP if swapping else Mode.ROTATE
    return Settings(
        mode=mode,
        yaw=face.yaw,
        pitch=face.pitch,
        roll=face.roll,
        relight=face.relight,
        sweep=face.sweep or (mode is Mode.ROTATE and not turned),
        expression=face.expression,
        shape=face.shape,
        repair=face.repair != "off",
        mirror=options.output.mirror,
    )


def _check(options: Options) -> None:
    ranges: tuple[tuple[str, float | None, float, float], ...] = (
        ("--max-faces", options.face.max_faces, 1, MOST_FACES),
        ("--threads", options.performance.threads, 1, 256),
        ("--seconds", options.source.seconds, 0, float("inf")),
        ("--lost-after", options.source.lost_after, 0, float("inf")),
        ("--width", options.source.width, 1, 16384),
        ("--height", options.source.height, 1, 16384),
        ("--rate", options.source.rate, 0.1, 1000),
        ("--expression", options.face.expression, 0, 2),
        ("--shape", options.face.shape, 0, 2),
        ("--focal", options.monitor.focal, 1, 1e6),
        *(("--driver-region", share, 0, 1) for share in options.monitor.driver_region or ()),
    )
    for name, value, low, high in ranges:
        if value is not None and not low <= value <= high:
            bounds = f"at least {low:g}" if high == float("inf") else f"between {low:g} and {high:g}"
            raise InputError(f"{name} {value:g} is out of range: give a number {bounds}.")
