"""Square crops around a face: how training and the live loop both cut pictures for the networks.

A crop is a similarity transform from frame pixels to crop pixels, so that a tilted head is upright in it.
Pixel centres are at integers on both sides: a crop of `size` pixels covers [-0.5, size - 0.5].
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE

# The landmark network's crop: its side in units of the larger side of the box of the 68 points (measured in the
# head's upright axes), and how far its centre lies above the box's centre, in the same units. The forehead fits in.
FACE_SCALE = 1.6
FACE_LIFT = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A square cut from a picture.

    Attributes:
        matrix: (2, 3) float64, frame pixels → crop pixels (a similarity).
        size: side in crop pixels.
    """

    matrix: np.ndarray
    size: int

    def cut(self, pixels: np.ndarray, border: int = cv2.BORDER_REPLICATE) -> np.ndarray:
        """(size, size[, C]) the crop of (H, W[, C]) `pixels`; what lies outside the picture repeats its edge."""
        matrix, pixels = self._near(pixels)
        shrink = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
        if shrink < 0.5:  # average first: bilinear sampling of a large face would alias
            factor = int(2 ** np.floor(np.log2(1 / shrink)))
            width, height = (max(side // factor, 1) for side in pixels.shape[1::-1])
            whole = pixels[: height * factor, : width * factor]  # whole blocks: OpenCV averages those much faster
            pixels = cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)
            scale = np.array([whole.shape[1] / width, whole.shape[0] / height])
            matrix[:, 2] += matrix[:, :2] @ (0.5 * (scale - 1))
            matrix[:, :2] *= scale
        size = (self.size, self.size)
        return np.asarray(cv2.warpAffine(pixels, matrix, size, flags=cv2.INTER_LINEAR, borderMode=border))

    def _near(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The matrix for, and the view of, the part of the picture that the crop reads: the rest need no averaging."""
        corners = self.back(np.array([[-2, -2], [self.size + 1, -2], [-2, self.size + 1], [self.size + 1] * 2]))
        height, width = pixels.shape[:2]
        left, top = np.clip(np.floor(corners.min(axis=0)), 0, [width - 1, height - 1]).astype(int)
        right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 1, [left + 1, top + 1], [width, height]).astype(int)
        matrix = self.matrix.copy()
        matrix[:, 2] += matrix[:, :2] @ (left, top)
        return matrix, pixels[top:bottom, left:right]

    def into(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) frame pixels → crop pixels."""
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2])

    def back(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) crop pixels → frame pixels."""
        return np.asarray((points - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T)


def square_crop(centre: np.ndarray, side: float, roll_deg: float, size: int) -> Crop:
    """Crop of `size` pixels around `centre` (2,), `side` frame pixels wide, upright for a head tilted by `roll_deg`."""
    angle = np.deg2rad(roll_deg)
    scale = size / max(side, 1e-6)
    rotation = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    middle = np.full(2, (size - 1) / 2)
    return Crop(np.column_stack([rotation, middle - rotation @ np.asarray(centre, np.float64)]), size)


def roll_of(points: np.ndarray) -> float:
    """Degrees the eye line of (K, 2) keypoints is turned clockwise in the image."""
    x, y = points[RIGHT_EYE].mean(axis=0) - points[LEFT_EYE].mean(axis=0)
    return float(np.rad2deg(np.arctan2(y, x)))


def face_crop(points: np.ndarray, size: int, roll_deg: float | None = None) -> Crop:
    """The landmark network's crop for known keypoints.

    Args:
        points: (68 or 81, 2) pixels; only the 68 landmarks count.
        size: side of the crop in pixels.
        roll_deg: head tilt; None takes it from the eye line.
    """
    landmarks = np.asarray(points[:68], np.float64)
    roll = roll_of(landmarks) if roll_deg is None else roll_deg
    angle = np.deg2rad(roll)
    upright = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    turned = landmarks @ upright.T
    low, high = turned.min(axis=0), turned.max(axis=0)
    return _lifted((low + high) / 2 @ upright, float((high - low).max()), roll, size)


def face_crop_of_box(box: tuple[float, float, float, float], size: int, roll_deg: float = 0.0) -> Crop:
    """The same crop from a detector's box x, y, width, height (the bounding box of the 68 landmarks)."""
    x, y, width, height = box
    return _lifted(np.array([x + width / 2, y + height / 2]), max(width, height), roll_deg, size)


def _lifted(centre: np.ndarray, extent: float, roll_deg: float, size: int) -> Crop:
    angle = np.deg2rad(roll_deg)
    up = np.array([np.sin(angle), -np.cos(angle)])
    return square_crop(centre + FACE_LIFT * extent * up, FACE_SCALE * extent, roll_deg, size)
