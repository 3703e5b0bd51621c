"""On which device OpenGL draws: the one that CUDA computes on, where there are several."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

import pytest

from realtime.render import context
from realtime.render.context import Context, in_cuda_order

EGL_CUDA_DEVICE_NV = 0x323A


@pytest.mark.parametrize(
    ("answers", "order"),
    [
        ({10: 2, 20: 3, 30: 0, 40: 1, 50: None}, [30, 40, 10, 20, 50]),  # four cards, and Mesa in software
        ({10: None, 20: 0}, [20, 10]),  # a laptop
        ({10: None, 20: None, 30: 0, 40: None}, [30, 10, 20, 40]),  # CUDA_VISIBLE_DEVICES names one card
        ({10: None}, [10]),
        ({}, []),
    ],
)
def test_the_gpu_that_cuda_calls_first_is_tried_first(answers: dict[int, int | None], order: list[int]) -> None:
    def query(device: Any, attribute: int, value: Any) -> int:
        assert attribute == EGL_CUDA_DEVICE_NV
        number = answers[device.value]
        if number is None:
            return 0
        ctypes.cast(value, ctypes.POINTER(ctypes.c_ssize_t))[0] = number
        return 1

    assert in_cuda_order(list(answers), query) == order


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="EGL is Linux's")
def test_a_driver_that_does_not_know_a_platform_is_not_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """As NVIDIA's alone, which may not know Mesa's: EGL answers with an error."""
    from OpenGL import EGL

    def refused() -> Any:
        return EGL.eglInitialize(EGL.EGL_NO_DISPLAY, None, None)

    with pytest.raises(EGL.EGLError):
        refused()
    plain = context._EGL._displays
    monkeypatch.setattr(context._EGL, "_displays", lambda egl: [refused, *plain(egl)])
    with Context() as opened:
        assert opened.description
