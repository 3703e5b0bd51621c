"""Whether the picture shows enough to judge by: light, lenses that hide the eyes, what covers the face."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime.frame import Face, Pixels
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import NOSE
from realtime.monitor.reading import Doubt

_SIDE = 64  # pixels of the crop that light is measured in
# Grey levels. A face that spans fewer is noise; a picture whose brightest hundredth is darker shows nothing.
_LEAST_SPAN, _LEAST_BRIGHT = 8.0, 24.0
_UNSURE = 0.45  # mean confidence of a nose that something covers
EYES_SEEN = 0.7  # of `Face.eyes_seen`, from which on the eyes are believed to be there
_SETTLE_S = 0.5


@dataclass(frozen=True, slots=True)
class View:
    """How well a face can be seen.

    Attributes:
        doubt: what is wrong with the whole face: DARK or COVERED, else None.
        glasses: dark or mirrored lenses hide the eyes.
    """

    doubt: Doubt | None = None
    glasses: bool = False


class Visibility:
    """Judges frame after frame; lenses are believed in and doubted again only after half a second."""

    def __init__(self) -> None:
        self._seen: float | None = None

    def __call__(self, pixels: Pixels, face: Face, step_s: float) -> View:
        """Look at a face in (H, W, 3) RGB, `step_s` seconds after the last look."""
        crop = face_crop(face.points, _SIDE)
        low, high = np.percentile(crop.cut(pixels, grey=True), (5, 95))
        if high < _LEAST_BRIGHT or high - low < _LEAST_SPAN:
            return View(Doubt.DARK)
        if face.eyes_seen is not None:
            kept = 0.0 if self._seen is None else float(np.exp(-step_s / _SETTLE_S))
            self._seen = face.eyes_seen if self._seen is None else kept * self._seen + (1 - kept) * face.eyes_seen
        covered = face.confidence[NOSE].mean() < _UNSURE
        return View(Doubt.COVERED if covered else None, self._seen is not None and self._seen < EYES_SEEN)


def nothing_to_see(pixels: Pixels) -> bool:
    """Whether a whole picture (H, W, 3) is dark or of one colour: at night, or with something before the lens."""
    grey = cv2.cvtColor(np.ascontiguousarray(pixels[::8, ::8]), cv2.COLOR_RGB2GRAY)
    low, high = np.percentile(grey, (1, 99))
    return bool(high < _LEAST_BRIGHT or high - low < _LEAST_SPAN)
