"""Hands, microphones, hair and other things before real faces, outlined by eye: to learn from, and to measure on.

`covers.csv` has one outline a line: the set, the picture's row in it, "train" or "test", and x and y of its corners in
pixels of the occlusion network's crop of the labelled face. Outlines are right to about two pixels.

`hairlines.csv` has one picture a line, written alike: a line from the crop's left to its right, along the lower edge of
hair, hat or scarf. What lies above it is before the face (or beside it); the face below it is free, glasses and all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from engines.networks.occlusion import SIZE
from realtime.geometry.crops import Crop, face_crop
from training.data import FaceSet
from training.occluders.scene import Scene

MARKS = Path(__file__).with_name("covers.csv")
HAIRLINES = Path(__file__).with_name("hairlines.csv")
UNSURE = 5  # pixels across an outline, where nobody knows
_RECOLOURED = 0.7  # share of what is cut out that takes the tone of the face it comes before
_GREY = 2.0  # levels between the channels of a skin in a grey picture, which has no tone of its own to keep
_STRAIGHT = 0.5  # share that is not mirrored
_FAR = 128  # pixels beyond the crop: a line's ends go on as far


@dataclass(frozen=True, slots=True)
class Marked:
    """One picture.

    Attributes:
        name: of its set.
        row: in that set.
        test: for measuring only.
        outlines: of what is before the face, each (N, 2) float32 pixels of its crop.
    """

    name: str
    row: int
    test: bool
    outlines: tuple[np.ndarray, ...]


def hairlines() -> list[Marked]:
    """All pictures of `hairlines.csv`; outlined is what lies above the line."""
    return [replace(each, outlines=(_above(each.outlines[0]),)) for each in marked(HAIRLINES)]


def _above(line: np.ndarray) -> np.ndarray:
    left, right = line[0, 1], line[-1, 1]
    ends = [(SIZE + _FAR, right), (SIZE + _FAR, -_FAR), (-_FAR, -_FAR), (-_FAR, left)]
    return np.vstack([line, np.array(ends, np.float32)])


def marked(path: Path = MARKS) -> list[Marked]:
    """All pictures of `covers.csv`, or of a file like it."""
    found: dict[tuple[str, int], Marked] = {}
    for line in path.read_text(encoding="utf-8").splitlines():
        name, row, use, corners = line.split(",")
        outline = np.array(corners.split(), np.float32).reshape(-1, 2)
        before = found.get((name, int(row)))
        known = before.outlines if before else ()
        found[name, int(row)] = Marked(name, int(row), use == "test", (*known, outline))
    return list(found.values())


def cover(scene: Scene, outlines: Sequence[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """(S, S) float32 coverage of outlines in a scene's pixels, and (S, S) bool where their edges leave that unsure."""
    inside = scene.polygon(*outlines)
    square = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (UNSURE, UNSURE))
    return inside, (cv2.dilate(inside, square) > 0.5) & (cv2.erode(inside, square) < 0.5)


def moved(outlines: Sequence[np.ndarray], points: np.ndarray, crop: Crop) -> list[np.ndarray]:
    """Outlines of a face with (81, 2) keypoints, in the pixels of another crop of it."""
    own = face_crop(points, SIZE)
    return [np.asarray(crop.into(own.back(outline)), np.float32) for outline in outlines]


class CutOuts:
    """What is before some faces, to be put before others: `draw` is one of `training.occluders`.

    Args:
        sets: of the pictures, by name.
        chosen: which are cut out.
    """

    def __init__(self, sets: dict[str, FaceSet], chosen: Sequence[Marked]) -> None:
        self._cuts = [_cut(sets[each.name], each) for each in chosen]

    def draw(self, scene: Scene, rng: np.random.Generator) -> None:
        """One of them, about where it was on its face, in its tone or this face's."""
        source, alpha = self._cuts[rng.integers(len(self._cuts))]
        mirror = 1.0 if rng.random() < _STRAIGHT else -1.0
        middle = source.points.mean(axis=0)
        scale = scene.unit / source.unit * np.exp(rng.normal(0, 0.15))
        angle = np.deg2rad(rng.normal(0, 20))
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * (mirror, 1.0)
        target = scene.points.mean(axis=0) + rng.normal(0, 0.25, 2) * scene.unit
        place = np.hstack([turn, (target - turn @ middle)[:, None]])
        size = (scene.size, scene.size)
        colour = cv2.warpAffine(source.picture, place, size, borderMode=cv2.BORDER_REPLICATE)  # arms go on
        covered = cv2.warpAffine(alpha, place, size, borderMode=cv2.BORDER_REPLICATE)
        if rng.random() < _RECOLOURED or np.ptp(source.skin) < _GREY:
            colour = colour * (scene.skin / np.maximum(source.skin, 8.0))
        colour = colour * rng.uniform(0.8, 1.25) * rng.normal(1, 0.04, 3)
        if rng.random() < _STRAIGHT:
            scene.cast_shadow(covered, rng)
        scene.paint(np.clip(colour, 0, 255), covered)
        square = np.ones((3, 3), np.uint8)
        scene.unsure |= (cv2.dilate(covered, square) > 0.1) & (cv2.erode(covered, square) < 0.9)


def _cut(faces: FaceSet, each: Marked) -> tuple[Scene, np.ndarray]:
    """A picture's crop, and the opacity (S, S) of what is cut out of it: a little less than is outlined."""
    points = faces.points[each.row]
    crop = face_crop(points, SIZE)
    scene = Scene(crop.cut(faces.picture(each.row)), crop.into(points))
    inside, _ = cover(scene, each.outlines)
    padded = cv2.copyMakeBorder(inside, 4, 4, 4, 4, cv2.BORDER_REPLICATE)
    shrunk = cv2.GaussianBlur(cv2.erode(padded, np.ones((3, 3), np.uint8)), (0, 0), 0.8)
    return scene, shrunk[4:-4, 4:-4]
