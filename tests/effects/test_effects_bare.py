"""Hair and hats of a photo are told from its face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_making import portrait, posed_face

from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.effects.bare import bare
from realtime.frame import Pixels, Pose
from realtime.geometry.topology import BROWS, HAIRLINE, JAW, LEFT_EYE, NOSE, RIGHT_EYE
from realtime.sources.demo import portraits

SIZE = (320, 240)
FACE = posed_face(Pose(0, 0, 0), 90, (160, 125))
UNIT = float(np.linalg.norm(FACE.points[45] - FACE.points[36]))
SKINS = [(235, 200, 180), (205, 160, 135), (120, 80, 60), (70, 45, 35)]

HAIR = [(30, 20, 15), (150, 130, 80), (230, 230, 235), (40, 90, 200)]


def _fringed(skin: tuple[int, int, int], hair: tuple[int, int, int], reach: float) -> Pixels:
    """A painted face whose hair hangs down to so much of the way from the hairline to the brows."""
    points = FACE.points
    picture = portrait(points, SIZE, skin=skin)
    edge = points[HAIRLINE] + reach * (points[BROWS].mean(axis=0) - points[HAIRLINE]) * (0, 1)
    above = np.concatenate([edge, [(SIZE[0], edge[-1, 1]), (SIZE[0], 0), (0, 0), (0, edge[0, 1])]])
    cv2.fillPoly(picture, [np.round(above).astype(np.int32)], hair)
    return picture


def _at(mask: np.ndarray, points: np.ndarray) -> np.ndarray:
    x, y = np.round(points).astype(int).T
    return np.asarray(mask[y, x])


@pytest.mark.parametrize("skin", SKINS)
def test_a_plain_face_is_bare(skin: tuple[int, int, int]) -> None:
    points = FACE.points
    mask = bare(portrait(points, SIZE, skin=skin), points)
    inner = points[HAIRLINE[3:10]] + 0.7 * (points[BROWS].mean(axis=0) - points[HAIRLINE[3:10]])
    assert (
        _at(mask, np.concatenate([inner, points[BROWS], points[NOSE], points[LEFT_EYE], points[RIGHT_EYE]])).min() > 230
    )


@pytest.mark.parametrize(
    ("skin", "hair"), [(s, h) for s in SKINS for h in HAIR if np.abs(np.subtract(s, h)).max() > 60]
)
def test_a_fringe_is_left_out_and_brows_stay(skin: tuple[int, int, int], hair: tuple[int, int, int]) -> None:
    points = FACE.points
    mask = bare(_fringed(skin, hair, 0.4), points)
    assert _at(mask, points[HAIRLINE[3:10]]).max() < 60
    assert _at(mask, np.concatenate([points[NOSE], points[LEFT_EYE], points[RIGHT_EYE], points[JAW[6:11]]])).min() > 230
    assert _at(mask, points[BROWS]).min() > 160


def test_what_lies_behind_hair_is_left_out_with_it() -> None:
    """Skin above the fringe: a parting, or a hand on the head."""
    picture = _fringed(SKINS[1], (30, 20, 15), 0.5)
    top = int(FACE.points[HAIRLINE, 1].min())
    picture[: top + 2] = SKINS[1]
    assert _at(bare(picture, FACE.points), FACE.points[HAIRLINE[4:9]]).max() < 60


def test_a_tilted_photo_gives_the_tilted_mask() -> None:
    picture = _fringed(SKINS[1], (30, 20, 15), 0.4)
    turn = cv2.getRotationMatrix2D((160, 120), 35, 1)
    turned = cv2.warpAffine(picture, turn, SIZE, borderMode=cv2.BORDER_REPLICATE)
    straight = bare(picture, FACE.points).astype(float)
    points = (FACE.points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    back = cv2.warpAffine(bare(turned, points), turn, SIZE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inside = np.zeros(SIZE[::-1], np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.round(FACE.points).astype(np.int32)), 1)
    assert np.abs(straight - back)[inside > 0].mean() < 6


def test_glasses_and_wrinkles_hide_no_forehead() -> None:
    picture = portrait(FACE.points, SIZE)
    for eye in (LEFT_EYE, RIGHT_EYE):
        centre = np.round(FACE.points[eye].mean(axis=0)).astype(int).tolist()
        cv2.circle(picture, centre, round(0.3 * UNIT), (10, 10, 20), 3)
    forehead = 0.3 * FACE.points[HAIRLINE[5:8]] + 0.7 * FACE.points[BROWS].mean(axis=0)
    y = round(float(forehead[:, 1].mean())) + 3
    picture[y : y + 2, round(0.4 * SIZE[0]) : round(0.6 * SIZE[0])] = (120, 80, 60)
    assert _at(bare(picture, FACE.points), forehead).min() > 200


@pytest.mark.parametrize("size", [0.5, 3000])
@pytest.mark.parametrize("centre", [(0, 0), (-400, 100)])
def test_faces_across_and_beyond_the_edge_are_ridden_out(centre: tuple[float, float], size: float) -> None:
    points = posed_face(Pose(40, 0, 20), size, centre).points
    picture = portrait(FACE.points, SIZE)
    assert bare(picture, points).shape == picture.shape[:2]


def test_the_built_in_portraits_lose_fringe_and_hat() -> None:
    """The astronaut's hair hangs into her forehead; the admiral wears a hat, and heavy glasses, which stay."""
    with open_analyser(AnalysisOptions(threads=1)) as analyser:
        for pixels in portraits():
            points = analyser.photo(pixels, "")[0].points
            mask = bare(pixels, points)
            assert _at(mask, points[HAIRLINE[4:9]]).max() < 130
            assert (
                _at(mask, np.concatenate([points[NOSE], points[27:28] + (points[27] - points[30]) * 0.4])).min() > 200
            )
