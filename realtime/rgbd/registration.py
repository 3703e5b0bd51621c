"""Depth moved from the depth camera's pixels to those of the colour picture: project, keep the nearest, fill holes."""

from __future__ import annotations

import math

import cv2
import numpy as np

from realtime.frame import Intrinsics, Millimetres
from realtime.rgbd.calibration import Calibration, Camera, Doubles

# What lies beyond is no measurement of such sensors: saturated, or the mark for "nothing" of one that does not use 0.
FARTHEST_MM = 10000
HOLE = 3  # pixels: the widest hole that projecting tears into a surface
_FINER = 1.25  # times as fine as depth may the colour picture be before points are spread over several of its pixels
_ONE_SURFACE = 0.05  # the two sides of a hole lie on one surface where their depths differ by less than this share
_NONE = np.iinfo(np.uint16).max


class Registration:
    """Puts depth pictures on the pixels of the colour picture (SEEDS 5: p = K_c (R K_d^-1 [u v 1] d + t)).

    Args:
        calibration: of the two cameras.

    Attributes:
        colour: the camera whose pixels are meant.
    """

    def __init__(self, calibration: Calibration) -> None:
        self._unit = calibration.depth_unit_mm
        self._same = calibration.is_registered
        self.colour = calibration.colour
        seen, measured = calibration.colour.intrinsics, calibration.depth.intrinsics
        finer = max(seen.fx / measured.fx, seen.fy / measured.fy)
        # pixels of colour that a point covers, or what lies behind a near surface would shine through it
        self._cell = max(1, math.ceil(finer + 1 - _FINER))
        x, y = _rays(calibration.depth)
        # in words, not as a product of matrices: OpenBLAS's threads can hang while other libraries are being loaded
        self._rays = tuple((row[0] * x + row[1] * y + row[2]).astype(np.float32) for row in calibration.rotation)
        self._offset = calibration.translation_mm.astype(np.float32)

    def __call__(self, stored: Millimetres) -> Millimetres:
        """(h, w) uint16 in steps of the calibration's unit → (H, W) uint16 millimetres in the colour camera.

        Where several points fall on one pixel, the nearest is seen. Holes up to `HOLE` pixels wide are filled. What is
        0 or farther than `FARTHEST_MM` counts as not measured.
        """
        depth = in_millimetres(stored, self._unit)
        if self._same:
            return fill_holes(depth)
        width, height = self.colour.size
        cells = fill_holes(self._moved(depth))
        return cells.repeat(self._cell, axis=0)[:height].repeat(self._cell, axis=1)[:, :width]

    def _moved(self, depth: Millimetres) -> Millimetres:
        """The nearest depth in each square of `_cell` pixels."""
        width, height = (-(-side // self._cell) for side in self.colour.size)
        seen = np.flatnonzero(depth)
        near = depth.ravel()[seen].astype(np.float32)
        x, y, z = (ray[seen] * near + offset for ray, offset in zip(self._rays, self._offset, strict=True))
        z = np.where(z > 0, z, np.float32(np.nan))
        u, v = _projected(self.colour, x / z, y / z)
        u, v = (np.floor((place + np.float32(0.5)) / np.float32(self._cell)) for place in (u, v))
        inside = (u >= 0) & (u < width) & (v >= 0) & (v < height)
        place = v[inside].astype(np.int32) * width + u[inside].astype(np.int32)
        moved = np.full(width * height, _NONE, np.uint16)
        np.minimum.at(moved, place, np.clip(np.rint(z[inside]), 1, _NONE - 1).astype(np.uint16))
        moved[moved == _NONE] = 0
        return moved.reshape(height, width)


def in_millimetres(stored: Millimetres, unit_mm: float = 1.0) -> Millimetres:
    """(h, w) uint16 millimetres, 0 for what is not measured, of (h, w) uint16 steps of `unit_mm`."""
    if unit_mm == 1.0:
        return np.where(stored <= FARTHEST_MM, stored, np.uint16(0))
    metres = stored * np.float32(unit_mm)
    return np.where(metres <= FARTHEST_MM, np.rint(metres), 0).astype(np.uint16)


def fill_holes(depth: Millimetres, widest: int = HOLE) -> Millimetres:
    """(H, W) uint16 with the missing pixels filled that lie in a gap at most `widest` long, in their row or column.

    Within one surface the two sides are interpolated; at the edge of a nearer one the farther side goes on, for it is
    what was hidden.
    """
    filled = depth
    for axis in (1, 0):
        kernel = np.ones((1, widest + 1) if axis == 1 else (widest + 1, 1), np.uint8)
        known = (filled > 0).astype(np.uint8)
        places = np.nonzero(cv2.morphologyEx(known, cv2.MORPH_CLOSE, kernel) > known)
        before, steps_before = _first_known(filled, places, axis, -1, widest)
        after, steps_after = _first_known(filled, places, axis, 1, widest)
        length = steps_before + steps_after - 1
        between = (before * steps_after + after * steps_before) / (steps_before + steps_after)
        one = np.abs(before - after) < _ONE_SURFACE * np.minimum(before, after)
        value = np.where(one, np.rint(between), np.maximum(before, after))
        good = (before > 0) & (after > 0) & (length <= widest)
        filled = filled.copy()
        filled[tuple(place[good] for place in places)] = value[good]
    return filled


def project(camera: Camera, points: np.ndarray) -> np.ndarray:
    """(N, 2) pixels of (N, 3) points in front of a camera (x right, y down, z away)."""
    return np.column_stack(_projected(camera, points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]))


def back_project(intrinsics: Intrinsics, pixels: np.ndarray, depth: np.ndarray) -> np.ndarray:
    """(N, 3) points in millimetres of (N, 2) pixels with (N,) depths."""
    x = (pixels[:, 0] - intrinsics.cx) / intrinsics.fx
    y = (pixels[:, 1] - intrinsics.cy) / intrinsics.fy
    return np.column_stack([x * depth, y * depth, depth])


def _projected(camera: Camera, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of points 1 deep."""
    k1, k2, p1, p2, k3 = camera.distortion
    if any(camera.distortion):
        square = x * x + y * y
        radial = 1 + square * (k1 + square * (k2 + square * k3))
        x, y = (
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        )
    seen = camera.intrinsics
    return x * seen.fx + seen.cx, y * seen.fy + seen.cy


def _rays(camera: Camera) -> tuple[Doubles, Doubles]:
    """x and y, (h * w,) float64, of where each pixel looks, 1 deep."""
    width, height = camera.size
    seen = camera.intrinsics
    pixels = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1).reshape(-1, 1, 2).astype(np.float64)
    matrix = np.array([[seen.fx, 0, seen.cx], [0, seen.fy, seen.cy], [0, 0, 1]])
    flat = cv2.undistortPoints(pixels, matrix, np.array(camera.distortion)).reshape(-1, 2)
    return flat[:, 0], flat[:, 1]


def _first_known(
    depth: Millimetres, places: tuple[np.ndarray, ...], axis: int, step: int, most: int
) -> tuple[np.ndarray, np.ndarray]:
    """For each place the first known depth in a direction (float64, 0: none near) and how many steps away it is."""
    value, steps = np.zeros(len(places[0])), np.full(len(places[0]), most + 1)
    for away in range(1, most + 1):
        at = list(places)
        at[axis] = at[axis] + step * away
        inside = (at[axis] >= 0) & (at[axis] < depth.shape[axis])
        at[axis] = np.clip(at[axis], 0, depth.shape[axis] - 1)
        fresh = (value == 0) & inside & (depth[tuple(at)] > 0)
        value[fresh] = depth[tuple(at)][fresh]
        steps[fresh] = away
    return value, steps
