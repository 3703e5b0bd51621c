"""Where people put landmarks: offsets found again, carried into pictures, and borne out by hand-made labels."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.analysis.pose import rotation_of
from realtime.frame import Intrinsics, Pose
from realtime.geometry.box import boxed
from realtime.geometry.template import template
from realtime.geometry.topology import FLIP, LANDMARKS
from training import data as sets
from training.ict import IctFaces, rotations
from training.ict_fit import IctFit
from training.lean import leaning
from training.marks import EYES_MM, OPPOSITE, head_offsets, marked, marks, surface_depth
from training.opinions import MeshMap
from training.recipes.marks import in_eye_distances
from training.synthetic.stock import Kept
from training.unmarked_faces import faces_rap3df, part_of


def symmetric(rng: np.random.Generator) -> np.ndarray:
    offsets = rng.normal(0, 0.03, (LANDMARKS, 3))
    offsets = (offsets + offsets[FLIP[:LANDMARKS]] * [-1, 1, 1]) / 2
    offsets[OPPOSITE] = offsets[OPPOSITE].mean(axis=1, keepdims=True)
    return offsets


def looked_at(count: int, rng: np.random.Generator) -> np.ndarray:
    """(count, 68, 2, 3) what offsets in head axes do in pictures of heads in nearly frontal poses."""
    rows = rotations(rng.uniform(-30, 30, (count, 3)))[:, None, :2]
    return np.broadcast_to(rows, (count, LANDMARKS, 2, 3))


def test_offsets_are_found_again_from_many_poses(rng: np.random.Generator) -> None:
    turned, offsets = looked_at(200, rng), symmetric(rng)
    moves = np.einsum("mkij,kj->mki", turned, offsets) + rng.normal(0, 0.02, (200, LANDMARKS, 2))
    found = head_offsets(turned, moves)
    np.testing.assert_allclose(found[:, :2], offsets[:, :2], atol=0.01)
    assert np.corrcoef(found[:, 2], offsets[:, 2])[0, 1] > 0.95
    assert (np.abs(found[:, 2]) < np.abs(offsets[:, 2]) + 0.01).all()  # the ridge takes depth that is hardly seen back


def test_what_leans_to_one_side_is_left_out(rng: np.random.Generator) -> None:
    turned = looked_at(50, rng)
    aside = np.einsum("mkij,kj->mki", turned, np.broadcast_to([0.03, 0, 0], (LANDMARKS, 3)))
    assert np.abs(head_offsets(turned, aside)).max() < 2e-3


def test_marks_move_landmarks_as_a_pinhole_camera_shows_it(rng: np.random.Generator) -> None:
    angles, camera = np.array([25.0, -10.0, 12.0], np.float32), Intrinsics(400.0, 400.0, 30.0, 90.0)
    there = rng.normal((0, 0, 800), 60, (LANDMARKS, 3))
    offsets = 0.3 * symmetric(rng)

    def seen(points: np.ndarray) -> np.ndarray:
        return np.asarray(400 * points[:, :2] / points[:, 2:] + [30, 90])

    picture = np.zeros((8, 8), np.uint8)
    face = Kept(0, picture, picture, picture, picture, seen(there), there, angles, camera, False)
    moved = there + EYES_MM * offsets @ rotation_of(Pose(*angles.tolist())).T
    np.testing.assert_allclose(marked(face, offsets), seen(moved), atol=0.1)


def test_a_mark_beside_its_vertex_lies_as_deep_as_the_surface_there() -> None:
    size, focal = 160, 600.0
    camera = Intrinsics(focal, focal, 79.5, 79.5)
    slope = 0.5  # millimetres down the picture for one away
    rays = np.stack(np.meshgrid(*[(np.arange(size) - 79.5) / focal] * 2), axis=-1)
    depth = (800 / (1 - slope * rays[..., 1])).astype(np.float32)  # the plane z = 800 + slope · y
    there = np.zeros((LANDMARKS, 3))
    there[:, 1] = np.linspace(-60, 60, LANDMARKS)
    there[:, 2] = 800 + slope * there[:, 1]
    pixels = focal * there[:, :2] / there[:, 2:] + 79.5
    face = Kept(0, depth, depth, depth, depth, pixels, there, np.zeros(3, np.float32), camera, False)
    offsets = np.zeros((LANDMARKS, 3))
    offsets[:, 1] = np.where(np.isin(np.arange(LANDMARKS), OPPOSITE), 0, 10 / EYES_MM)
    # depth along the head's z of the place the ray meets: 10 mm further down the picture the plane is 5 mm further away
    behind = surface_depth([face] * 3, offsets) * EYES_MM
    ray = pixels[:, 1] + focal * offsets[:, 1] * EYES_MM / there[:, 2] - 79.5
    met = 800 / (1 - slope * ray / focal) - there[:, 2]
    single = ~np.isin(np.arange(LANDMARKS), OPPOSITE)
    pair = np.arange(LANDMARKS)[single]
    even = (met + met[FLIP[:LANDMARKS]]) / 2
    np.testing.assert_allclose(behind[pair], even[pair], atol=0.4)  # pixels are rounded: 1.3 mm down, 0.7 away
    assert behind[pair].mean() == pytest.approx(5, abs=1.0)


def test_the_mean_face_has_its_landmarks_where_people_put_them(data: Path) -> None:
    plain, there = IctFaces(sets.ict_face()), IctFaces(sets.ict_face(), marks())
    np.testing.assert_allclose(in_eye_distances(there.mean), template(), atol=1e-5)
    moved = (there.mean - plain.mean)[:LANDMARKS]
    moved = moved - moved.mean(axis=0) - (marks() - marks().mean(axis=0))
    np.testing.assert_allclose(moved, 0, atol=1e-5)


def test_hand_made_labels_fit_the_model_better_with_them(data: Path) -> None:
    hand = leaning(sets.faces_300w())
    points = boxed(hand.points[hand.testing(), :LANDMARKS])
    left = {}
    for name, faces in (
        ("vertices", IctFaces(sets.ict_face())),
        ("marks", IctFaces(sets.ict_face(), marks())),
        ("the other way", IctFaces(sets.ict_face(), -marks())),
    ):
        fitted = IctFit(faces).fit(points)
        left[name] = np.median(np.linalg.norm(fitted.points - points, axis=2).mean(axis=1) / fitted.scale)
    assert left["marks"] < 0.95 * left["vertices"] < 0.95 * left["the other way"]


def test_rap3df_is_labelled_in_colour_and_infrared_alike(data: Path) -> None:
    hand = leaning(sets.faces_300w())
    faces = faces_rap3df(MeshMap.fitted(hand, sets.mesh_points(hand.name)))
    half = len(faces) // 2
    np.testing.assert_array_equal(faces.points[:half, :LANDMARKS], faces.points[half:, :LANDMARKS])
    assert 0.1 < faces.held_out.mean() < 0.3
    assert (np.ptp(faces.picture(half).astype(int), axis=2) <= 2).all()  # no colour in infrared
    some = part_of(faces, faces.training()[:40:4])
    for row in range(len(some)):
        picture, points = some.grey(row), some.points[row]
        hull = cv2.convexHull(np.rint(points[:LANDMARKS]).astype(np.int32))
        inside = cv2.fillConvexPoly(np.zeros(picture.shape, np.uint8), hull, 1) > 0
        assert 0.05 < inside.mean() < 0.6
        # mouths are below eyes, chins below mouths
        assert points[36:48, 1].mean() < points[48:68, 1].mean() < points[8, 1]


@pytest.mark.parametrize("column", [0, 1, 2])
def test_shipped_marks_are_small_and_symmetric(column: int) -> None:
    there = marks()
    assert there.shape == (LANDMARKS, 3)
    sign = -1 if column == 0 else 1
    np.testing.assert_allclose(there[FLIP[:LANDMARKS], column], sign * there[:, column], atol=1e-6)
    assert 0 < np.abs(there[:, column]).max() < 0.12
