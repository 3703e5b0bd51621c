"""The deployed landmark network through the live loop's own call, on real held-out faces and on drawn ones."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

import engines
from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.geometry.crops import Crop, face_crop, face_crop_of_box
from realtime.geometry.topology import FLIP, INNER, KEYPOINTS, LANDMARKS, eye_distance
from training import data as sets
from training.landmark_table import JITTERS, HeldOut, offsets_by_jitter
from training.peers import Ours


@pytest.fixture(scope="module")
def net() -> LandmarkNet:
    return LandmarkNet(engines.load("landmarks", threads=2))


@pytest.fixture(scope="module")
def photos(data: Path) -> sets.FaceSet:
    return sets.faces_300w()


def test_no_crops_give_no_faces(net: LandmarkNet) -> None:
    found = net(np.zeros((50, 60, 3), np.uint8), [])
    assert found.points.shape == (0, KEYPOINTS, 2) and found.confidence.shape == (0, KEYPOINTS)
    assert found.score.shape == (0,)


def test_error_on_held_out_people_with_jittered_boxes(net: LandmarkNet, photos: sets.FaceSet) -> None:
    (offsets,) = offsets_by_jitter([Ours(net)], HeldOut("300w", photos, photos.testing())).values()
    made = np.linalg.norm(offsets, axis=2)
    assert made.shape == (len(photos.testing()) * JITTERS, LANDMARKS)
    assert made.mean() < 0.038
    assert made[:, INNER].mean() < 0.031
    assert (made.mean(axis=1) > 0.10).mean() < 0.01


def test_a_batch_gives_what_single_calls_give(net: LandmarkNet, photos: sets.FaceSet) -> None:
    index = int(photos.testing()[0])
    picture, points = photos.picture(index), photos.points[index]
    low, size = points[:LANDMARKS].min(axis=0), np.ptp(points[:LANDMARKS], axis=0)
    crops = [face_crop(points, CROP), face_crop_of_box((*low, *size), CROP), face_crop_of_box((0, 0, 40, 40), CROP)]
    together = net(picture, crops)
    for row, crop in enumerate(crops):
        alone = net(picture, [crop])
        np.testing.assert_allclose(together.points[row], alone.points[0], atol=0.05)
        np.testing.assert_allclose(together.confidence[row], alone.confidence[0], atol=1e-3)
        np.testing.assert_allclose(together.score[row], alone.score[0], atol=1e-3)


def test_points_are_frame_pixels_wherever_the_face_is(net: LandmarkNet, photos: sets.FaceSet) -> None:
    index = int(photos.testing()[1])
    picture, points = photos.picture(index), photos.points[index]
    wide = np.zeros((600, 900, 3), np.uint8)
    wide[200 : 200 + len(picture), 400 : 400 + picture.shape[1]] = picture
    offset = np.array([400, 200], np.float32)
    here = net(picture, [face_crop(points, CROP)]).points[0]
    there = net(wide, [face_crop(points + offset, CROP)]).points[0]
    assert np.linalg.norm(there - offset - here, axis=1)[INNER].mean() < 0.02 * eye_distance(points)


def test_mirrored_faces_give_mirrored_points(net: LandmarkNet, photos: sets.FaceSet) -> None:
    shares = []
    for index in photos.testing()[:20]:
        picture, points = photos.picture(index), photos.points[index]
        crop = face_crop(points, CROP)
        cut = crop.cut(picture)
        whole = Crop(np.eye(3)[:2], CROP)
        found = net(cut, [whole]).points[0]
        mirror = net(np.ascontiguousarray(cut[:, ::-1]), [whole]).points[0][FLIP]
        mirror[:, 0] = CROP - 1 - mirror[:, 0]
        shares.append(np.linalg.norm(mirror - found, axis=1)[:LANDMARKS].mean() / eye_distance(found))
    assert np.mean(shares) < 0.03


def test_the_score_tells_faces_from_what_is_none(
    net: LandmarkNet, photos: sets.FaceSet, rng: np.random.Generator
) -> None:
    faces, none = [], []
    for index in photos.testing()[:40]:
        picture, points = photos.picture(index), photos.points[index]
        faces.append(net(picture, [face_crop(points, CROP)]).score[0])
        beside = points[:LANDMARKS] + 0.8 * np.ptp(points[:LANDMARKS], axis=0)
        none.append(net(picture, [face_crop(beside, CROP)]).score[0])
    noise = cv2.GaussianBlur(rng.integers(0, 256, (300, 300, 3)).astype(np.uint8), (0, 0), 4)
    empty = (noise, np.full((300, 300, 3), 90, np.uint8), np.zeros((300, 300, 3), np.uint8))
    none.extend(net(picture, [face_crop_of_box((100, 100, 90, 100), CROP)]).score[0] for picture in empty)
    assert (np.array(faces) > 0.5).mean() >= 0.97
    assert (np.array(none) < 0.5).mean() >= 0.9


def test_covered_points_are_less_confident(net: LandmarkNet, photos: sets.FaceSet) -> None:
    drops = []
    for index in photos.testing()[:30]:
        picture, points = photos.picture(index).copy(), photos.points[index]
        crop = face_crop(points, CROP)
        before = net(picture, [crop]).confidence[0, 48:68].mean()
        low, high = points[48:68].min(axis=0).astype(int), points[48:68].max(axis=0).astype(int)
        reach = int(0.15 * eye_distance(points))
        picture[low[1] - reach : high[1] + reach, low[0] - reach : high[0] + reach] = 60
        drops.append(before - net(picture, [crop]).confidence[0, 48:68].mean())
    assert np.mean(drops) > 0.1 and np.mean(np.array(drops) > 0) > 0.9


def test_a_dark_picture_is_read_like_a_bright_one(net: LandmarkNet, photos: sets.FaceSet) -> None:
    for index in photos.testing()[:12]:
        picture, points = photos.picture(int(index)), photos.points[int(index)]
        bright, dark = (net(shown, [face_crop(points, CROP)]).points[0] for shown in (picture, picture // 5))
        moved = np.linalg.norm(bright - dark, axis=1)[:LANDMARKS] / eye_distance(points)
        assert moved.mean() < 0.02
