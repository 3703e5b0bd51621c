"""Swap: a person drawn on themselves is themselves; who, from which side and where stays steady."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from faces_making import FRONTAL, frame_of, portrait, posed_face

from realtime.controls import Mode, Settings
from realtime.effects.photo import Person, View, person
from realtime.effects.swap import Swap
from realtime.frame import Drawn, Face, Floats, Pixels, Pose
from realtime.geometry.topology import INNER_LIPS, LEFT_EYE, NOSE_TIP
from realtime.render.canvas import Canvas

SIZE = (480, 360)
CENTRE = (240.0, 185.0)
SETTINGS = Settings(Mode.SWAP)
PAPER = replace(SETTINGS, expression=0.0, shape=0.0)


def _somebody(pose: Pose = FRONTAL, name: str = "somebody", seed: int = 0, **colours: tuple[int, int, int]) -> Person:
    face = posed_face(pose, 120, (200, 200))
    return person(name, [(portrait(face.points, (400, 400), seed=seed, **colours), face)])


def _draw(
    canvas: Canvas, swap: Swap, pixels: Pixels, faces: tuple[Face, ...], index: int = 0, settings: Settings = SETTINGS
) -> tuple[Pixels, dict[int, Drawn]]:
    canvas.begin(pixels)
    drawn = swap.draw(canvas, frame_of(pixels, index), faces, settings)
    return canvas.finish(), drawn


def _shows(drawn: Drawn, view: View) -> bool:
    assert drawn.source_points is not None
    return np.array_equal(drawn.source_points, view.points[:68])


def _projected(drawn: Drawn) -> Floats:
    assert drawn.affine is not None
    assert drawn.source_points is not None
    assert drawn.depth is not None
    return np.column_stack([drawn.source_points, drawn.depth, np.ones(68)]) @ drawn.affine.T


@pytest.mark.parametrize("pose", [FRONTAL, Pose(25, 5, -15), Pose(-40, -10, 20)], ids=str)
@pytest.mark.parametrize("settings", [SETTINGS, PAPER], ids=["default", "paper"])
def test_a_face_drawn_on_itself_is_itself(canvas: Canvas, pose: Pose, settings: Settings) -> None:
    face = posed_face(pose, 100, CENTRE)
    pixels = portrait(face.points, SIZE)
    swap = Swap((person("self", [(pixels, face)]),))
    for index in range(3):
        picture, drawn = _draw(canvas, swap, pixels, (face,), index, settings)
    swap.release()
    np.testing.assert_allclose(_projected(drawn[0]), face.landmarks, atol=0.05)
    difference = np.abs(picture.astype(int) - pixels)
    # cut into a texture and drawn back, the picture is sampled twice: edges soften a little
    assert difference.mean() <= 0.5
    assert np.percentile(difference, 99) <= 12
    x, y, width, height = (round(v) for v in face.box)
    assert difference[y : y + height, x : x + width].mean() <= 2


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(20, -5, 30), Pose(-35, 5, 0)], ids=str)
def test_the_affine_carries_the_photo_to_the_head(canvas: Canvas, pose: Pose) -> None:
    somebody, face = _somebody(Pose(10, 0, 5)), posed_face(pose, 80, CENTRE)
    swap = Swap((somebody,))
    _, drawn = _draw(canvas, swap, portrait(face.points, SIZE), (face,), settings=PAPER)
    swap.release()
    np.testing.assert_allclose(_projected(drawn[0]), face.landmarks, atol=0.5)
    assert _shows(drawn[0], somebody.views[0]) or _shows(drawn[0], somebody.views[1])


def test_the_photo_replaces_the_skin_but_not_the_light(canvas: Canvas) -> None:
    """A photo with a dark spot on the nose: the spot arrives, the skin's level stays that of the live face."""
    source = posed_face(size=120, centre=(200, 200))
    photo = portrait(source.points, (400, 400), skin=(140, 100, 90))
    nose = np.round(source.points[NOSE_TIP]).astype(int)
    photo[nose[1] - 4 : nose[1] + 5, nose[0] - 4 : nose[0] + 5] = (40, 30, 30)
    face = posed_face(size=100, centre=CENTRE)
    pixels = portrait(face.points, SIZE, skin=(220, 180, 160))
    swap = Swap((person("dark", [(photo, source)]),))
    for index in range(20):
        picture, _ = _draw(canvas, swap, pixels, (face,), index)
    swap.release()
    x, y = np.round(face.points[NOSE_TIP]).astype(int)
    assert picture[y, x].mean() < pixels[y, x].mean() - 50
    for cheek in ((3, 31), (13, 35)):
        x, y = np.round(face.points[list(cheek)].mean(axis=0)).astype(int)
        ours, live = (p[y - 6 : y + 7, x - 6 : x + 7].mean(axis=(0, 1)) for p in (picture, pixels))
        np.testing.assert_allclose(ours, live, atol=15)


@pytest.mark.parametrize("live", [True, False])
def test_live_eyes_and_mouth_show_when_wanted(canvas: Canvas, live: bool) -> None:
    face = posed_face(size=100, centre=CENTRE)
    pixels = portrait(face.points, SIZE)
    eye = np.round(face.points[LEFT_EYE].mean(axis=0)).astype(int)
    mouth = np.round(face.points[INNER_LIPS].mean(axis=0)).astype(int)
    for x, y in (eye, mouth):
        pixels[y - 1 : y + 2, x - 1 : x + 2] = (0, 250, 0)
    swap = Swap((_somebody(),), live_eyes=live, live_mouth=live)
    picture, _ = _draw(canvas, swap, pixels, (face,))
    swap.release()
    for x, y in (eye, mouth):
        green = int(picture[y, x, 1]) - int(picture[y, x, [0, 2]].max())
        assert (green > 150) == live


def test_what_is_hidden_stays_visible(canvas: Canvas) -> None:
    """Points the network does not trust, a hand say: there the live picture shows."""
    face = posed_face(size=100, centre=CENTRE)
    confidence = np.ones(81, np.float32)
    confidence[[2, 3, 4, 5, 6, 48, 31, 59, 60]] = 0
    pixels = portrait(face.points, SIZE, skin=(90, 200, 90))
    somebody = _somebody(seed=5)
    swap = Swap((somebody,))
    picture, _ = _draw(canvas, swap, pixels, (replace(face, confidence=confidence),))
    swap.release()
    x, y = np.round(face.points[[3, 4, 48]].mean(axis=0)).astype(int)
    np.testing.assert_allclose(picture[y - 3 : y + 4, x - 3 : x + 4], pixels[y - 3 : y + 4, x - 3 : x + 4], atol=3)


def test_outside_the_face_no_pixel_changes(canvas: Canvas, rng: np.random.Generator) -> None:
    face = posed_face(Pose(15, 0, 10), 90, CENTRE)
    noise = rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)
    swap = Swap((_somebody(),))
    picture, _ = _draw(canvas, swap, noise, (face,))
    swap.release()
    changed = np.argwhere((picture != noise).any(axis=2))[:, ::-1]
    assert len(changed) > 3000
    assert (changed >= face.points.min(axis=0) - 3).all()
    assert (changed <= face.points.max(axis=0) + 3).all()


def _turn(yaw: float, number: int = 0) -> Face:
    return posed_face(Pose(yaw, 0, 0), 90, CENTRE, number)


def test_the_view_changes_with_the_side_late_and_once(canvas: Canvas) -> None:
    """A photo turned to the right; the live head swings: plain, mirrored and back, each a little past the middle."""
    somebody = _somebody(Pose(25, 0, 0))
    swap = Swap((somebody,))
    path = [*range(24, -25, -2), *range(-24, 25, 2)]
    shown = []
    for index, yaw in enumerate(path):
        face = _turn(float(yaw))
        _, drawn = _draw(canvas, swap, np.full((SIZE[1], SIZE[0], 3), 120, np.uint8), (face,), index)
        shown.append(0 if _shows(drawn[0], somebody.views[0]) else 1)
    swap.release()
    changes = np.flatnonzero(np.diff(shown))
    assert len(changes) == 2
    assert shown[0] == shown[-1] == 0
    assert path[changes[0]] < 0, "not before it is past the middle"
    assert path[changes[1]] > 0


def test_a_head_that_wavers_about_the_middle_keeps_its_view(canvas: Canvas) -> None:
    somebody = _somebody(Pose(25, 0, 0))
    swap = Swap((somebody,))
    rng, shown = np.random.default_rng(0), set()
    for index in range(25):
        face = _turn(rng.uniform(-2, 2))
        _, drawn = _draw(canvas, swap, np.full((SIZE[1], SIZE[0], 3), 120, np.uint8), (face,), index)
        shown.add(_shows(drawn[0], somebody.views[0]))
    swap.release()
    assert shown == {True}, "the plain photo, as it was at the start"


def test_a_view_fades_in_over_five_frames(canvas: Canvas) -> None:
    source = posed_face(Pose(15, 0, 0), 120, (200, 200))
    photo = portrait(source.points, (400, 400))
    cheek = np.round(source.points[[3, 31]].mean(axis=0)).astype(int)
    photo[cheek[1] - 8 : cheek[1] + 9, cheek[0] - 8 : cheek[0] + 9] = (90, 50, 40)  # tells the two views apart
    somebody = person("somebody", [(photo, source)])
    swap, pixels = Swap((somebody,)), portrait(_turn(-20).points, SIZE)
    before = portrait(_turn(20).points, SIZE)
    for index in range(15):
        _draw(canvas, swap, before, (_turn(20),), index)
    pictures = [_draw(canvas, swap, pixels, (_turn(-20),), 15 + index)[0].astype(int) for index in range(12)]
    swap.release()
    left = [np.abs(picture - pictures[-1]).mean() for picture in pictures]
    assert left[0] > 4 * left[4], "most of it happens within five frames"
    assert left[:5] == sorted(left[:5], reverse=True)
    steps = [np.abs(a - b).max() for a, b in pairwise(pictures)]
    assert max(steps[:4]) < 60, "no pop"
    assert max(steps[5:]) <= 4, "and then it is over"


@pytest.mark.parametrize(("photo", "yaw", "plain"), [(2, -2, True), (2, 0, True), (2, 2, True), (30, -40, False)])
def test_a_mirrored_photo_is_taken_at_the_start_only_where_it_fits_clearly_better(
    canvas: Canvas, photo: float, yaw: float, plain: bool
) -> None:
    somebody = _somebody(Pose(photo, 0, 0))
    swap = Swap((somebody,))
    _, drawn = _draw(canvas, swap, portrait(_turn(yaw).points, SIZE), (_turn(yaw),))
    swap.release()
    assert _shows(drawn[0], somebody.views[0 if plain else 1])


def test_each_live_face_keeps_its_person(canvas: Canvas) -> None:
    people = tuple(_somebody(name=name, seed=seed) for seed, name in enumerate("abc"))
    # the same template in every photo: who is drawn shows in where the photo has its points
    people = tuple(
        replace(one, views=tuple(replace(view, points=view.points + np.float32(i)) for view in one.views))
        for i, one in enumerate(people)
    )
    swap, pixels = Swap(people), np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)

    def who(*numbers: int, settings: Settings = SETTINGS) -> dict[int, str]:
        faces = tuple(posed_face(size=60 - 5 * (n % 3), centre=(110 + 130 * (n % 3), 180), number=n) for n in numbers)
        _, drawn = _draw(canvas, swap, pixels, faces, settings=settings)
        return {n: next(p.name for p in people if _shows(one, p.views[0])) for n, one in drawn.items()}

    assert who(4) == {4: "a"}
    assert who(4, 2) == {4: "a", 2: "b"}
    assert who(2, 4) == {4: "a", 2: "b"}, "whatever their order"
    assert who(2) == {2: "b"}, "the first one left"
    assert who(2, 9) == {2: "b", 9: "a"}, "the next to come takes the free place"
    assert who(2, 9, settings=replace(SETTINGS, face=1)) == {2: "c", 9: "b"}, "next face photo"
    assert who(2, 9, settings=replace(SETTINGS, face=4)) == {2: "c", 9: "b"}, "modulo their number"
    swap.release()


def test_more_faces_than_people_share_them(canvas: Canvas) -> None:
    swap, pixels = Swap((_somebody(),)), np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)
    faces = tuple(posed_face(size=30, centre=(40 + 45 * n, 180), number=n) for n in range(10))
    _, drawn = _draw(canvas, swap, pixels, faces)
    swap.release()
    assert set(drawn) == set(range(10))


def test_the_nearer_face_covers_the_further(canvas: Canvas) -> None:
    near, far = posed_face(size=100, centre=(240, 185), number=1), posed_face(size=50, centre=(250, 190), number=0)
    pixels = portrait(near.points, SIZE)
    swap = Swap((_somebody(),))
    both, _ = _draw(canvas, swap, pixels, (near, far))
    swap.release()
    swap = Swap((_somebody(),))
    alone, _ = _draw(canvas, swap, pixels, (near,))
    swap.release()
    x, y, width, height = (round(v) for v in far.box)
    inside = np.s_[y + 5 : y + height - 5, x + 5 : x + width - 5]
    assert np.abs(both[inside].astype(int) - alone[inside]).mean() < 3


def test_points_that_determine_no_affine_hold_the_last_one(canvas: Canvas) -> None:
    face, pixels = _turn(10), portrait(_turn(10).points, SIZE)
    unknown = replace(face, points=np.full((81, 2), np.nan, np.float32))
    swap = Swap((_somebody(),))
    untouched, nothing = _draw(canvas, swap, pixels, (unknown,))
    assert not nothing
    np.testing.assert_array_equal(untouched, pixels)
    _, good = _draw(canvas, swap, pixels, (face,), 1)
    _, held = _draw(canvas, swap, pixels, (unknown,), 2)
    np.testing.assert_array_equal(held[0].affine, good[0].affine)
    after, again = _draw(canvas, swap, pixels, (face,), 3)
    swap.release()
    np.testing.assert_allclose(again[0].affine, good[0].affine, atol=1e-5)
    assert (after != pixels).any(), "and it goes on"
    assert np.isfinite(after).all()


@pytest.mark.parametrize("points", ["one place", "a line"])
def test_a_face_squeezed_to_nothing_draws_nothing_and_harms_nothing(canvas: Canvas, points: str) -> None:
    face, pixels = _turn(10), portrait(_turn(10).points, SIZE)
    line = np.linspace(100, 200, 81) if points == "a line" else np.full(81, 100)
    squeezed = replace(face, points=np.column_stack([line, line]).astype(np.float32))
    swap = Swap((_somebody(),))
    picture, _ = _draw(canvas, swap, pixels, (squeezed,))
    assert (picture != pixels).any(axis=2).mean() < 0.01
    after, _ = _draw(canvas, swap, pixels, (face,), 1)
    swap.release()
    assert (after != pixels).any()


@pytest.mark.parametrize("centre", [(0, 0), (480, 180), (240, 370), (-300, -300), (10_000, 100)])
@pytest.mark.parametrize("size", [3, 90, 900])
def test_faces_at_and_beyond_the_edge(canvas: Canvas, centre: tuple[float, float], size: float) -> None:
    face = posed_face(Pose(20, 0, 10), size, centre)
    swap, pixels = Swap((_somebody(),)), np.full((SIZE[1], SIZE[0], 3), 120, np.uint8)
    picture, drawn = _draw(canvas, swap, pixels, (face,))
    swap.release()
    assert picture.shape == pixels.shape
    assert np.isfinite(drawn[0].affine).all()
    outside = (face.points.max(axis=0) < -2).any() or (face.points.min(axis=0) > np.array(SIZE) + 2).any()
    if outside:
        np.testing.assert_array_equal(picture, pixels)
