"""Image files and folders of them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from realtime.errors import InputError
from realtime.sources import SourceOptions, open_source, read_image


@pytest.fixture
def picture(rng: np.random.Generator) -> np.ndarray:
    return rng.integers(0, 256, (37, 53, 3), dtype=np.uint8)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm", ".PNG"])
def test_colour_is_exact(suffix: str, picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix}"
    Image.fromarray(picture).save(path)
    pixels = read_image(path)
    assert pixels.flags.c_contiguous
    assert np.array_equal(pixels, picture)


def test_grey_16_bits_alpha_and_palette(picture: np.ndarray, tmp_path: Path, rng: np.random.Generator) -> None:
    grey = picture[..., 0]
    path = tmp_path / "picture.png"
    Image.fromarray(grey).save(path)
    assert np.array_equal(read_image(path), np.repeat(grey[..., None], 3, axis=2))

    deep = rng.integers(0, 65536, (37, 53, 3)).astype(np.uint16)
    cv2.imwrite(str(path), deep[..., ::-1])
    assert np.abs(read_image(path) - deep / 257).max() <= 1

    deep_grey = deep[..., 0]
    cv2.imwrite(str(path), deep_grey)
    assert np.abs(read_image(path) - deep_grey[..., None] / 257).max() <= 1

    alpha = rng.integers(0, 256, (37, 53), dtype=np.uint8)
    Image.fromarray(np.dstack([picture, alpha])).save(path)
    assert np.abs(read_image(path) - picture * (alpha[..., None] / 255)).max() <= 0.51

    Image.fromarray(np.dstack([grey, alpha])).save(path)
    assert np.abs(read_image(path) - (grey * (alpha / 255))[..., None]).max() <= 0.51

    deep_alpha = np.dstack([deep, rng.integers(0, 65536, (37, 53)).astype(np.uint16)])
    cv2.imwrite(str(path), deep_alpha[..., [2, 1, 0, 3]])
    expected = deep / 257 * (deep_alpha[..., 3:] / 65535)
    assert np.abs(read_image(path) - expected).max() <= 1.5

    palette = Image.fromarray(picture).quantize(16)
    palette.save(path)
    assert np.array_equal(read_image(path), np.asarray(palette.convert("RGB")))


# EXIF orientation → what to do with the stored picture
TURNS = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: np.rot90(p, 2).transpose(1, 0, 2),
    8: lambda p: np.rot90(p),
}


@pytest.mark.parametrize("orientation", TURNS)
def test_exif_orientation(orientation: int, tmp_path: Path) -> None:
    stored = np.zeros((32, 48, 3), np.uint8)
    stored[:16, :16], stored[:16, 16:], stored[16:, :16] = (250, 0, 0), (0, 250, 0), (0, 0, 250)
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = tmp_path / "turned.jpg"
    Image.fromarray(stored).save(path, exif=exif, quality=95, subsampling=0)
    expected = TURNS[orientation](stored)
    pixels = read_image(path)
    assert pixels.shape == expected.shape
    assert np.abs(pixels.astype(int) - expected).mean() < 4


@pytest.mark.parametrize("size", [(1, 1), (7680, 4320), (1, 5000)])
def test_smallest_and_largest(size: tuple[int, int], tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    cv2.imwrite(str(path), np.full((size[1], size[0], 3), (30, 20, 10), np.uint8))
    with open_source(str(path)) as source:
        (frame,) = source
    assert frame.size == source.size == size
    assert frame.pixels[-1, -1].tolist() == [10, 20, 30]


def make_bomb(path: Path) -> None:
    """A PNG that says it is 2^20 pixels wide and high."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1 << 20, 1 << 20, 8, 2, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 100)))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no file"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.mkdir(), "cannot be read"),
        (lambda path: path.write_text("no image"), "not an image"),
        (make_bomb, "too large or damaged|not an image"),
    ],
)
def test_files_that_are_no_image(make: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.png"
    make(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=words):
        read_image(path)


def test_a_picture_stays_when_looped(picture: np.ndarray, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    Image.fromarray(picture).save(path)
    frames = list(open_source(str(path)))
    assert [(frame.index, frame.time_s, frame.name) for frame in frames] == [(0, 0.0, "picture.png")]
    frames = list(open_source(str(path), SourceOptions(loop=True, rate=10, limit_frames=30)))
    assert len(frames) == 30
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(30) / 10)


def test_folder_in_natural_order_without_the_unreadable(tmp_path: Path) -> None:
    for number in (10, 2, 1, 21, 3):
        Image.fromarray(np.full((4, 4 + number, 3), number, np.uint8)).save(tmp_path / f"face{number}.png")
    (tmp_path / "face0.png").write_text("broken")
    (tmp_path / "face4.jpg").touch()
    (tmp_path / "notes.txt").write_text("not meant")
    (tmp_path / "inside.png").mkdir()
    with open_source(f"images:{tmp_path}") as source:
        assert not source.tracked
        assert not source.live
        assert source.size == (5, 4)
        frames = list(source)
        assert source.skipped == 2
    assert [frame.name for frame in frames] == ["face1.png", "face2.png", "face3.png", "face10.png", "face21.png"]
    assert [frame.index for frame in frames] == [0, 1, 2, 3, 4]
    assert [int(frame.pixels[0, 0, 0]) for frame in frames] == [1, 2, 3, 10, 21]
    looped = list(open_source(f"images:{tmp_path}", SourceOptions(loop=True, limit_frames=12)))
    assert [frame.name for frame in looped[:10]] == [frame.name for frame in frames] * 2


@pytest.mark.parametrize("files", [[], ["notes.txt"], ["broken.png"]])
def test_folder_without_pictures(files: list[str], tmp_path: Path) -> None:
    for name in files:
        (tmp_path / name).write_text("nothing")
    with pytest.raises(InputError, match="no image"):
        open_source(f"images:{tmp_path}")


def test_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no folder"):
        open_source(f"images:{tmp_path / 'nowhere'}")
