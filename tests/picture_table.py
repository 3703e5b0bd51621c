"""What the kernels of picture.cu must do, run on the CPU (tests/gpu_on_cpu) or on a GPU (tests/gpu)."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from frame_table import Bench, picture

from realtime.gpu.kernels import PictureKernels
from realtime.repair.retouch import ENLARGED, enlarged
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
    def test_tiles_are_those_of_the_cpu(self, bench: Bench, rng: np.random.Generator, square: Square) -> None:
        """To the rounding of OpenCV, which rounds after each halving."""
        pixels = _rgba(rng)
        tile = bench.sent(np.zeros((32, 32, 4), np.uint8))
        bench.kernels.shrink(bench.sent(pixels), square, tile)
        off = np.abs(bench.fetched(tile).astype(int) - square.cut(pixels, 32))
        assert off.max() <= 2
        assert off.mean() < 0.5

    def test_corrections_are_enlarged_as_on_the_cpu(self, bench: Bench, rng: np.random.Generator) -> None:
        levels = _levels(rng)
        large = bench.sent(np.zeros((ENLARGED * 32, ENLARGED * 32, 4), np.uint8))
        bench.kernels.enlarge(bench.sent(levels), large)
        off = np.abs(bench.fetched(large).astype(int) - enlarged(levels))
        assert off.max() <= 1
        assert off.mean() < 0.1

    @pytest.mark.parametrize("square", SQUARES, ids=str)
    def test_corrections_are_added_as_on_the_cpu(self, bench: Bench, rng: np.random.Generator, square: Square) -> None:
        """And not one bit changes where there is none, nor beyond the part that is asked for."""
        pixels, change, step = _rgba(rng), enlarged(_levels(rng)), 0.4
        x, y, width, height = square.inside(SIZE)
        place = (x + 1, y + 2, width - 3, height - 4)
        there = bench.sent(pixels)
        bench.kernels.add(there, square, place, bench.sent(change), step)
        part = (slice(place[1], place[1] + place[3]), slice(place[0], place[0] + place[2]))
        large = cv2.resize(change, (square.side, square.side), interpolation=cv2.INTER_LINEAR)
        large = large[place[1] - square.y :, place[0] - square.x :][: place[3], : place[2]]
        wanted = pixels.copy()
        wanted[part] = cv2.addWeighted(pixels[part], 1, large, step, -128 * step)
        result = bench.fetched(there)
        assert np.abs(result.astype(int) - wanted).max() <= 1
        still = np.ones(pixels.shape[:2], bool)
        still[part] = (large == 128).all(axis=2)
        np.testing.assert_array_equal(result[still], pixels[still])


def _rgba(rng: np.random.Generator) -> np.ndarray:
    return np.dstack([picture(rng, SIZE), np.full(SIZE[::-1], 255, np.uint8)])


def _levels(rng: np.random.Generator) -> np.ndarray:
    """A correction in the middle of a tile of 32."""
    levels = np.full((32, 32, 4), 128, np.uint8)
    levels[8:24, 8:24, :3] = rng.integers(0, 256, (16, 16, 3))
    return levels
