"""Pictures, normal maps and pairs of both, cut as the publication cuts them, 1.2 times the box of the 68 landmarks, but
upright in the head, as the live loop's crops are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from rich.progress import track

from realtime.geometry.crops import FACE_LIFT, FACE_SCALE, Crop, face_crop, roll_of, square_crop
from realtime.geometry.sight import line_of_sight, place_of, turned_normals
from training.camera import tone_curve
from training.data import FaceSet
from training.ict_surface import IctSurface
from training.run import Batch
from training.synthetic.parts import Class
from training.synthetic.stock import Drawn, Kept
from training.synthetic.truth import Rendered

SCALE = 1.2
FACE = (Class.SKIN, Class.EYE, Class.MOUTH)
IS_FACE = np.isin(np.arange(256), FACE)  # by a pixel's class
ROOM = 2.0  # sides of fitted photos, in sides of the landmarks' box
PHOTO_SIZE = 192  # pixels


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """One crop.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        normals: (S, S, 3) float32 (float16 where many are kept) unit, x right, y up, z towards the camera, against the
            line of sight to the face (what a crop cannot show is where it was cut from); 0 where there are none.
        face: (S, S) bool, where errors count.
        points: (68, 2) float32 pixels of the crop.
    """

    image: np.ndarray
    normals: np.ndarray
    face: np.ndarray
    points: np.ndarray


def normals_crop(points: np.ndarray, size: int, rng: np.random.Generator | None = None) -> Crop:
    """The square of 1.2 times the larger side of the box of (68, 2) `points`, upright in the head; with `rng` a little
    off and tilted, and anything up to the size and place of the live loop's crop, which has the forehead in it."""
    share, beside, roll = 0.0, np.zeros(2), roll_of(points)
    if rng is not None:
        share, beside, roll = rng.uniform(-0.1, 1.1), rng.normal(0, 0.03, 2), roll + float(rng.normal(0, 4))
    upright = face_crop(points, size, roll)
    side = size / float(np.hypot(*upright.matrix[0, :2])) / FACE_SCALE  # of the landmarks' box
    # from the box's middle, which lies below that of the live crop
    middle = (size - 1) / 2 + size / FACE_SCALE * (np.array([0, FACE_LIFT * (1 - share)]) + beside)
    return square_crop(upright.back(middle), side * (SCALE + share * (FACE_SCALE - SCALE)), roll, size)


def of_synthetic(face: Rendered | Kept, size: int, rng: np.random.Generator | None = None) -> Sample:
    """A drawn face, with its normals against the line of sight to it; with `rng` its crop is moved, tilted and
    mirrored."""
    middle = (face.points.min(axis=0) + face.points.max(axis=0)) / 2
    sight = line_of_sight(place_of(middle, 1.0, face.camera))
    normals = turned_normals(face.normals, sight.T)
    return cropped(Sample(face.picture, normals, IS_FACE[face.classes], face.points), size, rng)


def cropped(whole: Sample, size: int, rng: np.random.Generator | None = None) -> Sample:
    """The crop around the face of a larger sample; with `rng` moved, tilted and mirrored."""
    crop = normals_crop(whole.points, size, rng)
    area = (size, size)
    nearest = cv2.warpAffine(whole.normals.astype(np.float32), crop.matrix, area, flags=cv2.INTER_LINEAR)
    mask = cv2.warpAffine(whole.face.astype(np.uint8), crop.matrix, area, flags=cv2.INTER_NEAREST) > 0
    turned = tilted(nearest, crop)
    length = np.sqrt(np.einsum("...k,...k->...", turned, turned))[..., None]
    there = length > 0.5
    normals = np.where(there, turned / np.maximum(length, 1e-6), 0).astype(np.float32)
    sample = Sample(crop.cut(whole.image), normals, mask & there[..., 0], crop.into(whole.points).astype(np.float32))
    return mirrored(sample) if rng is not None and rng.random() < 0.5 else sample


def fitted_photos(photos: FaceSet, surface: IctSurface) -> list[Sample]:
    """The training photos, with room around them to be moved, and the normals of the model fitted to their landmarks.

    Only their coarse shape is to be trusted: the fit knows the landmarks and has not seen the picture.
    """
    samples = []
    for row in track(photos.training(), "fitting photos"):
        points = photos.points[row, :68]
        low, high = points.min(axis=0), points.max(axis=0)
        crop = square_crop((low + high) / 2, ROOM * float((high - low).max()), 0.0, PHOTO_SIZE)
        _, normals, there = surface.maps(points, crop)
        image = crop.cut(photos.picture(int(row)))
        samples.append(Sample(image, normals.astype(np.float16), there, crop.into(points).astype(np.float32)))
    return samples


def mirrored(sample: Sample) -> Sample:
    """The face seen in a mirror (its landmarks keep their numbers)."""
    points = sample.points * [-1, 1] + [sample.image.shape[1] - 1, 0]
    normals = sample.normals[:, ::-1] * np.array([-1, 1, 1], np.float32)
    return Sample(sample.image[:, ::-1], normals, sample.face[:, ::-1], points.astype(np.float32))


class NormalBatches:
    """Batch number n for `training.run.fit`: pairs, lone pictures and lone normal maps.

    Args:
        drawn: synthetic faces.
        photos: real faces, pictures alone; None leaves them out.
        seed, count, size: of the run, of pairs in a batch, of a crop in pixels.
        lone: how many lone pictures and how many lone normal maps come on top, each.
        fitted: real photos with a fitted model's normals, of which a batch has a quarter as many as pairs.
    """

    def __init__(
        self,
        drawn: Drawn,
        photos: FaceSet | None,
        seed: int,
        count: int,
        size: int,
        lone: int,
        fitted: Sequence[Sample] = (),
    ) -> None:
        self._drawn, self._photos, self._seed = drawn, photos, seed
        self._count, self._size, self._lone, self._fitted = count, size, lone, fitted
        self._rows = photos.training() if photos is not None else np.empty(0, int)

    def __call__(self, step: int) -> Batch:
        """image (B, 3, S, S) in 0..255, normals (B, 3, S, S), face (B, 1, S, S) bool; lone_image, lone_normals,
        lone_face the same without a partner; fitted_image, fitted_normals, fitted_face those of photos."""
        rng = np.random.default_rng([self._seed, step])
        first = step * (self._count + self._lone)
        pairs = [of_synthetic(self._drawn(first + row), self._size, rng) for row in range(self._count)]
        batch = _batch(pairs, "", rng)
        if self._lone:
            rows = range(first + self._count, first + self._count + self._lone)
            alone = [of_synthetic(self._drawn(row), self._size, rng) for row in rows]
            batch["lone_normals"] = _stacked([sample.normals for sample in alone])
            batch["lone_face"] = np.stack([sample.face for sample in alone])[:, None]
            batch["lone_image"] = _stacked([self._photo(rng) for _ in range(self._lone)])
        if self._fitted:
            rows = rng.integers(len(self._fitted), size=max(self._count // 4, 1)).tolist()
            batch |= _batch([cropped(self._fitted[row], self._size, rng) for row in rows], "fitted_", rng)
        return batch

    def _photo(self, rng: np.random.Generator) -> np.ndarray:
        if self._photos is None:
            sample = of_synthetic(self._drawn(int(rng.integers(1_000_000))), self._size, rng)
            return toned(sample.image, rng)
        row = int(rng.choice(self._rows))
        crop = normals_crop(self._photos.points[row, :68], self._size, rng)
        picture = crop.cut(self._photos.picture(row))
        return toned(picture[:, ::-1] if rng.random() < 0.5 else picture, rng)


def toned(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) uint8 under another tone; now and then grey."""
    out = np.clip(tone_curve(rng, 0.7)[image], 0, 255)
    if rng.random() < 0.15:
        out = np.repeat(out.mean(axis=2, keepdims=True), 3, axis=2)
    return out.astype(np.uint8)


def tilted(normals: np.ndarray, crop: Crop) -> np.ndarray:
    """(..., 3) normals of a picture for its crop: they turn with it."""
    (a, b), (c, d) = crop.matrix[:, :2] / np.sqrt(abs(np.linalg.det(crop.matrix[:, :2])))
    # pixels count y down, normals up
    turn = np.array([[a, -c, 0], [-b, d, 0], [0, 0, 1]], np.float32)
    return np.asarray(normals @ turn)


def _batch(samples: list[Sample], prefix: str, rng: np.random.Generator) -> Batch:
    return {
        f"{prefix}image": _stacked([toned(sample.image, rng) for sample in samples]),
        f"{prefix}normals": _stacked([sample.normals for sample in samples]),
        f"{prefix}face": np.stack([sample.face for sample in samples])[:, None],
    }


def _stacked(maps: list[np.ndarray]) -> np.ndarray:
    return np.ascontiguousarray(np.stack(maps).transpose(0, 3, 1, 2), np.float32)
