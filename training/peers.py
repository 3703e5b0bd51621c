"""Landmark networks side by side: ours and two others of the data folder, each with the crops it was made for.

PFLD and OpenSeeFace's `lm_model0` are read here from their public input and output contracts, in the same runtime as
ours, so that errors, jitter and milliseconds compare. No torch is needed: the benches use this file, too.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import cv2
import numpy as np

import engines
from engines import Engine
from realtime.analysis.detector import Detection
from realtime.analysis.landmarks import CROP, LandmarkNet, Landmarks
from realtime.frame import Pixels
from realtime.geometry.crops import FACE_SCALE, Crop, face_crop, face_crop_of_box, roll_of, square_crop
from realtime.geometry.topology import KEYPOINTS, LANDMARKS, mirror
from training import data

TIGHT = 1.2  # side of PFLD's crop in units of the landmark box's larger side
MIRROR = " + mirror"  # ends the names of results averaged with the mirror image


class Estimator(ABC):
    """A landmark network and where it wants to look.

    Attributes:
        name: for tables.
        side: of its crop, in units of the landmark box's larger side.
    """

    name: str
    side: float

    @abstractmethod
    def crop(self, points: np.ndarray) -> Crop:
        """Where to look for a face whose (68 or 81, 2) points are about known; NaN ones do not count."""

    @abstractmethod
    def crop_of_box(self, found: Detection) -> Crop:
        """Where to look for a face the detector found."""

    @abstractmethod
    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Landmarks:
        """What it sees in `crops` of the (H, W, 3) RGB picture; points it does not have are NaN, their confidence 0."""


class Ours(Estimator):
    """The deployed network as the live loop calls it."""

    name = "ours"
    side = FACE_SCALE

    def __init__(self, net: LandmarkNet) -> None:
        self._net = net

    def crop(self, points: np.ndarray) -> Crop:
        return face_crop(points, CROP)

    def crop_of_box(self, found: Detection) -> Crop:
        return face_crop_of_box(found.box, CROP, found.roll)

    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Landmarks:
        return self._net(pixels, crops)


class Pfld(Estimator):
    """PFLD (Guo et al. 2019), `pfld.onnx`: RGB 0..1 in, 68 points in 0..1 of the crop out, no confidence."""

    name = "PFLD"
    side = TIGHT

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def crop(self, points: np.ndarray) -> Crop:
        centre, extent, roll = _upright_box(points)
        return square_crop(centre, TIGHT * extent.max(), roll, CROP)

    def crop_of_box(self, found: Detection) -> Crop:
        x, y, width, height = found.box
        return square_crop(np.array([x + width / 2, y + height / 2]), TIGHT * max(width, height), found.roll, CROP)

    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Landmarks:
        images = np.stack([crop.cut(pixels) for crop in crops]).astype(np.float32).transpose(0, 3, 1, 2) / 255
        found = self._engine(images)[0].reshape(-1, LANDMARKS, 2).astype(np.float64)
        # 0 and 1 are the outer edges of the crop's first and last pixels
        return _placed(found * CROP - 0.5, np.ones((len(crops), LANDMARKS)), crops, np.arange(LANDMARKS))


class WidePfld(Pfld):
    """PFLD in our wide crop, for which it was not trained."""

    name = "PFLD, our crop"
    side = FACE_SCALE

    def crop(self, points: np.ndarray) -> Crop:
        return face_crop(points, CROP)

    def crop_of_box(self, found: Detection) -> Crop:
        return face_crop_of_box(found.box, CROP, found.roll)


class OpenSeeFace(Estimator):
    """OpenSeeFace's `lm_model0_opt.onnx`: 66 points, of which the jaw is that of the head, not the visible outline.

    In: RGB, normalised as for ImageNet. Out: 198 maps of 28x28, all in 0..1: 66 of how likely a point is in a cell, 66
    of how far below and 66 of how far right of the cell's corner it lies, as the logistic function of 16 times that
    share of the crop. Its crop is the upright bounding box of the landmarks, wider by a tenth and higher by an eighth
    on either side, and stretched to a square.
    """

    name = "OpenSeeFace"
    side = 1.2
    size = 224
    # Which of our points its points are: lips without corners, and both corners after the outer lip.
    _order = np.r_[0:48, 49:54, 55:60, 48, 61:64, 54, 65:68]
    _grid = 28
    _margin = np.array([1.2, 1.25])
    _steepness = 16.0
    _mean = np.array([0.485, 0.456, 0.406], np.float32)
    _deviation = np.array([0.229, 0.224, 0.225], np.float32)

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def crop(self, points: np.ndarray) -> Crop:
        known = points[:LANDMARKS][np.isfinite(points[:LANDMARKS, 0])]
        low, high = known.min(axis=0), known.max(axis=0)
        return self._stretched((low + high) / 2, high - low)

    def crop_of_box(self, found: Detection) -> Crop:
        x, y, width, height = found.box
        return self._stretched(np.array([x + width / 2, y + height / 2]), np.array([width, height]))

    def _stretched(self, centre: np.ndarray, extent: np.ndarray) -> Crop:
        """Unlike every other crop this one is no similarity; `Crop` takes any affine map."""
        scale = self.size / np.maximum(extent * self._margin, 1e-6)
        return Crop(np.column_stack([np.diag(scale), (self.size - 1) / 2 - scale * centre]), self.size)

    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Landmarks:
        images = np.stack([crop.cut(pixels) for crop in crops]).astype(np.float32) / 255
        (maps,) = self._engine(((images - self._mean) / self._deviation).transpose(0, 3, 1, 2))
        likely, down, right = maps.reshape(len(crops), 3, len(self._order), -1).transpose(1, 0, 2, 3)
        cell = likely.argmax(axis=2)[..., None]
        confidence, down, right = (np.take_along_axis(m, cell, axis=2)[..., 0] for m in (likely, down, right))
        corner = np.concatenate([cell % self._grid, cell // self._grid], axis=2) / (self._grid - 1)
        offset = np.stack([self._share(right), self._share(down)], axis=2)
        return _placed((corner + offset) * (self.size - 1), confidence, crops, self._order)

    def _share(self, likelihood: np.ndarray) -> np.ndarray:
        likelihood = np.clip(likelihood.astype(np.float64), 1e-7, 1 - 1e-7)
        return np.asarray(np.log(likelihood / (1 - likelihood)) / self._steepness)


def mirrored_crop(crop: Crop, width: int) -> Crop:
    """The crop that shows, of the mirrored picture of that width, the mirror image of what `crop` shows."""
    there, back = (np.array([[-1.0, 0, side - 1], [0, 1, 0], [0, 0, 1]]) for side in (width, crop.size))
    return Crop((back @ np.vstack([crop.matrix, [0, 0, 1]]) @ there)[:2], crop.size)


def load_peers(threads: int | None = None) -> list[Estimator]:
    """PFLD in its own and in our crop, and OpenSeeFace, from the data folder."""
    pfld, openseeface = (
        engines.load(name, threads=threads, folder=data.folder()) for name in ("pfld", "lm_model0_opt")
    )
    return [Pfld(pfld), WidePfld(pfld), OpenSeeFace(openseeface)]


def second_look(estimator: Estimator, pixels: Pixels, found: Detection) -> Crop:
    """Where the first look at a detected face puts the second one, as in the live loop (`networks.first_sight`)."""
    return estimator.crop(estimator(pixels, [estimator.crop_of_box(found)]).points[0])


def with_mirror(estimator: Estimator, pixels: Pixels, crop: Crop) -> tuple[np.ndarray, np.ndarray]:
    """(81, 2) points as they are, and averaged with those of the mirrored picture."""
    width = pixels.shape[1]
    straight = estimator(pixels, [crop]).points[0]
    flipped = estimator(cv2.flip(pixels, 1), [mirrored_crop(crop, width)]).points[0]
    return straight, (straight + mirror(flipped, width)) / 2


def _upright_box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Centre (2,), width and height (2,), and roll in degrees of the landmarks' box in the head's upright axes."""
    wide = face_crop(points, CROP)
    upright = wide.into(points[:LANDMARKS])
    low, high = upright.min(axis=0), upright.max(axis=0)
    scale = np.sqrt(np.linalg.det(wide.matrix[:, :2]))
    return wide.back((low + high) / 2), (high - low) / scale, roll_of(points)


def _placed(found: np.ndarray, confidence: np.ndarray, crops: Sequence[Crop], which: np.ndarray) -> Landmarks:
    """`found` (B, len(which), 2) crop pixels as the points `which` of our 81."""
    points = np.full((len(crops), KEYPOINTS, 2), np.nan, np.float32)
    sure = np.zeros((len(crops), KEYPOINTS), np.float32)
    points[:, which] = np.stack([crop.back(face) for crop, face in zip(crops, found, strict=True)])
    sure[:, which] = confidence
    return Landmarks(points, sure, confidence.mean(axis=1).astype(np.float32))
