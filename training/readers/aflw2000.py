"""AFLW2000-3D as downloaded (Zhu et al., CVPR 2016): a .mat file with 3D landmarks and pose beside every photo.

`pt3d_68` (3, 68) has pixels from 1, as MATLAB's, and z larger towards the camera; `Pose_Para` (1, 7) begins with pitch,
yaw and roll in radians, yaw positive towards image left. Every photo is 450 pixels wide and high, and is not read.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.io import loadmat
from scipy.io.matlab import MatReadError

from realtime.errors import InputError
from realtime.geometry.topology import LANDMARKS
from training.readers import Solids, checked, depth_away, reading

PICTURE = 450  # pixels
POSES = 7


def read(root: Path) -> Solids:
    """All faces (2000) of the folder with the .mat files, in the order of their names."""
    files = sorted(root.glob("*.mat"))
    if not files:
        raise InputError(f"No .mat files in {root}: give the folder AFLW2000-3D was unpacked to.")
    faces = [_face(file) for file in files]
    points, poses = np.stack([face[0] for face in faces]), np.stack([face[1] for face in faces])
    return Solids(
        tuple(file.stem for file in files),
        depth_away(points, root),
        np.full((len(files), 2), float(PICTURE)),
        -np.rad2deg(poses[:, 1]),
        np.full(len(files), ""),
    )


def _face(file: Path) -> tuple[np.ndarray, np.ndarray]:
    """Points (68, 3), pixels from 0 but z as in the file, and the 7 pose parameters."""
    with reading(file, ValueError, TypeError, NotImplementedError, MatReadError):
        content = loadmat(file, variable_names=("pt3d_68", "Pose_Para"))
    if not {"pt3d_68", "Pose_Para"} <= content.keys():
        raise InputError(f"{file} has no pt3d_68 or no Pose_Para: it is not of AFLW2000-3D.")
    points = checked(content["pt3d_68"].T.astype(np.float64), file, (LANDMARKS, 3))
    pose = checked(content["Pose_Para"].astype(np.float64), file, (1, POSES))
    return points - (1, 1, 0), pose[0]
