"""How far a head is, where that is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from faces_making import posed_face

from realtime.analysis.distance import head_distance
from realtime.frame import Face, Frame, Intrinsics, Pose
from realtime.geometry.template import template

SIZE = (640, 480)
CAMERA = Intrinsics(525, 525, 319.5, 239.5)
# of the mean face, whose outer eye corners are 1 apart
PUPILS = float(np.linalg.norm(template()[36:42].mean(axis=0) - template()[42:48].mean(axis=0)))


def frame(depth: np.ndarray | None = None, intrinsics: Intrinsics | None = CAMERA) -> Frame:
    return Frame(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), 0, 0.0, 0.0, depth=depth, intrinsics=intrinsics)


def face_at(distance_mm: float, pose: Pose = Pose(0, 0, 0)) -> Face:  # noqa: B008  a frozen value
    """A face whose pupils are 63 mm apart."""
    return posed_face(pose, CAMERA.fx * 63 / PUPILS / distance_mm, (320, 240))


def test_the_sensor_is_believed() -> None:
    depth = np.full((SIZE[1], SIZE[0]), 3000, np.uint16)
    depth[100:380, 200:440] = 712
    depth[::3] = 0
    found = head_distance(face_at(900), frame(depth))
    assert found.measured
    assert found.mm == 712


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(35, 10, 5), Pose(-50, 0, 0)])
@pytest.mark.parametrize("distance", [500, 900, 2500])
def test_eyes_tell_where_no_sensor_does(distance: float, pose: Pose) -> None:
    found = head_distance(face_at(distance, pose), frame())
    assert not found.measured
    assert found.mm == pytest.approx(distance, rel=0.01)


def test_without_a_lifted_face_the_pose_helps() -> None:
    flat = replace(face_at(800, Pose(40, 0, 0)), depth=None)
    assert head_distance(flat, frame()).mm == pytest.approx(800, rel=0.05)


def test_a_sensor_that_sees_nothing_there_is_not() -> None:
    depth = np.zeros((SIZE[1], SIZE[0]), np.uint16)
    depth[:60] = 900
    assert not head_distance(face_at(900), frame(depth)).measured


def test_an_unknown_camera_is_guessed() -> None:
    assert head_distance(face_at(900), frame(intrinsics=None)).mm == pytest.approx(900 * 554.3 / 525, rel=0.01)


def test_a_face_beside_the_picture_is_no_mishap() -> None:
    away = replace(face_at(900), points=face_at(900).points - np.float32(5000))
    depth = np.full((SIZE[1], SIZE[0]), 800, np.uint16)
    assert not head_distance(away, frame(depth)).measured
