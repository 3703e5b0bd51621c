"""Video files: whole, broken and odd ones."""

from __future__ import annotations

import os
import threading
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from sources_making import number_of, numbered, packet_places, write_video

from realtime.errors import InputError
from realtime.frame import Frame
from realtime.sources import SourceOptions, open_source
from realtime.sources.video import MediaClock, VideoFile


def frames_of(path: Path, **options: object) -> list[Frame]:
    with open_source(str(path), SourceOptions(**options)) as source:  # type: ignore[arg-type]
        return list(source)


def numbers(frames: list[Frame]) -> list[int]:
    return [number_of(frame.pixels) for frame in frames]


@pytest.mark.parametrize(
    ("suffix", "codec", "pix_fmt"),
    [
        (".mp4", "libx264", "yuv420p"),
        (".mp4", "libx265", "yuv420p10le"),
        (".mkv", "ffv1", "yuv444p"),
        (".webm", "libvpx-vp9", "yuv420p"),
        (".avi", "mjpeg", "yuvj422p"),
        (".ts", "mpeg2video", "yuv420p"),
        (".mov", "prores_ks", "yuv422p10le"),
        (".gif", "gif", "rgb8"),
    ],
)
def test_every_frame_comes_once_in_order(suffix: str, codec: str, pix_fmt: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"clip{suffix}", [numbered(i) for i in range(25)], codec, pix_fmt, rate=25)
    frames = frames_of(path)
    assert [frame.index for frame in frames] == list(range(25))
    if suffix != ".gif":  # 8 levels of red are too few to number frames
        assert numbers(frames) == list(range(25))
    assert np.allclose([frame.time_s for frame in frames], np.arange(25) / 25, atol=0.011)


def test_two_runs_are_equal(tmp_path: Path, rng: np.random.Generator) -> None:
    pictures = [rng.integers(0, 256, (48, 64, 3), dtype=np.uint8) for _ in range(40)]
    path = write_video(tmp_path / "noise.mp4", pictures, "libx264", "yuv420p")
    first, second = frames_of(path), frames_of(path)
    assert all(np.array_equal(a.pixels, b.pixels) and a.time_s == b.time_s for a, b in zip(first, second, strict=True))


def test_what_a_file_says_of_itself(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(12)], "libx264", "yuv420p", rate=24)
    with VideoFile(str(path)) as source:
        assert (source.size, source.rate, source.frames, source.path) == ((64, 48), 24.0, 12, path)
        assert not source.live
        assert source.tracked


@pytest.mark.parametrize("anticlockwise", [0, 90, 180, 270])
def test_rotation_is_undone(anticlockwise: int, tmp_path: Path) -> None:
    turned = numbered(3)  # its bright corner is top left
    path = write_video(tmp_path / "turned.mp4", [turned] * 3, "libx264", "yuv420p", rotation=anticlockwise)
    with VideoFile(str(path)) as source:
        frame = next(iter(source))
        assert frame.size == source.size == ((64, 48) if anticlockwise % 180 == 0 else (48, 64))
    expected = np.rot90(turned, anticlockwise // 90)
    assert np.abs(frame.pixels.astype(int) - expected).mean() < 4


@pytest.mark.parametrize(
    ("shape", "size", "left"),
    [(Fraction(4, 3), (64, 48), Fraction(1)), (Fraction(15, 16), (48, 48), Fraction(15, 16))],
)
def test_pixels_become_square_unless_they_nearly_are(
    shape: Fraction, size: tuple[int, int], left: Fraction, tmp_path: Path
) -> None:
    pictures = [numbered(0, 48, 48)] * 2
    path = write_video(tmp_path / "wide.mp4", pictures, "libx264", "yuv420p", sample_aspect_ratio=shape)
    with VideoFile(str(path)) as source:
        assert source.pixel_shape == left
        assert {frame.size for frame in source} == {size}


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (2, 3), (63, 47), (641, 1)])
def test_odd_sizes(size: tuple[int, int], tmp_path: Path) -> None:
    path = write_video(tmp_path / "odd.mov", [numbered(5, *size)] * 2, "png", "rgb24")
    frames = frames_of(path)
    assert [frame.size for frame in frames] == [size] * 2


def test_size_changes_in_the_middle(tmp_path: Path) -> None:
    sizes = [(64, 48), (96, 80), (64, 48)]
    parts = [
        write_video(tmp_path / f"{i}.ts", [numbered(j, *size) for j in range(10)], "libx264", "yuv420p", rate=25)
        for i, size in enumerate(sizes)
    ]
    joined = tmp_path / "joined.ts"
    joined.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = frames_of(joined)
    assert [frame.size for frame in frames] == [size for size in sizes for _ in range(10)]
    assert numbers(frames) == [*range(10)] * 3
    times = [frame.time_s for frame in frames]
    assert np.all(np.diff(times) > 0)
    assert times[-1] == pytest.approx(29 / 25, abs=0.1)


def test_variable_frame_rate(tmp_path: Path) -> None:
    stamps = [0, 10, 50, 60, 200, 1200]
    path = write_video(tmp_path / "vfr.mkv", [numbered(i) for i in range(6)], "ffv1", "yuv444p", stamps=stamps)
    assert [frame.time_s for frame in frames_of(path)] == pytest.approx([stamp / 1000 for stamp in stamps])


def test_time_starts_at_zero_and_never_goes_back() -> None:
    clock = MediaClock(10.0)
    stamps = [5.0, 5.1, 5.2, None, 0.0, 0.1, 0.05, 0.1]
    assert [clock(stamp) for stamp in stamps] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.65])


@pytest.mark.parametrize("suffix", [".mkv", ".ts", ".mp4", ".avi"])
def test_truncated_file_gives_what_is_there(suffix: str, tmp_path: Path) -> None:
    # MPEG-4 index in front, as cameras and the network have it
    front = {"movflags": "faststart"} if suffix == ".mp4" else {}
    codec, pix_fmt = ("mpeg2video", "yuv420p") if suffix == ".ts" else ("mjpeg", "yuvj444p")
    path = tmp_path / f"cut{suffix}"
    write_video(path, [numbered(i) for i in range(30)], codec, pix_fmt, container_options=front)
    places = packet_places(path)
    cut = places[20][0] + places[20][1] // 2
    path.write_bytes(path.read_bytes()[:cut])
    found = numbers(frames_of(path))
    assert found[:19] == list(range(19))
    assert len(found) <= 21


@pytest.mark.parametrize("suffix", [".mkv", ".avi", ".mp4"])
def test_corrupt_packet_is_passed_over_and_counted(suffix: str, tmp_path: Path) -> None:
    path = write_video(tmp_path / f"broken{suffix}", [numbered(i) for i in range(30)])
    place, size = packet_places(path)[12]
    data = bytearray(path.read_bytes())
    data[place : place + size] = bytes(size)
    path.write_bytes(data)
    with VideoFile(str(path)) as source:
        frames = list(source)
        assert source.skipped == 1
    assert numbers(frames) == [i for i in range(30) if i != 12]
    assert [frame.index for frame in frames] == list(range(29))


def test_corrupt_predicted_packet_does_not_end_the_file(tmp_path: Path, rng: np.random.Generator) -> None:
    path = write_video(
        tmp_path / "broken.mp4", [numbered(i) for i in range(60)], "libx264", "yuv420p", codec_options={"g": "10"}
    )
    data = bytearray(path.read_bytes())
    for place, size in packet_places(path)[24:26]:
        data[place : place + size] = rng.integers(0, 256, size, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    with VideoFile(str(path)) as source:
        frames = list(source)
        assert len(frames) + source.skipped <= 60
        assert source.skipped >= 1
    assert len(frames) >= 50
    assert numbers(frames)[-20:] == [i % 32 for i in range(40, 60)]


def make_wav(path: Path) -> None:
    with av.open(str(path), "w", format="wav") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        container.mux([*stream.encode(frame), *stream.encode(None)])


def make_header_alone(path: Path) -> None:
    with av.open(str(path), "w", format="matroska") as container:
        stream = container.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        container.start_encoding()


def make_undecodable(path: Path) -> None:
    write_video(path, [numbered(i) for i in range(3)], container_format="matroska")
    data = bytearray(path.read_bytes())
    for place, size in packet_places(path):
        data[place : place + size] = bytes(size)
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: None, "no file"),
        (lambda path: path.touch(), "is empty"),
        (lambda path: path.mkdir(), "is a folder"),
        (lambda path: path.write_text("this is no video\n" * 100), "not a video"),
        (lambda path: path.write_bytes(os.urandom(5000)), "video|picture"),
        (make_wav, "only sound"),
        (make_header_alone, "no picture that can be decoded|a piece is missing"),
        (make_undecodable, "no picture that can be decoded|a piece is missing"),
    ],
)
def test_files_that_are_no_video(make: object, words: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.mp4"
    make(path)  # type: ignore[operator]
    with pytest.raises(InputError, match=words) as caught:
        open_source(str(path))
    sentence = str(caught.value)
    assert str(path) in sentence
    assert sentence.endswith(".")
    assert "\n" not in sentence


def test_one_frame_is_a_video(tmp_path: Path) -> None:
    assert numbers(frames_of(write_video(tmp_path / "one.mp4", [numbered(9)], "libx264", "yuv420p"))) == [9]


def test_loop_goes_on(tmp_path: Path) -> None:
    path = write_video(tmp_path / "loop.mp4", [numbered(i) for i in range(7)], "libx264", "yuv420p", rate=25)
    frames = frames_of(path, loop=True, limit_frames=20)
    assert numbers(frames) == [i % 7 for i in range(20)]
    assert [frame.index for frame in frames] == list(range(20))
    assert [frame.time_s for frame in frames] == pytest.approx(np.arange(20) / 25)


@pytest.mark.parametrize(
    ("options", "count"),
    [({"limit_frames": 4}, 4), ({"limit_s": 0.2}, 5), ({"limit_s": 9.0}, 15), ({"limit_s": 0.2, "limit_frames": 3}, 3)],
)
def test_limits(options: dict[str, float], count: int, tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(15)], "libx264", "yuv420p", rate=25)
    with open_source(str(path), SourceOptions(**options)) as source:  # type: ignore[arg-type]
        assert source.frames == count
        assert len(list(source)) == count


def test_close_from_another_thread_ends_the_iteration(tmp_path: Path) -> None:
    path = write_video(tmp_path / "loop.mp4", [numbered(i) for i in range(30)], "libx264", "yuv420p")
    source = open_source(str(path), SourceOptions(loop=True))
    seen = []
    reading = threading.Thread(target=lambda: seen.extend(frame.index for frame in source))
    reading.start()
    closing = threading.Timer(0.2, source.close)
    closing.start()
    reading.join(10)
    assert not reading.is_alive()
    assert seen
    source.close()


def test_closed_before_the_first_frame(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(3)], "libx264", "yuv420p")
    source = open_source(str(path))
    source.close()
    assert list(source) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="named pipes are a matter of Unix")
def test_close_while_a_pipe_gives_nothing(tmp_path: Path) -> None:
    clip = write_video(tmp_path / "clip.ts", [numbered(i) for i in range(100)], "mpeg2video", "yuv420p")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    release = threading.Event()

    def feed() -> None:
        with pipe.open("wb") as stream:
            stream.write(clip.read_bytes())
            stream.flush()
            release.wait(30)

    feeding = threading.Thread(target=feed)
    feeding.start()
    try:
        source = open_source(str(pipe))
        ended = threading.Event()
        few = threading.Event()

        def read() -> None:
            for frame in source:
                if frame.index == 10:
                    few.set()
            ended.set()

        threading.Thread(target=read, daemon=True).start()
        assert few.wait(20)
        source.close()
        assert ended.wait(5), "closing has to end the iteration although the pipe is still open"
    finally:
        release.set()
        feeding.join(20)


def test_paced_file_is_live(tmp_path: Path) -> None:
    path = write_video(tmp_path / "clip.mp4", [numbered(i) for i in range(10)], "libx264", "yuv420p", rate=100)
    with open_source(str(path), SourceOptions(paced=True)) as source:
        assert source.live
        frames = list(source)
    captured = np.array([frame.captured for frame in frames])
    assert numbers(frames) == list(range(10))
    assert np.diff(captured) == pytest.approx(np.full(9, 0.01), abs=1e-6) or np.diff(captured).max() > 0.2


@pytest.mark.parametrize("name", ["d3", "d6", "d9", "d10", "d12", "s18"])
def test_real_clip_against_opencv(name: str, data: Path) -> None:
    path = data / f"video_{name}.mp4"
    capture = cv2.VideoCapture(str(path))
    size = capture.get(cv2.CAP_PROP_FRAME_WIDTH), capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    rate, count = capture.get(cv2.CAP_PROP_FPS), capture.get(cv2.CAP_PROP_FRAME_COUNT)
    with VideoFile(str(path)) as source:
        assert (source.size, source.rate, source.frames) == (size, pytest.approx(rate), count)
        for frame in islice(source, 5):
            pixels = cv2.cvtColor(capture.read()[1], cv2.COLOR_BGR2RGB)
            if frame.size[1] < 720:  # OpenCV takes BT.601 for everything
                assert np.abs(frame.pixels.astype(int) - pixels).mean() < 3


def test_real_clip_has_all_its_frames(data: Path) -> None:
    assert len(frames_of(data / "video_d12.mp4")) == 183
