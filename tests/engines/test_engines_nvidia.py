"""What the driver says of its GPUs, with a driver of our own."""

from __future__ import annotations

import ctypes
from types import SimpleNamespace
from typing import Any

import pytest

from engines import nvidia
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


def test_it_says_what_there_is(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(nvidia, "gpus", lambda: (Gpu("NVIDIA H200", (9, 0)),))
    assert nvidia.main() == 0
    assert capsys.readouterr().out == "NVIDIA H200, compute capability 9.0\n"
    monkeypatch.setattr(nvidia, "gpus", tuple)
    assert nvidia.main() == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("There is no NVIDIA GPU here")
