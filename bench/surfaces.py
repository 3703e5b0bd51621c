"""Surfaces: what registration and maps of a 640x480 frame cost, and how mesh and network agree with a real sensor.

python -m bench surfaces [--json]
python -m bench surfaces --rgbd DIR [--save OUT] [--json]

The sensor's pictures are those of RAP3DF's people whom no network was trained on, or of a recording of your own, whose
maps by the networks are written where `--save` says. Unlike `bench depth`, which gives all methods the same crops, this
one takes the maps as the modes show them: from landmarks found, scale by the eyes.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

import engines
from bench.machine import machine
from realtime.analysis.analyser import Analyser, AnalysisOptions, open_analyser
from realtime.analysis.crop_net import CropNet
from realtime.analysis.distance import head_distance, inner_face
from realtime.analysis.surface import FacingNet, ReliefNet
from realtime.errors import InputError
from realtime.frame import Face, Frame, Result
from realtime.rgbd import kinect1
from realtime.rgbd.registration import Registration
from realtime.rgbd.surfaces import depth_map, normal_map
from realtime.sinks.base import Sink
from realtime.sinks.surface import depth_sink, normals_sink
from realtime.sources.demo import portraits
from realtime.sources.rgbd import RecordedDepth
from training.readers import rap3df

Errors = dict[str, dict[str, tuple[float, float]]]
ALIKE = AnalysisOptions(live=False, threads=1, relief=lambda: True, facing=lambda: True)


@dataclass(frozen=True)
class Options:
    """Measure surfaces: their time, and what is seen without a sensor against one (RAP3DF's, in the data folder)."""

    rgbd: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """A recording of colour and depth (docs/formats.md) to measure on instead; nothing is timed."""
    save: Annotated[Path | None, tyro.conf.arg(metavar="OUT")] = None
    """Write what the networks see in each frame of the recording to OUT/depth and OUT/normals, as 16-bit PNG."""
    rounds: int = 30
    """How often each piece is timed."""
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print the tables, and the JSON line where wanted.

    Raises:
        InputError: there is nothing to save, or the recording cannot be read.
    """
    if options.rgbd is not None:
        _measure_recording(options.rgbd, options)
        return
    if options.save is not None:
        raise InputError("--save writes the maps of a recording: give --rgbd DIR, too.")
    with open_analyser(replace(ALIKE, tracked=False, smooth=False)) as analyser:
        times = _times(analyser, options.rounds)
        errors = _errors(analyser, track(_rap3df(), "RAP3DF"))
    console = Console()
    table = Table("640x480, one thread", "p50 ms", "p95 ms", title=machine())
    for name, (p50, p95) in times.items():
        table.add_row(name, f"{p50:.1f}", f"{p95:.1f}")
    console.print(table)
    _show(errors, console)
    if options.json:
        print(json.dumps({"ours": {"time_ms": times, "errors": errors}, "machine": machine()}))


def _measure_recording(folder: Path, options: Options) -> None:
    sinks: list[Sink] = []
    if options.save is not None:
        sinks = [depth_sink(options.save / "depth"), normals_sink(options.save / "normals")]
    with RecordedDepth(folder, None) as source, open_analyser(replace(ALIKE, tracked=source.tracked)) as analyser:
        frames = track(source, str(folder), total=source.frames)
        errors = _errors(analyser, ((frame, None) for frame in frames), sinks)
    for sink in sinks:
        sink.close()
    if errors:
        _show(errors, Console())
    else:
        print(f"In no frame of {folder} a face was found that the sensor sees: there is nothing to compare.")
    if options.save is not None:
        print(f"{options.save}: what the networks see, depth and normals of each frame")
    if options.json:
        print(json.dumps({"ours": {"errors": errors}, "machine": machine()}))


def _show(errors: Errors, console: Console) -> None:
    table = Table("against the sensor, mean / median", "mesh as lifted", "by the network")
    for name, row in errors.items():
        table.add_row(name, *(f"{mean:.1f} / {median:.1f}" for mean, median in row.values()))
    console.print(table)


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


def _timed(piece: Callable[[], object], rounds: int) -> tuple[float, float]:
    piece()
    taken = []
    for _ in range(rounds):
        begin = time.thread_time()
        piece()
        taken.append(1000 * (time.thread_time() - begin))
    p50, p95 = np.percentile(taken, [50, 95])
    return round(float(p50), 2), round(float(p95), 2)


def _errors(
    analyser: Analyser, frames: Iterable[tuple[Frame, np.ndarray | None]], sinks: Iterable[Sink] = ()
) -> Errors:
    """What is measured → lifted mesh and network → mean and median over the pictures in which a face was found.

    `frames` with (H, W) bool where the whole face is, if that is known; `sinks` get them as if there were no sensor.
    """
    found: dict[str, dict[str, list[float]]] = {}

    def note(what: str, how: str, value: float) -> None:
        found.setdefault(what, {}).setdefault(how, []).append(value)

    for frame, whole in frames:
        faces = analyser.analyse(frame)
        bare = replace(frame, depth=None)
        for sink in sinks:
            sink.write(Result(bare, faces))
        if not faces or frame.depth is None or faces[0].lost or not head_distance(faces[0], frame).measured:
            continue
        _compare(frame, bare, faces[0], whole, note)
    if not found:
        return {}
    count = len(next(iter(found.values()))["mesh"])
    return {
        f"{what} ({count} pictures)": {how: _summary(values) for how, values in row.items()}
        for what, row in found.items()
    }


def _compare(
    frame: Frame, bare: Frame, found: Face, whole: np.ndarray | None, note: Callable[[str, str, float], None]
) -> None:
    """Notes how mesh and network differ from the sensor on one face."""
    assert frame.depth is not None
    away = head_distance(found, frame).mm
    masks = {"the inner face": inner_face(found.points, frame.size)}
    if whole is not None:
        masks["the whole face"] = whole
    sensed = normal_map(frame, (found,)).normals
    for how, face in (("mesh", replace(found, relief=None, facing=None)), ("network", found)):
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
    note("distance by the eyes, % off", "mesh", 100 * abs(head_distance(found, bare).mm / away - 1))


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
