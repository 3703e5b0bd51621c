"""What the driver says of its GPUs, with a driver of our own."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from engines.nvidia import Gpu, gpus


@pytest.mark.parametrize(
    ("initialised", "names"), [(0, ("NVIDIA H200", "NVIDIA GeForce RTX 4090")), (0, ()), (100, ("hidden",))]
)
def test_the_drivers_gpus(initialised: int, names: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    def count(result: Any) -> int:
        result._obj.value = len(names)
        return 0

    def device(result: Any, number: int) -> int:
        result._obj.value = 10 + number
        return 0

    def name(buffer: Any, size: int, device: ctypes.c_int) -> int:
        assert size == len(buffer)
        buffer.value = names[device.value - 10].encode()
        return 0

    def attribute(result: Any, which: int, device: ctypes.c_int) -> int:
        result._obj.value = {75: 8, 76: device.value - 10}[which]  # the major and minor compute capability
        return 0

    driver = SimpleNamespace(
        cuInit=lambda flags: initialised,
        cuDeviceGetCount=count,
        cuDeviceGet=device,
        cuDeviceGetName=name,
        cuDeviceGetAttribute=attribute,
    )
    monkeypatch.setattr(ctypes, "CDLL", lambda path: driver)
    wanted = tuple(Gpu(name, (8, number)) for number, name in enumerate(names))
    assert gpus() == (() if initialised else wanted)


def test_without_a_driver_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(path: str) -> Any:
        raise OSError(path)

    monkeypatch.setattr(ctypes, "CDLL", missing)
    assert gpus() == ()
