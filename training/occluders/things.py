"""Microphones, cups, phones, cloth, hats, and anything else that gets in the way."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.geometry.topology import HAIRLINE, JAW
from training.backgrounds import gratings, shapes
from training.occluders.scene import Scene, noise


def microphone(scene: Scene, rng: np.random.Generator) -> None:
    """A ball of wire or foam on a stick, or a headset's little one on its wire."""
    dark = rng.uniform(5, 70) * scene.light + np.zeros(3)
    if rng.random() < 0.4:
        side = rng.choice([-1, 1])
        path = scene.at(np.array([[side * 0.85, -0.1, 0.6], [side * 0.7, 0.35, 0.2], [side * 0.3, 0.45, -0.15]]))
        scene.paint(dark, scene.line(path, scene.unit * rng.uniform(0.02, 0.06)))
        scene.paint(0.7 * dark, scene.line(np.vstack([path[-1:], path[-1:] + 1]), scene.unit * rng.uniform(0.08, 0.22)))
        return
    low, high = scene.points.min(axis=0), scene.points.max(axis=0)
    head = low + rng.uniform([0, 0.45], [1, 1.05]) * (high - low)
    away = np.deg2rad(rng.normal(90, 40))
    radius = scene.unit * rng.uniform(0.18, 0.5)
    foot = head + 5 * scene.unit * np.array([np.cos(away), np.sin(away)])
    cover = scene.line(np.vstack([head, foot]), radius * rng.uniform(0.5, 1.1))
    scene.cast_shadow(cover, rng)
    scene.paint(_rounded(scene, dark, head, radius), cover)
    ball = scene.line(np.vstack([head, head + 1]), 2 * radius)
    wire = gratings(rng, scene.size).astype(np.float32)[..., None] / 255
    tone = np.clip(dark * 1.3 + rng.uniform(0, 90) * scene.light * wire, 0, 255)
    scene.paint(_rounded(scene, tone, head, radius), ball)


def cup(scene: Scene, rng: np.random.Generator) -> None:
    """A mug or glass at the mouth."""
    mouth = scene.points[48:60].mean(axis=0) + rng.normal(0, 0.15, 2) * scene.unit
    width, height, narrow = scene.unit * rng.uniform(0.6, 1.2), scene.unit * rng.uniform(0.7, 1.6), rng.uniform(0.6, 1)
    angle = np.deg2rad(rng.normal(0, 20))
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    round_edge = np.linspace(np.pi, 2 * np.pi, 16)
    brim = np.column_stack([0.5 * width * np.cos(round_edge), 0.1 * width * np.sin(round_edge)])
    body = np.vstack([brim, [[0.5 * narrow * width, height], [-0.5 * narrow * width, height]]]) @ turn + mouth
    cover = scene.polygon(body)
    scene.cast_shadow(cover, rng)
    scene.paint(_rounded(scene, _pattern(scene, rng), mouth + np.array([0, height / 2]), 0.8 * width), cover)


def phone(scene: Scene, rng: np.random.Generator) -> None:
    """A flat box, dark or light, with a rim, at any angle."""
    low, high = scene.points.min(axis=0), scene.points.max(axis=0)
    centre = low + rng.uniform(-0.1, 1.1, 2) * (high - low)
    width, height = scene.unit * rng.uniform(0.5, 0.9), scene.unit * rng.uniform(0.9, 1.8)
    corners = cv2.boxPoints((centre.tolist(), (width, height), float(rng.normal(0, 30))))
    cover = scene.polygon(corners)
    scene.cast_shadow(cover, rng)
    tone = rng.uniform(5, 60) if rng.random() < 0.6 else rng.uniform(100, 250)
    scene.paint(scene.light * (tone + noise(rng, scene.size, 12.0)[..., None] + np.zeros(3)), cover)
    scene.paint(scene.light * rng.uniform(20, 200, 3), scene.line(corners, 1.5, closed=True) * cover)


def cloth(scene: Scene, rng: np.random.Generator) -> None:
    """A mask or scarf over mouth and chin, from under the eyes or lower."""
    up = rng.uniform(0, 0.9)
    nose = scene.points[28] + up * (scene.points[33] - scene.points[28])
    sides = scene.points[[15, 1]]
    chin = scene.points[JAW[2:15]] + np.array([0, rng.uniform(0, 0.4)]) * scene.unit * np.hanning(13)[:, None]
    cover = cv2.GaussianBlur(scene.polygon(np.vstack([chin, sides[:1], nose[None], sides[1:]])), (0, 0), 0.6)
    scene.cast_shadow(cover, rng)
    folds = 1 + 0.15 * np.sin(np.mgrid[: scene.size, : scene.size][0] * rng.uniform(0.1, 0.6))
    picture = _pattern(scene, rng) * folds[..., None]
    scene.paint(_rounded(scene, picture, scene.points[57], 1.3 * scene.unit), cover)


def hat(scene: Scene, rng: np.random.Generator) -> None:
    """A cap, a beanie or a headband over the forehead."""
    middle = scene.points.mean(axis=0)
    top = middle + 1.7 * (scene.points[HAIRLINE] - middle)
    across = np.linspace(1, -1, 15)
    low = rng.uniform(-0.95, -0.6) - rng.uniform(-0.15, 0.2) * across**2
    brim = scene.at(np.column_stack([0.95 * across, np.full(15, low), -0.2 + 0.7 * across**2]))
    cover = cv2.GaussianBlur(scene.polygon(np.vstack([top, brim])), (0, 0), rng.uniform(0.3, 1))
    if rng.random() < 0.4:  # a peak's shadow falls over the eyes
        scene.shade(1 - rng.uniform(0.2, 0.6) * cv2.GaussianBlur(np.roll(cover, int(0.3 * scene.unit), 0), (0, 0), 3))
    scene.paint(_rounded(scene, _pattern(scene, rng), top.mean(axis=0), 2 * scene.unit), cover)


def blob(scene: Scene, rng: np.random.Generator) -> None:
    """Any shape with any surface: a bent outline, round or angular, sharp or out of focus."""
    low, high = scene.points.min(axis=0), scene.points.max(axis=0)
    centre = low + rng.uniform(-0.05, 1.05, 2) * (high - low)
    corners = int(rng.integers(3, 14))
    turn = np.sort(rng.uniform(0, 2 * np.pi, corners))
    reach = scene.unit * rng.uniform(0.08, 0.8) * rng.uniform(0.5, 1.3, corners)
    stretch = np.exp(rng.normal(0, 0.5))
    outline = centre + reach[:, None] * np.column_stack([stretch * np.cos(turn), np.sin(turn) / stretch])
    cover = scene.polygon(outline)
    if rng.random() < 0.5:
        cover = np.clip(2 * cv2.GaussianBlur(cover, (0, 0), rng.uniform(0.5, 4)) - 0.5, 0, 1)
    scene.cast_shadow(cover, rng)
    kind = rng.random()
    if kind < 0.25:  # skin: a finger, a shoulder, another face
        picture = scene.skin * rng.uniform(0.7, 1.3) * (1 + noise(rng, scene.size, 0.1))[..., None]
    else:
        picture = _pattern(scene, rng)
    scene.paint(_rounded(scene, np.clip(picture, 0, 255), centre, scene.unit), cover)


def _pattern(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) plain, cloudy, striped or printed stuff in one or two colours."""
    one, two = rng.uniform(0, 255, (2, 3)) * scene.light
    if rng.random() < 0.35:
        one = np.full(3, one.mean())
    kind = rng.random()
    if kind < 0.5:
        share = 0.5 + noise(rng, scene.size, rng.uniform(0.01, 0.2))
        two = one * rng.uniform(0.5, 1.3)
    elif kind < 0.75:
        share = gratings(rng, scene.size) / 255
    else:
        share = shapes(rng, scene.size) / 255
    return np.clip(one + share[..., None] * (two - one), 0, 255).astype(np.float32)


def _rounded(scene: Scene, colour: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    """(S, S, 3) the colour, lit as if it were round about `centre`."""
    y, x = np.mgrid[: scene.size, : scene.size].astype(np.float32)
    off = np.clip(((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / radius**2, 0, 1.5)
    lit = 1.1 - 0.35 * off - 0.15 * np.clip((x - centre[0]) / radius, -1, 1)
    return np.clip(np.asarray(colour, np.float32) * lit[..., None], 0, 255)
