"""What the kernels of picture.cu must do, run on the CPU (tests/gpu_on_cpu) or on a GPU (tests/gpu)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from frame_table import Bench, picture

from realtime.gpu.kernels import PictureKernels
from realtime.repair.retouch import ENLARGED
from realtime.repair.steady import Steadied, moving_back, share_of
from realtime.repair.tile import Square

SIZE = (150, 110)
# in the picture, over a corner, over all of it; by halves, by other shares, enlarged
SQUARES = (Square(20, 10, 64), Square(-30, -20, 96), Square(-20, -40, 256), Square(90, 60, 48), Square(60, 30, 16))


class PictureTable:
    @pytest.fixture
    def bench(self, picture_kernels: PictureKernels) -> Bench:
        return Bench(picture_kernels)

    def test_bytes_are_packed_and_unpacked(self, bench: Bench, rng: np.random.Generator) -> None:
        rgb = rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)
        there, back = bench.sent(np.zeros((37, 53, 4), np.uint8)), bench.sent(np.zeros_like(rgb))
        bench.kernels.unpack(bench.sent(rgb), there)
        np.testing.assert_array_equal(bench.fetched(there), np.dstack([rgb, np.full((37, 53), 255, np.uint8)]))
        bench.kernels.pack(there, back)
        np.testing.assert_array_equal(bench.fetched(back), rgb)

    @pytest.mark.parametrize("square", SQUARES, ids=str)
    def test_networks_are_shown_what_they_are_on_the_cpu(
        self, bench: Bench, rng: np.random.Generator, square: Square
    ) -> None:
        """To the rounding of OpenCV, which rounds after each halving."""
        pixels, belief = _rgba(rng), rng.integers(0, 256, (32, 32, 4), dtype=np.uint8)
        planes, shown = bench.sent(np.full((5, 32, 32), np.nan, np.float32)), bench.sent(np.zeros(1, np.int32))
        bench.kernels.show(bench.sent(pixels), square, bench.sent(belief), planes, shown)
        result = 255 * bench.fetched(planes).transpose(1, 2, 0)
        off = np.abs(result[..., :3] - square.cut(pixels, 32)[..., :3])
        assert off.max() < 2.01
        assert off.mean() < 0.5
        square.blank_outside(belief, SIZE)
        np.testing.assert_allclose(result[..., 3:], belief[..., :2], atol=1e-4)
        assert bench.fetched(shown)[0] == 1

    def test_nothing_is_shown_of_a_face_without_confidence(self, bench: Bench, rng: np.random.Generator) -> None:
        belief = np.zeros((32, 32, 4), np.uint8)
        belief[..., 1] = 255
        planes, shown = bench.sent(np.zeros((5, 32, 32), np.float32)), bench.sent(np.zeros(1, np.int32))
        pixels = _rgba(rng)
        there = bench.sent(pixels)
        bench.kernels.show(there, SQUARES[0], bench.sent(belief), planes, shown)
        bench.kernels.add(there, SQUARES[0], bench.sent(np.ones((8, 8, 4), np.float32)), 1.0, shown)
        np.testing.assert_array_equal(bench.fetched(there), pixels)

    def test_corrections_are_steadied_as_on_the_cpu(self, bench: Bench, rng: np.random.Generator) -> None:
        """Over frames in which the face moves and grows, and one in which the network gives no number somewhere."""
        square, steadied, before = Square(40, 20, 64), None, None
        points = rng.uniform((45, 25), (95, 75), (30, 2)).astype(np.float32)
        for number in range(4):
            planes = rng.random((5, 32, 32), dtype=np.float32)
            planes[4] = cv2.GaussianBlur((planes[4] > 0.5).astype(np.float32), (0, 0), 2)
            residual = cv2.GaussianBlur(rng.uniform(-1, 1, (32, 32, 3)).astype(np.float32), (0, 0), 1)
            repaired = planes[:3] + planes[4] * residual.transpose(2, 0, 1)
            where = square.into(points, 32)
            there, odd = bench.sent(np.zeros((32, 32, 4), np.float32)), bench.sent(np.zeros(1, np.int32))
            back = np.zeros((2, 3)) if steadied is None else moving_back(where, steadied.places)
            correction = np.clip(repaired, 0, 1) - planes[:3]
            if number == 3:
                repaired[1, 5, 5], correction[:, 5, 5] = np.nan, 0
            args = bench.sent(planes), bench.sent(repaired), before, there, back, share_of(1 / 30), odd
            bench.kernels.steady(*args)
            steadied = Steadied.of(correction, planes[4], square, points, number / 30, steadied)
            np.testing.assert_allclose(bench.fetched(there), steadied.weighted, atol=0.02)
            assert bench.fetched(odd)[0] == (number == 3)
            before, points = there, points * 1.02 + np.float32([0.7, -0.4])

        change = bench.sent(np.zeros((32, 32, 4), np.float32))
        bench.kernels.change(before, args[0], change)
        wanted = steadied.correction * cv2.erode(planes[4], np.ones((3, 3), np.uint8))
        np.testing.assert_allclose(bench.fetched(change)[..., :3], wanted.transpose(1, 2, 0), atol=0.03)

    def test_corrections_are_enlarged_as_on_the_cpu(self, bench: Bench, rng: np.random.Generator) -> None:
        change, side = _change(rng), ENLARGED * 32
        large = bench.sent(np.zeros((side, side, 4), np.float32))
        bench.kernels.enlarge(bench.sent(change), large)
        wanted = cv2.blur(cv2.resize(change, (side, side), interpolation=cv2.INTER_LINEAR), (ENLARGED, ENLARGED))
        np.testing.assert_allclose(bench.fetched(large), wanted, atol=1e-5)

    @pytest.mark.parametrize("square", SQUARES, ids=str)
    def test_corrections_are_added_and_nothing_else(
        self, bench: Bench, rng: np.random.Generator, square: Square
    ) -> None:
        """Not one bit changes where there is no correction, nor beyond the square."""
        pixels, change = _rgba(rng), _change(rng)
        there = bench.sent(pixels)
        bench.kernels.add(there, square, bench.sent(change), 0.7, bench.sent(np.ones(1, np.int32)))
        x, y, width, height = square.inside(SIZE)
        large = cv2.resize(change, (square.side, square.side), interpolation=cv2.INTER_LINEAR)
        large = large[y - square.y :, x - square.x :][:height, :width]
        wanted = pixels.astype(float)
        wanted[y : y + height, x : x + width] += 0.7 * 255 * large
        result = bench.fetched(there)
        assert np.abs(result - np.clip(wanted, 0, 255)).max() <= 0.5 + 1e-2
        still = np.ones(pixels.shape[:2], bool)
        still[y : y + height, x : x + width] = (large == 0).all(axis=2)
        np.testing.assert_array_equal(result[still], pixels[still])


def _rgba(rng: np.random.Generator) -> np.ndarray:
    return np.dstack([picture(rng, SIZE), np.full(SIZE[::-1], 255, np.uint8)])


def _change(rng: np.random.Generator) -> np.ndarray:
    """A correction in the middle of a tile of 32."""
    change = np.zeros((32, 32, 4), np.float32)
    change[8:24, 8:24, :3] = rng.uniform(-0.2, 0.2, (16, 16, 3))
    return change
