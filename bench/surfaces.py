"""Depth cameras: what registration and maps of a 640x480 frame cost, and how the mesh agrees with a real sensor.

python -m bench surfaces [--pictures 120] [--json]
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.machine import machine
from realtime.analysis.analyser import Analyser, AnalysisOptions, open_analyser
from realtime.analysis.distance import head_distance, inner_face
from realtime.frame import Frame
from realtime.rgbd import convert, kinect1
from realtime.rgbd.registration import Registration
from realtime.rgbd.surfaces import depth_map, normal_map
from realtime.sources import open_source
from realtime.sources.demo import portraits
from training.data import folder

_SETS = ("rap3df_2017.npz", "rap3df_2019.npz")


@dataclass(frozen=True)
class Options:
    """Measure surfaces: their time, and the DepthNet mesh against RAP3DF's sensor (the data folder is needed)."""

    rounds: int = 30
    """How often each piece is timed."""
    pictures: int = 120
    """How many pictures of RAP3DF, spread over both sets."""
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print two tables, and the JSON line where wanted."""
    analysis = AnalysisOptions(live=False, tracked=False, smooth=False, threads=1)
    with open_analyser(analysis) as analyser:
        times = _times(analyser, options.rounds)
        errors = _errors(analyser, options.pictures)
    console = Console()
    table = Table("640x480, one thread", "p50 ms", "p95 ms", title=machine())
    for name, (p50, p95) in times.items():
        table.add_row(name, f"{p50:.1f}", f"{p95:.1f}")
    console.print(table)
    table = Table("DepthNet mesh against the sensor", "mean", "median")
    for name, (mean, median) in errors.items():
        table.add_row(name, f"{mean:.1f}", f"{median:.1f}")
    console.print(table)
    if options.json:
        print(json.dumps({"ours": {"time_ms": times, "errors": errors}, "machine": machine()}))


def _times(analyser: Analyser, rounds: int) -> dict[str, tuple[float, float]]:
    """Processor time of this thread in milliseconds."""
    pixels = np.zeros((480, 640, 3), np.uint8)
    pixels[:, 80:560] = cv2.resize(portraits()[0], (480, 480))
    raw = kinect1.raw_depth(np.full((480, 640), 900))
    registration = Registration(kinect1.CALIBRATION)
    seen = kinect1.CALIBRATION.colour.intrinsics
    depth = registration(kinect1.millimetres(raw))
    frame = Frame(pixels, 0, 0.0, 0.0, depth=depth, intrinsics=seen)
    faces, bare = analyser.analyse(frame), replace(frame, depth=None)
    pieces: dict[str, Callable[[], object]] = {
        "raw Kinect depth to millimetres, registered, holes filled": lambda: registration(kinect1.millimetres(raw)),
        "normals of a head, sensor": lambda: normal_map(frame, faces),
        "depth map, mesh": lambda: depth_map(bare, faces),
        "normal map, mesh": lambda: normal_map(bare, faces),
    }
    return {name: _timed(piece, rounds) for name, piece in pieces.items()}


def _timed(piece: Callable[[], object], rounds: int) -> tuple[float, float]:
    piece()
    taken = []
    for _ in range(rounds):
        begin = time.thread_time()
        piece()
        taken.append(1000 * (time.thread_time() - begin))
    p50, p95 = np.percentile(taken, [50, 95])
    return round(float(p50), 2), round(float(p95), 2)


def _errors(analyser: Analyser, count: int) -> dict[str, tuple[float, float]]:
    """Mean and median over the pictures in which a face was found."""
    distance, shape, angle, turned = [], [], [], []
    for frame in track(_rap3df(count), "RAP3DF"):
        faces = analyser.analyse(frame)[:1]
        if not faces or frame.depth is None or not head_distance(faces[0], frame).measured:
            continue
        bare = replace(frame, depth=None)
        measured = head_distance(faces[0], frame).mm
        distance.append(100 * abs(head_distance(faces[0], bare).mm / measured - 1))
        mesh = depth_map(bare, faces).depth.astype(float)
        both = (mesh > 0) & (frame.depth > 0) & inner_face(faces[0].points, frame.size)
        apart = (mesh - frame.depth)[both]
        shape.append(np.abs(apart - np.median(apart)).mean())
        drawn, sensed = normal_map(bare, faces).normals, normal_map(frame, faces).normals
        both &= drawn.any(axis=2) & sensed.any(axis=2)
        angle.append(_degrees(drawn[both], sensed[both]))
        turned.append(_degrees(_turned(drawn[both], sensed[both]), sensed[both]))
    return {
        f"distance by the eyes, % off ({len(distance)} pictures)": _summary(distance),
        "depth inside the face, mm, distance known": _summary(shape),
        "normals inside the face, degrees": _summary(angle),
        # RAP3DF does not say where the optical axis goes through its crops: that tilts all normals alike
        "the same after the best common turn": _summary(turned),
    }


def _degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.rad2deg(np.arccos(np.clip((a * b).sum(axis=1), -1, 1))).mean())


def _turned(normals: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(N, 3) unit vectors after the rotation that brings them nearest to others (Kabsch 1976)."""
    u, _, v = np.linalg.svd(normals.T @ target)
    return np.asarray(normals @ (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v))


def _rap3df(count: int) -> list[Frame]:
    frames: list[Frame] = []
    with TemporaryDirectory() as scratch:
        for name in _SETS:
            convert.rap3df(folder() / name, Path(scratch) / name)
            with open_source(f"rgbd:{Path(scratch) / name}") as source:
                frames += source
    return frames[:: max(1, len(frames) // count)]


def _summary(values: list[float]) -> tuple[float, float]:
    return round(float(np.mean(values)), 2), round(float(np.median(values)), 2)
