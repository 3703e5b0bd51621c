"""The render stage alone: its parts back to back, and after pauses as a live source makes them.

python -m bench render [--pause-ms 20] [--mode swap] [--repair fast] [--json]
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Annotated

import tyro
from rich.console import Console
from rich.table import Table

from bench.loop import clip_pictures
from bench.machine import machine
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.controls import Mode, Settings
from realtime.frame import Face, Frame
from realtime.people import demo_people
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions
from realtime.repair.pace import Level
from realtime.repair.stage import Repair
from realtime.timing import Timings

PROCESSOR = "processor time"


@dataclass(frozen=True)
class Options:
    """Measure what drawing one face into 1280x720 takes, without the other stages."""

    rounds: int = 4
    """How often the clip is drawn; the first time does not count."""
    pause_ms: float = 20.0
    """How long the thread sleeps before each frame in the second column."""
    mode: Annotated[Mode, tyro.conf.EnumChoicesFromValues] = Mode.SWAP
    """What is done with the face."""
    repair: Annotated[Level, tyro.conf.EnumChoicesFromValues] = Level.OFF
    """How it is repaired."""
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print a table, and the JSON line where wanted."""
    pictures, _ = clip_pictures()
    with open_analyser(AnalysisOptions(occlusion=lambda: True)) as analyser:
        people = demo_people(analyser)[1:]
        frames = [Frame(pixels, index, index / 30, 0.0) for index, pixels in enumerate(pictures[: len(pictures) // 2])]
        analysed = [(frame, analyser.analyse(frame)) for frame in frames]
    repair = Repair(RepairOptions(options.repair, threads=1)) if options.repair is not Level.OFF else None
    renderer = Renderer(RenderOptions(people=people), repair)
    renderer.open()
    columns = {
        "back to back": _drawn(renderer, analysed, options, 0.0),
        f"after {options.pause_ms:g} ms": _drawn(renderer, analysed, options, options.pause_ms / 1000),
    }
    description = renderer.description
    renderer.close()
    table = Table("p50 / p95, ms", *columns, title=f"{machine()}; {description}")
    for name in columns["back to back"]:
        table.add_row(name, *(f"{column[name]['p50']:.2f} / {column[name]['p95']:.2f}" for column in columns.values()))
    Console().print(table)
    if options.json:
        print(json.dumps({"ours": {"stages_ms": columns, "machine": machine(), "runtime": description}}))


def _drawn(
    renderer: Renderer, analysed: list[tuple[Frame, tuple[Face, ...]]], options: Options, pause_s: float
) -> dict[str, dict[str, float]]:
    """Milliseconds by part: percentiles of the whole, of its parts, and of what all threads together computed."""
    timings, settings = Timings(), Settings(options.mode)
    for number in range(options.rounds):
        for frame, faces in analysed:
            time.sleep(pause_s)
            wall, processor = time.perf_counter(), time.process_time()
            result = renderer.draw(frame, faces, settings)
            if number > 0:
                timings.add("render", time.perf_counter() - wall)
                timings.add(PROCESSOR, time.process_time() - processor)
                timings.add_parts("render", result.parts_s)
    return {
        name: {f"p{percent}": round(1000 * histogram.percentile(percent), 3) for percent in (50, 95)}
        for name, histogram in timings.items()
    }
