"""The PNG folder and snapshots, read back by OpenCV and by a parser of chunks written here."""

from __future__ import annotations

import resource
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.errors import DeviceLostError, OutputError
from realtime.provenance import METADATA
from realtime.sinks import open_sink
from realtime.sinks.base import SinkOptions
from realtime.sinks.png import encode_png
from realtime.sinks.snapshot import save_snapshot

OPTIONS = SinkOptions(live=False, rate=None, metadata=METADATA)


def chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    """(type, body) of every chunk; the checksums are checked on the way."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    found, at = [], 8
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        (checksum,) = struct.unpack_from(">I", data, at + 8 + length)
        assert zlib.crc32(kind + body) == checksum
        found.append((kind, body))
        at += 12 + length
    return found


def read(path: Path) -> np.ndarray:
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def test_pixels_survive_exactly(rng, make_result, tmp_path) -> None:
    pictures = [rng.integers(0, 256, shape, dtype=np.uint8) for shape in ((1, 1, 3), (31, 17, 3), (64, 48, 3))]
    with open_sink(f"png:{tmp_path}/new/folder", OPTIONS) as sink:
        for index, pixels in enumerate(pictures):
            sink.write(make_result(pixels, index * 7))
    for index, pixels in enumerate(pictures):
        assert np.array_equal(read(tmp_path / f"new/folder/{index * 7:06d}.png"), pixels)


def test_synthetic_pictures_say_so_and_others_do_not(rng, make_result, tmp_path) -> None:
    pixels = rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)
    with open_sink(f"png:{tmp_path}", OPTIONS) as sink:
        sink.write(make_result(pixels, 0, synthetic=True))
        sink.write(make_result(pixels, 1, synthetic=False))
    texts = [
        [body for kind, body in chunks((tmp_path / f"{index:06d}.png").read_bytes()) if kind == b"tEXt"]
        for index in (0, 1)
    ]
    assert dict(text.decode("latin-1").split("\0") for text in texts[0]) == {
        key.capitalize(): value for key, value in METADATA
    }
    assert texts[1] == []


def test_text_stands_between_header_and_picture() -> None:
    kinds = [kind for kind, _ in chunks(encode_png(np.zeros((4, 4, 3), np.uint8), [("title", "a"), ("comment", "é€")]))]
    assert kinds[0] == b"IHDR" and kinds[1:3] == [b"tEXt", b"tEXt"] and kinds[-1] == b"IEND"


def test_own_names_are_kept_apart_and_inside_the_folder(make_result, tmp_path) -> None:
    pixels = np.zeros((2, 2, 3), np.uint8)
    with open_sink(f"png:{tmp_path}", OPTIONS) as sink:
        for index, name in enumerate(["a.jpg", "a.png", "../b.jpeg", None]):
            sink.write(make_result(pixels, index, name=name))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["000003.png", "a.000001.png", "a.png", "b.png"]


def test_a_folder_that_is_a_file_is_refused(tmp_path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="choose another folder"):
        open_sink(f"png:{tmp_path}/taken", OPTIONS)


def test_a_full_disk_leaves_whole_pictures_only(rng, make_result, tmp_path) -> None:
    """The largest file the process may write is limited: the kernel then refuses as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    with open_sink(f"png:{tmp_path}", OPTIONS) as sink:
        sink.write(make_result(np.zeros((16, 16, 3), np.uint8), 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limits[1]))
        try:
            with pytest.raises(DeviceLostError, match="free some space"):
                sink.write(make_result(rng.integers(0, 256, (200, 200, 3), dtype=np.uint8), 1))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["000000.png"]


def test_snapshot(rng, make_result, tmp_path) -> None:
    pixels = rng.integers(0, 256, (9, 11, 3), dtype=np.uint8)
    path = save_snapshot(make_result(pixels), tmp_path / "out", METADATA)
    assert path.parent == tmp_path / "out" and np.array_equal(read(path), pixels)
    assert sum(kind == b"tEXt" for kind, _ in chunks(path.read_bytes())) == len(METADATA)


def test_snapshot_into_a_file_is_refused(make_result, tmp_path) -> None:
    (tmp_path / "taken").touch()
    with pytest.raises(OutputError, match="snapshot"):
        save_snapshot(make_result(np.zeros((2, 2, 3), np.uint8)), tmp_path / "taken")


def test_sinks_load_neither_torch_nor_a_window_system() -> None:
    code = (
        "import sys; from realtime.sinks import open_sink; from realtime.sinks.base import SinkOptions;"
        "open_sink('null', SinkOptions(False, None)); print({'torch', 'glfw', 'pyvirtualcam', 'av'} & set(sys.modules))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "set()"
