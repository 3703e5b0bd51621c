"""The colour conversion against float64, and what decoders make of the result."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from realtime.sinks.encode import Yuv420, bt709_limited


def reference(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Y' (H, W) and CbCr (H/2, W/2, 2) in float64 by the formulas of BT.709, chroma the mean of 2×2."""
    red, green, blue = np.moveaxis(pixels.astype(np.float64) / 255, 2, 0)
    luma = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    chroma = np.stack([(blue - luma) / 1.8556, (red - luma) / 1.5748], axis=2)
    height, width = luma.shape
    halves = chroma.reshape(height // 2, 2, width // 2, 2, 2).mean(axis=(1, 3))
    return 16 + 219 * luma, 128 + 224 * halves


def planes(frame) -> tuple[np.ndarray, np.ndarray]:
    whole = frame.to_ndarray()
    width, height = frame.width, frame.height
    luma, rest = whole[:height], whole[height:].reshape(-1)
    chroma = rest.reshape(2, height // 2, width // 2)
    return luma, np.moveaxis(chroma, 0, 2)


@pytest.mark.parametrize("size", [(2, 2), (16, 8), (34, 6), (640, 360)])
def test_conversion_matches_the_standard(size: tuple[int, int], rng: np.random.Generator) -> None:
    width, height = size
    pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
    luma, chroma = planes(Yuv420(size)(pixels))
    expected_luma, expected_chroma = reference(pixels)
    assert np.abs(luma - expected_luma).max() <= 1.0
    assert np.abs(chroma - expected_chroma).max() <= 1.5  # two roundings: of each pixel, and of their mean


@pytest.mark.parametrize(
    ("colour", "code"),
    [  # the colour bars' values in 8 bits, from the standard
        ((0, 0, 0), (16, 128, 128)),
        ((255, 255, 255), (235, 128, 128)),
        ((255, 0, 0), (63, 102, 240)),
        ((0, 255, 0), (173, 42, 26)),
        ((0, 0, 255), (32, 240, 118)),
    ],
)
def test_known_colours(colour: tuple[int, int, int], code: tuple[int, int, int]) -> None:
    luma, chroma = planes(Yuv420((4, 4))(np.full((4, 4, 3), colour, np.uint8)))
    assert (abs(luma.astype(int) - code[0]) <= 1).all()
    assert (abs(chroma.astype(int) - code[1:]) <= 1).all()


def test_the_buffer_is_used_again_and_holds_the_new_frame(rng: np.random.Generator) -> None:
    convert = Yuv420((32, 16))
    first, second = rng.integers(0, 256, (2, 16, 32, 3), dtype=np.uint8)
    convert(first)
    assert np.array_equal(convert(second).to_ndarray(), Yuv420((32, 16))(second).to_ndarray())


def test_matrix_against_opencv_for_grey() -> None:
    """Grey has no chroma, and its luma is that of any limited-range standard: OpenCV's, of BT.601, too."""
    grey = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    ours = grey[0].astype(np.float64) @ bt709_limited()[:, :3].T + bt709_limited()[:, 3]
    theirs = cv2.cvtColor(np.repeat(grey, 2, axis=0), cv2.COLOR_RGB2YUV_I420)[0]
    assert np.abs(ours[:, 0] - theirs).max() <= 1
    assert np.allclose(ours[:, 1:], 128)
