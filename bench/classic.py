"""A stand-in, written by us, for the classic real-time swappers: landmarks, triangles, one colour match, feathering.

Each triangle of the photo is moved by its own affine map onto the live landmarks; the colours of the face, seen as a
whole, get the live face's mean and deviation in Lab (Reinhard et al. 2001); the outline is feathered, or the face is
cloned seamlessly (Pérez et al. 2003, OpenCV). Eyes, mouth and proportions follow from the landmarks alone. It stands
on our landmarks, so that only what is drawn differs.
"""

from __future__ import annotations

from typing import Literal

import cv2
import numpy as np

from realtime.frame import Pixels
from realtime.geometry.topology import INNER, JAW, LANDMARKS

_FEATHER = 0.08  # of the face's height


class Classic:
    """Draws one photo on live faces."""

    def __init__(self, photo: Pixels, points: np.ndarray, blend: Literal["feather", "clone"] = "feather") -> None:
        """Give an (H, W, 3) RGB photo, its (81, 2) keypoints (68 are used), and how the border is hidden."""
        self._photo, self._points, self._blend = photo, points[:LANDMARKS].astype(np.float32), blend
        self._triangles = triangles(self._points)

    def draw(self, frame: Pixels, points: np.ndarray) -> Pixels:
        """The (H, W, 3) RGB frame with the photo's face on the face of (81, 2) keypoints."""
        live = points[:LANDMARKS].astype(np.float32)
        mask = outline_mask(live, frame.shape[:2])
        warped, drawn = warp_triangles(self._photo, self._points, live, self._triangles, frame.shape[:2])
        mask &= drawn
        if not mask.any():
            return frame
        return self._pasted(frame, matched(warped, frame, mask), mask)

    def _pasted(self, frame: Pixels, face: Pixels, mask: np.ndarray) -> Pixels:
        return seamless(frame, face, mask) if self._blend == "clone" else feathered(frame, face, mask)


def triangles(points: np.ndarray) -> np.ndarray:
    """(T, 3) int the Delaunay triangles of (K, 2) points."""
    low, high = points.min(axis=0) - 1, points.max(axis=0) + 1
    division = cv2.Subdiv2D((*np.floor(low).astype(int).tolist(), *np.ceil(high - low + 1).astype(int).tolist()))
    for x, y in points.tolist():
        division.insert((x, y))
    corners = division.getTriangleList().reshape(-1, 3, 2)
    inside = ((corners >= low) & (corners <= high)).all(axis=(1, 2))  # drops the helper triangle around everything
    return np.linalg.norm(corners[inside][:, :, None] - points, axis=3).argmin(axis=2)


def warp_triangles(
    photo: Pixels, source: np.ndarray, target: np.ndarray, corners: np.ndarray, shape: tuple[int, int]
) -> tuple[Pixels, np.ndarray]:
    """(H, W, 3) uint8 the photo moved from (K, 2) source to target points triangle by triangle, and (H, W) where."""
    at = np.zeros((*shape, 2), np.float32)
    drawn = np.zeros(shape, np.uint8)
    for triangle in corners:
        there, here = target[triangle], source[triangle]
        left, top = np.clip(np.floor(there.min(axis=0)).astype(int), 0, shape[::-1])
        right, bottom = np.clip(np.ceil(there.max(axis=0)).astype(int) + 1, 0, shape[::-1])
        if right <= left or bottom <= top or abs(np.linalg.det(there[1:] - there[0])) < 1e-3:
            continue
        inside = np.zeros((bottom - top, right - left), np.uint8)
        cv2.fillConvexPoly(inside, np.round(there - (left, top)).astype(np.int32), 1)
        affine = cv2.getAffineTransform(there, here)
        y, x = np.nonzero(inside)
        places = np.column_stack([x + left, y + top, np.ones(len(x))])
        at[top:bottom, left:right][y, x] = places @ affine.T
        drawn[top:bottom, left:right] |= inside
    return cv2.remap(photo, at, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), drawn > 0


def outline_mask(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """(H, W) bool: the convex hull of jaw and brows, as the classics have it."""
    mask = np.zeros(shape, np.uint8)
    hull = cv2.convexHull(np.concatenate([points[JAW], points[INNER]]).astype(np.float32))
    cv2.fillConvexPoly(mask, np.round(hull).astype(np.int32), 1)
    return mask > 0


def matched(face: Pixels, frame: Pixels, mask: np.ndarray) -> Pixels:
    """The face (H, W, 3) RGB with mean and deviation of the frame's Lab colours within the mask."""
    lab, wanted = (cv2.cvtColor(each.astype(np.float32) / 255, cv2.COLOR_RGB2LAB) for each in (face, frame))
    here, there = lab[mask], wanted[mask]
    gain = there.std(axis=0) / np.maximum(here.std(axis=0), 1e-3)
    moved = ((lab - here.mean(axis=0)) * gain + there.mean(axis=0)).astype(np.float32)
    return np.round(255 * np.clip(cv2.cvtColor(moved, cv2.COLOR_LAB2RGB), 0, 1)).astype(np.uint8)


def feathered(frame: Pixels, face: Pixels, mask: np.ndarray) -> Pixels:
    """The face over the frame, fading out inside the mask's edge."""
    rows = np.flatnonzero(mask.any(axis=1))
    radius = max(_FEATHER * (rows[-1] - rows[0] + 1), 1.0)
    distance = cv2.distanceTransform(np.pad(mask, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    share = np.clip(distance / radius, 0, 1)[..., None]
    return np.round(frame + share * (face.astype(np.float32) - frame)).astype(np.uint8)


def seamless(frame: Pixels, face: Pixels, mask: np.ndarray) -> Pixels:
    """The face cloned into the frame by its gradients (OpenCV, normal clone)."""
    mask = mask.copy()
    mask[[0, -1]] = mask[:, [0, -1]] = False  # it reads a pixel around
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    if len(rows) < 3 or len(columns) < 3:
        return frame
    # OpenCV puts the middle of the mask's box there
    centre = (int(columns[0] + columns[-1] + 1) // 2, int(rows[0] + rows[-1] + 1) // 2)
    return np.asarray(cv2.seamlessClone(face, frame, mask.astype(np.uint8) * 255, centre, cv2.NORMAL_CLONE))
