"""Where in a frame the detector looks: at all of it, and, for the smallest faces, at close-ups that overlap."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray

from realtime.frame import Floats

CLOSE_UP = 0.6  # side of a close-up in short sides of the frame: two of them reach across, and share a third
LEAST_CLOSE_UP = 320  # pixels; the network's own side: enlarged, a picture shows no more
LEAST_ZOOM = 1.25  # of a close-up over the whole frame; less is not worth the time


@dataclass(frozen=True, slots=True)
class View:
    """A part of a frame to look at.

    Attributes:
        left, top, width, height: whole frame pixels.
        largest: pixels; boxes with a longer side are the business of a larger view.
    """

    left: int
    top: int
    width: int
    height: int
    largest: float = math.inf

    def answers_for(self, boxes: Floats, frame_size: tuple[int, int]) -> NDArray[np.bool_]:
        """(N,) which of the (N, 4) boxes are not too large and not cut by an edge that is not the frame's own."""
        start = np.array([self.left, self.top])
        end = start + np.array([self.width, self.height])
        free_low = (start == 0) | (boxes[:, :2] >= start - 0.5)
        free_high = (end == frame_size) | (boxes[:, :2] + boxes[:, 2:] <= end - 0.5)
        return np.asarray((free_low & free_high & (boxes[:, 2:] <= self.largest)).all(axis=1))


def whole(width: int, height: int) -> View:
    """All of a frame."""
    return View(0, 0, width, height)


def close_ups(width: int, height: int) -> list[View]:
    """Overlapping square views of a frame, row by row; none where they would show hardly more than the whole.

    What is no larger than a third of their side lies whole in at least one of them: in 1280x720 there are eight of 432
    pixels, which share 144. The view of the whole frame is good for all that is larger.
    """
    side = max(round(CLOSE_UP * min(width, height)), LEAST_CLOSE_UP)
    if side * LEAST_ZOOM >= max(width, height):
        return []
    across, down = min(side, width), min(side, height)
    places = product(_starts(height, side), _starts(width, side))
    return [View(left, top, across, down, side / 2) for top, left in places]


def _starts(length: int, side: int) -> list[int]:
    """Where views of `side` pixels begin that cover `length` pixels, evenly; neighbours share a third of them."""
    rest = max(length - side, 0)
    gaps = math.ceil(rest / (side - side // 3))
    return [round(rest * index / max(gaps, 1)) for index in range(gaps + 1)]
