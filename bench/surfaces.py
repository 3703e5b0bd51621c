"""Surfaces: what registration and maps of a 640x480 frame cost, and how mesh and network agree with a real sensor.

python -m bench surfaces [--json]

The sensor's pictures are those of RAP3DF's people whom no network was trained on. Unlike `bench depth`, which gives all
methods the same crops, this one takes the maps as the modes show them: from landmarks found, scale by the eyes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

import engines
from bench.machine import machine
from realtime.analysis.analyser import Analyser, AnalysisOptions, open_analyser
from realtime.analysis.crop_net import CropNet
from realtime.analysis.distance import head_distance, inner_face
from realtime.analysis.surface import FacingNet, ReliefNet
from realtime.frame import Frame
from realtime.rgbd import kinect1
from realtime.rgbd.registration import Registration
from realtime.rgbd.surfaces import depth_map, normal_map
from realtime.sources.demo import portraits
from training.readers import rap3df


@dataclass(frozen=True)
class Options:
    """Measure surfaces: their time, and what is seen without a sensor against RAP3DF's (the data folder is needed)."""

    rounds: int = 30
    """How often each piece is timed."""
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print two tables, and the JSON line where wanted."""
    analysis = AnalysisOptions(live=False, tracked=False, smooth=False, threads=1, relief=_always, facing=_always)
    with open_analyser(analysis) as analyser:
        times = _times(analyser, options.rounds)
        errors = _errors(analyser)
    console = Console()
    table = Table("640x480, one thread", "p50 ms", "p95 ms", title=machine())
    for name, (p50, p95) in times.items():
        table.add_row(name, f"{p50:.1f}", f"{p95:.1f}")
    console.print(table)
    table = Table("against the sensor, mean / median", "mesh as lifted", "by the network")
    for name, row in errors.items():
        table.add_row(name, *(f"{mean:.1f} / {median:.1f}" for mean, median in row.values()))
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
    relief = ReliefNet(CropNet(engines.load("facial_depth_live", threads=1)))
    facing = FacingNet(CropNet(engines.load("facial_normals_live", threads=1)))
    pieces: dict[str, Callable[[], object]] = {
        "raw Kinect depth to millimetres, registered, holes filled": lambda: registration(kinect1.millimetres(raw)),
        "normals of a head, sensor": lambda: normal_map(frame, faces),
        "depth network, and the mesh corrected by it": lambda: relief(frame.pixels, faces),
        "normals network, at the mesh's vertices": lambda: facing(frame.pixels, faces),
        "depth map, mesh": lambda: depth_map(bare, faces),
        "normal map, mesh": lambda: normal_map(bare, faces),
    }
    return {name: _timed(piece, rounds) for name, piece in pieces.items()}


def _always() -> bool:
    return True


def _timed(piece: Callable[[], object], rounds: int) -> tuple[float, float]:
    piece()
    taken = []
    for _ in range(rounds):
        begin = time.thread_time()
        piece()
        taken.append(1000 * (time.thread_time() - begin))
    p50, p95 = np.percentile(taken, [50, 95])
    return round(float(p50), 2), round(float(p95), 2)


def _errors(analyser: Analyser) -> dict[str, dict[str, tuple[float, float]]]:
    """What is measured → lifted mesh and network → mean and median over the pictures in which a face was found."""
    found: dict[str, dict[str, list[float]]] = {}

    def note(what: str, how: str, value: float) -> None:
        found.setdefault(what, {}).setdefault(how, []).append(value)

    for frame, whole in track(_rap3df(), "RAP3DF"):
        faces = analyser.analyse(frame)[:1]
        if not faces or frame.depth is None or not head_distance(faces[0], frame).measured:
            continue
        bare = replace(frame, depth=None)
        away = head_distance(faces[0], frame).mm
        masks = {"the inner face": inner_face(faces[0].points, frame.size), "the whole face": whole}
        sensed = normal_map(frame, faces).normals
        for how, face in (("mesh", replace(faces[0], relief=None, facing=None)), ("network", faces[0])):
            depth = depth_map(bare, (face,)).depth.astype(float)
            for where, mask in masks.items():
                seen = mask & (depth > 0) & (frame.depth > 0)
                apart = (depth - frame.depth)[seen]
                note(f"depth in {where}, mm, distance known", how, np.abs(apart - np.median(apart)).mean())
            normals = normal_map(bare, (face,)).normals
            seen = masks["the inner face"] & normals.any(axis=2) & sensed.any(axis=2)
            note("normals in the inner face, degrees", how, _degrees(normals[seen], sensed[seen]))
            # RAP3DF does not say where the optical axis goes through its crops: that tilts all normals alike
            turned = _turned(normals[seen], sensed[seen])
            note("the same after the best common turn", how, _degrees(turned, sensed[seen]))
        note("distance by the eyes, % off", "mesh", 100 * abs(head_distance(faces[0], bare).mm / away - 1))
    count = len(next(iter(found.values()))["mesh"])
    return {
        f"{what} ({count} pictures)": {how: _summary(values) for how, values in row.items()}
        for what, row in found.items()
    }


def _degrees(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.rad2deg(np.arccos(np.clip((a * b).sum(axis=1), -1, 1))).mean())


def _turned(normals: np.ndarray, target: np.ndarray) -> np.ndarray:
    """(N, 3) unit vectors after the rotation that brings them nearest to others (Kabsch 1976)."""
    u, _, v = np.linalg.svd(normals.T @ target)
    return np.asarray(normals @ (u @ np.diag([1, 1, np.sign(np.linalg.det(u @ v))]) @ v))


def _rap3df() -> list[tuple[Frame, np.ndarray]]:
    """Pictures of the held-out people, and (H, W) bool where their faces are."""
    faces = rap3df.read()
    return [
        (
            Frame(
                np.ascontiguousarray(faces.rgb[row]),
                0,
                0.0,
                0.0,
                depth=np.rint(faces.depth[row]).astype(np.uint16),
                intrinsics=faces.camera,
            ),
            faces.face(row),
        )
        for row in np.flatnonzero(faces.held_out).tolist()
    ]


def _summary(values: list[float]) -> tuple[float, float]:
    return round(float(np.mean(values)), 2), round(float(np.median(values)), 2)
