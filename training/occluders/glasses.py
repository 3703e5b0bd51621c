"""Spectacles and sunglasses of many makes, sitting on the nose in 3D: they turn with the head."""

from __future__ import annotations

import cv2
import numpy as np

from training.occluders.scene import Scene

_STEPS = 40  # corners of a lens
# Rims, RGB: black, browns, clear plastic, and what is in fashion; black, gold, silver, steel, copper.
_PLASTICS = ((18, 18, 20), (18, 18, 20), (50, 34, 24), (96, 62, 34), (225, 220, 210), (120, 24, 30), (30, 50, 110))
_METALS = ((18, 18, 20), (170, 140, 80), (150, 150, 155), (205, 205, 210), (60, 66, 70), (140, 95, 75))
_COVERS, _CLEAR = 0.6, 0.3  # lenses as dark as the first hide the eye, below the second they do not; between: unsure
_LEAST_RIM = 1.5  # pixels a rim takes of the mask at least: what is kept thinner than a pixel is lost


def glasses(scene: Scene, rng: np.random.Generator) -> None:
    """Rims, bridge and arms cover the face; lenses only where they are dark."""
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
    tint = _tint(scene, rng)
    for outline in outlines:
        _lens(scene, outline, tint, rng)
    if rimless or half:
        for outline in outlines:
            edge = scene.line(outline, 1.0, closed=True)
            scene.paint(np.full(3, rng.uniform(40, 255) * scene.light), edge * rng.uniform(0.05, 0.4), 0.0)
            scene.unsure |= (edge > 0.2) & (counts < 0.2)
    opaque = rng.uniform(0.35, 0.75) if rng.random() < 0.25 else rng.uniform(0.85, 1.0)  # clear plastic is not
    scene.paint(_shining(scene, colour, metal, rng), alpha * opaque, counts)


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


def _lens(scene: Scene, outline: np.ndarray, tint: tuple[float, float, np.ndarray], rng: np.random.Generator) -> None:
    """Tint and glare of one lens."""
    inside = scene.polygon(outline)
    low, high = outline.min(axis=0), outline.max(axis=0)
    opacity, lost, colour = tint
    down = np.clip((np.mgrid[: scene.size, : scene.size][0] - low[1]) / max(high[1] - low[1], 1), 0, 1)
    alpha = (inside * opacity * (1 - lost * down)).astype(np.float32)
    scene.paint(colour, alpha, np.where(alpha > _COVERS, inside, np.float32(0)))
    scene.unsure |= (alpha > _CLEAR) & (alpha <= _COVERS)
    if rng.random() < 0.45:
        along = rng.uniform(0, 1, 2)
        across = low + along * (high - low)
        reach = rng.uniform(0.05, 0.5, 2) * (high - low)
        angle = float(rng.uniform(0, 180))
        glare = np.zeros_like(inside)
        cv2.ellipse(glare, (across.tolist(), (2 * reach).tolist(), angle), 1.0, -1)
        glare = cv2.GaussianBlur(glare, (0, 0), rng.uniform(0.5, 3)) * inside * rng.uniform(0.15, 1.0)
        white = 255 * scene.light * rng.uniform([0.6, 0.7, 0.7], 1.0)
        scene.paint(white, glare, 0.0)
        scene.unsure |= glare > _CLEAR


def _tint(scene: Scene, rng: np.random.Generator) -> tuple[float, float, np.ndarray]:
    """Opacity of a pair's lenses, the share of it that is lost downwards, and their colour."""
    if rng.random() < 0.25:
        dark = rng.uniform(5, 60) + rng.uniform(0, 20, 3) if rng.random() < 0.6 else rng.uniform(5, 140, 3)
        return rng.uniform(0.5, 0.98), rng.uniform(0, 0.5) * (rng.random() < 0.5), dark * scene.light
    return rng.uniform(0, 0.12), 0.0, rng.uniform(40, 220, 3) * scene.light


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
