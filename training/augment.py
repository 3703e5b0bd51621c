"""What happens to a training picture: a jittered crop like the live loop's, and what cameras do to light and detail."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.geometry.crops import Crop, face_crop
from realtime.geometry.topology import mirror


def turn_about(size: int, angle_deg: float, scale: float, shift: np.ndarray) -> np.ndarray:
    """(3, 3) similarity of a `size`-pixel crop about its centre; `shift` in shares of the side."""
    centre = (size - 1) / 2
    angle = np.deg2rad(angle_deg)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = turn
    matrix[:2, 2] = centre - turn @ (centre, centre) + size * np.asarray(shift)
    return matrix


def jittered_crop(points: np.ndarray, size: int, rng: np.random.Generator) -> Crop:
    """The live crop of `points` (81, 2), off by what tracking and detection are off by.

    Mostly a few degrees and percent, as from the last frame's landmarks; in a fifth of the cases as much as a
    detector's box of a tilted head may be.
    """
    rough = rng.random() < 0.2
    angle = rng.uniform(-35, 35) if rough else rng.normal(0, 7)
    scale = np.exp(np.clip(rng.normal(0, 0.12 if rough else 0.06), -0.3, 0.3))
    shift = np.clip(rng.normal(0, 0.06 if rough else 0.03, 2), -0.14, 0.14)
    return moved_crop(face_crop(points, size), angle, scale, shift)


def misplaced_crop(points: np.ndarray, size: int, rng: np.random.Generator) -> Crop:
    """A crop that has lost its face: well beside it, much too small a part of it, or a small face in it."""
    kind = rng.integers(3)
    angle = rng.uniform(-180, 180)
    if kind == 0:
        away = rng.uniform(0, 2 * np.pi)
        shift = rng.uniform(0.5, 0.9) * np.array([np.cos(away), np.sin(away)])
        return moved_crop(face_crop(points, size), angle, np.exp(rng.uniform(-0.3, 0.5)), shift)
    scale = rng.uniform(2.5, 5) if kind == 1 else rng.uniform(0.15, 0.4)
    return moved_crop(face_crop(points, size), angle, scale, rng.uniform(-0.2, 0.2, 2))


def moved_crop(crop: Crop, angle_deg: float, scale: float, shift: np.ndarray) -> Crop:
    """`crop` with its content turned, scaled about the crop's centre and shifted (in shares of the side)."""
    matrix = turn_about(crop.size, angle_deg, scale, shift) @ np.vstack([crop.matrix, [0, 0, 1]])
    return Crop(matrix[:2], crop.size)


def mirrored(crop: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A crop and its points left-right swapped."""
    return np.ascontiguousarray(crop[:, ::-1]), mirror(points, crop.shape[1])


def degraded(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, S) grey or (S, S, 3) uint8 as a worse camera, lens, light or codec would give it; sometimes untouched."""
    if rng.random() < 0.25:
        crop = _coarser(crop, rng)
    if rng.random() < 0.15:
        crop = cv2.GaussianBlur(crop, (0, 0), rng.uniform(0.4, 1.6))
    if rng.random() < 0.15:
        crop = _motion(crop, rng)
    values = crop.astype(np.float32) / 255
    if rng.random() < 0.6:
        values = values ** np.exp(rng.normal(0, 0.35)) * np.exp(rng.normal(0, 0.15)) + rng.normal(0, 0.06)
    if rng.random() < 0.12:
        values = _low_light(values, rng)
    elif rng.random() < 0.12:
        values = infrared(values, rng)
    if rng.random() < 0.15:
        values = _side_light(values, rng)
    if rng.random() < 0.4:
        values = values + rng.standard_normal(values.shape, np.float32) * rng.uniform(0.003, 0.05)
    crop = (np.clip(values, 0, 1) * 255 + 0.5).astype(np.uint8)
    if rng.random() < 0.2:
        _, code = cv2.imencode(".jpg", crop, (cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(12, 75))))
        crop = cv2.imdecode(code, cv2.IMREAD_UNCHANGED)
    return crop


def occluded(crop: np.ndarray, rng: np.random.Generator, other: np.ndarray) -> np.ndarray:
    """A block, bar or disc of black, grey, noise or of the picture `other` (S, S) over a part of the crop."""
    size = len(crop)
    mask = np.zeros((size, size), np.uint8)
    centre, reach = rng.uniform(0, size, 2), rng.uniform(0.06, 0.25, 2) * size
    if rng.random() < 0.5:
        corners = cv2.boxPoints((centre.tolist(), (2 * reach).tolist(), rng.uniform(0, 180)))
        cv2.fillConvexPoly(mask, corners.astype(np.int32), 1)
    else:
        cv2.ellipse(mask, (centre.tolist(), (2 * reach).tolist(), rng.uniform(0, 180)), 1, -1)
    kind = rng.random()
    if kind < 0.25:
        cover = np.zeros_like(crop)
    elif kind < 0.5:
        cover = np.full_like(crop, rng.integers(0, 256))
    else:
        cover = other
    return np.where(mask > 0, cover, crop)


def _coarser(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = len(crop)
    small = int(size * rng.uniform(0.25, 0.8))
    smaller = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
    return cv2.resize(smaller, (size, size), interpolation=cv2.INTER_LINEAR)


def _motion(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    length = int(rng.integers(3, 10))
    kernel = np.zeros((length, length), np.float32)
    angle = rng.uniform(0, np.pi)
    middle, reach = (length - 1) / 2, (length - 1) / 2 * np.array([np.cos(angle), np.sin(angle)])
    start, end = np.rint(middle - reach).astype(int), np.rint(middle + reach).astype(int)
    cv2.line(kernel, start.tolist(), end.tolist(), 1.0)
    return cv2.filter2D(crop, -1, kernel / kernel.sum())


def _low_light(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A dark room: few photons, noise that grows with their square root, black level raised by the camera's gain."""
    light = rng.uniform(0.05, 0.4)
    photons = rng.uniform(60, 600)
    shot = np.sqrt(np.clip(values, 0, 1) * light / photons) * rng.standard_normal(values.shape, np.float32)
    return (values * light + shot + rng.normal(0, 0.01)) * rng.uniform(1, 0.6 / light) ** rng.random()


def infrared(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """An in-car or depth camera's active infrared: flat bright skin, light falling off from the middle, soft detail."""
    size = len(values)
    y, x = np.mgrid[:size, :size].astype(np.float32) / size - 0.5
    centre = rng.normal(0, 0.15, 2)
    fall = np.exp(-((x - centre[0]) ** 2 + (y - centre[1]) ** 2) / (2 * rng.uniform(0.25, 0.6) ** 2))
    flat = np.clip(values, 0, 1) ** rng.uniform(0.35, 0.8)
    soft = cv2.GaussianBlur(flat, (0, 0), rng.uniform(0.5, 1.5))
    return soft * _each_channel(fall, soft) * rng.uniform(0.5, 1.1)


def _side_light(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    size = len(values)
    angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(0.3, 1.0)
    y, x = np.mgrid[:size, :size].astype(np.float32) / size - 0.5
    ramp = np.tanh((x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(2, 10))
    return values * (1 + strength * _each_channel(ramp, values)) / (1 + 0.5 * strength)


def _each_channel(share: np.ndarray, values: np.ndarray) -> np.ndarray:
    """(S, S) shares as float32, shaped to go with (S, S[, 3]) values."""
    return share.astype(np.float32).reshape(share.shape + (1,) * (values.ndim - 2))
