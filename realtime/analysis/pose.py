"""Head pose: the similarity between the mean face and lifted keypoints (Umeyama, PAMI 1991), and its angles."""

from __future__ import annotations

import numpy as np

from realtime.frame import Pose
from realtime.geometry.template import template
from realtime.geometry.topology import BROWS, EYES, HAIRLINE, JAW, KEYPOINTS, LANDMARKS, LIPS, NOSE


def _rigidity() -> np.ndarray:
    weights = np.zeros(KEYPOINTS)
    weights[JAW] = 0.15
    weights[[0, 1, 15, 16]] = 0.5  # the temples
    weights[BROWS] = 0.3
    weights[NOSE] = 1.0
    weights[EYES] = 0.4
    weights[[36, 39, 42, 45]] = 1.0  # the corners, which do not blink
    weights[LIPS] = 0.1
    weights[HAIRLINE] = 0.5
    return weights


# How far each of the 81 keypoints moves with the skull alone, not with the expression.
RIGIDITY = _rigidity()
# Jaw points lie on the visible contour, which wanders over the cheek as the head turns: they would turn the fit along
# (4.4 degrees of yaw at 40 to 60 instead of 1.2 on ICT heads).
SKULL = np.where(np.isin(np.arange(LANDMARKS), JAW), 0.0, RIGIDITY[:LANDMARKS])

# A drawn head turns about a point this far behind the mean of the landmarks, in eye distances. That is nearer than a
# neck: turned about the neck, the face would move further aside, and the lines behind the head would bend more.
PIVOT = 0.55


def fit_similarity(
    template: np.ndarray, points: np.ndarray, weights: np.ndarray | None = None
) -> tuple[float, np.ndarray, np.ndarray]:
    """The similarity points ≈ scale · rotation · template + translation with the least weighted squared error.

    Args:
        template: (K, 3) in any unit.
        points: (K, 3) in any unit, say pixels with depth.
        weights: (K,) ≥ 0, not all 0; None weighs all alike.

    Returns:
        scale > 0 (0 where all weighted `points` coincide), rotation (3, 3) with determinant +1, translation (3,),
        float64. Where the weighted points lie on a line the turn about it is not determined, and some proper rotation
        is returned.
    """
    share = np.full(len(template), 1.0) if weights is None else np.asarray(weights, np.float64)
    share = share / share.sum()
    from_centre, to_centre = share @ template, share @ points
    centred = template - from_centre
    covariance = (points - to_centre).T @ (centred * share[:, None])
    left, sizes, right = np.linalg.svd(covariance)
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(left) * np.linalg.det(right))])
    rotation = (left * signs) @ right
    spread = float(share @ np.einsum("ij,ij->i", centred, centred))
    scale = float(sizes @ signs) / max(spread, 1e-12)
    return scale, rotation, to_centre - scale * rotation @ from_centre


def rotation_of(pose: Pose) -> np.ndarray:
    """(3, 3) rotation of a frontal face into `pose`: first pitch, then yaw, then roll, each about the camera's axes."""
    # About y and x the right-hand rule of x right, y down, z away turns the nose left and down: hence the signs.
    pitch, yaw, roll = np.deg2rad([-pose.pitch, -pose.yaw, pose.roll])
    (cp, sp), (cy, sy), (cr, sr) = ((np.cos(angle), np.sin(angle)) for angle in (pitch, yaw, roll))
    about_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    about_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    about_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(about_z @ about_y @ about_x)


def pose_of(rotation: np.ndarray) -> Pose:
    """The inverse of `rotation_of`, yaw within ±90°, pitch and roll within ±180°.

    At yaw = ±90° only one combination of pitch and roll is determined; roll is 0 there.
    """
    sine = float(np.clip(rotation[2, 0], -1, 1))
    yaw = np.arcsin(sine)
    if abs(sine) > 1 - 1e-9:
        pitch, roll = np.arctan2(-rotation[1, 2], rotation[1, 1]), 0.0
    else:
        pitch, roll = np.arctan2(rotation[2, 1], rotation[2, 2]), np.arctan2(rotation[1, 0], rotation[0, 0])
    return Pose(float(np.rad2deg(yaw)), float(np.rad2deg(-pitch)), float(np.rad2deg(roll)))


def fit_template(lifted: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
    """How the mean face must grow, turn and shift to lie on a lifted face, by the points that move with the skull.

    Args:
        lifted: (68 or 81, 3) pixels; only the 68 landmarks count, the hairline has no measured depth.

    Returns:
        As `fit_similarity`, from the unit of `realtime.geometry.template` to pixels; the head's pose is
        `pose_of(rotation)`.
    """
    return fit_similarity(template()[:LANDMARKS], lifted[:LANDMARKS], SKULL)
