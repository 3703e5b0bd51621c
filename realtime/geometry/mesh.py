"""The drawn surface: about 500 vertices whose every coordinate is a fixed linear blend of the 81 keypoints.

Vertices live on a flat layout of the face (the mean face seen from the front, mouth a little open so that its inside
has room). Thin-plate weights on that layout carry anything known at the keypoints, positions, depths, residuals or
confidences, smoothly to the vertices: `mesh.weights @ keypoints`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.frame import Floats
from realtime.geometry.template import template
from realtime.geometry.thin_plate import thin_plate_weights
from realtime.geometry.topology import HAIRLINE, JAW, KEYPOINTS

# The face's outline, counter-clockwise in the image: from the image-left temple over the chin and back along the hair.
OUTLINE = np.concatenate([JAW, HAIRLINE[::-1]])
_LINES = (
    [*OUTLINE.tolist(), 0],
    list(range(17, 22)),
    list(range(22, 27)),
    list(range(27, 31)),
    list(range(31, 36)),
    [*range(36, 42), 36],
    [*range(42, 48), 42],
    [*range(48, 60), 48],
    [*range(60, 68), 60],
)
# How far the parts below the mouth's slit move down in the layout, in eye distances.
_MOUTH_GAP = 0.18
_BELOW = {4: 0.2, 5: 0.4, 6: 0.7, 7: 0.9, 8: 1.0, 9: 0.9, 10: 0.7, 11: 0.4, 12: 0.2}
_BELOW |= {55: 0.6, 56: 1.0, 57: 1.0, 58: 1.0, 59: 0.6, 65: 1.0, 66: 1.0, 67: 1.0}
_SPACING = 0.085  # of the interior grid, in eye distances
# The head around the face in `rotate`: rings outside the outline, as multiples of its radius, and how much of the
# outline's movement each follows; the last ring stands still.
RINGS = ((1.18, 0.85), (1.45, 0.5), (1.85, 0.0))


@dataclass(frozen=True, slots=True, eq=False)
class Mesh:
    """A triangulated surface over the keypoints.

    Attributes:
        uv: (V, 2) float32 in [0, 1], place on the layout.
        weights: (V, K) float32, keypoints → vertices.
        triangles: (T, 3) int32, all wound alike (clockwise in the image, seen from the front), in the order from the
            nearest to the furthest that they have there.
    """

    uv: Floats
    weights: Floats
    triangles: NDArray[np.int32]

    def edges(self) -> NDArray[np.int32]:
        """(E, 2) every edge once."""
        pairs = np.concatenate([self.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
        return np.unique(np.sort(pairs, axis=1), axis=0)


@cache
def layout() -> Floats:
    """(81, 2) float32: the keypoints on the flat layout, in [0, 1], aspect kept."""
    flat = template()[:, :2].copy()
    for index, share in _BELOW.items():
        flat[index, 1] += _MOUTH_GAP * share
    margin = 0.02
    low, high = flat.min(axis=0), flat.max(axis=0)
    scale = (1 - 2 * margin) / (high - low).max()
    placed: Floats = ((flat - (low + high) / 2) * scale + 0.5).astype(np.float32)
    return placed


@cache
def face_mesh() -> Mesh:
    """The face from chin to hairline."""
    knots = layout().astype(np.float64)
    spacing = _SPACING * float(np.linalg.norm(knots[36] - knots[45]))
    points = knots.tolist()
    for line in _LINES:
        points += _between(knots[line], spacing)
    points = _fill(np.array(points), knots[OUTLINE], spacing)
    triangles = _delaunay(points)
    centres = points[triangles].mean(axis=1)
    triangles = triangles[[_distance_inside(knots[OUTLINE], centre) > 0 for centre in centres]]
    weights = thin_plate_weights(knots, points)
    depth = (weights @ template()[:, 2])[triangles].mean(axis=1)
    return Mesh(points.astype(np.float32), weights, triangles[np.argsort(depth, kind="stable")])


@cache
def head_mesh() -> tuple[Mesh, NDArray[np.int32], Floats]:
    """The face with rings of hair, neck and background around it.

    Returns:
        mesh: its first vertices are those of `face_mesh`; ring vertices have weights that extend the outline linearly
            from the centre of the outline, so `weights @ points` places them in the picture.
        anchors: (R,) the outline vertex each ring vertex hangs on.
        follow: (R,) float32 in [0, 1], the share of its anchor's movement it follows.
    """
    face = face_mesh()
    outline = _outline_vertices(face)
    centre = face.weights[outline].mean(axis=0)
    uv, weights, triangles, anchors, follow = [face.uv], [face.weights], [face.triangles], [], []
    middle = face.uv[outline].mean(axis=0)
    inner, count = outline, len(face.uv)
    for radius, share in RINGS:
        outer = np.arange(count, count + len(outline), dtype=np.int32)
        uv.append(middle + radius * (face.uv[outline] - middle))
        weights.append(centre + radius * (face.weights[outline] - centre))
        a, b, c, d = inner, np.roll(inner, -1), outer, np.roll(outer, -1)
        triangles += [np.column_stack([a, b, c]), np.column_stack([b, d, c])]
        anchors.append(outline)
        follow.append(np.full(len(outline), share))
        inner, count = outer, count + len(outline)
    mesh = Mesh(
        np.concatenate(uv).astype(np.float32),
        np.concatenate(weights).astype(np.float32),
        _wound_alike(np.concatenate(uv), np.concatenate(triangles)),
    )
    return mesh, np.concatenate(anchors).astype(np.int32), np.concatenate(follow).astype(np.float32)


def reached(triangles: NDArray[np.int32], places: np.ndarray, mask: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(T,) bool: the triangles in which a mask that is interpolated linearly may be above 0 (and some beside them).

    Told by the triangles' bounding boxes, a texel wider all round.

    Args:
        triangles: (T, 3).
        places: (V, 2) finite places of the vertices on the mask, in texels, whose centres are at halves; beyond the
            mask its edge is repeated.
        mask: (H, W).
    """
    total = cv2.integral((mask > 0).astype(np.uint8))
    height, width = mask.shape
    first, last = np.floor(places).astype(np.int32) - 1, np.ceil(places).astype(np.int32) + 1
    a, b, c = triangles.T
    low = np.minimum(np.minimum(first[a], first[b]), first[c])
    high = np.maximum(np.maximum(last[a], last[b]), last[c])
    left, top = np.clip(low, 0, (width - 1, height - 1)).T
    right, bottom = np.clip(high, 1, (width, height)).T
    inside = total[bottom, right] - total[top, right] - total[bottom, left] + total[top, left]
    return np.asarray(inside > 0)


def _outline_vertices(mesh: Mesh) -> NDArray[np.int32]:
    """Vertices on the outline in order: the boundary edges of the mesh, chained from keypoint 0."""
    pairs = np.concatenate([mesh.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))])
    directed = {tuple(pair) for pair in pairs.tolist()}
    following = {a: b for a, b in directed if (b, a) not in directed}
    chain = [0]
    while following[chain[-1]] != chain[0]:
        chain.append(following[chain[-1]])
    return np.array(chain, np.int32)


def _between(line: np.ndarray, spacing: float) -> list[list[float]]:
    """Points between the corners of a polyline, so that no gap is much longer than `spacing`."""
    added = []
    for a, b in pairwise(line):
        pieces = max(1, round(float(np.linalg.norm(b - a)) / spacing))
        added += [(a + (b - a) * i / pieces).tolist() for i in range(1, pieces)]
    return added


def _fill(points: np.ndarray, outline: np.ndarray, spacing: float) -> np.ndarray:
    """Add a hexagonal grid inside the outline wherever no point is near."""
    added: list[np.ndarray] = []
    low, high = outline.min(axis=0), outline.max(axis=0)
    for row, y in enumerate(np.arange(low[1], high[1], spacing * np.sqrt(0.75))):
        for x in np.arange(low[0] + spacing / 2 * (row % 2), high[0], spacing):
            place = np.array([x, y])
            near = np.linalg.norm(points - place, axis=1).min()
            if near > 0.62 * spacing and _distance_inside(outline, place) > 0.5 * spacing:
                added.append(place)
    return np.vstack([points, *added])


def _distance_inside(outline: np.ndarray, place: np.ndarray) -> float:
    x, y = place.tolist()
    return float(cv2.pointPolygonTest(outline.astype(np.float32), (x, y), True))


def _delaunay(points: np.ndarray) -> NDArray[np.int32]:
    """(T, 3) the Delaunay triangles of points in the unit square."""
    division = cv2.Subdiv2D((-1, -1, 3, 3))
    for x, y in points.tolist():
        division.insert((x, y))
    corners = np.asarray(division.getTriangleList(), np.float64).reshape(-1, 3, 2)
    inside = ((corners > -0.5) & (corners < 1.5)).all(axis=(1, 2))  # drops the helper triangle around everything
    distance = np.linalg.norm(corners[inside][:, :, None] - points[None, None], axis=-1)
    return _wound_alike(points, distance.argmin(axis=-1))


def _wound_alike(points: np.ndarray, triangles: np.ndarray) -> NDArray[np.int32]:
    a, b, c = (points[triangles[:, i]] for i in range(3))
    area = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    return np.where(area[:, None] > 0, triangles, triangles[:, ::-1]).astype(np.int32)


assert len(OUTLINE) + 51 == KEYPOINTS
