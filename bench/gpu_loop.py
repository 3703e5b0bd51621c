"""What the whole loop costs with its frames on an NVIDIA GPU, and with copies to the host between the stages.

Part of `python -m bench gpu`. Stages run one after the other on one thread, so that each has its own time.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

from rich.progress import track
from rich.table import Table

from bench.gpu import LoopOptions
from bench.loop import clip_pictures
from engines.runtime import cuda
from engines.runtime.cuda import done
from engines.runtime.torch import TorchEngine
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.backend import Backend, HostBackend
from realtime.controls import Settings
from realtime.effects.photo import Person
from realtime.frame import Frame, Pixels
from realtime.gpu.backend import GpuBackend
from realtime.gpu.kernels import Kernels
from realtime.people import demo_people
from realtime.render import gl
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions
from realtime.repair.pace import Level
from realtime.repair.stage import Repair
from realtime.timing import Histogram, Timings

_PERCENTILES = (50, 95, 99)


def measure_loop(options: LoopOptions) -> dict[str, Any]:
    """Both ways, by name: "frames on the GPU" and "host copies between stages".

    Each has `host_ms` and `cuda_ms`, stage → {"p50", "p95", "p99"}, bytes `up` and `down` a frame, `fps`, and the share
    of the time in which CUDA was at work (its part of the GPU: OpenGL's is not in it).
    """
    pictures, name = clip_pictures()
    ours = GpuBackend(options.runtime)
    ways: dict[str, Backend] = {"frames on the GPU": ours, "host copies between stages": HostBackend(options.runtime)}
    with open_analyser(AnalysisOptions(), ours) as analyser:
        people = demo_people(analyser)[1:]
    return {"clip": name, **{way: _measured(backend, pictures, people, way, options) for way, backend in ways.items()}}


def _measured(
    backend: Backend, pictures: list[Pixels], people: tuple[Person, ...], way: str, options: LoopOptions
) -> dict[str, Any]:
    host, events, bus = Timings(), Events(), Bus()
    repair = Repair(RepairOptions(Level(options.repair), device=options.runtime), mender=backend.mender)
    settings = Settings(options.mode, repair=options.repair != "off")
    with ExitStack() as stack:
        analyser = stack.enter_context(open_analyser(AnalysisOptions(live=True, occlusion=lambda: True), backend))
        if isinstance(backend, GpuBackend):
            stack.enter_context(events.watching())
        renderer = Renderer(RenderOptions(people=people), repair, backend.transfer)
        stack.callback(renderer.close)
        renderer.open()
        stack.enter_context(bus.counting())
        began = 0.0
        for frame in track(_frames(pictures, options.settling + options.frames), way, transient=True):
            if frame.index == options.settling:
                began = time.perf_counter()
                bus.up = bus.down = 0
                host = Timings()
            if frame.index <= options.settling:
                events.times = Timings()
            start = time.perf_counter()
            faces = analyser.analyse(frame)
            analysed = time.perf_counter()
            result = renderer.draw(frame, faces, settings)
            host.add("analyse", analysed - start)
            host.add_parts("render", result.parts_s)
            host.add("frame", time.perf_counter() - start)
            events.read()
        seconds = time.perf_counter() - began
    working = sum(histogram.total_s for _, histogram in events.times.items())
    return {
        "host_ms": _summary(host),
        "cuda_ms": _summary(events.times),
        "bytes": {"up": round(bus.up / options.frames), "down": round(bus.down / options.frames)},
        "fps": round(options.frames / seconds, 2),
        "cuda_share": round(working / seconds, 3),
        "gl": renderer.description,
    }


def _frames(pictures: list[Pixels], count: int) -> Iterator[Frame]:
    """Each in memory of its own, as sources give them: what was sent once does not count as sent."""
    for index in range(count):
        yield Frame(pictures[index % len(pictures)].copy(), index, index / 30, time.perf_counter())


def _summary(timings: Timings) -> dict[str, dict[str, float]]:
    def percentiles(histogram: Histogram) -> dict[str, float]:
        return {f"p{percent}": round(1000 * histogram.percentile(percent), 4) for percent in _PERCENTILES}

    return {stage: percentiles(histogram) for stage, histogram in timings.items()}


@dataclass
class Events:
    """Times what is put on a stream, by pairs of CUDA events."""

    times: Timings = field(default_factory=Timings)
    _pairs: list[tuple[str, Any, Any]] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """All kernels, and what goes with them, are watched."""
        watch = self._watch

        def watched(kernels: Kernels, stage: str) -> AbstractContextManager[None]:
            return watch(stage, kernels.stream)

        with patch.object(Kernels, "watch", watched):
            yield

    def read(self) -> None:
        """Take in the events of a frame that is done."""
        for stage, start, end in self._pairs:
            done(cuda.runtime.cudaEventSynchronize(end), "finish")
            milliseconds = done(cuda.runtime.cudaEventElapsedTime(start, end), "tell the time")
            self.times.add(stage, milliseconds / 1000)
            for event in (start, end):
                done(cuda.runtime.cudaEventDestroy(event), "forget an event")
        self._pairs.clear()

    @contextmanager
    def _watch(self, stage: str, stream: int) -> Iterator[None]:
        start, end = (done(cuda.runtime.cudaEventCreate(), "make an event") for _ in range(2))
        done(cuda.runtime.cudaEventRecord(start, stream), "note the time")
        yield
        done(cuda.runtime.cudaEventRecord(end, stream), "note the time")
        self._pairs.append((stage, start, end))


@dataclass
class Bus:
    """Counts bytes handed to CUDA and OpenGL, and taken from them."""

    up: int = 0
    down: int = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """While within. (OpenGL in software moves them all the same, if over no bus.)"""
        with ExitStack() as stack:

            def counted(owner: Any, name: str, up: Callable[..., int], down: Callable[..., int]) -> None:
                plain = getattr(owner, name)

                def call(*arguments: Any, **options: Any) -> Any:
                    result = plain(*arguments, **options)
                    self.up += up(*arguments)
                    self.down += down(*arguments)
                    return result

                stack.enter_context(patch.object(owner, name, call))

            def none(*_: Any) -> int:
                return 0

            counted(cuda, "upload", lambda array, there, stream: there.nbytes, none)
            counted(cuda, "download", none, lambda there, array, stream: there.nbytes)
            # torch copies by itself
            counted(TorchEngine, "run", lambda engine, *_: _bound_bytes(engine)[0], lambda e, *_: _bound_bytes(e)[1])
            counted(TorchEngine, "fetch", none, lambda engine, stream: _bound_bytes(engine)[1])
            counted(gl.Texture, "upload", lambda texture, picture, *_: _picture_bytes(texture, picture), none)
            counted(gl.Mesh, "fill", lambda mesh, vertices: 4 * vertices.size, none)
            counted(gl.Target, "read", none, _read_bytes)
            counted(gl.Target, "read_into_buffer", none, lambda target: 4 * target.size[0] * target.size[1])
            yield


def _bound_bytes(engine: TorchEngine) -> tuple[int, int]:
    """Of the inputs and of the outputs of the buffers that this thread bound last."""
    buffers = engine.bound()
    return sum(array.nbytes for array in buffers.inputs), sum(array.nbytes for array in buffers.outputs)


def _picture_bytes(texture: gl.Texture, picture: Any) -> int:
    return 4 * texture.size[0] * texture.size[1] if picture is None else int(picture.nbytes)


def _read_bytes(target: gl.Target, out: Any = None, rectangle: gl.Rectangle | None = None) -> int:
    width, height = target.size if rectangle is None else rectangle[2:]
    return 4 * width * height


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
    ):
        stages.add_row(title, *(shown(way) for way in ways))
    ours = report[ways[0]]
    events = Table("on the GPU", "p50 / p95 / p99, ms", title="CUDA events")
    for stage, times in ours["cuda_ms"].items():
        events.add_row(stage, _cell(times))
    events.caption = f"CUDA at work {ours['cuda_share']:.0%} of the time; {ours['gl']}"
    return [stages, events]


def _cell(times: dict[str, float] | None) -> str:
    return "–" if times is None else " / ".join(f"{times[f'p{percent}']:.3f}" for percent in _PERCENTILES)
