"""What skin looks like: pigments, and a relief of wrinkles and pores on the atlas."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from scipy.spatial import cKDTree

from training.synthetic.regions import ATLAS, BOTTOM, TOP, atlas_place

NOISE_SIDE = 1024


@dataclass(frozen=True, slots=True)
class Pigments:
    """Low-dimensional skin colour: linear reflectance = BASE * exp(-melanin * MELANIN - blood * BLOOD).

    Attributes:
        melanin: 0.1 (very pale) … 2.6 (very dark).
        blood: 0.2 … 0.7.
        melanin_spread, blood_spread: how uneven they are.
        spots: 0 none … 1 freckled.
    """

    melanin: float
    blood: float
    melanin_spread: float
    blood_spread: float
    spots: float


def random_pigments(rng: np.random.Generator) -> Pigments:
    """People of all colours."""
    return Pigments(
        float(np.exp(rng.uniform(np.log(0.12), np.log(2.2)))),
        float(rng.uniform(0.2, 0.65)),
        float(rng.uniform(0.05, 0.25)),
        float(rng.uniform(0.1, 0.4)),
        float(rng.uniform(0, 1) if rng.random() < 0.2 else 0),
    )


class Noise:
    """Large fields of noise to cut from: the same for every face, at random places."""

    def __init__(self) -> None:
        rng = np.random.default_rng(20)
        self._smooth = _field(rng, (4, 8, 16, 32), 0.75)
        self._uneven = _field(rng, (16, 32, 64), 0.8)
        self._strands = _strands(rng)
        self._speckles = _field(rng, (128, 256, 512), 1.0)

    def tint(self, rng: np.random.Generator) -> np.ndarray:
        """(h, w, 4) uint8 on the atlas: fields of melanin and blood, strands of hair, speckles; each evenly 0..255."""
        fields = (self._smooth, self._uneven, self._strands, self._speckles)
        return np.ascontiguousarray(np.stack([_cut(field, rng) for field in fields], axis=-1))

    def bumps(self, rng: np.random.Generator) -> np.ndarray:
        """(h, w) float32 in -1..1: lumps and pores."""
        lumps, pores = _cut(self._uneven, rng), _cut(self._speckles, rng)
        return (0.7 * lumps.astype(np.float32) + 0.3 * pores.astype(np.float32)) / 127.5 - 1


class Wrinkles:
    """Folds of the neutral face, drawn on the atlas.

    Args:
        vertices: (V, 3) neutral head, mm.
        landmarks: (68, 3) mm.
    """

    def __init__(self, vertices: np.ndarray, landmarks: np.ndarray) -> None:
        self._front = vertices[vertices[:, 2] < 0]
        self._tree = cKDTree(self._front[:, :2])
        self._points = landmarks

    def relief(self, age: float, bumps: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """(h, w) float32 height over the smooth face in mm.

        Args:
            age: 0 a smooth child … 1 deep folds.
            bumps: (h, w) noise of `Noise.bumps`.
            rng: where exactly the folds run.
        """
        height = (0.05 + 0.15 * age) * bumps
        for points, depth, width in self._folds(age, rng):
            _carve(height, self._on_atlas(points), depth, width)
        return height.astype(np.float32)

    def _folds(self, age: float, rng: np.random.Generator) -> list[tuple[np.ndarray, float, float]]:
        """Lines over the face in mm (x, y), their depth and their width in mm."""
        p = self._points
        folds: list[tuple[np.ndarray, float, float]] = []

        def add(line: np.ndarray, strength: float, width: float) -> None:
            depth = strength * rng.uniform(0.3, 1.0) * (0.15 + age)
            if depth > 0.04:
                folds.append((line + rng.normal(0, 0.6, line.shape), depth, width * rng.uniform(0.8, 1.4)))

        top = p[[19, 24], 1].mean()
        across = np.linspace(-1, 1, 9)
        for row in range(int(rng.integers(2, 6))):
            y = top - 12 - 8 * row + rng.normal(0, 1)
            add(np.stack([rng.uniform(28, 46) * across, y + rng.uniform(2, 5) * across**2], axis=1), 0.5, 1.6)
        for side in (-1, 1):
            brow = p[21 if side < 0 else 22]
            down = np.linspace(0, 1, 5)
            add(np.stack([brow[0] * 0.6 + 0 * down, brow[1] - 6 + 18 * down], axis=1), 0.5, 1.4)
            outer = p[36 if side < 0 else 45]
            for tilt in (-0.5, 0.0, 0.5):
                reach = np.linspace(3, rng.uniform(12, 22), 5)
                add(np.stack([outer[0] + side * reach, outer[1] + tilt * reach], axis=1), 0.35, 1.1)
            inner = p[39 if side < 0 else 42]
            turn = np.linspace(0.15, 0.85, 7) * np.pi
            middle, half = (outer + inner) / 2, abs(outer[0] - inner[0]) / 2 + 2
            drop = rng.uniform(9, 14)
            add(np.stack([middle[0] + half * np.cos(turn), middle[1] + drop * np.sin(turn)], axis=1), 0.35, 1.8)
            wing, corner = p[31 if side < 0 else 35], p[48 if side < 0 else 54]
            down = np.linspace(0, 1, 9)
            bulge = rng.uniform(6, 11) * np.sin(np.pi * np.clip(down, 0, 1) ** 0.8)
            start, end = wing[:2] + np.array([side * 5, -4]), corner[:2] + np.array([side * 7, 4])
            add(start + down[:, None] * (end - start) + np.stack([side * bulge, 0 * down], axis=1), 1.1, 2.6)
            end = corner[:2] + np.array([side * 3, rng.uniform(14, 24)])
            add(corner[:2] + np.array([side * 3, 2]) + down[:, None] * (end - corner[:2]), 0.6, 2.0)
        return folds

    def _on_atlas(self, line: np.ndarray) -> np.ndarray:
        nearest = self._tree.query(line)[1]
        return atlas_place(np.column_stack([line, self._front[nearest, 2]])) * ATLAS - 0.5


def _carve(height: np.ndarray, line: np.ndarray, depth: float, width: float) -> None:
    """Adds a valley of `depth` mm along (N, 2) texels, ending softly, with slightly raised sides."""
    texel = (BOTTOM - TOP) / ATLAS[1]
    steps = np.linspace(0, len(line) - 1, 15)
    dense = np.stack([np.interp(steps, np.arange(len(line)), line[:, i]) for i in range(2)], axis=1)
    fade = np.sin(np.linspace(0.05, np.pi - 0.05, len(dense)))
    low = np.maximum(np.floor(dense.min(axis=0)).astype(int) - 16, 0)
    high = np.minimum(np.ceil(dense.max(axis=0)).astype(int) + 16, ATLAS)
    part = np.zeros((high - low)[::-1], np.float32)
    for i in range(len(dense) - 1):
        ends = np.round((dense[i : i + 2] - low) * 16).astype(int)
        cv2.line(part, ends[0].tolist(), ends[1].tolist(), float(fade[i]), 1, cv2.LINE_8, 4)
    narrow = cv2.GaussianBlur(part, (0, 0), width / texel / 2)
    wide = cv2.GaussianBlur(part, (0, 0), width / texel * 1.5)
    peak = max(float(narrow.max()), 1e-6)
    height[low[1] : high[1], low[0] : high[0]] += depth / peak * (0.8 * wide - narrow)


def slopes(height: np.ndarray) -> np.ndarray:
    """(h, w, 4) float32 for the shader: d height / d u and / d v (mm per whole atlas), height, 0."""
    down, across = np.gradient(height)
    return np.ascontiguousarray(
        np.stack([across * ATLAS[0], down * ATLAS[1], height, np.zeros_like(height)], axis=-1), np.float32
    )


def _field(rng: np.random.Generator, cells: tuple[int, ...], fall: float) -> np.ndarray:
    total = np.zeros((NOISE_SIDE, NOISE_SIDE), np.float32)
    for level, count in enumerate(cells):
        grid = rng.standard_normal((count, count), dtype=np.float32)
        total += fall**level * cv2.resize(grid, (NOISE_SIDE, NOISE_SIDE), interpolation=cv2.INTER_CUBIC)
    return _even(total)


def _strands(rng: np.random.Generator) -> np.ndarray:
    """Noise drawn out downwards, as hair falls, slightly waved."""
    fine = rng.standard_normal((NOISE_SIDE // 12, NOISE_SIDE), dtype=np.float32)
    drawn = cv2.resize(fine, (NOISE_SIDE, NOISE_SIDE), interpolation=cv2.INTER_CUBIC)
    y, x = np.mgrid[:NOISE_SIDE, :NOISE_SIDE].astype(np.float32)
    waved = x + 5 * np.sin(y / 37) + 3 * np.sin(y / 17 + x / 90)
    return _even(cv2.remap(drawn, waved, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))


def _even(values: np.ndarray) -> np.ndarray:
    """uint8 with every value about equally often."""
    order = np.argsort(values.ravel(), kind="stable")
    out = np.empty(values.size, np.uint8)
    out[order] = (np.arange(values.size) * 256 // values.size).astype(np.uint8)
    return out.reshape(values.shape)


def _cut(field: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    top, left = rng.integers(0, NOISE_SIDE - ATLAS[1]), rng.integers(0, NOISE_SIDE - ATLAS[0])
    return field[top : top + ATLAS[1], left : left + ATLAS[0]]
