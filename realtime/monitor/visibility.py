"""Whether the picture shows enough to judge by: light, dark glasses, what covers the face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime.frame import Face, Floats, Pixels
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import LANDMARKS, LEFT_EYE, NOSE, RIGHT_EYE
from realtime.monitor.reading import Doubt

_SIDE = 64  # pixels of the crop that light is measured in
# Grey levels. A face that spans fewer is noise; a picture whose brightest hundredth is darker shows nothing.
_LEAST_SPAN, _LEAST_BRIGHT = 8.0, 24.0
# With dark lenses most of what is around an eye is darker than this share of the cheek. So it is in 14 of the 1168
# photos of faces_300w: 13 dark glasses and a face in hard shadow. Lenses that show the sky, or are as the skin, pass.
_LENS = 0.38
_SOCKET = 0.17  # of the outer eye distance: half the side of what is looked at, a lens and no brow
_CHEEKS = ((LEFT_EYE, (2, 31, 48)), (RIGHT_EYE, (14, 35, 54)))  # an eye, and the landmarks around the cheek below it
_UNSURE = 0.45  # mean confidence of a nose that something covers
_SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class View:
    """How well a face can be seen.

    Attributes:
        doubt: what is wrong with the whole face: DARK or COVERED, else None.
        glasses: dark lenses hide the eyes.
    """

    doubt: Doubt | None = None
    glasses: bool = False


class Visibility:
    """Judges frame after frame; lenses are believed in and doubted again only after half a second."""

    def __init__(self) -> None:
        self._share: float | None = None

    def __call__(self, pixels: Pixels, face: Face, step_s: float) -> View:
        """Look at a face in (H, W, 3) RGB, `step_s` seconds after the last look."""
        crop = face_crop(face.points, _SIDE)
        grey = cv2.cvtColor(crop.cut(pixels), cv2.COLOR_RGB2GRAY)
        places = crop.into(face.points)
        low, high = np.percentile(grey, (5, 95))
        if high < _LEAST_BRIGHT or high - low < _LEAST_SPAN:
            return View(Doubt.DARK)
        share = lens_share(grey, places[:LANDMARKS])
        kept = 0.0 if self._share is None else float(np.exp(-step_s / _SETTLE_S))
        self._share = share if self._share is None else kept * self._share + (1 - kept) * share
        covered = face.confidence[NOSE].mean() < _UNSURE
        return View(Doubt.COVERED if covered else None, self._share < _LENS)


def lens_share(grey: np.ndarray, places: Floats) -> float:
    """How light it is around the eyes against the cheeks: the lighter of both eyes.

    Args:
        grey: (S, S) uint8 crop of the face.
        places: (68, 2) landmarks in it.
    """
    width = float(np.linalg.norm(places[45] - places[36]))
    shares = []
    for eye, around in _CHEEKS:
        lids = _patch(grey, places[eye].mean(axis=0), _SOCKET * width)
        cheek = _patch(grey, places[list(around)].mean(axis=0), 0.08 * width)
        shares.append(float(np.median(lids)) / max(float(np.median(cheek)), 1.0))
    return max(shares)


def nothing_to_see(pixels: Pixels) -> bool:
    """Whether a whole picture (H, W, 3) is dark or of one colour: at night, or with something before the lens."""
    grey = cv2.cvtColor(np.ascontiguousarray(pixels[::8, ::8]), cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey, (1, 99))
    return bool(high < _LEAST_BRIGHT or high - low < _LEAST_SPAN)


def _patch(grey: np.ndarray, centre: np.ndarray, radius: float) -> np.ndarray:
    last = len(grey) - 1
    (left, top), (right, bottom) = (np.clip(np.rint(centre + way * radius), 0, last).astype(int) for way in (-1, 1))
    return grey[top : bottom + 1, left : right + 1]
