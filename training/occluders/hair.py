"""Hair over the forehead and down the sides: single strands, long hair that hangs, fringes that leave no skin."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.geometry.topology import HAIRLINE
from training.occluders.scene import Scene

# Black, browns, blonde, red, grey: RGB in full light.
_COLOURS = ((18, 15, 14), (45, 30, 22), (90, 60, 38), (150, 112, 66), (205, 170, 115), (140, 62, 30), (165, 162, 158))


def strands(scene: Scene, rng: np.random.Generator) -> None:
    """Curved strokes in clumps, from the hairline or the temples over the face."""
    colour = _colour(scene, rng)
    total = np.zeros_like(scene.mask)
    light = np.ones_like(scene.mask)
    for _ in range(int(rng.integers(1, 6))):
        root = _root(scene, rng)
        fall = np.deg2rad(90 + rng.normal(0, 30))
        reach = scene.unit * rng.uniform(0.25, 1.6)
        bend = rng.normal(0, 0.5)
        spread = scene.unit * rng.uniform(0.01, 0.12)
        tousled = rng.uniform(0.02, 0.15)
        for _ in range(int(rng.integers(2, 14))):
            path = _stroke(root + rng.normal(0, spread, 2), fall + rng.normal(0, tousled), reach, bend, rng)
            alpha = scene.line(path, rng.uniform(0.25, 1.3) * scene.unit / 45) * rng.uniform(0.5, 1)
            light = np.where(alpha > 0.3, rng.uniform(0.6, 1.5), light)
            total = np.maximum(total, alpha) + 0.3 * np.minimum(total, alpha)
    total = np.minimum(total, 1)
    scene.cast_shadow(total, rng)
    scene.paint(np.clip(colour * light[..., None], 0, 255), total, np.minimum(1.4 * total, 1))


def locks(scene: Scene, rng: np.random.Generator) -> None:
    """Long hair that hangs from a parting over temples and cheeks, strand beside strand, thinner towards the nose."""
    total, light = np.zeros_like(scene.mask), np.ones_like(scene.mask)
    colour, part = _colour(scene, rng), rng.uniform(-0.35, 0.35)
    down = np.linspace(0, 1, 14)
    for side in rng.permutation([-1, 1])[: 2 if rng.random() < 0.6 else 1]:
        inner, wide, low = rng.uniform(0.3, 0.8), rng.uniform(0.1, 0.6), rng.uniform(-0.1, 1.3)
        wave, waves, phase = rng.uniform(0, 0.08), rng.uniform(0.5, 3), rng.uniform(0, 6)
        for _ in range(int(rng.integers(6, 45))):
            out = inner + wide * rng.beta(2, 1)
            across = part + (side * out - part) * (1 - (1 - down) ** rng.uniform(2, 5))
            across = across + wave * np.sin(phase + 6.3 * waves * down) + rng.normal(0, 0.02) * down
            height = -1.5 + (low + rng.normal(0, 0.15) + 1.5) * down
            path = scene.at(np.column_stack([across, height, -0.08 + 0.6 * across**2]))
            alpha = scene.line(path, rng.uniform(0.4, 2.5) * scene.unit / 45) * rng.uniform(0.4, 1)
            light = np.where(alpha > 0.3, rng.uniform(0.6, 1.4), light)
            total = np.maximum(total, alpha) + 0.4 * np.minimum(total, alpha)
    total = np.minimum(total, 1)
    scene.cast_shadow(total, rng)
    soft = cv2.GaussianBlur(light, (0, 0), 0.6)
    scene.paint(np.clip(colour * soft[..., None], 0, 255), total, np.minimum(1.4 * total, 1))


def curtain(scene: Scene, rng: np.random.Generator) -> None:
    """A fringe or a side curtain, its lower edge frayed."""
    edge = _edge(scene, rng)
    alpha = scene.polygon(edge)
    for _ in range(int(rng.integers(4, 30))):  # fray it
        at = edge[rng.integers(len(edge) // 2, len(edge))]
        path = _stroke(at, np.deg2rad(90 + rng.normal(0, 20)), scene.unit * rng.uniform(0.05, 0.4), 0.0, rng)
        alpha = np.maximum(alpha, scene.line(path, rng.uniform(0.4, 2.5) * scene.unit / 45))
    alpha = cv2.GaussianBlur(alpha, (0, 0), rng.uniform(0.3, 1.2))
    flow = _flow(scene.size, rng)
    alpha = np.clip(alpha * rng.uniform(0.9, 1.6) + rng.uniform(0, 0.5) * (flow - 0.7) * (alpha > 0.05), 0, 1)
    if rng.random() < 0.4:
        picture = _from_above(scene) * (0.85 + 0.3 * flow[..., None])
    else:
        picture = _colour(scene, rng) * (0.35 + rng.uniform(0.6, 1.3) * flow[..., None])
    scene.cast_shadow(alpha, rng)
    scene.paint(np.clip(picture, 0, 255), alpha)


def _colour(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    if rng.random() < 0.6:
        return scene.hair * rng.uniform(0.7, 1.3)
    return np.array(_COLOURS[rng.integers(len(_COLOURS))], np.float32) * scene.light * rng.uniform(0.7, 1.4)


def _root(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    line = scene.points[HAIRLINE]
    at = rng.uniform(0, len(line) - 1)
    first = int(at)
    place = line[first] + (at - first) * (line[min(first + 1, len(line) - 1)] - line[first])
    return place + rng.normal(0, 0.08, 2) * scene.unit


def _stroke(root: np.ndarray, fall: float, reach: float, bend: float, rng: np.random.Generator) -> np.ndarray:
    """(10, 2) a curve from `root` in the direction `fall`, that turns by `bend` on its way."""
    turned = fall + np.cumsum(np.full(9, (bend + rng.normal(0, 0.15)) / 9))
    steps = reach * rng.uniform(0.7, 1.2) / 9 * np.column_stack([np.cos(turned), np.sin(turned)])
    return np.vstack([root, root + np.cumsum(steps, axis=0)])


def _edge(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """(N, 2) outline of the curtain: beyond the hairline there, and back along the edge, its second half."""
    far = scene.points.mean(axis=0) + 1.5 * (scene.points[HAIRLINE] - scene.points.mean(axis=0))
    across = np.linspace(-1, 1, 25)
    kind = rng.random()
    if kind < 0.5:  # straight, curved or parted fringe
        part, deep = rng.uniform(-1.2, 1.2), rng.uniform(-0.95, -0.5)
        low = deep + rng.uniform(-0.35, 0.3) * np.abs(across - part) + rng.uniform(0, 0.1) * np.sin(across * 9)
        keep = slice(None)
    else:  # one side, down to the eye or the jaw
        side, begin = rng.choice([-1, 1]), rng.uniform(0.1, 0.8)
        low = -1.05 + rng.uniform(0.6, 1.9) * np.clip((side * across - begin) / max(1 - begin, 0.1), 0, 1) ** 0.7
        keep = slice(None) if rng.random() < 0.5 else (slice(6, None) if side > 0 else slice(None, 19))
    low = low + rng.normal(0, rng.uniform(0, 0.05), 25)
    ragged = scene.at(np.column_stack([0.92 * across, low, -0.05 + 0.6 * across**2]))[keep]
    if kind >= 0.5 and low.max() > 0:  # hangs down beside the face, too
        aside = scene.at(np.array([[1.4 * side, low.max(), 0.6]]))
        ragged = np.vstack([ragged, aside]) if side > 0 else np.vstack([aside, ragged])
    return np.vstack([far, ragged[::-1]])


def _flow(size: int, rng: np.random.Generator) -> np.ndarray:
    """(size, size) float32 in 0..1, fine streaks that run downwards, more or less."""
    wide = 2 * size
    streaks = rng.uniform(0, 1, (wide, wide)).astype(np.float32)
    streaks = cv2.GaussianBlur(streaks, (0, 0), sigmaX=rng.uniform(0.4, 1.2), sigmaY=rng.uniform(8, 25))
    turn = cv2.getRotationMatrix2D((wide / 2, wide / 2), rng.normal(0, 25), 1)
    turn[:, 2] -= size / 2
    streaks = cv2.warpAffine(streaks, turn, (size, size), borderMode=cv2.BORDER_REFLECT)
    low, high = np.percentile(streaks, (2, 98))
    return np.clip((streaks - low) / max(high - low, 1e-6), 0, 1)


def _from_above(scene: Scene) -> np.ndarray:
    """(S, S, 3) what is above the hairline, mirrored down over the face."""
    line = int(np.clip(scene.points[HAIRLINE[3:10], 1].mean() - 0.05 * scene.unit, 4, scene.size - 1))
    above = scene.picture[:line][::-1]
    return cv2.copyMakeBorder(above, line, max(scene.size - 2 * line, 0), 0, 0, cv2.BORDER_REFLECT)[: scene.size]
