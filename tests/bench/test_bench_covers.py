"""`bench covers`: the moving cover's truth, and what is measured against it, where both are known."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from faces_making import portrait, posed_face

from bench.covers import Tally, error_of, live_share, rim_of
from bench.moving_covers import Cover, Shot, drawn_over, moved_over
from realtime.frame import Face, Frame, Occlusion
from realtime.geometry.crops import face_crop

SIZE = (480, 360)
FACE = posed_face(size=110, centre=(240.0, 185.0))


def _frames(count: int) -> list[Frame]:
    pixels = portrait(FACE.points, SIZE)
    return [Frame(pixels, number, number / 30, 0.0) for number in range(count)]


def _seen(opacity: np.ndarray) -> Face:
    """The face with a map that says of its crop what (H, W) `opacity` says of the frame."""
    crop = face_crop(FACE.points, 128)
    levels = cv2.warpAffine(np.round(255 * opacity).astype(np.uint8), crop.matrix, (128, 128))
    return replace(FACE, occlusion=Occlusion(levels, crop.matrix))


def test_the_truth_is_where_the_picture_changed() -> None:
    frames = _frames(12)
    layer, crop = drawn_over(frames[0], FACE, Cover("hand", 23))
    shots = list(moved_over(frames, FACE, layer, crop))
    assert len(shots) == len(frames)
    for shot, frame in zip(shots, frames, strict=True):
        change = np.abs(shot.frame.pixels.astype(int) - frame.pixels).max(axis=2)
        assert change[shot.opacity > 0.95].mean() > 10
        assert shot.opacity.max() == pytest.approx(1, abs=0.01)
        far = cv2.dilate(shot.opacity, np.ones((91, 91))) == 0  # beyond its shadow, too
        assert change[far].max(initial=0) <= 1
    centres = [np.argwhere(shot.opacity > 0.5).mean(axis=0)[1] for shot in shots]
    steps = np.diff(centres)
    assert (steps > 0).all(), "from the middle to one side at first"
    at = shots[5].place @ (*np.argwhere(layer.opacity > 0.9).mean(axis=0)[::-1], 1)
    assert shots[5].opacity[tuple(np.round(at[::-1]).astype(int))] > 0.9


def test_a_mask_that_is_right_has_no_error_and_leaves_nothing_live() -> None:
    frames = _frames(2)
    layer, crop = drawn_over(frames[0], FACE, Cover("hand", 23))
    shot = list(moved_over(frames, FACE, layer, crop))[1]
    place = np.ones(SIZE[::-1], bool)
    right, blind = (error_of(face, shot, place, layer.size) for face in (_seen(shot.opacity), _seen(0 * shot.opacity)))
    rim = rim_of(layer.opacity)
    assert np.nanmean(np.abs(right[rim])) < 0.1
    assert np.nanmean(np.abs(blind[rim])) > 0.3
    assert np.isnan(error_of(FACE, shot, ~place, layer.size)).all()
    half = np.zeros(SIZE[::-1], np.float32)
    half[:, :240] = 1
    near = np.zeros(SIZE[::-1], bool)
    near[150:220, 200:280] = True
    assert live_share(_seen(half), near) == pytest.approx(0.5, abs=0.05)
    assert live_share(FACE, near) == 0


def test_what_is_within_eight_levels_is_kept() -> None:
    tally, wanted, where = Tally(), np.full((4, 4, 3), 100, np.uint8), np.zeros((4, 4), bool)
    tally.keep("nowhere", wanted, wanted, where)
    where[:2] = True
    shown = wanted.copy()
    shown[0, :, 1] += 9
    shown[1, :, 2] -= 8
    shown[3] = 0
    tally.keep("half", shown, wanted, where)
    assert tally.kept == {"half": [0.5]}


def test_an_example_shot_is_of_one_time() -> None:
    (shot,) = moved_over(_frames(1), FACE, *drawn_over(_frames(1)[0], FACE, Cover("microphone", 5)))
    assert isinstance(shot, Shot)
    assert shot.frame.index == 0
