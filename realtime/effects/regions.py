"""Soft masks on the flat face: where the eyes and the inner mouth are, and how the edge fades."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frame import Floats
from realtime.geometry.mesh import OUTLINE, layout
from realtime.geometry.topology import BROWS, HAIRLINE, INNER_LIPS, LEFT_EYE, NOSTRILS, OUTER_LIPS, RIGHT_EYE

SIZE = 256
# in eye distances
_EYE_GROWTH = 0.04  # the live lids' edge, no more of the live face
_MOUTH_GROWTH = 0.03  # the photo's teeth must not show round a closed mouth
_EYE_BLUR = 0.035
_MOUTH_BLUR = 0.02
_EDGE = 0.16
_HAIRLINE_EDGE = 0.22  # hair grows over it on either face
_MARGIN = 0.06
_RIM = 0.02  # of the outline that may not be skin any more


def eye_unit() -> float:
    """The eye distance on the layout, whose side is 1."""
    points = layout()
    return float(np.linalg.norm(points[36] - points[45]))


def regions() -> Floats:
    """(SIZE, SIZE, 4) float32 in [0, 1]: eyes with their lids, inner mouth, inside the feathered edge, 1."""
    points, unit = layout(), eye_unit()
    eyes = cv2.dilate(np.maximum(*(_filled(points[eye]) for eye in (LEFT_EYE, RIGHT_EYE))), _disc(_EYE_GROWTH))
    mouth = cv2.dilate(_filled(points[INNER_LIPS]), _disc(_MOUTH_GROWTH))
    inside = (_filled(points[OUTLINE]) > 0.5).astype(np.uint8)
    edge = _rising(cv2.distanceTransform(inside, cv2.DIST_L2, 5), _EDGE) * _rising(_hairline_distance(), _HAIRLINE_EDGE)
    return np.dstack(
        [
            _blurred(eyes, _EYE_BLUR * unit),
            _blurred(mouth, _MOUTH_BLUR * unit),
            edge,
            np.ones((SIZE, SIZE), np.float32),
        ]
    ).astype(np.float32)


def feature_mask() -> Floats:
    """(SIZE, SIZE) float32, 1 on eyes, brows, nostrils and lips, with a margin."""
    points = layout()
    features = np.zeros((SIZE, SIZE), np.float32)
    for part in (LEFT_EYE, RIGHT_EYE, BROWS[:5], BROWS[5:], NOSTRILS, OUTER_LIPS):
        features = np.maximum(features, _filled(cv2.convexHull(points[part])[:, 0]))
    return np.asarray(cv2.dilate(features, _disc(_MARGIN)), np.float32)


def skin() -> Floats:
    """(SIZE, SIZE) float32, 1 where there is plain skin: inside the outline, with a margin, and on no feature."""
    return np.asarray(cv2.erode(_filled(layout()[OUTLINE]), _disc(_RIM)) * (1 - feature_mask()), np.float32)


def _disc(radius: float) -> np.ndarray:
    """Structuring element of a radius in eye distances."""
    side = 2 * round(radius * eye_unit() * SIZE) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def _hairline_distance() -> np.ndarray:
    """(SIZE, SIZE) distance in cells from the line through the forehead points."""
    clear = np.ones((SIZE, SIZE), np.uint8)
    cv2.polylines(clear, [np.round(layout()[HAIRLINE] * SIZE).astype(np.int32)], False, 0)
    return np.asarray(cv2.distanceTransform(clear, cv2.DIST_L2, 5))


def _rising(distance: np.ndarray, width: float) -> np.ndarray:
    """Smoothly from 0 at distance 0 (in cells) to 1 at `width` (in eye distances)."""
    share = np.clip(distance / (width * eye_unit() * SIZE), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _filled(polygon: np.ndarray) -> Floats:
    mask = np.zeros((SIZE, SIZE), np.float32)
    cv2.fillPoly(mask, [np.round(polygon * SIZE * 16 - 8).astype(np.int32)], 1.0, shift=4)
    return mask


def _blurred(mask: np.ndarray, radius: float) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), radius * SIZE))
