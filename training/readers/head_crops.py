"""Crops of sets that say where the head's centre is, rather than where its landmarks are."""

from __future__ import annotations

import numpy as np

from realtime.frame import Millimetres
from realtime.rgbd.calibration import Camera
from realtime.rgbd.registration import project
from training.facial_depth.samples import Sample, cut

HEAD_RADIUS = 110.0  # mm about the head's centre within which measured points belong to the head
# From the head's centre to the face, mm: what the crop is cut for
FACE_BEFORE = 70.0


def head_crop(
    picture: np.ndarray,
    depth: Millimetres,
    camera: Camera,
    centre: np.ndarray,
    person: str,
    rng: np.random.Generator | None = None,
) -> Sample:
    """The crop of a head.

    Args:
        picture: (H, W, 3) uint8 RGB.
        depth: (H, W) mm on its pixels, 0 = missing.
        camera: of the picture.
        centre: (3,) mm of the camera (x right, y down, z away), the middle of the head.
        person: who it is.
        rng: puts the crop a little off.
    """
    depth = depth.astype(np.float32)
    seen = camera.intrinsics
    v, u = np.indices(depth.shape)
    x, y = (u - seen.cx) / seen.fx * depth, (v - seen.cy) / seen.fy * depth
    away = (x - centre[0]) ** 2 + (y - centre[1]) ** 2 + (depth - centre[2]) ** 2
    head = (depth > 0) & (away < HEAD_RADIUS**2)
    place = project(camera, (centre - np.array([0, 0, FACE_BEFORE]))[None])[0]
    return cut(picture, depth, head, seen, place, person, rng=rng)
