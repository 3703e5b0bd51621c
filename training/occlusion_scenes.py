"""Training scenes for the occlusion network: real faces, covered by `training.occluders`.

Many real faces wear glasses or hair that nobody labelled. Taught as "nothing there", they would unteach what the drawn
ones teach: so an example says where it is only believed to be free (`Example.believed`), and the loss gives in there
where the network is sure of the contrary (see `training.recipes.occlusion`). Fringes and hats are told by their colour
as the live program tells those of a photo (`realtime.effects.bare`): they are believed to be covers where that is sure,
and nobody's knowledge where it is not, nor is hair at the sides of a face, which colour is not asked about. In some
pictures somebody drew the hairline instead: there the face is known, not believed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import cv2
import numpy as np

from engines.networks.occlusion import SIZE
from realtime.effects.bare import bare
from realtime.geometry.crops import face_crop
from realtime.geometry.mesh import OUTLINE
from training import data, run
from training.augment import degraded, moved_crop
from training.camera import motion_kernel
from training.cover_marks import CutOuts, cover, hairlines, marked, moved
from training.data import FaceSet
from training.occluders import HARMLESS, OCCLUDERS, draw_one
from training.occluders.glasses import glasses
from training.occluders.layer import Layer
from training.occluders.scene import Scene

# How often each set is drawn. The press photos are grey and small; two clips show few faces.
SHARE = {"300w": 0.5, "ytf": 0.25, "muxspace": 0.2, "video": 0.05}
# Besides those the other networks hold out (`data.HELD_OUT_CLIPS`): both show glasses, for looking at the result.
HELD_OUT_CLIPS = ("d9", "d12")
PRESS_PHOTOS = 4  # only every so many-th of them
TAKES = 2  # of each scene, by as many cameras: drawing costs more than a step of the training
HARMED = 0.45  # share of scenes in which light, make-up or a beard change what covers nothing
COVERED = 0.75  # share of scenes in which something is in front of the face
MARKED = 0.3  # share of scenes of pictures in which somebody outlined what is really there, or the hairline
CUT_OUT = 0.3  # share of covers that are cut out of such pictures
BURNT = 0.15  # share of scenes lit from one side by more light than the camera takes
WORN = 0.12  # share of covered scenes in which the face wears glasses besides, beneath what covers it
MOVING = 0.25  # share of covered scenes in which what covers the face moves
_SMEAR = (3.0, 16.0)  # pixels that it moves by meanwhile
OWN_HAIR = (0.1, 0.9)  # a picture's own hair or hat: from the first on nobody knows, from the second on it is one
_BESIDE = 9  # pixels: so near to what was drawn, the picture is known to be free
# Along the sides of a face, from the brows to the mouth, hair hangs that colour is not asked about: a box in the mean
# face's axes, and how far it reaches into the face, in the crop's side.
_SIDES, _DEEP = np.array([(-2, -0.7, 0), (2, -0.7, 0), (2, 0.5, 0), (-2, 0.5, 0)]), 0.05
_EDGES = 4.0  # weight of edges and thin things, beside 1 everywhere
_MARGIN = 0.04  # of the crop: the face counts this far beyond its outline


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The faces of one set to make scenes of.

    Attributes:
        faces: the set.
        rows: (N,) which of its pictures.
        outlines: row → what is before the face, where somebody outlined that (see `training.cover_marks`).
        hairlines: row → outline of the hair or hat, where somebody drew the hairline and the face below it is free.
    """

    faces: FaceSet
    rows: np.ndarray
    outlines: dict[int, tuple[np.ndarray, ...]] = field(default_factory=dict)
    hairlines: dict[int, tuple[np.ndarray, ...]] = field(default_factory=dict)


def material() -> tuple[list[Material], CutOuts]:
    """The sets with what is to be trained on, and what may be cut out of their pictures."""
    sets = (data.faces_300w(), data.faces_ytf(), data.faces_muxspace(), data.faces_video())
    known, lines = marked(), hairlines()
    chosen = []
    for faces in sets:
        rows = faces.training()[:: PRESS_PHOTOS if faces.name == "muxspace" else 1]
        test = [each.row for each in known + lines if each.name == faces.name and each.test]
        people = {*HELD_OUT_CLIPS, *(faces.identity[test])} - {""}
        rows = rows[~np.isin(rows, test) & ~np.isin(faces.identity[rows], list(people))]
        outlined = (
            {each.row: each.outlines for each in marks if each.name == faces.name and not each.test}
            for marks in (known, lines)
        )
        chosen.append(Material(faces, rows, *outlined))
    return chosen, CutOuts({faces.name: faces for faces in sets}, [each for each in known if not each.test])


@dataclass(frozen=True, slots=True, eq=False)
class Example:
    """One covered face.

    Attributes:
        image: (S, S, 3) uint8 RGB.
        mask: (S, S) float32 in 0..1, what is covered.
        weight: (S, S) float32, how much each place counts; 0 where nobody knows.
        believed: (S, S) bool, where nobody said whether the mask is right: places of the real picture that are taken to
            be free, away from all that was drawn, and hair that is told by its colour.
    """

    image: np.ndarray
    mask: np.ndarray
    weight: np.ndarray
    believed: np.ndarray


def example(
    source: Material,
    row: int,
    rng: np.random.Generator,
    cut_outs: CutOuts | None = None,
    covered: float = COVERED,
) -> Example:
    """The face of one of the set's rows with something before it in a `covered` share of the cases."""
    points = source.faces.points[row]
    scale = float(np.exp(rng.normal(0, 0.06)))
    crop = moved_crop(face_crop(points, SIZE), rng.normal(0, 5), scale, rng.normal(0, 0.02, 2))
    cut = crop.cut(source.faces.picture(row))
    scene = Scene(cut, crop.into(points))
    grey = cv2.absdiff(cut[..., 0], cut[..., 2]).max() < 6
    inside = face_region(scene.points)
    drawn = row in source.hairlines
    if drawn:
        hidden, unknown = cover(scene, moved(source.hairlines[row], points, crop))
        own = (hidden > 0.5) & (inside > 0)
        covered *= 0.5
    else:
        hidden = own_hair(cut, scene.points)
        own = (hidden > OWN_HAIR[1]) & (inside > 0) & (not grey)  # grey tells hair from shade too badly
        unknown = (hidden > OWN_HAIR[0]) & ~own
    if rng.random() < HARMED:
        draw_one(HARMLESS, scene, rng)
    if row in source.outlines:
        there, edge = cover(scene, moved(source.outlines[row], points, crop))
        scene.mask, scene.unsure = np.maximum(scene.mask, there), scene.unsure | edge
        covered *= 0.3
    if rng.random() < covered:
        _cover(scene, rng, cut_outs)
    if rng.random() < BURNT:
        _sunlit(scene, rng)
    edges = np.abs(scene.mask - cv2.blur(scene.mask, (7, 7)))
    unsure = scene.unsure | (unknown & (scene.mask < 0.5))
    weight = np.maximum(inside, 0.3 * (scene.mask > 0.5)) * ~unsure * (1 + _EDGES * edges)
    mask = np.maximum(scene.mask, own)
    believed = cv2.dilate(mask, np.ones((2 * _BESIDE + 1,) * 2)) < 0.05
    if drawn:
        believed &= face_region(scene.points, 0.0) == 0
    else:
        weight *= ~(believed & _sides(scene))
        believed |= own & (scene.mask < 0.5)
    image = np.clip(scene.picture, 0, 255).astype(np.uint8)
    if grey:
        image = cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    return Example(image, mask, weight.astype(np.float32), believed)


def _cover(scene: Scene, rng: np.random.Generator, cut_outs: CutOuts | None) -> None:
    """Something before the face, or two things; they may move while the picture is taken."""
    layer = Layer(scene.picture, scene.points)
    if rng.random() < WORN:
        glasses(layer, rng)
    for _ in range(1 + (rng.random() < 0.2)):
        if cut_outs is not None and rng.random() < CUT_OUT:
            cut_outs.draw(layer, rng)
        else:
            draw_one(OCCLUDERS, layer, rng)
    if rng.random() < MOVING:
        layer.smear(motion_kernel(rng.uniform(*_SMEAR), rng.uniform(0, np.pi)))
    scene.picture, scene.mask = layer.picture, np.maximum(scene.mask, layer.mask)
    scene.unsure = (scene.unsure & (layer.mask < 0.5)) | layer.unsure


def _sides(scene: Scene) -> np.ndarray:
    """(S, S) bool where hair may hang beside eyes and cheeks."""
    reach = round(_DEEP * SIZE)
    core = cv2.erode(face_region(scene.points, 0.0), np.ones((2 * reach + 1, 2 * reach + 1)))
    return (scene.polygon(scene.at(_SIDES)) > 0.5) & (core == 0)


def _sunlit(scene: Scene, rng: np.random.Generator) -> None:
    """Sun from one side: what it falls on may burn out, face and cover alike."""
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32) / SIZE - 0.5
    angle = rng.uniform(0, 2 * np.pi)
    lit = np.clip(0.5 + (x * np.cos(angle) + y * np.sin(angle)) * rng.uniform(1, 6) + rng.normal(0, 0.3), 0, 1)
    scene.shade(1 + rng.uniform(0.3, 1.5) * lit)


def own_hair(picture: np.ndarray, points: np.ndarray) -> np.ndarray:
    """(S, S) float32 in 0..1, how surely a picture (S, S, 3) has hair or a hat in front of or above its face's skin."""
    return 1 - bare(picture, points) / np.float32(255)


def taken(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) uint8 as one of many cameras gives it: colours, then light, blur, noise and codec."""
    values = image.astype(np.float32)
    values *= rng.normal(1, 0.07, 3).astype(np.float32)
    grey = (values @ np.full(3, 1 / 3, np.float32))[..., None]
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
    """Step number → image (B, 3, S, S) uint8; mask and weight float32, believed bool, each (B, 1, S, S)."""

    def __init__(self, sources: list[Material], size: int, seed: int, cut_outs: CutOuts | None = None) -> None:
        self.sources, self.size, self.seed, self.cut_outs = sources, size, seed, cut_outs
        self.share = np.array([SHARE[source.faces.name] for source in sources])

    def __call__(self, step: int) -> run.Batch:
        rng = np.random.default_rng((self.seed, step))
        rows = []
        for _ in range(self.size // TAKES):
            made = example(*self._chosen(rng), rng, self.cut_outs)
            for take in range(TAKES):
                flip = np.s_[:, :: -1 if take % 2 else 1]  # every other take is mirrored
                maps = made.mask, made.weight, made.believed
                rows.append((taken(made.image, rng)[flip], *(part[flip] for part in maps)))
        image, *maps = (np.stack(part) for part in zip(*rows, strict=True))
        named = dict(zip(("mask", "weight", "believed"), maps, strict=True))
        return {"image": image.transpose(0, 3, 1, 2), **{key: part[:, None] for key, part in named.items()}}

    def _chosen(self, rng: np.random.Generator) -> tuple[Material, int]:
        """A set and a row of it."""
        outlined = [(source, row) for source in self.sources for row in (*source.outlines, *source.hairlines)]
        if outlined and rng.random() < MARKED:
            return outlined[rng.integers(len(outlined))]
        source = self.sources[rng.choice(len(self.sources), p=self.share / self.share.sum())]
        return source, int(source.rows[rng.integers(len(source.rows))])
