"""What a Kinect makes of an exact depth map: the faults of the first (structured light) and second (time of flight).

All maps are (H, W) in millimetres along the camera's axis, 0 = nothing there; the results are uint16, 0 = missing.
"""

from __future__ import annotations

import cv2
import numpy as np

# Kinect v1 (Khoshelham and Elberink 2012): depth from the disparity of a projected pattern
V1_FOCAL = 575.8  # pixels of its 640x480 picture
V1_BASELINE = 75.0  # mm from the camera to the projector, which stands to the image right
V1_STEP = 1 / 8  # pixel, the disparity's resolution
V1_SIGMA = 1.5e-6  # 1/mm: standard deviation of depth by its square, before rounding
V1_RANGE = (400.0, 8000.0)
# Kinect v2: phase of modulated light
V2_FOCAL = 365.0  # pixels of its 512x424 picture
V2_SIGMA = (1.5, 0.5)  # mm near by, and mm more at one metre, growing with the square
V2_RANGE = (450.0, 4500.0)
EDGE = 0.02  # a step between neighbours of this share of the depth is an edge
GRAZING = 0.18  # cosine to the surface's normal below which too little light comes back


def kinect_v1(
    depth: np.ndarray, rng: np.random.Generator, focal: float = V1_FOCAL, absorbing: np.ndarray | None = None
) -> np.ndarray:
    """Depth as a Kinect v1 gives it.

    Args:
        depth: (H, W) mm.
        rng: source of chance.
        focal: pixels; another than the sensor's own means that the map is an enlarged or reduced part of its picture.
        absorbing: (H, W) 0..1, probability that the surface swallows the pattern (hair, dark glass).
    """
    seen = _jittered(depth, rng, 0.5 * focal / V1_FOCAL)
    there = seen > 0
    safe = np.where(there, seen, 1e6)
    disparity = V1_FOCAL * V1_BASELINE / safe
    # the pattern is matched in windows, so that neighbours err alike
    noise = cv2.GaussianBlur(rng.standard_normal(depth.shape, dtype=np.float32), (0, 0), 0.7 * focal / V1_FOCAL)
    noise /= max(float(noise.std()), 1e-6)
    disparity = disparity + V1_FOCAL * V1_BASELINE * V1_SIGMA * noise
    disparity = np.rint(disparity / V1_STEP) * V1_STEP
    measured = V1_FOCAL * V1_BASELINE / np.maximum(disparity, 1e-3)
    lost = ~there | shadow(seen, focal) | _lost_at_edges(seen, rng, 0.6) | _swallowed(absorbing, depth.shape, rng)
    return _kept(measured, lost, V1_RANGE)


def kinect_v2(
    depth: np.ndarray, rng: np.random.Generator, focal: float = V2_FOCAL, absorbing: np.ndarray | None = None
) -> np.ndarray:
    """Depth as a Kinect v2 gives it; arguments as for `kinect_v1`."""
    there = depth > 0
    near = cv2.erode(np.where(there, depth, np.float32(1e5)).astype(np.float32), np.ones((3, 3)))
    far = cv2.dilate(depth.astype(np.float32), np.ones((3, 3)))
    edge = there & (far - near > EDGE * near) & (near < 1e5)
    # a pixel that sees two surfaces measures something between them
    share = rng.random(depth.shape, dtype=np.float32)
    flies = edge & (rng.random(depth.shape) < 0.5)
    measured = np.where(flies, near + share * (far - near), depth)
    # fainter light makes a coarser phase
    faint = 1 / np.maximum(facing(depth, focal), 0.3)
    sigma = (V2_SIGMA[0] + V2_SIGMA[1] * (depth / 1000) ** 2) * faint
    measured = measured + sigma * rng.standard_normal(depth.shape, dtype=np.float32)
    lost = ~there | (edge & (rng.random(depth.shape) < 0.15)) | (~edge & (facing(depth, focal) < GRAZING))
    return _kept(measured, lost | _swallowed(absorbing, depth.shape, rng), V2_RANGE)


def shadow(depth: np.ndarray, focal: float) -> np.ndarray:
    """(H, W) bool: seen by the camera, hidden from a projector that stands `V1_BASELINE` to the image right."""
    across = np.arange(depth.shape[1], dtype=np.float32)
    lit_at = across - focal * V1_BASELINE / np.where(depth > 0, depth, np.inf)
    # the projector sees columns in order; one that a nearer surface further right reaches across lies behind it
    reached = np.minimum.accumulate(lit_at[:, ::-1], axis=1)[:, ::-1]
    return (depth > 0) & (lit_at > reached + 1.0)


def facing(depth: np.ndarray, focal: float) -> np.ndarray:
    """(H, W) float32 cosine between the surface's normal and the camera's axis, from differences between neighbours."""
    down, across = np.gradient(np.where(depth > 0, depth, np.nan).astype(np.float32))
    slope = np.hypot(across, down) * focal / np.maximum(depth, 1)
    return np.nan_to_num(1 / np.sqrt(1 + slope**2), nan=1.0).astype(np.float32)


def _jittered(depth: np.ndarray, rng: np.random.Generator, sigma: float) -> np.ndarray:
    """The map with every pixel taken from near its place: contours fray."""
    y, x = np.indices(depth.shape, dtype=np.float32)
    shift = sigma * rng.standard_normal((2, *depth.shape), dtype=np.float32)
    return cv2.remap(
        depth.astype(np.float32), x + shift[0], y + shift[1], cv2.INTER_NEAREST, borderMode=cv2.BORDER_REPLICATE
    )


def _lost_at_edges(depth: np.ndarray, rng: np.random.Generator, chance: float) -> np.ndarray:
    near = cv2.erode(np.where(depth > 0, depth, np.float32(1e5)).astype(np.float32), np.ones((3, 3)))
    far = cv2.dilate(depth.astype(np.float32), np.ones((3, 3)))
    return (far - near > EDGE * near) & (rng.random(depth.shape) < chance)


def _swallowed(absorbing: np.ndarray | None, shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    if absorbing is None:
        return np.zeros(shape, bool)
    # whole patches are missing, not single pixels
    patches = cv2.GaussianBlur(rng.standard_normal(shape, dtype=np.float32), (0, 0), 2.0)
    order = np.argsort(np.argsort(patches.ravel())).reshape(shape) / patches.size
    return order < absorbing


def _kept(measured: np.ndarray, lost: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    out = np.rint(measured)
    out[lost | (out < limits[0]) | (out > limits[1])] = 0
    return out.astype(np.uint16)
