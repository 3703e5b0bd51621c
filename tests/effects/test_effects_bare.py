"""Hair, hats and glasses of a photo are told from its face."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_making import portrait, posed_face

from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.effects.bare import bare
from realtime.frame import Occlusion, Pixels, Pose
from realtime.geometry.crops import face_crop
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
    mask = bare(portrait(points, SIZE, skin=skin), points, None)[1]
    inner = points[HAIRLINE[3:10]] + 0.7 * (points[BROWS].mean(axis=0) - points[HAIRLINE[3:10]])
    assert (
        _at(mask, np.concatenate([inner, points[BROWS], points[NOSE], points[LEFT_EYE], points[RIGHT_EYE]])).min() > 230
    )


@pytest.mark.parametrize(
    ("skin", "hair"), [(s, h) for s in SKINS for h in HAIR if np.abs(np.subtract(s, h)).max() > 60]
)
def test_a_fringe_is_left_out_and_brows_stay(skin: tuple[int, int, int], hair: tuple[int, int, int]) -> None:
    points = FACE.points
    mask = bare(_fringed(skin, hair, 0.4), points, None)[1]
    assert _at(mask, points[HAIRLINE[3:10]]).max() < 60
    assert _at(mask, np.concatenate([points[NOSE], points[LEFT_EYE], points[RIGHT_EYE], points[JAW[6:11]]])).min() > 230
    assert _at(mask, points[BROWS]).min() > 160


def test_what_lies_behind_hair_is_left_out_with_it() -> None:
    """Skin above the fringe: a parting, or a hand on the head."""
    picture = _fringed(SKINS[1], (30, 20, 15), 0.5)
    top = int(FACE.points[HAIRLINE, 1].min())
    picture[: top + 2] = SKINS[1]
    assert _at(bare(picture, FACE.points, None)[1], FACE.points[HAIRLINE[4:9]]).max() < 60


def test_a_tilted_photo_gives_the_tilted_mask() -> None:
    picture = _fringed(SKINS[1], (30, 20, 15), 0.4)
    turn = cv2.getRotationMatrix2D((160, 120), 35, 1)
    turned = cv2.warpAffine(picture, turn, SIZE, borderMode=cv2.BORDER_REPLICATE)
    straight = bare(picture, FACE.points, None)[1].astype(float)
    points = (FACE.points @ turn[:, :2].T + turn[:, 2]).astype(np.float32)
    back = cv2.warpAffine(bare(turned, points, None)[1], turn, SIZE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
    inside = np.zeros(SIZE[::-1], np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.round(FACE.points).astype(np.int32)), 1)
    assert np.abs(straight - back)[inside > 0].mean() < 6


def _marked(picture: Pixels, mask: np.ndarray) -> Occlusion:
    """What a network would say that knows where a thing is."""
    crop = face_crop(FACE.points, 128)
    return Occlusion(crop.cut(255 * mask.astype(np.uint8)), crop.matrix)


def test_a_rim_is_painted_out_with_skin() -> None:
    plain = portrait(FACE.points, SIZE)
    picture, mask = plain.copy(), np.zeros(plain.shape[:2], np.uint8)
    for eye in (LEFT_EYE, RIGHT_EYE):
        centre = np.round(FACE.points[eye].mean(axis=0)).astype(int).tolist()
        for canvas, colour in ((picture, (10, 10, 120)), (mask, 1)):
            cv2.circle(canvas, centre, round(0.25 * UNIT), colour, 2)
    painted, shown = bare(picture, FACE.points, _marked(picture, mask))
    below = (mask > 0) & (np.arange(SIZE[1])[:, None] > FACE.points[36, 1] + 0.12 * UNIT)
    spoilt, left = (np.abs(each.astype(float) - plain)[below].mean() for each in (picture, painted))
    assert left < 0.25 * spoilt
    assert shown[below].min() > 200, "it is drawn"
    far = cv2.dilate(mask, np.ones((15, 15), np.uint8)) == 0
    np.testing.assert_array_equal(painted[far], picture[far])


def test_a_hand_is_left_out() -> None:
    picture, mask = portrait(FACE.points, SIZE), np.zeros(SIZE[::-1], np.uint8)
    cheek = np.round(FACE.points[[2, 3, 31, 48]].mean(axis=0)).astype(int)
    cv2.circle(mask, cheek.tolist(), round(0.25 * UNIT), 1, -1)
    shown = bare(picture, FACE.points, _marked(picture, mask))[1]
    assert _at(shown, cheek[None]).max() < 10
    assert _at(shown, FACE.points[NOSE]).min() > 230


@pytest.mark.parametrize("size", [0.5, 3000])
@pytest.mark.parametrize("centre", [(0, 0), (-400, 100)])
def test_faces_across_and_beyond_the_edge_are_ridden_out(centre: tuple[float, float], size: float) -> None:
    points = posed_face(Pose(40, 0, 20), size, centre).points
    picture = portrait(FACE.points, SIZE)
    painted, mask = bare(picture, points, Occlusion(np.full((8, 8), 255, np.uint8), face_crop(points, 8).matrix))
    assert painted.shape == picture.shape
    assert mask.shape == picture.shape[:2]


def test_the_built_in_portraits_lose_fringe_hat_and_glasses() -> None:
    """The astronaut's hair hangs into her forehead; the admiral wears a hat and heavy glasses."""
    with open_analyser(AnalysisOptions(occlusion=lambda: True, threads=1)) as analyser:
        for pixels, glasses in zip(portraits(), (False, True), strict=True):
            face, _ = analyser.photo(pixels, "")
            painted, mask = bare(pixels, face.points, face.occlusion)
            assert _at(mask, face.points[HAIRLINE[4:9]]).max() < 100
            assert _at(mask, face.points[NOSE]).min() > 200
            unit = float(np.linalg.norm(face.points[45] - face.points[36]))
            changed = (painted != pixels).any(axis=2).sum() / unit**2
            assert (changed > 0.05) == glasses
