"""A software rasteriser in float64, the truth that the shaders are compared with.

Written from the specification, not from the shaders: pixel centres at integers, triangles that run clockwise in the
picture are seen from the front, others are not drawn, the smallest z wins, z outside [-1, 1] is moved to its ends,
textures are sampled bilinearly with their edges repeated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Raster:
    """Which triangle each pixel shows, and where in it.

    Attributes:
        corners: (H, W, 3) int, the vertices of the triangle that is seen.
        share: (H, W, 3) float64, how much of each vertex; 0 where nothing is drawn.
        mask: (H, W) bool, where something is drawn.
        triangle: (H, W) int, the triangle's number, -1 where nothing is drawn.
    """

    corners: np.ndarray
    share: np.ndarray
    mask: np.ndarray
    triangle: np.ndarray

    def carry(self, values: np.ndarray) -> np.ndarray:
        """(H, W, C) values (V, C) of the vertices at every pixel."""
        values = np.asarray(values, np.float64)
        out = np.zeros((*self.mask.shape, values.shape[1]))
        corners, share = self.corners[self.mask], self.share[self.mask]
        out[self.mask] = sum(share[:, i, None] * values[corners[:, i]] for i in range(3))
        return out

    def inside(self) -> np.ndarray:
        """(H, W) bool, where the pixel and its eight neighbours show one and the same triangle."""
        same = self.mask.copy()
        for down in (-1, 0, 1):
            for right in (-1, 0, 1):
                same &= np.roll(self.triangle, (down, right), (0, 1)) == self.triangle
        same[[0, -1]] = same[:, [0, -1]] = False
        return same


def rasterise(triangles: np.ndarray, position: np.ndarray, size: tuple[int, int]) -> Raster:
    """Draw (T, 3) triangles over (V, 3) positions into a picture of (width, height)."""
    width, height = size
    nearest = np.full((height, width), np.inf)
    corners, share = np.zeros((height, width, 3), int), np.zeros((height, width, 3))
    number = np.full((height, width), -1)
    position = np.asarray(position, np.float64)
    depth = np.clip(position[:, 2], -1, 1)
    for index, triangle in enumerate(triangles):
        (ax, ay), (bx, by), (cx, cy) = position[triangle, :2]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area <= 0:  # y points down: clockwise is positive
            continue
        left, right = max(0, int(np.ceil(min(ax, bx, cx)))), min(width - 1, int(np.floor(max(ax, bx, cx))))
        top, bottom = max(0, int(np.ceil(min(ay, by, cy)))), min(height - 1, int(np.floor(max(ay, by, cy))))
        if right < left or bottom < top:
            continue
        y, x = np.mgrid[top : bottom + 1, left : right + 1]
        of_a = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
        of_b = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
        of_c = 1 - of_a - of_b
        z = of_a * depth[triangle[0]] + of_b * depth[triangle[1]] + of_c * depth[triangle[2]]
        place = np.s_[top : bottom + 1, left : right + 1]
        seen = (of_a >= 0) & (of_b >= 0) & (of_c >= 0) & (z < nearest[place])
        nearest[place][seen] = z[seen]
        corners[place][seen] = triangle
        share[place][seen] = np.stack([of_a, of_b, of_c], axis=-1)[seen]
        number[place][seen] = index
    return Raster(corners, share, number >= 0, number)


def sample(picture: np.ndarray, at: np.ndarray) -> np.ndarray:
    """(..., C) float64 of (H, W, C) at (..., 2) x, y: bilinear, pixel centres at integers, edges repeated."""
    height, width = picture.shape[:2]
    at = np.clip(np.asarray(at, np.float64), 0, [width - 1, height - 1])
    low = np.floor(at).astype(int)
    high = np.minimum(low + 1, [width - 1, height - 1])
    right, down = (at - low)[..., 0, None], (at - low)[..., 1, None]
    picture = np.asarray(picture, np.float64)
    upper = picture[low[..., 1], low[..., 0]] * (1 - right) + picture[low[..., 1], high[..., 0]] * right
    lower = picture[high[..., 1], low[..., 0]] * (1 - right) + picture[high[..., 1], high[..., 0]] * right
    return upper * (1 - down) + lower * down


def confidence(triangles: np.ndarray, source: np.ndarray, output: np.ndarray, density: float) -> np.ndarray:
    """(T,) signed source area per output area, in units of `density`, within 0 … 1."""

    def area(points: np.ndarray) -> np.ndarray:
        a, b, c = (np.asarray(points, np.float64)[triangles[:, i], :2] for i in range(3))
        return (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]

    return np.clip(area(source) / area(output) / density, 0, 1)


def over(frame: np.ndarray, colour: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    """(H, W, 3) float64: colour (H, W, 3), not premultiplied, with alpha (H, W) over a frame; all in 0 … 255."""
    return colour * alpha[..., None] + frame * (1 - alpha[..., None])
