"""Square crops around a face: how training and the live loop both cut pictures for the networks.

A crop is a similarity transform from frame pixels to crop pixels, so that a tilted head is upright in it.
Pixel centres are at integers on both sides: a crop of `size` pixels covers [-0.5, size - 0.5].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, cos, floor, radians, sin

import cv2
import numpy as np

from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE

# The landmark network's crop: its side in units of the larger side of the box of the 68 points (measured in the
# head's upright axes), and how far its centre lies above the box's centre, in the same units. The forehead fits in.
FACE_SCALE = 1.6
FACE_LIFT = 0.15
EYES_SCALE = 0.85  # side of the crop of the eyes in units of the same side

# A matrix as plain numbers: after a network has filled the caches, a call of NumPy's takes longer than all that is
# computed with them here.
Rows = list[list[float]]


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """A square cut from a picture.

    Attributes:
        matrix: (2, 3) float64, frame pixels → crop pixels (a similarity).
        size: side in crop pixels.
    """

    matrix: np.ndarray
    size: int

    def cut(self, pixels: np.ndarray, border: int = cv2.BORDER_REPLICATE, grey: bool = False) -> np.ndarray:
        """(size, size[, C]) the crop of (H, W[, C]) `pixels`; what lies outside the picture repeats its edge.

        `grey`: (size, size) of RGB pixels.
        """
        rows, pixels = self._near(pixels)
        # average first: bilinear sampling of a large face would alias
        while abs(_area(rows)) < 0.25 and max(pixels.shape[:2]) > 1:
            rows, pixels = _halved(rows, pixels)
        if grey:
            pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
        size = (self.size, self.size)
        return np.asarray(cv2.warpAffine(pixels, np.array(rows), size, flags=cv2.INTER_LINEAR, borderMode=border))

    def _near(self, pixels: np.ndarray) -> tuple[Rows, np.ndarray]:
        """The matrix for, and the view of, the part of the picture that the crop reads: the rest need no averaging."""
        (a, b, c), (d, e, f) = self._back()
        ends = (-2.0, self.size + 1.0)
        across = [a * x + b * y + c for x in ends for y in ends]
        down = [d * x + e * y + f for x in ends for y in ends]
        height, width = pixels.shape[:2]
        left, top = min(max(floor(min(across)), 0), width - 1), min(max(floor(min(down)), 0), height - 1)
        right, bottom = min(max(ceil(max(across)) + 1, left + 1), width), min(max(ceil(max(down)) + 1, top + 1), height)
        rows = [[a, b, c + a * left + b * top] for a, b, c in self.matrix.tolist()]
        return rows, pixels[top:bottom, left:right]

    def _back(self) -> Rows:
        """The matrix from crop pixels to frame pixels."""
        rows = (a, b, c), (d, e, f) = self.matrix.tolist()
        area = _area(rows)
        return [[e / area, -b / area, (b * f - c * e) / area], [-d / area, a / area, (c * d - a * f) / area]]

    @property
    def back_matrix(self) -> np.ndarray:
        """(2, 3) float64, crop pixels → frame pixels."""
        return np.array(self._back())

    def into(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) frame pixels → crop pixels."""
        return np.asarray(points @ self.matrix[:, :2].T + self.matrix[:, 2])

    def back(self, points: np.ndarray) -> np.ndarray:
        """(..., 2) crop pixels → frame pixels."""
        matrix = self.back_matrix
        return np.asarray(points @ matrix[:, :2].T + matrix[:, 2])


def _area(rows: Rows) -> float:
    (a, b, _), (d, e, _) = rows
    return a * e - b * d


def _halved(rows: Rows, pixels: np.ndarray) -> tuple[Rows, np.ndarray]:
    """`pixels` at half the size, and the matrix for them."""
    width, height = (max(side // 2, 1) for side in pixels.shape[1::-1])
    whole = pixels[: height * 2, : width * 2]  # whole blocks of two by two: OpenCV averages those much faster
    x, y = whole.shape[1] / width, whole.shape[0] / height
    halved = [[a * x, b * y, c + (a * (x - 1) + b * (y - 1)) / 2] for a, b, c in rows]
    return halved, cv2.resize(whole, (width, height), interpolation=cv2.INTER_AREA)


def square_crop(centre: Sequence[float] | np.ndarray, side: float, roll_deg: float, size: int) -> Crop:
    """Crop of `size` pixels around `centre` (2,), `side` frame pixels wide, upright for a head tilted by `roll_deg`."""
    scale = size / max(side, 1e-6)
    a, b = scale * cos(radians(roll_deg)), scale * sin(radians(roll_deg))
    x, y = (float(at) for at in centre)
    middle = (size - 1) / 2
    return Crop(np.array([[a, b, middle - a * x - b * y], [-b, a, middle + b * x - a * y]]), size)


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
    return _lifted(*_box(landmarks, roll), roll, size)


def eyes_crop(points: np.ndarray, size: int) -> Crop:
    """Both eyes of (68 or 81, 2) keypoints with brows and cheeks: a square, its middle between them.

    Its side goes by the whole face, so that a turned head's eyes are not drawn wider.
    """
    landmarks = np.asarray(points[:68], np.float64)
    roll = roll_of(landmarks)
    middle = (landmarks[LEFT_EYE].mean(axis=0) + landmarks[RIGHT_EYE].mean(axis=0)) / 2
    return square_crop(middle, EYES_SCALE * _box(landmarks, roll)[1], roll, size)


def face_crop_of_box(box: tuple[float, float, float, float], size: int, roll_deg: float = 0.0) -> Crop:
    """The same crop from a detector's box x, y, width, height (the bounding box of the 68 landmarks)."""
    x, y, width, height = box
    return _lifted((x + width / 2, y + height / 2), max(width, height), roll_deg, size)


def _box(landmarks: np.ndarray, roll_deg: float) -> tuple[tuple[float, float], float]:
    """Centre (x, y) and larger side of the box around (68, 2) landmarks that is upright in the head."""
    c, s = cos(radians(roll_deg)), sin(radians(roll_deg))
    x, y = landmarks.T
    across, down = c * x + s * y, c * y - s * x
    left, right, top, bottom = (float(end) for end in (across.min(), across.max(), down.min(), down.max()))
    along, below = (left + right) / 2, (top + bottom) / 2
    return (c * along - s * below, s * along + c * below), max(right - left, bottom - top)


def _lifted(centre: tuple[float, float], extent: float, roll_deg: float, size: int) -> Crop:
    """The crop of the landmark box's centre and larger side."""
    up = FACE_LIFT * extent
    x, y = centre[0] + up * sin(radians(roll_deg)), centre[1] - up * cos(radians(roll_deg))
    return square_crop((x, y), FACE_SCALE * extent, roll_deg, size)
