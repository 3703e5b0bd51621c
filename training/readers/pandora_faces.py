"""Crops with depth from the Pandora set (Borghi et al. 2017, POSEidon), for who holds it.

The set's own page describes no files. What is read here is what its recording program writes and what others' programs
read of it: people `01` … `22`, each with sequences `base_1_ID01` … `free_3_ID01`; in a sequence `RGB/NNNNNN_RGB.png`
(1920 x 1080, BGRA), `DEPTH/NNNNNN_DEPTH.png` (512 x 424, 16 bit, millimetres) and `data.json`, a list of frames or, for
some people, an object of frame number → frame as text. A frame has, of the skeleton that the Kinect v2's software
tracks, `joints` (pixels of depth), `jointsRGB` (pixels of colour) and `joints3D` (metres of the depth camera, x right
in the picture, y up). No calibration comes along; but that software projected every joint into both cameras, so their
projections are fitted to the joints of a sequence.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from realtime.errors import InputError
from realtime.frame import Intrinsics
from realtime.rgbd.calibration import Calibration, Camera
from realtime.rgbd.registration import Registration
from training.facial_depth.samples import Sample
from training.readers.head_crops import head_crop

TEST = ("10", "14", "16", "20")
VALIDATION = ("09", "18", "21", "22")
COLOUR_SIZE, DEPTH_SIZE = (1920, 1080), (512, 424)
HEAD = 3  # number of its joint
_COLOUR_FOCAL = 1081.0  # pixels: of a Kinect v2's colour camera, where the fit begins
_ENOUGH = 50  # joints to fit two cameras to
_AT_MOST = 3000  # joints are fitted to
_TRUSTED_PX = 3.0  # root mean square error of the fit


@dataclass(frozen=True, slots=True, eq=False)
class PandoraFrame:
    """One annotated frame.

    Attributes:
        number: of its files.
        in_depth, in_colour: (J, 2) float64 pixels of the joints.
        metres: (J, 3) float64, x right in the picture, y up, z away.
    """

    number: int
    in_depth: np.ndarray
    in_colour: np.ndarray
    metres: np.ndarray

    @property
    def has_head(self) -> bool:
        """Whether the head's centre is known."""
        return len(self.metres) > HEAD and bool(np.isfinite(self.metres[HEAD]).all() and self.metres[HEAD, 2] > 0)


class PandoraFaces:
    """The frames of one side of the protocol: people 10, 14, 16 and 20 are tested on, 9, 18, 21 and 22 validated on.

    Args:
        root: the folder of the people's folders.
        test: the people tested on, or all who are neither tested nor validated on.
        step: every how many frames one is taken.

    Raises:
        InputError: there are no such frames.
    """

    def __init__(self, root: Path, test: bool, step: int = 1) -> None:
        folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        chosen = [path for path in folders if (path.name in TEST if test else path.name not in (*TEST, *VALIDATION))]
        sequences = [file.parent for person in chosen for file in sorted(person.glob("*/data.json"))]
        self._frames: list[tuple[Path, PandoraFrame]] = []
        self._calibrations: dict[Path, Calibration] = {}
        self._registered: dict[Path, Registration] = {}
        for sequence in sequences:
            found = frames(sequence)
            self._calibrations[sequence] = fitted_calibration(found, sequence)
            there = (frame for frame in found if frame.has_head and _picture(sequence, frame).is_file())
            self._frames += [(sequence, frame) for frame in there][::step]
        if not self._frames:
            side = "test" if test else "training"
            raise InputError(f"{root} has no {side} frames of Pandora's: give the folder of the people 01 to 22.")

    def __len__(self) -> int:
        return len(self._frames)

    def sample(self, index: int, rng: np.random.Generator | None = None) -> Sample:
        """Frame number `index` with depth registered to colour; with `rng` the crop is not quite centred."""
        sequence, frame = self._frames[index]
        calibration = self._calibrations[sequence]
        if sequence not in self._registered:
            self._registered[sequence] = Registration(calibration)
        picture = _read(_picture(sequence, frame), cv2.IMREAD_COLOR, COLOUR_SIZE)
        stored = _read(sequence / "DEPTH" / f"{frame.number:06d}_DEPTH.png", cv2.IMREAD_UNCHANGED, DEPTH_SIZE)
        if stored.dtype != np.uint16:
            raise InputError(f"The depth of {sequence} has not 16 bits: fetch it again.")
        depth = self._registered[sequence](stored)
        centre = calibration.rotation @ _millimetres(frame.metres[HEAD]) + calibration.translation_mm
        rgb = cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)
        return head_crop(rgb, depth, calibration.colour, centre, sequence.parent.name, rng)


def frames(sequence: Path) -> list[PandoraFrame]:
    """The annotated frames of a sequence, in either form of its `data.json`. Raises InputError where it has neither."""
    path = sequence / "data.json"
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict):
            entries = [
                {"frame_num": int(number)} | (json.loads(entry) if isinstance(entry, str) else entry)
                for number, entry in content.items()
            ]
        else:
            entries = content
        return [_frame(entry) for entry in entries]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not an annotation of Pandora's ({error}): fetch it again.") from error


def _frame(entry: dict[str, Any]) -> PandoraFrame:
    sides = (("joints", 2), ("jointsRGB", 2), ("joints3D", 3))
    in_depth, in_colour, metres = (np.array(entry[key], np.float64).reshape(-1, side) for key, side in sides)
    return PandoraFrame(int(entry["frame_num"]), in_depth, in_colour, metres)


def fitted_calibration(found: list[PandoraFrame], sequence: Path) -> Calibration:
    """The two cameras that project the joints' places to where the sensor's software saw them.

    Raises:
        InputError: the joints are too few, or no two cameras project them so.
    """
    metres = np.concatenate([frame.metres for frame in found]) if found else np.empty((0, 3))
    in_depth = np.concatenate([frame.in_depth for frame in found]) if found else np.empty((0, 2))
    in_colour = np.concatenate([frame.in_colour for frame in found]) if found else np.empty((0, 2))
    usable = np.isfinite(np.hstack([metres, in_depth, in_colour])).all(axis=1) & (metres[:, 2] > 0)
    rows = np.flatnonzero(usable)
    if len(rows) < _ENOUGH:
        raise InputError(f"{sequence} has {len(rows)} usable joints, too few to know its cameras from: leave it out.")
    rows = rows[:: -(-len(rows) // _AT_MOST)]
    points = _millimetres(metres[rows])
    depth = _pinhole(points, in_depth[rows])
    width, height = COLOUR_SIZE
    start = np.array([[_COLOUR_FOCAL, 0, (width - 1) / 2], [0, _COLOUR_FOCAL, (height - 1) / 2], [0, 0, 1]])
    straight = cv2.CALIB_ZERO_TANGENT_DIST | cv2.CALIB_FIX_K1 | cv2.CALIB_FIX_K2 | cv2.CALIB_FIX_K3
    error, matrix, _, (turn,), (shift,) = cv2.calibrateCamera(
        [points.astype(np.float32)],
        [in_colour[rows].astype(np.float32)],
        COLOUR_SIZE,
        start,
        np.zeros(5),
        flags=cv2.CALIB_USE_INTRINSIC_GUESS | straight,
    )
    seen = points[:, :2] / points[:, 2:] * [depth.fx, depth.fy] + [depth.cx, depth.cy]
    worst = max(error, float(np.sqrt(((seen - in_depth[rows]) ** 2).sum(axis=1).mean())))
    if not worst < _TRUSTED_PX:
        raise InputError(f"The joints of {sequence} fit no two cameras ({worst:.0f} pixels off): leave it out.")
    colour = Intrinsics(matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2])
    return Calibration(Camera(COLOUR_SIZE, colour), Camera(DEPTH_SIZE, depth), cv2.Rodrigues(turn)[0], shift[:, 0])


def _pinhole(points: np.ndarray, pixels: np.ndarray) -> Intrinsics:
    """The camera at the origin that projects `points` (N, 3) to `pixels` (N, 2), by least squares."""
    ones = np.ones(len(points))
    (fx, cx), (fy, cy) = (
        np.linalg.lstsq(np.column_stack([points[:, axis] / points[:, 2], ones]), pixels[:, axis], rcond=None)[0]
        for axis in (0, 1)
    )
    return Intrinsics(float(fx), float(fy), float(cx), float(cy))


def _millimetres(metres: np.ndarray) -> np.ndarray:
    """(..., 3) of the sensor's software (y up) as the project has it (y down)."""
    return metres * [1000.0, -1000.0, 1000.0]


def _picture(sequence: Path, frame: PandoraFrame) -> Path:
    return sequence / "RGB" / f"{frame.number:06d}_RGB.png"


def _read(path: Path, how: int, size: tuple[int, int]) -> np.ndarray:
    picture = cv2.imread(str(path), how)
    if picture is None or picture.shape[1::-1] != size:
        raise InputError(f"{path} is no picture of {size[0]} x {size[1]} pixels: fetch it again.")
    return picture
