"""Measures the face detector, alone and as the live loop uses it, beside two stock ones: the model card's table.

A face counts as found where the middle of a box lies in the box of its landmarks and both have an IoU of 0.3: the stock
detectors' boxes run from forehead to chin. All of them see a picture at the same size, but for the close-ups.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

import engines
from realtime.analysis.detector import Detector, letterbox, suppress
from realtime.analysis.networks import Networks, search
from realtime.analysis.pose import RIGIDITY, fit_similarity, pose_of
from realtime.analysis.tracker import Tracker
from realtime.analysis.views import close_ups, whole
from realtime.geometry.template import template
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
ROOM = (1280, 720)
MOST_FACES = 8  # that the live loop is asked for
NONE = np.empty((0, 4), np.float32)
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
        found: share of the faces; NaN where there are none.
        false: detections on no face, per 100 pictures; NaN where the pictures may show unlabelled faces.
    """

    pictures: int
    faces: int
    found: float
    false: float

    def __str__(self) -> str:
        found = "–" if np.isnan(self.found) else f"{self.found:.1%}"
        return found if np.isnan(self.false) else f"{found}, {self.false:.1f}"


def iou(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes x, y, w, h."""
    common = shared(box, other)
    return common / max(float(box[2] * box[3] + other[2] * other[3]) - common, 1e-9)


def score(cases: Iterable[Case], find: Find) -> Score:
    """Run a detector, picture → (N, 4) boxes, over all cases."""
    pictures = faces = right = wrong = 0
    crowded = False
    for case in cases:
        found = find(case.picture)
        pictures, faces, crowded = pictures + 1, faces + len(case.faces), crowded or case.crowded
        hit = np.zeros(len(found), bool)
        for face in case.faces:
            overlaps = np.array([iou(box, face) >= 0.3 for box in found], bool)
            middle = found[:, :2] + found[:, 2:] / 2
            inside = ((middle > face[:2]) & (middle < face[:2] + face[2:])).all(axis=1)
            right += bool((inside & overlaps).any())
            hit |= overlaps
        wrong += int((~hit).sum())
    nan = float("nan")
    return Score(pictures, faces, right / faces if faces else nan, nan if crowded else 100 * wrong / max(pictures, 1))


def alone() -> Find:
    """The deployed detector with its own threshold, on the whole picture."""
    detector = Detector(engines.load("detector", threads=1))
    return lambda picture: np.array([face.box for face in detector(picture)]).reshape(-1, 4)


def judged(close: bool) -> Find:
    """What the live loop takes for faces: the landmark network judges, too. `close`: in close-ups as well."""
    networks = Networks.load(threads=1)

    def find(picture: np.ndarray) -> np.ndarray:
        size = picture.shape[1], picture.shape[0]
        tracker = Tracker(MOST_FACES, smooth=False)
        tracker.begin(size, 0.0)
        for views in [[whole(*size)], close_ups(*size) if close else []]:
            search(networks, tracker, picture, views)
        return np.array([box_of(track.points[:LANDMARKS]) for track in tracker.seen]).reshape(-1, 4)

    return find


def yunet(threshold: float = 0.6) -> Find:
    """YuNet on the picture shrunk to what ours sees of it."""
    detector = StockDetector(data.folder(), threshold)

    def find(picture: np.ndarray) -> np.ndarray:
        place = letterbox(picture.shape[1], picture.shape[0], SIDE)
        small = cv2.resize(picture, place.size, interpolation=cv2.INTER_AREA)
        found = detector(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))[:, :4]
        return found / np.tile(place.scale, 2)

    return find


def rfb_320(threshold: float = 0.7, overlap: float = 0.3) -> Find:
    """UltraLight RFB-320 (Linzaer), with the thresholds of its own demonstration, on the picture shrunk into 320x240.

    In: RGB, (value - 127) / 128. Out: scores of background and face, corners in shares of the input.
    """
    engine = engines.load("version-RFB-320", threads=1, folder=data.folder())
    height, width = engine.spec.inputs[0].shape[-2:]

    def find(picture: np.ndarray) -> np.ndarray:
        factor = min(width / picture.shape[1], height / picture.shape[0])
        small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        seen = np.zeros((1, 3, height, width), np.float32)
        seen[0, :, : small.shape[0], : small.shape[1]] = (small.transpose(2, 0, 1) - 127.0) / 128
        scores, corners = (output[0] for output in engine(seen))
        sure = scores[:, 1] >= threshold
        low, high = np.split(corners[sure] * np.tile([width, height], 2) / factor, 2, axis=1)
        boxes = np.hstack([low, high - low])
        return boxes[suppress(boxes, scores[sure, 1], overlap)]

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


def far_away(cases: Iterable[Case], low: float = 0.05, high: float = 0.10) -> Iterator[Case]:
    """The pictures shrunk onto 1280x720 photographs so that the face is `low` to `high` of their height."""
    rng = np.random.default_rng(5)
    rooms = [cv2.resize(photo, ROOM) for photo in _photos("coffee", "chelsea", "rocket", "clock_motion")]
    for case in cases:
        factor = rng.uniform(low, high) * ROOM[1] / case.faces[0, 3]
        small = cv2.resize(case.picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        frame = rooms[rng.integers(len(rooms))].copy()
        height, width = np.minimum(small.shape[:2], frame.shape[:2])
        top, left = rng.integers(0, [ROOM[1] - height + 1, ROOM[0] - width + 1])
        frame[top : top + height, left : left + width] = small[:height, :width]
        yield Case(frame, (case.faces * factor + [left, top, 0, 0]).astype(np.float32), case.crowded)


def darkened(cases: Iterable[Case]) -> Iterator[Case]:
    """The pictures at a twelfth of their light, with the noise of a camera at its limit."""
    rng = np.random.default_rng(6)
    for case in cases:
        dark = case.picture / 12 + rng.normal(0, 1.5, case.picture.shape)
        yield Case(np.clip(dark, 0, 255).astype(np.uint8), case.faces, case.crowded)


def depth_camera(pictures: str, least_yaw: float = 0.0, most_yaw: float = 90.0) -> Iterator[Case]:
    """Pictures "ir" (near infrared) or "rgb" of the depth camera sets, none of them ever trained on, by degrees of yaw.

    Their boxes and angles come from MediaPipe's mesh: each landmark is the vertex nearest to it in faces_300w.
    """
    vertices = mesh_vertices()
    for year in ("2017", "2019"):
        with np.load(data.folder() / f"rap3df_{year}.npz", allow_pickle=False) as pack:
            shown = pack[pictures]
        for index, mesh in data.mesh_points(f"rap3df_{year}").items():
            points = mesh[vertices]
            if least_yaw <= abs(_yaw(points)) < most_yaw:
                picture = shown[index] if shown[index].ndim == 3 else cv2.cvtColor(shown[index], cv2.COLOR_GRAY2RGB)
                yield Case(picture, box_of(points[:, :2])[None])


def _yaw(points: np.ndarray) -> float:
    """Degrees of yaw of (68, 3) landmarks."""
    _, rotation, _ = fit_similarity(template()[:LANDMARKS], points, RIGIDITY[:LANDMARKS])
    return pose_of(rotation).yaw


@cache
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
    for picture in _photos(*PHOTOS):
        yield Case(picture, NONE)
        for part in np.array_split(picture, 2) + np.array_split(picture, 2, axis=1):
            yield Case(np.ascontiguousarray(part), NONE)
    rng = np.random.default_rng(11)
    for index in range(40):
        yield Case(cv2.cvtColor(PATTERNS[index % len(PATTERNS)](rng, SIDE), cv2.COLOR_GRAY2RGB), NONE)
    detector = StockDetector(data.folder(), 0.3)
    faces = data.faces_ytf()
    for index in faces.testing()[::4]:
        picture, box = faces.picture(index), box_of(faces.points[index, :LANDMARKS])
        found = strangers(detector(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)), box)
        if len(found) == 0:
            yield _headless(Case(picture, box[None]))


def face_free_rooms(count: int = 80) -> Iterator[Case]:
    """Wide pictures without a face: 1280x720 backgrounds with pieces of others, and clips without their head."""
    rng = np.random.default_rng(2)
    backgrounds = _held_out_composer().backgrounds
    for _ in range(count):
        room = backgrounds.picture(rng, ROOM[::-1]).copy()
        for _ in range(rng.poisson(6)):
            height, width = np.exp(rng.uniform(np.log(30), np.log(250), 2)).astype(int)
            left, top = rng.integers(0, [ROOM[0] - width, ROOM[1] - height])
            room[top : top + height, left : left + width] = backgrounds.tile(rng, (height, width))
        yield Case(cv2.cvtColor(room, cv2.COLOR_GRAY2RGB), NONE)
    for name in data.HELD_OUT_CLIPS:
        yield from map(_headless, clip(name, 10))


def _headless(case: Case) -> Case:
    grey = without_face(cv2.cvtColor(case.picture, cv2.COLOR_RGB2GRAY), case.faces[0])
    return Case(cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB), NONE)


def _photos(*names: str) -> list[np.ndarray]:
    """Photographs of scikit-image, RGB."""
    return [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in face_free_photos(names)]


def profiles(count: int = 150) -> Iterator[Case]:
    """Held-out photos with the head turned to 35-80 degrees by a warp, not by the person."""
    faces = data.faces_300w()
    held = [_portrait(faces, index) for index in faces.testing()]
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


@cache
def _held_out_composer() -> Composer:
    portraits, pieces = [], []
    detector = StockDetector(data.folder(), 0.3)
    for faces in (data.faces_300w(), data.faces_ytf()):
        for index in faces.testing():
            box = box_of(faces.points[index, :LANDMARKS])
            others = strangers(detector(cv2.cvtColor(faces.picture(index), cv2.COLOR_RGB2BGR)), box)
            portraits.append(_portrait(faces, index))
            pieces += surroundings(faces.grey(index), box, others)
    photos = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in face_free_photos(PHOTOS)]
    backgrounds = Backgrounds(photos, pieces, np.random.default_rng(3), patterns=40)
    return Composer(portraits, np.ones(len(portraits)), backgrounds)


def _portrait(faces: FaceSet, index: int) -> Portrait:
    """A labelled picture as a portrait without strangers."""
    return Portrait(faces.codes[index], faces.points[index, :LANDMARKS], np.empty((0, 4), np.float32))


def groups() -> dict[str, Callable[[], Iterable[Case]]]:
    """Every group of the table by its title."""
    return {
        "faces_300w, held out": lambda: held_out(data.faces_300w()),
        "faces_ytf, held-out people": lambda: held_out(data.faces_ytf()),
        "… of these, turned sideways": lambda: held_out(data.faces_ytf(), 0.6),
        "faces_300w, turned to 35-80° by a warp": profiles,
        "faces_300w, dark and noisy": lambda: darkened(held_out(data.faces_300w())),
        "clip d10, whole frames": lambda: clip("d10"),
        "clip s18, whole frames": lambda: clip("s18"),
        "rap3df, colour, yaw under 30°": lambda: depth_camera("rgb", 0, 30),
        "rap3df, colour, yaw of 30-45°": lambda: depth_camera("rgb", 30, 45),
        "rap3df, colour, yaw of 45-67°": lambda: depth_camera("rgb", 45),
        "rap3df, near infrared": lambda: depth_camera("ir"),
        "faces_300w, 5-10 % of 720 lines": lambda: far_away(held_out(data.faces_300w())),
        "faces_ytf, 5-10 % of 720 lines": lambda: far_away(held_out(data.faces_ytf())),
        "clips, 5-10 % of 720 lines": lambda: far_away(case for name in data.HELD_OUT_CLIPS for case in clip(name)),
        "scenes, faces of 8-12 px": lambda: scenes(8, 12),
        "scenes, faces of 12-20 px": lambda: scenes(12, 20),
        "scenes, faces of 20-60 px": lambda: scenes(20, 60),
        "scenes, faces over 60 px": lambda: scenes(60, 400),
        "no face": face_free,
        "no face, wide": face_free_rooms,
    }


def finders() -> dict[str, Find]:
    """Every detector of the table by its title."""
    return {
        "detector alone": alone(),
        "live, whole frame": judged(close=False),
        "live, with close-ups": judged(close=True),
        "YuNet at 320": yunet(),
        "RFB-320": rfb_320(),
    }


def table() -> Iterator[str]:
    """The table in Markdown, row by row: share of the faces found, and false ones per 100 pictures where known."""
    detectors = finders()
    yield f"| pictures | n | {' | '.join(detectors)} |"
    yield "|---|---|" + "---|" * len(detectors)
    for title, cases in groups().items():
        kept = list(cases())
        scores = [score(kept, find) for find in detectors.values()]
        yield f"| {title} | {scores[0].faces or scores[0].pictures} | {' | '.join(map(str, scores))} |"
