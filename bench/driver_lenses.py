"""Who is told to wear lenses that hide the eyes, and who is wrongly: people and clips the network never saw."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

import cv2
import numpy as np

import engines
from bench.clip_labels import labels
from bench.driver_heads import SIDE, found_face
from realtime.analysis.crop_net import CropNet
from realtime.analysis.eyes_seen import EyesNet
from realtime.analysis.networks import Networks
from realtime.frame import Pixels
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import LANDMARKS
from realtime.monitor.reading import Doubt, Reading
from realtime.monitor.visibility import EYES_SEEN
from training import data
from training.augment import infrared
from training.data import FaceSet
from training.eyewear import CLEAR, HIDDEN, SHINING, TINTED, plain, rows_of
from training.occluders import Draw, Scene
from training.occluders.glasses import covers_eyes, shows_eyes, spectacles
from training.occluders.harmless import make_up
from training.occluders.lenses import Lenses, clear, dark, mirrored, tinted
from training.synthetic.render import Renderer
from training.synthetic.scene import HELD_OUT, Ranges

_CUT = 192  # pixels of a face that is drawn on
_EVERY = 4  # of the many faces without any sunglasses, every so many-th
_DRAWN = 40  # and drawn on: every so many-th

Shown = tuple[Pixels, np.ndarray]  # a picture (H, W, 3), and its (81, 2) keypoints; those of the forehead may be NaN


@dataclass(frozen=True, slots=True)
class Told:
    """A kind of picture.

    Attributes:
        should: whether its eyes are hidden.
        pictures: how many.
        told: share that is said to be so.
    """

    should: bool
    pictures: int
    told: float


class Lookout:
    """Looks at single pictures as the live program does."""

    def __init__(self, networks: Networks) -> None:
        self._networks, self._eyes = networks, EyesNet(CropNet(engines.load("eyes_seen", threads=1)))
        self._rng = np.random.default_rng(6)

    def seen(self, shown: Shown) -> float:
        """How surely the eyes are seen."""
        picture, points = shown
        face = found_face(self._networks, picture, points[:LANDMARKS], self._rng)
        (looked,) = self._eyes(picture, (face,))
        assert looked.eyes_seen is not None
        return looked.eyes_seen

    def told(self, should: bool, pictures: Iterable[Shown]) -> Told:
        """Of a kind of picture."""
        hidden = [self.seen(shown) < EYES_SEEN for shown in pictures]
        return Told(should, len(hidden), float(np.mean(hidden)))


def told_of_pictures(networks: Networks, people: int) -> dict[str, Told]:
    """Real people of the measured half, as they are and with something drawn; rendered people with closed eyes."""
    sets = (data.faces_300w(), data.faces_ytf(), data.faces_muxspace(), data.faces_video())
    look = Lookout(networks)
    shining = {faces.name: rows_of(SHINING, faces, True) for faces in sets}
    kinds: dict[str, tuple[bool, Callable[[FaceSet], np.ndarray], Draw | None]] = {
        "sunglasses, dark": (True, lambda s: np.setdiff1d(rows_of(HIDDEN, s, True), shining[s.name]), None),
        "sunglasses that shine": (True, lambda s: shining[s.name], None),
        "drawn sunglasses, dark": (True, _few, _worn(dark)),
        "drawn mirrors": (True, _few, _worn(mirrored())),
        "clear glasses": (False, lambda s: rows_of(CLEAR, s, True), None),
        "tinted glasses, eyes seen": (False, lambda s: rows_of(TINTED, s, True), None),
        "drawn clear glasses": (False, _few, _worn(clear)),
        "drawn tinted glasses": (False, _few, _worn(tinted)),
        "everybody else": (False, _bare, None),
        "drawn make-up": (False, _few, make_up),
        "infrared look": (False, _few, _infrared),
    }
    told = {
        name: look.told(should, (shown for faces in sets for shown in _pictures(faces, rows(faces), draw, should)))
        for name, (should, rows, draw) in kinds.items()
    }
    return told | {
        f"rendered, eyes {how}": look.told(False, _rendered(people, closure))
        for how, closure in (("open", 0.0), ("closed", 1.0))
    }


def told_of_clips(readings: dict[str, list[Reading]]) -> dict[str, Told]:
    """The labelled eyes of the clips that were read by mode `monitor`."""
    told = {}
    for how, closed in (("open", False), ("closed", True)):
        hidden = [
            readings[label.clip][label.frame].doubt is Doubt.SUNGLASSES
            for label in labels()
            if label.clip in readings and label.closed is closed
        ]
        told[f"clips, eyes {how}"] = Told(False, len(hidden), float(np.mean(hidden)))
    return told


def _bare(faces: FaceSet) -> np.ndarray:
    worn = [rows_of(table, faces, True) for table in (CLEAR, TINTED)]
    return np.setdiff1d(plain(faces, True)[::_EVERY], np.concatenate(worn))


def _few(faces: FaceSet) -> np.ndarray:
    return plain(faces, True)[::_DRAWN]


def _pictures(faces: FaceSet, rows: np.ndarray, draw: Draw | None, hiding: bool) -> Iterator[Shown]:
    """Rows of a set; those left out that look over glasses that should hide the eyes, or are hidden by mere glare."""
    for row in rows:
        picture, points = faces.picture(row), faces.points[row]
        if draw is not None:
            crop = face_crop(points, _CUT)
            scene = Scene(crop.cut(picture), crop.into(points))
            draw(scene, np.random.default_rng(row))
            if not (covers_eyes(scene) if hiding else shows_eyes(scene)):
                continue
            picture, points = np.clip(scene.picture, 0, 255).astype(np.uint8), scene.points
        yield picture, points


def _worn(lenses: Lenses) -> Draw:
    return lambda scene, rng: spectacles(scene, rng, lenses)


def _infrared(scene: Scene, rng: np.random.Generator) -> None:
    grey = cv2.cvtColor(scene.picture / 255, cv2.COLOR_RGB2GRAY)
    scene.picture[:] = 255 * np.clip(infrared(grey, rng), 0, 1)[..., None]


def _rendered(people: int, closure: float) -> Iterable[Shown]:
    ranges = Ranges(yaw=35, pitch=20, roll=15, near=500, far=1000, glasses=0.0, hand=0.0, infrared=0.5)
    with Renderer(SIDE, ranges) as renderer:
        for person in range(people):
            scene = renderer.scene(HELD_OUT + ranges.views * (2000 + person))
            face = renderer.draw(replace(scene, closure=np.full(2, closure)))
            yield face.picture, face.points
