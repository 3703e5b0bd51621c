"""What the drawn mesh lacks of the mean face's surface: see `realtime.geometry.relief`."""

from __future__ import annotations

import cv2
import numpy as np
from scipy.interpolate import griddata

from realtime.geometry.mesh import OUTLINE, face_mesh, layout
from realtime.geometry.relief import SIDE
from realtime.geometry.template import template
from realtime.geometry.topology import eye_distance
from training.data import ShapeModel
from training.ict import IctFaces
from training.marks import marks
from training.synthetic.parts import Normals

_MOST = (-0.25, 0.12)  # eye distances; beyond are folds at the ear and in the nostrils
_EDGE = 0.2  # eye distances from the outline over which it begins: the outline is the keypoints' own
_SMOOTH = 0.045  # eye distances


def measured_relief(model: ShapeModel) -> np.ndarray:
    """(SIDE, SIDE) float32 over the flat layout, in outer-eye distances, positive away from the camera.

    Args:
        model: `training.data.ict_face()`.
    """
    places = face_mesh().weights @ template()
    surface = _front(model)
    behind = griddata(surface[:, :2], surface[:, 2], places[:, :2], method="linear") - places[:, 2]
    behind = np.clip(np.nan_to_num(behind), *_MOST)
    y, x = (np.mgrid[:SIDE, :SIDE] + 0.5) / SIDE
    grid = griddata(face_mesh().uv, behind, np.dstack([x, y]), method="linear", fill_value=0.0)
    grid = (grid + grid[:, ::-1]) / 2
    unit = SIDE * float(np.linalg.norm(layout()[36] - layout()[45]))
    smooth = cv2.GaussianBlur(grid, (0, 0), _SMOOTH * unit)
    return (smooth * np.clip(_distance_inside() / (_EDGE * unit), 0, 1)).astype(np.float32)


def _front(model: ShapeModel) -> np.ndarray:
    """(N, 3) vertices of the mean face that look forward, in the axes of `template`."""
    a, b, c, d = model.quads.T
    triangles = np.concatenate([np.stack([a, c, b], axis=1), np.stack([a, d, c], axis=1)])
    facing = Normals()(model.neutral.astype(np.float32), triangles)[:, 2] < 0
    unit = np.linalg.norm(np.subtract(*model.neutral[model.landmarks[[36, 45]]]))
    # the landmarks of `template` are moved to where people put them, and its middle and size are theirs
    middle = model.neutral[model.landmarks].mean(axis=0) / unit + marks().mean(axis=0)
    return np.asarray((model.neutral[facing] / unit - middle) / eye_distance(IctFaces(model, marks()).mean))


def _distance_inside() -> np.ndarray:
    """(SIDE, SIDE) cells to the outline from inside; 0 outside."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.round(layout()[OUTLINE] * SIDE * 16 - 8).astype(np.int32)], 1, shift=4)
    return np.asarray(cv2.distanceTransform(mask, cv2.DIST_L2, 5))
