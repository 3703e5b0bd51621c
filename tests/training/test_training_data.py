"""The loaders: axes, labels, and that nobody is on both sides of the split."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.errors import InputError
from realtime.geometry.topology import BROWS, FLIP, HAIRLINE, JAW, KEYPOINTS, NOSE_TIP
from training import data as sets


@pytest.mark.parametrize(
    ("load", "training", "testing"),
    [
        (sets.faces_300w, 1000, 90),
        (sets.faces_ytf, 2500, 250),
        (sets.faces_muxspace, 12000, 0),
        (sets.faces_video, 800, 400),
    ],
)
def test_a_set_has_pictures_points_and_a_split(data: Path, load: object, training: int, testing: int) -> None:
    faces = load()  # type: ignore[operator]
    train, test = faces.training(), faces.testing()
    assert len(train) >= training and len(test) >= testing
    assert not np.intersect1d(train, test).size
    points = faces.points[train]
    assert (points[:, BROWS, 1].mean(axis=1) < points[:, JAW, 1].max(axis=1)).all()  # y down
    assert (points[:, 0, 0] < points[:, 16, 0]).mean() > 0.99  # x right, the jaw runs from image left
    picture, grey = faces.picture(int(train[0])), faces.grey(int(train[0]))
    assert picture.shape == (*grey.shape, 3) and picture.dtype == grey.dtype == np.uint8


def test_people_held_out_are_in_no_training_set(data: Path) -> None:
    ytf, press, video = sets.faces_ytf(), sets.faces_muxspace(), sets.faces_video()
    apart = {name.replace("_", "").lower() for name in ytf.identity[ytf.held_out]}
    assert len(apart) == 27
    for faces in (ytf, press):
        trained = {str(name).replace("_", "").lower() for name in faces.identity[faces.training()]}
        assert not apart & trained
    assert set(video.identity[video.held_out]) == {"d10", "s18"}
    assert not set(video.identity[video.training()]) & {"d10", "s18"}


def test_forehead_points_lie_above_the_brows_from_left_to_right(data: Path) -> None:
    faces = sets.faces_300w()
    points = faces.points[faces.training()]
    hairline = points[:, HAIRLINE]
    assert (hairline[:, 6, 1] < points[:, BROWS, 1].mean(axis=1)).mean() > 0.98
    assert (np.diff(hairline[:, 2:11, 0], axis=1) > 0).all(axis=1).mean() > 0.9


def test_aflw_counts_yaw_and_depth_like_the_project(data: Path) -> None:
    faces = sets.aflw2000()
    eyes = faces.points[:, [36, 45]].mean(axis=1)
    turned = np.abs(faces.yaw) > 20
    right = (faces.points[:, NOSE_TIP, 0] - eyes[:, 0])[turned]
    assert (np.sign(right) == np.sign(faces.yaw[turned])).mean() > 0.9  # rolled heads may differ
    frontal = np.abs(faces.yaw) < 20
    assert (faces.points[frontal, NOSE_TIP, 2] < eyes[frontal, 2]).all()  # the nose is nearer: smaller z


def test_ict_face_is_upright_faces_us_and_mirrors(data: Path) -> None:
    model = sets.ict_face()
    face = model.neutral[model.landmarks]
    assert face[:, 2].argmin() == NOSE_TIP and face[8, 1] == face[:, 1].max() and face[0, 0] < 0 < face[16, 0]
    mirrored = face[FLIP[:68]] * (-1, 1, 1)
    np.testing.assert_allclose(mirrored, face, atol=0.02)


def test_point_sets_leave_out_the_test_photos(data: Path) -> None:
    points = sets.point_sets()
    assert len(points.points) > 10000 and points.points.shape[1:] == (68, 2)
    assert np.isfinite(points.points).all()


def test_backgrounds_keep_off_the_face_box(rng: np.random.Generator) -> None:
    codes, boxes = [], []
    for _ in range(30):
        box = rng.uniform((20, 20, 60, 60), (100, 100, 100, 100)).astype(np.float32)
        picture = np.zeros((240, 260), np.uint8)
        x, y, width, height = box.astype(int)
        picture[y : y + height, x : x + width] = 255
        codes.append(cv2.imencode(".jpg", picture)[1])
        boxes.append(box)
    points = np.full((30, KEYPOINTS, 2), np.nan, np.float32)
    marked = sets.FaceSet("drawn", codes, points, np.array(boxes), np.full(30, ""), np.arange(30) % 2 == 0)
    cuts = np.array([sets.Backgrounds([marked]).sample(rng, 64) for _ in range(60)])
    assert cuts.shape == (60, 64, 64) and cuts.dtype == np.uint8
    assert (cuts > 128).mean(axis=(1, 2)).max() < 0.15  # a sliver of the box at most


def test_a_missing_folder_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FACET_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="FACET_DATA"):
        sets.faces_300w()
    monkeypatch.setenv("FACET_DATA", str(tmp_path))
    with pytest.raises(InputError, match=r"faces_300w\.npz is missing"):
        sets.faces_300w()
