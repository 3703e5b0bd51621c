"""Recordings of colour and depth: what is written is read, and what is wrong with one is said."""

from __future__ import annotations

import json
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from realtime.errors import InputError, OutputError
from realtime.frame import Frame, Intrinsics, Result
from realtime.rgbd.calibration import Calibration, Camera
from realtime.rgbd.recording import CALIBRATION, RecordingWriter
from realtime.sinks import open_sink
from realtime.sinks.base import SinkOptions
from realtime.sources import SourceOptions, open_source

SIZE = (64, 48)
SEEN = Intrinsics(60, 60, 31.5, 23.5)
KNOWN = Calibration.registered(SIZE, SEEN)
PERIOD = 1 / 30


def colours(index: int) -> np.ndarray:
    rng = np.random.default_rng(index)
    return rng.integers(0, 256, (SIZE[1], SIZE[0], 3), np.uint8)


def depths(index: int) -> np.ndarray:
    depth = np.random.default_rng(100 + index).integers(400, 9000, (SIZE[1], SIZE[0])).astype(np.uint16)
    depth[::2, :8] = 0
    depth[:, 20:30] = 0
    return depth


def write(folder: Path, count: int = 6, depth_at: float = 0.004, stretch: float = 1.0) -> Path:
    with RecordingWriter(folder, KNOWN) as writer:
        for index in range(count):
            writer.add_colour(colours(index), index * PERIOD)
            writer.add_depth(depths(index), max(0.0, index * PERIOD * stretch + depth_at))
    return folder


def write_files(folder: Path, names: list[str], depth_names: list[str]) -> Path:
    with RecordingWriter(folder, KNOWN) as writer:
        for index, name in enumerate(names):
            writer.add_colour(colours(index), name)
        for index, name in enumerate(depth_names):
            writer.add_depth(depths(index), name)
    return folder


def read(folder: Path) -> list[Frame]:
    with open_source(f"rgbd:{folder}") as source:
        return list(source)


def measured(frame: Frame, index: int) -> None:
    """The frame has the depth of that number where it was measured (small holes are filled)."""
    assert frame.depth is not None
    kept = depths(index) > 0
    np.testing.assert_array_equal(frame.depth[kept], depths(index)[kept])
    assert not frame.depth[:, 20:30].any()


def test_videos_come_back_bit_by_bit(tmp_path: Path) -> None:
    with open_source(f"rgbd:{write(tmp_path / 'a')}") as source:
        assert (source.size, source.tracked, source.live) == (SIZE, True, False)
        assert source.rate == pytest.approx(30, abs=0.5)
        frames = list(source)
        assert source.pairing is not None
        assert (source.pairing.paired, source.pairing.alone) == (6, 0)
        assert source.pairing.apart_ms()["p50"] == pytest.approx(4, abs=1.1)
    assert [frame.index for frame in frames] == list(range(6))
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.pixels, colours(index))
        assert frame.time_s == pytest.approx(index * PERIOD, abs=2e-3)
        assert frame.intrinsics == SEEN
        assert frame.notice is None
        measured(frame, index)


def test_files_named_by_microseconds_are_a_sequence(tmp_path: Path) -> None:
    names = [f"{1_000_000 + 33_333 * index:012d}" for index in range(4)]
    frames = read(write_files(tmp_path / "a", names, [str(int(name) + 9_000) for name in names]))
    assert [round(frame.time_s, 4) for frame in frames] == [0, 0.0333, 0.0667, 0.1]
    for index, frame in enumerate(frames):
        assert frame.name is None
        measured(frame, index)


def test_other_names_are_pictures_for_themselves(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "a", ["anna", "ben", "eva"], ["anna", "eva"])
    with open_source(f"rgbd:{folder}") as source:
        assert not source.tracked
        assert (source.frames, source.rate) == (3, None)
        frames = list(source)
    assert [frame.name for frame in frames] == ["anna.png", "ben.png", "eva.png"]
    measured(frames[0], 0)
    assert frames[1].depth is None
    measured(frames[2], 1)


def test_depth_that_lags_is_paired_by_its_stamps(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", depth_at=-2 * PERIOD)  # the first three depth pictures have no time of their own
    with open_source(f"rgbd:{folder}") as source:
        frames = list(source)
        assert source.pairing is not None
        assert source.pairing.apart_ms()["p50"] == pytest.approx(0, abs=2)
    measured(frames[1], 3)
    measured(frames[3], 5)
    assert frames[5].depth is None, "no depth within reach"


def test_a_clock_that_drifts_is_reported(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", count=30, depth_at=0.0, stretch=1.01)
    with open_source(f"rgbd:{folder}") as source:
        assert len(list(source)) == 30
        assert source.pairing is not None
        assert source.pairing.apart_ms()["drift"] == pytest.approx(1000 * 27 * PERIOD * 0.01, abs=1.5)


def test_depth_that_stops_is_told(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "a", KNOWN) as writer:
        writer.add_depth(depths(0), 0.0)
        for index in range(30):
            writer.add_colour(colours(index), index * PERIOD)
    frames = read(tmp_path / "a")
    assert frames[1].depth is not None
    assert frames[10].notice is None
    assert frames[29].depth is None
    assert frames[29].notice == "no depth for 1 s"


def test_two_cameras_are_registered(tmp_path: Path) -> None:
    wide = Calibration(KNOWN.colour, Camera((32, 24), Intrinsics(30, 30, 15.5, 11.5)), depth_unit_mm=0.5)
    with RecordingWriter(tmp_path / "a", wide) as writer:
        writer.add_colour(colours(0), 0.0)
        writer.add_depth(np.full((24, 32), 1600, np.uint16), 0.0)
    (frame,) = read(tmp_path / "a")
    assert frame.depth is not None
    assert frame.depth.shape == (SIZE[1], SIZE[0])
    assert (frame.depth[4:-4, 4:-4] == 800).all(), "in millimetres, without holes"


@pytest.mark.parametrize("level", [0, 65535])
def test_a_blind_or_dazzled_sensor_gives_nothing(tmp_path: Path, level: int) -> None:
    with RecordingWriter(tmp_path / "a", KNOWN) as writer:
        writer.add_colour(colours(0), 0.0)
        writer.add_depth(np.full((SIZE[1], SIZE[0]), level, np.uint16), 0.0)
    (frame,) = read(tmp_path / "a")
    assert frame.depth is not None
    assert not frame.depth.any()


def test_a_damaged_picture_is_passed_over(tmp_path: Path) -> None:
    folder = write_files(tmp_path / "a", ["1", "40000", "80000"], ["1", "40000", "80000"])
    (folder / "colour" / "40000.png").write_bytes(b"no picture")
    (folder / "depth" / "80000.png").write_bytes(b"no picture")
    with open_source(f"rgbd:{folder}") as source:
        frames = list(source)
        assert source.skipped == 1
    assert [frame.depth is not None for frame in frames] == [True, False]


def test_a_recording_that_was_cut_off(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", count=20)
    for part in ("colour", "depth"):
        path = folder / f"{part}.mkv"
        path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    frames = read(folder)
    assert 5 < len(frames) < 20
    measured(frames[5], 5)


def broken_calibration(folder: Path) -> None:
    content = KNOWN.as_json()
    content["depth"]["fx"] = 0
    (folder / CALIBRATION).write_text(json.dumps(content))


def other_size(folder: Path) -> None:
    size = (SIZE[0] * 2, SIZE[1] * 2)
    (folder / CALIBRATION).write_text(json.dumps(Calibration.registered(size, SEEN.scaled(2)).as_json()))


def eight_bits(folder: Path) -> None:
    (folder / "depth.mkv").unlink()
    (folder / "depth").mkdir()
    cv2.imwrite(str(folder / "depth" / "0.png"), np.full((SIZE[1], SIZE[0]), 80, np.uint8))


def eight_bit_video(folder: Path) -> None:
    (folder / "depth.mkv").unlink()
    with av.open(str(folder / "depth.mkv"), "w") as container:
        stream = container.add_stream("ffv1", rate=30)
        stream.width, stream.height, stream.pix_fmt = *SIZE, "gray"
        container.mux(stream.encode(av.VideoFrame.from_ndarray(colours(0)[..., 0], "gray")))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda folder: (folder / CALIBRATION).unlink(), "no calibration"),
        (broken_calibration, "focal length of 0"),
        (other_size, "its calibration is for 128x96"),
        (lambda folder: (folder / "depth.mkv").unlink(), "neither depth.mkv nor"),
        (lambda folder: (folder / "colour.mkv").write_bytes(b""), "is empty"),
        (lambda folder: (folder / "depth.mkv").write_bytes(b"x" * 999), "not a video"),
        (eight_bits, "16-bit"),
        (eight_bit_video, "16-bit"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, harm: object, said: str) -> None:
    folder = write(tmp_path / "a")
    harm(folder)  # type: ignore[operator]
    with pytest.raises(InputError, match=said):
        read(folder)


def test_different_times(tmp_path: Path) -> None:
    folder = write(tmp_path / "a", depth_at=60)
    with pytest.raises(InputError, match="different times"):
        read(folder)
    folder = write_files(tmp_path / "b", ["0", "33333"], ["left", "right"])
    with pytest.raises(InputError, match="only colour or depth"):
        read(folder)


@pytest.mark.parametrize("spec", ["rgbd:", "rgbd:/no/such/folder"])
def test_no_folder(spec: str) -> None:
    with pytest.raises(InputError, match=r"[Ff]older"):
        open_source(spec)


@pytest.mark.parametrize("live", [False, True])
def test_what_came_is_recorded_not_what_was_drawn(tmp_path: Path, live: bool) -> None:
    with open_sink(f"rgbd:{tmp_path / 'a'}", SinkOptions(live=live, rate=30.0)) as sink:
        assert sink.lossless
        assert sink.recorder
        for index in range(3):
            came = Frame(
                colours(index), index, index * PERIOD, 500 + index * PERIOD, depth=depths(index), intrinsics=SEEN
            )
            drawn = Frame(colours(90 + index), index, index * PERIOD, 500.0)
            sink.write(Result(drawn, original=came))
            if index == 1:
                sink.write(Result(drawn, original=Frame(colours(1), 1, 0.0, 500.05, held=True)))
    frames = read(tmp_path / "a")
    assert len(frames) == 3
    for index, frame in enumerate(frames):
        np.testing.assert_array_equal(frame.pixels, colours(index))
        assert frame.intrinsics == SEEN
        measured(frame, index)


def test_recording_a_source_without_depth(tmp_path: Path) -> None:
    sink = open_sink(f"rgbd:{tmp_path / 'a'}", SinkOptions(live=False, rate=30.0))
    with pytest.raises(OutputError, match="gives none"):
        sink.write(Result(Frame(colours(0), 0, 0.0, 0.0)))


def test_a_recording_is_not_written_over(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    with pytest.raises(OutputError, match="already"):
        open_sink(f"rgbd:{folder}", SinkOptions(live=False, rate=30.0))
    with pytest.raises(OutputError, match="already"):
        RecordingWriter(folder, KNOWN)


def test_a_picture_of_another_size_is_refused(tmp_path: Path) -> None:
    with RecordingWriter(tmp_path / "a", KNOWN) as writer, pytest.raises(OutputError, match="start another"):
        writer.add_colour(colours(0)[:20], 0.0)


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        RecordingWriter(tmp_path / "file", KNOWN)


def test_closed_while_it_is_read(tmp_path: Path) -> None:
    with open_source(f"rgbd:{write(tmp_path / 'a')}", SourceOptions()) as source:
        frames = iter(source)
        next(frames)
        source.close()
        assert list(frames) == []


def test_played_like_a_camera_and_cut_short(tmp_path: Path) -> None:
    folder = write(tmp_path / "a")
    with open_source(f"rgbd:{folder}", SourceOptions(paced=True, limit_frames=3)) as source:
        assert source.live
        frames = list(source)
        assert source.pairing is not None
        assert source.pairing.paired == 3
    for index, frame in enumerate(frames):
        measured(frame, index)
