"""Drawn faces, with the surroundings that a repair may change."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np

from realtime.frame import Floats
from realtime.geometry.mesh import RINGS, face_mesh, head_mesh
from realtime.render.surface import Patch, Warp

# How far a repair may reach: over the face, and this share of all on the rings of the head mesh around it.
_ROUND_A_SEAM = (0.0, 0.0, 0.0)
_ROUND_A_HEAD = (1.0, 0.0, 0.0)


def seam_patch(face: int, layers: tuple[Warp, ...]) -> Patch:
    """A face drawn over a live one, its layers (the lowest first) all on the face mesh: repaired round its seam."""
    return Patch(face, layers, _with_rings(layers[-1].position), _seam_reach())


def head_patch(face: int, layer: Warp) -> Patch:
    """A head that is moved with its surroundings, drawn on the head mesh: the repair reaches into them."""
    return Patch(face, (layer,), _with_rings(layer.position[: len(face_mesh().uv)]), _head_reach())


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


@cache
def _seam_reach() -> Floats:
    return _reach(_ROUND_A_SEAM)


@cache
def _head_reach() -> Floats:
    return _reach(_ROUND_A_HEAD)


def _reach(rings: tuple[float, ...]) -> Floats:
    """(V,) of the head mesh: 1 on the face, then what each ring has."""
    assert len(rings) == len(RINGS)
    _, anchors, _ = head_mesh()
    around = np.repeat(np.array(rings, np.float32), len(anchors) // len(RINGS))
    return np.concatenate([np.ones(len(face_mesh().uv), np.float32), around])
