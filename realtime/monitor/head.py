"""Head pose with its uncertainty, and the distance: the mean face fitted to keypoints that are more or less sure.

Without a depth sensor the fit is that of a scaled orthographic view (DepthNet's depth is in the picture's pixels), with
perspective taken out before, and the distance follows from the eyes' 63 mm. With one, the keypoints are put at their
measured places in space.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from realtime.analysis.distance import PUPILS_MM
from realtime.analysis.pose import SKULL, fit_similarity, pose_of
from realtime.frame import Face, Intrinsics, Millimetres, Pose
from realtime.geometry.sight import line_of_sight, place_of
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS, LEFT_EYE, OUTER_EYE_CORNERS, RIGHT_EYE
from realtime.monitor.reading import Head

# Standard deviations in outer-eye distances: of a point of confidence 0.5 (engines/weights/landmarks.md: 7 %), of
# DepthNet's depth (engines/weights/depthnet.md), and of how a person differs from the mean face, point by point.
_POINT, _DEPTH, _PERSON = 0.07, 0.02, 0.02
_SENSOR_MM = 5.0
# How far a person's own shape turns the fit as a whole, degrees of yaw, pitch, roll: measured on ICT heads without
# noise (`python -m bench monitor`). It is the same in every frame, so the driver's neutral takes it away.
SHAPE_DEG = (0.6, 2.3, 0.9)
# Landmark errors of one face go together: a network that is wrong is wrong about neighbours alike. The pose is off by
# this many times what independent errors would make it (rendered heads, `python -m bench monitor`).
_TOGETHER = 2.5
_LEAST_MEASURED = 12
# Two standard deviations of a sensor's noise and people's shapes together. Looser, and caps and glasses tip the fit:
# with 25 mm, pitch is 3.6 degrees off instead of 2.6 (`python -m bench monitor`).
_OUTLIER_MM = 10.0
_ROUNDS = 3


@dataclass(frozen=True, slots=True, eq=False)
class Fit:
    """The mean face on a head.

    Attributes:
        scale: of one unit of the mean face (see `realtime.geometry.template`) in the unit of the points.
        rotation: (3, 3).
        shift: (3,).
        covariance: (3, 3) of small turns about the camera's x, y, z, radians².
    """

    scale: float
    rotation: np.ndarray
    shift: np.ndarray
    covariance: np.ndarray


def sensor_depths(depth: Millimetres, points: np.ndarray) -> np.ndarray:
    """(K,) millimetres measured at (K, 2) pixels: the median of a window of 5x5; 0 where it holds nothing."""
    height, width = depth.shape
    columns, rows = np.rint(points).astype(int).T
    reach = np.arange(-2, 3)
    across = np.clip(columns[:, None] + reach, 0, width - 1)
    down = np.clip(rows[:, None] + reach, 0, height - 1)
    windows = depth[down[:, :, None], across[:, None, :]].reshape(len(points), -1).astype(np.float64)
    windows[windows == 0] = np.nan
    inside = (columns >= 0) & (columns < width) & (rows >= 0) & (rows < height)
    inside &= ~np.isnan(windows).all(axis=1)
    out = np.zeros(len(points))
    out[inside] = np.nanmedian(windows[inside], axis=1)
    return out


@lru_cache(maxsize=1)
def unit_mm() -> float:
    """Millimetres of one unit of the mean face: its pupils are `PUPILS_MM` apart."""
    mean = template()
    return PUPILS_MM / float(np.linalg.norm(mean[LEFT_EYE].mean(axis=0) - mean[RIGHT_EYE].mean(axis=0)))


def from_afar(face: Face, camera: Intrinsics) -> Face:
    """The face as a picture taken from far away along the line of sight shows it.

    A camera near by draws what is nearer larger, as if the head were raised: by 2.6 degrees at 0.5 to 1.1 m, where the
    mean face is fitted to the true landmarks of rendered heads.
    """
    assert face.depth is not None
    middle = face.landmarks.mean(axis=0)
    # in pixels of the picture, as its depth is, any face is the focal length away
    points = middle + (face.points - middle) * (1 + face.depth[:, None] / camera.fx)
    return replace(face, points=points.astype(np.float32))


def fit_head(points: np.ndarray, deviation: np.ndarray) -> Fit:
    """Fit the mean face to points of known spread, and tell how well that determines the turn.

    Args:
        points: (68, 3) of any unit, say pixels with depth.
        deviation: (68, 3) standard deviations of the coordinates, same unit; infinite for a point that is not there.

    Returns:
        the fit; its covariance is that of independent errors of these deviations to first order: turns w move point i
        by w x (scale · rotation · mean face_i), and the weighted least squares are linear in what the points move by.
    """
    mean = template()[:LANDMARKS].astype(np.float64)
    variance = np.square(deviation)
    spread = variance.mean(axis=1)
    floor = np.median(spread[np.isfinite(spread)])
    weights = SKULL * np.where(np.isfinite(spread), floor / np.maximum(spread, 1e-12 + 0.05 * floor), 0.0)
    known = np.where(np.isfinite(points), points, 0.0)
    scale, rotation, shift = fit_similarity(mean, known, weights)
    share = weights / weights.sum()
    arm = scale * (mean - share @ mean) @ rotation.T
    turn = np.zeros((LANDMARKS, 3, 3))  # arm x: how a turn moves each point
    turn[:, 0, 1], turn[:, 0, 2], turn[:, 1, 2] = arm[:, 2], -arm[:, 1], arm[:, 0]
    turn -= turn.transpose(0, 2, 1)
    normal = np.einsum("k,kij,kil->jl", share, turn, turn)
    seen = np.where(np.isfinite(variance), variance, 0.0)
    noise = np.einsum("k,kij,ki,kil->jl", np.square(share), turn, seen, turn)
    inverse = np.linalg.inv(normal + (1e-9 * np.trace(normal) + 1e-12) * np.eye(3))
    return Fit(scale, rotation, shift, inverse @ noise @ inverse)


def angle_deviations(rotation: np.ndarray, covariance: np.ndarray) -> Pose:
    """Standard deviations of yaw, pitch and roll in degrees, from the (3, 3) covariance of small turns, radians²."""
    pose = pose_of(rotation)
    yaw, roll = np.deg2rad([-pose.yaw, pose.roll])
    about_z = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    # what turns about the camera's axes yaw, pitch and roll are made of (see `rotation_of`)
    axes = np.column_stack([-about_z[:, 1], -(about_z @ about_y)[:, 0], [0, 0, 1]])
    back = np.linalg.inv(axes + 1e-9 * np.eye(3))  # at a full profile pitch and roll are the same
    return Pose(*np.rad2deg(np.sqrt(np.maximum(np.diagonal(back @ covariance @ back.T), 0))).tolist())


def measure_head(
    face: Face, camera: Intrinsics, sensor_mm: np.ndarray | None = None, known: bool = True
) -> tuple[Head, Fit]:
    """Pose, its spread and the place of a face whose depth is known (`face.depth`).

    Args:
        face: lifted.
        camera: of the picture the face was found in.
        sensor_mm: (68,) measured depth of the landmarks along the camera's axis in millimetres, 0 where there is none.
        known: the camera is known, not supposed: the pose is then that against the camera's axis, else against the line
            of sight to the head (a guessed camera would add its own error, 20 degrees at a picture's edge).

    Returns:
        the head, and the fit in the picture's pixels, by which the lids and lips of the face `from_afar` are measured.
    """
    assert face.depth is not None
    sure = np.clip(face.confidence[:LANDMARKS].astype(np.float64), 0.02, 0.98)
    blur = _POINT * np.sqrt((1 / sure - 1) / 2)  # per coordinate, outer-eye distances
    lifted = np.column_stack([from_afar(face, camera).landmarks, face.depth[:LANDMARKS]]).astype(np.float64)
    left, right = OUTER_EYE_CORNERS
    unit_px = max(float(np.linalg.norm(lifted[right] - lifted[left])), 1e-6)
    plane = np.sqrt(blur**2 + _PERSON**2)
    flat = fit_head(lifted, unit_px * np.column_stack([plane, plane, np.hypot(_DEPTH, _PERSON) + blur]))
    scale = unit_mm()
    away = camera.fx * scale / max(flat.scale, 1e-6)
    place = place_of(flat.shift[:2], away, camera)
    rotation, fit, measured = (line_of_sight(place) if known else np.eye(3)) @ flat.rotation, flat, False
    if sensor_mm is not None and (spatial := _spatial(face, camera, sensor_mm, blur)) is not None:
        rotation, fit, place, measured = spatial.rotation, spatial, spatial.shift, True
    sigma = angle_deviations(rotation, fit.covariance)
    total = (float(np.hypot(_TOGETHER * part, shape)) for part, shape in zip(_angles(sigma), SHAPE_DEG, strict=True))
    position = (float(place[0]), float(place[1]), float(place[2]))
    return Head(pose_of(rotation), Pose(*total), position, measured, flat.scale / scale), flat


def _spatial(face: Face, camera: Intrinsics, sensor_mm: np.ndarray, blur: np.ndarray) -> Fit | None:
    """The fit in millimetres of space; None where too few landmarks were measured."""
    away = sensor_mm.astype(np.float64)
    there = (away > 0) & (SKULL > 0)
    if there.sum() < _LEAST_MEASURED:
        return None
    near = np.median(away[there])
    there &= np.abs(away - near) < 150  # the background beside the nose is no nose
    points = np.column_stack([place_of(pixel, z, camera) for pixel, z in zip(face.landmarks, away, strict=True)]).T
    size = unit_mm()
    plane = size * np.sqrt(blur**2 + _PERSON**2)
    deviation = np.column_stack([plane, plane, np.full(LANDMARKS, np.hypot(_SENSOR_MM, size * _PERSON))])
    for _ in range(_ROUNDS):  # after the first without what lies off the face: hair, hands, glasses
        if there.sum() < _LEAST_MEASURED:
            return None
        fit = fit_head(points, np.where(there[:, None], deviation, np.inf))
        expected = fit.scale * template()[:LANDMARKS] @ fit.rotation.T + fit.shift
        there = there & (np.abs(expected - points)[:, 2] < _OUTLIER_MM)
    return fit


def _angles(pose: Pose) -> tuple[float, float, float]:
    return pose.yaw, pose.pitch, pose.roll
