"""Heads turned further to the side than the data pack shows them.

Face profiling after 300W-LP (Zhu et al. 2016, section 5): the picture is cut into triangles, those of a 3D face mesh
and a belt around it that reaches to a fixed ring in the background; the mesh is turned about the head's upright axis,
the belt stretches. Good enough to teach a detector what a profile looks like, not to measure one.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from realtime.geometry.topology import JAW, NOSE_TIP
from training import data
from training.data import FaceSet

# How far the rings around the face oval lie from its middle (1 = the oval) and how deep, in face widths.
EAR_RING, FIXED_RING = 1.22, 2.2
EAR_DEPTH = 0.15
YAW_OF_OFFSET = 50.0  # degrees of yaw at a `nose_offset` of 1, roughly


def read_triangles(path: Path) -> np.ndarray:
    """(T, 3) int vertex numbers of a Wavefront .obj file."""
    faces = [line.split()[1:4] for line in path.read_text().splitlines() if line.startswith("f ")]
    return np.array([[int(corner.split("/")[0]) - 1 for corner in face] for face in faces])


def outline(triangles: np.ndarray) -> np.ndarray:
    """Vertex numbers of a mesh's longest border, in order around it."""
    edges = {(int(a), int(b)) for t in triangles for a, b in ((t[0], t[1]), (t[1], t[2]), (t[2], t[0]))}
    following = {a: b for a, b in edges if (b, a) not in edges}
    loops: list[list[int]] = []
    while following:
        start, at = following.popitem()
        loop = [start]
        while at != start:
            loop.append(at)
            at = following.pop(at)
        loops.append(loop)
    return np.array(max(loops, key=len))


def with_belt(mesh: np.ndarray, triangles: np.ndarray, border: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mesh with two rings around its border: (V + 2B, 3) vertices and (T + 4B, 3) triangles."""
    rim = mesh[border]
    middle = rim.mean(axis=0)
    width = np.ptp(rim[:, 0])
    ears = middle + (rim - middle) * [EAR_RING, EAR_RING, 1] + [0, 0, EAR_DEPTH * width]
    fixed = middle + (rim - middle) * [FIXED_RING, FIXED_RING, 0]
    count, size = len(mesh), len(border)
    here = np.arange(size)
    following = np.roll(here, -1)
    belts = []
    for inner, outer in ((border, count + here), (count + here, count + size + here)):
        belts.append(np.stack([inner, inner[following], outer], axis=1))
        belts.append(np.stack([inner[following], outer[following], outer], axis=1))
    return np.concatenate([mesh, ears, fixed]), np.concatenate([triangles, *belts])


def turn_head(
    picture: np.ndarray,
    points: np.ndarray,
    mesh: np.ndarray,
    triangles: np.ndarray,
    border: np.ndarray,
    yaw_deg: float,
) -> tuple[np.ndarray, np.ndarray]:
    """A picture with its head turned by `yaw_deg` more (> 0: towards image right), and the landmarks there.

    Args:
        picture: (H, W[, C]) uint8.
        points: (K, 2) pixels.
        mesh: (V, 3) pixels, z in pixels, smaller = nearer.
        triangles, border: (T, 3) of the mesh, all wound alike, and its `outline`.
        yaw_deg: the turn.

    Returns:
        (H, W[, C]) uint8; (K, 2) float32, each landmark moved as the mesh vertex nearest to it.
    """
    vertices, all_triangles = with_belt(mesh.astype(np.float64), triangles, border)
    pivot = vertices[border].mean(axis=0)
    pivot[2] += EAR_DEPTH * np.ptp(mesh[:, 0])
    angle = np.deg2rad(yaw_deg)
    rotation = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    turned = (vertices - pivot) @ rotation.T + pivot
    turned[-len(border) :] = vertices[-len(border) :]
    nearest = np.linalg.norm(points[:, None] - mesh[None, :, :2], axis=2).argmin(axis=1)
    moved = points + turned[nearest, :2] - mesh[nearest, :2]
    # the belt lies behind the face, the fixed ring behind everything: far triangles first
    depth = turned[all_triangles, 2].mean(axis=1)
    depth[len(triangles) :] += 1e6
    facing = _winding(vertices[all_triangles]) * _winding(turned[all_triangles]) > 0
    order = [index for index in np.argsort(-depth) if facing[index]]
    visible = all_triangles[order]
    return _redrawn(picture, vertices[visible, :2], turned[visible, :2]), moved.astype(np.float32)


def nose_offset(points: np.ndarray) -> float:
    """-1..1: where the nose tip lies between the ends of the jaw line, image left to right; 0 is frontal."""
    left, right, nose = points[0], points[16], points[NOSE_TIP]
    across = right - left
    return float(np.clip((2 * nose - left - right) @ across / max(float(across @ across), 1e-6), -1, 1))


def slide_jaw(points: np.ndarray, mesh: np.ndarray, side: float) -> np.ndarray:
    """Keypoints whose hidden jaw points lie on the face's visible contour, where people mark them.

    Args:
        points: (81, 2) pixels of a turned face.
        mesh: (V, 2) pixels of its turned mesh.
        side: > 0 where the nose points to image right: that side's jaw is the hidden one.
    """
    points = points.copy()
    near = 0.03 * np.ptp(mesh[:, 1])
    for row in JAW[9:] if side > 0 else JAW[:8]:
        across = side * mesh[np.abs(mesh[:, 1] - points[row, 1]) < near, 0]
        points[row, 0] = side * max(side * points[row, 0], across.max(initial=-np.inf))
    return points


class Turner:
    """Turns heads of a set of the data pack to 35-80 degrees of yaw.

    On in the direction they look already: the other way would show what the picture does not have.
    """

    def __init__(self, faces: FaceSet) -> None:
        """`faces`: a set with meshes."""
        self._faces = faces
        self._meshes = data.mesh_points(faces.name)
        self._triangles = read_triangles(data.folder() / "canonical_face_model.obj")
        self._border = outline(self._triangles)

    def __call__(self, row: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
        """Picture number `row` turned by an angle from `rng`: (H, W, 3) uint8 RGB and (81, 2) float32 keypoints.

        None for a head that has no mesh or is turned further already.
        """
        points = self._faces.points[row]
        lean = nose_offset(points)
        side = np.sign(lean) if abs(lean) > 0.12 else rng.choice([-1.0, 1.0])
        yaw = side * rng.uniform(35, 80) - lean * YAW_OF_OFFSET
        if row not in self._meshes or side * yaw < 10:
            return None
        mesh = self._meshes[row]
        both = np.concatenate([points, mesh[:, :2]])
        picture, moved = turn_head(self._faces.picture(row), both, mesh, self._triangles, self._border, yaw)
        return picture, slide_jaw(moved[: len(points)], moved[len(points) :], side)


def _winding(corners: np.ndarray) -> np.ndarray:
    """(T,) twice the signed area of (T, 3, 2 or 3) triangles as seen by the camera."""
    a, b = corners[:, 1, :2] - corners[:, 0, :2], corners[:, 2, :2] - corners[:, 0, :2]
    return a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]


def _redrawn(picture: np.ndarray, source: np.ndarray, place: np.ndarray) -> np.ndarray:
    """The picture with its triangles `source` (T, 3, 2) drawn at `place` (T, 3, 2), later ones over earlier ones."""
    height, width = picture.shape[:2]
    which = np.full((height, width), -1, np.int32)
    for index, corners in enumerate(np.rint(place * 16).astype(np.int32)):
        cv2.fillConvexPoly(which, corners, index, shift=4)
    one = np.ones((len(place), 3, 1))
    back = np.linalg.inv(np.concatenate([place, one], axis=2)) @ source  # (T, 3, 2): x y 1 there → x y here
    y, x = np.nonzero(which >= 0)
    found = np.einsum("ni,nij->nj", np.stack([x, y, np.ones_like(x)], axis=1), back[which[y, x]])
    maps = np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=2).astype(np.float32)
    maps[y, x] = found
    return cv2.remap(picture, maps, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
