"""The data folder's sets, one loader each, all in the project's axes, with the people to hold out marked.

Axes are those of `realtime.frame`: x right, y down, z away from the camera; yaw > 0 nose to image right, pitch > 0 up.
What is held out is never trained on: every 12th picture of faces_300w, a tenth of the people of faces_ytf (and the
people of that name in faces_muxspace), and clips d10 and s18 of faces_video.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from realtime.errors import InputError
from realtime.geometry.crops import square_crop
from realtime.geometry.topology import HAIRLINE, KEYPOINTS, LANDMARKS

# The face-oval vertices of the MediaPipe mesh that lie on the hairline, image left to right: keypoints 68..80.
OVAL_VERTICES = (162, 21, 54, 103, 67, 109, 10, 338, 297, 332, 284, 251, 389)
HELD_OUT_CLIPS = ("d10", "s18")
WORST_CHECK = 0.10  # hand labels further than this from three automatic estimates are suspicious (data README)


def folder() -> Path:
    """The data folder: `$FACET_DATA`, or ../shared/data beside the project. Raises InputError where it is not."""
    path = Path(os.environ.get("FACET_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    if not path.is_dir():
        raise InputError(f"Training data not found at {path}: set FACET_DATA to the data folder.")
    return path


@dataclass(frozen=True, slots=True, eq=False)
class FaceSet:
    """Pictures with keypoints.

    Attributes:
        name: "300w", "ytf", "muxspace", "video" or "source".
        codes: N JPEG files (uint8 arrays).
        points: (N, 81, 2) float32 pixels; NaN where a point has no label.
        box: (N, 4) float32 x, y, width, height of the face from forehead to chin (a detector's); NaN = not found.
        identity: (N,) str, "" = unknown; clips for the video set.
        held_out: (N,) bool, True = for measuring only.
    """

    name: str
    codes: list[np.ndarray]
    points: np.ndarray
    box: np.ndarray
    identity: np.ndarray
    held_out: np.ndarray

    def __len__(self) -> int:
        return len(self.codes)

    def grey(self, index: int) -> np.ndarray:
        """(H, W) uint8."""
        return self._decoded(index, cv2.IMREAD_GRAYSCALE)

    def picture(self, index: int) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return cv2.cvtColor(self._decoded(index, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)

    def _decoded(self, index: int, flags: int) -> np.ndarray:
        image = cv2.imdecode(self.codes[index], flags)
        if image is None:
            raise InputError(f"Picture {index} of the set {self.name} cannot be decoded: fetch the set again.")
        return image

    def labelled(self) -> np.ndarray:
        """Indices of the pictures that carry all 68 landmarks."""
        return np.flatnonzero(np.isfinite(self.points[:, :LANDMARKS]).all(axis=(1, 2)))

    def training(self) -> np.ndarray:
        """Indices of the labelled pictures to train on."""
        return self.labelled()[~self.held_out[self.labelled()]]

    def testing(self) -> np.ndarray:
        """Indices of the labelled pictures to measure on."""
        return self.labelled()[self.held_out[self.labelled()]]


def faces_300w() -> FaceSet:
    """1169 photos (HELEN train, AFW) with hand-made landmarks; every 12th held out."""
    pack = _read("faces_300w.npz")
    return _face_set("300w", pack, pack["identity"], np.arange(len(pack["box"])) % 12 == 0)


def faces_ytf() -> FaceSet:
    """3296 video frames of 270 people with coarse hand labels; a tenth of the people held out."""
    pack = _read("faces_ytf.npz")
    return _face_set("ytf", pack, pack["identity"], np.isin(pack["identity"], _held_out_people(pack["identity"])))


def ytf_clips() -> np.ndarray:
    """(3296,) str person/number of the clip each picture of faces_ytf was taken from."""
    return _read("faces_ytf.npz")["clip"]


def faces_muxspace() -> FaceSet:
    """13205 small grey press photos with pseudo-labels; the people held out of faces_ytf are held out here, too."""
    pack = _read("faces_muxspace.npz")
    apart = {folded(person) for person in _held_out_people(_read("faces_ytf.npz")["identity"])}
    return _face_set("muxspace", pack, pack["identity"], np.array([folded(p) in apart for p in pack["identity"]]))


def faces_video() -> FaceSet:
    """1433 crops of 6 clips with pseudo-labels; two clips (two people) held out."""
    pack = _read("faces_video.npz")
    clips = np.array([next(c for c in ("d10", "d12", "s18", "d3", "d6", "d9") if c in n) for n in pack["name"]])
    return _face_set("video", pack, clips, np.isin(clips, HELD_OUT_CLIPS))


def faces_source() -> FaceSet:
    """12 portraits (paintings, statues, animals), 7 with pseudo-labels; none held out."""
    pack = _read("faces_source.npz")
    return _face_set("source", pack, pack["identity"], np.zeros(len(pack["box"]), bool))


@dataclass(frozen=True, slots=True, eq=False)
class PointSets:
    """Keypoints without pictures.

    Attributes:
        points: (N, 68, 2 or 3) float32 pixels.
        visible: (N, 68) bool.
        identity: (N,) str, "" = unknown.
        yaw: (N,) float32 degrees, NaN = unknown.
        source: (N,) str, the data set a row comes from.
    """

    points: np.ndarray
    visible: np.ndarray
    identity: np.ndarray
    yaw: np.ndarray
    source: np.ndarray


def point_sets() -> PointSets:
    """22676 sets of 2D landmarks of photos; those AFLW2000-3D was taken from are left out."""
    pack = _read("landmarks68_2d.npz")
    keep = ~pack["aflw2000_range"].astype(bool) & np.isfinite(pack["pts"]).all(axis=(1, 2))
    count = int(keep.sum())
    return PointSets(
        pack["pts"][keep].astype(np.float32),
        pack["vis"][keep] == 1,
        np.full(count, ""),
        np.full(count, np.nan, np.float32),
        pack["source"][keep],
    )


def aflw2000() -> PointSets:
    """986 fitted 3D landmark sets (x, y, z pixels of a 450 px picture), for measuring only."""
    pack = _read("aflw2000_3d68.npz")
    points = pack["pts3d"].transpose(0, 2, 1).astype(np.float32)
    points[:, :, 2] *= -1  # the file counts z towards the camera
    count = len(points)
    return PointSets(
        points,
        np.ones((count, LANDMARKS), bool),
        np.full(count, ""),
        -pack["yaw_deg"].astype(np.float32),  # the file counts yaw towards image left
        np.full(count, "aflw2000"),
    )


@dataclass(frozen=True, slots=True, eq=False)
class ShapeModel:
    """Linear face model of ICT-FaceKit: neutral + weights · identity + weights · expression, centimetres, our axes.

    Attributes:
        neutral: (11248, 3) float32.
        identity: (100, 11248, 3) float32 offsets per unit weight; weights are standard normal.
        expression: (57, 11248, 3) float32 offsets; weights 0..1.
        expression_names: 57 names.
        quads: (11144, 4) int32.
        landmarks: (68,) int vertex numbers.
    """

    neutral: np.ndarray
    identity: np.ndarray
    expression: np.ndarray
    expression_names: tuple[str, ...]
    quads: np.ndarray
    landmarks: np.ndarray


def ict_face() -> ShapeModel:
    """The ICT-FaceKit face (the file has y up and z out of the face)."""
    pack = _read("ict_facekit_face.npz")
    axes = np.array([1, -1, -1], np.float32)
    return ShapeModel(
        pack["neutral"].astype(np.float32) * axes,
        pack["identity"].astype(np.float32) * axes,
        pack["expression"].astype(np.float32) * axes,
        tuple(str(name) for name in pack["expression_names"]),
        pack["quads"].astype(np.int32),
        pack["lm68"].astype(np.int64),
    )


def mesh_points(name: str) -> dict[int, np.ndarray]:
    """Picture index of set `name` → (468, 3) float32 pixels: MediaPipe's mesh, z in pixels, smaller = nearer."""
    pack = _read(f"mediapipe468_{name}.npz")
    meshes = pack["xyz"].astype(np.float32)
    meshes[:, :, :2] += pack["origin"][:, None]
    return dict(zip(pack["index"].tolist(), meshes, strict=True))


def read_pairs(name: str) -> dict[str, np.ndarray]:
    """The pairs of a set, "ytf" or "video": rows `i` and `j` of one person, `yaw_difference` in degrees, and more."""
    return _read(f"pairs_{name}.npz")


class Backgrounds:
    """Grey picture parts without a (known) face, cut from around the faces of the picture sets."""

    def __init__(self, sets: list[FaceSet]) -> None:
        self._places = [(s, i) for s in sets for i in np.flatnonzero(~s.held_out & np.isfinite(s.box).all(axis=1))]

    def sample(self, rng: np.random.Generator, size: int) -> np.ndarray:
        """(size, size) uint8: a random square that touches no face box, at a random turn, enlarged or reduced."""
        for crop_set, index in self._candidates(rng):
            image = crop_set.grey(index)
            height, width = image.shape
            x, y, w, h = crop_set.box[index]
            side = rng.uniform(0.12, 0.6) * min(height, width)
            centre = rng.uniform([side / 2, side / 2], [width - side / 2, height - side / 2])
            outside = np.abs(centre - (x + w / 2, y + h / 2)) - (w / 2, h / 2)
            if outside.max() > side * 0.4:
                return square_crop(centre, side, rng.choice([0, 90, 180, 270]), size).cut(image)
        raise InputError("No background found in the training pictures: fetch the data folder again.")

    def _candidates(self, rng: np.random.Generator) -> Iterator[tuple[FaceSet, int]]:
        for _ in range(200):
            yield self._places[rng.integers(len(self._places))]


def _read(name: str) -> dict[str, np.ndarray]:
    path = folder() / name
    if not path.is_file():
        raise InputError(f"Training file {path} is missing: fetch the data folder again.")
    with np.load(path, allow_pickle=False) as pack:
        return {key: pack[key] for key in pack.files}


def _face_set(name: str, pack: dict[str, np.ndarray], identity: np.ndarray, held_out: np.ndarray) -> FaceSet:
    count = len(pack["box"])
    points = np.full((count, KEYPOINTS, 2), np.nan, np.float32)
    points[:, :LANDMARKS] = pack["landmarks68"]
    if "check" in pack:
        points[pack["check"] > WORST_CHECK] = np.nan
    if (folder() / f"mediapipe468_{name}.npz").is_file():
        for index, mesh in mesh_points(name).items():
            points[index, HAIRLINE] = mesh[OVAL_VERTICES, :2]
    offset = pack["offset"]
    codes = [pack["jpeg"][offset[i] : offset[i + 1]] for i in range(count)]
    return FaceSet(name, codes, points, pack["box"], identity, held_out)


def _held_out_people(identity: np.ndarray) -> np.ndarray:
    return np.unique(identity)[5::10]


def folded(person: str) -> str:
    """A name without accents, case, spaces and signs, to compare spellings across sets."""
    plain = unicodedata.normalize("NFKD", person)
    return "".join(letter for letter in plain.lower() if letter.isascii() and letter.isalpha())
