"""The morphable model's whole surface fitted to 2D landmarks: depth and normals of every pixel of a face.

What the networks for depth and normals have to beat: no picture is looked at, only the landmarks.
"""

from __future__ import annotations

import numpy as np

from realtime.geometry.crops import Crop
from realtime.geometry.raster import rasterise
from realtime.geometry.topology import OUTER_EYE_CORNERS
from training.data import ShapeModel
from training.ict import IctFaces
from training.ict_fit import EXPRESSIONS, IDENTITIES, IctFit
from training.marks import marks
from training.synthetic.parts import Normals


class IctSurface:
    """Fits faces and draws their maps.

    Attributes:
        landmarks: (68,) vertices that the model has for them, the jaw's on the jaw line; people mark a little beside
            (`training.marks`), and so the fit takes what it is given.
    """

    def __init__(self, model: ShapeModel) -> None:
        """Take `training.data.ict_face()`."""
        faces = IctFaces(model, marks())
        self._fit = IctFit(faces)
        self.landmarks = model.landmarks
        left, right = OUTER_EYE_CORNERS
        landmarks = model.neutral[model.landmarks]
        unit = np.linalg.norm(landmarks[left] - landmarks[right])
        # centred, as the fit's landmarks are, where people mark them
        middle = (landmarks / unit + marks()).mean(axis=0)
        self._mean = (model.neutral / unit - middle).astype(np.float32)
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
        values = np.column_stack([vertices[:, 2], self._normals(vertices, self._triangles) * [1, -1, -1]])
        placed = np.column_stack([crop.into(vertices[:, :2]), vertices[:, 2]])
        drawn = rasterise(self._triangles, placed, values, (crop.size, crop.size))
        there = np.isfinite(drawn[..., 0])
        drawn = np.where(there[..., None], drawn, 0)
        length = np.linalg.norm(drawn[..., 1:], axis=-1, keepdims=True)
        return drawn[..., 0], drawn[..., 1:] / np.maximum(length, 1e-6), there
