"""The stand-in for classic swappers does what classic swappers do."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from bench.classic import Classic, feathered, matched, outline_mask, seamless, triangles, warp_triangles
from realtime.geometry.template import template

SHAPE = (240, 260)


def face(x: float = 130, y: float = 110, scale: float = 90) -> np.ndarray:
    return (template()[:68, :2] * scale + (x, y)).astype(np.float32)


@pytest.fixture
def picture(rng: np.random.Generator) -> np.ndarray:
    rough = rng.uniform(0, 255, (*SHAPE, 3)).astype(np.float32)
    return np.clip(128 + 8 * (cv2.GaussianBlur(rough, (0, 0), 4) - 127.5), 0, 255).astype(np.uint8)


def test_triangles_tile_the_convex_hull() -> None:
    points = face()
    corners = points[triangles(points)]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    area = np.abs(first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]).sum() / 2
    assert area == pytest.approx(cv2.contourArea(cv2.convexHull(points)), rel=0.01)


def test_the_warp_is_the_affine_map_where_the_points_moved_by_one(picture: np.ndarray) -> None:
    source = face()
    affine = np.array([[0.9, 0.12, 14.0], [-0.1, 1.1, -6.0]])
    target = (source @ affine[:, :2].T + affine[:, 2]).astype(np.float32)
    warped, drawn = warp_triangles(picture, source, target, triangles(source), SHAPE)
    truth = cv2.warpAffine(picture, affine, SHAPE[::-1], flags=cv2.INTER_LINEAR)
    assert drawn.sum() > 4000
    assert np.abs(warped[drawn].astype(int) - truth[drawn]).max() <= 3


def test_a_face_beyond_the_picture_is_drawn_as_far_as_it_is_seen(picture: np.ndarray) -> None:
    out = Classic(picture, face()).draw(picture, face(x=240, y=20))
    assert out.shape == picture.shape and (out != picture).any()
    np.testing.assert_array_equal(Classic(picture, face()).draw(picture, face(x=900)), picture)


def test_colours_take_mean_and_deviation(picture: np.ndarray) -> None:
    frame = (picture * np.array([0.5, 0.4, 0.3]) + 40).astype(np.uint8)
    mask = outline_mask(face(), SHAPE)
    found = matched(picture, frame, mask)
    lab, wanted = (cv2.cvtColor(each.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)[mask] for each in (found, frame))
    np.testing.assert_allclose(lab.mean(axis=0), wanted.mean(axis=0), atol=0.5)
    np.testing.assert_allclose(lab.std(axis=0), wanted.std(axis=0), rtol=0.05)


def test_feathering_changes_nothing_outside_the_mask(picture: np.ndarray) -> None:
    mask = outline_mask(face(), SHAPE)
    out = feathered(picture, picture[::-1].copy(), mask)
    np.testing.assert_array_equal(out[~mask], picture[~mask])


def test_a_clone_has_the_gradients_of_the_face_and_the_level_of_the_frame(picture: np.ndarray) -> None:
    """OpenCV solves in the whole box around the mask, and rounds there."""
    mask = outline_mask(face(), SHAPE)
    frame = np.full_like(picture, 90)
    out = seamless(frame, np.clip(picture // 3 + np.uint8(120), 0, 255), mask)
    far = cv2.dilate(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) == 0
    assert np.abs(out[far].astype(int) - 90).mean() < 0.5
    inner = cv2.erode(mask.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    slopes, truth = (np.diff(each.astype(np.float64), axis=1)[inner[:, 1:]] for each in (out, picture / 3))
    assert np.corrcoef(slopes.ravel(), truth.ravel())[0, 1] > 0.95
    assert out[inner].mean() == pytest.approx(90, abs=12)


def test_feathering_goes_from_frame_to_face(picture: np.ndarray) -> None:
    mask = outline_mask(face(), SHAPE)
    out = feathered(np.zeros_like(picture), np.full_like(picture, 200), mask)[..., 0]
    assert out[110, 130] == 200 and out[mask].min() < 60
    column = out[110][mask[110]]
    assert (np.diff(column[: len(column) // 2].astype(int)) >= 0).all()


def test_an_unchanged_face_leaves_the_frame_as_it_is(picture: np.ndarray) -> None:
    points = face()
    out = Classic(picture, points).draw(picture, points)
    assert np.abs(out.astype(int) - picture).max() <= 4
