"""Spectacles and sunglasses of many makes, sitting on the nose in 3D: they turn with the head."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from training.occluders.lenses import Lenses, usual
from training.occluders.scene import Scene

_STEPS = 40  # corners of a lens
# Rims, RGB: black, browns, clear plastic, and what is in fashion; black, gold, silver, steel, copper.
_PLASTICS = ((18, 18, 20), (18, 18, 20), (50, 34, 24), (96, 62, 34), (225, 220, 210), (120, 24, 30), (30, 50, 110))
_METALS = ((18, 18, 20), (170, 140, 80), (150, 150, 155), (205, 205, 210), (60, 66, 70), (140, 95, 75))
_EYES = np.concatenate([LEFT_EYE, RIGHT_EYE])
_LEAST_RIM = 1.5  # pixels a rim takes of the mask at least: what is kept thinner than a pixel is lost


def glasses(scene: Scene, rng: np.random.Generator) -> None:
    """Rims, bridge and arms cover the face; lenses only where they are dark."""
    spectacles(scene, rng, usual)


def spectacles(scene: Scene, rng: np.random.Generator, lenses_like: Lenses) -> None:
    """A frame with these lenses in it."""
    lenses, lines = _frame(rng)
    metal = rng.random() < 0.6
    width = scene.unit * (rng.uniform(0.01, 0.028) if metal else rng.uniform(0.025, 0.085))
    rimless = rng.random() < 0.15
    half = rng.random() < 0.15
    colours = _METALS if metal else _PLASTICS
    colour = np.array(colours[rng.integers(len(colours))]) * rng.uniform(0.6, 1.15) * (0.35 + 0.65 * scene.light)
    outlines = [scene.at(lens) for lens in lenses]
    drawn = [(path[:, :2], width * share) for path, share in ((scene.at(line), share) for line, share in lines)]
    if not rimless:
        top = slice(_STEPS // 2, None)  # of a half rim
        drawn += [(outline[top] if half else np.vstack([outline, outline[:1]]), width) for outline in outlines]
    alpha, counts = np.zeros_like(scene.mask), np.zeros_like(scene.mask)
    for path, pen in drawn:
        alpha = np.maximum(alpha, scene.line(path, pen))
        counts = np.maximum(counts, scene.line(path, max(pen + 0.6, _LEAST_RIM)))
    scene.cast_shadow(alpha, rng)
    lenses_like(scene, outlines, rng)
    if rimless or half:
        for outline in outlines:
            edge = scene.line(outline, 1.0, closed=True)
            scene.paint(np.full(3, rng.uniform(40, 255) * scene.light), edge * rng.uniform(0.05, 0.4), 0.0)
            scene.unsure |= (edge > 0.2) & (counts < 0.2)
    opaque = rng.uniform(0.35, 0.75) if rng.random() < 0.25 else rng.uniform(0.85, 1.0)  # clear plastic is not
    scene.paint(_shining(scene, colour, metal, rng), alpha * opaque, counts)


def covers_eyes(scene: Scene) -> bool:
    """Whether what was drawn hides both eyes: who wears narrow glasses may look over them."""
    return bool(_at_eyes(scene, scene.mask).min() > 0.5)


def shows_eyes(scene: Scene) -> bool:
    """Whether nothing that was drawn, neither glare nor a half-dark lens, could be said to hide most of both eyes."""
    return bool(_at_eyes(scene, scene.unsure | (scene.mask > 0.5)).mean() < 0.5)


def _at_eyes(scene: Scene, values: np.ndarray) -> np.ndarray:
    x, y = np.clip(np.rint(scene.points[_EYES]), 0, scene.size - 1).astype(int).T
    return np.asarray(values[y, x])


def _frame(rng: np.random.Generator) -> tuple[list[np.ndarray], list[tuple[np.ndarray, float]]]:
    """Outlines of the two lenses (N, 3), and lines (N, 3) with their width in rim widths, in the mean face's axes."""
    half_width, half_height = rng.uniform(0.2, 0.31), rng.uniform(0.11, 0.27)
    middle = max(rng.uniform(0.32, 0.38), half_width + rng.uniform(0.04, 0.1))
    down = rng.uniform(-0.43, -0.32) + 0.15 * (half_height - 0.15)
    roundness, drop, lean = rng.uniform(0.45, 1.15), rng.uniform(0, 0.35), rng.normal(0, 0.06)
    turn = np.linspace(0, 2 * np.pi, _STEPS, endpoint=False)
    x, y = (np.sign(f) * np.abs(f) ** roundness for f in (np.cos(turn), np.sin(turn)))
    x = x * (1 - 0.25 * drop * np.clip(y, 0, 1))  # narrower below, as aviators are
    near, wrap = rng.uniform(-0.36, -0.24), rng.uniform(0.3, 0.75)

    def place(across: np.ndarray, high: np.ndarray) -> np.ndarray:
        return np.column_stack([across, high, near + wrap * across**2])

    lenses, lines = [], []
    for side in (-1, 1):
        across = side * (middle + half_width * x)
        lenses.append(place(across, down + half_height * y + lean * x * half_width))
    inner, outer = middle - half_width, middle + half_width
    high = down - half_height * rng.uniform(0, 0.7)
    bow = np.linspace(-1, 1, 9)
    lines.append((place(inner * bow, high - rng.uniform(0, 0.06) * (1 - bow**2)), rng.uniform(0.7, 1.4)))
    if rng.random() < 0.15:
        lines.append((place(inner * bow, np.full(9, high - 0.08)), 0.8))
    hinge = down - half_height * rng.uniform(0.1, 0.9)
    thick = rng.uniform(0.6, 1.8)
    for side in (-1, 1):
        start = place(np.array([side * outer]), np.array([hinge]))[0]
        corner = start + np.array([side * 0.05, 0, 0.08])
        ear = np.array([side * rng.uniform(0.83, 0.9), -0.42 + rng.normal(0, 0.03), 0.75])
        lines.append((np.array([start, corner, ear]), thick))
    return lenses, lines


def _shining(scene: Scene, colour: np.ndarray, metal: bool, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) the frame's colour: light from one side, highlights that change along it, spots on tortoise-shell."""
    y, x = np.mgrid[: scene.size, : scene.size].astype(np.float32) / scene.size
    angle = rng.uniform(0, 2 * np.pi)
    ramp = np.cos(angle) * x + np.sin(angle) * y
    wave = np.sin(2 * np.pi * (rng.uniform(1, 8) * ramp + rng.random()))
    bright = 1 + rng.uniform(0, 0.3) * wave
    picture = np.asarray(colour, np.float32) * bright[..., None]
    shine = np.clip(wave - rng.uniform(0.3, 0.9), 0, 1) * (1.2 if metal else rng.uniform(0, 0.6))
    picture += shine[..., None] * 255 * scene.light
    if not metal and rng.random() < 0.3:
        spots = rng.uniform(0, 1, (24, 24)).astype(np.float32)
        picture *= cv2.resize(spots, (scene.size,) * 2, interpolation=cv2.INTER_CUBIC)[..., None] * 1.6
    return np.clip(picture, 0, 255)
