"""What an NVIDIA GPU makes of it: the least squares beside torch and cuBLAS, with the share of the memory's speed they
use, and the whole loop with its frames on the GPU beside the same loop with host copies between the stages.

python -m bench gpu [--faces 1 1024 1000000] [--loop.runtime tensorrt] [--loop.frames 0] [--json]
"""

from __future__ import annotations

import functools
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bench.machine import machine
from engines import EngineError
from engines.lstsq import cuda, host
from realtime.controls import Mode
from realtime.gpu.sources import SOURCES

K = 68
FACE_BYTES = 4 * (K * 3 + K * 2 + 8)  # read and written for each face
COPIED_BYTES = 1 << 31
TRIES = 15
# a try is at least that long, in launches of a graph or in calls of a rival
TRY_SECONDS = 0.01


@dataclass(frozen=True)
class LoopOptions:
    """The whole loop at 1280x720 with one face."""

    frames: int = 300
    """Frames measured; 0 leaves the loop out."""
    settling: int = 30
    """Frames before them, in which the face is found and code gets warm."""
    runtime: Literal["torch", "tensorrt"] = "torch"
    """What runs the networks."""
    mode: Annotated[Mode, tyro.conf.EnumChoicesFromValues] = Mode.SWAP
    """What is done with the face."""
    repair: Literal["off", "fast", "full"] = "full"
    """The repair network."""


@dataclass(frozen=True)
class Options:
    """Measure the least squares and the whole loop on the first NVIDIA GPU."""

    faces: tuple[int, ...] = (1, 16, 128, 1024, 10_000, 100_000, 1_000_000, 10_000_000)
    """Batch sizes of the least squares; those that do not fit into the GPU's memory are left out."""
    rivals_up_to: int = 100_000
    """The largest batch the rivals, which need 10 to 100 times the memory and time, are given."""
    loop: LoopOptions = field(default_factory=LoopOptions)
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print the tables, and the JSON line where wanted."""
    if not torch.cuda.is_available():
        raise EngineError(
            "There is no GPU that torch can use: the measurement needs an NVIDIA GPU and torch with CUDA."
        )
    for source in SOURCES:
        source.build()
    console, gpu = Console(), torch.cuda.get_device_name()
    report: dict[str, Any] = {"gpu": gpu, "machine": machine()}
    report |= measure_lstsq(options)
    console.print(_table(report, f"{gpu}, copies {report['copy_bytes_per_s'] / 1e12:.2f} TB/s; {machine()}"))
    if options.loop.frames:
        from bench.gpu_loop import loop_tables, measure_loop  # wants cuda-bindings and OpenGL, too

        report["loop"] = measure_loop(options.loop)
        console.print(*loop_tables(report["loop"], f"{options.loop.runtime}, {gpu}"))
    if options.json:
        print(json.dumps(report))


def measure_lstsq(options: Options) -> dict[str, Any]:
    """Microseconds by solver ("ours" and `RIVALS`) and number of faces, and the speed of copies in bytes a second."""
    solver, speed = cuda.solver(), _copy_speed()
    rows: dict[str, dict[int, dict[str, float]]] = {name: {} for name in ("ours", *RIVALS)}
    for faces in options.faces:
        if 2 * faces * FACE_BYTES <= torch.cuda.mem_get_info()[0]:
            points, targets = _batch(faces)
            rows["ours"][faces] = _ours(solver, points, targets, speed)
            for name, rival in RIVALS.items() if faces <= options.rivals_up_to else ():
                rows[name][faces] = {"us": 1e6 * _seconds(functools.partial(rival, points, targets))}
            del points, targets
            torch.cuda.empty_cache()
    return {**rows, "copy_bytes_per_s": speed}


def _ours(solver: cuda.CudaSolver, points: Tensor, targets: Tensor, speed: float) -> dict[str, float]:
    """Microseconds a launch takes in a CUDA graph, that a call takes the host, and the share of the copies' speed."""
    faces = len(points)
    affines = torch.full((faces, 2, 4), torch.nan, device=points.device)
    stream = solver.stream()
    theirs = torch.cuda.ExternalStream(stream.handle)

    def launch() -> None:
        solver.launch(points, targets, None, 0.0, affines, stream=stream)

    theirs.wait_stream(torch.cuda.current_stream())
    launch()
    theirs.synchronize()
    _check(points, targets, affines)
    start = time.perf_counter()
    launch()
    theirs.synchronize()
    many = max(1, int(TRY_SECONDS / (time.perf_counter() - start)))

    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, stream=theirs):
        for _ in range(many):
            launch()
    seconds = _seconds(graph.replay) / many

    start = time.perf_counter()
    for _ in range(many):
        launch()
    calling = (time.perf_counter() - start) / many
    theirs.synchronize()
    share = faces * FACE_BYTES / seconds / speed
    return {"us": 1e6 * seconds, "host_call_us": 1e6 * calling, "share_of_copy": share}


def _check(points: Tensor, targets: Tensor, affines: Tensor) -> None:
    """What is measured must be right: the first and last faces against the host's."""
    for part in (slice(0, 500), slice(-500, None)):
        solved, truth = affines[part].cpu().numpy(), host.solve(points[part].cpu().numpy(), targets[part].cpu().numpy())
        if not np.abs(solved - truth).max() < 1e-4:
            raise EngineError("The least squares on this GPU do not equal the host's: run python -m pytest tests/gpu.")


def _lstsq(points: Tensor, targets: Tensor) -> Tensor:
    return torch.linalg.lstsq(_design(points), targets).solution


def _pinv(points: Tensor, targets: Tensor) -> Tensor:
    return torch.linalg.pinv(_design(points)) @ targets


def _normal_equations(points: Tensor, targets: Tensor) -> Tensor:
    """cuBLAS throughout: batched products, then batched LU of the 4x4 systems."""
    design = _design(points)
    return torch.linalg.solve(design.mT @ design, design.mT @ targets)


def _design(points: Tensor) -> Tensor:
    """(B, K, 4) rows [x y z 1]."""
    return torch.nn.functional.pad(points, (0, 1), value=1.0)


RIVALS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "torch.linalg.lstsq": _lstsq,
    "torch.linalg.pinv": _pinv,
    "cuBLAS batched": _normal_equations,
}


def _batch(faces: int) -> tuple[Tensor, Tensor]:
    """Random points, and targets that an affine explains but for 2 % of the box; on the GPU from the start."""
    generator = torch.Generator("cuda").manual_seed(faces)
    points = torch.rand(faces, K, 3, device="cuda", generator=generator)
    targets = torch.rand(faces, K, 2, device="cuda", generator=generator).mul_(0.02)
    targets[..., 0].add_(points[..., 0], alpha=0.9).add_(points[..., 2], alpha=0.4)
    targets[..., 1].add_(points[..., 1], alpha=1.1).sub_(points[..., 2], alpha=0.2)
    return points, targets


def _copy_speed() -> float:
    """Bytes a second, read and written, of a large copy on the device."""
    one = torch.randint(0, 256, (COPIED_BYTES,), dtype=torch.uint8, device="cuda")
    other = torch.empty_like(one)
    return 2 * COPIED_BYTES / _seconds(lambda: other.copy_(one))


def _seconds(job: Callable[[], object]) -> float:
    """Median time of a job on the GPU, by CUDA events."""
    times = []
    job()  # compiles, allocates
    for _ in range(TRIES):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        job()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end) / 1000)
    return statistics.median(times)


def _table(rows: dict[str, Any], title: str) -> Table:
    table = Table(
        "faces", "ours, µs", "share of copy", "host call, µs", *(f"{name}, µs" for name in RIVALS), title=title
    )
    for faces, ours in rows["ours"].items():
        rivals = [rows[name].get(faces) for name in RIVALS]
        shown = [f"{rival['us']:.1f} ({rival['us'] / ours['us']:.0f} ×)" if rival else "" for rival in rivals]
        table.add_row(
            f"{faces:,}", f"{ours['us']:.2f}", f"{ours['share_of_copy']:.0%}", f"{ours['host_call_us']:.1f}", *shown
        )
    return table
