"""How much a repair network repairs: held-out people, before and after, as the pipeline draws them and spoilt."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from rich.console import Console
from torch import nn

import engines
from engines import Engine
from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.frame import Floats
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import LANDMARKS, eye_distance
from training.repair_damage import Damage, Layers
from training.repair_pairs import MARGIN, Tiles
from training.tables.markdown import markdown

HEADS = ("kind", "tiles", "L1 / 255", "PSNR, dB", "L1 to target", "seam, %", "flicker", "drift, %: p50, p95")
BAND = 4  # pixels of a tile of 128: half the width of the band round the seam in which its energy is measured
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)

Network = Callable[[Floats], Floats]


@dataclass(frozen=True, slots=True)
class Figures:
    """Of one group of tiles, before or after the repair.

    Attributes:
        distance: mean absolute distance from the true frame in the mask, in levels of 255.
        psnr: dB, likewise.
        target: mean absolute distance from what the network was to make of it (`Layers.target`).
        seam: mean gradient round the seam over that of the true frame, minus 1, in percent.
        flicker: what changes from frame to frame in the mask over what changes in the true frames.
    """

    distance: float
    psnr: float
    target: float
    seam: float
    flicker: float


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A tile to repair, without its margin."""

    tile: Floats
    target: Floats
    frame: Floats
    alpha: Floats
    live: Floats


def callable_of(network: Engine | nn.Module) -> Network:
    """(N, 5, S, S) → (N, 3, S, S) by an engine or a module."""

    def run(tiles: Floats) -> Floats:
        if isinstance(network, Engine):
            return network(tiles)[0]
        with torch.no_grad():
            return np.asarray(network(torch.from_numpy(tiles)).float().numpy())

    return lambda tiles: np.concatenate([run(part) for part in np.array_split(tiles, -(-len(tiles) // 16))])


def case(tiles: Tiles, row: int, strength: float) -> Case:
    """A tile as the pipeline drew it (strength 0) or spoilt; frames of one run of a clip are spoilt alike."""
    first = row
    while (before := np.flatnonzero(tiles.following == first)).size:
        first = int(before[0])
    layers = Layers.of(tiles.tiles[row], tiles.live[row])
    spoilt = Damage.random(np.random.default_rng(first), strength).done_to(layers, np.random.default_rng(row))
    edge = round(tiles.size * MARGIN)
    inner = np.s_[edge : edge + tiles.size, edge : edge + tiles.size]
    parts = (part[inner] for part in (spoilt.tile(), layers.target(), layers.frame, spoilt.alpha))
    return Case(*parts, tiles.live[row] - edge)


def report(networks: dict[str, tuple[Engine | nn.Module, Tiles]]) -> None:
    """Print all tables, as markdown: networks by name, and the tiles each is shown."""
    console = Console(width=200)
    for name, (network, tiles) in networks.items():
        run = callable_of(network)
        for strength, title in ((0.0, "as the pipeline draws them"), (1.0, "spoilt")):
            rows = [_row(run, tiles, kind, strength) for kind in ("still", "clip", "self", "swap")]
            console.print(f"\n{name}, {title}; before → after\n", markup=False)
            console.print(markdown(HEADS, rows), markup=False)


def _row(run: Network, tiles: Tiles, kind: str, strength: float) -> list[str]:
    numbers = np.flatnonzero(tiles.kind == kind)
    cases = [case(tiles, int(row), strength) for row in numbers]
    repaired = run(np.stack([one.tile.transpose(2, 0, 1) for one in cases])).transpose(0, 2, 3, 1)
    following = np.searchsorted(numbers, tiles.following[numbers])
    pairs = [(here, there) for here, there in enumerate(following) if tiles.following[numbers[here]] >= 0]
    before = figures(cases, [one.tile[..., :3] for one in cases], pairs)
    after = figures(cases, list(repaired), pairs)
    drift = landmark_drift(cases, list(repaired))
    known = kind != "swap"
    return [
        kind,
        str(len(cases)),
        _change(before.distance, after.distance, known),
        _change(before.psnr, after.psnr, known),
        _change(before.target, after.target, known),
        _change(before.seam, after.seam, True),
        _change(before.flicker, after.flicker, bool(pairs)),
        " / ".join(f"{100 * value:.2f}" for value in np.percentile(drift, [50, 95])),
    ]


def _change(before: float, after: float, known: bool) -> str:
    return f"{before:.2f} → {after:.2f}" if known else "–"


def figures(cases: list[Case], pictures: list[Floats], pairs: list[tuple[int, int]]) -> Figures:
    """Of these pictures (S, S, 3) of the cases; pairs are consecutive frames."""
    distance, square, target, made, true = ([] for _ in range(5))
    for one, picture in zip(cases, pictures, strict=True):
        mask = one.tile[..., 4:]
        total = 3 * max(float(mask.sum()), 1.0)
        distance.append(float((np.abs(picture - one.frame) * mask).sum()) / total)
        square.append(float(((picture - one.frame) ** 2 * mask).sum()) / total)
        target.append(float((np.abs(picture - one.target) * mask).sum()) / total)
        made.append(seam_energy(picture, one.alpha))
        true.append(seam_energy(one.frame, one.alpha))
    flicker = [_flicker(cases, pictures, *pair) for pair in pairs]
    return Figures(
        255 * float(np.mean(distance)),
        float(np.mean([-10 * np.log10(max(value, 1e-8)) for value in square])),
        255 * float(np.mean(target)),
        100 * (float(np.mean(made)) / max(float(np.mean(true)), 1e-6) - 1),
        float(np.mean([pair[0] for pair in flicker]) / np.mean([pair[1] for pair in flicker])) if flicker else 0.0,
    )


def _flicker(cases: list[Case], pictures: list[Floats], here: int, there: int) -> tuple[float, float]:
    """Mean change of picture and of true frame, in both masks."""
    mask = np.minimum(cases[here].tile[..., 4:], cases[there].tile[..., 4:])
    changes = (pictures[there] - pictures[here], cases[there].frame - cases[here].frame)
    made, true = (float((np.abs(change) * mask).sum() / max(mask.sum(), 1.0)) for change in changes)
    return made, true


def seam_energy(picture: Floats, alpha: Floats) -> float:
    """Mean gradient of luma, per pixel, in a band round the line where (S, S) alpha is a half."""
    inside = (alpha > 0.5).astype(np.uint8)
    reach = round(BAND * len(alpha) / 128)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    band = cv2.dilate(inside, disc) > cv2.erode(inside, disc)
    luma = picture @ _LUMA
    gradient = np.hypot(*np.gradient(luma))
    return float(gradient[band].mean()) if band.any() else 0.0


def landmark_drift(cases: list[Case], pictures: list[Floats]) -> np.ndarray:
    """(N,) how far our landmark network's points move by the repair, on average, in eye distances."""
    net = LandmarkNet(engines.load("landmarks", threads=1))
    drift = []
    for one, picture in zip(cases, pictures, strict=True):
        both = np.round(255 * np.stack([one.tile[..., :3], picture])).astype(np.uint8)
        crop = face_crop(one.live, CROP)
        before, after = (net(pixels, [crop]).points[0, :LANDMARKS] for pixels in both)
        drift.append(np.linalg.norm(after - before, axis=1).mean() / max(float(eye_distance(one.live)), 1.0))
    return np.array(drift)


def sheet(network: Engine | nn.Module, tiles: Tiles, rows: Iterable[int]) -> np.ndarray:
    """(H, W, 3) uint8 contact sheet, each tile as drawn and spoilt: frame, composite, repaired, target, change x4,
    confidence, mask."""
    run, lines = callable_of(network), []
    for row in rows:
        halves = []
        for strength in (0.0, 1.0):
            one = case(tiles, int(row), strength)
            repaired = run(one.tile.transpose(2, 0, 1)[None])[0].transpose(1, 2, 0)
            change = 0.5 + 4 * (repaired - one.tile[..., :3])
            belief = [np.repeat(one.tile[..., channel, None], 3, axis=2) for channel in (3, 4)]
            halves += [one.frame, one.tile[..., :3], repaired, one.target, change, *belief]
        lines.append(np.hstack(halves))
    return np.round(255 * np.clip(np.vstack(lines), 0, 1)).astype(np.uint8)
