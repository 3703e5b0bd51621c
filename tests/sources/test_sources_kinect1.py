"""Kinect v1: through the real libfreenect (its twin fakenect plays what is synthesised here), and through a stand-in
where hardware would have to be pulled out."""

from __future__ import annotations

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from realtime.errors import DeviceLostError, InputError, OutputError
from realtime.frame import Intrinsics
from realtime.rgbd import fakenect, kinect1
from realtime.rgbd.calibration import Calibration
from realtime.rgbd.pairing import Pairing
from realtime.rgbd.registration import Registration
from realtime.sources import SourceOptions, freenect, open_source
from realtime.sources.kinect1 import KinectFeed
from realtime.sources.live import LiveInput, Patience

ROOT = Path(__file__).resolve().parents[2]
NEAR_MM, FAR_MM = 700, 2000


def fakenect_folder() -> Path:
    """Where the twin of the system's library is."""
    for folder in ("/usr/lib", "/usr/local/lib", "/usr/lib64"):
        found = sorted(Path(folder).glob("**/fakenect/libfreenect.so*"))
        if found:
            return found[0].parent
    if sys.platform == "linux" and (os.environ.get("CI") or os.geteuid() == 0):
        pytest.fail("fakenect is missing, and setup.sh could have installed it (libfreenect0.5)")
    pytest.skip("fakenect is not installed: sudo apt-get install libfreenect0.5")


def scene(index: int) -> tuple[np.ndarray, np.ndarray]:
    """(480, 640, 3) colour with a real face, and (480, 640) millimetres of a plane with a box in front."""
    from skimage.data import astronaut

    colour = np.full((480, 640, 3), 90, np.uint8)
    colour[:, 120:600] = cv2.resize(astronaut(), (480, 480))
    depth = np.full((480, 640), FAR_MM, np.float64)
    depth[40:300, 200 + 5 * index : 400 + 5 * index] = NEAR_MM
    return colour, depth


def record(folder: Path, count: int, gap_s: float = 1 / 30) -> Path:
    """What a Kinect would have given, in fakenect's format, depth 5 ms before colour."""
    writer = fakenect.FakenectWriter(folder)
    for index in range(count):
        colour, depth = scene(index)
        stamp = 2**32 - 2_000_000 + index * 2_000_000  # the Kinect's clock overflows on the way
        writer.add_depth(kinect1.raw_depth(depth).tobytes(), 100 + index * gap_s, stamp % 2**32)
        writer.add_colour(colour.tobytes(), 100.005 + index * gap_s, (stamp + 300_000) % 2**32)
    return folder


def run_with_fakenect(recording: Path, *arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    hidden = ("DISPLAY", "WAYLAND_DISPLAY")
    environment = {
        **{key: value for key, value in os.environ.items() if key not in hidden},
        "LD_LIBRARY_PATH": str(fakenect_folder()),
        "FAKENECT_PATH": str(recording),
        "FAKENECT_LOOP": "0",
    }
    command = [sys.executable, str(ROOT / "run_live.py"), "--source", "kinect1:0", *map(str, arguments)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=110, check=False)


def test_from_the_sensor_to_the_mode_and_back_to_a_recording(tmp_path: Path) -> None:
    """The whole way with real libfreenect code, until the recording ends: a Kinect that is pulled out."""
    recording = record(tmp_path / "kinect", 20, gap_s=0.15)
    done = run_with_fakenect(
        recording,
        *("--mode", "depth", "--sink", "out.mp4", "--sink", "rgbd:again", "--save-kinect", "raw"),
        *("--save-depth", "depth", "--save-normals", "normals"),
        *("--report", "r.json", "--tracks", "t.jsonl", "--lost-after", "1.5"),
        cwd=tmp_path,
    )
    assert done.returncode == 3, done.stderr
    assert "Kinect 0 did not come back" in done.stderr
    report = json.loads((tmp_path / "r.json").read_text())
    depth = report["source"]["depth"]
    assert depth["paired"] >= 1, "on a busy machine most of it has passed before the first frame is drawn"
    assert depth["alone"] == 0
    assert depth["apart_ms"]["p50"] == pytest.approx(5, abs=0.1)
    with av.open(str(tmp_path / "out.mp4")) as container:
        shown = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    assert shown
    away = np.abs(shown[0].astype(int) - scene(0)[0]).mean(axis=2)
    assert away[100:240, 300:380].mean() > 25, "the mode shows the near board"
    assert away[20:300, 10:110].mean() < 4, "and not the wall behind it"
    faces = [json.loads(line)["faces"] for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert sum(map(bool, faces)) >= len(faces) // 2
    # what was kept of the raw stream is what the Kinect gave
    kept = fakenect.entries(tmp_path / "raw")
    original = {entry.stamp: entry.path for entry in fakenect.entries(recording)}
    assert all(entry.path.read_bytes() == original[entry.stamp].read_bytes() for entry in kept)
    assert len(kept) >= 10
    # and the recording of colour and depth has the box where the colour camera sees it
    with open_source(f"rgbd:{tmp_path / 'again'}") as source:
        frame = next(iter(source))
    check_box(frame.depth)
    # as have the saved maps: the board faces the camera
    name = min(path.name for path in (tmp_path / "depth").iterdir())
    check_box(cv2.imread(str(tmp_path / "depth" / name), cv2.IMREAD_UNCHANGED))
    normals = cv2.imread(str(tmp_path / "normals" / name), cv2.IMREAD_UNCHANGED)[..., ::-1] / 32767.5 - 1
    board = normals[normals[..., 2] > 0]
    assert len(board) > 5000
    assert np.median(board[:, 2]) > 0.97


def check_box(depth: np.ndarray | None) -> None:
    """The near box of `scene`, seen by the colour camera: by the formula, corner by corner."""
    assert depth is not None
    inner = depth[100:240]
    near = (inner > 0) & (inner < (NEAR_MM + FAR_MM) / 2)
    columns = np.flatnonzero(near.all(axis=0))
    seen, known = kinect1.CALIBRATION.depth.intrinsics, kinect1.CALIBRATION.colour.intrinsics
    left = [known.fx * ((200 + 5 * index - seen.cx) / seen.fx - 25 / NEAR_MM) + known.cx for index in range(20)]
    assert min(abs(columns[0] - edge) for edge in left) < 1.6
    assert columns[-1] - columns[0] == pytest.approx(199 * known.fx / seen.fx, abs=2)
    assert np.median(inner[near]) == pytest.approx(NEAR_MM, abs=2)
    far = depth[350:450, 250:450]
    assert np.median(far) == pytest.approx(FAR_MM, abs=10)
    assert (far == 0).mean() < 0.01


def test_a_damaged_recording_does_not_end_the_process(tmp_path: Path) -> None:
    recording = record(tmp_path / "kinect", 2)
    next(recording.glob("d-*")).unlink()
    done = run_with_fakenect(recording, "--sink", "null", cwd=tmp_path)
    assert done.returncode == 2
    assert "is listed in INDEX.txt and missing" in done.stderr


def test_a_recording_has_no_infrared(tmp_path: Path) -> None:
    recording = record(tmp_path / "kinect", 2)
    done = run_with_fakenect(recording, "--source", "kinect1:0:ir", "--sink", "null", cwd=tmp_path)
    assert done.returncode == 2
    assert "no infrared" in done.stderr


def test_the_system_library_itself_is_asked(tmp_path: Path) -> None:
    """libfreenect, not its twin: on a machine without a Kinect it finds none."""
    fakenect_folder()
    environment = {key: value for key, value in os.environ.items() if key not in ("LD_LIBRARY_PATH", "FAKENECT_PATH")}
    command = [sys.executable, str(ROOT / "run_live.py"), "--source", "kinect1:63", "--sink", "null"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "Kinect" in done.stderr or "libfreenect cannot be started" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_without_the_library_the_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freenect, "_NAMES", ("libnosuchlibrary.so",))
    with pytest.raises(InputError, match="apt-get install libfreenect"):
        open_source("kinect1")


def test_another_library_of_that_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(freenect, "_NAMES", ("libc.so.6",))
    with pytest.raises(InputError, match="too old"):
        freenect.load()


class StandIn:
    """libfreenect's functions as Python; `script` is what the next calls of process_events do."""

    def __init__(self, devices: int = 1, opens: bool = True, starts: bool = True) -> None:
        self.devices, self.opens, self.starts = devices, opens, starts
        self.plugged = True
        self.sends = True
        self.video_format = -1
        self.tick = 0
        self.closed = 0
        self.level: int | None = None
        self._callbacks: dict[str, Any] = {}

    def freenect_set_flag(self) -> None: ...  # fakenect has none

    def freenect_init(self, context: Any, _: object) -> int:
        context._obj.value = 7
        return 0

    def freenect_shutdown(self, _: object) -> int:
        self.closed += 1
        return 0

    def freenect_set_log_level(self, _: object, level: int) -> None:
        self.level = level

    def freenect_select_subdevices(self, *_: object) -> None: ...

    def freenect_num_devices(self, _: object) -> int:
        return self.devices if self.plugged else 0

    def freenect_open_device(self, _: object, device: Any, number: int) -> int:
        device._obj.value = 8
        return 0 if self.opens else -1

    def freenect_close_device(self, _: object) -> int:
        return 0

    def freenect_find_video_mode(self, _: int, video: int) -> freenect.FrameMode:
        self.video_format = video
        rows, depth = (480, 3) if video == freenect.VIDEO_RGB else (488, 1)
        return freenect.FrameMode(bytes=640 * rows * depth, is_valid=1)

    def freenect_find_depth_mode(self, *_: int) -> freenect.FrameMode:
        return freenect.FrameMode(bytes=640 * 480 * 2, is_valid=1)

    def freenect_set_video_mode(self, *_: object) -> int:
        return 0

    freenect_set_depth_mode = freenect_stop_video = freenect_stop_depth = freenect_set_video_mode

    def freenect_set_video_callback(self, _: object, callback: Any) -> None:
        self._callbacks["video"] = callback

    def freenect_set_depth_callback(self, _: object, callback: Any) -> None:
        self._callbacks["depth"] = callback

    def freenect_start_video(self, _: object) -> int:
        return 0 if self.starts else -1

    freenect_start_depth = freenect_start_video

    def freenect_process_events_timeout(self, *_: object) -> int:
        time.sleep(0.01)
        if not self.plugged:
            return -1
        if self.sends:
            self.tick += 1
            for kind, pixels in (("depth", self.depth()), ("video", self.video())):
                data = pixels.tobytes()
                stamp = (self.tick * 600_000 + (0 if kind == "video" else self.lag)) % 2**32
                self._callbacks[kind](8, ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value, stamp)
        return 0

    lag = -60_000

    def depth(self) -> np.ndarray:
        return kinect1.raw_depth(np.full((480, 640), NEAR_MM))

    def video(self) -> np.ndarray:
        if self.video_format == freenect.VIDEO_RGB:
            return np.full((480, 640, 3), self.tick % 200, np.uint8)
        return np.repeat(np.arange(488, dtype=np.uint16)[:, None] % 256, 640, axis=1).astype(np.uint8)


QUICK = Patience(first=5.0, stall=0.15, hang=5.0, lost=1.0, retry=0.02, retry_most=0.05, repeat=0.02)


def plugged(library: StandIn, infrared: bool = False) -> LiveInput:
    def feed() -> KinectFeed:
        return KinectFeed(lambda: freenect.Device(library, 0, infrared), Registration(kinect1.CALIBRATION), infrared)

    return LiveInput("Kinect 0", feed, QUICK, Pairing())


@pytest.fixture
def library(monkeypatch: pytest.MonkeyPatch) -> Iterator[StandIn]:
    stand_in = StandIn()
    monkeypatch.setattr(freenect, "load", lambda: stand_in)
    yield stand_in


def test_pulled_out_held_and_back_again() -> None:
    library = StandIn()
    with plugged(library) as source:
        frames = iter(source)
        assert next(frames).depth is not None
        library.plugged = False
        held = next(frame for frame in frames if frame.held)
        assert held.notice is not None
        assert "Kinect 0" in held.notice
        assert held.depth is not None, "the last picture stands with its depth"
        library.plugged = True
        back = next(frame for frame in frames if not frame.held)
        assert back.depth is not None
        assert back.index > held.index
    assert library.level == freenect.LOG_FATAL
    assert library.closed >= 2


def test_pulled_out_for_good() -> None:
    library = StandIn()
    with plugged(library) as source, pytest.raises(DeviceLostError, match="Kinect 0 did not come back"):
        for frame in source:
            library.plugged = frame.held and library.plugged


def test_a_sensor_that_falls_silent_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("realtime.sources.kinect1._SILENT_S", 0.2)
    library = StandIn()
    with plugged(library) as source, pytest.raises(DeviceLostError):
        for _ in source:
            library.sends = False


def test_depth_out_of_step_is_left_out_and_told() -> None:
    library = StandIn()
    library.lag = -30_000_000
    with plugged(library) as source:
        frame = next(frame for frame in source if frame.notice)
        assert frame.depth is None
        assert source.pairing is not None
        assert source.pairing.paired == 0
    assert frame.notice is not None
    assert frame.notice.startswith("no depth for")


@pytest.mark.parametrize("raw", [0, 2047, 65535])
def test_a_blind_or_dazzled_sensor(raw: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StandIn, "depth", lambda _: np.full((480, 640), raw, np.uint16))
    with plugged(StandIn()) as source:
        frame = next(iter(source))
    assert frame.depth is not None
    assert raw == 0 or not frame.depth.any()


def test_infrared_for_the_dark(library: StandIn) -> None:
    with open_source("kinect1:0:ir") as source:
        frame = next(iter(source))
        assert source.size == (640, 480)
        assert source.rate == 30
    assert library.video_format == freenect.VIDEO_IR_8BIT
    np.testing.assert_array_equal(frame.pixels[:, 5, 1], np.arange(4, 484) % 256)
    assert frame.depth is not None
    np.testing.assert_allclose(frame.depth.astype(int), NEAR_MM, atol=2)  # one camera: nothing is moved
    assert frame.intrinsics == kinect1.CALIBRATION.depth.intrinsics


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"devices": 0}, "none found"),
        ({"opens": False}, "plugdev"),
        ({"starts": False}, "gives no video"),
    ],
)
def test_what_keeps_a_kinect_from_starting(state: dict[str, Any], said: str) -> None:
    library = StandIn(**state)
    with pytest.raises(InputError, match=said):
        freenect.Device(library, 0, False)
    assert library.closed == 1


@pytest.mark.parametrize("spec", ["kinect1:left", "kinect1:0:1", "kinect1:-1", "kinect1:0:IR"])
def test_no_such_kinect(spec: str) -> None:
    with pytest.raises(InputError, match="means nothing"):
        open_source(spec)


def test_its_own_calibration(library: StandIn, tmp_path: Path) -> None:
    path = tmp_path / "calibration.json"
    own = Calibration(kinect1.CALIBRATION.colour, kinect1.CALIBRATION.depth, translation_mm=np.array([0.0, 0, 100]))
    path.write_text(json.dumps(own.as_json()))
    with open_source("kinect1", SourceOptions(calibration=path)) as source:
        frame = next(iter(source))
    assert frame.depth is not None
    assert int(frame.depth[240, 320]) == pytest.approx(NEAR_MM + 100, abs=2)
    path.write_text(json.dumps(Calibration.registered((320, 240), Intrinsics(300, 300, 160, 120)).as_json()))
    with pytest.raises(InputError, match="for 320x240"):
        open_source("kinect1", SourceOptions(calibration=path))
    with pytest.raises(InputError, match="belongs to a Kinect"):
        open_source("demo", SourceOptions(calibration=path))


def test_what_cannot_be_kept(library: StandIn, tmp_path: Path) -> None:
    (tmp_path / fakenect.INDEX).touch()
    with pytest.raises(OutputError, match="already"):
        open_source("kinect1", SourceOptions(save_kinect=tmp_path))
    with pytest.raises(InputError, match="not infrared"):
        open_source("kinect1:ir", SourceOptions(save_kinect=tmp_path))
