"""Finds faces anywhere in a frame: the whole frame is shrunk into one small grey square and looked at once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from engines import Engine
from realtime.frame import Floats, Pixels

PADDING = 128.0  # the bars beside a frame that is not square; the network was trained with this grey
THRESHOLD = 0.6
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
    """How a frame lies in the network's square.

    Attributes:
        size: (width, height) of the shrunk frame in network pixels.
        left, top: where it starts in the square.
        scale: (x, y) network pixels per frame pixel.
    """

    size: tuple[int, int]
    left: int
    top: int
    scale: tuple[float, float]

    def back(self, points: Floats) -> NDArray[np.float64]:
        """(..., 2) network pixels → frame pixels."""
        return (points - [self.left, self.top] + 0.5) / self.scale - 0.5


def letterbox(width: int, height: int, side: int) -> Letterbox:
    """The largest centred place with a frame's proportions in a square of `side` pixels."""
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

    def __call__(self, pixels: Pixels) -> list[Detection]:
        """Faces in a (H, W, 3) uint8 RGB frame of any size, the surest first."""
        place = letterbox(pixels.shape[1], pixels.shape[0], self._side)
        boxes, scores, eyes = (output[0] for output in self._engine(self._seen(pixels, place)))
        found = np.flatnonzero(scores >= self._threshold)
        boxes, scores, eyes = boxes[found], scores[found], eyes[found]
        return [_detection(boxes[i], scores[i], eyes[i], place) for i in suppress(boxes, scores, self._overlap)]

    def _seen(self, pixels: Pixels, place: Letterbox) -> Floats:
        """(1, 1, S, S) float32: the frame as the network sees it."""
        # colours last: shrinking first leaves sixteen times fewer pixels to turn grey in an HD frame
        grey = cv2.cvtColor(cv2.resize(pixels, place.size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
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


def _detection(box: Floats, score: float, eyes: Floats, place: Letterbox) -> Detection:
    low, high, left_eye, right_eye = place.back(np.stack([box[:2], box[:2] + box[2:], eyes[:2], eyes[2:]]))
    width, height = high - low
    across, down = right_eye - left_eye
    roll = math.degrees(math.atan2(down, max(across, LEAST_EYE_LINE * width)))
    return Detection((float(low[0]), float(low[1]), float(width), float(height)), roll, float(score))
