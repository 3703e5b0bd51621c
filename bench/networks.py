"""What one face costs: detector, landmarks, DepthNet, occlusion, eyes seen, least squares.

python -m bench networks [--threads 1] [--json]
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

import engines
from bench.machine import machine
from engines.lstsq import solve
from realtime.analysis.crop_net import CropNet
from realtime.analysis.eyes_seen import EyesNet
from realtime.analysis.landmarks import CROP
from realtime.analysis.lift import lift
from realtime.analysis.networks import Networks, first_sight
from realtime.analysis.occlusion import OcclusionNet
from realtime.frame import Face, Pose
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import KEYPOINTS
from realtime.sources import Demo
from realtime.timing import Histogram


@dataclass(frozen=True)
class Options:
    """Measure the networks and the least squares on a 1280x720 frame with one face."""

    threads: int | None = None
    """CPU threads per network; None leaves it to the runtime."""
    repeats: int = 300
    """How often each is called."""
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print a table, and the JSON line where wanted."""
    networks = Networks.load(options.threads)
    pixels = Demo().picture(0)
    points = first_sight(networks.landmarks, pixels, networks.detector(pixels)[:1]).points
    occlusion = OcclusionNet(CropNet(engines.load("occlusion", threads=options.threads)))
    eyes = EyesNet(CropNet(engines.load("eyes_seen", threads=options.threads)))
    depth = lift(networks.depthnet, points)[0]
    faces = (Face(1, points[0], np.ones(KEYPOINTS, np.float32), 1.0, Pose(0, 0, 0), depth[0]),)
    solid = np.dstack([points[:, :68], depth[:, :68, None]])
    crops = [face_crop(points[0], CROP)]
    many, targets = np.repeat(solid, 1024, axis=0), np.repeat(points[:, :68], 1024, axis=0)
    jobs: dict[str, Callable[[], object]] = {
        "detector": lambda: networks.detector(pixels),
        "landmarks": lambda: networks.landmarks(pixels, crops),
        "depthnet and pose": lambda: lift(networks.depthnet, points),
        "occlusion": lambda: occlusion(pixels, faces, 0.0),
        "eyes seen": lambda: eyes(pixels, faces),
        "least squares, 1 face": lambda: solve(solid, points[:, :68]),
        "least squares, 1024 faces": lambda: solve(many, targets),
    }
    figures = {name: _timed(job, options.repeats) for name, job in jobs.items()}
    title = f"{machine()}; {networks.depthnet.runtime}; landmarks in {networks.landmarks.precision}"
    table = Table("", "p50, ms", "p95, ms", title=title)
    for name, row in figures.items():
        table.add_row(name, f"{row['p50']:.3f}", f"{row['p95']:.3f}")
    Console().print(table)
    if options.json:
        print(json.dumps({"ours": {"stages_ms": figures, "machine": machine(), "runtime": networks.depthnet.runtime}}))


def _timed(job: Callable[[], object], repeats: int) -> dict[str, float]:
    histogram = Histogram()
    for repeat in range(repeats + 10):
        start = time.perf_counter()
        job()
        if repeat >= 10:  # the first calls compile and allocate
            histogram.add(time.perf_counter() - start)
    return {f"p{percent}": round(1000 * histogram.percentile(percent), 4) for percent in (50, 95)}
