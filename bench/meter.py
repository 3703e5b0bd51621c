"""Who measures and who is drawn: our own embedding as a meter, and photos of people that no network was trained on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines import load
from realtime.analysis.analyser import Analyser
from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.effects.photo import Person, person
from realtime.frame import Face, Floats, Pixels
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import NOSE_TIP, OUTER_EYE_CORNERS, eye_distance
from realtime.sources.demo import portraits
from training.identity import Embedder, People, aligned_crop, held_out_people

FRONTAL = 0.06  # the nose's distances to the outer eye corners differ by this share of their sum at most
OPEN = 0.25  # eyes higher than this share of their width


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A source face.

    Attributes:
        name: of its person.
        pixels: (H, W, 3) uint8 RGB.
        face: as analysed.
        others: other pictures of the person, each of another clip.
    """

    name: str
    pixels: Pixels
    face: Face
    others: tuple[Pixels, ...] = ()

    def person(self) -> Person:
        """What the renderer draws."""
        return person(self.name, [(self.pixels, self.face)])


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """What the meter sees.

    Attributes:
        points: (81, 2) float32 keypoints, pixels.
        vector: (128,) float32 of length 1, whose face it is: the mean of the picture's and its mirror image's.
        features: (200,) float32, what it looks like.
    """

    points: Floats
    vector: Floats
    features: Floats


class Meter:
    """Looks at faces in pictures, with landmarks found in those very pictures."""

    def __init__(self, threads: int) -> None:
        """Raises EngineError where a network is missing or damaged."""
        self._landmarks = LandmarkNet(load("landmarks", threads=threads))
        self._embedder = Embedder(threads)

    def __call__(self, pixels: Pixels, points: np.ndarray) -> Looked:
        """The face that is about at (81, 2) `points` of an (H, W, 3) RGB picture."""
        found: Floats = self._landmarks(pixels, [face_crop(points, CROP)]).points[0]
        crop = aligned_crop(found).cut(pixels)
        vectors, features = self._embedder.of_crops(np.array([crop, crop[:, ::-1]]))
        total = vectors.sum(axis=0)
        return Looked(found, total / np.linalg.norm(total), features[0])


def choose_photos(analyser: Analyser, filmed: int) -> list[Photo]:
    """The built-in portraits, and the largest frontal frames with open eyes of `filmed` held-out people's clips."""
    photos = [
        Photo(f"portrait {number}", pixels, analyser.photo(pixels, f"portrait {number}")[0])
        for number, pixels in enumerate(portraits(), start=1)
    ]
    people = held_out_people()["clips (faces_ytf)"]
    order = np.argsort(-eye_distance(people.faces.points[people.rows]))
    for index in order[frontal(people.faces.points[people.rows[order]])]:
        if filmed == 0:
            break
        photo = _filmed(int(index), people, analyser)
        known = {other.name for other in photos}
        if photo.name not in known and eye_opening(photo.face.points[None])[0] > OPEN:  # its labels are too coarse
            photos.append(photo)
            filmed -= 1
    return photos


def frontal(points: np.ndarray) -> np.ndarray:
    """(N,) bool: the nose tip of (N, 68 or 81, 2) keypoints is as far from one outer eye corner as from the other."""
    left, right = (np.linalg.norm(points[:, NOSE_TIP] - points[:, corner], axis=1) for corner in OUTER_EYE_CORNERS)
    return np.asarray(np.abs(left - right) < FRONTAL * (left + right))


def eye_opening(points: np.ndarray) -> np.ndarray:
    """(N,) height of the eyes of (N, 68 or 81, 2) keypoints in units of their width."""
    height = np.linalg.norm(points[:, [37, 38, 43, 44]] - points[:, [41, 40, 47, 46]], axis=2).mean(axis=1)
    width = np.linalg.norm(points[:, [36, 42]] - points[:, [39, 45]], axis=2).mean(axis=1)
    return np.asarray(height / width)


def _filmed(index: int, people: People, analyser: Analyser) -> Photo:
    """A picture, and the first one of each other clip of the same person."""
    name, clip = str(people.person[index]), people.clip[index]
    clips, first = np.unique(people.clip, return_index=True)
    others = [i for c, i in zip(clips, first, strict=True) if people.person[i] == name and c != clip]
    pixels, *pictures = (people.faces.picture(int(people.rows[i])) for i in (index, *others))
    return Photo(name, pixels, analyser.photo(pixels, name)[0], tuple(pictures))
