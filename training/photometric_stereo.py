"""Normals of a still thing photographed under many known lights (Woodham 1980), in spite of shadows and highlights.

Where a light reaches, grey = albedo * (normal · light). Each pixel's three unknowns are solved by least squares over
the lights; pictures that are dark or saturated there do not count, and what fits badly (cast shadows, gloss) counts
less with every round (iteratively reweighted, Cauchy).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ROUNDS = 12
SATURATED = 250.0  # grey levels of 255
DARK = 0.12  # of a pixel's bright level: below it a picture counts as shadow there
OUTLIER = 0.05  # residual, of the pixel's bright level, that halves a weight
LEAST_LIGHTS = 4


@dataclass(frozen=True, slots=True, eq=False)
class Stereo:
    """What was recovered.

    Attributes:
        normals: (H, W, 3) float32 unit, x right, y up, z towards the camera; 0 where too few lights reach.
        albedo: (H, W) float32, grey of a surface that faces the light, in the pictures' levels.
        residual: (H, W) float32 weighted root mean square misfit, share of the albedo.
        known: (H, W) bool.
    """

    normals: np.ndarray
    albedo: np.ndarray
    residual: np.ndarray
    known: np.ndarray


def towards(azimuth: np.ndarray, elevation: np.ndarray) -> np.ndarray:
    """(L, 3) towards lights, in normal axes. Degrees; azimuth > 0 from the image LEFT, elevation > 0 above."""
    turn, up = np.deg2rad(azimuth), np.deg2rad(elevation)
    return np.stack([-np.sin(turn) * np.cos(up), np.sin(up), np.cos(turn) * np.cos(up)], axis=-1)


def solve(pictures: np.ndarray, lights: np.ndarray, ambient: np.ndarray | None = None) -> Stereo:
    """Normals and albedo.

    Args:
        pictures: (L, H, W) grey levels 0..255, linear in light, at least `LEAST_LIGHTS`.
        lights: (L, 3) unit vectors towards the lights, of one strength.
        ambient: (H, W) the same view without any of the lights, which is taken off.
    """
    if len(pictures) < LEAST_LIGHTS or len(pictures) != len(lights):
        raise ValueError(f"{len(pictures)} pictures and {len(lights)} lights: at least 4 of each are needed")
    grey = pictures.astype(np.float32)
    counts = grey < SATURATED
    if ambient is not None:
        grey = np.maximum(grey - ambient.astype(np.float32), 0)
    bright = np.maximum(np.quantile(np.where(counts, grey, 0), 0.9, axis=0), 1.0)
    counts &= grey > DARK * bright
    directions = lights.astype(np.float32)
    squares = directions[:, :, None] * directions[:, None, :]
    weights = counts.astype(np.float32)
    for _ in range(ROUNDS):
        matrix = np.einsum("lhw,lij->hwij", weights, squares) + 1e-4 * np.eye(3, dtype=np.float32)
        right = np.einsum("lhw,li->hwi", weights * grey, directions)
        found = np.linalg.solve(matrix, right[..., None])[..., 0]
        misfit = grey - np.einsum("li,hwi->lhw", directions, found)
        weights = counts / (1 + (misfit / (OUTLIER * bright)) ** 2)
    albedo = np.linalg.norm(found, axis=-1)
    # a direction that few lights vary in is a guess
    sure = np.linalg.eigvalsh(matrix)[..., 0] > 0.02
    known = (counts.sum(axis=0) >= LEAST_LIGHTS) & sure & (albedo > 2)
    normals = np.where(known[..., None], found / np.maximum(albedo, 1e-6)[..., None], 0)
    # no surface that is seen faces away
    known &= normals[..., 2] > 0
    spread = np.sqrt((weights * misfit**2).sum(axis=0) / np.maximum(weights.sum(axis=0), 1e-6))
    return Stereo(
        (normals * known[..., None]).astype(np.float32),
        albedo.astype(np.float32),
        (spread / np.maximum(albedo, 1)).astype(np.float32),
        known,
    )
