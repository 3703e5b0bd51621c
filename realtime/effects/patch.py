"""Drawn faces, with what surrounds them."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frame import Floats
from realtime.geometry.mesh import RINGS, face_mesh, head_mesh
from realtime.render.surface import Patch, Warp


def face_patch(face: int, *layers: Warp) -> Patch:
    """A drawn face: its id and its surfaces on the face or head mesh, the lowest first."""
    return Patch(face, layers, _with_rings(layers[-1].position[: len(face_mesh().uv)]))


def _with_rings(face: Floats) -> Floats:
    """(V, 2) of the head mesh: the (F, 3) vertices of the face as it is drawn, and rings round it.

    Rings go round the convex hull of what is drawn: the outline of a turned face hides on its far side.
    """
    _, anchors, _ = head_mesh()
    outline = face[anchors[: len(anchors) // len(RINGS)], :2]
    centre = outline.mean(axis=0)
    rays = (outline - centre) * _to_hull(face[:, :2] - centre, outline - centre)[:, None]
    rings = np.concatenate([centre + radius * rays for radius, _ in RINGS])
    return np.concatenate([face[:, :2], rings]).astype(np.float32)


def _to_hull(points: Floats, rays: Floats) -> Floats:
    """(R,) how many of each (R, 2) ray from the origin it takes to the convex hull of (N, 2) points around it.

    1 where the points have no hull: a face squeezed to nothing.
    """
    hull = cv2.convexHull(points.astype(np.float32))[:, 0]
    along = np.roll(hull, -1, axis=0) - hull
    out = np.column_stack([along[:, 1], -along[:, 0]])
    out *= np.sign((out * hull).sum(axis=1, keepdims=True))
    speed = rays @ out.T
    reached = np.where(speed > 1e-6, (out * hull).sum(axis=1) / np.maximum(speed, 1e-6), np.inf)
    nearest = reached.min(axis=1)
    return np.where(np.isfinite(nearest), nearest, 1.0)
