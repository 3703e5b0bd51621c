"""The morphable model fitted to 2D landmarks: a depth for real faces, where nobody measured one.

Pose, identity and expression in turns, each by linear least squares under the model's Gaussian prior; jaw points are
matched with the visible contour of the fit's own cheeks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from engines.lstsq import solve
from realtime.geometry.topology import JAW, LANDMARKS
from training.ict import IctFaces, contour_vertices

IDENTITIES, EXPRESSIONS = 30, 20
ROUNDS = 6
CHUNK = 500
# how far marked points lie from the model's (eye distances): people differ in where they mark a jaw
INNER_NOISE, JAW_NOISE = 0.02, 0.06


@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """N fits: landmarks ≈ scale * (rotation @ shape)[:2] + shift, shape = mean + weights · principal directions.

    Attributes:
        weights: (N, IDENTITIES + EXPRESSIONS).
        rotation: (N, 3, 3).
        scale: (N,) units of the landmarks to an eye distance of the mean face.
        shift: (N, 2) in the landmarks' unit.
        points: (N, 68, 2) where that puts the landmarks, in their unit.
        depth: (N, 68) of the matched landmarks, mean 0, in the landmarks' unit; smaller = nearer.
    """

    weights: np.ndarray
    rotation: np.ndarray
    scale: np.ndarray
    shift: np.ndarray
    points: np.ndarray
    depth: np.ndarray


class IctFit:
    """Fits many faces to their landmarks."""

    def __init__(self, faces: IctFaces) -> None:
        self._mean = faces.neutral.astype(np.float64)
        self._basis = faces.principal(IDENTITIES, EXPRESSIONS).astype(np.float64)
        noise = np.full(LANDMARKS, INNER_NOISE)
        noise[JAW] = JAW_NOISE
        self._weights = 1 / noise**2

    def depth(self, points: np.ndarray) -> np.ndarray:
        """(N, 68) depth, mean 0, of (N, 68, 2) landmarks, in their unit; smaller = nearer."""
        parts = range(0, len(points), CHUNK)
        return np.concatenate([self.fit(points[start : start + CHUNK]).depth for start in parts])

    def fit(self, points: np.ndarray) -> Fitted:
        """All of (N, 68, 2) landmarks at once."""
        points = points.astype(np.float64)
        count = len(points)
        vertices = np.tile(np.arange(LANDMARKS), (count, 1))
        shapes = np.tile(self._mean, (count, 1, 1))
        for _ in range(ROUNDS):
            rotation, scale, shift = self._pose(shapes, vertices, points)
            vertices[:, JAW] = contour_vertices(_untilted(shapes @ rotation.swapaxes(1, 2), rotation))
            weights = self._coefficients(vertices, points, rotation, scale, shift)
            shapes = self._mean + (weights @ self._basis.reshape(len(self._basis), -1)).reshape(shapes.shape)
        turned = np.take_along_axis(shapes @ rotation.swapaxes(1, 2), vertices[..., None], axis=1)
        turned = scale[:, None, None] * turned
        depth = turned[..., 2] - turned[..., 2].mean(axis=1, keepdims=True)
        return Fitted(weights, rotation, scale, shift, turned[..., :2] + shift[:, None], depth)

    def _pose(
        self, shapes: np.ndarray, vertices: np.ndarray, points: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Scaled orthographic pose: rotations (N, 3, 3), scales (N,), shifts (N, 2)."""
        seen = np.take_along_axis(shapes, vertices[..., None], axis=1)
        affine = solve(seen, points, np.tile(self._weights, (len(points), 1)))
        left, spread, right = np.linalg.svd(affine[..., :3], full_matrices=False)
        rows = left @ right
        rotation = np.concatenate([rows, np.cross(rows[:, 0], rows[:, 1])[:, None]], axis=1)
        scale = spread.mean(axis=1)
        moved = scale[:, None, None] * (seen @ rows.swapaxes(1, 2))
        shift = np.average(points - moved, axis=1, weights=self._weights)
        return rotation, scale, shift

    def _coefficients(
        self, vertices: np.ndarray, points: np.ndarray, rotation: np.ndarray, scale: np.ndarray, shift: np.ndarray
    ) -> np.ndarray:
        """(N, IDENTITIES + EXPRESSIONS) most likely weights for given poses."""
        rows = rotation[:, :2]
        basis = self._basis[:, vertices].transpose(1, 2, 0, 3) @ rows.swapaxes(1, 2)[:, None]
        design = basis.swapaxes(2, 3).reshape(len(points), 2 * LANDMARKS, -1)
        goal = (points - shift[:, None]) / scale[:, None, None] - self._mean[vertices] @ rows.swapaxes(1, 2)
        weighted = design * np.repeat(self._weights, 2)[:, None]
        gram = weighted.swapaxes(1, 2) @ design + np.eye(design.shape[2])
        right = weighted.swapaxes(1, 2) @ goal.reshape(len(points), -1, 1)
        return np.linalg.solve(gram, right)[..., 0]


def _untilted(turned: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    """(N, V, 3) turned shapes with the head's own vertical axis upright in the image again."""
    down = rotation[:, :2, 1]
    down = down / np.maximum(np.linalg.norm(down, axis=1, keepdims=True), 1e-9)
    across = np.stack([down[:, 1], -down[:, 0]], axis=1)
    upright = turned.copy()
    upright[..., :2] = turned[..., :2] @ np.stack([across, down], axis=2)
    return upright
