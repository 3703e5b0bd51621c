"""Measures where people put landmarks on the morphable model's head, and the mean face with its landmarks there.

    python -m training marks --teacher engines/weights/landmarks.onnx --stock runs/stock_160

writes `training/marks.csv` (see `training.marks`) and `engines/weights/template.npz`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro

from realtime.analysis.pose import SKULL, fit_similarity, pose_of
from realtime.geometry.template import TEMPLATE
from realtime.geometry.topology import JAW, LANDMARKS, eye_distance
from training import data
from training.ict import IctFaces
from training.marks import MARKS, head_offsets, marks, pixels_per_unit, surface_depth
from training.opinions import FAR, SecondOpinions
from training.synthetic.stock import Stock
from training.unmarked_faces import faces_rendered, part_of

NEARLY_FRONTAL = (30.0, 20.0, 30.0)  # degrees of yaw, pitch, roll within which estimators are asked
EVERY = 4  # so many-th of those heads


@dataclass(frozen=True)
class Config:
    """Measure where people put landmarks."""

    teacher: Annotated[Path, tyro.conf.arg(metavar="ONNX")]
    """An exported landmark network, asked along with PFLD."""
    stock: Annotated[Path, tyro.conf.arg(metavar="DIR")]
    """Rendered faces (`python -m training synthetic --stock 12000`)."""
    runs: Path = Path("runs")


def measured(stock: Stock, second: SecondOpinions) -> np.ndarray:
    """(68, 3) offsets in mean eye distances."""
    angles = np.array([stock.face(row).angles for row in range(stock.filled)])
    rows = np.flatnonzero((np.abs(angles) <= NEARLY_FRONTAL).all(axis=1))[::EVERY]
    faces = part_of(faces_rendered(stock), rows)
    sizes = np.array([eye_distance(points) for points in faces.points])[:, None, None]
    moves = (second.of(faces) - faces.points[:, :LANDMARKS]) / sizes
    near = np.linalg.norm(moves, axis=2).mean(axis=1) <= FAR
    heads, moves = [stock.face(row) for row in rows[near]], moves[near]
    turned = np.stack([pixels_per_unit(head) for head in heads]) / sizes[near][..., None]
    offsets = head_offsets(turned, moves)
    for _ in range(2):
        # Marks lie on the face: its surface tells their depth better than the little that depth moves them. But at the
        # jaw, a contour, it falls away.
        behind = surface_depth(heads, offsets)
        behind[JAW] = offsets[JAW, 2]
        offsets = np.column_stack([head_offsets(turned[..., :2], moves - turned[..., 2] * behind[:, None]), behind])
    return offsets


def train(config: Config) -> None:
    """Measure and write."""
    offsets = measured(Stock.open(config.stock), SecondOpinions(config.teacher, config.runs / "landmarks"))
    np.savetxt(MARKS, offsets, "%.4f", delimiter=",")
    offsets = marks()  # rounded
    model = data.ict_face()
    plain, marked = IctFaces(model).mean, IctFaces(model, offsets).mean
    np.savez_compressed(TEMPLATE, points=in_eye_distances(marked))
    turn = pose_of(fit_similarity(plain[:LANDMARKS], marked[:LANDMARKS], SKULL)[1])
    away = 100 * np.linalg.norm(offsets, axis=1)
    print(f"{away.mean():.1f} % of the eye distance on average, {away.max():.1f} % at most; pitch {turn.pitch:+.1f}°")


def in_eye_distances(points: np.ndarray) -> np.ndarray:
    """(81, 3) float32 with the mean of the landmarks as origin and the outer eye corners 1 apart."""
    centred = points - points[:LANDMARKS].mean(axis=0)
    return np.asarray(centred / eye_distance(centred), np.float32)
