"""The whole loop from a live source: rate, drops, latency, memory; and the same stages under other programs' policies.

python -m bench loop [--seconds 60] [--rate 30] [--sink null|mp4] [--mode swap] [--repair off|fast|full|auto] [--json]
"""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table

from bench.machine import machine, resident_mb
from bench.policies import POLICIES, Policy
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.controls import Controls, Mode, Settings
from realtime.frame import Pixels, Result
from realtime.people import demo_people
from realtime.plan import network_threads
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions
from realtime.repair.pace import Level
from realtime.repair.stage import Repair
from realtime.report import make_report
from realtime.sinks import open_sink
from realtime.sinks.base import Sink, SinkOptions
from realtime.sources import Demo, Limited, Memory, Paced, Source, VideoFile

SIZE = (1280, 720)
_FRAMES = 90  # played to and fro: a longer clip would only cost memory
_DRAWING = ("render warp", "render compose", "render readback")  # their sum has a goal
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Options:
    """Measure the live loop at 1280x720 with one face."""

    seconds: float = 60.0
    """How long every policy runs."""
    rate: float = 30.0
    """Frames per second of the source."""
    sink: Literal["null", "mp4"] = "null"
    """Where the frames go."""
    mode: Annotated[Mode, tyro.conf.EnumChoicesFromValues] = Mode.SWAP
    """What is done with the face."""
    repair: Literal["auto", "off", "fast", "full"] = "off"
    """The repair network; auto decides as the live program does by itself."""
    rivals: bool = True
    """Measure the other policies, too."""
    threads: int | None = None
    """CPU threads per network; default as in the live program."""
    occlusion: bool = True
    """Look for what is in front of the face."""
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print the tables, and the JSON line where wanted."""
    console = Console(width=100)
    console.print(
        f"{machine()}; {options.rate:g} frames/s, {options.mode}, repair {options.repair}, sink {options.sink}",
        highlight=False,
    )
    pictures, name = clip_pictures()
    reports = {}
    for policy in POLICIES if options.rivals else ["ours"]:
        reports[policy] = _measure(POLICIES[policy], pictures, name, options)
    console.print(_table(reports), _stages(reports["ours"]))
    if by_minute := reports["ours"]["latency_by_minute_ms"]:
        console.print("Ours, median of every minute, ms:", *by_minute)
    if options.json:
        print(json.dumps(reports))


def _measure(policy: Policy, pictures: list[Pixels], name: str, options: Options) -> dict[str, Any]:
    live = Paced(Memory(pictures, options.rate, loop=True), options.rate)
    source: Source = Limited(live, options.seconds)
    with (
        tempfile.TemporaryDirectory() as folder,
        open_analyser(_analysis(options)) as analyser,
    ):
        asked = None if options.repair == "auto" else Level(options.repair)
        repair = Repair(RepairOptions(asked, live=True, threads=network_threads(options.threads)))
        renderer = Renderer(RenderOptions(people=demo_people(analyser)[1:]), repair)
        kind = "null" if options.sink == "null" else f"{folder}/out.mp4"
        sink = Watched(open_sink(kind, SinkOptions(True, options.rate)))
        outcome = policy(
            source, analyser, renderer, sink, Controls(Settings(mode=options.mode, repair=asked is not Level.OFF))
        )
        runtime = f"{analyser.runtime}; {renderer.description}; {machine()}"
    return make_report(outcome, source, name, runtime, repair.status) | sink.growth()


def _analysis(options: Options) -> AnalysisOptions:
    """As the live program has it."""
    swapping = options.mode is Mode.SWAP
    return AnalysisOptions(
        live=True,
        threads=network_threads(options.threads),
        occlusion=(lambda: swapping) if options.occlusion else None,
    )


@dataclass
class Watched(Sink):
    """Another sink, with what is needed to see growth: latency, memory and processor time over time."""

    inner: Sink
    seen: list[tuple[float, float]] = field(default_factory=list)
    memory: list[tuple[float, float]] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.name, self.lossless, self.recorder = self.inner.name, self.inner.lossless, self.inner.recorder

    def write(self, result: Result) -> None:
        self.inner.write(result)
        now = time.perf_counter()
        self.seen.append((now, 1000 * (now - result.frame.captured)))
        self.processor.append(1000 * time.process_time())
        megabytes = resident_mb() if not self.memory or now - self.memory[-1][0] >= 1 else None
        if megabytes is not None:
            self.memory.append((now, megabytes))

    def close(self) -> None:
        self.inner.close()

    def growth(self) -> dict[str, Any]:
        """Median latency of the last minute less that of the first, and memory of the last less that of the second.

        The median latency of every whole minute, which tells a growth from a slow minute. And what all threads together
        compute for a frame: a busy machine changes it least.
        """
        return {
            "latency_by_minute_ms": _by_minute(np.array(self.seen)),
            "latency_growth_ms": _growth(np.array(self.seen), since=0),
            "memory_growth_mb": _growth(np.array(self.memory), since=1),
            "processor_ms_per_frame": _per_frame(self.processor),
        }


def _by_minute(series: np.ndarray) -> list[float]:
    """Medians of the (time, value) rows of every whole minute."""
    if not len(series):
        return []
    minutes = (series[:, 0] - series[0, 0]) // 60
    return [round(float(np.median(series[minutes == i, 1])), 1) for i in range(int(minutes[-1]))]


def _per_frame(processor: list[float]) -> float | None:
    """Mean step of a clock that was read at every frame; None below two frames."""
    return round((processor[-1] - processor[0]) / (len(processor) - 1), 2) if len(processor) > 1 else None


def _growth(series: np.ndarray, since: int) -> float | None:
    """Growth of the (time, value) rows from minute `since` to the last, by medians; None where there are none.

    Of a run shorter than three minutes thirds count instead.
    """
    if not len(series):
        return None
    times, values = series[:, 0] - series[0, 0], series[:, 1]
    window = min(60.0, times[-1] / 3)
    early = values[(times >= since * window) & (times <= (since + 1) * window)]
    late = values[times >= times[-1] - window]
    return round(float(np.median(late) - np.median(early)), 3)


def clip_pictures() -> tuple[list[Pixels], str]:
    """Frames of a real clip where the data folder is there, else of the demo, to and fro; and what they are."""
    clip = Path(os.environ.get("FACET_DATA", _ROOT.parent / "shared" / "data")) / "video_d6.mp4"
    source: Source = VideoFile(str(clip)) if clip.is_file() else Demo()
    with source:
        pictures = [_filled(frame.pixels) for frame in islice(source, _FRAMES)]
    return pictures + pictures[-2:0:-1], clip.name if clip.is_file() else "demo"


def _filled(pixels: Pixels) -> Pixels:
    """The picture scaled and cropped to SIZE."""
    height, width = pixels.shape[:2]
    scale = max(SIZE[0] / width, SIZE[1] / height)
    large = cv2.resize(pixels, (round(width * scale), round(height * scale)), interpolation=cv2.INTER_CUBIC)
    top, left = (large.shape[0] - SIZE[1]) // 2, (large.shape[1] - SIZE[0]) // 2
    return np.ascontiguousarray(large[top : top + SIZE[1], left : left + SIZE[0]])


def _rows(reports: dict[str, dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    base = reports["ours"]["latency_ms"]["p50"]
    for policy, report in reports.items():
        latency = report["latency_ms"]
        lost = report["frames_in"] - report["sinks"][0]["frames"]
        yield (
            policy,
            f"{report['sinks'][0]['frames'] * report['fps'] / max(report['frames_out'], 1):.1f}",
            f"{100 * lost / max(report['frames_in'], 1):.2f}",
            *(f"{latency[key]:.1f}" for key in ("p50", "p95", "p99")),
            f"{latency['p50'] / base:.2f}",
            *(
                "–" if report[key] is None else f"{report[key]:+.1f}"
                for key in ("latency_growth_ms", "memory_growth_mb")
            ),
            "–" if report["processor_ms_per_frame"] is None else f"{report['processor_ms_per_frame']:.1f}",
        )


def _table(reports: dict[str, dict[str, Any]]) -> Table:
    columns = "policy", "frames/s", "lost %", "p50", "p95", "p99", "p50/ours", "growth", "MB", "processor"
    title = (
        "Capture to sink in ms. Growth: the median's from the first to the last minute, memory's after the first. "
        "Processor: ms of all threads for a frame."
    )
    table = Table(*columns, title=title)
    for row in _rows(reports):
        table.add_row(*row)
    return table


def _stages(report: dict[str, Any]) -> Table:
    table = Table("stage", "p50, ms", "p95, ms", title="Ours, by stage")
    stages = report["stages_ms"]
    for stage, times in stages.items():
        table.add_row(stage, f"{times['p50']:.1f}", f"{times['p95']:.1f}")
    table.add_section()
    drawing = sum(stages[part]["p50"] for part in _DRAWING if part in stages)
    table.add_row(" + ".join(part.removeprefix("render ") for part in _DRAWING), f"{drawing:.1f}", "")
    if repair := report["repair"]:
        table.caption = f"Repair {repair['running']}: {repair['why'] or 'none'}."
    return table
