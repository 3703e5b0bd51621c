"""Crops with depth from the Biwi Kinect Head Pose set (Fanelli et al. 2013), for who holds it.

The files are read by `realtime.rgbd.biwi`. The published protocol tests on sequences 11 and 12 and trains on the rest.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from realtime.errors import InputError
from realtime.rgbd import biwi
from realtime.rgbd.calibration import Calibration
from realtime.rgbd.registration import Registration
from training.facial_depth.samples import Sample
from training.readers.head_crops import head_crop

TEST = ("11", "12")


class BiwiFaces:
    """The frames of one side of the protocol.

    Args:
        root: the folder of the 24 sequences.
        test: sequences 11 and 12, or all others.
        step: every how many frames one is taken.

    Raises:
        InputError: there are no such frames.
    """

    def __init__(self, root: Path, test: bool, step: int = 1) -> None:
        folders = sorted(path for path in root.iterdir() if path.is_dir()) if root.is_dir() else []
        chosen = [path for path in folders if (path.name in TEST) == test]
        posed = {path: [frame for frame in biwi.frames(path) if frame.pose is not None][::step] for path in chosen}
        self._frames = [(path, frame) for path, frames in posed.items() for frame in frames]
        if not self._frames:
            side = "test" if test else "training"
            raise InputError(f"{root} has no {side} frames of Biwi's: give the folder of the sequences 01 to 24.")
        self._registered: dict[Path, tuple[Calibration, Registration]] = {}

    def __len__(self) -> int:
        return len(self._frames)

    def sample(self, index: int, rng: np.random.Generator | None = None) -> Sample:
        """Frame number `index` with depth registered to colour; with `rng` the crop is not quite centred."""
        folder, frame = self._frames[index]
        if folder not in self._registered:
            calibration = biwi.read_calibration(folder)
            self._registered[folder] = (calibration, Registration(calibration))
        calibration, registered = self._registered[folder]
        picture = cv2.imread(str(frame.colour), cv2.IMREAD_COLOR)
        if picture is None or frame.pose is None:
            raise InputError(f"{frame.colour} cannot be read as a picture: fetch it again.")
        _, centre = biwi.read_pose(frame.pose)
        centre = calibration.rotation @ centre + calibration.translation_mm
        depth = registered(biwi.read_depth(frame.depth))
        return head_crop(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), depth, calibration.colour, centre, folder.name, rng)
