"""Random faces of the ICT FaceKit morphable model (MIT): 81 keypoints in 3D, seen from random directions.

Axes are the project's: x image right, y down, z away from the camera; the unit is the distance of the outer eye
corners of the model's mean face, the origin the mean of its 68 landmarks.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.geometry.topology import FLIP, JAW, KEYPOINTS, LANDMARKS, OUTER_EYE_CORNERS
from training.data import ShapeModel

# Vertices at the upper end of the face ovals that mesh trackers draw, image left to right: the mean tracked mesh
# (near-frontal photos) was aligned with the model by a similarity over inner landmarks, and the nearest vertices taken.
FOREHEAD_VERTICES = (273, 291, 1955, 1985, 1860, 1427, 976, 3641, 4060, 4185, 4155, 2532, 2514)
# The contour of a turned cheek lies in front of the jaw line; each jaw point may march over this many vertices,
# on the face's surface at the same height, from the jaw line to this share of its distance from the middle.
STRIP = 8
STRIP_END = 0.45
# standard deviation of expression weights that fits assume
EXPRESSION_SPREAD = 0.3


@dataclass(frozen=True, slots=True)
class ViewRanges:
    """From where random faces are seen. Angles are uniform; `nearness` is 1 / camera distance in eye distances."""

    yaw: float = 80.0
    pitch: float = 35.0
    roll: float = 30.0
    nearness: float = 0.15


class IctFaces:
    """The morphable model reduced to keypoints and cheek strips.

    Attributes:
        blinks: numbers of the expressions that close the eyes.
    """

    def __init__(self, model: ShapeModel, marks: np.ndarray | None = None) -> None:
        """Take what is needed of `training.data.ict_face()`; landmarks move by `training.marks.marks()`, if given."""
        strips = cheek_strips(model.neutral, model.landmarks[JAW])
        kept = np.concatenate([model.landmarks, FOREHEAD_VERTICES, strips.ravel()])
        neutral = model.neutral[kept]
        left, right = OUTER_EYE_CORNERS
        unit = np.linalg.norm(neutral[left] - neutral[right])
        neutral = neutral / unit
        if marks is not None:
            neutral[:LANDMARKS] += marks
            neutral[KEYPOINTS:] += np.repeat(marks[JAW], STRIP, axis=0)
        self._neutral = (neutral - neutral[:LANDMARKS].mean(axis=0)).astype(np.float32)
        self._identity = _basis(model.identity[:, kept] / unit)
        self._expression = _basis(model.expression[:, kept] / unit)
        self._close, self._open = map(model.expression_names.index, ("mouthClose", "jawOpen"))
        self.blinks = tuple(map(model.expression_names.index, ("eyeBlink_L", "eyeBlink_R")))

    @property
    def mean(self) -> np.ndarray:
        """(81, 3) float32 the mean face: identity weights are N(0, 1), so their mean face is the neutral one."""
        face = self._neutral[:KEYPOINTS]
        return ((face + face[FLIP] * np.array([-1, 1, 1], np.float32)) / 2).astype(np.float32)

    def shapes(self, identity: np.ndarray, expression: np.ndarray) -> np.ndarray:
        """(B, V, 3) float32: keypoints and cheek strips, frontal, for weights (B, 100) and (B, 57)."""
        moved = identity.astype(np.float32) @ self._identity + expression.astype(np.float32) @ self._expression
        return self._neutral + moved.reshape(len(moved), -1, 3)

    def principal(self, identities: int, expressions: int) -> np.ndarray:
        """(identities + expressions, V, 3): directions in which faces differ most, per standard deviation."""
        parts = (self._identity, identities), (EXPRESSION_SPREAD * self._expression, expressions)
        return np.concatenate([_principal(basis, kept) for basis, kept in parts]).reshape(
            -1, self._neutral.size // 3, 3
        )

    def principal_mixtures(self, identities: int, expressions: int) -> tuple[np.ndarray, np.ndarray]:
        """(identities, 100) and (expressions, 57): the model's own weights that make up each of `principal`."""
        first = np.linalg.svd(self._identity, full_matrices=False)[0][:, :identities].T
        second = np.linalg.svd(self._expression, full_matrices=False)[0][:, :expressions].T
        return first, EXPRESSION_SPREAD * second

    @property
    def neutral(self) -> np.ndarray:
        """(V, 3) float32: keypoints and cheek strips of the mean face."""
        return self._neutral

    def random_identity(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, 100) identity weights."""
        return rng.standard_normal((count, len(self._identity)), dtype=np.float32)

    def random_expression(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count, 57) expression weights in 0…1: nothing moves in some faces, one muscle in six in others."""
        share = rng.uniform(0, 1 / 6, (count, 1))
        active = rng.random((count, len(self._expression))) < share
        weights = (active * rng.random(active.shape)).astype(np.float32)
        # "mouthClose" closes the lips of an open jaw; alone it would pull them through each other
        weights[:, self._close] = np.minimum(weights[:, self._close], weights[:, self._open])
        return weights


def seen(shapes: np.ndarray, angles: np.ndarray, nearness: np.ndarray, contour: np.ndarray | None = None) -> np.ndarray:
    """Keypoints as a camera sees the shapes.

    Args:
        shapes: (B, V, 3) of `IctFaces.shapes`.
        angles: (B, 3) yaw, pitch, roll in degrees, the project's signs.
        nearness: (B,) 1 / distance of the camera from the origin; 0 is orthographic.
        contour: (B,) bool: True puts the jaw points on the visible contour, as people mark them (where a cheek hides
            the jaw line, its edge); False leaves them on the jaw line. None is all True.

    Returns:
        (B, 81, 3) float32: x and y in the picture, z the depth before projection, same unit as the shapes.
    """
    turned = shapes @ rotations(angles).transpose(0, 2, 1).astype(np.float32)
    points = turned[:, :KEYPOINTS].copy()
    # a cheek is marched upright: the contour is sideways in the head, whatever its roll
    upright = shapes @ rotations(angles * [1, 1, 0]).transpose(0, 2, 1).astype(np.float32)
    marched = np.take_along_axis(turned, contour_vertices(upright)[..., None], axis=1)
    points[:, JAW] = marched if contour is None else np.where(contour[:, None, None], marched, points[:, JAW])
    points[..., :2] /= 1 + nearness[:, None, None].astype(np.float32) * points[..., 2:]
    return points


def contour_vertices(upright: np.ndarray) -> np.ndarray:
    """(B, 17) which vertex of each cheek strip is furthest out, for turned but not tilted shapes (B, V, 3)."""
    strips = upright[:, KEYPOINTS:, 0].reshape(len(upright), len(JAW), STRIP)
    outward = np.sign(JAW - JAW.mean()).astype(np.float32)
    return KEYPOINTS + STRIP * JAW + np.argmax(strips * outward[:, None], axis=2)


def random_views(count: int, ranges: ViewRanges, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(count, 3) angles in degrees and (count,) nearness for `seen`."""
    limits = np.array([ranges.yaw, ranges.pitch, ranges.roll])
    return rng.uniform(-limits, limits, (count, 3)), rng.uniform(0, ranges.nearness, count)


def rotations(angles: np.ndarray) -> np.ndarray:
    """(B, 3, 3) matrices that turn a frontal head by (B, 3) yaw, pitch, roll in degrees (yaw first, roll last).

    yaw > 0 turns the nose to the image right, pitch > 0 up, roll > 0 tilts the head clockwise in the image.
    """
    yaw, pitch, roll = np.deg2rad(np.asarray(angles, np.float64)).T
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)

    def matrix(*rows: np.ndarray) -> np.ndarray:
        return np.stack(rows, axis=-1).reshape(-1, 3, 3)

    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    about_y = matrix(cy, zero, -sy, zero, one, zero, sy, zero, cy)
    about_x = matrix(one, zero, zero, zero, cp, sp, zero, -sp, cp)
    about_z = matrix(cr, -sr, zero, sr, cr, zero, zero, zero, one)
    return about_z @ about_x @ about_y


def _basis(offsets: np.ndarray) -> np.ndarray:
    return offsets.reshape(len(offsets), -1).astype(np.float32)


def _principal(basis: np.ndarray, kept: int) -> np.ndarray:
    _, spread, directions = np.linalg.svd(basis, full_matrices=False)
    return spread[:kept, None] * directions[:kept]


def cheek_strips(vertices: np.ndarray, jaw: np.ndarray) -> np.ndarray:
    """(17, STRIP) vertex numbers on the cheek at each jaw point's height, the jaw point itself first."""
    strips = np.repeat(jaw[:, None], STRIP, axis=1)
    for row, (x, y, _) in enumerate(vertices[jaw]):
        for column, share in enumerate(np.linspace(1, STRIP_END, STRIP)[1:], start=1):
            away = np.hypot(vertices[:, 0] - share * x, vertices[:, 1] - y)
            close = np.flatnonzero(away < away.min() + 0.2)
            strips[row, column] = close[np.argmin(vertices[close, 2])]
    return strips
