"""How good landmark networks are on the held-out people: `python -m training landmarks --evaluate` prints this."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
import torch
from rich.console import Console
from rich.table import Table

import engines
from engines import Engine
from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.geometry.crops import Crop, face_crop, roll_of, square_crop
from realtime.geometry.topology import EYES, INNER, JAW, LANDMARKS, LIPS, eye_distance
from training import data
from training.augment import degraded, misplaced_crop, moved_crop

JITTERS = 3  # crops per picture
FAILURE = 0.10  # of the eye distance
PEER_SIDE = 1.2  # side of the peer's crop in units of the landmark box's larger side
FAIR_ERROR = 3.0  # crop pixels, where the confidence is one half

T = TypeVar("T", np.ndarray, torch.Tensor)
Reader = Callable[[np.ndarray, np.ndarray, "Jitter"], np.ndarray]


@dataclass(frozen=True)
class Jitter:
    """How far a box is off: degrees, factor, and shares of the landmark box's larger side."""

    angle: float
    scale: float
    shift: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Jitter:
        """As a detector or last frame's landmarks would be off."""
        return cls(rng.normal(0, 5), np.exp(rng.normal(0, 0.06)), rng.normal(0, 0.03, 2))

    def of(self, crop: Crop, side: float) -> Crop:
        """The crop moved by this jitter; `side` is the crop's in units of the landmark box."""
        return moved_crop(crop, self.angle, self.scale, self.shift / side)


def confidence_target(error: T) -> T:
    """What the confidence predicts for an error in crop pixels: 1 at none, 0.5 at 3 pixels."""
    return 1 / (1 + (error / FAIR_ERROR) ** 2)


def ours(net: LandmarkNet) -> Reader:
    """The deployed network as the live loop calls it."""

    def read(picture: np.ndarray, points: np.ndarray, jitter: Jitter) -> np.ndarray:
        return net(picture, [jitter.of(face_crop(points, CROP), 1.6)]).points[0, :LANDMARKS]

    return read


def pfld(engine: Engine) -> Reader:
    """PFLD from the data folder, for comparison: RGB 0..1, a tight square, 68 points in 0..1 of it."""

    def read(picture: np.ndarray, points: np.ndarray, jitter: Jitter) -> np.ndarray:
        roll = roll_of(points)
        tight = face_crop(points, CROP).into(points[:LANDMARKS])
        low, high = tight.min(axis=0), tight.max(axis=0)
        centre = face_crop(points, CROP).back((low + high) / 2)
        extent = (high - low).max() / np.sqrt(abs(np.linalg.det(face_crop(points, CROP).matrix[:, :2])))
        crop = jitter.of(square_crop(centre, PEER_SIDE * extent, roll, CROP), PEER_SIDE)
        image = crop.cut(picture).astype(np.float32).transpose(2, 0, 1)[None] / 255
        (found,) = engine(image)
        return crop.back(found.reshape(LANDMARKS, 2) * CROP - 0.5)

    return read


def errors(reader: Reader, faces: data.FaceSet, worsen: bool = False, seed: int = 5) -> np.ndarray:
    """(N · JITTERS, 68) point errors in shares of the eye distance on a set's held-out pictures.

    Args:
        reader: (RGB picture, true points, jitter) → (68, 2) frame pixels.
        faces: the set.
        worsen: degrade the pictures as in training (blur, noise, low light, infrared look, JPEG).
        seed: of jitter and degradation: every reader meets the same.
    """
    rows = []
    for picture, points, rng in _test_pictures(faces, seed):
        jitters = [Jitter.draw(rng) for _ in range(JITTERS)]
        if worsen:
            picture = cv2.cvtColor(degraded(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), rng), cv2.COLOR_GRAY2RGB)
        for jitter in jitters:
            offset = reader(picture, points, jitter) - points[:LANDMARKS]
            rows.append(np.linalg.norm(offset, axis=1) / eye_distance(points))
    return np.array(rows)


def report(net: LandmarkNet) -> None:
    """Prints errors beside the peer's, then how far confidence and face score can be trusted."""
    console = Console(width=110)
    readers = {"ours": ours(net), "PFLD": pfld(engines.load("pfld", folder=data.folder()))}
    columns = ("held-out set", "network", "68", "inner 51", "eyes", "lips", "jaw", "p95", f"> {FAILURE:.0%}")
    table = Table(*columns, title="mean error, % of the outer-eye distance, boxes off by ±5°, 6 %, 3 %")
    sets = {"300w": data.faces_300w(), "ytf (coarse labels)": data.faces_ytf(), "video (pseudo)": data.faces_video()}
    for title, faces, worsen in [*((t, f, False) for t, f in sets.items()), ("300w degraded", sets["300w"], True)]:
        for name, reader in readers.items():
            table.add_row(title, name, *_cells(errors(reader, faces, worsen)))
    console.print(table)
    console.print(_trust(net, sets["300w"], sets["ytf (coarse labels)"]))


def _cells(shares: np.ndarray) -> Iterator[str]:
    faces = shares.mean(axis=1)
    for part in (slice(None), INNER, EYES, LIPS, JAW):
        yield f"{100 * shares[:, part].mean():.2f}"
    yield f"{100 * np.percentile(faces, 95):.1f}"
    yield f"{100 * (faces > FAILURE).mean():.1f} %"


def _trust(net: LandmarkNet, sharp: data.FaceSet, wide: data.FaceSet) -> str:
    predicted, made, faces, others = [], [], [], []
    for picture, points, rng in _test_pictures(sharp, seed=6):
        grey = degraded(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), rng)
        crop = Jitter.draw(rng).of(face_crop(points, CROP), 1.6)
        found = net(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), [crop])
        predicted.append(found.confidence[0, :LANDMARKS])
        made.append(np.linalg.norm(crop.into(found.points[0, :LANDMARKS]) - crop.into(points[:LANDMARKS]), axis=1))
    for picture, points, rng in _test_pictures(wide, seed=7):
        there = Jitter.draw(rng).of(face_crop(points, CROP), 1.6)
        score = net(picture, [there, misplaced_crop(points, CROP, rng)]).score
        faces.append(score[0])
        others.append(score[1])
    confidence, error = np.array(predicted), np.array(made)
    ranks = [np.argsort(np.argsort(v.ravel())) for v in (confidence, -error)]
    lines = [
        f"confidence: mean {confidence.mean():.3f}, target {confidence_target(error).mean():.3f}; "
        f"rank correlation with -error {np.corrcoef(*ranks)[0, 1]:.2f}; by fifths (confidence: crop pixels):"
    ]
    fifths = np.array_split(np.argsort(confidence.ravel()), 5)
    lines.append("  " + ", ".join(f"{confidence.ravel()[f].mean():.2f}: {error.ravel()[f].mean():.2f}" for f in fifths))
    lines.append(
        f"face score >= 0.5: {100 * (np.array(faces) >= 0.5).mean():.1f} % of held-out faces, "
        f"{100 * (np.array(others) >= 0.5).mean():.1f} % of crops that lost theirs"
    )
    return "\n".join(lines)


def _test_pictures(faces: data.FaceSet, seed: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.random.Generator]]:
    for index in faces.testing():
        yield faces.picture(index), faces.points[index], np.random.default_rng([seed, int(index)])
