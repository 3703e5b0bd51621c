"""Training scenes for the occlusion network: real faces, covered by `training.occluders`, with what the loss may ask.

Many real faces wear glasses or hair that nobody labelled. Taught as "nothing there", they would unteach what the drawn
ones teach. So a first network, trained on all of them, says where it doubts that a real face is free (`doubts`), and
then it is trained on without being asked there (`Material.doubt`).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engines.networks.occlusion import SIZE
from realtime.geometry.crops import Crop, face_crop
from realtime.geometry.mesh import OUTLINE
from training import data, run
from training.augment import degraded, moved_crop
from training.data import FaceSet
from training.occluders import HARMLESS, OCCLUDERS, draw_one
from training.occluders.scene import Scene, whole

# How often each set is drawn. The press photos are grey and small; two clips show few faces.
SHARE = {"300w": 0.5, "ytf": 0.25, "muxspace": 0.2, "video": 0.05}
# Besides those the other networks hold out (`data.HELD_OUT_CLIPS`): both show glasses, for looking at the result.
HELD_OUT_CLIPS = ("d9", "d12")
PRESS_PHOTOS = 4  # only every so many-th of them
TAKES = 4  # of each scene, by as many cameras: drawing costs more than a step of the training
COVERED = 0.75  # share of scenes in which something is in front of the face
DOUBT_SIDE = 64
DOUBTED = 0.3  # the first network's answer from which on a place is not asked for
_MARGIN = 0.04  # of the crop: the face counts this far beyond its outline


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The faces of one set to make scenes of.

    Attributes:
        faces: the set.
        rows: (N,) which of its pictures.
        doubt: (N, 64, 64) uint8, 255 times how surely something real covers the face, in its `face_crop`; None: nobody
            knows yet.
    """

    faces: FaceSet
    rows: np.ndarray
    doubt: np.ndarray | None = None


def material(held_out: bool = False) -> list[Material]:
    """The sets with what is to be trained on, or what is held out of them."""
    sets = (data.faces_300w(), data.faces_ytf(), data.faces_muxspace(), data.faces_video())
    chosen = []
    for faces in sets:
        rows = faces.testing() if held_out else faces.training()
        rows = rows[:: PRESS_PHOTOS if faces.name == "muxspace" else 1]
        chosen.append(Material(faces, rows[~np.isin(faces.identity[rows], HELD_OUT_CLIPS)]))
    return chosen


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One covered face: image (S, S, 3) uint8 RGB, mask (S, S) in 0..1, known (S, S) in 0..1: what the loss may ask."""

    image: np.ndarray
    mask: np.ndarray
    known: np.ndarray


def example(source: Material, number: int, rng: np.random.Generator, covered: float = COVERED) -> Example:
    """Face `number` of the material with something before it in a `covered` share of the cases."""
    row = source.rows[number]
    picture, points = source.faces.picture(row), source.faces.points[row]
    plain = face_crop(points, SIZE)
    crop = moved_crop(plain, rng.normal(0, 5), np.exp(rng.normal(0, 0.06)), rng.normal(0, 0.02, 2))
    cut = crop.cut(picture)
    scene = Scene(cut, crop.into(points))
    if rng.random() < 0.4:
        draw_one(HARMLESS, scene, rng)
    if rng.random() < covered:
        for _ in range(1 + (rng.random() < 0.2)):
            draw_one(OCCLUDERS, scene, rng)
    inside = face_region(scene.points)
    known = np.maximum(inside, 0.3 * (scene.mask > 0.5)) * ~scene.unsure
    if source.doubt is not None:
        known *= (scene.mask > 0.5) | (_moved(source.doubt[number], plain, crop) < 255 * DOUBTED)
    image = np.clip(scene.picture, 0, 255).astype(np.uint8)
    if np.ptp(cut, axis=2).max() < 6:
        image = _grey(image)
    return Example(image, scene.mask, known.astype(np.float32))


def taken(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) uint8 as one of many cameras gives it: colours, then light, blur, noise and codec."""
    values = image.astype(np.float32)
    values *= rng.normal(1, 0.07, 3)
    grey = values.mean(axis=2, keepdims=True)
    saturation = 0.0 if rng.random() < 0.12 else rng.uniform(0.6, 1.3)
    values = grey + saturation * (values - grey)
    return degraded(np.clip(values, 0, 255).astype(np.uint8), rng)


def face_region(points: np.ndarray, margin: float = _MARGIN) -> np.ndarray:
    """(S, S) float32, 1 on the face of (81, 2) keypoints in the crop, and a share of its side beyond."""
    mask = np.zeros((SIZE, SIZE), np.uint8)
    cv2.fillPoly(mask, [np.round(points[OUTLINE]).astype(np.int32)], 1)
    side = 2 * round(margin * SIZE) + 1
    return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))).astype(np.float32)


class Batches:
    """Step number → image (B, 3, S, S) uint8, mask and known (B, 1, S, S) float32."""

    def __init__(self, sources: list[Material], size: int, seed: int) -> None:
        self.sources, self.size, self.seed = sources, size, seed
        self.share = np.array([SHARE[source.faces.name] for source in sources])

    def __call__(self, step: int) -> run.Batch:
        rng = np.random.default_rng((self.seed, step))
        rows = []
        for _ in range(self.size // TAKES):
            source = self.sources[rng.choice(len(self.sources), p=self.share / self.share.sum())]
            made = example(source, int(rng.integers(len(source.rows))), rng)
            for take in range(TAKES):
                flip = np.s_[:, :: -1 if take % 2 else 1]  # every other take is mirrored
                rows.append((taken(made.image, rng)[flip], made.mask[flip], made.known[flip]))
        image, mask, known = (np.stack(part) for part in zip(*rows, strict=True))
        return {"image": image.transpose(0, 3, 1, 2), "mask": mask[:, None], "known": known[:, None]}


def plain_crops(source: Material, numbers: np.ndarray) -> np.ndarray:
    """(N, 3, S, S) uint8: the faces of these numbers as they are."""
    faces = source.faces
    crops = [face_crop(faces.points[row], SIZE).cut(faces.picture(row)) for row in source.rows[numbers]]
    return np.stack(crops).transpose(0, 3, 1, 2)


def keypoints(source: Material, number: int) -> np.ndarray:
    """(81, 2) keypoints of a face in its plain crop."""
    points = source.faces.points[source.rows[number]]
    return whole(face_crop(points, SIZE).into(points))


def _moved(doubt: np.ndarray, plain: Crop, crop: Crop) -> np.ndarray:
    """(S, S) the (64, 64) map of the plain crop as another crop sees it, spread by a little."""
    grown = cv2.dilate(doubt, np.ones((3, 3), np.uint8))
    scale = np.diag([SIZE / DOUBT_SIDE, SIZE / DOUBT_SIDE, 1.0])
    scale[:2, 2] = 0.5 * SIZE / DOUBT_SIDE - 0.5
    whole_plain, whole_crop = (np.vstack([each.matrix, [0, 0, 1]]) for each in (plain, crop))
    matrix = (whole_crop @ np.linalg.inv(whole_plain) @ scale)[:2]
    return cv2.warpAffine(grown, matrix, (SIZE, SIZE), borderMode=cv2.BORDER_REPLICATE)


def _grey(image: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
