"""RAP3DF (Kinect v2 faces, academic use), from the data folder: crops with registered depth and infrared.

A fifth of the people is held out for measuring; codes differ between the two years, so that a person held out of one
may be in the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime.frame import Intrinsics
from training import data

YEARS = (2017, 2019)
FOCAL = 365.0  # pixels, inferred from the faces' size: the crops keep the sensor's scale
# vertices of the tracked mesh that stand for landmarks 36, 45 (outer eye corners), 48 and 54 (mouth corners)
CORNERS = (33, 263, 61, 291)
FACE_DEPTH = 130.0  # mm about the median within which depth inside the face's outline belongs to the face


@dataclass(frozen=True, slots=True, eq=False)
class Rap3df:
    """Pictures of 119 x 149 pixels.

    Attributes:
        rgb: (N, 149, 119, 3) uint8.
        depth: (N, 149, 119) float32 mm, 0 = missing.
        infrared: (N, 149, 119) uint8.
        person: (N,) str, year and code.
        mesh: (N, 468, 3) float32 pixels of the tracked mesh, z too (a model's guess), smaller = nearer.
        held_out: (N,) bool, for measuring only.
    """

    rgb: np.ndarray
    depth: np.ndarray
    infrared: np.ndarray
    person: np.ndarray
    mesh: np.ndarray
    held_out: np.ndarray

    @property
    def camera(self) -> Intrinsics:
        """Of the crops; where the sensor's axis met them is not known."""
        return Intrinsics(FOCAL, FOCAL, 59.0, 74.0)

    def anchor(self, index: int) -> np.ndarray:
        """(2,) pixels, as `realtime.geometry.depth_code.anchor`."""
        return np.asarray(self.mesh[index, CORNERS, :2].mean(axis=0))

    def face(self, index: int) -> np.ndarray:
        """(149, 119) bool: inside the mesh's outline, depth known and near that of the face."""
        outline = cv2.convexHull(np.rint(self.mesh[index, :, :2]).astype(np.int32))
        inside = cv2.fillConvexPoly(np.zeros(self.depth.shape[1:], np.uint8), outline, 1) > 0
        known = inside & (self.depth[index] > 0)
        if not known.any():
            return known
        return known & (np.abs(self.depth[index] - np.median(self.depth[index][known])) < FACE_DEPTH)


def millimetres(code: np.ndarray) -> np.ndarray:
    """float32 mm of the sets' 8-bit depth code; 0 = missing."""
    share = code.astype(np.float32) / 128
    depth = np.where(code < 128, 512 * (1 + share), 1024 * share)
    return np.where(code > 0, depth, 0).astype(np.float32)


def read() -> Rap3df:
    """Both years, the pictures on which the mesh was found."""
    parts = []
    for year in YEARS:
        with np.load(data.folder() / f"rap3df_{year}.npz", allow_pickle=False) as pack:
            arrays = {key: pack[key] for key in ("rgb", "depth_code", "ir", "person")}
        meshes = data.mesh_points(f"rap3df_{year}")
        rows = np.array(sorted(meshes))
        people = np.array([f"{year} {person}" for person in arrays["person"][rows]])
        mesh = np.stack([meshes[row] for row in rows])
        parts.append((arrays["rgb"][rows], millimetres(arrays["depth_code"][rows]), arrays["ir"][rows], people, mesh))
    rgb, depth, infrared, person, mesh = (np.concatenate(column) for column in zip(*parts, strict=True))
    apart = np.unique(person)[2::5]
    return Rap3df(rgb, depth, infrared, person, mesh.astype(np.float32), np.isin(person, apart))
