"""The render stage as the loop uses it: modes, badge, notice, odd sizes and odd faces."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
from faces_making import frame_of, portrait, posed_face

from realtime.controls import Mode, Settings
from realtime.effects.photo import Person, person
from realtime.effects.privacy import OnLost
from realtime.errors import InputError
from realtime.frame import Face, Frame, Intrinsics, Pixels, Pose
from realtime.renderer import Renderer, RenderOptions, _within

SIZE = (480, 360)
FACE = posed_face(Pose(5, 0, 0), 90, (240, 190))
FRAME = frame_of(portrait(FACE.points, SIZE))
SYNTHETIC = (Mode.SWAP, Mode.ROTATE, Mode.FRONTALISE)


def _somebody() -> Person:
    face = posed_face(size=110, centre=(200, 200))
    return person("somebody", [(portrait(face.points, (400, 400), seed=3), face)])


SOMEBODY = _somebody()


@contextmanager
def _renderer(people: tuple[Person, ...] = (SOMEBODY,), **options: object) -> Iterator[Renderer]:
    renderer = Renderer(RenderOptions(people=people, **options))  # type: ignore[arg-type]
    renderer.open()
    try:
        yield renderer
    finally:
        renderer.close()


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    with _renderer() as renderer:
        yield renderer


def _corner(pixels: Pixels) -> Pixels:
    """The bottom right, where the badge stands."""
    height, width = pixels.shape[:2]
    return pixels[int(0.9 * height) :, int(0.6 * width) :]


def _changed(a: Pixels, b: Pixels) -> float:
    return float((np.abs(a.astype(int) - b) > 20).any(axis=2).mean())


@pytest.mark.parametrize("mode", list(Mode))
def test_synthetic_pictures_carry_the_badge_and_others_do_not(mode: Mode) -> None:
    settings = Settings(mode, yaw=25)
    with _renderer() as plain, _renderer(badge=False) as bare:
        assert plain.description
        marked, unmarked = (renderer.draw(FRAME, (FACE,), settings) for renderer in (plain, bare))
    for result in (marked, unmarked):
        assert result.synthetic == (mode in SYNTHETIC)
        assert result.faces == (FACE,)
        assert result.frame.pixels.shape == FRAME.pixels.shape
        assert result.frame.index == FRAME.index
        assert set(result.drawn) == ({0} if mode in SYNTHETIC else set())
        assert result.finished > 0
    assert _changed(_corner(unmarked.frame.pixels), _corner(FRAME.pixels)) < 0.01
    badge = _changed(_corner(marked.frame.pixels), _corner(FRAME.pixels))
    assert badge > 0.1 if mode in SYNTHETIC else badge < 0.01


def test_each_renderer_of_a_thread_draws_in_its_own_context(renderer: Renderer) -> None:
    settings = Settings(Mode.ROTATE, yaw=25)
    alone = renderer.draw(FRAME, (FACE,), settings).frame.pixels
    with _renderer() as other:
        for size in ((300, 300), (480, 360)):
            picture = portrait(FACE.points, size, seed=7)
            other.draw(frame_of(picture), (FACE,), Settings(Mode.SWAP))
            np.testing.assert_array_equal(renderer.draw(FRAME, (FACE,), settings).frame.pixels, alone)
    np.testing.assert_array_equal(renderer.draw(FRAME, (FACE,), settings).frame.pixels, alone)


@pytest.mark.parametrize("mode", list(Mode))
def test_the_parts_of_the_stage_are_timed(renderer: Renderer, mode: Mode) -> None:
    for _ in range(2):
        start = time.perf_counter()
        result = renderer.draw(FRAME, (FACE,), Settings(mode, yaw=20))
        lasted = time.perf_counter() - start
        drawn = {"warp", "compose"} if mode in SYNTHETIC else {"compose"} if mode is not Mode.OFF else set()
        assert set(result.parts_s) == {"prepare", "upload", "readback"} | drawn
        assert all(seconds > 0 for seconds in result.parts_s.values())
        assert sum(result.parts_s.values()) <= lasted, "and no moment counts twice"


def test_the_badge_is_white_letters_on_a_plate(renderer: Renderer) -> None:
    corner = _corner(renderer.draw(FRAME, (FACE,), Settings(Mode.ROTATE, yaw=20)).frame.pixels)
    assert (corner.min(axis=2) > 240).mean() > 0.01
    assert corner.shape[0] > 20


def test_without_a_face_nothing_is_synthetic(renderer: Renderer) -> None:
    result = renderer.draw(FRAME, (), Settings(Mode.ROTATE, yaw=25))
    assert not result.synthetic
    np.testing.assert_array_equal(result.frame.pixels, FRAME.pixels)


def test_off_gives_the_very_picture(renderer: Renderer) -> None:
    result = renderer.draw(FRAME, (FACE,), Settings(Mode.OFF))
    np.testing.assert_array_equal(result.frame.pixels, FRAME.pixels)
    assert result.drawn == {}


def test_the_frame_that_came_in_is_not_written_into(renderer: Renderer) -> None:
    before = FRAME.pixels.copy()
    first = renderer.draw(FRAME, (FACE,), Settings(Mode.SWAP)).frame.pixels
    kept = first.copy()
    renderer.draw(FRAME, (FACE,), Settings(Mode.DEPTH))
    np.testing.assert_array_equal(FRAME.pixels, before)
    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("mode", [Mode.DEPTH, Mode.NORMALS, Mode.ROTATE])
@pytest.mark.parametrize("size", [(96, 64), (40, 200), (200, 40), (480, 360)])
def test_badge_and_legends_fit_into_small_pictures(renderer: Renderer, mode: Mode, size: tuple[int, int]) -> None:
    """Plates are dark: on a white picture with a face too small to see they are all that shows."""
    width, height = size
    frame = frame_of(np.full((height, width, 3), 255, np.uint8))
    face = posed_face(size=0.2, centre=(width / 2, height / 2))
    plate = (renderer.draw(frame, (face,), Settings(mode, yaw=20)).frame.pixels < 200).any(axis=2)
    rows, columns = np.nonzero(plate.any(axis=1))[0], np.nonzero(plate.any(axis=0))[0]
    assert np.ptp(rows) < 0.55 * height
    assert np.ptp(columns) < 0.95 * width
    assert 0 < columns[0] < columns[-1] < width - 1, "there is a margin on either side"
    assert rows[-1] < height - 1
    assert plate.sum() > 50


def test_a_notice_stands_at_the_top_middle(renderer: Renderer) -> None:
    noted = replace(FRAME, notice="The camera was lost: waiting for it.")
    with_, without = (renderer.draw(frame, (), Settings(Mode.OFF)).frame.pixels for frame in (noted, FRAME))
    places = np.argwhere((with_ != without).any(axis=2))
    assert len(places) > 500
    assert places[:, 0].max() < 0.2 * SIZE[1]
    assert places[:, 1].mean() == pytest.approx(SIZE[0] / 2, abs=10)


def test_modes_change_while_running(renderer: Renderer) -> None:
    """Every mode after every other: each draws what it draws alone, but for what swap has settled meanwhile."""
    alone: dict[Mode, Pixels] = {}
    order = list(Mode)
    for mode in [*order, *reversed(order)]:
        picture = renderer.draw(FRAME, (FACE,), Settings(mode, yaw=20)).frame.pixels
        if mode in alone:
            np.testing.assert_allclose(picture.astype(int), alone[mode], atol=2)
        alone[mode] = picture
    pictures = list(alone.values())
    for i, one in enumerate(pictures):
        for other in pictures[:i]:
            assert _changed(one, other) > 0.001


def test_swap_without_a_face_to_draw_says_so_and_the_rest_goes_on() -> None:
    with _renderer(people=()) as renderer:
        with pytest.raises(InputError, match="--face"):
            renderer.draw(FRAME, (FACE,), Settings(Mode.SWAP))
        assert renderer.draw(FRAME, (FACE,), Settings(Mode.ROTATE, yaw=20)).synthetic


def test_opening_and_closing_again() -> None:
    renderer = Renderer(RenderOptions(people=(SOMEBODY,)))
    assert renderer.description == ""
    renderer.close()
    for _ in range(2):
        renderer.open()
        assert renderer.draw(FRAME, (FACE,), Settings(Mode.SWAP)).synthetic
        renderer.close()
    renderer.close()


@pytest.mark.parametrize("mode", list(Mode))
def test_frame_sizes_change_from_frame_to_frame_down_to_one_pixel(renderer: Renderer, mode: Mode) -> None:
    for width, height in ((480, 360), (1, 1), (3, 200), (301, 17), (64, 64), (480, 360)):
        scale = min(width, height) / 360
        face = posed_face(size=90 * scale, centre=(width / 2, height / 2))
        frame = frame_of(np.full((height, width, 3), 128, np.uint8), notice="A notice.")
        result = renderer.draw(frame, (face,), Settings(mode, yaw=20))
        assert result.frame.pixels.shape == (height, width, 3)
        assert result.frame.pixels.dtype == np.uint8


FACES = {
    "across the left edge": posed_face(size=90, centre=(0, 180)),
    "across a corner": posed_face(size=90, centre=(480, 360)),
    "outside": posed_face(size=90, centre=(-500, 900)),
    "larger than the frame": posed_face(size=700, centre=(240, 180)),
    "far away and huge": posed_face(size=50_000, centre=(90_000, 180)),
    "smaller than a pixel": posed_face(size=0.2, centre=(240, 180)),
    "in one place": replace(FACE, points=np.full((81, 2), 50, np.float32)),
    "without confidence": replace(FACE, confidence=np.zeros(81, np.float32)),
    "without depth": replace(FACE, depth=None),
    "not numbers": replace(FACE, points=np.full((81, 2), np.nan, np.float32)),
}


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("what", FACES)
def test_odd_faces_never_stop_the_picture(renderer: Renderer, mode: Mode, what: str) -> None:
    odd, settings = FACES[what], Settings(mode, yaw=20)
    untouched = renderer.draw(FRAME, (FACE,), settings).frame.pixels
    for index in range(3):
        result = renderer.draw(replace(FRAME, index=index, time_s=index * 0.15), (odd,), settings)
        assert result.frame.pixels.shape == FRAME.pixels.shape
    after = renderer.draw(replace(FRAME, index=3, time_s=0.45), (FACE,), settings).frame.pixels
    assert np.abs(after.astype(int) - untouched).mean() < 3, "and the next good face is drawn as ever"


@pytest.mark.parametrize("mode", list(Mode))
def test_ten_faces(renderer: Renderer, mode: Mode) -> None:
    faces = tuple(posed_face(size=30, centre=(45 * n + 35, 180), number=n) for n in range(10))
    result = renderer.draw(FRAME, faces, Settings(mode, yaw=20))
    assert len(result.drawn) == (10 if mode in SYNTHETIC else 0)


@pytest.mark.parametrize("mode", [Mode.SWAP, Mode.ROTATE, Mode.DEPTH, Mode.OFF])
def test_a_picture_the_card_cannot_hold_is_made_smaller_with_its_faces(renderer: Renderer, mode: Mode) -> None:
    renderer._canvas.limit = 240
    result = renderer.draw(FRAME, (FACE,), Settings(mode, yaw=20))
    assert result.frame.pixels.shape == (180, 240, 3)
    small = np.stack([FRAME.pixels[y::2, x::2].astype(float) for y in (0, 1) for x in (0, 1)]).mean(axis=0)
    changed = np.argwhere(np.abs(result.frame.pixels[:130] - small[:130]).max(axis=2) > 12)[:, ::-1]
    if mode is Mode.OFF:
        assert len(changed) == 0
    else:  # what is drawn lies on the face in the smaller picture
        x, y, width, height = (value / 2 for value in FACE.box)
        np.testing.assert_allclose(np.median(changed, axis=0), [x + width / 2, y + height / 2], atol=15)
    np.testing.assert_array_equal(result.faces[0].points, FACE.points, "tracks stay in the source's pixels")


@pytest.mark.parametrize("on_lost", list(OnLost))
def test_a_lost_face_does_not_show_unless_wanted(on_lost: OnLost) -> None:
    settings = Settings(Mode.SWAP)

    def at(index: int, *faces: Face) -> tuple[Pixels, bool]:
        frame = Frame(FRAME.pixels, index, index / 30, 0.0)
        result = renderer.draw(frame, faces, settings)
        return result.frame.pixels, result.synthetic

    with _renderer(on_lost=on_lost) as renderer:
        swapped, _ = at(0, FACE)
        lost, synthetic = at(1)
    x, y, width, height = (round(v) for v in FACE.box)
    face = np.s_[y : y + height, x : x + width]
    bare = np.abs(lost[face].astype(int) - FRAME.pixels[face]).mean()
    match on_lost:
        case OnLost.PASS:
            assert bare == 0
            assert not synthetic
        case OnLost.BLUR:
            assert bare > 5
            assert not synthetic
        case OnLost.HOLD:
            np.testing.assert_array_equal(lost, swapped)
            assert synthetic, "it still shows the swapped face, and must say so"


def test_a_face_whose_place_is_unknown_is_veiled_as_a_lost_one(renderer: Renderer) -> None:
    settings = Settings(Mode.SWAP)
    renderer.draw(FRAME, (FACE,), settings)
    unknown = replace(FACE, points=np.full((81, 2), np.nan, np.float32))
    picture = renderer.draw(replace(FRAME, index=1, time_s=0.1), (unknown,), settings).frame.pixels
    x, y, width, height = (round(v) for v in FACE.box)
    face = np.s_[y : y + height, x : x + width]
    assert np.abs(picture[face].astype(int) - FRAME.pixels[face]).mean() > 5


def test_depth_shrinks_with_its_picture(rng: np.random.Generator) -> None:
    depth = rng.integers(1, 9999, (60, 80)).astype(np.uint16)
    frame = Frame(np.zeros((60, 80, 3), np.uint8), 0, 0.0, 0.0, depth=depth, intrinsics=Intrinsics(70, 70, 39.5, 29.5))
    small = _within(frame, 40)
    assert small.depth is not None
    assert small.depth.shape == small.pixels.shape[:2] == (30, 40)
    assert np.isin(small.depth, depth).all(), "no depth is a mean of two"
    assert small.intrinsics == Intrinsics(35, 35, 19.5, 14.5)
    assert _within(frame, 80) is frame
