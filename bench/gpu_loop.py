"""What the whole loop costs with its frames on an NVIDIA GPU, and with copies to the host between the stages.

Part of `python -m bench gpu`. Stages run one after the other on one thread, so that each has its own time.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from rich.progress import track
from rich.table import Table

from bench.gpu import LoopOptions
from bench.gpu_meters import Bus, Events, GlTimes, Utilisation
from bench.loop import clip_pictures
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.backend import Backend, HostBackend
from realtime.controls import Settings
from realtime.effects.photo import Person
from realtime.frame import Frame, Pixels
from realtime.gpu.backend import GpuBackend
from realtime.gpu.chain import StepByStep
from realtime.people import demo_people
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions
from realtime.repair.pace import Level
from realtime.repair.stage import Repair
from realtime.timing import Histogram, Timings

_PERCENTILES = (50, 95, 99)


def measure_loop(options: LoopOptions) -> dict[str, Any]:
    """By way: "frames on the GPU", a graph on each side of the draw; "kernel by kernel", the same without graphs (by
    torch that is "torch eager"); "host copies between stages".

    Each has `host_ms`, `cuda_ms` and `gl_ms`, stage → {"p50", "p95", "p99"}, bytes `up` and `down` a frame, `fps`, the
    shares of the time in which CUDA and OpenGL were at work, and `busy`, the mean of what nvidia-smi tells, or null.
    """
    pictures, name = clip_pictures()
    ours = GpuBackend(options.runtime)
    ways: dict[str, Backend] = {"frames on the GPU": ours}
    if options.runtime != "torch":
        ways["kernel by kernel"] = GpuBackend(options.runtime, chained=StepByStep)
    ways["torch eager"] = GpuBackend("torch", chained=StepByStep)
    ways["host copies between stages"] = HostBackend(options.runtime)
    with open_analyser(AnalysisOptions(), ours) as analyser:
        people = demo_people(analyser)[1:]
    return {"clip": name, **{way: _measured(backend, pictures, people, way, options) for way, backend in ways.items()}}


def _measured(
    backend: Backend, pictures: list[Pixels], people: tuple[Person, ...], way: str, options: LoopOptions
) -> dict[str, Any]:
    host, events, drawing, bus = Timings(), Events(), GlTimes(), Bus()
    device = "torch" if way == "torch eager" else options.runtime
    repair = Repair(RepairOptions(Level(options.repair), device=device), mender=backend.mender)
    settings = Settings(options.mode, repair=options.repair != "off")
    with ExitStack() as stack:
        analyser = stack.enter_context(open_analyser(AnalysisOptions(live=True, occlusion=lambda: True), backend))
        if isinstance(backend, GpuBackend):
            stack.enter_context(events.watching())
        stack.enter_context(drawing.watching())
        renderer = Renderer(RenderOptions(people=people), repair, backend.transfer, backend.modeller, backend.turner)
        stack.callback(renderer.close)
        renderer.open()
        stack.enter_context(bus.counting())
        busy = stack.enter_context(Utilisation())
        began = 0.0
        for frame in track(_frames(pictures, options.settling + options.frames), way, transient=True):
            if frame.index == options.settling:
                began = time.perf_counter()
                bus.up = bus.down = 0
                host = Timings()
            if frame.index <= options.settling:
                events.times, drawing.times = Timings(), Timings()
                busy.percent.clear()
            start = time.perf_counter()
            faces = analyser.analyse(frame)
            analysed = time.perf_counter()
            result = renderer.draw(frame, faces, settings)
            host.add("analyse", analysed - start)
            host.add_parts("render", result.parts_s)
            host.add("frame", time.perf_counter() - start)
            events.read()
            drawing.read()
        seconds = time.perf_counter() - began
    return {
        "host_ms": _summary(host),
        "cuda_ms": _summary(events.times),
        "gl_ms": _summary(drawing.times),
        "bytes": {"up": round(bus.up / options.frames), "down": round(bus.down / options.frames)},
        "fps": round(options.frames / seconds, 2),
        "cuda_share": round(_total_s(events.times) / seconds, 3),
        "gl_share": round(_total_s(drawing.times) / seconds, 3),
        "busy": round(sum(busy.percent) / len(busy.percent), 1) if busy.percent else None,
        "busy_unknown": busy.why,
        "gl": renderer.description,
    }


def _frames(pictures: list[Pixels], count: int) -> Iterator[Frame]:
    """Each in memory of its own, as sources give them: what was sent once does not count as sent."""
    for index in range(count):
        yield Frame(pictures[index % len(pictures)].copy(), index, index / 30, time.perf_counter())


def _total_s(timings: Timings) -> float:
    return sum(histogram.total_s for _, histogram in timings.items())


def _summary(timings: Timings) -> dict[str, dict[str, float]]:
    def percentiles(histogram: Histogram) -> dict[str, float]:
        return {f"p{percent}": round(1000 * histogram.percentile(percent), 4) for percent in _PERCENTILES}

    return {stage: percentiles(histogram) for stage, histogram in timings.items()}


def loop_tables(report: dict[str, Any], runtime: str) -> list[Table]:
    """What was measured, for people."""
    ways = [way for way in report if way != "clip"]
    stages = Table("stage", *(f"{way}, p50 / p95 / p99" for way in ways), title=f"Whole loop, {runtime}, host's ms")
    for stage in dict.fromkeys(stage for way in ways for stage in report[way]["host_ms"]):
        stages.add_row(stage, *(_cell(report[way]["host_ms"].get(stage)) for way in ways))
    stages.add_section()
    for title, shown in (
        ("MB up a frame", lambda way: f"{report[way]['bytes']['up'] / 1e6:.2f}"),
        ("MB down a frame", lambda way: f"{report[way]['bytes']['down'] / 1e6:.2f}"),
        ("frames/s", lambda way: f"{report[way]['fps']:.1f}"),
        ("CUDA at work", lambda way: f"{report[way]['cuda_share']:.0%}"),
        ("OpenGL at work", lambda way: f"{report[way]['gl_share']:.0%}"),
        ("GPU busy (nvidia-smi)", lambda way: _busy(report[way])),
    ):
        stages.add_row(title, *(shown(way) for way in ways))
    stages.caption = report[ways[0]]["gl"]
    return [stages, *(_by_clock(report, ways, *clock) for clock in (("cuda_ms", "CUDA events"), ("gl_ms", "OpenGL")))]


def _by_clock(report: dict[str, Any], ways: list[str], key: str, title: str) -> Table:
    """What the GPU's own clocks tell of each stage."""
    table = Table("on the GPU", *(f"{way}, p50 / p95 / p99" for way in ways), title=f"{title}, ms")
    for stage in dict.fromkeys(stage for way in ways for stage in report[way][key]):
        table.add_row(stage, *(_cell(report[way][key].get(stage)) for way in ways))
    return table


def _busy(measured: dict[str, Any]) -> str:
    return f"{measured['busy']:.0f} %" if measured["busy"] is not None else f"– ({measured['busy_unknown']})"


def _cell(times: dict[str, float] | None) -> str:
    return "–" if times is None else " / ".join(f"{times[f'p{percent}']:.3f}" for percent in _PERCENTILES)
