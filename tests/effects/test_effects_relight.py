"""Light and tone: equal faces change nothing, light follows the live one, gains are clamped, edges are safe."""

from __future__ import annotations

import numpy as np
import pytest
from faces_making import portrait, posed_face

from realtime.effects.relight import GRID, Relight, Tone, uncovered
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
    return Relight().transfer(Tone(live, live_points), Tone(source, FACE.points), 0.0)


def test_equal_faces_are_left_as_they_are() -> None:
    relight = _transfer(_painted(), _painted())
    assert relight.shape == (len(face_mesh().uv), 4)
    assert relight.dtype == np.float32
    np.testing.assert_allclose(relight[:, 3], 1, atol=1e-3)
    np.testing.assert_allclose(relight[:, :3], 0, atol=2e-3)


@pytest.mark.parametrize(("size", "centre", "gain"), [(90, (130.5, 110.25), 0.05), (120, (170, 130), 0.25)])
def test_the_place_and_size_of_the_live_face_do_not_matter(
    size: float, centre: tuple[float, float], gain: float
) -> None:
    """The painted freckles are blurred alike at every size: they look a little stronger on a larger face."""
    other = posed_face(size=size, centre=centre)
    relight = _transfer(_painted(other.points), _painted(), other.points)
    np.testing.assert_allclose(relight[:, 3], 1, atol=gain)
    assert np.abs(relight[:, 3:] * 0.7 + relight[:, :3] - 0.7).mean() < 0.02, "skin keeps its level within 5"


@pytest.mark.parametrize(("light", "sign"), [(1.15, 1), (0.7, -1)])
def test_light_follows_the_live_face(light: float, sign: int) -> None:
    source = _painted()
    relight = _transfer(_painted(light=light), source)
    skin = source[125, 160] / 255
    drawn = skin * relight[:, 3:] + relight[:, :3]
    assert (np.sign(drawn - skin) == sign).mean() > 0.95
    assert np.median(drawn / skin) == pytest.approx(light, abs=0.06)


def test_light_from_one_side_lights_that_side() -> None:
    ramp = np.linspace(1.2, 0.6, SIZE[0])[None, :, None]
    live = np.clip(_painted() * ramp, 0, 255).astype(np.uint8)
    relight = _transfer(live, _painted())
    across = face_mesh().uv[:, 0]
    drawn = 0.6 * relight[:, 3] + relight[:, :3].mean(axis=1)
    assert drawn[across < 0.35].mean() > drawn[across > 0.65].mean() + 0.05


def test_colour_follows_the_live_face() -> None:
    tinted = np.clip(_painted() * np.array([0.8, 1.0, 1.15]), 0, 255).astype(np.uint8)
    offset = _transfer(tinted, _painted())[:, :3].mean(axis=0)
    assert offset[0] < -0.05
    assert offset[2] > 0.02


@pytest.mark.parametrize(("contrast", "bound"), [(0.05, 0.7), (1.6, 1.4)])
def test_the_gain_is_clamped(contrast: float, bound: float) -> None:
    soft, hard = _painted(contrast=0.4), _painted()
    live, source = (soft, hard) if contrast < 1 else (_painted(contrast=contrast), soft)
    np.testing.assert_allclose(_transfer(live, source)[:, 3], bound)


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
    assert np.isfinite(uncovered(_painted(), points)).all()


def test_light_is_averaged_over_media_time_not_frames() -> None:
    dark, bright = (Tone(_painted(light=light), FACE.points) for light in (0.6, 1.0))
    skin = _painted()[125, 160] / 255

    def level(relight: Floats) -> float:
        return float((skin * relight[:, 3:] + relight[:, :3]).mean())

    def after(seconds: float, rate: int) -> float:
        running = Relight()
        running.transfer(dark, bright, 0.0)
        for i in range(1, round(rate * seconds) + 1):
            out = running.transfer(bright, bright, i / rate)
        return level(out)

    start, end = level(Relight().transfer(dark, bright, 0.0)), level(Relight().transfer(bright, bright, 0.0))
    for seconds in (0.1, 0.5):
        assert after(seconds, 10) == pytest.approx(after(seconds, 60), abs=0.003)
    assert start < after(1 / 30, 30) < start + 0.2 * (end - start), "a flash does not jump"
    assert after(1.5, 30) == pytest.approx(end, abs=0.01)


def test_plain_skin_is_uncovered() -> None:
    clear = uncovered(_painted(), FACE.points)
    assert clear.shape == (len(face_mesh().uv),)
    inside = np.linalg.norm(face_mesh().uv - 0.5, axis=1) < 0.33
    assert clear[inside].min() > 0.9, "eyes, brows and lips are not taken for a cover"


def test_a_green_hand_over_a_cheek_is_seen() -> None:
    picture = _painted()
    places = face_mesh().weights @ FACE.points
    cheek = FACE.points[[2, 3, 31, 48]].mean(axis=0)
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    picture[np.hypot(x - cheek[0], y - cheek[1]) < 18] = (40, 160, 60)
    clear = uncovered(picture, FACE.points)
    away = np.linalg.norm(places - cheek, axis=1)
    assert clear[away < 10].max() < 0.3
    other_cheek = FACE.points[[13, 14, 35, 54]].mean(axis=0)
    assert clear[np.linalg.norm(places - other_cheek, axis=1) < 10].min() > 0.9


def test_the_photo_behind_a_missing_forehead_is_seen() -> None:
    """Keypoints that reach beyond the painted face, into the wall: there is no skin."""
    points = FACE.points.copy()
    points[HAIRLINE] += (points[HAIRLINE] - points[BROWS].mean(axis=0)) * 0.6
    clear = uncovered(portrait(FACE.points, SIZE, back=(10, 40, 160)), points)
    assert clear[HAIRLINE[3:10]].max() < 0.3
    assert clear[NOSE].min() > 0.9
