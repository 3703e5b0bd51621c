"""The virtual camera, with a stand-in device registered through pyvirtualcam's own interface."""

from __future__ import annotations

import sys
import threading

import numpy as np
import pytest

from realtime.errors import DeviceLostError, OutputError
from realtime.sinks import open_sink
from realtime.sinks.base import SinkOptions
from realtime.sinks.virtual import DRIVERS

pyvirtualcam = pytest.importorskip("pyvirtualcam", reason="pyvirtualcam (GPL-2) is an extra: pip install pyvirtualcam")


class Device:
    """Keeps what it is sent. (pyvirtualcam.camera.Backend documents these methods.)"""

    opened: list[Device]

    def __init__(self, *, width: int, height: int, fps: float, fourcc: int, device: str | None, **_: object) -> None:
        if device not in (None, "stand-in"):
            raise RuntimeError(f"no device {device}")
        self.size, self.fps = (width, height), fps
        self.sent: list[np.ndarray] = []
        self.arrived = threading.Condition()
        self.closed = self.broken = False
        Device.opened.append(self)

    def close(self) -> None:
        self.closed = True

    def send(self, frame: np.ndarray) -> None:
        if self.broken:
            raise RuntimeError("device gone")
        with self.arrived:
            self.sent.append(frame.reshape(self.size[1], self.size[0], 3).copy())
            self.arrived.notify_all()

    def device(self) -> str:
        return "stand-in"

    def native_fourcc(self) -> int | None:
        return None

    def wait(self, count: int) -> list[np.ndarray]:
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.sent) >= count, 30)
            return list(self.sent)


@pytest.fixture
def backend(monkeypatch: pytest.MonkeyPatch) -> type[Device]:
    Device.opened = []
    monkeypatch.setattr(pyvirtualcam.camera, "BACKENDS", {})
    pyvirtualcam.register_backend("stand-in", Device)
    return Device


def test_new_frames_are_sent_at_once_and_the_last_is_repeated(backend, make_result, card) -> None:
    options = SinkOptions(live=True, rate=20.0, size=(96, 64))
    with open_sink("virtual", options) as sink:
        (device,) = backend.opened
        assert (sink.name, device.size, device.fps) == ("virtual:stand-in", (96, 64), 20.0)
        for index in range(5):
            sink.write(make_result(np.full((64, 96, 3), 10 * index + 1, np.uint8), index))
            device.wait(len(device.sent) + 1)
        before = len(device.wait(5))
        sent = device.wait(before + 3)
    values = [int(picture[0, 0, 0]) for picture in sent]
    assert values == sorted(values) and set(values) == {1, 11, 21, 31, 41}
    assert values[-3:] == [41] * 3  # nothing new came, and it went on
    assert device.closed


def test_pixels_arrive_as_they_are(backend, make_result, rng) -> None:
    pixels = rng.integers(0, 256, (64, 96, 3), dtype=np.uint8)
    with open_sink("virtual:stand-in", SinkOptions(live=True, rate=30.0, size=(96, 64))) as sink:
        sink.write(make_result(pixels))
        assert np.array_equal(backend.opened[0].wait(1)[0], pixels)


def test_the_first_frame_sets_the_size_and_later_ones_are_fitted_in(backend, make_result) -> None:
    with open_sink("virtual", SinkOptions(live=True, rate=30.0)) as sink:
        sink.write(make_result(np.full((31, 61, 3), 200, np.uint8)))
        probed, used = backend.opened
        assert probed.closed and used.size == (62, 32)
        count = len(used.wait(1))
        sink.write(make_result(np.full((32, 32, 3), 100, np.uint8), 1))
        picture = used.wait(count + 2)[-1]
    assert (picture[:, 15:47] == 100).all() and (picture[:, :15] == 0).all() and (picture[:, 47:] == 0).all()
    assert used.closed


def test_a_device_that_goes_away_is_told(backend, make_result, card) -> None:
    with open_sink("virtual", SinkOptions(live=True, rate=100.0, size=(64, 64))) as sink:
        sink.write(make_result(card(64, 64)))
        backend.opened[0].broken = True
        sink._sender.join(30)
        with pytest.raises(DeviceLostError, match="device gone"):
            sink.write(make_result(card(64, 64), 1))


@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_a_missing_driver_is_named_with_its_installation(system, backend, monkeypatch) -> None:
    monkeypatch.setattr("platform.system", lambda: system)
    with pytest.raises(OutputError) as caught:
        open_sink("virtual:/dev/video9", SinkOptions(live=True, rate=30.0))
    message = str(caught.value)
    assert "/dev/video9" in message and "no device /dev/video9" in message and DRIVERS[system] in message
    assert "\n" not in message


def test_a_missing_package_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pyvirtualcam", None)
    with pytest.raises(OutputError, match="pip install pyvirtualcam"):
        open_sink("virtual", SinkOptions(live=True, rate=30.0))
