"""Training scenes for the network that tells whether eyes can be seen: real faces, most with lenses drawn before them.

Real sunglasses are few, and every drawn one is of our making; the network sees both, and glasses that hide nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from engines.networks.eyes_seen import SIZE
from realtime.geometry.crops import eyes_crop
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from training import data, run
from training.augment import degraded, moved_crop
from training.data import FaceSet
from training.eyewear import CLEAR, HIDDEN, TINTED, plain, rows_of
from training.occluders import HARMLESS, Scene, draw_one
from training.occluders.glasses import covers_eyes, spectacles
from training.occluders.harmless import hollow
from training.occluders.lenses import Lenses, clear, dark, mirrored, tinted

SHARE = {"300w": 0.35, "ytf": 0.2, "muxspace": 0.4, "video": 0.05}  # how often each set is drawn
HIDDEN_SHARE = 0.45
REAL_HIDDEN = 0.4  # of the hidden ones, those that really wear sunglasses
REAL_CLEAR = 0.2  # of the others, those known to wear glasses
NARROW = 0.15  # those whose lids are nearly closed
DRAWN_CLEAR = 0.4  # of the rest, those that get glasses
_NARROW_LIDS = 0.16  # gap of the lids by the width of the eye
HOLLOW = 0.1  # share of the pictures whose eyes lie in shade
TAKES = 2  # of each scene, by as many cameras: drawing costs more than a step of the training
HARMED = 0.3  # share of the pictures in which light, make-up or a beard change what hides nothing


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """The faces of one set to make scenes of.

    Attributes:
        faces: the set.
        rows: whose eyes are seen; hidden, clear, narrow: who wears sunglasses, who wears others, whose lids are low.
    """

    faces: FaceSet
    rows: np.ndarray
    hidden: np.ndarray
    clear: np.ndarray
    narrow: np.ndarray


def material() -> list[Material]:
    """The half of the sets' people to train on."""
    sets = (data.faces_300w(), data.faces_ytf(), data.faces_muxspace(), data.faces_video())
    return [_sorted(faces) for faces in sets]


def _sorted(faces: FaceSet) -> Material:
    rows = plain(faces, False)
    glasses = np.union1d(rows_of(CLEAR, faces, False), rows_of(TINTED, faces, False))
    narrow = rows[lids_apart(faces.points[rows]) < _NARROW_LIDS]
    return Material(faces, rows, rows_of(HIDDEN, faces, False), glasses, narrow)


def lids_apart(points: np.ndarray) -> np.ndarray:
    """(N,) gap of the lids by the width of the eye, of the more open eye of each of (N, 81, 2) faces."""
    eyes = points[:, np.stack([LEFT_EYE, RIGHT_EYE])]
    gap = np.linalg.norm(eyes[:, :, 1:3] - eyes[:, :, [5, 4]], axis=3).mean(axis=2)
    return (gap / np.linalg.norm(eyes[:, :, 3] - eyes[:, :, 0], axis=2)).max(axis=1)


class Batches:
    """Step number → image (B, 1, S, S) uint8 and seen (B, 1) float32, 1 where no lenses hide the eyes."""

    def __init__(self, sources: list[Material], size: int, seed: int) -> None:
        self.sources, self.size, self.seed = sources, size, seed
        share = np.array([SHARE[source.faces.name] for source in sources])
        self._share = share / share.sum()
        # press photos show little but the face
        self._around = data.Backgrounds([source.faces for source in sources if source.faces.name != "muxspace"])

    def __call__(self, step: int) -> run.Batch:
        rng = np.random.default_rng((self.seed, step))
        made = [self._example(rng) for _ in range(self.size // TAKES)]
        images = np.stack([taken(scene, rng) for scene, _ in made for _ in range(TAKES)])
        return {"image": images[:, None], "seen": np.repeat(np.float32([seen for _, seen in made]), TAKES)[:, None]}

    def _example(self, rng: np.random.Generator) -> tuple[Scene, bool]:
        """A face and whether its eyes are seen."""
        if rng.random() < HIDDEN_SHARE:
            if rng.random() < REAL_HIDDEN:
                return self._one_of(rng, "hidden"), False
            return self._covered(rng), False
        kind = rng.random()
        if kind < REAL_CLEAR + NARROW:
            return self._one_of(rng, "clear" if kind < REAL_CLEAR else "narrow"), True
        source = self._source(rng)
        scene = self._scene(source, rng.choice(source.rows), rng)
        if rng.random() < DRAWN_CLEAR:
            spectacles(scene, rng, tinted if rng.random() < 0.5 else clear)
        return scene, True

    def _covered(self, rng: np.random.Generator) -> Scene:
        """A face with drawn sunglasses that it does not look over."""
        while True:
            source = self._source(rng)
            scene = self._scene(source, rng.choice(source.rows), rng)
            spectacles(scene, rng, self._opaque(rng))
            if covers_eyes(scene):
                return scene

    def _source(self, rng: np.random.Generator) -> Material:
        return self.sources[rng.choice(len(self.sources), p=self._share)]

    def _one_of(self, rng: np.random.Generator, kind: str) -> Scene:
        """A face of all sets' "hidden", "clear" or "narrow" ones."""
        counts = np.array([len(getattr(source, kind)) for source in self.sources], float)
        source = self.sources[rng.choice(len(self.sources), p=counts / counts.sum())]
        return self._scene(source, rng.choice(getattr(source, kind)), rng)

    def _opaque(self, rng: np.random.Generator) -> Lenses:
        if rng.random() < 0.45:
            return dark
        if rng.random() < 0.5:
            return mirrored()
        return mirrored(self._around.sample(rng, SIZE))

    def _scene(self, source: Material, row: int, rng: np.random.Generator) -> Scene:
        points = source.faces.points[row]
        scale = float(np.exp(rng.normal(0, 0.08)))
        crop = moved_crop(eyes_crop(points, SIZE), rng.normal(0, 5), scale, rng.normal(0, 0.03, 2))
        scene = Scene(crop.cut(source.faces.picture(row)), crop.into(points))
        if rng.random() < HARMED:
            draw_one(HARMLESS, scene, rng)
        if rng.random() < HOLLOW:
            hollow(scene, rng)
        return scene


def taken(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """(S, S) uint8 grey as one of many cameras gives it, mirrored or not."""
    grey = cv2.cvtColor(np.clip(scene.picture, 0, 255).astype(np.uint8), cv2.COLOR_RGB2GRAY)
    return degraded(np.ascontiguousarray(grey[:, :: rng.choice((-1, 1))]), rng)
