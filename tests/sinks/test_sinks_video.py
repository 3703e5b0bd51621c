"""The recorder: what is in its files, read back by FFmpeg, also after they were cut off."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
import pytest

from realtime.errors import DeviceLostError, OutputError
from realtime.provenance import METADATA
from realtime.sinks import open_sink
from realtime.sinks.base import SinkOptions

ROOT = Path(__file__).resolve().parents[2]
FILE = SinkOptions(live=False, rate=30.0, metadata=METADATA)
LIVE = SinkOptions(live=True, rate=30.0)
KINDS = ("mp4", "mov", "mkv", "webm")


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / np.mean((a.astype(float) - b) ** 2)))


def moving(card, count: int, width: int = 160, height: int = 96) -> list[np.ndarray]:
    return [np.roll(card(width, height), 4 * index, axis=1) for index in range(count)]


@pytest.mark.parametrize("kind", KINDS)
def test_pictures_times_and_marks_come_back(kind, card, make_result, read_video, tmp_path) -> None:
    path = tmp_path / f"out.{kind}"
    pictures = moving(card, 40)
    times = np.cumsum(np.linspace(0.02, 0.05, 40)) - 0.02
    with open_sink(str(path), FILE) as sink:
        for index, pixels in enumerate(pictures):
            sink.write(make_result(pixels, index, times[index]))
    frames = read_video(path)
    assert len(frames) == 40
    assert np.abs([time for time, _ in frames] - times).max() < 0.0011  # Matroska counts milliseconds
    assert min(psnr(picture, pixels) for (_, picture), pixels in zip(frames, pictures, strict=True)) > 24
    with av.open(str(path)) as container:
        tags = {key.lower(): value for key, value in container.metadata.items()}
        assert all(tags[key] == value for key, value in METADATA)
        assert container.duration / 1e6 == pytest.approx(times[-1] + 1 / 30, abs=0.011)
        context = container.streams.video[0].codec_context
        assert (context.color_range, context.colorspace, context.pix_fmt) == (1, 1, "yuv420p")
        if kind != "webm":  # VP9's own header knows the matrix alone
            assert (context.color_primaries, context.color_trc) == (1, 1)


def test_flat_colours_are_exact(card, make_result, read_video, tmp_path) -> None:
    """Inside the quarters nothing but rounding remains: matrix and range are written and read alike."""
    with open_sink(str(tmp_path / "out.mp4"), FILE) as sink:
        for index in range(3):
            sink.write(make_result(card(160, 96), index))
    picture = read_video(tmp_path / "out.mp4")[-1][1].astype(int)
    inside = np.zeros((96, 160), bool)
    inside[8:40, 8:72] = inside[56:88, 8:72] = inside[8:40, 88:152] = inside[56:88, 88:152] = True
    assert np.abs(picture - card(160, 96))[inside].max() <= 8


def test_a_live_source_is_timed_by_the_clock(card, make_result, read_video, tmp_path) -> None:
    captured = [100.0, 100.04, 100.5, 100.5, 100.4, 101.0]  # twice the same, once backwards
    with open_sink(str(tmp_path / "out.mp4"), LIVE) as sink:
        for index, at in enumerate(captured):
            sink.write(make_result(card(64, 64), index, captured=at))
    times = [time for time, _ in read_video(tmp_path / "out.mp4")]
    assert times == pytest.approx([0, 0.04, 0.5, 0.501, 0.502, 1.0], abs=1e-4)


@pytest.mark.parametrize(("size", "expected"), [((1, 1), (2, 2)), ((37, 51), (38, 52)), ((3, 500), (4, 500))])
def test_odd_sizes_become_even(size, expected, make_result, rng, tmp_path) -> None:
    with open_sink(str(tmp_path / "out.mp4"), FILE) as sink:
        for index in range(2):
            sink.write(make_result(rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8), index))
    with av.open(str(tmp_path / "out.mp4")) as container:
        frames = list(container.decode(video=0))
    assert [(frame.width, frame.height) for frame in frames] == [expected] * 2


def test_a_later_size_is_letterboxed(make_result, read_video, tmp_path) -> None:
    with open_sink(str(tmp_path / "out.mp4"), FILE) as sink:
        for index, shape in enumerate([(64, 128, 3), (64, 64, 3), (256, 512, 3)]):
            sink.write(make_result(np.full(shape, 220, np.uint8), index))
    first, second, third = (picture for _, picture in read_video(tmp_path / "out.mp4"))
    assert first.shape == second.shape == third.shape == (64, 128, 3)
    assert second[:, :28].max() < 12 and second[:, 100:].max() < 12 and second[:, 36:92].min() > 200
    assert third.min() > 200


# --- sound


def clip_with_sound(path: Path, container: str, codec: str, video_delay: float = 0.0, rate: int = 48_000) -> None:
    """Two seconds: the picture is white and the tone sounds between 1.0 and 1.2 s of the video's own time."""
    fps = 25
    with av.open(str(path), "w", format=container) as output:
        video = output.add_stream("mpeg4", rate=fps)
        video.width = video.height = 64
        audio = output.add_stream(codec, rate=rate, layout="mono")
        seconds = np.arange(int(rate * (2 + video_delay))) / rate - video_delay
        wave = np.where((seconds >= 1.0) & (seconds < 1.2), 0.5 * np.sin(2 * np.pi * 1000 * seconds), 0)
        for start in range(0, len(wave), 960):
            frame = av.AudioFrame.from_ndarray(
                (wave[None, start : start + 960] * 32767).astype(np.int16), "s16", "mono"
            )
            frame.rate, frame.pts = rate, start
            output.mux(audio.encode(frame))
        output.mux(audio.encode(None))
        for index in range(2 * fps):
            white = 1.0 <= index / fps < 1.2
            frame = av.VideoFrame.from_ndarray(np.full((64, 64, 3), 255 if white else 0, np.uint8))
            frame.pts = index + round(video_delay * fps)
            output.mux(video.encode(frame))
        output.mux(video.encode(None))


def onset_and_end(path: Path) -> tuple[float, float, str]:
    """When the tone begins and when the sound ends, in seconds of the file, and the codec."""
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        chunks = [(float(frame.time), frame.rate, frame.to_ndarray()) for frame in container.decode(stream)]
        name = stream.codec_context.name
    for time_s, rate, samples in chunks:
        level = np.abs(samples[0] / (32768 if samples.dtype == np.int16 else 1))
        if level.max() > 0.1:
            onset = time_s + int(np.argmax(level > 0.1)) / rate
            break
    return onset, chunks[-1][0] + chunks[-1][2].shape[1] / chunks[-1][1], name


@pytest.mark.parametrize(
    ("source", "codec", "kind", "expected"),
    [
        ("mp4", "aac", "mp4", "aac"),
        ("mp4", "aac", "mkv", "aac"),
        ("matroska", "libopus", "webm", "opus"),
        ("matroska", "flac", "mkv", "flac"),
        ("mov", "pcm_s16le", "mp4", "aac"),  # MP4 has no such tag: encoded anew
        ("mov", "pcm_s16le", "mov", "pcm_s16le"),
        ("mp4", "aac", "webm", "opus"),
        ("mpegts", "aac", "mp4", "aac"),  # without the one description that MP4 wants
    ],
)
@pytest.mark.parametrize("delay", [0.0, 0.4])
def test_sound_stays_in_step(source, codec, kind, expected, delay, make_result, read_video, tmp_path) -> None:
    clip, out = tmp_path / f"in.{source}", tmp_path / f"out.{kind}"
    clip_with_sound(clip, source, codec, delay, 44_100 if codec == "pcm_s16le" else 48_000)
    frames = read_video(clip)
    start = frames[0][0]
    options = SinkOptions(live=False, rate=25.0, audio=clip)
    with open_sink(str(out), options) as sink:
        for index, (time_s, pixels) in enumerate(frames):
            sink.write(make_result(pixels, index, time_s - start))
    onset, _, name = onset_and_end(out)
    flash = next(time_s for time_s, picture in read_video(out) if picture.mean() > 128)
    assert expected in name
    assert onset - flash == pytest.approx(0, abs=0.03)  # a packet of sound lasts 20 ms


def test_sound_ends_with_the_picture(make_result, read_video, tmp_path) -> None:
    clip_with_sound(tmp_path / "in.mp4", "mp4", "aac")
    with open_sink(str(tmp_path / "out.mp4"), SinkOptions(False, 25.0, tmp_path / "in.mp4")) as sink:
        for index, (time_s, pixels) in enumerate(read_video(tmp_path / "in.mp4")[:30]):
            sink.write(make_result(pixels, index, time_s))
    assert onset_and_end(tmp_path / "out.mp4")[1] == pytest.approx(30 / 25, abs=0.03)


@pytest.mark.parametrize("kind", ["mkv", "mp4"])
def test_damaged_sound_does_not_stop_the_picture(kind, rng, make_result, read_video, tmp_path) -> None:
    """The clip loses its end, and bytes in its middle: copied for Matroska, decoded for MP4."""
    clip_with_sound(tmp_path / "in.mkv", "matroska", "pcm_s16le")
    frames = read_video(tmp_path / "in.mkv")
    data = bytearray((tmp_path / "in.mkv").read_bytes()[:-60_000])
    for at in rng.integers(len(data) // 3, len(data), 40):
        data[at : at + 50] = rng.bytes(50)
    (tmp_path / "in.mkv").write_bytes(data)
    with open_sink(str(tmp_path / f"out.{kind}"), SinkOptions(False, 25.0, tmp_path / "in.mkv")) as sink:
        for index, (time_s, pixels) in enumerate(frames):
            sink.write(make_result(pixels, index, time_s))
    assert len(read_video(tmp_path / f"out.{kind}")) == len(frames)


def test_a_silent_source_gives_a_silent_file(make_result, card, tmp_path) -> None:
    with open_sink(str(tmp_path / "in.mp4"), FILE) as sink:
        sink.write(make_result(card(64, 64)))
    with open_sink(str(tmp_path / "out.mp4"), SinkOptions(False, 30.0, tmp_path / "in.mp4")) as sink:
        sink.write(make_result(card(64, 64)))
    with av.open(str(tmp_path / "out.mp4")) as container:
        assert not container.streams.audio


# --- stopped early


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_cut_off_anywhere_plays(kind, rng, make_result, read_video, tmp_path) -> None:
    """What is on the disk while recording goes on, cut once more at any byte, plays up to there."""
    path, cut = tmp_path / f"out.{kind}", tmp_path / f"cut.{kind}"
    picture = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    with open_sink(str(path), FILE) as sink:
        for index in range(150):
            sink.write(make_result(np.roll(picture, 3 * index, axis=1), index))
        shutil.copy(path, cut)
    whole = cut.read_bytes()
    assert len(read_video(cut)) >= 110  # a key frame a second: that much is lost at most
    counts = []
    for share in (0.4, 0.6, 0.77, 0.9):
        cut.write_bytes(whole[: int(share * len(whole))])
        counts.append(len(read_video(cut)))
    assert counts[0] > 0 and counts == sorted(counts)


RECORD = """
import itertools, json, sys, resource
from pathlib import Path
import numpy as np
from realtime.errors import DeviceLostError
from realtime.frame import Frame, Result
from realtime.sinks import open_sink
from realtime.sinks.base import SinkOptions

path, limit = sys.argv[1], int(sys.argv[2])
audio = Path(sys.argv[3]) if len(sys.argv) > 3 else None
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
picture = np.random.default_rng(1).integers(0, 256, (96, 128, 3), dtype=np.uint8)
try:
    with open_sink(path, SinkOptions(live=False, rate=30.0, audio=audio)) as sink:
        for index in itertools.count():
            sink.write(Result(Frame(np.roll(picture, index, axis=1), index, index / 30, 0.0)))
            print(index, flush=True)
except DeviceLostError as error:
    print(json.dumps(str(error)))
"""


def record(path: Path, limit: int, *audio: str) -> subprocess.Popen[str]:
    """Another process that records until it is stopped or its file exceeds `limit` bytes."""
    command = [sys.executable, "-c", RECORD, str(path), str(limit), *audio]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": "."})


@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_a_killed_recording_plays(kind, read_video, tmp_path) -> None:
    path = tmp_path / f"out.{kind}"
    with record(path, 1 << 40) as process:
        written = [int(line) for line in itertools.islice(process.stdout, 100)]
        process.send_signal(signal.SIGKILL)
    assert len(read_video(path)) >= len(written) - 31


@pytest.mark.parametrize("kind", KINDS)
def test_a_full_disk_is_told_and_the_file_plays(kind, read_video, tmp_path) -> None:
    clip_with_sound(tmp_path / "in.mp4", "mp4", "aac")
    path = tmp_path / f"out.{kind}"
    with record(path, 500_000, str(tmp_path / "in.mp4")) as process:
        lines = process.stdout.read().splitlines()
    assert process.returncode == 0
    message = json.loads(lines[-1])
    assert str(path) in message and "free some space" in message
    assert len(read_video(path)) >= len(lines) - 2 - 62  # at most a second in the file, and one waiting for sound


# --- opening


@pytest.mark.parametrize("name", ["missing/out.mp4", "taken/out.mp4", "folder.mp4"])
def test_files_that_cannot_be_opened(name: str, tmp_path) -> None:
    (tmp_path / "taken").touch()
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(OutputError, match="choose a folder") as caught:
        open_sink(str(tmp_path / name), FILE)
    assert name in str(caught.value)


def test_the_source_is_never_written_over(tmp_path) -> None:
    clip_with_sound(tmp_path / "in.mp4", "mp4", "aac")
    before = (tmp_path / "in.mp4").read_bytes()
    (tmp_path / "link.mp4").symlink_to(tmp_path / "in.mp4")
    with pytest.raises(OutputError, match="the source itself"):
        open_sink(str(tmp_path / "link.mp4"), SinkOptions(False, 25.0, tmp_path / "in.mp4"))
    assert (tmp_path / "in.mp4").read_bytes() == before


def test_without_a_frame_nothing_changes(tmp_path) -> None:
    (tmp_path / "old.mp4").write_bytes(b"something")
    for name in ("old.mp4", "new.mp4"):
        open_sink(str(tmp_path / name), FILE).close()
    assert (tmp_path / "old.mp4").read_bytes() == b"something"
    assert not (tmp_path / "new.mp4").exists()


def test_an_older_longer_file_is_replaced(card, make_result, read_video, tmp_path) -> None:
    (tmp_path / "out.mp4").write_bytes(b"x" * 1_000_000)
    with open_sink(str(tmp_path / "out.mp4"), FILE) as sink:
        sink.write(make_result(card(64, 64)))
        sink.close()  # and once more by the context manager
    assert len(read_video(tmp_path / "out.mp4")) == 1
    assert (tmp_path / "out.mp4").stat().st_size < 20_000


def test_a_disk_that_goes_away_is_reported_once(make_result, card, tmp_path) -> None:
    sink = open_sink(str(tmp_path / "out.mp4"), FILE)
    sink._file._file.close()
    sink._file._file = (tmp_path / "out.mp4").open("rb", buffering=0)  # takes no data from now on
    with pytest.raises(DeviceLostError, match="stopped"):
        for index in range(100):
            sink.write(make_result(card(64, 64), index))
    sink.close()
