"""Lenses that hide eyes and lenses that do not, who is kept for measuring, and what the network is shown."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from faces_making import portrait, posed_face

from engines.networks.eyes_seen import SIZE, EyesSeen
from realtime.frame import Pose
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from training import data as sets
from training import run
from training.data import FaceSet, folded
from training.eyes_scenes import Batches, Material, lids_apart
from training.eyewear import CLEAR, DOUBTFUL, HIDDEN, SHINING, TINTED, measured, plain, rows_of
from training.occluders.glasses import covers_eyes, spectacles
from training.occluders.harmless import hollow
from training.occluders.lenses import Lenses, clear, dark, mirrored, tinted
from training.occluders.scene import Scene
from training.recipes.eyes_seen import loss, sheet

EYES = np.concatenate([LEFT_EYE, RIGHT_EYE])
POSES = (Pose(0, 0, 0), Pose(20, -5, 10), Pose(-20, 10, -15))


def _scene(seed: int) -> Scene:
    face = posed_face(POSES[seed % 3], 60, (64, 74))
    return Scene(portrait(face.points, (128, 128), seed=seed), face.points)


def _kept(lenses: Lenses) -> list[float]:
    """How much of the eyes' light and dark comes through, of a dozen pairs that cover them."""
    shares = []
    for seed in range(24):
        plain_eyes, painted = _scene(seed), _scene(seed)
        # two scenes that differ in the eyes alone, behind the same glasses: what differs still is what comes through
        x, y = np.rint(painted.points[EYES]).astype(int).T
        painted.picture[y, x] = 255 - painted.picture[y, x]
        before = np.abs(painted.picture - plain_eyes.picture)[y, x]
        for scene in (plain_eyes, painted):
            spectacles(scene, np.random.default_rng(seed), lenses)
        inside = np.abs(painted.picture - plain_eyes.picture)[y, x]
        shares.append(float(inside.sum() / before.sum()))
    return shares


@pytest.mark.parametrize(("lenses", "least", "most"), [(clear, 0.7, 1.0), (tinted, 0.45, 0.95)])
def test_clear_and_tinted_lenses_let_the_eyes_through(lenses: Lenses, least: float, most: float) -> None:
    assert least < np.median(_kept(lenses)) < most


@pytest.mark.parametrize("lenses", [dark, mirrored(), mirrored(np.full((8, 8, 3), 200, np.uint8))])
def test_opaque_lenses_do_not(lenses: Lenses) -> None:
    covering = 0
    for seed in range(12):
        scene = _scene(seed)
        assert not covers_eyes(scene)
        spectacles(scene, np.random.default_rng(seed), lenses)
        covering += covers_eyes(scene)
    assert covering >= 6
    assert np.median(_kept(lenses)) < 0.15


def test_a_mirror_shows_what_is_before_it() -> None:
    """A white view makes bright lenses, a black one dark ones."""
    shown = []
    for level in (0, 255):
        scene = _scene(0)
        spectacles(scene, np.random.default_rng(5), mirrored(np.full((16, 16), level, np.uint8)))
        x, y = np.rint(scene.points[LEFT_EYE].mean(axis=0)).astype(int)
        shown.append(scene.picture[y, x].mean())
    assert shown[1] > shown[0] + 40


def test_hollow_eyes_are_dark_and_not_covered() -> None:
    left = []
    for seed in range(8):
        scene = _scene(seed)
        before = scene.picture.copy()
        hollow(scene, np.random.default_rng(seed))
        x, y = np.rint(scene.points[EYES]).astype(int).T
        left.append(scene.picture[y, x].sum() / before[y, x].sum())
        mouth = np.rint(scene.points[48:60]).astype(int).T
        np.testing.assert_allclose(scene.picture[mouth[1], mouth[0]], before[mouth[1], mouth[0]], atol=3)
        assert scene.mask.max() == 0
    assert np.mean(left) < 0.75


def test_low_lids_are_told_by_the_more_open_eye() -> None:
    points = np.stack([posed_face(size=100).points] * 3)
    for face, eyes in ((1, (LEFT_EYE,)), (2, (LEFT_EYE, RIGHT_EYE))):
        for eye in eyes:
            points[face, eye[4:]] = points[face, eye[[2, 1]]]
    apart = lids_apart(points)
    assert apart[0] == pytest.approx(apart[1])
    assert apart[2] == pytest.approx(0, abs=1e-6)


def _faces(count: int = 4) -> FaceSet:
    codes, points = [], []
    for number in range(count):
        face = posed_face(POSES[number % 3], 100, (150, 170))
        codes.append(cv2.imencode(".jpg", portrait(face.points, (300, 300), seed=number)[..., ::-1])[1].ravel())
        points.append(face.points)
    box = np.tile(np.float32([100, 100, 100, 120]), (count, 1))
    return FaceSet("300w", codes, np.stack(points), box, np.full(count, ""), np.zeros(count, bool))


def _material() -> Material:
    rows = np.arange(4)
    return Material(_faces(), rows, rows[:1], rows[1:2], rows[2:3])


def test_batches_repeat_and_show_both_kinds() -> None:
    batches = Batches([_material()], 32, seed=1)
    one, again, other = batches(3), batches(3), batches(4)
    assert one["image"].shape == (32, 1, SIZE, SIZE)
    assert one["image"].dtype == np.uint8
    np.testing.assert_array_equal(one["image"], again["image"])
    assert (one["image"] != other["image"]).any()
    assert 4 <= one["seen"].sum() <= 28


def test_a_few_steps_learn_and_the_sheet_shows_it(tmp_path: Path) -> None:
    batches = Batches([_material()], 16, seed=1)
    fixed = batches(0)
    tensors = {key: torch.from_numpy(value) for key, value in fixed.items()}
    options = run.RunOptions(steps=12, threads=1, workers=0, runs=tmp_path)
    run.prepare(options)
    model = EyesSeen()
    before = loss(model, tensors)["loss"].item()
    run.fit("eyes_seen", model, lambda step: fixed, loss, options, run.Optimisation(5e-2))
    assert loss(model, tensors)["loss"].item() < 0.8 * before
    assert sheet(model.eval(), fixed).shape == (SIZE + 4, 16 * SIZE, 3)


def test_labels_are_of_one_kind_and_of_pictures_that_exist(data: Path) -> None:
    for faces in (sets.faces_300w(), sets.faces_ytf(), sets.faces_muxspace()):
        kinds = [set(table.get(faces.name, ())) for table in (HIDDEN, DOUBTFUL, TINTED, CLEAR)]
        assert sum(map(len, kinds)) == len(set.union(*kinds))
        assert max(set.union(*kinds)) < len(faces)
        assert set(SHINING[faces.name]) <= kinds[0]


def test_nobody_is_on_both_sides(data: Path) -> None:
    for faces in (sets.faces_ytf(), sets.faces_muxspace()):
        apart = measured(faces)
        people = np.array([folded(person) for person in faces.identity])
        assert not set(people[apart]) & set(people[~apart])
        assert apart[faces.held_out].all()
        assert not np.isin(plain(faces, apart=False), np.concatenate([HIDDEN[faces.name], plain(faces, True)])).any()
        halves = [len(rows_of(HIDDEN, faces, side)) for side in (False, True)]
        assert min(halves) >= 4
