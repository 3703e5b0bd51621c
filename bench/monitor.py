"""Mode `monitor`: head pose, eye closure and sunglasses against the truth, blinks of the clips, the loop at 640x480.

python -m bench monitor [--heads 200] [--people 30] [--seconds 20] [--json]
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
from rich.console import Console
from rich.table import Table

from bench.clip_labels import CLOSURES
from bench.driver_eyes import closures_found, labelled_eyes, made_up_eyes, rendered_eyes, watched_clip
from bench.driver_heads import NOISE, made_up, rendered, shape_alone
from bench.driver_lenses import Told, told_of_clips, told_of_pictures
from bench.loop import clip_pictures
from bench.machine import machine
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.analysis.networks import Networks
from realtime.controls import Controls, Mode, Settings
from realtime.loop import Loop
from realtime.plan import network_threads
from realtime.renderer import Renderer, RenderOptions
from realtime.report import make_report
from realtime.sinks.null import NullSink
from realtime.sources import Limited, Memory, Paced, VideoFile
from training import data
from training.ict import IctFaces
from training.marks import marks

SIZE = (640, 480)
_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Options:
    """Measure what mode monitor measures."""

    heads: int = 200
    """Rendered heads for pose."""
    people: int = 30
    """Rendered people for eye closure, four views each, eyes open and closed."""
    keypoints: int = 1000
    """Made-up keypoint sets for pose."""
    seconds: float = 20.0
    """How long the loop runs."""
    rate: float = 30.0
    """Frames per second of the loop's source."""
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print the tables, and the JSON line where wanted."""
    console = Console(width=110)
    networks = Networks.load(1)
    ict = IctFaces(data.ict_face(), marks())
    pose = rendered(networks, options.heads) | made_up(networks, ict, options.keypoints)
    shape = [round(float(angle), 2) for angle in shape_alone(ict, options.keypoints)]
    figures: dict[str, Any] = {"pose": {name: errors.figures() for name, errors in pose.items()}, "shape_deg": shape}
    console.print(_pose_table(figures["pose"]), f"A person's own shape alone: {shape} degrees (yaw, pitch, roll).")
    eyes, blinks = {"rendered people": asdict(rendered_eyes(networks, options.people))}, {}
    eyes[f"keypoints with {NOISE:.0%} noise"] = asdict(made_up_eyes(networks, ict, options.keypoints))
    readings = {}
    for clip in CLOSURES:
        path = _clips() / f"video_{clip}.mp4"
        if path.is_file():
            readings[clip] = watched_clip(path)
            with VideoFile(str(path)) as source:
                blinks[clip] = closures_found(clip, readings[clip], source.rate or 30.0)
    lenses = told_of_pictures(networks, options.people)
    if readings:
        eyes["clips, labelled by eye"] = asdict(labelled_eyes(readings))
        lenses |= told_of_clips(readings)
    figures |= {"eyes": eyes, "closures": blinks, "lenses": {kind: asdict(told) for kind, told in lenses.items()}}
    console.print(_eye_table(eyes), _blink_table(blinks), _lens_table(lenses))
    figures["loop"] = report = _loop(options)
    console.print(_loop_table(report, options))
    if options.json:
        print(json.dumps({"ours": figures | {"machine": machine()}}))


def _clips() -> Path:
    return Path(os.environ.get("FACET_DATA", _ROOT.parent / "shared" / "data"))


def _loop(options: Options) -> dict[str, Any]:
    pictures, name = clip_pictures()
    small = [cv2.resize(picture, SIZE, interpolation=cv2.INTER_AREA) for picture in pictures]
    source = Limited(Paced(Memory(small, options.rate, loop=True), options.rate), options.seconds)
    analysis = AnalysisOptions(max_faces=3, live=True, threads=network_threads(None), eyes=lambda: True)
    with open_analyser(analysis) as analyser:
        renderer = Renderer(RenderOptions())
        begun = time.process_time()
        outcome = Loop(source, analyser, renderer, [NullSink()], Controls(Settings(mode=Mode.MONITOR))).run()
        busy_s = time.process_time() - begun
        runtime = f"{analyser.runtime}; {renderer.description}"
    report = make_report(outcome, source, name, runtime)
    return report | {"processor_ms_per_frame": round(1000 * busy_s / max(outcome.frames_out, 1), 2)}


def _pose_table(rows: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="Head pose, mean error in degrees: yaw, pitch, roll (goal: 3 up to 60 degrees of turn)")
    bands = sorted({band for row in rows.values() for band in row["by_turn"]})
    for column in ("", "heads", "to 60", "median", *bands, "in 2 sigma, %"):
        table.add_column(column)
    for name, row in rows.items():
        inside = " ".join(f"{100 * share:.0f}" for share in row["within_two_sigma"].values())
        by_turn = (_three(row["by_turn"][band]) if band in row["by_turn"] else "–" for band in bands)
        table.add_row(name, str(row["heads"]), _three(row["mae_deg"]), _three(row["median_deg"]), *by_turn, inside)
    return table


def _three(angles: dict[str, float]) -> str:
    return " ".join(f"{angle:.1f}" for angle in angles.values())


def _eye_table(rows: dict[str, dict[str, Any]]) -> Table:
    table = Table(title="Eye closure (goal: AUC 0.97); closed from 0.8 on")
    for column in ("", "closed", "open", "AUC", "closed found, %", "open taken for closed, %", "not judged, %"):
        table.add_column(column)
    for name, row in rows.items():
        shares = (f"{100 * row[key]:.1f}" for key in ("caught", "false", "unjudged"))
        table.add_row(name, str(row["closed"]), str(row["opened"]), f"{row['auc']:.4f}", *shares)
    return table


def _blink_table(rows: dict[str, dict[str, int]]) -> Table:
    table = Table(title="Closures of both eyes in the clips, against what a person saw")
    for column in ("clip", "seen", "found", "told beside them"):
        table.add_column(column)
    for clip, row in rows.items():
        table.add_row(clip, *(str(row[key]) for key in ("seen", "found", "beside")))
    return table


def _lens_table(rows: dict[str, Told]) -> Table:
    table = Table(title="Eyes said to be hidden by lenses (goals: 95 % of the hidden, 2 % of the others)")
    for column in ("", "pictures", "hidden ones found, %", "others taken for hidden, %"):
        table.add_column(column)
    for name, told in rows.items():
        share = f"{100 * told.told:.1f}"
        table.add_row(name, str(told.pictures), *((share, "") if told.should else ("", share)))
    return table


def _loop_table(report: dict[str, Any], options: Options) -> Table:
    title = f"The loop at {SIZE[0]}x{SIZE[1]}, source {options.rate:g} frames/s (goals: 30 frames/s, p95 60 ms)"
    table = Table(title=f"{title}; {machine()}")
    for column in ("", "p50, ms", "p95, ms"):
        table.add_column(column)
    latency = report["latency_ms"]
    table.add_row(f"capture to sink, {report['fps']:.1f} frames/s", f"{latency['p50']:.1f}", f"{latency['p95']:.1f}")
    table.add_row("processor time a frame, all threads", f"{report['processor_ms_per_frame']:.1f}", "")
    for stage, times in report["stages_ms"].items():
        table.add_row(stage, f"{times['p50']:.1f}", f"{times['p95']:.1f}")
    return table
