"""How a face curves between its keypoints.

Cheeks have no keypoints: the surface that `face_mesh` lays through jaw and nose runs straight between them, nearly two
centimetres behind a real cheek, and a head turned far aside is hollow there. The mean face says what is missing.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np

import engines
from realtime.errors import EngineError
from realtime.frame import Floats
from realtime.geometry.mesh import face_mesh

RELIEF = Path(engines.__file__).resolve().parent / "weights" / "relief.npz"
SIDE = 64  # of the map


@cache
def relief() -> Floats:
    """(V,) float32, read-only: how far behind the vertices of `face_mesh` the mean face's surface lies, along the axis
    the face looks along, in outer-eye distances; negative where it is nearer to the camera, 0 at the keypoints.

    Raises:
        EngineError: the file is missing or damaged.
    """
    mesh = face_mesh()
    at = (mesh.uv * SIDE - 0.5).astype(np.float32)[None]
    behind = cv2.remap(load_relief(RELIEF), at[..., 0], at[..., 1], cv2.INTER_LINEAR)[0]
    behind -= mesh.weights @ behind[: mesh.weights.shape[1]]  # the first vertices are the keypoints
    behind.setflags(write=False)
    return np.asarray(behind, np.float32)


def load_relief(path: Path) -> Floats:
    """(SIDE, SIDE) float32 over the flat layout of the mesh; see `relief`."""
    try:
        with np.load(path) as file:
            behind = np.asarray(file["behind"], np.float32)
    except (OSError, EOFError, KeyError, ValueError, BadZipFile) as error:
        raise EngineError(f"The face's relief cannot be read from {path}: restore the file.") from error
    if behind.shape != (SIDE, SIDE):
        raise EngineError(f"The face's relief in {path} has the shape {behind.shape}: restore the file.")
    return behind
