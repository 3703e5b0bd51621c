"""Face crops with depth, from synthetic faces and from RAP3DF, cut as the live loop cuts them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Self

import cv2
import numpy as np
from rich.progress import track

from realtime.analysis.distance import PUPILS_MM
from realtime.frame import Intrinsics
from realtime.geometry.crops import Crop, square_crop
from realtime.geometry.depth_code import FACE_MM, SIDE, DepthCode, anchor, depth_crop
from realtime.geometry.sight import depth_along
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from training.camera import camera as seen_by_camera
from training.data import FaceSet
from training.ict_surface import IctSurface
from training.kinect_noise import kinect_v1, kinect_v2
from training.readers.rap3df import Rap3df
from training.run import Batch
from training.synthetic.parts import Class
from training.synthetic.stock import Drawn, Kept
from training.synthetic.truth import Rendered

SWALLOWS = {Class.HAIR: 0.35, Class.GLASSES: 0.5}
PHOTO_SHARE, PHOTO_ROOM, PHOTO_SIZE = 0.3, 1.9, 192  # of fitted photos: share, sides of the landmarks' box, pixels
FITTED_MM = 1000.0  # as far away they are put
BEYOND = 10_000.0  # mm: where a drawn background is, known to be no part of a head


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One crop.

    Attributes:
        grey: (S, S) uint8.
        depth: (S, S) float32 mm, 0 = missing; what is known to lie behind all of the head has any larger depth. Along
            the line of sight to the face, for a crop does not show where it was cut from (a measured one's is unknown).
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
    """A drawn face, with its depth along the line of sight to it; with `rng` its crop is not quite centred, and `noisy`
    gives its depth a Kinect's faults."""
    skin = np.isin(face.classes, (Class.SKIN, Class.EYE, Class.MOUTH))
    depth = np.where(face.depth > 0, face.depth, np.float32(BEYOND))
    if noisy and rng is not None:
        absorbing = np.zeros(face.depth.shape, np.float32)
        for kind, chance in SWALLOWS.items():
            absorbing[face.classes == kind] = chance
        sensor = kinect_v1 if rng.random() < 0.5 else kinect_v2
        depth = sensor(face.depth, rng, focal=face.camera.fx, absorbing=absorbing).astype(np.float32)
    centre = anchor(face.points)
    where = (face.picture, depth_along(depth, centre, face.camera), skin, face.camera)
    return cut(*where, centre, f"synthetic {face.person}", face.points, rng)


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
    """The crop around `centre` (2,) pixels, for the median distance of what `face` (H, W) bool shows.

    With `rng` it is as far off as landmarks and a distance guessed by the eyes are, and tilted a little.
    """
    known = face & (depth > 0)
    distance = float(np.median(depth[known])) if known.any() else 1000.0
    roll, taken = 0.0, distance
    if rng is not None:
        centre = centre + rng.normal(0, 0.02, 2) * camera.fx * FACE_MM / distance
        taken, roll = distance * float(np.exp(rng.normal(0, 0.06))), float(rng.normal(0, 8))
    crop = depth_crop(centre, taken, camera, roll_deg=roll)
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


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A photo with the depth of the morphable model fitted to its landmarks: all that is known of most real faces.

    Attributes:
        picture: (S, S, 3) uint8 RGB.
        depth: (S, S) float32 mm, 0 = nothing known; of the face alone.
        points: (68, 2) float32 pixels.
        camera: one that makes the pupils `PUPILS_MM` apart at `FITTED_MM`.
    """

    picture: np.ndarray
    depth: np.ndarray
    points: np.ndarray
    camera: Intrinsics

    def sample(self, rng: np.random.Generator) -> Sample:
        """A crop of it."""
        where = (self.picture, self.depth, self.depth > 0, self.camera)
        return cut(*where, anchor(self.points), "photo", self.points, rng)


def fitted_photos(photos: FaceSet, surface: IctSurface) -> list[Fitted]:
    """The training photos, with room around them to be moved."""
    found = []
    for row in track(photos.training(), "fitting photos"):
        points = photos.points[row, :68]
        extent = float(np.ptp(points, axis=0).max())
        crop = square_crop(anchor(points), PHOTO_ROOM * extent, 0.0, PHOTO_SIZE)
        depth, _, there = surface.maps(points, crop)
        seen = surface.vertices(points)[surface.landmarks]
        apart = float(np.linalg.norm(seen[LEFT_EYE].mean(axis=0) - seen[RIGHT_EYE].mean(axis=0)))
        scale = float(crop.matrix[0, 0])
        focal = FITTED_MM * scale * apart / PUPILS_MM
        hull = cv2.convexHull(np.rint(crop.into(points)).astype(np.int32))  # hair and neck are not fitted to
        there &= cv2.fillConvexPoly(np.zeros(there.shape, np.uint8), hull, 1) > 0
        millimetres = np.where(there, FITTED_MM + depth * PUPILS_MM / apart, 0).astype(np.float32)
        camera = Intrinsics(focal, focal, (PHOTO_SIZE - 1) / 2, (PHOTO_SIZE - 1) / 2)
        picture = crop.cut(photos.picture(int(row)))
        found.append(Fitted(picture, millimetres, crop.into(points).astype(np.float32), camera))
    return found


class DepthBatches:
    """Batch number n of crops with their coded depth, for `training.run.fit`.

    Args:
        drawn: synthetic faces.
        real: measured faces.
        seed, count: of the run, of crops in a batch.
        share: of measured ones.
        noisy: share of the drawn ones whose depth has a Kinect's faults.
        photos: with fitted depth; `PHOTO_SHARE` of what is not measured.
    """

    def __init__(
        self,
        drawn: Drawn,
        real: Real,
        seed: int,
        count: int,
        share: float,
        noisy: float = 0.5,
        photos: Sequence[Fitted] = (),
    ) -> None:
        self._drawn, self._real, self._seed, self._count = drawn, real, seed, count
        self._share, self._noisy, self._photos = share, noisy, photos
        self._grain = np.random.default_rng(seed).standard_normal((2 * SIDE, 2 * SIDE), dtype=np.float32)

    def __call__(self, step: int) -> Batch:
        """As `collated`, mirrored at random and seen by all kinds of cameras."""
        rng = np.random.default_rng([self._seed, step])
        samples = [self._sample(rng, step * self._count + row) for row in range(self._count)]
        return collated([self._seen(sample, rng) for sample in samples])

    def _seen(self, sample: Sample, rng: np.random.Generator) -> Sample:
        """The sample as another camera shows it, or its mirror."""
        grey = seen_by_camera(sample.grey.astype(np.float32), self._grain, rng)
        there = np.s_[:, :: rng.choice([-1, 1])]
        return replace(sample, grey=grey[there], depth=sample.depth[there], face=sample.face[there])

    def _sample(self, rng: np.random.Generator, number: int) -> Sample:
        if rng.random() < self._share:
            return self._real.sample(int(rng.choice(self._real.rows)), rng)
        if self._photos and rng.random() < PHOTO_SHARE:
            return self._photos[rng.integers(len(self._photos))].sample(rng)
        return of_synthetic(self._drawn(number), rng, noisy=bool(rng.random() < self._noisy))


def collated(samples: list[Sample]) -> Batch:
    """grey (B, 1, S, S) float32 in 0..255, depth (B, 1, S, S) float32 in -1..1, known and face (B, 1, S, S) bool."""
    return {
        "grey": np.stack([sample.grey for sample in samples])[:, None].astype(np.float32),
        "depth": np.stack([coded(sample.depth) for sample in samples])[:, None].astype(np.float32) / 127.5 - 1,
        "known": np.stack([sample.depth > 0 for sample in samples])[:, None],
        "face": np.stack([sample.face & (sample.depth > 0) for sample in samples])[:, None],
    }


def coded(depth: np.ndarray) -> np.ndarray:
    """(S, S) uint8 of a crop's depth in mm, by the crop's own code."""
    return DepthCode.of(depth).encode(depth)


def held_out_real(faces: Rap3df) -> list[Sample]:
    """All crops of RAP3DF people that are never trained on, on whom the depth of a face is known."""
    return with_faces([of_rap3df(faces, int(row)) for row in np.flatnonzero(faces.held_out)])


def held_out_synthetic(count: int) -> list[Sample]:
    """Crops of synthetic people that are never trained on, as a noiseless sensor sees them."""
    drawn = Drawn(None, held_out=True)
    samples = [of_synthetic(drawn(index)) for index in range(count)]
    drawn.release()
    return with_faces(samples)


def with_faces(samples: list[Sample]) -> list[Sample]:
    """Those of which enough of the face is known to be measured on."""
    return [sample for sample in samples if sample.face.sum() > SIDE * SIDE / 20]
