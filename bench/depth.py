"""Facial depth maps of people who were never trained on: the goal table of depth.

python -m bench depth [--synthetic 60] [--runs runs] [--biwi DIR | --pandora DIR] [--sheet PNG]
    [--json]

Errors are millimetres inside the face with the head's distance known (maps are moved until their median is the face's);
all other figures are of the 8-bit maps made of them, as published. A network without weights is named
untrained and has no figures.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import tyro
from rich.console import Console
from rich.table import Table
from torch import nn

import engines
from bench.live_speed import milliseconds
from bench.machine import machine
from bench.map_sheet import depth_rows, write_sheet
from engines.networks.depth_verifier import DepthVerifier
from engines.networks.facial_depth import LiveFacialDepth
from realtime.analysis.landmarks import LandmarkNet
from realtime.frame import Intrinsics
from realtime.geometry.depth_code import depth_crop
from training import data
from training.facial_depth import evaluation
from training.facial_depth.samples import (
    Sample,
    coded,
    held_out_real,
    held_out_synthetic,
    of_rap3df,
    with_faces,
)
from training.ict_surface import IctSurface
from training.readers import rap3df
from training.readers.originals import Original
from training.recipes import depth_verifier, facial_depth
from training.weights import UNTRAINED, ready

GOAL_MM = 9.0
SYNTHETIC = "synthetic, held-out people"
SHEET_ROWS = 4
ORIGINAL_STEP = 10  # every 10th frame of Biwi or Pandora is measured
DELTA_NAMES = ("1/4", "1/3", "1/2", "1", "2", "3")
ROWS = {
    "cGAN": facial_depth.Config(),
    "AE (no critic)": facial_depth.Config(adversarial=0),
    "cGAN, skips": facial_depth.Config(skips=True),
    "live": facial_depth.Config(live=True, adversarial=0),
}
Figures = dict[str, float | str]
Rows = dict[str, Figures]


@dataclass(frozen=True)
class Options:
    """Measure facial depth on held-out people."""

    synthetic: int = 60
    """Synthetic people drawn to be measured on."""
    original: Annotated[Original, tyro.conf.arg(name="")] = field(default_factory=Original)
    width: float = 0.25
    """Share of the full channels that the trained generators have (facial_depth --width)."""
    runs: Path = Path("runs")
    """Where checkpoints of networks that are not deployed are looked for."""
    sheet: Annotated[Path | None, tyro.conf.arg(metavar="PNG")] = None
    """Write a picture there of what each method makes of some of the synthetic people."""
    json: bool = False
    """End with one line of JSON."""


def _networks(configs: dict[str, facial_depth.Config], runs: Path) -> dict[str, tuple[str, nn.Module | None]]:
    """Row → where its weights are from, and the generator; None where it has no weights."""
    networks: dict[str, tuple[str, nn.Module | None]] = {}
    for name, config in configs.items():
        whole = facial_depth.network(config)
        there, source = ready(config.name, whole.generator, whole, runs)
        networks[name] = source, whole.generator if there else None
    return networks


def run(options: Options) -> None:
    """Measure, print the tables, and the JSON line where wanted."""
    landmarks = LandmarkNet(engines.load("landmarks"))
    surface = IctSurface(data.ict_face())
    faces = rap3df.read()
    train = [of_rap3df(faces, int(row)) for row in (~faces.held_out).nonzero()[0]]
    methods = {"mean training map": evaluation.mean_map(train), "ICT template fit": evaluation.of_template(surface)}
    rows = {name: replace(config, original=options.original, width=options.width) for name, config in ROWS.items()}
    sets = {"RAP3DF, held-out people": held_out_real(faces)}
    frames = options.original.faces(test=True, step=ORIGINAL_STEP)
    if frames is not None:
        samples = [frames.sample(index) for index in range(len(frames))]
        sets = {f"{options.original.name}, its test side": with_faces(samples)}
    elif options.synthetic:
        sets[SYNTHETIC] = held_out_synthetic(options.synthetic)
    networks = _networks(rows, options.runs)
    sources = dict.fromkeys(methods, "") | {name: source for name, (source, _) in networks.items()}
    methods |= {name: evaluation.of_network(network) for name, (_, network) in networks.items() if network is not None}
    results: dict[str, Rows] = {}
    for name, samples in sets.items():
        found = evaluation.with_landmarks(samples, landmarks)
        table: Rows = {label: {"weights": source} for label, source in sources.items()}
        for label, method in methods.items():
            table[label] |= _figures(method, found)
        results[name] = table
        _show(f"{name}: {len(samples)} faces; {machine()}", table)
        if options.sheet and name == SYNTHETIC:
            write_sheet(options.sheet, depth_rows(found[:SHEET_ROWS], methods))
            print(f"{options.sheet}: picture, truth, {', '.join(methods)}")
    (first, samples), *_ = sets.items()
    probe = _verification(samples, networks, options.runs)
    print(f"verification, {first}: {probe}")
    print(f"goal: at most {GOAL_MM:.0f} mm, cGAN better than AE and template; verification within 5 points")
    speed = _speed()
    said = f"{speed['p50']} ms (p95 {speed['p95']}, processor time {speed['processor']})"
    print(f"live network and crop from 640x480: {said}; goal 6")
    if options.json:
        print(json.dumps({"ours": {"sets": results, "verification": probe, "live_ms": speed, "machine": machine()}}))


def _figures(method: evaluation.Method, samples: list[Sample]) -> Figures:
    errors = evaluation.measured(method, samples)
    coded = evaluation.measured_in_code(method, samples)
    return {
        "mae_mm": round(errors.mean_absolute, 2),
        "rmse_mm": round(errors.root_mean_square, 2),
        "absrel": round(coded.absolute_relative, 4),
        "sqrel": round(coded.square_relative, 3),
        "rmse_code": round(coded.root_mean_square, 2),
        "rmse_log": round(coded.log_root_mean_square, 4),
        "rmse_si": round(coded.scale_invariant, 4),
        **{f"delta_{name}": round(share, 4) for name, share in zip(DELTA_NAMES, coded.within, strict=True)},
    }


def _speed() -> dict[str, float]:
    frame = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    camera = Intrinsics(525.0, 525.0, 319.5, 239.5)

    def cut() -> np.ndarray:
        crop = depth_crop(np.array([320.0, 240.0]), 800.0, camera)
        return cv2.cvtColor(crop.cut(frame), cv2.COLOR_RGB2GRAY)[None, None].astype(np.float32)

    return milliseconds(LiveFacialDepth(), ("grey", "depth"), cut)


def _show(title: str, rows: Rows) -> None:
    columns = ("weights", "mae_mm", "rmse_mm", "absrel", "sqrel", "rmse_code", "rmse_log", "rmse_si")
    columns += ("delta_1/4", "delta_1/3", "delta_1/2", "delta_1")
    table = Table("", *columns, title=title)
    for name, row in rows.items():
        table.add_row(name, *(str(row.get(column, "")) for column in columns))
    Console(width=150).print(table)


def _verification(samples: list[Sample], networks: dict[str, tuple[str, nn.Module | None]], runs: Path) -> str:
    """In words: on true maps and on each network's."""
    verifier = DepthVerifier()
    there, source = ready(depth_verifier.NAME, verifier, verifier, runs)
    if not there:
        return UNTRAINED
    true = 100 * evaluation.verification(verifier, samples, lambda sample: coded(sample.depth))
    said = [f"{true:.1f} % of pairs on true depth ({source})"]
    for name, (_, network) in networks.items():
        if network is not None:
            share = evaluation.verification(verifier, samples, partial(evaluation.levels, network))
            said.append(f"{100 * share:.1f} % on {name}'s")
    return ", ".join(said)
