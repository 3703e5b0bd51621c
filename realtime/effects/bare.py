"""What a photo shows of the bare face: its own fringe or hat must not come along onto the live head."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.effects.relight import LUMA
from realtime.frame import Floats, Pixels
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import (
    BROWS,
    JAW,
    LEFT_EYE,
    NOSE,
    NOSTRILS,
    OUTER_LIPS,
    RIGHT_EYE,
)

_SIZE = 192  # pixels of the crop that is looked at
_UNIT = 0.4 * _SIZE  # about the eye distance of a frontal face in it; the lengths below are in this unit
_FINE = 0.02  # what is smaller is skin's own detail
# By how much a cover is wider than it seems, for hair casts a shadow, and how softly it ends: two foreheads never have
# quite the same tone. Brows are kept nearer to where they end.
_COVER_EDGE = (0.09, 0.085)
_BROW_EDGE = (0.06, 0.042)
_AROUND_FEATURES = 0.06
_NEAR, _FAR = 0.15, 1.6  # where rays begin, for there even a mole fills many of them, and where they end
_BROAD = 0.05  # thinner things hide no forehead: wrinkles, rims of glasses
# Hair and hats: weights of the Lab axes, distances from the skin's colour where covering begins and is certain, and the
# luma that skins are brought to first.
_AXES = np.array([0.5, 1.0, 1.0], np.float32)
_COVERED = (9.0, 15.0)
_SKIN_LUMA = 0.55
# Rays begin between the brows. Those that rise by less cross eyes and ears: they do not count, steeper ones fully.
_RISES_DEG = (5.0, 20.0)
_RAYS = 360  # one for each degree
_LINEAR = cv2.INTER_LINEAR | cv2.WARP_FILL_OUTLIERS  # without this, what lies beside the picture is left as it was
_ACROSS_DEG = 5  # a mole or a single hair is not enough
_BROWS = (BROWS[:5], BROWS[5:])
_FEATURES = (LEFT_EYE, RIGHT_EYE, *_BROWS, NOSTRILS, OUTER_LIPS)
_MIDDLE = np.concatenate([JAW[1:4], NOSE[4:], JAW[13:16], BROWS[::-1]])  # cheeks and nose, no beard


def bare(pixels: Pixels, points: Floats) -> NDArray[np.uint8]:
    """(H, W) uint8: 255 where a photo (H, W, 3) shows the face of these (81, 2) keypoints, 0 where hair or a hat does.

    Told by colour: seen from between the brows, the first thing that differs from the skin of the cheeks, and is broad
    enough not to be a wrinkle or the rim of glasses, covers all that is behind it.
    """
    crop = face_crop(points, _SIZE)
    at = crop.into(points).astype(np.float32)
    hair = _beyond_hair(np.ascontiguousarray(crop.cut(pixels)), at)
    covered = _grown(hair, *_COVER_EDGE) * (1 - _grown(_filled(at, _BROWS), *_BROW_EDGE))
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    shown = 1 - cv2.warpAffine(covered, crop.matrix, pixels.shape[1::-1], flags=flags)
    return np.asarray(np.round(255 * shown), np.uint8)


def _beyond_hair(pixels: Pixels, points: Floats) -> Floats:
    """(_SIZE, _SIZE) in 0..1 for the upright crop of a face: what covers the forehead and the temples."""
    centre = points[BROWS[4:6]].mean(axis=0).astype(float)
    reach = round(_FAR * _UNIT)
    rays = cv2.warpPolar(_unlike_skin(pixels, points), (reach, _RAYS), centre, reach, _LINEAR)
    rays[:, : round(_NEAR * _UNIT)] = 0
    rays = cv2.erode(cv2.blur(rays, (1, _ACROSS_DEG)), np.ones((1, 2 * round(_BROAD * _UNIT / 2) + 1)))
    rays = np.maximum.accumulate(rays, axis=1)
    rise = 90 - np.abs(np.arange(_RAYS) - 270)  # in degrees; up is 270, for rows of a picture go down
    rays *= _rising(rise, *_RISES_DEG)[:, None]
    return _rising(cv2.warpPolar(rays, (_SIZE, _SIZE), centre, reach, _LINEAR | cv2.WARP_INVERSE_MAP), *_COVERED)


def _unlike_skin(pixels: Pixels, points: Floats) -> Floats:
    """(H, W) float32 how far each pixel's colour is from that of the cheeks and nose; 0 on the face's features."""
    features = cv2.dilate(_filled(points, _FEATURES), _disc(_AROUND_FEATURES))
    plain = (_filled(points, (_MIDDLE,)) > 0) & (features == 0)
    if not plain.any():  # keypoints that are no face's
        return np.zeros(pixels.shape[:2], np.float32)
    colours = pixels.astype(np.float32) / 255
    level = float(np.median(colours[plain] @ LUMA))
    lab = cv2.cvtColor(np.minimum(colours * (_SKIN_LUMA / max(level, 0.02)), 1), cv2.COLOR_RGB2LAB)
    lab = cv2.GaussianBlur(lab, (0, 0), _FINE * _UNIT)
    distance = np.linalg.norm((lab - np.median(lab[plain], axis=0)) * _AXES, axis=-1)
    return np.where(features > 0, 0, distance).astype(np.float32)


def _filled(points: Floats, parts: tuple[np.ndarray, ...]) -> Floats:
    """(_SIZE, _SIZE) 1 inside the polygons of some keypoints."""
    mask = np.zeros((_SIZE, _SIZE), np.float32)
    for part in parts:
        cv2.fillPoly(mask, [np.round(points[part]).astype(np.int32)], 1.0)
    return mask


def _grown(mask: Floats, margin: float, soft: float) -> Floats:
    """A mask wider by a margin, and blurred by the standard deviation `soft`."""
    return np.asarray(cv2.GaussianBlur(cv2.dilate(mask, _disc(margin)), (0, 0), soft * _UNIT), np.float32)


def _disc(radius: float) -> np.ndarray:
    side = 2 * round(radius * _UNIT) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def _rising(value: np.ndarray, low: float, high: float) -> Floats:
    return np.asarray(np.clip((value - low) / (high - low), 0, 1), np.float32)
