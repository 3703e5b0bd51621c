"""Face crops with depth, from synthetic faces and from RAP3DF, cut as the live loop cuts them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Self

import cv2
import numpy as np

from realtime.frame import Intrinsics
from realtime.geometry.crops import Crop
from realtime.geometry.depth_code import SIDE, DepthCode, anchor, depth_crop
from training.camera import tone_curve
from training.kinect_noise import kinect_v1, kinect_v2
from training.readers.rap3df import Rap3df
from training.run import Batch
from training.synthetic.parts import Class
from training.synthetic.stock import Drawn, Kept
from training.synthetic.truth import Rendered

SWALLOWS = {Class.HAIR: 0.35, Class.GLASSES: 0.5}


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One crop.

    Attributes:
        grey: (S, S) uint8.
        depth: (S, S) float32 mm, 0 = missing.
        face: (S, S) bool, where errors count.
        distance: mm, the median depth of the face.
        person: who it is.
        crop: from the picture it was cut from.
        camera: of that picture.
        points: (68, 2) float32 pixels of that picture; None where nobody marked them.
        picture: (H, W, 3) uint8 RGB, that picture.
    """

    grey: np.ndarray
    depth: np.ndarray
    face: np.ndarray
    distance: float
    person: str
    crop: Crop
    camera: Intrinsics
    points: np.ndarray | None
    picture: np.ndarray


def of_synthetic(face: Rendered | Kept, rng: np.random.Generator | None = None, noisy: bool = False) -> Sample:
    """A drawn face; with `rng` its crop is not quite centred, and `noisy` gives its depth a Kinect's faults."""
    skin = np.isin(face.classes, (Class.SKIN, Class.EYE, Class.MOUTH))
    depth = face.depth
    if noisy and rng is not None:
        absorbing = np.zeros(depth.shape, np.float32)
        for kind, chance in SWALLOWS.items():
            absorbing[face.classes == kind] = chance
        sensor = kinect_v1 if rng.random() < 0.5 else kinect_v2
        depth = sensor(depth, rng, focal=face.camera.fx, absorbing=absorbing).astype(np.float32)
    where = (face.picture, depth, skin, face.camera)
    return cut(*where, anchor(face.points), f"synthetic {face.person}", face.points, rng)


def of_rap3df(faces: Rap3df, index: int, rng: np.random.Generator | None = None) -> Sample:
    """A Kinect picture."""
    where = (faces.rgb[index], faces.depth[index], faces.face(index), faces.camera)
    return cut(*where, faces.anchor(index), str(faces.person[index]), None, rng)


def cut(
    picture: np.ndarray,
    depth: np.ndarray,
    face: np.ndarray,
    camera: Intrinsics,
    centre: np.ndarray,
    person: str,
    points: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> Sample:
    """The crop around `centre` (2,) pixels, for the median distance of what `face` (H, W) bool shows."""
    known = face & (depth > 0)
    distance = float(np.median(depth[known])) if known.any() else 1000.0
    if rng is not None:
        centre = centre + rng.normal(0, 0.015, 2) * camera.fx * 220 / distance
    crop = depth_crop(centre, distance * (1.0 if rng is None else np.exp(rng.normal(0, 0.03))), camera)
    size = (crop.size, crop.size)
    nearest = cv2.warpAffine(depth, crop.matrix, size, flags=cv2.INTER_NEAREST)
    inside = cv2.warpAffine(face.astype(np.uint8), crop.matrix, size, flags=cv2.INTER_NEAREST) > 0
    grey = cv2.cvtColor(crop.cut(picture), cv2.COLOR_RGB2GRAY)
    return Sample(grey, nearest, inside, distance, person, crop, camera, points, picture)


@dataclass(frozen=True, slots=True, eq=False)
class Real:
    """Measured faces to train on: numbers, and what makes a sample of one."""

    rows: np.ndarray
    sample: Callable[[int, np.random.Generator], Sample]

    @classmethod
    def of_rap3df(cls, faces: Rap3df) -> Self:
        """Those of RAP3DF's people who are not held out."""
        return cls(np.flatnonzero(~faces.held_out), partial(of_rap3df, faces))


class DepthBatches:
    """Batch number n of crops with their coded depth, for `training.run.fit`.

    Args:
        drawn: synthetic faces.
        real: measured faces.
        seed, count: of the run, of crops in a batch.
        share: of measured ones.
    """

    def __init__(self, drawn: Drawn, real: Real, seed: int, count: int, share: float) -> None:
        self._drawn, self._real, self._seed, self._count, self._share = drawn, real, seed, count, share

    def __call__(self, step: int) -> Batch:
        """grey (B, 1, S, S) float32 in 0..255, depth (B, 1, S, S) float32 in -1..1, known (B, 1, S, S) bool."""
        rng = np.random.default_rng([self._seed, step])
        samples = [self._sample(rng, step * self._count + row) for row in range(self._count)]
        return collated(samples, rng)

    def _sample(self, rng: np.random.Generator, number: int) -> Sample:
        if rng.random() < self._share:
            return self._real.sample(int(rng.choice(self._real.rows)), rng)
        return of_synthetic(self._drawn(number), rng, noisy=bool(rng.random() < 0.5))


def collated(samples: list[Sample], rng: np.random.Generator | None = None) -> Batch:
    """The batch of some samples; with `rng` mirrored and toned at random."""
    greys, depths, knowns = [], [], []
    for sample in samples:
        grey, target = sample.grey, coded(sample.depth)
        if rng is not None:
            grey = np.clip(tone_curve(rng)[grey], 0, 255)
            if rng.random() < 0.5:
                grey, target = grey[:, ::-1], target[:, ::-1]
        greys.append(np.asarray(grey, np.float32))
        depths.append(target.astype(np.float32) / 127.5 - 1)
        knowns.append(target > 0)
    return {
        "grey": np.stack(greys)[:, None],
        "depth": np.stack(depths)[:, None],
        "known": np.stack(knowns)[:, None],
    }


def coded(depth: np.ndarray) -> np.ndarray:
    """(S, S) uint8 of a crop's depth in mm, by the crop's own code."""
    return DepthCode.of(depth).encode(depth)


def held_out_real(faces: Rap3df) -> list[Sample]:
    """All crops of RAP3DF people that are never trained on, on whom the depth of a face is known."""
    samples = [of_rap3df(faces, int(row)) for row in np.flatnonzero(faces.held_out)]
    return [sample for sample in samples if sample.face.sum() > SIDE * SIDE / 20]


def held_out_synthetic(count: int) -> list[Sample]:
    """Crops of synthetic people that are never trained on, as a noiseless sensor sees them."""
    drawn = Drawn(None, held_out=True)
    samples = [of_synthetic(drawn(index)) for index in range(count)]
    drawn.release()
    return [sample for sample in samples if sample.face.sum() > SIDE * SIDE / 20]
