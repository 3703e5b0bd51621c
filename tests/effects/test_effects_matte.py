"""Highlights of a photo: they shrink and take the colour of skin; skin, detail, shadows and the lower face stay."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_making import posed_face

from realtime.effects.matte import matte
from realtime.frame import Floats, Pixels
from realtime.geometry.mesh import OUTLINE

SIZE = (320, 240)
SKIN = (180, 140, 120)
POINTS = posed_face(size=90, centre=(160, 125)).points
CHEEK, CHIN = POINTS[[2, 31]].mean(axis=0), POINTS[[8, 57]].mean(axis=0)


def _plain() -> Pixels:
    picture = np.full((SIZE[1], SIZE[0], 3), (40, 60, 80), np.uint8)
    cv2.fillPoly(picture, [np.round(POINTS[OUTLINE]).astype(np.int32)], SKIN)
    return picture


def _spot(place: Floats, strength: float, radius: float = 7.0) -> Pixels:
    """Plain skin with a soft white (strength > 0) or dark spot."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    share = strength * np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * radius**2))[..., None]
    picture = _plain().astype(float)
    lit = picture + share * (255 - picture) if strength > 0 else picture * (1 + share)
    return np.round(lit).astype(np.uint8)


def _at(picture: Pixels, place: Floats) -> np.ndarray:
    x, y = np.round(place).astype(int)
    return np.asarray(picture[y - 1 : y + 2, x - 1 : x + 2].mean(axis=(0, 1)))


def test_plain_skin_stays() -> None:
    picture = _plain()
    np.testing.assert_allclose(matte(picture, POINTS), picture, atol=1)


def test_highlights_of_the_upper_face_shrink() -> None:
    picture = _spot(CHEEK, 0.7)
    before, after = (np.abs(_at(each, CHEEK) - SKIN).mean() for each in (picture, matte(picture, POINTS)))
    assert before > 70
    assert after < 0.75 * before


def test_shadows_stay() -> None:
    picture = _spot(CHEEK, -0.5)
    np.testing.assert_allclose(_at(matte(picture, POINTS), CHEEK), _at(picture, CHEEK), atol=2)


def test_a_highlight_takes_the_colour_of_the_skin() -> None:
    picture = _spot(CHEEK, 0.9)
    before, after = (
        red / blue - 1 for red, _, blue in (_at(each, CHEEK) for each in (picture, matte(picture, POINTS)))
    )
    assert before < 0.1 * (SKIN[0] / SKIN[2] - 1), "it was white"
    assert after > 0.4 * (SKIN[0] / SKIN[2] - 1)


def test_small_detail_stays() -> None:
    picture = _plain()
    noise = np.random.default_rng(0).normal(scale=6, size=picture.shape[:2])[..., None]
    picture = np.clip(picture + noise, 0, 255).astype(np.uint8)
    np.testing.assert_allclose(matte(picture, POINTS), picture, atol=6)


def test_dark_glasses_stay_dark() -> None:
    picture = _plain()
    x, y = np.round(CHEEK).astype(int)
    picture[y - 6 : y + 7, x - 20 : x + 21] = (20, 20, 25)
    np.testing.assert_allclose(_at(matte(picture, POINTS), CHEEK), _at(picture, CHEEK), atol=8)


def test_a_white_beard_and_what_is_beside_the_face_stay() -> None:
    picture = _spot(CHIN, 0.7)
    picture[5:25, 5:25] = 255
    after = matte(picture, POINTS)
    np.testing.assert_allclose(_at(after, CHIN), _at(picture, CHIN), atol=2)
    np.testing.assert_array_equal(after[:40, :40], picture[:40, :40])


@pytest.mark.parametrize("size", [0.5, 5.0, 2000.0])
def test_faces_of_any_size_give_a_picture(size: float) -> None:
    picture = _spot(CHEEK, 0.7)
    after = matte(picture, posed_face(size=size, centre=(160, 125)).points)
    assert after.shape == picture.shape
    assert after.dtype == np.uint8
