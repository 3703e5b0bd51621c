"""Highlights of a photo, taken down once: the flash of another room must not shine on the live face."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.effects.relight import LUMA
from realtime.frame import Floats, Pixels
from realtime.geometry.topology import BROWS, HAIRLINE, JAW, LEFT_EYE, NOSE, RIGHT_EYE, eye_distance

# in eye distances: what is smaller than the first is detail and stays, the second is what light is compared with
_DETAIL, _AROUND = 0.04, 0.25
_MARGIN = 0.05
# Skin this much brighter than its neighbourhood begins to shine; no highlight is left brighter than the second.
_SHINE = (1.05, 1.15)
# The upper face, chained from temple to temple under the nose: a white beard does not shine.
_UPPER = np.concatenate([JAW[:4], NOSE[4:], JAW[13:], HAIRLINE[::-1]])


def matte(pixels: Pixels, points: Floats) -> Pixels:
    """The photo (H, W, 3) RGB of a face with (81, 2) keypoints, without highlights on the upper face.

    Where skin is brighter than round about, its brightness is bent towards that of its neighbourhood, whose colour it
    takes: a highlight has the colour of the flash.
    """
    size = float(eye_distance(points))
    skin = _upper_skin(pixels.shape[:2], points, size)
    picture = pixels.astype(np.float32) / 255
    shown = np.asarray(picture * skin, np.float32)
    near, around = (
        _blurred(shown, radius * size) / np.maximum(_blurred(skin, radius * size), 1e-3)
        for radius in (_DETAIL, _AROUND)
    )
    relative = (near @ LUMA) / np.maximum(around @ LUMA, 1e-3)
    begin, most = _SHINE
    excess = np.maximum((relative - begin) / (most - begin), 0)
    bent = begin + (most - begin) * np.tanh(excess)
    share = np.minimum(excess, 1) * _blurred(skin, _MARGIN * size)[..., 0]
    changed = picture + share[..., None] * (around * bent[..., None] - near)
    return np.asarray(np.round(255 * np.clip(changed, 0, 1)), np.uint8)


def _upper_skin(shape: tuple[int, int], points: Floats, size: float) -> Floats:
    """(H, W, 1) float32, 1 on the upper face, eyes and brows aside."""
    mask = np.zeros(shape, np.float32)
    cv2.fillPoly(mask, [np.round(points[_UPPER]).astype(np.int32)], 1.0)
    features = np.zeros(shape, np.float32)
    for part in (LEFT_EYE, RIGHT_EYE, BROWS[:5], BROWS[5:]):
        cv2.fillPoly(features, [cv2.convexHull(np.round(points[part]).astype(np.int32))], 1.0)
    side = 2 * max(1, round(_MARGIN * size)) + 1
    features = cv2.dilate(features, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray((mask * (1 - features))[..., None], np.float32)


def _blurred(picture: Floats, radius: float) -> Floats:
    blurred = cv2.GaussianBlur(picture, (0, 0), max(radius, 0.5))
    return np.asarray(blurred.reshape(picture.shape), np.float32)
