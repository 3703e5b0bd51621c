"""What CycleGAN as published makes of its pictures, before and after, on people it was never trained on.

The measures are the repair's (`python -m bench repair`): gradient on the face's outline in units of real pictures',
kernel distance to the real ones, drift of the landmarks, and cosine between a face before and after, with our own
embedding. "Before" is what the network is given: the swapped face, or the face turned to the front in the photo's
place, black where it leaves a hole. All pictures are seen at the training's size.

python -m bench cyclegan --use swap [--size 128] [--json]
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from bench.meter import Looked, Meter
from bench.quality import (
    Distance,
    cosine,
    face_mask,
    kernel_distance,
    landmark_drift,
    seam_band,
    seam_energy,
)
from engines.networks.cyclegan import WIDTH
from realtime.frame import Pixels
from training.cycle_pictures import Pictures, Use, standing
from training.recipes.cyclegan import Config, made_by, trained
from training.run import RunOptions


@dataclass(frozen=True)
class Options:
    """Quality of CycleGAN's pictures before and after."""

    use: Use = "swap"
    size: int = 128
    width: int = WIDTH
    """Of the network that was trained."""
    runs: Path = Path("runs")
    """Where its run folder and the pictures are."""
    threads: int = 1
    json: bool = False
    """End with one line of JSON."""


@dataclass(frozen=True, slots=True)
class Row:
    """One state of the pictures.

    Attributes:
        seam: mean gradient on the face's outline over that of real pictures.
        distance: KID to the real ones.
        gained: its difference from the pictures before.
        drift: of landmarks from the pictures before, median, percent of the eye distance.
        likeness: mean cosine between a face before and after.
    """

    seam: float
    distance: Distance
    gained: Distance | None
    drift: float
    likeness: float


def run(options: Options) -> None:
    """Measure, print the table, and the JSON line where wanted."""
    config = Config(
        RunOptions(threads=options.threads, runs=options.runs), options.use, size=options.size, width=options.width
    )
    model = trained(config)
    pictures = Pictures.load(config.stored(held_out=True)).reduced(config.size)
    rows = compared(merged(pictures.a), made_by(model.to_b, pictures.a), pictures.b, Meter(options.threads))
    table = Table(
        "", "seam / real", "KID (95 %)", "less than before", "drift, %", "cosine to before", title=options.use
    )
    for name, row in rows.items():
        less = row.gained and f"{row.gained.value:+.3f} ({row.gained.low:+.3f} … {row.gained.high:+.3f})"
        kid = f"{row.distance.value:.3f} ({row.distance.low:.2f}–{row.distance.high:.2f})"
        table.add_row(name, f"{row.seam:.2f}", kid, less or "", f"{row.drift:.1f}", f"{row.likeness:.2f}")
    Console(width=120).print(table)
    if options.json:
        print(json.dumps({"ours": {name: asdict(row) for name, row in rows.items()}}))


def merged(pictures: Pixels) -> Pixels:
    """(N, S, S, 3) of (N, S, S, C) kind A: a face turned to the front, which comes first, lies over the photo."""
    face, rest = pictures[..., :3], pictures[..., -3:]
    return np.where(face.any(axis=-1, keepdims=True), face, rest)


def compared(before: Pixels, after: Pixels, real: Pixels, meter: Meter) -> dict[str, Row]:
    """Rows "before" and "after" of (N, S, S, 3) pictures and (M, S, S, 3) real ones of others."""
    guess = standing(before.shape[1])
    seen = {name: [meter(picture, guess) for picture in kind] for name, kind in (("before", before), ("after", after))}
    true = [meter(picture, guess) for picture in real]
    edges = _outlines(real, true)
    known = np.array([look.features for look in true])
    first = np.array([look.features for look in seen["before"]])
    rows = {}
    for name, pictures in (("before", before), ("after", after)):
        looks = seen[name]
        features = np.array([look.features for look in looks])
        pairs = list(zip(seen["before"], looks, strict=True))
        rows[name] = Row(
            _outlines(pictures, seen["before"]) / edges,
            kernel_distance(features, known),
            None if name == "before" else kernel_distance(features, known, less=first),
            float(np.median([landmark_drift(one.points, other.points) for one, other in pairs])),
            float(np.mean([cosine(one.vector, other.vector) for one, other in pairs])),
        )
    return rows


def _outlines(pictures: Pixels, looks: list[Looked]) -> float:
    """Mean gradient on the faces' outlines."""
    size = (pictures.shape[2], pictures.shape[1])
    bands = [seam_band(face_mask(look.points, size)) for look in looks]
    energies = [seam_energy(picture, band) for picture, band in zip(pictures, bands, strict=True) if band.any()]
    return float(np.mean(energies))
