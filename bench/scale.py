"""How cost grows with faces in one frame, and with streams on one machine.

python -m bench scale [--faces 1 2 4 8 16] [--streams 1 2 4 8] [--runtime auto] [--json]
"""

from __future__ import annotations

import functools
import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import cv2
import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.loop import SIZE
from bench.machine import machine
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.backend import open_backend
from realtime.controls import Mode, Settings
from realtime.errors import InputError
from realtime.frame import Face, Frame, Pixels
from realtime.people import demo_people
from realtime.plan import network_threads
from realtime.renderer import Renderer, RenderOptions
from realtime.sources.demo import portraits
from realtime.timing import Timings

_SHIFT_PX = 12  # how far the faces move to and fro, so that nothing stands still
_COLUMNS = 6
_ROOM = 1.9  # sides of a portrait's part, in larger sides of its face


@dataclass(frozen=True)
class Options:
    """Measure one loop with more and more faces, and more and more loops with one face, at 1280x720."""

    faces: tuple[int, ...] = (1, 2, 4, 8, 16)
    """Faces in the frame, 1 to 16 each."""
    streams: tuple[int, ...] = (1, 2, 4, 8)
    """Programs at a time, each with a face of its own."""
    frames: int = 200
    """Frames measured of each loop."""
    settling: int = 20
    """Frames before them that do not count: faces are found and code is warm by then."""
    mode: Annotated[Mode, tyro.conf.EnumChoicesFromValues] = Mode.SWAP
    """What is done with the faces."""
    runtime: Literal["auto", "openvino", "tensorrt", "torch"] = "auto"
    """What runs the networks."""
    threads: int | None = None
    """CPU threads per network; default as in the live program."""
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print two tables, and the JSON line where wanted."""
    if not all(1 <= count <= 16 for count in options.faces) or not all(count >= 1 for count in options.streams):
        raise InputError("The numbers of faces go from 1 to 16 and those of streams from 1.")
    console = Console(width=100)
    console.print(f"{machine()}; {options.mode}", highlight=False)
    faces = {count: measured(options, count) for count in track(options.faces, "faces")}
    streams = {count: together(options, count) for count in track(options.streams, "streams")}
    console.print(_faces_table(faces), _streams_table(streams))
    if options.json:
        print(json.dumps({"ours": {"faces": faces, "streams": streams, "machine": machine()}}))


def measured(options: Options, count: int, start: Any = None) -> dict[str, Any]:
    """One loop over frames with `count` faces, its stages one after the other: milliseconds by stage, and frames per
    second. `start` is a barrier that is waited for before what counts."""
    threads = network_threads(options.threads)
    backend = open_backend(options.runtime, threads)
    with open_analyser(AnalysisOptions(max_faces=count, live=True), backend) as analyser:
        renderer = Renderer(
            RenderOptions(people=demo_people(analyser)), None, backend.transfer, backend.modeller, backend.turner
        )
        renderer.open()
        timings, settings, seen = Timings(), Settings(options.mode), 0
        began = 0.0
        for frame in moving(crowd(count), options.settling + options.frames):
            if frame.index == options.settling:
                if start is not None:
                    start.wait()
                began = time.perf_counter()
            at = time.perf_counter()
            found = analyser.analyse(frame)
            analysed = time.perf_counter()
            renderer.draw(frame, found, settings)
            drawn = time.perf_counter()
            if frame.index >= options.settling:
                seen += len(found)
                for stage, seconds in (("analyse", analysed - at), ("render", drawn - analysed), ("frame", drawn - at)):
                    timings.add(stage, seconds)
        rate = options.frames / (time.perf_counter() - began)
        renderer.close()
    stages = {
        stage: {f"p{percent}": round(1000 * histogram.percentile(percent), 3) for percent in (50, 95, 99)}
        for stage, histogram in timings.items()
    }
    return {"stages_ms": stages, "fps": round(rate, 2), "faces_seen": round(seen / options.frames, 2)}


def together(options: Options, count: int) -> dict[str, Any]:
    """`count` programs at a time: the rate of all, and the slowest one's milliseconds for a frame."""
    spawn = multiprocessing.get_context("spawn")  # OpenGL and OpenVINO do not survive a fork
    with spawn.Manager() as manager, ProcessPoolExecutor(count, mp_context=spawn) as pool:
        start = manager.Barrier(count)
        runs = [future.result() for future in [pool.submit(measured, options, 1, start) for _ in range(count)]]
    frames = [run["stages_ms"]["frame"] for run in runs]
    worst = {key: max(frame[key] for frame in frames) for key in frames[0]}
    return {"frame_ms": worst, "fps": round(sum(run["fps"] for run in runs), 2)}


def crowd(count: int) -> Pixels:
    """A picture of SIZE with `count` faces, the built-in portraits in turn, all of one size whatever the count."""
    side = SIZE[0] // _COLUMNS
    picture = np.full((SIZE[1], SIZE[0], 3), 96, np.uint8)
    parts = _heads(side)
    for place in range(count):
        row, column = divmod(place, _COLUMNS)
        top, left = row * side, column * side
        picture[top : top + side, left : left + side] = parts[place % len(parts)]
    return picture


def moving(picture: Pixels, frames: int) -> Iterator[Frame]:
    """The picture swaying sideways, once in a second."""
    wide = cv2.copyMakeBorder(picture, 0, 0, _SHIFT_PX, _SHIFT_PX, cv2.BORDER_REPLICATE)
    for index in range(frames):
        shift = round(_SHIFT_PX * (1 + np.sin(2 * np.pi * index / 30)))
        pixels = np.ascontiguousarray(wide[:, shift : shift + picture.shape[1]])
        yield Frame(pixels, index, index / 30, time.perf_counter())


@functools.cache
def _heads(side: int) -> tuple[Pixels, ...]:
    """The heads of the portraits in squares."""
    with open_analyser(AnalysisOptions()) as analyser:
        return tuple(_head(portrait, analyser.photo(portrait, "a portrait")[0], side) for portrait in portraits())


def _head(portrait: Pixels, face: Face, side: int) -> Pixels:
    height, width = portrait.shape[:2]
    x, y, w, h = face.box
    reach = min(_ROOM * max(w, h), width, height)
    left = int(np.clip(x + w / 2 - reach / 2, 0, width - reach))
    top = int(np.clip(y + h / 2 - 0.55 * reach, 0, height - reach))
    square = portrait[top : top + int(reach), left : left + int(reach)]
    how = cv2.INTER_AREA if side < reach else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(square, (side, side), interpolation=how))


def _faces_table(faces: dict[int, dict[str, Any]]) -> Table:
    table = Table(
        "faces", "seen", "analyse", "render", "frame", "p95", "of the first", "frames/s", title="One loop, ms"
    )
    base = next(iter(faces.values()))["stages_ms"]["frame"]["p50"]
    for count, run in faces.items():
        stages = run["stages_ms"]
        table.add_row(
            str(count),
            f"{run['faces_seen']:.1f}",
            *(f"{stages[stage]['p50']:.1f}" for stage in ("analyse", "render", "frame")),
            f"{stages['frame']['p95']:.1f}",
            f"{stages['frame']['p50'] / base:.2f}",
            f"{run['fps']:.1f}",
        )
    return table


def _streams_table(streams: dict[int, dict[str, Any]]) -> Table:
    table = Table("streams", "frames/s, all", "each", "p50 of the slowest", "p95", title="Programs at a time, ms")
    for count, run in streams.items():
        frame = run["frame_ms"]
        rates = f"{run['fps']:.1f}", f"{run['fps'] / count:.1f}"
        table.add_row(str(count), *rates, f"{frame['p50']:.1f}", f"{frame['p95']:.1f}")
    return table
