"""What a repair corrects is steadied along with the head, and shows nothing of the frames before."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime.frame import Floats
from realtime.repair.steady import Steadied
from realtime.repair.tile import Square

SIZE = 64
MASK = np.ones((SIZE, SIZE), np.float32)
SQUARE = Square(160, 96, 128)
POINTS = np.random.default_rng(0).uniform(180, 260, (30, 2))
FRAME = 1 / 30


def _flat(value: float) -> Floats:
    return np.full((3, SIZE, SIZE), value, np.float32)


def _blob(x: float, y: float) -> Floats:
    """A smooth spot at pixels of the frame, in the tile of `SQUARE`."""
    places = np.stack(np.meshgrid(np.arange(SIZE), np.arange(SIZE)), axis=-1) * 2 + (SQUARE.x, SQUARE.y) + 0.5
    spot = np.exp(-((places - (x, y)) ** 2).sum(axis=-1) / (2 * 8**2))
    return np.repeat(spot[None], 3, axis=0).astype(np.float32)


def test_the_first_correction_is_taken_as_it_is_in_full_measure() -> None:
    """What is added in the measure of the mask is what the network made, not that in the mask's measure once more."""
    full = np.random.default_rng(1).uniform(-0.2, 0.2, (3, SIZE, SIZE)).astype(np.float32)
    mask = (np.clip(np.arange(SIZE) - 30, 0, 20) / 20 * MASK).astype(np.float32)
    steadied = Steadied.of(full * mask, mask, SQUARE, POINTS, 0.0)
    np.testing.assert_allclose(steadied.correction, full * (mask > 0), atol=1e-6)


def test_a_step_is_followed_as_a_mean_over_time_does() -> None:
    steadied = Steadied.of(_flat(0.0), MASK, SQUARE, POINTS, 0.0)
    for number in range(1, 10):
        steadied = Steadied.of(_flat(0.3), MASK, SQUARE, POINTS, number * FRAME, steadied)
    np.testing.assert_allclose(steadied.correction, 0.3 * (1 - np.exp(-9 * FRAME / 0.3)), atol=1e-4)


def test_half_the_frames_in_the_same_time_follow_alike() -> None:
    ends = []
    for rate in (30, 60):
        steadied = Steadied.of(_flat(0.0), MASK, SQUARE, POINTS, 0.0)
        for number in range(1, rate // 5 + 1):
            steadied = Steadied.of(_flat(0.3), MASK, SQUARE, POINTS, number / rate, steadied)
        ends.append(steadied.correction.mean())
    assert ends[0] == pytest.approx(ends[1], rel=1e-3)


def test_noise_of_the_network_is_lessened() -> None:
    rng = np.random.default_rng(2)
    steadied, changes = None, []
    for number in range(40):
        correction = rng.normal(0, 0.05, (3, SIZE, SIZE)).astype(np.float32)
        before, steadied = steadied, Steadied.of(correction, MASK, SQUARE, POINTS, number * FRAME, steadied)
        if before is not None:
            changes.append(np.abs(steadied.correction - before.correction).mean())
    assert np.mean(changes[20:]) < 0.15 * np.sqrt(2) * 0.05


@pytest.mark.parametrize("turn", [0.0, 12.0])
def test_it_goes_with_the_head(turn: float) -> None:
    """The head moves and turns, its square a step on: the spot lies where the head took it."""
    centre = POINTS.mean(axis=0)
    matrix = cv2.getRotationMatrix2D(centre.tolist(), turn, 1.05)
    matrix[:, 2] += (13, 6)
    there = POINTS @ matrix[:, :2].T + matrix[:, 2]
    spot = matrix[:, :2] @ (225, 170) + matrix[:, 2]
    first = Steadied.of(_blob(225, 170), MASK, SQUARE, POINTS, 0.0)
    square = Square(SQUARE.x + 8, SQUARE.y, SQUARE.side)
    second = Steadied.of(_flat(0.0), MASK, square, there, 1e-6, first)
    y, x = np.unravel_index(second.correction[0].argmax(), (SIZE, SIZE))
    found = np.array([square.x, square.y]) + 2 * np.array([x, y]) + 0.5
    np.testing.assert_allclose(found, spot, atol=1.5)


def test_where_no_mask_was_the_correction_of_now_is_taken() -> None:
    half = (np.arange(SIZE) < 32) * MASK
    before = Steadied.of(_flat(0.2) * half, half.astype(np.float32), SQUARE, POINTS, 0.0)
    now = Steadied.of(_flat(-0.1), MASK, SQUARE, POINTS, FRAME, before).correction
    np.testing.assert_allclose(now[:, :, 34:], -0.1, atol=1e-5)
    assert (now[:, :, :30] > 0.1).all()


def test_after_a_long_while_nothing_is_remembered() -> None:
    before = Steadied.of(_flat(0.2), MASK, SQUARE, POINTS, 0.0)
    np.testing.assert_allclose(Steadied.of(_flat(-0.1), MASK, SQUARE, POINTS, 10.0, before).correction, -0.1, atol=1e-5)


def test_another_size_of_tile_starts_anew() -> None:
    before = Steadied.of(_flat(0.2), MASK, SQUARE, POINTS, 0.0)
    large = np.full((3, 2 * SIZE, 2 * SIZE), 0.1, np.float32)
    mask = np.ones(large.shape[1:], np.float32)
    np.testing.assert_allclose(Steadied.of(large, mask, SQUARE, POINTS, FRAME, before).correction, 0.1, atol=1e-6)


def test_a_face_squeezed_to_a_point_is_ridden_out() -> None:
    squeezed = np.full_like(POINTS, 200.0)
    steadied = Steadied.of(_flat(0.2), MASK, SQUARE, squeezed, 0.0)
    steadied = Steadied.of(_flat(0.2), MASK, SQUARE, POINTS, FRAME, steadied)
    steadied = Steadied.of(_flat(0.2), MASK, SQUARE, squeezed, 2 * FRAME, steadied)
    assert np.isfinite(steadied.correction).all()
