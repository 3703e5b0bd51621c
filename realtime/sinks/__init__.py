"""Where finished frames go: a window, a virtual camera, files, a stream. `open_sink` opens one from one string."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from realtime.controls import Controls
from realtime.errors import OutputError
from realtime.monitor.limits import Limits
from realtime.options import MonitorGroup
from realtime.sinks.base import Sink, SinkOptions

KINDS = (
    "window, virtual[:DEVICE], a .mp4, .mov, .mkv or .webm file, png:FOLDER, rgbd:FOLDER, udp://HOST:PORT, rtmp://…,"
    " null"
)


def open_sink(
    spec: str,
    options: SinkOptions,
    controls: Controls | None = None,
    hud: Callable[[], list[str]] | None = None,
) -> Sink:
    """Open the sink that `spec` names.

    Args:
        spec: one of `KINDS`.
        options: what the sink has to know of the run.
        controls: what the window's keys act on; only the window needs it, and only on the main thread.
        hud: gives the lines of figures that the window shows, e.g. "29.9 frames/s".

    Raises:
        OutputError: no such kind, or it cannot be opened here.

    >>> with open_sink("out/clip.mp4", SinkOptions(live=False, rate=30.0)) as sink:  # doctest: +SKIP
    ...     sink.write(result)
    """
    kind, _, rest = spec.partition(":")
    match kind:
        case "null" if not rest:
            from realtime.sinks.null import NullSink

            return NullSink()
        case "window" if not rest:
            from realtime.sinks.window import Window

            if controls is None:
                raise OutputError("A window needs controls to act on: open it from the live program.")
            return Window(options, controls, hud or list)
        case "virtual":
            from realtime.sinks.virtual import VirtualCamera

            return VirtualCamera(rest or None, options)
        case "png" if rest:
            from realtime.sinks.png import PngSink

            return PngSink(Path(rest), options)
        case "rgbd" if rest:
            from realtime.sinks.rgbd import RgbdSink

            return RgbdSink(Path(rest), options)
        case "udp" | "rtmp" | "rtmps":
            from realtime.sinks.stream import StreamSink

            return StreamSink(spec, options)
    from realtime.sinks.video import CONTAINERS, VideoFileSink

    if Path(spec).suffix.lower() in CONTAINERS:
        return VideoFileSink(Path(spec), options)
    raise OutputError(f"No sink is called {spec!r}: give one of {KINDS}.")


def monitor_sinks(group: MonitorGroup, limits: Limits, live: bool, source: str) -> Iterator[Sink]:
    """The sinks that mode `monitor` wants beside the others.

    Raises:
        OutputError: one of them cannot be opened.
    """
    if group.events is not None:
        from realtime.sinks.events import EventsWriter

        yield EventsWriter(group.events)
    if group.drive_report is not None:
        from realtime.drive_report.sink import DriveReportSink

        yield DriveReportSink(group.drive_report, source, limits)
    if group.opentrack is not None:
        from realtime.sinks.opentrack import OpentrackSink

        yield OpentrackSink(group.opentrack)
    if group.alert_sound and live:
        from realtime.sinks.chime import Chime

        yield Chime()
