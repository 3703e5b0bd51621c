"""Which cameras there are, which one is meant, and how it is asked for. No camera is needed."""

from __future__ import annotations

import ctypes
import errno
import re
import shutil
import subprocess
import sys
from pathlib import Path

import av
import pytest

from realtime.errors import InputError
from realtime.sources import Device, Mode, SourceOptions, open_source
from realtime.sources.camera import CameraOpener, find_camera
from realtime.sources.devices import list_devices
from realtime.sources.modes import choose_mode

CAMERAS = [
    Device("Integrated Camera", "/dev/video0", (Mode("yuyv422", 640, 480, (30.0,)),)),
    Device("C922 Pro Stream", "/dev/video2"),
    Device("c922", "/dev/video4"),
]


@pytest.mark.parametrize(
    ("which", "place"),
    [("", 0), ("0", 0), ("2", 2), ("C922", 2), ("c922 pro", 1), ("integrated", 0), ("/dev/video2", 1), ("Stream", 1)],
)
def test_the_camera_meant(which: str, place: int) -> None:
    assert find_camera(which, CAMERAS) is CAMERAS[place]


@pytest.mark.parametrize("which", ["3", "Logitech", "/dev/video9"])
def test_no_such_camera(which: str) -> None:
    with pytest.raises(InputError, match=f"no camera {which}.*0 Integrated Camera, 1 C922 Pro Stream, 2 c922"):
        find_camera(which, CAMERAS)


def test_no_camera_at_all() -> None:
    with pytest.raises(InputError, match=r"no camera on this machine \(camera Logi was asked for\)"):
        find_camera("Logi", [])


RAW = Mode("yuyv422", 1280, 720, (10.0, 5.0))
PACKED = Mode("mjpeg", 1280, 720, (60.0, 30.0))
SMALL = Mode("yuyv422", 640, 480, (30.0, 15.0))
SMALL_PACKED = Mode("mjpeg", 640, 480, (30.0, 15.0))
LARGE = Mode("mjpeg", 1920, 1080, (30.0,))
SOME = (RAW, PACKED, SMALL, SMALL_PACKED, LARGE)


@pytest.mark.parametrize(
    ("modes", "wanted", "expected"),
    [
        (SOME, (None, None, None), PACKED),  # MJPEG where it gives more frames/s
        (SOME, (None, None, 10.0), RAW),
        (SOME, (640, 480, None), SMALL),  # and only there
        (SOME, (1900, 1000, None), LARGE),
        ((SMALL_PACKED,), (1280, 720, 60.0), SMALL_PACKED),
        ((RAW,), (None, None, None), RAW),
        ((), (None, None, None), None),
    ],
)
def test_the_mode_chosen(modes: tuple[Mode, ...], wanted: tuple[int, int, float], expected: Mode | None) -> None:
    assert choose_mode(modes, *wanted) is expected


def test_camera_that_was_unplugged() -> None:
    with pytest.raises(InputError, match="c922 is not plugged in"):
        CameraOpener(CAMERAS[2], SourceOptions(), devices=lambda: CAMERAS[:2])()


@pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux")
def test_camera_that_does_not_start(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path / "video0"):
        device = Device("Fake", str(path), CAMERAS[0].modes)
        with pytest.raises(InputError, match="Camera Fake cannot be started") as caught:
            CameraOpener(device, SourceOptions(), devices=lambda device=device: [device])()
        assert "\n" not in str(caught.value)
        (tmp_path / "video0").touch()


@pytest.mark.parametrize(
    ("code", "words"), [(errno.EBUSY, "another program"), (errno.EACCES, "allow it"), (errno.EIO, "cannot be started")]
)
def test_sentences(code: int, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        av.error.err_check(-code)

    monkeypatch.setattr(av, "open", refuse)
    with pytest.raises(InputError, match=f"Camera c922.*{words}"):
        CameraOpener(CAMERAS[2], SourceOptions(), devices=lambda: CAMERAS)()


def test_devices_of_this_machine() -> None:
    for device in list_devices():
        assert device.name
        assert device.address


@pytest.mark.skipif(bool(list_devices()), reason="there is a camera")
def test_auto_without_a_camera_is_the_demo() -> None:
    assert open_source("auto").size == (1280, 720)
    with pytest.raises(InputError, match="no camera"):
        open_source("camera")


@pytest.mark.parametrize("spec", ["webcam:0", "tape:reel"])
def test_unknown_kind_lists_the_known(spec: str) -> None:
    with pytest.raises(InputError, match=f"kind {spec.split(':')[0]} .*camera:NUMBER.*images:FOLDER.*demo"):
        open_source(spec)


@pytest.mark.parametrize(
    ("spec", "words"),
    [("", "No source"), ("images:", "No folder"), ("demo:3", "no argument"), (r"C:\nothing.mp4", "no file")],
)
def test_specs_that_say_nothing(spec: str, words: str) -> None:
    with pytest.raises(InputError, match=words):
        open_source(spec)


@pytest.mark.parametrize("scheme", ["http", "rtsp", "tcp"])
def test_address_where_nobody_answers(scheme: str) -> None:
    with pytest.raises(InputError, match=f"{scheme}://127.0.0.1:9/x") as caught:
        open_source(f"{scheme}://user:secret@127.0.0.1:9/x")
    assert "secret" not in str(caught.value)


# --- Video4Linux: structures laid out by ctypes after linux/videodev2.h, and a kernel that answers with them ---


class Capability(ctypes.Structure):
    _fields_ = [
        *(("driver", ctypes.c_char * 16), ("card", ctypes.c_char * 32), ("bus_info", ctypes.c_char * 32)),
        *(("version", ctypes.c_uint32), ("capabilities", ctypes.c_uint32), ("device_caps", ctypes.c_uint32)),
        ("reserved", ctypes.c_uint32 * 3),
    ]


class FormatDescription(ctypes.Structure):
    _fields_ = [
        *(("index", ctypes.c_uint32), ("type", ctypes.c_uint32), ("flags", ctypes.c_uint32)),
        *(("description", ctypes.c_char * 32), ("pixelformat", ctypes.c_char * 4), ("mbus_code", ctypes.c_uint32)),
        ("reserved", ctypes.c_uint32 * 3),
    ]


class FrameSize(ctypes.Structure):
    _fields_ = [
        *(("index", ctypes.c_uint32), ("pixel_format", ctypes.c_char * 4), ("type", ctypes.c_uint32)),
        *(("values", ctypes.c_uint32 * 6), ("reserved", ctypes.c_uint32 * 2)),
    ]


class FrameInterval(ctypes.Structure):
    _fields_ = [
        *(("index", ctypes.c_uint32), ("pixel_format", ctypes.c_char * 4)),
        *(("width", ctypes.c_uint32), ("height", ctypes.c_uint32), ("type", ctypes.c_uint32)),
        *(("values", ctypes.c_uint32 * 6), ("reserved", ctypes.c_uint32 * 2)),
    ]


class Kernel:
    """Answers queries about one webcam: YUYV in two sizes, MJPEG in a range of sizes, and a format nobody knows."""

    def __init__(self, capabilities: int, device_caps: int) -> None:
        packed = [(3, [160, 1920, 8, 120, 1080, 8])]
        self.sizes = {b"YUYV": [(1, [640, 480]), (1, [1280, 720])], b"MJPG": packed, b"XYZ1": []}
        self._capabilities, self._device_caps = capabilities, device_caps

    def __call__(self, node: int, request: int, buffer: bytearray) -> int:
        number, size = request & 0xFF, request >> 16 & 0x3FFF
        assert size == len(buffer)
        assert request >> 8 & 0xFF == ord("V")
        getattr(self, {0: "_capability", 2: "_format", 74: "_size", 75: "_interval"}[number])(buffer)
        return 0

    def _capability(self, buffer: bytearray) -> None:
        answer = Capability.from_buffer(buffer)
        answer.card, answer.capabilities = b"Test Camera", self._capabilities
        answer.device_caps = self._device_caps

    def _format(self, buffer: bytearray) -> None:
        answer = FormatDescription.from_buffer(buffer)
        assert answer.type == 1
        answer.pixelformat = self._item(list(self.sizes), answer.index)

    def _size(self, buffer: bytearray) -> None:
        answer = FrameSize.from_buffer(buffer)
        answer.type, values = self._item(self.sizes[answer.pixel_format], answer.index)
        answer.values[: len(values)] = values

    def _interval(self, buffer: bytearray) -> None:
        answer = FrameInterval.from_buffer(buffer)
        if answer.pixel_format == b"MJPG":  # steps from 1/60 s to 1 s
            answer.type, answer.values[:] = self._item([(3, [1, 60, 1, 1, 1, 60])], answer.index)
            return
        rates = {640: [(1, 30), (1001, 15000)], 1280: [(1, 10)]}[answer.width]
        answer.type, answer.values[:2] = 1, self._item(rates, answer.index)

    @staticmethod
    def _item(items: list, index: int) -> object:
        if index >= len(items):
            raise OSError(errno.EINVAL, "no more")
        return items[index]


@pytest.mark.skipif(sys.platform != "linux", reason="Video4Linux")
def test_what_a_linux_camera_can_do(tmp_path: Path) -> None:
    from realtime.sources.v4l2 import list_cameras

    for name in ("video10", "video2", "videos", "audio0"):
        (tmp_path / name).touch()
    found = list_cameras(tmp_path, Kernel(0x84A00001, 0x04200001))
    assert [Path(device.address).name for device in found] == ["video2", "video10"]
    assert {device.name for device in found} == {"Test Camera"}
    assert found[0].modes == (
        Mode("yuyv422", 640, 480, (30.0, 15000 / 1001)),
        Mode("yuyv422", 1280, 720, (10.0,)),
        Mode("mjpeg", 1920, 1080, (60.0,)),
    )
    # a node for metadata of the same camera, and a file that is no device at all
    assert list_cameras(tmp_path, Kernel(0x84A00001, 0x04A00000)) == []
    assert list_cameras(tmp_path) == []


@pytest.mark.skipif(sys.platform != "linux" or shutil.which("cc") is None, reason="needs a C compiler on Linux")
def test_requests_and_sizes_are_those_of_the_header(tmp_path: Path) -> None:
    from realtime.sources import v4l2

    program = tmp_path / "numbers.c"
    program.write_text(
        '#include <linux/videodev2.h>\n#include <stdio.h>\nint main() { printf("%lu %lu %lu %lu", '
        "(unsigned long)VIDIOC_QUERYCAP, (unsigned long)VIDIOC_ENUM_FMT, (unsigned long)VIDIOC_ENUM_FRAMESIZES, "
        "(unsigned long)VIDIOC_ENUM_FRAMEINTERVALS); }"
    )
    if subprocess.run(["cc", str(program), "-o", str(tmp_path / "numbers")], capture_output=True).returncode:
        pytest.skip("the kernel's header is not installed")
    numbers = subprocess.run([str(tmp_path / "numbers")], capture_output=True, text=True, check=True).stdout
    ours = [v4l2.QUERYCAP, v4l2.ENUM_FORMATS, v4l2.ENUM_SIZES, v4l2.ENUM_INTERVALS]
    assert [int(number) for number in re.findall(r"\d+", numbers)] == ours
