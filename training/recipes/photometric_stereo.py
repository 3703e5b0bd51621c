"""Normals from photographs under known lights, by photometric stereo: a tool, nothing is trained.

    python -m training photometric_stereo --out normals.png                     the Yale faces of the data folder
    python -m training photometric_stereo --pictures DIR --lights lights.csv --out normals.png

`lights.csv` has a line "file,azimuth,elevation" for each picture: degrees, azimuth > 0 from the image left, elevation
> 0 from above. Pictures are taken from one place, in light of one strength; colours are averaged.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import tyro

from realtime.errors import InputError
from realtime.sinks.png import write_png
from training.photometric_stereo import LEAST_LIGHTS, Stereo, solve, towards
from training.readers import reading, yale


@dataclass(frozen=True)
class Config:
    """Recover normals from lights."""

    out: Annotated[Path, tyro.conf.arg(metavar="PNG")]
    """Normals as colours (red right, green up, blue to the camera), beside the albedo and a relit view."""
    pictures: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Photographs of one thing; none means the Yale faces."""
    lights: Annotated[Path | None, tyro.conf.arg(metavar="CSV")] = None
    """Where each one's light was."""


def train(config: Config) -> None:
    """Solve and draw."""
    if (config.pictures is None) != (config.lights is None):
        raise InputError("Photographs need their lights: give --pictures DIR and --lights CSV together.")
    if config.pictures is None or config.lights is None:
        found = [yale.truth(person) for person in yale.people()]
    else:
        found = [solve(*_photographs(config.pictures, config.lights))]
    write_png(config.out, np.concatenate([panel(stereo) for stereo in found]))
    for stereo in found:
        share = 100 * stereo.known.mean()
        misfit = 100 * np.median(stereo.residual)
        print(f"normals of {share:.0f} % of the pixels, median misfit {misfit:.1f} % of the albedo")


def panel(stereo: Stereo) -> np.ndarray:
    """(H, 3 W, 3) uint8: normals, albedo, and the surface in white plaster lit from the upper left."""
    normals = np.rint((stereo.normals + 1) * 127.5 * stereo.known[..., None]).astype(np.uint8)
    light = np.array([-0.5, 0.5, 0.7]) / np.linalg.norm([-0.5, 0.5, 0.7])
    plaster = np.clip(255 * (stereo.normals @ light), 0, 255)
    albedo = np.clip(255 * stereo.albedo / max(float(np.percentile(stereo.albedo, 99)), 1), 0, 255)
    grey = [np.repeat(part.astype(np.uint8)[..., None], 3, axis=2) for part in (albedo, plaster)]
    return np.concatenate([normals, *grey], axis=1)


def _photographs(folder: Path, lights: Path) -> tuple[np.ndarray, np.ndarray]:
    """Linear grey levels and unit vectors. Raises InputError."""
    with reading(lights, ValueError), lights.open(newline="") as file:
        rows = [(row[0], float(row[1]), float(row[2])) for row in csv.reader(file) if row]
    if len(rows) < LEAST_LIGHTS:
        raise InputError(f"{lights} names {len(rows)} pictures: photometric stereo needs at least {LEAST_LIGHTS}.")
    levels = []
    for name, *_ in rows:
        picture = cv2.imread(str(folder / name), cv2.IMREAD_GRAYSCALE)
        if picture is None:
            raise InputError(f"{folder / name} cannot be read as a picture: check {lights}.")
        levels.append(255 * (picture.astype(np.float32) / 255) ** 2.2)  # photographs are coded for display
    if len({level.shape for level in levels}) > 1:
        raise InputError(f"The pictures in {folder} differ in size: photograph from one place, without cropping.")
    _, azimuth, elevation = zip(*rows, strict=True)
    return np.stack(levels), towards(np.array(azimuth), np.array(elevation))
