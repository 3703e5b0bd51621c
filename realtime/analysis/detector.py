"""Finds faces anywhere in a frame: one network looks at views of it, each shrunk into a small grey square."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines import Engine
from realtime.analysis.views import View, whole
from realtime.frame import Floats, Pixels

PADDING = 128.0  # the bars beside a frame that is not square; the network was trained with this grey
THRESHOLD = 0.65  # the least without a false face in face-free training pictures and their close-ups
OVERLAP = 0.3
# A profile's eyes lie almost behind each other: below this share of the box's width their distance no longer tells
# the tilt, and the angle is taken as if they were this far apart.
LEAST_EYE_LINE = 0.25


@dataclass(frozen=True, slots=True)
class Detection:
    """A face somewhere in the frame.

    Attributes:
        box: x, y, width, height in frame pixels of the bounding box of the 68 landmarks (brows to chin); it may reach
            out of the frame.
        roll: degrees the head is tilted clockwise in the image.
        score: in 0..1, about the overlap with the true box that the network expects.
    """

    box: tuple[float, float, float, float]
    roll: float
    score: float


@dataclass(frozen=True, slots=True)
class Letterbox:
    """How a view lies in the network's square.

    Attributes:
        size: (width, height) of the shrunk view in network pixels.
        left, top: where it starts in the square.
        scale: (x, y) network pixels per pixel of the view.
    """

    size: tuple[int, int]
    left: int
    top: int
    scale: tuple[float, float]

    def back(self, points: Floats) -> NDArray[np.float64]:
        """(..., 2) network pixels → pixels of the view."""
        return (points - [self.left, self.top] + 0.5) / self.scale - 0.5


def letterbox(width: int, height: int, side: int) -> Letterbox:
    """The largest centred place with a view's proportions in a square of `side` pixels."""
    factor = side / max(width, height)
    size = max(1, round(width * factor)), max(1, round(height * factor))
    scale = size[0] / width, size[1] / height
    return Letterbox(size, (side - size[0]) // 2, (side - size[1]) // 2, scale)


class Detector:
    """The face detector of the live loop.

    Args of the constructor:
        engine: the network "detector" (`engines.load`).
        threshold: least score of a detection, 0..1.
        overlap: intersection over union from which two boxes are one face.

    Example:
        detector = Detector(engines.load("detector"))
        for face in detector(frame.pixels):
            print(face.box, face.score)
    """

    def __init__(self, engine: Engine, threshold: float = THRESHOLD, overlap: float = OVERLAP) -> None:
        self._engine = engine
        self._side = engine.spec.inputs[0].shape[-1]
        self._threshold, self._overlap = threshold, overlap

    def __call__(self, pixels: Pixels, views: Sequence[View] = ()) -> list[Detection]:
        """Faces in a (H, W, 3) uint8 RGB frame of any size, the surest first.

        Each of `views` costs one run of the network; without any, the whole frame is looked at. A face that several of
        them show is found once.
        """
        size = pixels.shape[1], pixels.shape[0]
        found = [self._look(pixels, view, size) for view in views or [whole(*size)]]
        boxes, scores, eyes = (np.concatenate(part) for part in zip(*found, strict=True))
        return [_detection(boxes[i], scores[i], eyes[i]) for i in suppress(boxes, scores, self._overlap)]

    def _look(self, pixels: Pixels, view: View, frame_size: tuple[int, int]) -> tuple[Floats, Floats, Floats]:
        """(N, 4) boxes, (N,) scores, (N, 4) eyes x, y, x, y of what one view shows, in frame pixels."""
        place = letterbox(view.width, view.height, self._side)
        part = pixels[view.top : view.top + view.height, view.left : view.left + view.width]
        boxes, scores, eyes = (output[0] for output in self._engine(self._seen(part, place)))
        found = np.flatnonzero(scores >= self._threshold)
        boxes, scores, eyes = boxes[found], scores[found], eyes[found]
        corner = np.array([view.left, view.top])
        corners = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:], eyes[:, :2], eyes[:, 2:]], axis=1)
        low, high, left_eye, right_eye = (place.back(corners) + corner).swapaxes(0, 1)
        boxes, eyes = np.hstack([low, high - low]), np.hstack([left_eye, right_eye])
        ours = view.answers_for(boxes, frame_size)
        return boxes[ours], scores[ours], eyes[ours]

    def _seen(self, pixels: Pixels, place: Letterbox) -> Floats:
        """(1, 1, S, S) float32: a view as the network sees it."""
        # grey first: averaging one plane instead of three takes half the time
        grey = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), place.size, interpolation=cv2.INTER_AREA)
        square = np.full((1, 1, self._side, self._side), PADDING, np.float32)
        square[0, 0, place.top : place.top + place.size[1], place.left : place.left + place.size[0]] = grey
        return square


def suppress(boxes: Floats, scores: Floats, overlap: float) -> list[int]:
    """Greedy non-maximum suppression.

    Args:
        boxes: (N, 4) x, y, width, height.
        scores: (N,).
        overlap: intersection over union above which the weaker of two boxes goes.

    Returns:
        Indices of the boxes that stay, the highest score first.
    """
    kept: list[int] = []
    area = boxes[:, 2] * boxes[:, 3]
    order = np.argsort(-scores, kind="stable")
    while len(order):
        best, rest = int(order[0]), order[1:]
        kept.append(best)
        low = np.maximum(boxes[best, :2], boxes[rest, :2])
        high = np.minimum(boxes[best, :2] + boxes[best, 2:], boxes[rest, :2] + boxes[rest, 2:])
        common = np.maximum(high - low, 0).prod(axis=1)
        order = rest[common <= overlap * (area[best] + area[rest] - common)]
    return kept


def _detection(box: Floats, score: float, eyes: Floats) -> Detection:
    across, down = eyes[2:] - eyes[:2]
    roll = math.degrees(math.atan2(down, max(across, LEAST_EYE_LINE * box[2])))
    x, y, width, height = box.tolist()
    return Detection((x, y, width, height), roll, float(score))
