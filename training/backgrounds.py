"""Pictures without a face: drawn patterns, face-free photographs, and what surrounds the faces of the data pack."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

POOL_SIDE = 400


def octaves(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) uint8 noise with power at several scales."""
    total = np.zeros((side, side), np.float32)
    fall = rng.uniform(0.4, 1.0)
    for level in range(1, 8):
        cells = 2**level
        total += fall**level * cv2.resize(
            rng.standard_normal((cells, cells), dtype=np.float32), (side, side), interpolation=cv2.INTER_CUBIC
        )
    return stretched(total, rng)


def stretched(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The values brought to a random range within 0..255, as uint8."""
    low, high = np.sort(rng.uniform(0, 255, 2))
    span = np.ptp(values) or 1.0
    return (low + (values - values.min()) / span * (high - low)).astype(np.uint8)


def gratings(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) uint8 stripes, checks or rings."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    angle, period = rng.uniform(0, np.pi), np.exp(rng.uniform(np.log(4), np.log(120)))
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    wave = np.sin(2 * np.pi * along / period)
    kind = rng.integers(3)
    if kind == 1:
        wave = wave * np.sin(2 * np.pi * across / (period * rng.uniform(0.5, 2)))
    elif kind == 2:
        wave = np.sin(2 * np.pi * np.hypot(x - rng.uniform(0, side), y - rng.uniform(0, side)) / period)
    if rng.random() < 0.5:
        wave = np.sign(wave)
    return stretched(wave, rng)


def shapes(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) uint8 boxes, discs, polygons and lines on a ramp: rooms, furniture, balls, bars."""
    y, x = np.mgrid[:side, :side] / side
    canvas = stretched(rng.normal() * x + rng.normal() * y, rng)
    for _ in range(int(rng.integers(3, 40))):
        shade = int(rng.integers(0, 256))
        centre = rng.integers(0, side, 2)
        reach = np.exp(rng.uniform(np.log(4), np.log(side / 2), 2)).astype(int)
        thick = -1 if rng.random() < 0.7 else int(rng.integers(1, 8))
        kind = rng.integers(4)
        if kind == 0:
            cv2.rectangle(canvas, (centre - reach).tolist(), (centre + reach).tolist(), shade, thick)
        elif kind == 1:
            turn = float(rng.uniform(0, 180))
            cv2.ellipse(canvas, centre.tolist(), reach.tolist(), turn, 0, 360, shade, thick, cv2.LINE_AA)
        elif kind == 2:
            corners = centre + rng.normal(0, reach.mean(), (int(rng.integers(3, 7)), 2))
            cv2.fillPoly(canvas, [corners.astype(np.int32)], shade, cv2.LINE_AA)
        else:
            cv2.line(canvas, centre.tolist(), rng.integers(0, side, 2).tolist(), shade, abs(thick) + 1, cv2.LINE_AA)
    return canvas


def writing(rng: np.random.Generator, side: int) -> np.ndarray:
    """(side, side) uint8 lines of letters on a smooth ground."""
    canvas = octaves(rng, side) // 2 + int(rng.integers(0, 128))
    size, ink = rng.uniform(0.3, 2.5), int(rng.integers(0, 256))
    for top in np.arange(10, side + 40, max(8, 34 * size)):
        letters = "".join(chr(code) for code in rng.integers(33, 127, 60))
        font = int(rng.integers(0, 8))
        cv2.putText(canvas, letters, (int(rng.integers(-40, 40)), int(top)), font, size, ink, int(rng.integers(1, 4)))
    return canvas


PATTERNS: tuple[Callable[[np.random.Generator, int], np.ndarray], ...] = (octaves, gratings, shapes, writing)


def random_part(picture: np.ndarray, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """(h, w) uint8 of `shape`: a random window of any picture, mirrored, turned by right angles now and then."""
    height, width = picture.shape
    aspect = shape[1] / shape[0]
    window = np.array([min(height, width / aspect), min(width, height * aspect)])
    window = np.maximum(window * rng.uniform(0.35, 1.0), 2).astype(int)
    top, left = (rng.random(2) * (np.array(picture.shape) - window + 1)).astype(int)
    part = picture[top : top + window[0], left : left + window[1]]
    larger = window[0] > shape[0]
    part = cv2.resize(part, shape[::-1], interpolation=cv2.INTER_AREA if larger else cv2.INTER_LINEAR)
    if rng.random() < 0.5:
        part = cv2.flip(part, 1)
    return cv2.flip(part, 0) if rng.random() < 0.15 else part


class Backgrounds:
    """A pool of face-free pictures to compose on, and small tiles to paste.

    Args:
        photos: uint8 grey pictures without a face, any size.
        tiles: uint8 grey pieces cut beside and below faces (hair, ears, necks, hands, rooms), any size.
        rng: draws the patterns of the pool.
        patterns: how many drawn patterns the pool holds.
    """

    def __init__(
        self, photos: list[np.ndarray], tiles: list[np.ndarray], rng: np.random.Generator, patterns: int = 300
    ) -> None:
        self.photos = photos
        self.tiles = tiles
        self.drawn = [PATTERNS[index % len(PATTERNS)](rng, POOL_SIDE) for index in range(patterns)]

    def picture(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        """(h, w) uint8: a photograph, a piece of one blown up, or a pattern; sometimes two of them mixed."""
        first = random_part(self._any(rng), rng, shape)
        if rng.random() < 0.15:
            share = rng.uniform(0.2, 0.8)
            first = cv2.addWeighted(first, share, random_part(self._any(rng), rng, shape), 1 - share, 0)
        return first

    def tile(self, rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
        """(h, w) uint8 piece to paste: mostly from around a face."""
        source = self._one(self.tiles, rng) if rng.random() < 0.75 else self._any(rng)
        return random_part(source, rng, shape)

    def _any(self, rng: np.random.Generator) -> np.ndarray:
        kind = rng.random()
        if kind < 0.5:
            return self._one(self.photos, rng)
        return self._one(self.tiles if kind < 0.7 else self.drawn, rng)

    @staticmethod
    def _one(pictures: list[np.ndarray], rng: np.random.Generator) -> np.ndarray:
        return pictures[int(rng.integers(len(pictures)))]
