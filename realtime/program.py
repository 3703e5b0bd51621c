"""The program behind `run_live.py`: opens everything from the options, runs the loop, tells what came of it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from rich.console import Console

from realtime.analysis.analyser import Analyser, AnalysisOptions, open_analyser
from realtime.backend import Backend, open_backend
from realtime.contact_sheet import write_contact_sheet
from realtime.controls import Controls, Mode
from realtime.effects.privacy import OnLost
from realtime.loop import Loop
from realtime.options import Options
from realtime.people import TakingTurns, demo_people, load_people
from realtime.plan import Plan, display_is_there, make_plan, network_threads
from realtime.progress import ProgressLine
from realtime.provenance import METADATA
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions
from realtime.repair.pace import Level
from realtime.repair.stage import Repair
from realtime.report import closing_table, make_report, write_report
from realtime.sinks import monitor_sinks, open_sink
from realtime.sinks.base import Sink, SinkOptions
from realtime.sinks.snapshot import save_snapshot
from realtime.sinks.solid import save_surface
from realtime.sinks.surface import depth_sink, normals_sink
from realtime.sinks.window import Window
from realtime.sources import Source, list_devices, open_source
from realtime.timing import Meter
from realtime.tracks import TracksWriter

SNAPSHOTS = Path("out")


def run(options: Options, stop: threading.Event) -> int:
    """Run until the source ends, somebody quits, or `stop` is set.

    Returns:
        the exit code: 0, or that of a sink that was given up on the way.

    Raises:
        FacetError: something could not be opened or failed; table and report of what was done are out by then.
    """
    plan = make_plan(options, display_is_there())
    controls, meter = Controls(plan.settings), Meter()
    with ExitStack() as stack:
        pool = stack.enter_context(ThreadPoolExecutor(1))
        backend = open_backend(options.performance.runtime, network_threads(options.performance.threads), say)
        source, analyser = _open_inputs(options, plan, controls, backend, pool, stack)
        # photos are measured while the window opens
        drawing = pool.submit(_render_options, options, plan, analyser, source)
        repair = _open_repair(options, source, backend)
        figures = partial(_figures, meter, analyser.runtime, repair)
        sinks = _open_sinks(options, plan, source, controls, figures, stack)
        renderer = Renderer(drawing.result(), repair, backend.transfer, backend.modeller, backend.turner)
        say(_summary(plan, source, sinks, analyser))
        loop = Loop(
            source,
            analyser,
            TakingTurns(renderer) if plan.take_turns else renderer,
            sinks,
            controls,
            meter,
            keepers={
                "snapshots": partial(save_snapshot, folder=SNAPSHOTS, metadata=METADATA),
                "surfaces": partial(save_surface, folder=SNAPSHOTS),
            },
            tell=say,
        )
        progress = stack.enter_context(ProgressLine(source.frames, lambda: loop.outcome().frames_out, meter))
        windows = [sink for sink in sinks if isinstance(sink, Window)]
        pumps: list[Callable[[], None]] = [window.pump for window in windows]
        if not source.live:
            pumps.append(progress.update)

        def pump() -> None:
            for each in pumps:
                each()

        try:
            outcome = loop.run(pump, stop)
        finally:
            runtime = f"{analyser.runtime}; {renderer.description}"
            report = make_report(loop.outcome(), source, plan.source, runtime, repair.status)
            stack.close()
            _tell_results(options, plan, report)
    return max((lane.error.exit_code for lane in outcome.lanes if lane.error is not None), default=0)


def list_cameras() -> None:
    """Print the cameras with what they offer."""
    devices = list_devices()
    if not devices:
        print("No camera was found: plug one in, or use --source demo.")
    for number, device in enumerate(devices):
        print(f"camera:{number}  {device.name}" + (f"  ({device.trouble})" if device.trouble else ""))
        for mode in device.modes:
            rates = ", ".join(f"{rate:g}" for rate in mode.rates)
            print(f"    {mode.format:8} {mode.width}x{mode.height}" + (f" at {rates} frames/s" if rates else ""))


def say(text: str) -> None:
    """One line for the person, beside what goes to stdout."""
    print(text, file=sys.stderr, flush=True)


def _open_inputs(
    options: Options, plan: Plan, controls: Controls, backend: Backend, pool: ThreadPoolExecutor, stack: ExitStack
) -> tuple[Source, Analyser]:
    opening = pool.submit(open_source, plan.source, plan.source_options)
    import_module("engines.runtime.openvino")  # takes as long as a camera takes to open
    source = stack.enter_context(opening.result())
    analysis = AnalysisOptions(
        max_faces=plan.max_faces,
        live=source.live,
        tracked=source.tracked,
        smooth=source.tracked,
        occlusion=None if options.face.no_occlusion else lambda: controls.settings.mode is Mode.SWAP,
        relief=lambda: options.output.save_depth is not None or controls.settings.mode is Mode.DEPTH,
        facing=lambda: options.output.save_normals is not None or controls.settings.mode is Mode.NORMALS,
        eyes=lambda: controls.settings.mode is Mode.MONITOR,
    )
    return source, stack.enter_context(open_analyser(analysis, backend))


def _open_repair(options: Options, source: Source, backend: Backend) -> Repair:
    asked = options.face.repair
    return Repair(
        RepairOptions(
            asked=None if asked is None else Level(asked),
            live=source.live,
            tracked=source.tracked,
            threads=network_threads(options.performance.threads),
            device=options.performance.runtime,
        ),
        say,
        backend.mender,
    )


def _figures(meter: Meter, runtime: str, repair: Repair) -> list[str]:
    """For the window's corner."""
    return [*meter.read().lines(), runtime, *repair.status.lines()]


def _render_options(options: Options, plan: Plan, analyser: Analyser, source: Source) -> RenderOptions:
    # Without --face the built-in portraits: the keys can then switch to `swap` at any time.
    faces = options.face.face
    return RenderOptions(
        people=load_people(faces, analyser, say) if faces else demo_people(analyser),
        on_lost=OnLost(options.face.on_lost),
        badge=not options.output.no_badge,
        monitor=plan.monitor,
        tracked=source.tracked,
        size=source.size,
    )


def _open_sinks(
    options: Options, plan: Plan, source: Source, controls: Controls, figures: Callable[[], list[str]], stack: ExitStack
) -> list[Sink]:
    sink_options = SinkOptions(
        live=source.live,
        rate=source.rate,
        audio=None if source.live else source.path,
        metadata=METADATA,
        pixel_shape=source.pixel_shape,
        size=source.size,
    )
    if not options.output.sink:
        Path(plan.sinks[0]).parent.mkdir(exist_ok=True)
    sinks: list[Sink] = [stack.enter_context(open_sink(spec, sink_options, controls, figures)) for spec in plan.sinks]
    if options.output.tracks is not None:
        sinks.append(stack.enter_context(TracksWriter(options.output.tracks)))
    if plan.settings.mode is Mode.MONITOR:
        wanted = monitor_sinks(options.monitor, plan.monitor.limits, source.live, plan.source)
        sinks.extend(stack.enter_context(sink) for sink in wanted)
    for folder, make in ((options.output.save_depth, depth_sink), (options.output.save_normals, normals_sink)):
        if folder is not None:
            sinks.append(stack.enter_context(make(folder)))
    return sinks


def _summary(plan: Plan, source: Source, sinks: list[Sink], analyser: Analyser) -> str:
    width, height = source.size
    rate = f" at {source.rate:g} frames/s" if source.rate else ""
    names = ", ".join(sink.name for sink in sinks)
    return f"{plan.source} {width}x{height}{rate} → {plan.settings.mode} → {names}; {analyser.runtime}"


def _tell_results(options: Options, plan: Plan, report: dict[str, Any]) -> None:
    """Table, report, contact sheet, and where everything was written."""
    Console().print(closing_table(report))
    written = [Path(sink) for sink in plan.sinks]
    if options.output.report is not None:
        write_report(report, options.output.report)
        written.append(options.output.report)
    written += [path for path in (options.output.tracks, options.monitor.events, options.monitor.drive_report) if path]
    if plan.sheet is not None and written[0].exists():
        write_contact_sheet(written[0], plan.sheet, METADATA)
        written.append(plan.sheet)
    for path in written:
        if path.is_file():
            print(f"written: {path}")
