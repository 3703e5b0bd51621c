"""What the kernels of picture.cu must do, run on the CPU (tests/gpu_on_cpu) or on a GPU (tests/gpu)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from frame_table import Bench, picture

from engines.runtime.base import DeviceArray
from realtime.gpu.kernels import TILE, PictureKernels
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
        planes, flags = bench.sent(np.full((5, 32, 32), np.nan, np.float32)), bench.sent(np.zeros(2, np.int32))
        row = _row(square, 32, picture=bench.sent(pixels), belief=bench.sent(belief), planes=planes, flags=flags)
        bench.kernels.show(bench.sent(row), 32)
        result = 255 * bench.fetched(planes).transpose(1, 2, 0)
        off = np.abs(result[..., :3] - square.cut(pixels, 32)[..., :3])
        assert off.max() < 2.01
        assert off.mean() < 0.5
        square.blank_outside(belief, SIZE)
        np.testing.assert_allclose(result[..., 3:], belief[..., :2], atol=1e-4)
        assert bench.fetched(flags).tolist() == [1, 0]

    def test_nothing_is_shown_of_a_face_without_confidence(self, bench: Bench, rng: np.random.Generator) -> None:
        belief = np.zeros((32, 32, 4), np.uint8)
        belief[..., 1] = 255
        planes, flags = bench.sent(np.zeros((5, 32, 32), np.float32)), bench.sent(np.zeros(2, np.int32))
        pixels = _rgba(rng)
        there, large = bench.sent(pixels), bench.sent(np.ones((8, 8, 4), np.float32))
        row = _row(SQUARES[0], 32, picture=there, belief=bench.sent(belief), planes=planes, flags=flags, large=large)
        tiles = bench.sent(row)
        bench.kernels.show(tiles, 32)
        bench.kernels.add(tiles, 8)
        np.testing.assert_array_equal(bench.fetched(there), pixels)

    def test_corrections_are_steadied_as_on_the_cpu(self, bench: Bench, rng: np.random.Generator) -> None:
        """Over frames in which the face moves and grows, and one in which the network gives no number somewhere."""
        square, steadied, before = Square(40, 20, 64), None, None
        points = rng.uniform((45, 25), (95, 75), (30, 2)).astype(np.float32)
        change = bench.sent(np.zeros((32, 32, 4), np.float32))
        for number in range(4):
            planes = rng.random((5, 32, 32), dtype=np.float32)
            planes[4] = cv2.GaussianBlur((planes[4] > 0.5).astype(np.float32), (0, 0), 2)
            residual = cv2.GaussianBlur(rng.uniform(-1, 1, (32, 32, 3)).astype(np.float32), (0, 0), 1)
            repaired = planes[:3] + planes[4] * residual.transpose(2, 0, 1)
            where = square.into(points, 32)
            there, flags = bench.sent(np.zeros((32, 32, 4), np.float32)), bench.sent(np.zeros(2, np.int32))
            back = np.zeros((2, 3)) if steadied is None else moving_back(where, steadied.places)
            correction = np.clip(repaired, 0, 1) - planes[:3]
            if number == 3:
                repaired[1, 5, 5], correction[:, 5, 5] = np.nan, 0
            parts = {"planes": bench.sent(planes), "repaired": bench.sent(repaired), "now": there, "change": change}
            if before is not None:
                parts["before"] = before
            row = _row(square, 32, flags=flags, **parts)
            row["back"], row["share"] = back.ravel(), share_of(1 / 30)
            tiles = bench.sent(row)
            bench.kernels.steady(tiles, 32)
            steadied = Steadied.of(correction, planes[4], square, points, number / 30, steadied)
            np.testing.assert_allclose(bench.fetched(there), steadied.weighted, atol=0.02)
            assert bench.fetched(flags).tolist() == [0, number == 3]
            before, points = there, points * 1.02 + np.float32([0.7, -0.4])

        bench.kernels.change(tiles, 32)
        wanted = steadied.correction * cv2.erode(planes[4], np.ones((3, 3), np.uint8))
        np.testing.assert_allclose(bench.fetched(change)[..., :3], wanted.transpose(1, 2, 0), atol=0.03)

    def test_corrections_are_enlarged_as_on_the_cpu(self, bench: Bench, rng: np.random.Generator) -> None:
        change, side = _change(rng), ENLARGED * 32
        large = bench.sent(np.zeros((side, side, 4), np.float32))
        tiles = bench.sent(_row(SQUARES[0], 32, change=bench.sent(change), large=large))
        bench.kernels.enlarge(tiles, 32, ENLARGED)
        wanted = cv2.blur(cv2.resize(change, (side, side), interpolation=cv2.INTER_LINEAR), (ENLARGED, ENLARGED))
        np.testing.assert_allclose(bench.fetched(large), wanted, atol=1e-5)

    @pytest.mark.parametrize("square", SQUARES, ids=str)
    def test_corrections_are_added_and_nothing_else(
        self, bench: Bench, rng: np.random.Generator, square: Square
    ) -> None:
        """Not one bit changes where there is no correction, nor beyond the square; of two, the second comes on top."""
        pixels, change = _rgba(rng), _change(rng)
        there, flags = bench.sent(pixels), bench.sent(np.array([1, 0], np.int32))
        other = bench.sent(np.full((32, 32, 4), 1 / 255, np.float32))
        rows = [
            _row(square, 32, strength, picture=there, large=large, flags=flags)
            for strength, large in ((0.7, bench.sent(change)), (1.0, other))
        ]
        wanted = pixels.astype(float)
        x, y, width, height = square.inside(SIZE)
        large = cv2.resize(change, (square.side, square.side), interpolation=cv2.INTER_LINEAR)
        large = large[y - square.y :, x - square.x :][:height, :width]
        wanted[y : y + height, x : x + width] += 0.7 * 255 * large
        bench.kernels.add(bench.sent(rows[0]), 32)
        result = bench.fetched(there)
        assert np.abs(result - np.clip(wanted, 0, 255)).max() <= 0.5 + 1e-2
        still = np.ones(pixels.shape[:2], bool)
        still[y : y + height, x : x + width] = (large == 0).all(axis=2)
        np.testing.assert_array_equal(result[still], pixels[still])
        bench.kernels.add(bench.sent(np.concatenate([rows[1], rows[1]])), 32)
        twice = result.astype(int)
        twice[y : y + height, x : x + width, :3] += 2
        np.testing.assert_array_equal(bench.fetched(there), np.clip(twice, 0, 255))


def _row(square: Square, size: int, strength: float = 1.0, **arrays: DeviceArray) -> np.ndarray:
    """A row of TILE for a square of a picture of SIZE."""
    row = np.zeros(1, TILE)
    row["width"], row["height"] = SIZE
    row["x"], row["y"], row["side"], row["strength"] = square.x, square.y, square.side, strength
    row["ends"], row["place"] = square.part_inside(SIZE, size), square.inside(SIZE)
    for name, array in arrays.items():
        row[name] = array.pointer
    return row


def _rgba(rng: np.random.Generator) -> np.ndarray:
    return np.dstack([picture(rng, SIZE), np.full(SIZE[::-1], 255, np.uint8)])


def _change(rng: np.random.Generator) -> np.ndarray:
    """A correction in the middle of a tile of 32."""
    change = np.zeros((32, 32, 4), np.float32)
    change[8:24, 8:24, :3] = rng.uniform(-0.2, 0.2, (16, 16, 3))
    return change
