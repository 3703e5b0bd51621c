"""The veil: a swapped person's own picture must not show by accident."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_making import frame_of, posed_face

from realtime.effects.privacy import OnLost, Veil
from realtime.frame import Face, Frame, Pixels
from realtime.render.canvas import Canvas

SIZE = (480, 360)
HERE = posed_face(size=60, centre=(140, 180), number=1)
THERE = posed_face(size=60, centre=(360, 180), number=2)


@pytest.fixture
def noise(rng: np.random.Generator) -> Pixels:
    """Fine detail everywhere: gone where it is blurred."""
    return rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)


class _Show:
    """A veil over frames of one picture, 30 a second."""

    def __init__(self, canvas: Canvas, pixels: Pixels, on_lost: OnLost = OnLost.BLUR) -> None:
        self.canvas, self.pixels, self.veil = canvas, pixels, Veil(on_lost)

    def at(self, time_s: float, *faces: Face, drawn: Pixels | None = None) -> Pixels:
        """The picture that leaves; `drawn` is what the swap made of the frame."""
        frame = Frame(self.pixels, round(time_s * 30), time_s, 0.0)
        self.canvas.begin(self.pixels if drawn is None else drawn)
        self.veil.cover(self.canvas, frame, faces)
        finished = self.canvas.finish()
        self.veil.remember(finished)
        return finished


def _detail(picture: Pixels, place: tuple[float, float], radius: int = 8) -> float:
    """How much fine detail there is around a pixel: some 73 in noise, next to nothing where blurred."""
    x, y = round(place[0]), round(place[1])
    part = picture[max(0, y - radius) : y + radius, max(0, x - radius) : x + radius].astype(np.float32)
    return float((part - cv2.GaussianBlur(part, (0, 0), 3)).std())


def _blurred(picture: Pixels) -> np.ndarray:
    """(H, W) bool, where fine detail is gone."""
    grey = picture.astype(np.float32).mean(axis=2)
    local = cv2.GaussianBlur((grey - cv2.GaussianBlur(grey, (0, 0), 2)) ** 2, (0, 0), 4)
    return local < 300


def test_before_the_first_face_everything_is_blurred(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise)
    for time in (0.0, 1.0, 30.0):
        assert _blurred(show.at(time)).all()
    np.testing.assert_array_equal(show.at(31.0, HERE), noise)
    show.veil.release()


def test_while_a_face_is_seen_nothing_is_touched(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise)
    for index in range(5):
        np.testing.assert_array_equal(show.at(index / 30, HERE, THERE), noise)
    show.veil.release()


def test_pictures_that_do_not_belong_together_are_judged_alone(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise)
    show.veil = Veil(OnLost.BLUR, tracked=False)
    np.testing.assert_array_equal(show.at(0.0, HERE), noise)
    np.testing.assert_array_equal(show.at(0.1, THERE), noise)
    assert _blurred(show.at(0.2)).all()
    np.testing.assert_array_equal(show.at(0.3, HERE, THERE), noise)
    show.veil.release()


def test_a_lost_face_is_blurred_at_once_and_the_blur_grows_over_everything(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise)
    show.at(0.0, HERE)
    first = show.at(1 / 30)
    for index in (8, 30, 36, 45, 27, 2, 14):  # the whole face
        assert _detail(first, HERE.points[index]) < 12
    assert _detail(first, (400, 180)) > 50, "not yet far from it"
    shares = [float(_blurred(show.at(time)).mean()) for time in (0.5, 1.0, 2.0, 3.0, 5.0)]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    show.veil.release()


def test_a_face_that_comes_back_lifts_the_veil(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise)
    show.at(0.0, HERE)
    show.at(0.5)
    np.testing.assert_array_equal(show.at(1.0, HERE), noise)
    show.at(1.5)
    moved = posed_face(size=62, centre=(150, 185), number=7)  # found anew, with a new number
    np.testing.assert_array_equal(show.at(2.0, moved), noise)
    show.veil.release()


def test_one_of_two_faces_missing_is_veiled_for_five_seconds(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise)
    show.at(0.0, HERE, THERE)
    for time in (0.1, 1.0, 4.9):
        picture = show.at(time, THERE)
        assert _detail(picture, (140, 180)) < 12
        assert _detail(picture, (360, 180)) > 50
        assert _detail(picture, (140, 20)) > 50, "it does not grow while somebody is seen"
    np.testing.assert_array_equal(show.at(5.2, THERE), noise)
    show.veil.release()


def test_a_face_seen_elsewhere_does_not_lift_the_veil_over_a_lost_one(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise)
    show.at(0.0, HERE)
    assert _detail(show.at(0.5, THERE), (140, 180)) < 12
    show.veil.release()


def test_hold_repeats_the_last_safe_picture(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise, OnLost.HOLD)
    assert _blurred(show.at(0.0)).all(), "nothing safe yet"
    swapped = np.full_like(noise, 77)
    show.at(0.1, HERE, drawn=swapped)
    for time in (0.2, 3.0, 60.0):
        np.testing.assert_array_equal(show.at(time), swapped)
    np.testing.assert_array_equal(show.at(61.0, HERE), noise)
    show.veil.release()


def test_pass_shows_the_live_picture(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise, OnLost.PASS)
    np.testing.assert_array_equal(show.at(0.0), noise)
    show.at(0.1, HERE)
    np.testing.assert_array_equal(show.at(0.2), noise)
    show.veil.release()


@pytest.mark.parametrize("shape", [(1, 1), (2, 500), (360, 480), (31, 7)])
def test_any_frame_size_is_covered(canvas: Canvas, shape: tuple[int, int]) -> None:
    veil = Veil(OnLost.BLUR)
    pixels = np.random.default_rng(0).integers(0, 256, (*shape, 3), np.uint8)
    canvas.begin(pixels)
    veil.cover(canvas, frame_of(pixels), ())
    picture = canvas.finish()
    assert picture.shape == pixels.shape
    assert picture.astype(float).mean() == pytest.approx(pixels.mean(), abs=6)
    veil.release()
    veil.release()


def test_a_lost_face_without_extent_is_no_trouble(canvas: Canvas, noise: Pixels) -> None:
    show = _Show(canvas, noise)
    point = posed_face(size=0, centre=(100, 100))
    show.at(0.0, point)
    with np.errstate(all="raise"):
        assert show.at(0.1).shape == noise.shape
        assert show.at(1.0).shape == noise.shape
    show.veil.release()


def test_what_is_left_is_too_coarse_to_know_anyone_by(canvas: Canvas) -> None:
    """Eyes and mouth of a face that fills the picture leave no trace larger than a few levels of detail."""
    stripes = np.tile(np.array([20, 230], np.uint8)[:, None, None], (180, SIZE[0], 3))
    veil = Veil(OnLost.BLUR)
    canvas.begin(stripes)
    veil.cover(canvas, frame_of(stripes), ())
    assert canvas.finish().std() < 5
    veil.release()
