"""Light and tone: equal faces change nothing, light and skin follow the live one, grey stays grey, edges are safe."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_making import portrait, posed_face

from realtime.effects.relight import GRID, Relight, Tone
from realtime.frame import Floats, Pixels, Pose
from realtime.geometry.mesh import face_mesh
from realtime.geometry.topology import BROWS, HAIRLINE, NOSE

SIZE = (320, 240)
FACE = posed_face(size=90, centre=(160, 125))


def _painted(points: Floats = FACE.points, light: float = 1.0, contrast: float = 1.0, seed: int = 0) -> Pixels:
    """A portrait, lit and with its detail strengthened about its mean."""
    picture = portrait(points, SIZE, seed=seed).astype(float)
    return np.clip(((picture - 150) * contrast + 150) * light, 0, 255).astype(np.uint8)


def _transfer(live: Pixels, source: Pixels, live_points: Floats = FACE.points) -> Floats:
    relight = Relight()
    relight.follow(Tone(live, live_points), 0.0)
    return relight.transfer(Tone(source, FACE.points))


def _lit(relight: Floats, colour: Floats | float) -> Floats:
    """(V, 3) what becomes of an RGB colour in 0..1 at every vertex, as in shaders/warp.frag."""
    drawn = np.broadcast_to(colour, 3)
    luma = float(drawn @ [0.299, 0.587, 0.114])
    lit: Floats = relight[:, :3] * luma + relight[:, 3:4] * (drawn - luma) + relight[:, 4:]
    return lit


def test_equal_faces_are_left_as_they_are() -> None:
    relight = _transfer(_painted(), _painted())
    assert relight.shape == (len(face_mesh().uv), 7)
    assert relight.dtype == np.float32
    skin = _painted()[125, 160] / 255
    np.testing.assert_allclose(_lit(relight, skin), np.broadcast_to(skin, (len(relight), 3)), atol=0.02)
    np.testing.assert_allclose(_lit(relight, 0.0), 0, atol=2e-3)


@pytest.mark.parametrize(("size", "centre", "gain"), [(90, (130.5, 110.25), 0.05), (120, (170, 130), 0.25)])
def test_the_place_and_size_of_the_live_face_do_not_matter(
    size: float, centre: tuple[float, float], gain: float
) -> None:
    """The painted freckles are blurred alike at every size: they look a little stronger on a larger face."""
    other = posed_face(size=size, centre=centre)
    relight = _transfer(_painted(other.points), _painted(), other.points)
    skin = _painted()[125, 160] / 255
    np.testing.assert_allclose(_lit(relight, 0.5 * skin), np.broadcast_to(0.5 * skin, (len(relight), 3)), atol=gain)
    assert np.abs(_lit(relight, skin) - skin).mean() < 0.02, "skin keeps its level within 5"


@pytest.mark.parametrize(("light", "sign"), [(1.15, 1), (0.7, -1)])
def test_light_follows_the_live_face(light: float, sign: int) -> None:
    source = _painted()
    relight = _transfer(_painted(light=light), source)
    skin = source[125, 160] / 255
    drawn = _lit(relight, skin)
    assert (np.sign(drawn - skin) == sign).mean() > 0.95
    assert np.median(drawn / skin) == pytest.approx(light, abs=0.06)


def test_light_from_one_side_lights_that_side() -> None:
    ramp = np.linspace(1.2, 0.6, SIZE[0])[None, :, None]
    live = np.clip(_painted() * ramp, 0, 255).astype(np.uint8)
    relight = _transfer(live, _painted())
    across = face_mesh().uv[:, 0]
    drawn = _lit(relight, 0.6).mean(axis=1)
    assert drawn[across < 0.35].mean() > drawn[across > 0.65].mean() + 0.05


def test_colour_follows_the_live_face() -> None:
    tinted = np.clip(_painted() * np.array([0.8, 1.0, 1.15]), 0, 255).astype(np.uint8)
    skin = _painted()[125, 160] / 255
    change = (_lit(_transfer(tinted, _painted()), skin) - skin).mean(axis=0)
    assert change[0] < -0.05
    assert change[2] > 0.02


@pytest.mark.parametrize("light", [0.3, 0.6])
def test_dark_and_light_skin_change_places(light: float) -> None:
    """What is darker than the skin, brows say, is as much darker in relation; black stays black."""
    dark, pale = _painted(light=light), _painted()
    for live, source in ((dark, pale), (pale, dark)):
        relight = _transfer(live, source)
        skin, wanted = (picture[125, 160] / 255 for picture in (source, live))
        np.testing.assert_allclose(np.median(_lit(relight, skin), axis=0), wanted, atol=0.06)
        np.testing.assert_allclose(np.median(_lit(relight, 0.5 * skin), axis=0), 0.5 * wanted, atol=0.06)
        assert _lit(relight, 0.0).max() < 0.06


def test_grey_stays_nearly_grey_on_skin_of_another_colour() -> None:
    """A grey beard of a sallow face, drawn on a ruddy one, and the other way round."""
    sallow = np.clip(_painted() * np.array([0.95, 1.05, 1.2]), 0, 255).astype(np.uint8)
    ruddy = np.clip(_painted() * np.array([1.1, 0.9, 0.8]), 0, 255).astype(np.uint8)
    for live, source in ((ruddy, sallow), (sallow, ruddy)):
        lit = np.median(_lit(_transfer(live, source), 0.6), axis=0)
        tone = live[125, 160] / live[125, 160].mean()
        assert np.ptp(lit / lit.mean()) < 0.75 * np.ptp(tone)


@pytest.mark.parametrize(("contrast", "bound"), [(0.05, 0.8), (1.6, 1.1)])
def test_contrast_follows_within_bounds(contrast: float, bound: float) -> None:
    """The painted skins are alike on the whole: what is left is how strongly they are freckled."""
    soft, hard = _painted(contrast=0.4), _painted()
    live, source = (soft, hard) if contrast < 1 else (_painted(contrast=contrast), soft)
    relight = _transfer(live, source)
    rise = (_lit(relight, 0.6) - _lit(relight, 0.5)) @ [0.299, 0.587, 0.114] / 0.1
    level = (
        _lit(relight, source[125, 160] / 255) @ [0.299, 0.587, 0.114] / (source[125, 160] @ [0.299, 0.587, 0.114] / 255)
    )
    np.testing.assert_allclose(rise / level, bound, rtol=0.12)


def test_a_plain_source_does_not_divide_by_nothing() -> None:
    plain = np.full((240, 320, 3), 128, np.uint8)
    assert np.isfinite(_transfer(_painted(), plain)).all()
    assert np.isfinite(_transfer(plain, plain)).all()


@pytest.mark.parametrize("centre", [(0, 0), (320, 240), (-400, 100), (160, 5000)])
@pytest.mark.parametrize("size", [0.5, 90, 3000])
def test_faces_across_and_beyond_the_edge_give_numbers(centre: tuple[float, float], size: float) -> None:
    points = posed_face(Pose(40, 0, 20), size, centre).points
    tone = Tone(_painted(), points)
    assert tone.low.shape == (GRID, GRID, 3)
    assert np.isfinite(tone.low).all()
    assert np.isfinite(tone.contrast)
    assert np.isfinite(_transfer(_painted(), _painted(), points)).all()
    assert np.isfinite(tone.clear).all()


def test_light_is_averaged_over_media_time_not_frames() -> None:
    dark, bright = (Tone(_painted(light=light), FACE.points) for light in (0.6, 1.0))
    skin = _painted()[125, 160] / 255

    def level(relight: Floats) -> float:
        return float(_lit(relight, skin).mean())

    def after(seconds: float, rate: int) -> float:
        running = Relight()
        running.follow(dark, 0.0)
        for i in range(1, round(rate * seconds) + 1):
            running.follow(bright, i / rate)
        return level(running.transfer(bright))

    start, end = level(_transfer(_painted(light=0.6), _painted())), level(_transfer(_painted(), _painted()))
    for seconds in (0.1, 0.5):
        assert after(seconds, 10) == pytest.approx(after(seconds, 60), abs=0.003)
    assert start < after(1 / 30, 30) < start + 0.2 * (end - start), "a flash does not jump"
    assert after(1.5, 30) == pytest.approx(end, abs=0.01)


def test_plain_skin_is_uncovered() -> None:
    clear = Tone(_painted(), FACE.points).clear
    assert clear.shape == (len(face_mesh().uv),)
    inside = np.linalg.norm(face_mesh().uv - 0.5, axis=1) < 0.28
    assert clear[inside].min() > 0.9, "eyes, brows and lips are not taken for a cover"


def test_a_green_hand_over_a_cheek_is_seen() -> None:
    picture = _painted()
    places = face_mesh().weights @ FACE.points
    cheek = FACE.points[[2, 3, 31, 48]].mean(axis=0)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    picture[np.hypot(x - cheek[0], y - cheek[1]) < 18] = (40, 160, 60)
    clear = Tone(picture, FACE.points).clear
    away = np.linalg.norm(places - cheek, axis=1)
    assert clear[away < 10].max() < 0.3
    other_cheek = FACE.points[[13, 14, 35, 54]].mean(axis=0)
    assert clear[np.linalg.norm(places - other_cheek, axis=1) < 10].min() > 0.9


def test_a_beard_says_nothing_of_the_skin() -> None:
    """A white chin: the tone under it is that of the skin round about."""
    picture = _painted()
    chin = np.round(FACE.points[[5, 6, 7, 8, 9, 10, 11, 54, 48]] * 16).astype(np.int32)
    cv2.fillPoly(picture, [chin], (235, 235, 235), cv2.LINE_AA, 4)
    plain, bearded = Tone(_painted(), FACE.points), Tone(picture, FACE.points)
    below = np.s_[20:, 10:22]
    assert np.abs(bearded.low[below] - plain.low[below]).mean() < (235 / 255 - plain.low[below]).mean() / 3


def test_the_photo_behind_a_missing_forehead_is_seen() -> None:
    """Keypoints that reach beyond the painted face, into the wall: there is no skin."""
    points = FACE.points.copy()
    points[HAIRLINE] += (points[HAIRLINE] - points[BROWS].mean(axis=0)) * 0.6
    clear = Tone(portrait(FACE.points, SIZE, back=(10, 40, 160)), points).clear
    assert clear[HAIRLINE[3:10]].max() < 0.3
    assert clear[NOSE].min() > 0.9
