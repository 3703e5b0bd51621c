"""Decoded frames → RGB, against the equations of the standards."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from sources_making import FULL, LIMITED, block_frame, inside_blocks, reference_rgb, write_video

from realtime.sources.picture import PictureMaker, over_black, square_size, upright
from realtime.sources.video import VideoFile

PLANAR = ["yuv420p", "yuv422p", "yuv444p", "yuv440p", "yuv411p", "yuvj420p", "yuvj422p", "yuvj444p"]
DEEP = ["yuv420p10le", "yuv422p10le", "yuv444p10le", "yuv420p12le", "yuv444p16le"]
GREY = ["gray", "gray10le", "gray12le", "gray16le"]
SIZES = [(64, 48), (63, 47), (33, 81)]

# swscale's fast way truncates (see picture.py); a grey of more bits is reduced before it is stretched.
TOLERANCE = {8: 3.6}
DEEP_TOLERANCE = 1.7


def check(pixels: np.ndarray, expected: np.ndarray, tolerance: float) -> None:
    height, width = expected.shape[:2]
    assert pixels.shape == (height, width, 3)
    assert pixels.dtype == np.uint8
    assert pixels.flags.c_contiguous
    mask = inside_blocks(width, height)
    assert np.abs(pixels - expected)[mask].max() <= tolerance


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("matrix", [1, 5, 9])
@pytest.mark.parametrize("pix_fmt", PLANAR + DEEP + GREY)
def test_every_format_matrix_and_range(
    pix_fmt: str, matrix: int, full: bool, size: tuple[int, int], rng: np.random.Generator
) -> None:
    frame, components = block_frame(pix_fmt, *size, rng)
    frame.colorspace, frame.color_range = matrix, FULL if full else LIMITED
    bits = frame.format.components[0].bits
    expected = reference_rgb(components, matrix, full or pix_fmt.startswith("yuvj"), bits)
    check(PictureMaker()(frame), expected, TOLERANCE.get(bits, DEEP_TOLERANCE))


@pytest.mark.parametrize("matrix", [1, 4, 5, 6, 7, 9])
def test_every_matrix(matrix: int, rng: np.random.Generator) -> None:
    frame, components = block_frame("yuv444p", 64, 48, rng)
    frame.colorspace, frame.color_range = matrix, LIMITED
    check(PictureMaker()(frame), reference_rgb(components, matrix, False, 8), TOLERANCE[8])


@pytest.mark.parametrize(("height", "matrix"), [(480, 5), (719, 5), (720, 1), (1080, 1)])
def test_unspecified_matrix_follows_the_height(height: int, matrix: int, rng: np.random.Generator) -> None:
    frame, components = block_frame("yuv420p", 64, height, rng)
    check(PictureMaker()(frame), reference_rgb(components, matrix, False, 8), TOLERANCE[8])


@pytest.mark.parametrize("pix_fmt", ["nv12", "nv21", "yuyv422", "uyvy422"])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("size", [(64, 48), (63, 47)])
def test_camera_formats(pix_fmt: str, full: bool, size: tuple[int, int], rng: np.random.Generator) -> None:
    planar = "yuv420p" if pix_fmt.startswith("nv") else "yuv422p"
    frame, components = block_frame(planar, *size, rng)
    frame.colorspace, frame.color_range = 1, FULL if full else LIMITED
    packed = frame.reformat(format=pix_fmt)
    packed.colorspace, packed.color_range = frame.colorspace, frame.color_range
    check(PictureMaker()(packed), reference_rgb(components, 1, full, 8), TOLERANCE[8])


@pytest.mark.parametrize("pix_fmt", ["rgb24", "bgr24", "rgb0", "gbrp", "rgb48le", "gbrp10le"])
def test_rgb_is_kept(pix_fmt: str, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (47, 63, 3), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, "rgb24").reformat(format=pix_fmt)
    assert np.abs(PictureMaker()(frame).astype(int) - pixels).max() <= (0 if "0" not in pix_fmt else 1)


@pytest.mark.parametrize("pix_fmt", ["rgba", "bgra", "gbrap"])
def test_alpha_is_over_black(pix_fmt: str, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (47, 63, 4), dtype=np.uint8)
    frame = av.VideoFrame.from_ndarray(pixels, "rgba").reformat(format=pix_fmt)
    expected = pixels[..., :3] * (pixels[..., 3:] / 255)
    assert np.abs(PictureMaker()(frame) - expected).max() <= 0.51


@pytest.mark.parametrize("pix_fmt", ["yuva420p", "yuva444p"])
def test_alpha_of_yuv_is_over_black(pix_fmt: str, rng: np.random.Generator) -> None:
    frame, components = block_frame(pix_fmt, 64, 48, rng)
    frame.colorspace, frame.color_range = 5, LIMITED
    expected = reference_rgb(components, 5, False, 8) * (components[3][..., None] / 255)
    check(PictureMaker()(frame), expected, TOLERANCE[8] + 0.5)


def test_over_black_is_exact_at_the_ends() -> None:
    pixels = np.array([[[255, 10, 0, 255], [255, 10, 3, 0]]], np.uint8)
    assert over_black(pixels).tolist() == [[[255, 10, 0], [0, 0, 0]]]


QUARTERS = {0: (1, 0, 0, 1), 90: (0, 1, -1, 0), 180: (-1, 0, 0, -1), 270: (0, -1, 1, 0)}


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize("clockwise", QUARTERS)
def test_display_matrix(clockwise: int, mirrored: bool, rng: np.random.Generator) -> None:
    pixels = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
    a, b, c, d = QUARTERS[clockwise]
    if mirrored:  # then mirrored left to right
        a, c = -a, -c
    matrix = np.array([[a, b, 0], [c, d, 0], [0, 0, 16384]], np.int32) * 65536
    expected = np.rot90(pixels, -clockwise // 90)
    expected = expected[:, ::-1] if mirrored else expected
    assert np.array_equal(upright(pixels, matrix), expected)


@pytest.mark.parametrize(
    ("size", "shape", "expected"),
    [
        ((720, 576), Fraction(16, 15), (768, 576)),
        ((1440, 1080), Fraction(4, 3), (1920, 1080)),
        ((720, 480), Fraction(8, 9), (720, 540)),
        ((1, 1), Fraction(1, 3), (1, 3)),
        ((64, 48), Fraction(1), (64, 48)),
    ],
)
def test_square_pixels(size: tuple[int, int], shape: Fraction, expected: tuple[int, int]) -> None:
    assert square_size(*size, shape) == expected


@pytest.mark.parametrize(("pix_fmt", "matrix"), [("yuv420p", 1), ("yuv420p", 5), ("yuv422p10le", 9), ("gray", 2)])
@pytest.mark.parametrize("colour_range", [LIMITED, FULL])
def test_tags_of_a_file_are_obeyed(
    pix_fmt: str, matrix: int, colour_range: int, tmp_path: Path, rng: np.random.Generator
) -> None:
    frame, components = block_frame(pix_fmt, 65, 49, rng)
    tags = {"colorspace": matrix, "color_range": colour_range}
    frame.colorspace, frame.color_range = matrix, colour_range
    path = write_video(tmp_path / "tagged.mkv", [frame], "ffv1", pix_fmt, **tags)
    bits = frame.format.components[0].bits
    expected = reference_rgb(components, matrix, colour_range == FULL, bits)
    with VideoFile(str(path)) as source:
        (picture,) = source
    check(picture.pixels, expected, TOLERANCE.get(bits, DEEP_TOLERANCE))
