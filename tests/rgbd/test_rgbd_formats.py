"""Other programs' recordings: Biwi's and fakenect's formats against their descriptions, and conversion."""

from __future__ import annotations

import struct
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from realtime.errors import FacetError, InputError, OutputError
from realtime.rgbd import biwi, fakenect, kinect1
from realtime.rgbd.convert import biwi as convert_biwi
from realtime.rgbd.convert import fakenect as convert_fakenect
from realtime.rgbd.convert import rap3df as convert_rap3df
from realtime.sources import open_source

COLOUR_CAL = """517.679 0 320
0 517.679 240.5
0 0 1

0 0 0 0

0.999947 0.00432361 0.00929419
-0.00446314 0.999877 0.0150443
-0.009228 -0.015085 0.999844

-24.0198 5.8896 -13.2308

640 480
"""
DEPTH_CAL = "575.816 0 320\n0 575.816 240\n0 0 1\n\n0 0 0 0\n\n1 0 0\n0 1 0\n0 0 1\n\n0 0 0\n\n640 480\n"


def runs_by_loop(data: bytes) -> np.ndarray:
    """The format as its authors describe it, value by value."""
    width, height = struct.unpack_from("<ii", data)
    values: list[int] = []
    at = 8
    while len(values) < width * height:
        empty, full = struct.unpack_from("<ii", data, at)
        at += 8
        values += [0] * empty
        for _ in range(full):
            values.append(struct.unpack_from("<h", data, at)[0])
            at += 2
    assert at == len(data)
    return np.array(values).reshape(height, width)


@given(
    arrays(
        np.uint16, array_shapes(min_dims=2, max_dims=2, max_side=12), elements=st.sampled_from([0, 0, 1, 900, 32767])
    )
)
def test_biwi_depth_there_and_back(depth: np.ndarray) -> None:
    data = biwi.encode_depth(depth)
    np.testing.assert_array_equal(runs_by_loop(data), depth)
    np.testing.assert_array_equal(biwi.decode_depth(data), depth)


@given(st.binary(max_size=60), st.integers(0, 60))
def test_other_bytes_are_no_biwi_depth(noise: bytes, cut: int) -> None:
    whole = biwi.encode_depth(np.full((4, 5), 800, np.uint16))
    for data in (noise, whole[: min(cut, len(whole) - 1)]):
        with pytest.raises((ValueError, struct.error)):
            biwi.decode_depth(data)


def biwi_sequence(folder: Path, numbers: tuple[int, ...] = (3, 4, 7)) -> Path:
    folder.mkdir()
    (folder.parent / "depth.cal").write_text(DEPTH_CAL)
    (folder / "rgb.cal").write_text(COLOUR_CAL)
    for number in numbers:
        stem = str(folder / f"frame_{number:05d}")
        cv2.imwrite(f"{stem}_rgb.png", np.full((480, 640, 3), (10, 20, 30 + number), np.uint8))
        depth = np.zeros((480, 640), np.uint16)
        depth[100:400, 200:500] = 900 + number
        Path(f"{stem}_depth.bin").write_bytes(biwi.encode_depth(depth))
        Path(f"{stem}_pose.txt").write_text("1 0 0\n0 1 0\n0 0 1\n\n40.5 -20 905\n")
    return folder


def test_a_biwi_sequence(tmp_path: Path) -> None:
    sequence = biwi_sequence(tmp_path / "01")
    known = biwi.read_calibration(sequence)
    assert (known.depth.intrinsics.fx, known.colour.intrinsics.cy) == (575.816, 240.5)
    np.testing.assert_array_equal(known.translation_mm, [-24.0198, 5.8896, -13.2308])
    rotation, centre = biwi.read_pose(sequence / "frame_00003_pose.txt")
    np.testing.assert_array_equal(rotation, np.eye(3))
    np.testing.assert_array_equal(centre, [40.5, -20, 905])
    convert_biwi(sequence, tmp_path / "out")
    with open_source(f"rgbd:{tmp_path / 'out'}") as source:
        frames = list(source)
    assert [round(frame.time_s, 2) for frame in frames] == [0, 0.03, 0.13], "missing frames keep their place"
    for frame, number in zip(frames, (3, 4, 7), strict=True):
        assert frame.pixels[0, 0].tolist() == [30 + number, 20, 10]
        assert frame.depth is not None
        # in the colour camera's axes the plane is tilted by 0.9 degrees and 13 mm nearer
        middle = int(frame.depth[240, 320])
        assert middle == pytest.approx(900 + number - 13.2, abs=4)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("rgb.cal", None, "no rgb.cal"),
        ("rgb.cal", "1 2 3", "3 numbers"),
        ("rgb.cal", "a b", "cannot be read"),
        ("frame_00003_depth.bin", "x", "cut off"),
    ],
)
def test_a_damaged_biwi_sequence(tmp_path: Path, name: str, content: str | None, said: str) -> None:
    path = biwi_sequence(tmp_path / "01") / name
    path.unlink() if content is None else path.write_text(content)
    with pytest.raises(InputError, match=said):
        convert_biwi(tmp_path / "01", tmp_path / "out")


def test_no_biwi_sequence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="frame_NNNNN"):
        convert_biwi(tmp_path, tmp_path / "out")


def test_raw_depth_is_what_libfreenect_says_it_is() -> None:
    """Its formula, with the constants that every Kinect reports (src/registration.c), in float64."""
    raw = np.arange(2047)
    metric = ((raw - 4 * 200) / 4 - 0.375) * 0.1042
    with np.errstate(divide="ignore"):
        truth = 10 * (metric * 120 / (7.5 - metric) + 120)
    near = (truth > 0) & (truth < 10000)
    np.testing.assert_allclose(kinect1.MILLIMETRES[:-1][near], truth[near], atol=0.51)
    assert not kinect1.MILLIMETRES[:-1][~near].any()
    assert kinect1.MILLIMETRES[2047] == 0
    assert kinect1.MILLIMETRES[near.nonzero()[0].min()] < 350


@given(st.integers(500, 4000))
def test_the_nearest_raw_value(depth: int) -> None:
    back = float(kinect1.millimetres(kinect1.raw_depth(np.array([depth])))[0])
    step = depth**2 / (575.8 * 75 * 8)  # of the sensor there
    assert abs(back - depth) <= step / 2 * 1.02 + 0.5
    assert kinect1.raw_depth(np.array([0, 60000])).tolist() == [2047, 2047]


def fakenect_recording(folder: Path, count: int = 4, begin: int = 2**32 - 3_000_000) -> Path:
    """Stamps overflow on the way."""
    writer = fakenect.FakenectWriter(folder)
    for index in range(count):
        stamp = (begin + index * 2_000_000) % 2**32
        raw = kinect1.raw_depth(np.full((480, 640), 900 + 10 * index))
        writer.add_depth(raw.tobytes(), 5 + index / 30, stamp)
        writer.add_colour(
            np.full((480, 640, 3), index, np.uint8).tobytes(), 5.01 + index / 30, (stamp + 300_000) % 2**32
        )
    return folder


def test_fakenect_there_and_back(tmp_path: Path) -> None:
    entries = fakenect.entries(fakenect_recording(tmp_path / "a", 2))
    assert [entry.kind for entry in entries] == ["d", "r", "d", "r"]
    assert entries[1].time_s == pytest.approx(5.01)
    assert (fakenect.read_colour(entries[3].path) == 1).all()
    np.testing.assert_allclose(kinect1.millimetres(fakenect.read_depth(entries[0].path)).astype(int), 900, atol=2)
    assert list(fakenect.unwrapped(iter([2**32 - 30, 30, 10]), 60)) == [0, 1, pytest.approx(2 / 3)]
    with pytest.raises(OutputError, match="already"):
        fakenect.FakenectWriter(tmp_path / "a")


def test_fakenect_converted(tmp_path: Path) -> None:
    convert_fakenect(fakenect_recording(tmp_path / "a"), tmp_path / "out")
    with open_source(f"rgbd:{tmp_path / 'out'}") as source:
        frames = list(source)
        assert source.pairing is not None
        assert source.pairing.apart_ms()["p50"] == pytest.approx(5, abs=1)
    assert len(frames) == 4
    for index, frame in enumerate(frames):
        assert (frame.pixels == index).all()
        assert frame.depth is not None
        assert int(frame.depth[240, 320]) == pytest.approx(900 + 10 * index, abs=2)
        assert not frame.depth[:10].any(), "the colour camera sees more than the depth camera"


def cut_off(folder: Path) -> None:
    path = sorted(folder.glob("r-*"))[0]
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / fakenect.INDEX).unlink(), "no fakenect recording"),
        (lambda folder: (folder / fakenect.INDEX).write_text(""), "is empty"),
        (lambda folder: (folder / fakenect.INDEX).write_text("../../x"), "no name of fakenect"),
        (lambda folder: (folder / fakenect.INDEX).write_text("r-1.0-5.ppm"), "missing"),
        (cut_off, "cut off"),
    ],
)
def test_a_damaged_fakenect_recording(tmp_path: Path, harm: object, said: str) -> None:
    folder = fakenect_recording(tmp_path / "a")
    harm(folder)  # type: ignore[operator]
    with pytest.raises(InputError, match=said):
        convert_fakenect(folder, tmp_path / "out")


def test_rap3df_converted(tmp_path: Path, rng: np.random.Generator) -> None:
    codes = rng.integers(0, 256, (2, 149, 119), np.uint8)
    codes[:, 40:80, 40:80] = [[[64]], [[192]]]
    pictures = rng.integers(0, 256, (2, 149, 119, 3), np.uint8)
    np.savez(tmp_path / "a.npz", rgb=pictures, depth_code=codes, person=["P1", "P2"], pose=["front", "left"])
    convert_rap3df(tmp_path / "a.npz", tmp_path / "out")
    with open_source(f"rgbd:{tmp_path / 'out'}") as source:
        assert not source.tracked
        first, second = source
    assert (first.name, second.name) == ("0000_P1_front.png", "0001_P2_left.png")
    np.testing.assert_array_equal(first.pixels, pictures[0])
    assert first.depth is not None
    assert second.depth is not None
    assert (first.depth[60, 60], second.depth[60, 60]) == (768, 1536)


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04"])
def test_no_rap3df(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "a.npz").write_bytes(content)
    with pytest.raises(FacetError, match="RAP3DF"):
        convert_rap3df(tmp_path / "a.npz", tmp_path / "out")


def test_the_command_says_what_is_wrong(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "realtime.rgbd.convert", "fakenect", str(tmp_path), str(tmp_path / "out")]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2])
    assert result.returncode == 2
    assert result.stderr.strip().endswith("it is no fakenect recording.")
