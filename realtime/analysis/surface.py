"""Depth and normals of a face's mesh by two networks that look at the picture.

DepthNet sees keypoints alone. The network for depth sees the face and tells its shape as a whole better, but flattens
noses: what is finer than `_FINE_MM` stays DepthNet's.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import cv2
import numpy as np

from realtime.analysis.crop_net import FaceNet
from realtime.analysis.distance import millimetres_per_pixel
from realtime.frame import Face, Floats
from realtime.geometry.crops import Crop, face_crop, square_crop
from realtime.geometry.depth_code import FACE_MM, SPAN_MM, anchor
from realtime.geometry.mesh import OUTLINE, face_mesh, layout
from realtime.geometry.topology import LANDMARKS, eye_distance

_FINE_MM = 11.0
_EYES_MM = 90.0  # between the outer corners


class ReliefNet(FaceNet):
    """Gives faces `Face.relief`; calls `facial_depth_live.onnx`."""

    def _crop(self, face: Face) -> Crop:
        return square_crop(anchor(face.points), FACE_MM / millimetres_per_pixel(face), 0.0, self._look.size)

    def _seen(self, face: Face, crop: Crop, answer: np.ndarray) -> Face:
        return replace(face, relief=_relief(face, crop, answer[0]))


class FacingNet(FaceNet):
    """Gives faces `Face.facing`; calls `facial_normals_live.onnx`."""

    def _crop(self, face: Face) -> Crop:
        return face_crop(face.points, self._look.size)

    def _seen(self, face: Face, crop: Crop, answer: np.ndarray) -> Face:
        right, up, near = _at_vertices(np.ascontiguousarray(answer.transpose(1, 2, 0)), face, crop).T
        # the crop is upright in the head: normals turn back with it, and count y upwards
        cosine, sine = crop.matrix[0, :2] / np.hypot(*crop.matrix[0, :2])
        turned = np.column_stack([cosine * right + sine * up, cosine * up - sine * right, near])
        length = np.linalg.norm(turned, axis=1, keepdims=True)
        return replace(face, facing=(turned / np.maximum(length, 1e-6)).astype(np.float32))


def _at_vertices(values: np.ndarray, face: Face, crop: Crop) -> Floats:
    """(V[, K]) of (S, S[, K]) float32 values of a crop, at the mesh's vertices."""
    x, y = crop.into(face_mesh().weights @ face.points).astype(np.float32).T
    found = cv2.remap(values, x[:, None], y[:, None], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(found[:, 0], np.float32)


def _relief(face: Face, crop: Crop, answer: np.ndarray) -> Floats:
    """(V,) depth of the mesh's vertices from the network's (S, S) answer, 1 nearest … -1 `SPAN_MM` behind it."""
    assert face.depth is not None
    mesh = face_mesh()
    solid = mesh.weights @ np.column_stack([face.points, face.depth])
    behind = _smoothed(SPAN_MM * (1 - answer) / 2, face, crop)
    x, y = crop.into(solid[:, :2]).astype(np.float32).T
    shape = cv2.remap(behind, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[:, 0] / millimetres_per_pixel(
        face
    )
    relief = shape + solid[:, 2] - _mean_around() @ solid[:, 2]
    centred: Floats = (relief - relief[:LANDMARKS].mean()).astype(np.float32)
    return centred


def _smoothed(millimetres: np.ndarray, face: Face, crop: Crop) -> Floats:
    """(S, S) float32 means of what lies about each pixel inside the face's outline."""
    inside = np.zeros((crop.size, crop.size), np.float32)
    outline = np.clip(crop.into(face.points[OUTLINE]), -crop.size, 2 * crop.size)
    cv2.fillPoly(inside, [np.rint(outline).astype(np.int32)], 1.0)
    sigma = _FINE_MM * crop.size / FACE_MM
    share = cv2.GaussianBlur(inside, (0, 0), sigma)
    total = cv2.GaussianBlur(millimetres.astype(np.float32) * inside, (0, 0), sigma)
    return np.asarray(total / np.maximum(share, 1e-3), np.float32)


@cache
def _mean_around() -> Floats:
    """(V, V) float32: means over the surface about each vertex, on the flat layout."""
    mesh = face_mesh()
    places = mesh.uv.astype(np.float64)
    sigma = _FINE_MM * eye_distance(layout()) / _EYES_MM
    away = np.square(places[:, None] - places).sum(axis=2)
    (ax, ay), (bx, by) = (places[mesh.triangles[:, i]].T - places[mesh.triangles[:, 0]].T for i in (1, 2))
    area = np.zeros(len(places))  # vertices are closer together where there are features
    np.add.at(area, mesh.triangles, np.abs(ax * by - ay * bx)[:, None])
    weights = area * np.exp(-away / (2 * sigma**2))
    return np.asarray(weights / weights.sum(axis=1, keepdims=True), np.float32)
