"""3DFAW as handed out for the 2016 challenge (Jeni et al.): photos, and 66 lines of x,y,z in a .csv file for each.

The set is on request and has no public description. What is read here is what the DepthNets' authors read (their
`depthnet-pytorch/util.py` and `prepare_dataset.py`): `train_img/ID.jpg` with `train_lm/ID_lm.csv`, the same for
`valid`, and their own `list_valid_test.txt` of lines "ID,valid" or "ID,test,left", which names the 225 faces of the
published depth tables (left, center, right: taken as the side of the image a face looks to). Points are taken as they
are, in pixels; which way z goes is told by the noses. They are 66: the 68 without the inner mouth corners, which are
filled in as published.
"""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import cv2
import numpy as np

from realtime.errors import InputError
from realtime.geometry.topology import to_68
from training.readers import Solids, checked, depth_away, photo_of, reading

MARKED = 66
LIST = "list_valid_test.txt"
LOOKS = {"left": "left", "center": "front", "right": "right"}
Part = Literal["train", "valid", "test"]


def read(root: Path, part: Part) -> Solids:
    """One part: all of `train`, or the faces that the list counts to `valid` or `test`, in its order."""
    looks = _trained(root) if part == "train" else _listed(root, part)
    folder = "train" if part == "train" else "valid"
    files = [root / f"{folder}_lm" / f"{name}_lm.csv" for name in looks]
    points = np.stack([to_68(read_csv(file)) for file in files])
    photos = [photo_of(root / f"{folder}_img", name) for name in looks]
    return Solids(
        tuple(looks),
        depth_away(points, root),
        np.array([_size(photo) for photo in photos], np.float64),
        np.full(len(files), np.nan),
        np.array(list(looks.values())),
    )


def read_csv(path: Path) -> np.ndarray:
    """(66, 3) float64 of a landmark file, as they stand there. Raises InputError."""
    with reading(path, ValueError):
        points = np.loadtxt(path, delimiter=",", ndmin=2)
    return checked(points, path, (MARKED, 3))


def _trained(root: Path) -> dict[str, str]:
    names = sorted(file.name.removesuffix("_lm.csv") for file in (root / "train_lm").glob("*_lm.csv"))
    if not names:
        raise InputError(f"No landmark files in {root / 'train_lm'}: give the folder 3DFAW was unpacked to.")
    return dict.fromkeys(names, "")


def _listed(root: Path, part: Part) -> dict[str, str]:
    """Name → where it looks ("" for valid)."""
    path = root / LIST
    with reading(path, UnicodeDecodeError):
        lines = [line.strip().split(",") for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    wanted = [line for line in lines if line[1:2] == [part]]
    poor = [line for line in wanted if part == "test" and (len(line) != 3 or line[2] not in LOOKS)]
    if not wanted or poor:
        trouble = f"a line {','.join(poor[0])!r}" if poor else f"no line for {part}"
        raise InputError(f"{path} has {trouble}; wanted are lines like ID,valid and ID,test,left (or center, right).")
    return {line[0]: LOOKS[line[2]] if part == "test" else "" for line in wanted}


def _size(photo: Path) -> tuple[int, int]:
    picture = cv2.imread(str(photo), cv2.IMREAD_GRAYSCALE)
    if picture is None:
        raise InputError(f"{photo} cannot be decoded: fetch it again.")
    return picture.shape[1], picture.shape[0]
