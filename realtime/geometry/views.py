"""What of a surface is seen after an affine: which parts lie in front, and how much each is stretched."""

from __future__ import annotations

import numpy as np

from realtime.frame import Floats
from realtime.geometry.mesh import Mesh


def view_depth(affine: np.ndarray, points: np.ndarray) -> Floats:
    """(V,) depth of source points as seen after an affine, in [-0.95, 0.95], the nearest smallest.

    The affine's two rows are completed by their scaled cross product; with a depth that is known up to a factor only
    the order of the result means anything, which is all that hiding surfaces needs.

    Args:
        affine: (2, 4) from [x y z 1] of the source to output pixels.
        points: (V, 3) source points whose z grows away from the camera.
    """
    depth = points @ np.cross(affine[0, :3], affine[1, :3])
    low, high = float(depth.min()), float(depth.max())
    scaled: Floats = (1.9 * ((depth - low) / max(high - low, 1e-12)) - 0.95).astype(np.float32)
    return scaled


def texel_density(mesh: Mesh, source: Floats, output: Floats) -> Floats:
    """(V,) source area per output area round each vertex: 1 unstretched, small where texture is stretched.

    Negative where the surface is seen from behind in the source (or, which is not drawn, in the output).

    Args:
        mesh: the surface.
        source: (V, 2) vertices in the source picture.
        output: (V, 2) vertices in the output picture.
    """
    taken, drawn = vertex_areas(mesh, source), vertex_areas(mesh, output)
    density: Floats = (taken / np.where(np.abs(drawn) > 1e-6, drawn, np.inf)).astype(np.float32)
    return density


def vertex_areas(mesh: Mesh, points: Floats) -> np.ndarray:
    """(V,) area of the triangles round each of (V, 2) vertices, negative where they are seen from behind."""
    return np.bincount(mesh.triangles.ravel(), np.repeat(_areas(points, mesh), 3), len(mesh.uv))


def _areas(points: Floats, mesh: Mesh) -> np.ndarray:
    a, b, c = (points[mesh.triangles[:, i]] for i in range(3))
    return np.asarray((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2
