"""The detector's material from the data pack: portraits with one known face, and the face-free parts of pictures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import skimage.data

from realtime.geometry.topology import LANDMARKS
from training import data
from training.backgrounds import Backgrounds
from training.data import FaceSet
from training.profiles import Turner, nose_offset
from training.scenes import Composer, Portrait, box_of, shared, size_of

UNSURE = 0.3  # score from which a second face found by the stock detector counts as one


class StockDetector:
    """YuNet of the data pack: finds the faces nobody labelled, and is the rival in the evaluation.

    Args:
        folder: the data folder.
        threshold: least score.
    """

    def __init__(self, folder: Path, threshold: float) -> None:
        self.net = cv2.FaceDetectorYN.create(str(folder / "yunet_n_320_320.onnx"), "", (320, 320), threshold)

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """(N, 5) float32 x, y, w, h (forehead to chin), score of the faces in a (H, W, 3) uint8 BGR picture."""
        self.net.setInputSize(picture.shape[1::-1])
        found = self.net.detect(picture)[1]
        return np.empty((0, 5), np.float32) if found is None else found[:, [0, 1, 2, 3, 14]]


def strangers(found: np.ndarray, face: np.ndarray) -> np.ndarray:
    """(M, 4) boxes of (N, 5) `found` faces whose middle is not in the known face's box, widened by a fifth."""
    middle = found[:, :2] + found[:, 2:4] / 2
    low, high = face[:2] - 0.2 * face[2:], face[:2] + 1.2 * face[2:]
    return found[~((middle > low) & (middle < high)).all(axis=1), :4]


def surroundings(picture: np.ndarray, face: np.ndarray, others: np.ndarray) -> list[np.ndarray]:
    """Grey pieces beside, above and below the face box `face`, at least 20 pixels wide and high, without `others`."""
    height, width = picture.shape
    x, y, w, h = face
    sides = (
        (0, y + 1.06 * h, width, height),
        (0, 0, x - 0.1 * w, height),
        (x + 1.1 * w, 0, width, height),
        (0, 0, width, y - 0.3 * h),
    )
    pieces = []
    for left, top, right, bottom in np.clip(np.rint(sides), 0, [width, height] * 2).astype(int):
        if min(right - left, bottom - top) < 20:
            continue
        box = np.array([left, top, right - left, bottom - top], np.float32)
        if all(shared(other, box) < 0.15 * other[2] * other[3] for other in others):
            pieces.append(picture[top:bottom, left:right].copy())
    return pieces


def without_face(picture: np.ndarray, face: np.ndarray) -> np.ndarray:
    """(H, W) uint8 the picture with its head melted into a blur of itself."""
    ground = cv2.resize(cv2.resize(picture, (5, 5), interpolation=cv2.INTER_AREA), picture.shape[::-1])
    mask = np.zeros(picture.shape, np.float32)
    centre = face[:2] + face[2:] * [0.5, 0.4]
    axes = np.maximum(0.85 * face[2:], 0.75 * size_of(face))
    cv2.ellipse(mask, np.rint(centre).astype(int).tolist(), np.rint(axes).astype(int).tolist(), 0, 0, 360, 1.0, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), max(0.12 * size_of(face), 0.5))
    return (picture + mask * (ground.astype(np.float32) - picture)).astype(np.uint8)


def melted(picture: np.ndarray, face: np.ndarray, stock: StockDetector) -> np.ndarray | None:
    """Grey picture of a (H, W, 3) BGR one without its face, or None where a face is still to be seen."""
    grey = without_face(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), face)
    return None if len(stock(cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR))) else grey


# How often a portrait of each set is drawn: faces_muxspace has no room around the heads, and clips repeat themselves.
SHARE = {"300w": 1.5, "ytf": 1.0, "muxspace": 0.15, "video": 0.5, "300w, turned": 1.0, "ytf, turned": 1.0}
# Photographs without a face inside scikit-image; the rest are kept for the evaluation.
PHOTOS = ("grass", "gravel", "hubble_deep_field", "ihc", "motorcycle_left", "page", "retina", "cell", "horse", "color")


def of_pictures(faces: FaceSet, stock: StockDetector) -> tuple[list[Portrait], list[np.ndarray], list[np.ndarray]]:
    """Portraits, pictures with the face melted away and face-free pieces of the training part of faces_300w or ytf."""
    portraits, photos, pieces = [], [], []
    for index in faces.training():
        points = faces.points[index, :LANDMARKS]
        picture = cv2.cvtColor(faces.picture(index), cv2.COLOR_RGB2BGR)
        others = strangers(stock(picture), box_of(points))
        portraits.append(Portrait(faces.codes[index], points, others))
        pieces += surroundings(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), box_of(points), others)
        if faces.name == "ytf" and len(others) == 0:
            photo = melted(picture, box_of(points), stock)
            photos += [] if photo is None else [photo]
    return portraits, photos, pieces


def of_muxspace() -> list[Portrait]:
    """Tight grey heads; what the pack lists as further faces in them is unknown ground."""
    faces = data.faces_muxspace()
    with np.load(data.folder() / "faces_muxspace.npz", allow_pickle=False) as pack:
        extra = pack["extra_box"]
    return [
        Portrait(faces.codes[index], faces.points[index, :LANDMARKS], extra[extra[:, 0] == index, 1:5])
        for index in faces.training()
    ]


def of_clips(clips: tuple[str, ...], step: int = 4) -> list[Portrait]:
    """Whole frames of the clips, every `step`-th of those with pseudo-labels, at most 480 pixels high, as JPEG."""
    faces = data.faces_video()
    with np.load(data.folder() / "faces_video.npz", allow_pickle=False) as pack:
        numbers, affines = pack["frame"], pack["crop_affine"].astype(np.float64)
    portraits = []
    for clip in clips:
        rows = {int(numbers[i]): i for i in faces.labelled() if faces.identity[i] == clip}
        chosen = set(sorted(rows)[::step])
        for number, picture in enumerate(frames(data.folder() / f"video_{clip}.mp4")):
            if number in chosen:
                to_crop = cv2.invertAffineTransform(affines[rows[number]])
                points = faces.points[rows[number], :LANDMARKS] @ to_crop[:, :2].T + to_crop[:, 2]
                factor = min(1.0, 480 / picture.shape[0])
                small = cv2.resize(picture, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
                points = ((points + 0.5) * factor - 0.5).astype(np.float32)
                portraits.append(Portrait(encoded(small), points, np.empty((0, 4), np.float32)))
    return portraits


def frames(path: Path) -> Iterator[np.ndarray]:
    """(H, W, 3) uint8 BGR, every frame of a video file."""
    video = cv2.VideoCapture(str(path))
    while True:
        there, picture = video.read()
        if not there:
            video.release()
            return
        yield picture


def turned(
    faces: FaceSet, rows: np.ndarray, portraits: list[Portrait], count: int, rng: np.random.Generator
) -> list[Portrait]:
    """Up to `count` of the portraits (the set's `rows`, in that order), their heads turned by `Turner`."""
    portrait_of = dict(zip(rows.tolist(), portraits, strict=True))
    more = []
    turner = Turner(faces)
    for row in rng.permutation(rows)[:count]:
        if (head := turner(row, rng)) is not None:
            picture, points = head
            jpeg = encoded(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
            more.append(Portrait(jpeg, points[:LANDMARKS], portrait_of[row].others))
    return more


def encoded(picture: np.ndarray) -> np.ndarray:
    """(n,) uint8 JPEG of a (H, W, 3) BGR picture."""
    return cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 92])[1].ravel()


def composer(clips: tuple[str, ...] = ("d3", "d6", "d9", "d12"), seed: int = 0) -> Composer:
    """All training material of the data folder in one composer of scenes (takes some minutes)."""
    stock, rng = StockDetector(data.folder(), UNSURE), np.random.default_rng(seed)
    groups = {"muxspace": of_muxspace(), "video": of_clips(clips)}
    photos = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in face_free_photos(PHOTOS)]
    photos *= 20  # against thousands of melted pictures
    pieces: list[np.ndarray] = []
    for faces in (data.faces_300w(), data.faces_ytf()):
        groups[faces.name], melted_away, beside = of_pictures(faces, stock)
        photos += melted_away
        pieces += beside
        groups[f"{faces.name}, turned"] = turned(faces, faces.training(), groups[faces.name], 700, rng)
    weights = np.concatenate([np.full(len(group), SHARE[name]) for name, group in groups.items()])
    portraits = [portrait for group in groups.values() for portrait in group]
    lean = np.array([abs(nose_offset(portrait.points)) for portrait in portraits])
    return Composer(portraits, weights * (1 + 3 * lean), Backgrounds(photos, pieces, rng))


def face_free_photos(names: tuple[str, ...]) -> list[Path]:
    """Where scikit-image keeps the pictures of these names that come with it."""
    folder = Path(skimage.data.__file__).parent
    return [path for name in names for path in sorted(folder.glob(f"{name}.*"))]
