"""What methods make of some faces, side by side: the pictures of the benches of depth and of normals."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np

from realtime.contact_sheet import grid
from realtime.geometry.depth_code import DepthCode
from realtime.sinks.png import write_png
from training.facial_depth import evaluation as depths
from training.facial_depth.samples import Sample as DepthSample
from training.facial_normals import evaluation as normals
from training.facial_normals.samples import Sample as NormalsSample

CELL = 108  # pixels
_LIGHT = np.array([-0.5, 0.5, 0.7]) / np.linalg.norm([-0.5, 0.5, 0.7])


def write_sheet(path: Path, rows: list[list[np.ndarray]]) -> None:
    """Rows of (h, w, 3) uint8 RGB pictures as a PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [cv2.resize(cell, (CELL, CELL), interpolation=cv2.INTER_CUBIC) for row in rows for cell in row]
    write_png(path, grid(cells, columns=len(rows[0])))


def depth_rows(samples: list[DepthSample], methods: Mapping[str, depths.Method]) -> list[list[np.ndarray]]:
    """Picture, truth and each method's map, inside the face: near is light, and a lamp shows the shape."""
    rows = []
    for sample in samples:
        made = [depths.at_known_distance(method(sample), sample) for method in methods.values()]
        grey = np.repeat(sample.grey[..., None], 3, axis=2)
        rows.append([grey, *(_relief(depth, sample) for depth in (sample.depth, *made))])
    return rows


def normals_rows(samples: list[NormalsSample], methods: Mapping[str, normals.Method]) -> list[list[np.ndarray]]:
    """Picture, truth and each method's normals, inside the face: x, y, z as red, green, blue."""
    rows = []
    for sample in samples:
        made = [np.where(there[..., None], unit, 0) for unit, there in (method(sample) for method in methods.values())]
        there = sample.face[..., None]
        shown = (np.where(there, (unit + 1) * 127.5, 0).astype(np.uint8) for unit in (sample.normals, *made))
        rows.append([sample.image, *shown])
    return rows


def _relief(depth: np.ndarray, sample: DepthSample) -> np.ndarray:
    code = DepthCode.of(np.where(sample.face, sample.depth, 0))
    there = sample.face & (depth > 0)
    levels = np.clip(255 * (1 - (depth - code.near) / code.span), 0, 255).astype(np.uint8)
    colour = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)[..., ::-1]
    # slopes in mm of depth per mm across, of the surface smoothed over the steps of 8 bits
    across = sample.distance / (sample.camera.fx * np.hypot(*sample.crop.matrix[0, :2]))
    down, right = np.gradient(cv2.GaussianBlur(depth.astype(np.float32), (0, 0), 1.0) / across)
    facing = np.dstack([right, -down, np.ones_like(right)])
    lit = np.clip(facing @ _LIGHT / np.linalg.norm(facing, axis=2), 0, 1)
    return np.where(there[..., None], colour * (0.35 + 0.9 * lit[..., None]), 0).clip(0, 255).astype(np.uint8)
