"""Faces to tell apart: the aligned crop, who is who in the data folder, and the deployed network as a function.

No torch is needed: the benches use this file, too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import engines
from realtime.frame import Floats, Pixels
from realtime.geometry.crops import Crop
from realtime.geometry.template import template
from realtime.geometry.topology import INNER_MOUTH_CORNERS, LEFT_EYE, NOSE_TIP, RIGHT_EYE
from training import data

SIZE = 112
# Where the mean face lies in the crop: the distance of its outer eye corners, and the height of the middle between
# eyes and mouth, in shares of the side. Brows and chin are in it, little of hair and background.
_EYES_APART, _MIDDLE = 0.52, 0.50
HELD_OUT_EVERY = 12  # of the names that only the press photos have


def five_points(points: np.ndarray) -> np.ndarray:
    """(..., 5, 2) eye centres, nose tip and inner mouth corners of (..., 68 or 81, 2) keypoints."""
    eyes = [points[..., eye, :2].mean(axis=-2) for eye in (LEFT_EYE, RIGHT_EYE)]
    return np.stack([*eyes, *(points[..., i, :2] for i in (NOSE_TIP, *INNER_MOUTH_CORNERS))], axis=-2)


def aligned_crop(points: np.ndarray, size: int = SIZE) -> Crop:
    """The crop in which eyes, nose and mouth of (68 or 81, 2) keypoints lie, as nearly as a similarity allows, where
    the mean face has them."""
    return Crop(similarity(five_points(np.asarray(points, np.float64)), _places(size)), size)


def similarity(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(2, 3) turn, scale and shift that bring (K, 2) points nearest to (K, 2) targets, in the mean of squares.

    Points that all coincide say nothing of the scale: Raises ValueError.
    """
    here, there = points.mean(axis=0), targets.mean(axis=0)
    # a similarity is one complex factor, and this its least-squares solution
    a, b = (points - here) @ (1, 1j), (targets - there) @ (1, 1j)
    size = np.vdot(a, a).real
    if not size > 0:
        raise ValueError("Points that coincide or are not finite cannot be aligned.")
    factor = np.vdot(a, b) / size
    turn = np.array([[factor.real, -factor.imag], [factor.imag, factor.real]])
    return np.column_stack([turn, there - turn @ here])


def _places(size: int) -> np.ndarray:
    """(5, 2) crop pixels of the mean face's five points."""
    five = five_points(template().astype(np.float64))
    middle = (five[:2].mean(axis=0) + five[3:].mean(axis=0)) / 2
    return (five - middle) * _EYES_APART * size + (size * np.array([0.5, _MIDDLE]) - 0.5)


class Embedder:
    """The deployed identity network."""

    def __init__(self, threads: int | None = None) -> None:
        """Raises EngineError where the network is missing or damaged."""
        self._engine = engines.load("identity", threads=threads)

    def __call__(self, pictures: Sequence[Pixels], points: Sequence[np.ndarray]) -> tuple[Floats, Floats]:
        """(N, 128) unit vectors and (N, 240) features of the faces with (68 or 81, 2) keypoints in (H, W, 3) RGB
        pictures."""
        crops = [aligned_crop(face).cut(pixels) for pixels, face in zip(pictures, points, strict=True)]
        return self.of_crops(np.array(crops))

    def of_crops(self, crops: np.ndarray) -> tuple[Floats, Floats]:
        """The same of (N, 112, 112, 3) uint8 RGB aligned crops."""
        images = np.ascontiguousarray(crops.transpose(0, 3, 1, 2), np.float32)
        starts = range(0, len(images), engines.MAX_BATCH)
        embeddings, features = zip(*(self._engine(images[i : i + engines.MAX_BATCH]) for i in starts), strict=True)
        return np.concatenate(embeddings), np.concatenate(features)


@dataclass(frozen=True, slots=True, eq=False)
class People:
    """Pictures with the names of who is in them.

    Attributes:
        faces: the set.
        rows: (N,) its pictures.
        person: (N,) str; pictures whose person is not known have one of their own.
        clip: (N,) str, frames of one clip share it; "" = a photo.
    """

    faces: data.FaceSet
    rows: np.ndarray
    person: np.ndarray
    clip: np.ndarray


def training_people() -> list[People]:
    """Press photos and clips of named people, and photos of unknown ones, each taken for a person of their own.

    The six clips of the benches are not among them: this network is to judge what is drawn into those.
    """
    return [
        _people(data.faces_muxspace(), held_out=False),
        _people(data.faces_ytf(), held_out=False),
        _unknown(data.faces_300w()),
    ]


def held_out_people() -> dict[str, People]:
    """27 people of the clips, and every 12th of the names with several press photos and no clip."""
    return {
        "clips (faces_ytf)": _people(data.faces_ytf(), held_out=True),
        "press photos (faces_muxspace)": _people(data.faces_muxspace(), held_out=True),
    }


def _people(faces: data.FaceSet, held_out: bool) -> People:
    person = np.array([data.folded(name) for name in faces.identity])
    apart = faces.held_out.copy()
    if faces.name == "muxspace":
        apart |= np.isin(person, _names_apart(person))
    rows = faces.labelled()
    rows = rows[apart[rows] == held_out]
    rows = rows[person[rows] != ""]
    clips = data.ytf_clips() if faces.name == "ytf" else np.full(len(faces), "")
    return People(faces, rows, person[rows], clips[rows])


def _names_apart(person: np.ndarray) -> np.ndarray:
    """Names of `HELD_OUT_EVERY`: people with clips are left to the rule of `data`."""
    names, counts = np.unique(person[person != ""], return_counts=True)
    filmed = {data.folded(name) for name in data.faces_ytf().identity}
    several = [name for name, count in zip(names, counts, strict=True) if count > 1 and name not in filmed]
    return np.array(several[HELD_OUT_EVERY // 2 :: HELD_OUT_EVERY])


def _unknown(faces: data.FaceSet) -> People:
    rows = faces.training()
    return People(faces, rows, np.array([f"{faces.name} {row}" for row in rows]), np.full(len(rows), ""))
