"""Measures the face detector beside the stock one: what the model card's table holds.

A face counts as found at an IoU of 0.5 with the box of its landmarks, and, because the stock detector's box runs from
forehead to chin, also loosely: the middle inside the box and an IoU of 0.3. Both see the picture at the same size.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import cv2
import numpy as np

import engines
from realtime.analysis.detector import Detector, letterbox
from realtime.geometry.topology import LANDMARKS
from training import data
from training.backgrounds import PATTERNS, Backgrounds
from training.data import FaceSet
from training.portraits import (
    StockDetector,
    face_free_photos,
    of_clips,
    strangers,
    surroundings,
    turned,
    without_face,
)
from training.profiles import nose_offset
from training.scenes import Composer, Portrait, box_of, shared, size_of

SIDE = 320
# Photographs in scikit-image without a human face that training never shows.
PHOTOS = ("coffee", "chelsea", "rocket", "moon", "brick", "clock_motion", "text", "logo")
Find = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A picture and all faces in it.

    Attributes:
        picture: (H, W, 3) uint8 RGB.
        faces: (M, 4) float32 landmark boxes.
        crowded: True where there may be more faces than those, so that others found are not errors.
    """

    picture: np.ndarray
    faces: np.ndarray
    crowded: bool = False


@dataclass(frozen=True, slots=True)
class Score:
    """How one detector did on one group of cases.

    Attributes:
        pictures, faces: how many there were.
        strict, loose: shares of the faces found.
        false: detections on no face, per 100 pictures; NaN where the pictures may show unlabelled faces.
    """

    pictures: int
    faces: int
    strict: float
    loose: float
    false: float


def iou(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes x, y, w, h."""
    common = shared(box, other)
    return common / max(float(box[2] * box[3] + other[2] * other[3]) - common, 1e-9)


def score(cases: Iterable[Case], find: Find) -> Score:
    """Run a detector, picture → (N, 4) boxes, over all cases."""
    pictures = faces = strict = loose = wrong = 0
    crowded = False
    for case in cases:
        found = find(case.picture)
        pictures, faces, crowded = pictures + 1, faces + len(case.faces), crowded or case.crowded
        hit = np.zeros(len(found), bool)
        for face in case.faces:
            overlaps = np.array([iou(box, face) for box in found])
            middle = found[:, :2] + found[:, 2:] / 2
            inside = ((middle > face[:2]) & (middle < face[:2] + face[2:])).all(axis=1) & (overlaps >= 0.3)
            strict += bool((overlaps >= 0.5).any())
            loose += bool(inside.any())
            hit |= inside | (overlaps >= 0.3)
        wrong += int((~hit).sum())
    share = max(faces, 1)
    return Score(
        pictures, faces, strict / share, loose / share, float("nan") if crowded else 100 * wrong / max(pictures, 1)
    )


def ours(threshold: float | None = None) -> Find:
    """The deployed detector."""
    options = {} if threshold is None else {"threshold": threshold}
    detector = Detector(engines.load("detector", threads=1), **options)
    return lambda picture: np.array([face.box for face in detector(picture)]).reshape(-1, 4)


def stock(threshold: float = 0.6) -> Find:
    """YuNet on the picture shrunk to what ours sees of it."""
    detector = StockDetector(data.folder(), threshold)

    def find(picture: np.ndarray) -> np.ndarray:
        place = letterbox(picture.shape[1], picture.shape[0], SIDE)
        small = cv2.resize(picture, place.size, interpolation=cv2.INTER_AREA)
        found = detector(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[:, :4]
        return found / np.tile(place.scale, 2)

    return find


def held_out(faces: FaceSet, least_turn: float = 0.0) -> Iterator[Case]:
    """Test pictures of a set, those whose `nose_offset` is at least that to either side."""
    for index in faces.testing():
        points = faces.points[index, :LANDMARKS]
        if abs(nose_offset(points)) >= least_turn:
            yield Case(faces.picture(index), box_of(points)[None], crowded=True)


def clip(name: str, step: int = 5) -> Iterator[Case]:
    """Whole frames of a held-out clip."""
    for portrait in of_clips((name,), step):
        picture = cv2.cvtColor(cv2.imdecode(portrait.jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        yield Case(picture, box_of(portrait.points)[None])


def far_away(cases: Iterable[Case], low: float, high: float) -> Iterator[Case]:
    """The pictures shrunk onto a 1280x720 photograph so that the face is `low` to `high` of its height."""
    rng = np.random.default_rng(5)
    room = cv2.resize(cv2.cvtColor(cv2.imread(str(face_free_photos(("coffee",))[0])), cv2.COLOR_BGR2RGB), (1280, 720))
    for case in cases:
        factor = rng.uniform(low, high) * 720 / case.faces[0, 3]
        small = cv2.resize(case.picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        height, width = np.minimum(small.shape[:2], room.shape[:2])
        top, left = rng.integers(0, [720 - height + 1, 1280 - width + 1])
        frame = room.copy()
        frame[top : top + height, left : left + width] = small[:height, :width]
        yield Case(frame, (case.faces * factor + [left, top, 0, 0]).astype(np.float32))


def darkened(cases: Iterable[Case]) -> Iterator[Case]:
    """The pictures at a twelfth of their light, with the noise of a camera at its limit."""
    rng = np.random.default_rng(6)
    for case in cases:
        dark = case.picture / 12 + rng.normal(0, 1.5, case.picture.shape)
        yield Case(np.clip(dark, 0, 255).astype(np.uint8), case.faces, case.crowded)


def infrared() -> Iterator[Case]:
    """Near-infrared pictures of the depth camera sets, none of them ever trained on.

    Their boxes come from MediaPipe's mesh: each landmark is the vertex that is nearest to it in faces_300w.
    """
    vertices = mesh_vertices()
    for year in ("2017", "2019"):
        with np.load(data.folder() / f"rap3df_{year}.npz", allow_pickle=False) as pack:
            pictures = pack["ir"]
        for index, mesh in data.mesh_points(f"rap3df_{year}").items():
            picture = cv2.cvtColor(pictures[index], cv2.COLOR_GRAY2RGB)
            yield Case(picture, box_of(mesh[vertices, :2])[None])


def mesh_vertices() -> np.ndarray:
    """(68,) the vertex of MediaPipe's mesh that lies nearest to each landmark, over all pictures of faces_300w."""
    faces, meshes = data.faces_300w(), data.mesh_points("300w")
    total = np.zeros((LANDMARKS, 468))
    for index in faces.labelled():
        points = faces.points[index, :LANDMARKS]
        total += np.linalg.norm(points[:, None] - meshes[index][None, :, :2], axis=2) / size_of(box_of(points))
    return total.argmin(axis=1)


def face_free() -> Iterator[Case]:
    """Pictures without a human face: photographs and their halves, patterns, and test pictures without their head."""
    none = np.empty((0, 4), np.float32)
    for path in face_free_photos(PHOTOS):
        picture = cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)
        yield Case(picture, none)
        for part in np.array_split(picture, 2) + np.array_split(picture, 2, axis=1):
            yield Case(np.ascontiguousarray(part), none)
    rng = np.random.default_rng(11)
    for index in range(40):
        yield Case(cv2.cvtColor(PATTERNS[index % len(PATTERNS)](rng, SIDE), cv2.COLOR_GRAY2RGB), none)
    detector = StockDetector(data.folder(), 0.3)
    faces = data.faces_ytf()
    for index in faces.testing()[::4]:
        picture, box = faces.picture(index), box_of(faces.points[index, :LANDMARKS])
        found = strangers(detector(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)), box)
        if len(found) == 0:
            grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
            yield Case(cv2.cvtColor(without_face(grey, box), cv2.COLOR_GRAY2RGB), none)


def alone(faces: FaceSet, index: int) -> Portrait:
    """A labelled picture as a portrait without strangers."""
    return Portrait(faces.codes[index], faces.points[index, :LANDMARKS], np.empty((0, 4), np.float32))


def profiles(count: int = 150) -> Iterator[Case]:
    """Held-out photos with the head turned to 35-80 degrees by a warp, not by the person."""
    faces = data.faces_300w()
    held = [
        Portrait(faces.codes[i], faces.points[i, :LANDMARKS], np.empty((0, 4), np.float32)) for i in faces.testing()
    ]
    for portrait in turned(faces, faces.testing(), held, count, np.random.default_rng(8)):
        picture = cv2.cvtColor(cv2.imdecode(portrait.jpeg, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        yield Case(picture, box_of(portrait.points)[None], crowded=True)


def scenes(low: float, high: float, count: int = 300) -> Iterator[Case]:
    """Composed scenes of held-out heads, cut down to the faces of `low` to `high` pixels at 320."""
    composer = _held_out_composer()
    for index in range(count):
        scene = composer.scene(99, index)
        size = np.sqrt(scene.faces[:, 2] * scene.faces[:, 3])
        chosen = scene.faces[(size >= low) & (size < high), :4]
        if len(chosen):
            yield Case(cv2.cvtColor(scene.image, cv2.COLOR_GRAY2RGB), chosen, crowded=True)


def _held_out_composer() -> Composer:
    portraits, pieces = [], []
    for faces in (data.faces_300w(), data.faces_ytf()):
        for index in faces.testing():
            points = faces.points[index, :LANDMARKS]
            portraits.append(alone(faces, index))
            pieces += surroundings(faces.grey(index), box_of(points), np.empty((0, 4), np.float32))
    photos = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in face_free_photos(PHOTOS)]
    backgrounds = Backgrounds(photos, pieces, np.random.default_rng(3), patterns=40)
    return Composer(portraits, np.ones(len(portraits)), backgrounds)


def groups() -> dict[str, Callable[[], Iterator[Case]]]:
    """Every group of the table by its title."""
    return {
        "faces_300w, held out": lambda: held_out(data.faces_300w()),
        "faces_ytf, held-out people": lambda: held_out(data.faces_ytf()),
        "… of these, turned sideways": lambda: held_out(data.faces_ytf(), 0.6),
        "faces_300w, turned to 35-80° by a warp": profiles,
        "faces_300w, dark and noisy": lambda: darkened(held_out(data.faces_300w())),
        "clip d10, whole frames": lambda: clip("d10"),
        "clip s18, whole frames": lambda: clip("s18"),
        "clips, face 5-10 % of 720 lines": lambda: far_away((c for n in ("d10", "s18") for c in clip(n)), 0.05, 0.10),
        "near infrared (rap3df)": infrared,
        "scenes, faces of 8-12 px": lambda: scenes(8, 12),
        "scenes, faces of 12-20 px": lambda: scenes(12, 20),
        "scenes, faces of 20-60 px": lambda: scenes(20, 60),
        "scenes, faces over 60 px": lambda: scenes(60, 400),
        "no face": face_free,
    }


def table(finders: dict[str, Find]) -> str:
    """The table in Markdown: one row per group and detector."""
    rows = ["| pictures | detector | n | IoU ≥ 0.5 | loose | false / 100 |", "|---|---|---|---|---|---|"]
    for title, cases in groups().items():
        kept = list(cases())
        for name, find in finders.items():
            one = score(kept, find)
            recall = f"{one.strict:.1%} | {one.loose:.1%}" if one.faces else "– | –"
            false = "–" if np.isnan(one.false) else f"{one.false:.1f}"
            rows.append(f"| {title} | {name} | {one.pictures} | {recall} | {false} |")
    return "\n".join(rows)
