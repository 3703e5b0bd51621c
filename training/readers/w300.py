"""The 300W sets as downloaded (ibug.doc.ic.ac.uk): photos with a .pts file of 68 hand-made points each.

Folders as in the archives (`helen/trainset`) or as the Recombinator Networks' authors ask for them
(`Train_set/helen_trainset`). The points count pixels from 1, as MATLAB does; here they count from 0.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from realtime.errors import InputError
from realtime.geometry.topology import KEYPOINTS, LANDMARKS
from training.data import FaceSet
from training.readers import Files, checked, photo_of, reading

TRAINING = ("afw", "helen/trainset", "lfpw/trainset")  # 337 + 2000 + 811 photos
COMMON = ("helen/testset", "lfpw/testset")  # 330 + 224
IBUG = ("ibug",)  # 135


def training(root: Path) -> FaceSet:
    """The published training photos: AFW, and those of HELEN and LFPW."""
    return _read(root, TRAINING, held_out=False)


def common(root: Path) -> FaceSet:
    """The easier test photos, of HELEN and LFPW."""
    return _read(root, COMMON, held_out=True)


def ibug(root: Path) -> FaceSet:
    """The challenging test photos."""
    return _read(root, IBUG, held_out=True)


def read_pts(path: Path) -> np.ndarray:
    """(68, 2) float64 pixels of a .pts file, centres of pixels at integers from 0. Raises InputError."""
    with reading(path, UnicodeDecodeError):
        text = path.read_text(encoding="utf-8")
    body = re.search(r"n_points:\s*(\d+)\s*\{([^{}]*)\}", text)
    if not body:
        raise InputError(f"{path} is not a .pts file (n_points: 68, then points between braces): fetch it again.")
    with reading(path, ValueError):
        points = np.array([line.split() for line in body[2].splitlines() if line.strip()], np.float64)
    return checked(points, path, (LANDMARKS, 2)) - 1


def _read(root: Path, parts: tuple[str, ...], held_out: bool) -> FaceSet:
    files = [file for part in parts for file in _files(root, part)]
    points = np.full((len(files), KEYPOINTS, 2), np.nan, np.float32)
    points[:, :LANDMARKS] = [read_pts(file) for file in files]
    photos = Files([photo_of(file.parent, file.stem) for file in files])
    boxes = np.full((len(files), 4), np.nan, np.float32)
    return FaceSet("300W", photos, points, boxes, np.full(len(files), ""), np.full(len(files), held_out))


def _files(root: Path, part: str) -> list[Path]:
    names = {part, part.replace("/", "_")}
    places = [root / above / name for above in ("", "Train_set", "Test_set") for name in names]
    files = sorted(file for place in places for file in place.glob("*.pts"))
    if not files:
        raise InputError(f"No .pts files in {root / part}: give the folder the 300W archives were unpacked to.")
    return files
