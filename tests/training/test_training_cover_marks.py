"""What somebody outlined before real faces: hands and microphones, and hair above a line."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from covers_making import face_set, scene_of
from faces_making import portrait, posed_face

from engines.networks.occlusion import SIZE
from realtime.geometry.crops import face_crop
from training.cover_marks import CutOuts, Marked, cover, hairlines, marked, moved
from training.data import FaceSet
from training.occluders.scene import Scene
from training.occlusion_scenes import Material, example
from training.occlusion_table import hair_shares


def test_outlines_by_eye_are_on_their_crops_and_some_are_for_measuring() -> None:
    known = marked()
    assert len(known) > 60
    assert 15 < sum(each.test for each in known) < 40
    for each in known:
        assert each.name in ("300w", "ytf", "muxspace")
        for outline in each.outlines:
            assert len(outline) >= 5
            assert outline.min() >= 0
            assert outline.max() < SIZE
            assert cv2.contourArea(outline) > 100


def test_hairlines_go_from_side_to_side_and_some_are_for_measuring() -> None:
    known = hairlines()
    assert len(known) > 100
    assert 0.25 < np.mean([each.test for each in known]) < 0.5
    outlined = {(each.name, each.row) for each in marked()}
    for each in known:
        assert each.name in ("300w", "ytf", "muxspace")
        assert (each.name, each.row) not in outlined
        (outline,) = each.outlines
        line = outline[:-4]
        assert (line[0, 0], line[-1, 0]) == (0, SIZE - 1)
        assert line.min() >= 0
        assert line.max() < SIZE
        scene = scene_of()
        above, _ = cover(scene, (outline,))
        assert above[-1].max() == 0 or above[-1, SIZE // 2] == 0, "a face is below its hair"
        crossings = np.diff(np.pad(above[:, SIZE // 2] > 0.5, 1).astype(int)).clip(0).sum()
        assert crossings <= 2, "a line does not cross itself"


@pytest.mark.parametrize("colourless", [False, True])
def test_a_drawn_hairline_counts_in_full_where_colour_only_guesses(colourless: bool) -> None:
    """A dark forehead below it is free, a light one above it is hair, in grey as in colour."""
    face = posed_face(size=100, centre=(150, 170))
    picture = portrait(face.points, (300, 300))
    brow = round(float(face.points[17:27, 1].min()))
    picture[: brow - 15, 150:] = (30, 20, 15)
    picture = np.repeat(picture.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8) if colourless else picture
    code = cv2.imencode(".png", picture[..., ::-1])[1].ravel()
    faces = FaceSet("300w", [code], face.points[None], np.zeros((1, 4), np.float32), np.array([""]), np.zeros(1, bool))
    crop = face_crop(face.points, SIZE)
    middle = int(crop.into(np.array([[150.0, 170.0]]))[0, 0])
    outline = np.array([(-64, -64), (-64, SIZE), (15, SIZE), (15, 60), (middle, 60), (middle, 0), (192, 0), (192, -64)])
    made = [
        example(Material(faces, np.arange(1), {}, lines), 0, np.random.default_rng(7), covered=0)
        for lines in ({0: (outline.astype(np.float32),)}, {})
    ]
    low, high = crop.into(np.array([[120.0, brow - 25], [180.0, brow - 25]])).astype(int)[:, ::-1]
    drawn, guessed = made
    assert drawn.mask[tuple(low)] == 1 > guessed.mask[tuple(low)]
    assert drawn.mask[tuple(high)] == 0
    assert guessed.mask[tuple(high)] == 1 or guessed.weight[tuple(high)] == 0
    for place in (low, high):
        assert drawn.weight[tuple(place)] > 0
    assert not drawn.believed[tuple(high)]
    chin = crop.into(np.array([[150.0, 215.0]])).astype(int)[0, ::-1]
    assert drawn.weight[tuple(chin)] > 0
    assert not drawn.believed[tuple(chin)]
    assert guessed.believed[tuple(chin)]


def test_what_is_found_of_hair_and_taken_of_foreheads() -> None:
    faces = face_set(1)
    outline = np.array([(-64, -64), (-64, SIZE), (64, SIZE), (64, 0), (192, 0), (192, -64)], np.float32)
    each = Marked("300w", 0, True, (outline,))

    def everything_left(image: np.ndarray) -> tuple[np.ndarray]:
        answer = np.zeros((1, 1, SIZE, SIZE), np.float32)
        answer[..., : SIZE // 2] = 1
        return (answer,)

    hair, free = hair_shares(everything_left, faces, each)  # type: ignore[arg-type]
    assert hair == 1
    assert 0 <= free < 0.05
    hair, free = hair_shares(lambda image: (1 - everything_left(image)[0],), faces, each)  # type: ignore[arg-type, return-value]
    assert hair == 0
    assert free > 0.95


def test_an_outlined_cover_is_asked_for_but_at_its_edge() -> None:
    faces, size = face_set(), 30.0
    outline = 64 + size * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)
    source = Material(faces, np.arange(3), {1: (outline,)})
    crop = face_crop(faces.points[1], SIZE)
    np.testing.assert_allclose(moved((outline,), faces.points[1], crop)[0], outline, atol=1e-3)
    made = example(source, 1, np.random.default_rng(0), covered=0)
    free = example(source, 0, np.random.default_rng(0), covered=0)
    assert made.mask[64, 64] == 1
    assert made.weight[64, 64] > 0
    assert 0.15 < (made.mask > 0.5).mean() - (free.mask > 0.5).mean() < 0.35
    inside, unsure = cover(scene_of(), (outline,))
    assert unsure[64, 34]
    assert unsure[64, 35]
    assert not unsure[64, 40]
    assert inside[64, 64] == 1


def test_what_is_cut_out_comes_before_another_face() -> None:
    faces = face_set()
    points = faces.points[0]
    outline = 70 + 20 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)
    cut_outs = CutOuts({"300w": faces}, [Marked("300w", 0, False, (outline,))])
    areas = []
    for seed in range(6):
        scene = Scene(face_crop(points, SIZE).cut(np.full((300, 300, 3), 40, np.uint8)), scene_of().points)
        before = scene.picture.copy()
        cut_outs.draw(scene, np.random.default_rng(seed))
        areas.append((scene.mask > 0.5).sum())
        assert np.abs(scene.picture - before)[scene.mask > 0.9].mean() > 2
        assert (scene.picture - before)[scene.mask == 0].max() < 1, "a shadow at most"
        assert scene.unsure[(scene.mask > 0.2) & (scene.mask < 0.8)].all()
    assert 700 < np.median(areas) < 2500


def test_what_is_cut_out_of_a_grey_picture_takes_the_tone_of_the_face() -> None:
    faces = face_set(1)
    grey = cv2.imdecode(faces.codes[0], cv2.IMREAD_GRAYSCALE)
    assert grey is not None
    faces.codes[0] = cv2.imencode(".png", grey)[1].ravel()
    outline = 64 + 20 * np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)], np.float32)
    cut_outs = CutOuts({"300w": faces}, [Marked("300w", 0, False, (outline,))])
    for seed in range(8):
        scene = scene_of()
        cut_outs.draw(scene, np.random.default_rng(seed))
        shown = scene.picture[scene.mask > 0.9].mean(axis=0)
        assert shown[0] > 1.15 * shown[2], "skin is red"
