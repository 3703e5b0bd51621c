"""The morphable model's whole surface fitted to 2D landmarks: depth and normals of every pixel of a face.

What the networks for depth and normals have to beat: no picture is looked at, only the landmarks.
"""

from __future__ import annotations

import numpy as np

from realtime.geometry.crops import Crop
from training.data import ShapeModel
from training.ict import IctFaces
from training.ict_fit import EXPRESSIONS, IDENTITIES, IctFit
from training.synthetic.parts import Normals


class IctSurface:
    """Fits faces and draws their maps.

    Attributes:
        landmarks: (68,) vertices that stand for them, the jaw's on the jaw line.
    """

    def __init__(self, model: ShapeModel) -> None:
        """Take `training.data.ict_face()`."""
        faces = IctFaces(model)
        self._fit = IctFit(faces)
        self.landmarks = model.landmarks
        landmarks = model.neutral[model.landmarks]
        unit = np.linalg.norm(landmarks[36] - landmarks[45])
        self._mean = ((model.neutral - landmarks.mean(axis=0)) / unit).astype(np.float32)
        mixtures = faces.principal_mixtures(IDENTITIES, EXPRESSIONS)
        bases = (model.identity, model.expression)
        parts = [mix @ basis.reshape(len(basis), -1) / unit for mix, basis in zip(mixtures, bases, strict=True)]
        self._basis = np.concatenate(parts).astype(np.float32)
        a, b, c, d = model.quads.T
        self._triangles = np.concatenate([np.stack([a, c, b], axis=1), np.stack([a, d, c], axis=1)]).astype(np.int32)
        self._normals = Normals()

    def vertices(self, points: np.ndarray) -> np.ndarray:
        """(V, 3) of (68, 2) landmarks: pixels, z in pixels from the landmarks' mean, smaller = nearer."""
        fitted = self._fit.fit(points[None])
        shape = self._mean + (fitted.weights[0].astype(np.float32) @ self._basis).reshape(self._mean.shape)
        turned = fitted.scale[0] * (shape @ fitted.rotation[0].T)
        turned[:, :2] += fitted.shift[0]
        return turned.astype(np.float32)

    def maps(self, points: np.ndarray, crop: Crop) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What the fit shows in a crop without tilt.

        Args:
            points: (68, 2) pixels of the picture.
            crop: from that picture.

        Returns:
            (S, S) depth in picture pixels, 0 = the landmarks' mean; (S, S, 3) unit normals, x right, y up, z towards
            the camera; (S, S) bool, where the surface is.
        """
        vertices = self.vertices(points)
        normals = self._normals(vertices, self._triangles)
        # vertices and the middles of triangles are closer together than pixels
        corners = self._triangles
        places = np.concatenate([vertices, vertices[corners].mean(axis=1)])
        facing = np.concatenate([normals, normals[corners].mean(axis=1)])
        seen = facing[:, 2] < 0
        places, facing = places[seen], facing[seen]
        at = np.rint(crop.into(places[:, :2])).astype(int)
        inside = ((at >= 0) & (at < crop.size)).all(axis=1)
        at, places, facing = at[inside], places[inside], facing[inside]
        depth = np.zeros((crop.size, crop.size), np.float32)
        map_ = np.zeros((crop.size, crop.size, 3), np.float32)
        there = np.zeros((crop.size, crop.size), bool)
        order = np.argsort(-places[:, 2], kind="stable")  # the nearest is written last
        row, column = at[order, 1], at[order, 0]
        depth[row, column] = places[order, 2]
        map_[row, column] = facing[order] * [1, -1, -1]
        there[row, column] = True
        depth, map_, there = _filled(depth, map_, there)
        length = np.linalg.norm(map_, axis=-1, keepdims=True)
        return depth, map_ / np.maximum(length, 1e-6), there


def _filled(depth: np.ndarray, normals: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Holes of one or two pixels take the mean of their neighbours."""
    for _ in range(2):
        padded = np.pad(there, 1).astype(np.float32)
        stacked = np.pad(np.dstack([depth, normals]) * there[..., None], ((1, 1), (1, 1), (0, 0)))
        size = len(depth)
        shifts = [(i, j) for i in range(3) for j in range(3)]
        count = sum(padded[i : i + size, j : j + size] for i, j in shifts)
        total = sum(stacked[i : i + size, j : j + size] for i, j in shifts)
        holes = ~there & (count >= 4)
        mean = total / np.maximum(count, 1)[..., None]
        depth, normals = np.where(holes, mean[..., 0], depth), np.where(holes[..., None], mean[..., 1:], normals)
        there = there | holes
    return depth, normals, there
