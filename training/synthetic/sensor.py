"""From what is rendered to what a colour or infrared camera shows of it."""

from __future__ import annotations

import cv2
import numpy as np

from training.backgrounds import PATTERNS
from training.camera import motion_kernel, tone_curve


def background(rng: np.random.Generator, size: int, infrared: bool) -> np.ndarray:
    """(size, size, 3) float32 0..1: rooms, windows, seats; dark where only the lamp of an infrared camera shines."""
    pattern = PATTERNS[rng.choice(len(PATTERNS), p=[0.4, 0.15, 0.35, 0.1])]
    side = max(size, 64)
    drawn = pattern(rng, side).astype(np.float32)[:size, :size] / 255
    other = PATTERNS[0](rng, side).astype(np.float32)[:size, :size] / 255
    first, second = rng.uniform(0.2, 1.1, (2, 3))
    picture = drawn[..., None] * first * (0.5 + 0.5 * other[..., None]) + 0.25 * other[..., None] * second
    if rng.random() < 0.7:
        picture = cv2.GaussianBlur(picture, (0, 0), rng.uniform(0.5, 0.06 * size))
    if infrared:
        picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2) * rng.uniform(0.02, 0.35)
        if rng.random() < 0.5:  # a headrest behind
            y, x = np.mgrid[:size, :size] / size - 0.5
            rest = (np.abs(x) / rng.uniform(0.3, 0.5)) ** 4 + (np.abs(y) / rng.uniform(0.35, 0.6)) ** 4 < 1
            picture[rest] = 0.6 * picture[rest] + rng.uniform(0.03, 0.2)
    return np.clip(picture, 0, 1).astype(np.float32)


def photographed(picture: np.ndarray, infrared: bool, rng: np.random.Generator) -> np.ndarray:
    """A picture as some camera shows it.

    Args:
        picture: (S, S, 3) float32 0..1, coded for display.
        infrared: mix the colours to grey, darken the corners, more noise.
        rng: source of chance.

    Returns:
        (S, S, 3) uint8.
    """
    size = len(picture)
    seen = 255 * picture
    if infrared:
        seen = np.repeat(seen @ np.array([0.4, 0.4, 0.2], np.float32)[:, None], 3, axis=2)
        y, x = np.mgrid[:size, :size] / size - 0.5
        seen = seen * (1 - rng.uniform(0, 1.1) * (x**2 + y**2))[..., None]
    elif rng.random() < 0.6:
        levels = np.clip(seen, 0, 255).astype(np.uint8)
        seen = cv2.LUT(levels, tone_curve(rng, 0.7).astype(np.float32)) * np.exp(rng.normal(0, 0.06, 3))
    kind = rng.random()
    if kind < 0.3:
        seen = cv2.GaussianBlur(seen, (0, 0), rng.uniform(0.3, 1.3))
    elif kind < 0.36:
        seen = cv2.filter2D(seen, -1, motion_kernel(rng.uniform(2, 5), rng.uniform(0, np.pi)))
    elif kind < 0.5:
        factor = rng.uniform(0.45, 0.85)
        small = cv2.resize(seen, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        seen = cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR)
    if infrared or rng.random() < 0.5:
        sigma = np.exp(rng.uniform(np.log(0.8), np.log(9)))
        noise = rng.standard_normal((size, size, 1 if infrared else 3), dtype=np.float32)
        seen = seen + sigma * (0.5 + 0.5 * np.sqrt(np.clip(seen, 0, 255) / 255)) * noise
    out = np.clip(seen, 0, 255).astype(np.uint8)
    if rng.random() < 0.35:
        code = cv2.imencode(".jpg", out[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(25, 92))])[1]
        out = np.ascontiguousarray(cv2.imdecode(code, cv2.IMREAD_COLOR)[..., ::-1])
    return out
