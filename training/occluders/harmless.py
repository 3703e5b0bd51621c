"""What changes how a face looks and covers nothing: shadows, hollow eyes, flash, make-up, stubble."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.geometry.topology import BROWS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE
from training.occluders.scene import Scene, noise

# Forehead, nose, cheeks and chin, in the mean face's axes.
_SHINING = ((0, -0.8, -0.05), (0, -0.15, -0.35), (-0.4, -0.1, 0.0), (0.4, -0.1, 0.0), (0, 0.6, -0.15))


def shadow(scene: Scene, rng: np.random.Generator) -> None:
    """Cast by something outside the picture: an edge or a shape, sharp or soft, tinted."""
    if rng.random() < 0.5:
        angle = rng.uniform(0, 2 * np.pi)
        normal = np.array([np.cos(angle), np.sin(angle)])
        edge = scene.points.mean(axis=0) + rng.normal(0, 0.5) * scene.unit * normal
        aside = 3 * scene.size * np.array([-normal[1], normal[0]])
        outline = np.array([edge - aside, edge + aside, edge + aside + 999 * normal, edge - aside + 999 * normal])
        cover = scene.polygon(outline)
    else:
        cover = np.clip(noise(rng, scene.size, 3.0) + rng.normal(0, 1), 0, 1)
    _darken(scene, cover, rng)


def blinds(scene: Scene, rng: np.random.Generator) -> None:
    """Bars of light and shade, as wide as each other or not; the light may be dazzling."""
    y, x = np.mgrid[: scene.size, : scene.size].astype(np.float32)
    angle = rng.uniform(0, np.pi)
    length = scene.unit * rng.uniform(0.15, 1)
    wave = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 2 * np.pi / length + rng.uniform(0, 2 * np.pi))
    cover = np.clip(rng.uniform(2, 8) * (wave + rng.normal(0, 0.3)), 0, 1)
    if rng.random() < 0.3:
        scene.shade(1 + rng.uniform(0.1, 0.8) * (1 - cover))
    _darken(scene, cover, rng)


def hollow(scene: Scene, rng: np.random.Generator) -> None:
    """Eyes in the shade of their brows, as under a lamp or the sun overhead."""
    shade = np.zeros_like(scene.mask)
    for eye in (LEFT_EYE, RIGHT_EYE):
        middle = scene.points[eye].mean(axis=0) + scene.unit * rng.normal([0, -0.05], 0.03)
        reach = scene.unit * rng.uniform([0.15, 0.08], [0.3, 0.2])
        cv2.ellipse(shade, (middle.tolist(), (2 * reach).tolist(), float(rng.normal(0, 10))), 1.0, -1)
    soft = cv2.GaussianBlur(shade, (0, 0), scene.unit * rng.uniform(0.02, 0.08))
    scene.shade(1 - rng.uniform(0.3, 0.85) * soft)


def flash(scene: Scene, rng: np.random.Generator) -> None:
    """Shine on forehead, nose and cheeks."""
    spots = scene.at(np.array(_SHINING))
    glow = np.zeros_like(scene.mask)
    for spot in spots[rng.permutation(5)[: int(rng.integers(1, 4))]]:
        reach = scene.unit * rng.uniform(0.05, 0.3, 2)
        cv2.ellipse(glow, (spot.tolist(), (2 * reach).tolist(), float(rng.uniform(0, 180))), 1.0, -1)
    glow = cv2.GaussianBlur(glow, (0, 0), scene.unit * rng.uniform(0.02, 0.15)) * rng.uniform(0.2, 0.9)
    scene.picture += glow[..., None] * (255 * rng.uniform(0.85, 1, 3) - scene.picture)


def make_up(scene: Scene, rng: np.random.Generator) -> None:
    """Lipstick, blush, eye shadow, dark brows, each or not."""
    tone = rng.uniform([60, 0, 0], [255, 120, 160])
    if rng.random() < 0.6:
        _tinted(scene, scene.polygon(scene.points[OUTER_LIPS]), tone, rng.uniform(0.2, 0.8), 0.5)
    if rng.random() < 0.4:
        for x in (-0.45, 0.45):
            cheek = scene.at(np.array([[x, 0.0, 0.05]]))[0]
            spot = scene.line(np.vstack([cheek, cheek + 1]), 0.35 * scene.unit)
            _tinted(scene, spot, tone, rng.uniform(0.1, 0.4), 0.1 * scene.unit)
    if rng.random() < 0.5:
        colour = rng.uniform(0, 160, 3)
        for eye, brow in ((LEFT_EYE, BROWS[:5]), (RIGHT_EYE, BROWS[5:])):
            lid = np.vstack([scene.points[eye[:4]], 0.5 * (scene.points[eye[:4][::-1]] + scene.points[brow[:4][::-1]])])
            _tinted(scene, scene.polygon(lid), colour, rng.uniform(0.1, 0.7), 0.03 * scene.unit)
    if rng.random() < 0.4:
        for brow in (BROWS[:5], BROWS[5:]):
            drawn = scene.line(scene.points[brow], scene.unit * rng.uniform(0.04, 0.12))
            _tinted(scene, drawn, rng.uniform(10, 70, 3), rng.uniform(0.2, 0.8), 0.6)


def stubble(scene: Scene, rng: np.random.Generator) -> None:
    """A beard, from a shade to short hair, on chin, cheeks and lip: it belongs to the face."""
    jaw = np.array([[-0.8, 0.1, 0.5], [-0.7, 0.45, 0.3], [-0.4, 0.75, 0.0], [0, 0.9, -0.1]])
    jaw = np.vstack([jaw, jaw[-2::-1] * (-1, 1, 1)])
    high = rng.uniform(0.05, 0.45)
    cheek = np.array([[0.45, high, 0.0], [0.33, 0.2, -0.1], [0, 0.12, -0.25], [-0.33, 0.2, -0.1], [-0.45, high, 0.0]])
    cover = cv2.GaussianBlur(scene.polygon(scene.at(np.vstack([jaw, cheek]))), (0, 0), 0.06 * scene.unit)
    cover *= 1 - cv2.GaussianBlur(scene.polygon(scene.points[OUTER_LIPS]), (0, 0), 1)
    grain = rng.uniform(0, 1, cover.shape).astype(np.float32)
    grain = cv2.GaussianBlur(grain, (0, 0), sigmaX=rng.uniform(0.3, 0.7), sigmaY=rng.uniform(0.3, 1.5))
    patchy = np.clip(1 + noise(rng, scene.size, 0.3), 0, 1.5)
    share = np.clip(cover * patchy * rng.uniform(0.1, 0.9) * (0.5 + (grain - 0.5) * rng.uniform(0.5, 3)), 0, 1)
    colour = scene.hair if rng.random() < 0.5 else rng.uniform(10, 180) * scene.light + np.zeros(3)
    scene.picture += share[..., None] * (np.asarray(colour, np.float32) - scene.picture)


def _darken(scene: Scene, cover: np.ndarray, rng: np.random.Generator) -> None:
    soft = cv2.GaussianBlur(cover.astype(np.float32), (0, 0), rng.uniform(0.3, 0.15 * scene.unit))
    depth = rng.uniform(0.15, 0.75) * rng.normal(1, 0.06, 3)
    scene.shade(np.clip(1 - soft[..., None] * depth, 0, 1).astype(np.float32))


def _tinted(scene: Scene, cover: np.ndarray, colour: np.ndarray, share: float, soft: float) -> None:
    """Dye what is there: its light and dark stay."""
    cover = share * cv2.GaussianBlur(cover, (0, 0), max(soft, 0.3))
    dyed = scene.picture * (0.4 + 0.6 * np.asarray(colour, np.float32) / 255)
    scene.picture += cover[..., None] * (dyed - scene.picture)
