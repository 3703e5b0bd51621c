"""Draws synthetic faces: a contact sheet to look at, the speed of drawing, a stock on disk to train from.

python -m training synthetic --sheet sheet.png [--count 48] [--first 0]     pictures, normals, depth side by side
python -m training synthetic --speed 100                                     faces per second on one core
python -m training synthetic --stock 10000                            into runs/stock_160, resumable
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from rich.progress import track

from realtime.contact_sheet import grid
from realtime.errors import InputError
from realtime.sinks.png import write_png
from training.synthetic.crew import drawn
from training.synthetic.render import Renderer
from training.synthetic.scene import HELD_OUT, Ranges
from training.synthetic.stock import SIZE, Stock
from training.synthetic.truth import Rendered


@dataclass(frozen=True)
class Config:
    """Draw synthetic faces."""

    sheet: Annotated[Path | None, tyro.conf.arg(metavar="PNG")] = None
    """Write a contact sheet."""
    speed: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Draw N faces and say how many a second."""
    stock: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Draw N faces into a folder that training reads."""
    count: int = 24
    """Faces on the sheet."""
    first: int = 0
    """Seed of the first face."""
    held_out: bool = False
    """Draw people that are never trained on."""
    size: int = SIZE
    """Pixels of a picture's side."""
    workers: int = 1
    """Processes that draw the sheet or the stock."""
    runs: Path = Path("runs")
    """Where the stock's folder is put."""
    ranges: Ranges = field(default_factory=Ranges)


def train(config: Config) -> None:
    """Draw; see the module's text."""
    if config.sheet is None and config.speed is None and config.stock is None:
        raise InputError("Nothing to draw: give --sheet PNG, --speed N or --stock N.")
    first = config.first + (HELD_OUT if config.held_out else 0)
    if config.sheet is not None:
        seeds = range(first, first + config.count)
        panels = [panel(face) for face in drawn(seeds, config.size, config.ranges, config.workers)]
        write_png(config.sheet, grid(panels, columns=4))
    if config.speed is not None:
        _measure(config, first)
    if config.stock is not None:
        name = f"stock_{config.size}" + ("_held_out" if config.held_out else "")
        stock = Stock.create(config.runs / name, config.stock, config.size)
        numbers = range(stock.filled, config.stock)
        seeds = range(first + stock.filled, first + config.stock)
        faces = drawn(seeds, config.size, config.ranges, config.workers)
        for index, face in track(zip(numbers, faces, strict=True), "drawing faces", total=len(numbers)):
            stock.put(index, face)


def _measure(config: Config, first: int) -> None:
    count = config.speed or 0
    with Renderer(config.size, config.ranges) as renderer:
        renderer.face(first)
        wall, cpu = time.perf_counter(), time.process_time()
        for seed in range(first, first + count):
            renderer.face(seed)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(f"{count} faces of {config.size} px: {count / wall:.1f} a second,", end=" ")
    print(f"{1000 * cpu / count:.0f} ms of processor time each")


def panel(face: Rendered) -> np.ndarray:
    """(S, 3 S, 3) uint8: the picture with its visible landmarks, its normals and its depth (bright is near)."""
    there = face.depth > 0
    marked = face.picture.copy()
    at = np.rint(face.points[face.visible]).astype(int).clip(0, len(marked) - 1)
    marked[at[:, 1], at[:, 0]] = (0, 255, 0)
    normals = np.rint((face.normals + 1) * 127.5 * there[..., None]).astype(np.uint8)
    middle = float(face.points_mm[:, 2].mean())
    shade = np.clip((middle + 120 - face.depth) / 240, 0.05, 1) * there
    depth = np.repeat(np.rint(255 * shade).astype(np.uint8)[..., None], 3, axis=2)
    return np.concatenate([marked, normals, depth], axis=1)
