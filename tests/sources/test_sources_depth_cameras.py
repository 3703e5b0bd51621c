"""Cameras behind packages that are not installed here: stand-ins with the packages' names and shapes.

What this cannot show is whether the real packages behave as their examples say.
"""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from realtime.errors import InputError
from realtime.frame import Frame, Intrinsics
from realtime.sources import open_source


class Flags(int):
    """An enumeration whose every name is 1."""

    def __getattr__(self, _: str) -> int:
        return 1


def namespace(**functions: Any) -> SimpleNamespace:
    return SimpleNamespace(**functions)


def pylibfreenect2(devices: int) -> SimpleNamespace:
    colour = np.zeros((1080, 1920, 4), np.uint8)
    colour[..., :3] = (30, 20, 10)
    depth = np.full((424, 512), 900.0, np.float32)
    depth[:50] = np.inf
    frames = {"color": namespace(asarray=lambda: colour), "depth": namespace(asarray=lambda: depth)}
    infrared = namespace(fx=365.0, fy=365.0, cx=255.5, cy=211.5, k1=0.1, k2=-0.27, k3=0.1, p1=0.0, p2=0.0)
    device = namespace(
        setColorFrameListener=lambda _: None,
        setIrAndDepthFrameListener=lambda _: None,
        start=lambda: None,
        stop=lambda: None,
        close=lambda: None,
        getIrCameraParams=lambda: infrared,
        getColorCameraParams=lambda: namespace(fx=1081.0, fy=1081.0, cx=959.5, cy=539.5),
    )
    system = namespace(
        enumerateDevices=lambda: devices,
        getDeviceSerialNumber=lambda number: f"serial {number}",
        openDevice=lambda serial: device,
    )
    listener = namespace(waitForNewFrame=lambda: frames, release=lambda _: None)
    return namespace(Freenect2=lambda: system, FrameType=Flags(), SyncMultiFrameListener=lambda kinds: listener)


def pyk4a(devices: int) -> SimpleNamespace:
    class K4ATimeoutError(Exception):
        pass

    capture = namespace(
        color=np.full((720, 1280, 4), (30, 20, 10, 255), np.uint8),
        transformed_depth=np.full((720, 1280), 900, np.uint16),
        color_timestamp_usec=5_000,
        depth_timestamp_usec=4_000,
    )
    calls = iter([K4ATimeoutError()])

    def get_capture(_: int) -> Any:
        for failure in calls:
            raise failure
        return capture

    def start() -> None:
        if not devices:
            raise RuntimeError("no device")

    matrix = np.array([[605.0, 0, 640], [0, 606.0, 360], [0, 0, 1]])
    camera = namespace(
        start=start,
        stop=lambda: None,
        get_capture=get_capture,
        calibration=namespace(get_camera_matrix=lambda _: matrix),
    )
    return namespace(
        Config=lambda **_: None,
        PyK4A=lambda config, device_id: camera,
        K4ATimeoutException=K4ATimeoutError,
        **{name: Flags() for name in ("ColorResolution", "DepthMode", "FPS", "CalibrationType")},
    )


def pyorbbecsdk(devices: int) -> SimpleNamespace:
    colour = np.full((360, 640, 3), (10, 20, 30), np.uint8)
    depth = np.full((360, 640), 1800, np.uint16)

    def frame(picture: np.ndarray, stamp: float) -> SimpleNamespace:
        return namespace(
            get_data=picture.tobytes,
            get_height=lambda: picture.shape[0],
            get_width=lambda: picture.shape[1],
            get_timestamp=lambda: stamp,
            get_depth_scale=lambda: 0.5,
        )

    frames = namespace(get_color_frame=lambda: frame(colour, 1005.0), get_depth_frame=lambda: frame(depth, 1004.0))
    profiles = namespace(get_video_stream_profile=lambda *_: None, get_default_video_stream_profile=lambda: None)
    waiting = iter([None])
    pipeline = namespace(
        get_stream_profile_list=lambda _: profiles,
        enable_frame_sync=lambda: None,
        start=lambda _: None,
        stop=lambda: None,
        wait_for_frames=lambda _: next(waiting, frames),
        get_camera_param=lambda: namespace(rgb_intrinsic=namespace(fx=480.0, fy=480.0, cx=320.0, cy=180.0)),
    )
    return namespace(
        Context=lambda: namespace(
            query_devices=lambda: namespace(get_count=lambda: devices, get_device_by_index=lambda _: None)
        ),
        Pipeline=lambda _: pipeline,
        Config=lambda: namespace(enable_stream=lambda _: None),
        AlignFilter=lambda align_to_stream: namespace(process=lambda _: namespace(as_frame_set=lambda: frames)),
        **{name: Flags() for name in ("OBSensorType", "OBFormat", "OBStreamType")},
    )


CAMERAS = {
    "kinect2": ("pylibfreenect2", pylibfreenect2, (960, 540), Intrinsics(540.5, 540.5, 479.5, 269.5)),
    "azure": ("pyk4a", pyk4a, (1280, 720), Intrinsics(605.0, 606.0, 640.0, 360.0)),
    "orbbec": ("pyorbbecsdk", pyorbbecsdk, (640, 360), Intrinsics(480.0, 480.0, 320.0, 180.0)),
}


@pytest.mark.parametrize("kind", CAMERAS)
def test_colour_with_registered_depth(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, stand_in, size, intrinsics = CAMERAS[kind]
    monkeypatch.setitem(sys.modules, module, stand_in(1))  # type: ignore[arg-type]
    with open_source(kind) as source:
        frame: Frame = next(iter(source))
        assert source.live
        assert source.size == size
        assert source.pairing is not None
        assert source.pairing.alone == 0
    assert frame.pixels[5, 5].tolist() == [10, 20, 30]
    assert frame.depth is not None
    assert frame.depth.shape == frame.pixels.shape[:2]
    middle = frame.depth[size[1] // 2 - 20 : size[1] // 2 + 20, size[0] // 2 - 20 : size[0] // 2 + 20]
    assert (middle == 900).all()
    assert frame.intrinsics == intrinsics


@pytest.mark.parametrize("kind", CAMERAS)
def test_no_such_camera(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, stand_in, *_ = CAMERAS[kind]
    monkeypatch.setitem(sys.modules, module, stand_in(0))  # type: ignore[arg-type]
    with pytest.raises(InputError, match="cannot be started"):
        open_source(f"{kind}:0")
    with pytest.raises(InputError, match="means nothing"):
        open_source(f"{kind}:left")


@pytest.mark.parametrize("kind", CAMERAS)
def test_without_its_package(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = CAMERAS[kind][0]
    monkeypatch.setitem(sys.modules, module, None)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=f"needs the Python package {module}.*(pip|build) "):
        open_source(kind)
