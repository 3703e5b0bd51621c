"""Where surfaces face: of meshes, and of measured depth. Normals have x right, y up, z towards the camera."""

from __future__ import annotations

import math

import cv2
import numpy as np

from realtime.frame import Floats, Intrinsics, Millimetres
from realtime.geometry.mesh import Mesh

_LEAST = 0.3  # share of a window that has to be measured


def mesh_normals(mesh: Mesh, solid: Floats) -> Floats:
    """(V, 3) unit normals of (V, 3) vertices (x right, y down, z away)."""
    a, b, c = (solid[mesh.triangles[:, i]] for i in range(3))
    facing = np.cross(b - a, c - a)  # triangles run clockwise in the image: this points away from the camera
    total = np.zeros_like(solid)
    for corner in range(3):
        np.add.at(total, mesh.triangles[:, corner], facing)
    unit = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    outward: Floats = (unit * [-1, 1, 1]).astype(np.float32)
    return outward


def depth_normals(depth: Millimetres, intrinsics: Intrinsics, spread: float) -> Floats:
    """(H, W, 3) float32 unit normals of (H, W) depth, zeros where too little round a pixel was measured.

    A plane is fitted to the neighbourhood of each pixel, weighted by a Gaussian of `spread` pixels: sensors measure in
    steps of several millimetres, and normals of single pixels are those of the steps. In pixels it is 1 / depth of a
    plane that is linear, so that a plane's normal comes out exact.

    Args:
        depth: millimetres, 0 not measured. Mask it first to one surface: planes are fitted across edges, too.
        intrinsics: of its camera.
        spread: standard deviation in pixels.
    """
    reach = max(1, math.ceil(2.5 * spread))
    step = np.arange(-reach, reach + 1, dtype=np.float32)
    even = np.exp(-0.5 * (step / np.float32(spread)) ** 2)
    even /= even.sum()
    known = (depth > 0).astype(np.float32)
    near = np.divide(1000.0, depth, out=np.zeros(depth.shape, np.float32), where=depth > 0)

    def moment(picture: Floats, x: int, y: int) -> Floats:
        # sum over the window of picture * (column - here)^x * (row - here)^y
        kernels = even * step**x, even * step**y
        return np.asarray(cv2.sepFilter2D(picture, cv2.CV_32F, *kernels, borderType=cv2.BORDER_CONSTANT))

    n, sx, sy = moment(known, 0, 0), moment(known, 1, 0), moment(known, 0, 1)
    xx, xy, yy = moment(known, 2, 0), moment(known, 1, 1), moment(known, 0, 2)
    q, qx, qy = moment(near, 0, 0), moment(near, 1, 0), moment(near, 0, 1)
    # least squares for near = slope_x * x + slope_y * y + here, with the mean taken out
    n1 = np.maximum(n, np.float32(1e-6))
    var_x, both, var_y = xx - sx * sx / n1, xy - sx * sy / n1, yy - sy * sy / n1
    with_x, with_y = qx - q * sx / n1, qy - q * sy / n1
    determinant = var_x * var_y - both * both
    sound = (n > _LEAST) & (determinant > 0.05 * spread**4 * n1) & (depth > 0)
    inverse = 1 / np.where(sound, determinant, 1)
    slope_x = (with_x * var_y - with_y * both) * inverse
    slope_y = (with_y * var_x - with_x * both) * inverse
    here = (q - slope_x * sx - slope_y * sy) / n1
    rows, columns = np.mgrid[: depth.shape[0], : depth.shape[1]].astype(np.float32)
    facing = np.dstack(
        [
            -slope_x * intrinsics.fx,
            slope_y * intrinsics.fy,
            here - slope_x * (columns - intrinsics.cx) - slope_y * (rows - intrinsics.cy),
        ]
    )
    length = np.linalg.norm(facing, axis=2, keepdims=True)
    out: Floats = np.where(sound[..., None], facing / np.maximum(length, 1e-9), 0).astype(np.float32)
    return out
