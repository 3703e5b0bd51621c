"""The 81 keypoints: the 68 iBUG/Multi-PIE landmarks and 13 forehead points, and what they mean.

Landmarks: 0-16 jaw from image left to right, 17-26 brows, 27-35 nose, 36-41 image-left eye, 42-47 image-right eye,
48-59 outer lips, 60-67 inner lips. Forehead: 68-80 along the hairline from image left (above point 0) to image right
(above point 16), 74 in the middle.
"""

from __future__ import annotations

import numpy as np

LANDMARKS = 68
FOREHEAD = 13
KEYPOINTS = LANDMARKS + FOREHEAD

JAW = np.arange(0, 17)
BROWS = np.arange(17, 27)
NOSE = np.arange(27, 36)
NOSE_TIP = 30
NOSTRILS = np.arange(31, 36)
LEFT_EYE = np.arange(36, 42)
RIGHT_EYE = np.arange(42, 48)
EYES = np.arange(36, 48)
OUTER_LIPS = np.arange(48, 60)
INNER_LIPS = np.arange(60, 68)
LIPS = np.arange(48, 68)
INNER = np.arange(17, 68)
HAIRLINE = np.arange(68, 81)
OUTER_EYE_CORNERS = (36, 45)
INNER_MOUTH_CORNERS = (60, 64)
# the landmarks a 66-point set has: all but the inner mouth corners
OF_66 = np.delete(np.arange(LANDMARKS), INNER_MOUTH_CORNERS)

# FLIP[i] is the keypoint that lands on i when the picture is mirrored left to right.
FLIP = np.concatenate(
    [
        np.arange(16, -1, -1),
        np.arange(26, 16, -1),
        np.arange(27, 31),
        np.arange(35, 30, -1),
        [45, 44, 43, 42, 47, 46],
        [39, 38, 37, 36, 41, 40],
        [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55],
        [64, 63, 62, 61, 60, 67, 66, 65],
        np.arange(80, 67, -1),
    ]
)


def mirror(points: np.ndarray, width: float) -> np.ndarray:
    """Keypoints of the mirrored picture.

    Args:
        points: (..., K, 2 or 3) pixels, K = 68 or 81.
        width: width of the picture in pixels; pixel x becomes width - 1 - x.

    Returns:
        Array of the same shape, with the point order permuted so that 36 is again the image-left eye corner.
    """
    flipped = points[..., FLIP[: points.shape[-2]], :].copy()
    flipped[..., 0] = width - 1 - flipped[..., 0]
    return flipped


def eye_distance(points: np.ndarray) -> np.ndarray:
    """(...,) distance of the outer eye corners of (..., K, 2) keypoints: the yardstick of every error and size."""
    left, right = OUTER_EYE_CORNERS
    return np.asarray(np.linalg.norm(points[..., left, :2] - points[..., right, :2], axis=-1))


def to_66(points: np.ndarray) -> np.ndarray:
    """(..., 66, C) of (..., 68, C) landmarks: without the inner mouth corners."""
    return points[..., OF_66, :]


def to_68(points: np.ndarray) -> np.ndarray:
    """(..., 68, C) of (..., 66, C) landmarks: an inner mouth corner is the mean of its two neighbours on the outer lip.

    As the publication's code has it: the neighbours 49 and 59, 53 and 55 are not the outer corners themselves.
    """
    left, right = (points[..., pair, :].mean(axis=-2, keepdims=True) for pair in ([49, 59], [53, 55]))
    parts = points[..., :60, :], left, points[..., 60:63, :], right, points[..., 63:, :]
    return np.concatenate(parts, axis=-2)
