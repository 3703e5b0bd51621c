"""Darkness and dark glasses, on painted faces."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from monitor_making import driver, picture

from realtime.frame import Pixels
from realtime.geometry.topology import LEFT_EYE, NOSE, RIGHT_EYE
from realtime.monitor.reading import Doubt
from realtime.monitor.visibility import View, Visibility, nothing_to_see


def with_glasses(pixels: Pixels, level: int = 25) -> Pixels:
    """Dark lenses over both eyes of `driver()`."""
    out = pixels.copy()
    for eye in (LEFT_EYE, RIGHT_EYE):
        middle = driver().points[eye].mean(axis=0)
        cv2.ellipse(out, np.round(middle).astype(int).tolist(), (19, 14), 0, 0, 360, (level,) * 3, -1)
    return out


def test_a_bright_face_is_judged() -> None:
    assert Visibility()(picture(), driver(), 1 / 30) == View()


@pytest.mark.parametrize("grey", [False, True])
def test_dark_glasses(grey: bool) -> None:
    pixels = with_glasses(picture())
    if grey:  # as an infrared camera sees it
        pixels = np.repeat(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    assert Visibility()(pixels, driver(), 1 / 30) == View(glasses=True)


def test_glasses_taken_off_are_believed_after_a_moment() -> None:
    look = Visibility()
    assert look(with_glasses(picture()), driver(), 0.0).glasses
    assert look(picture(), driver(), 1 / 30).glasses
    for _ in range(60):
        view = look(picture(), driver(), 1 / 30)
    assert not view.glasses


@pytest.mark.parametrize("light", [0.0, 0.02])
def test_night(light: float) -> None:
    pixels = np.round(picture() * light).astype(np.uint8)
    assert Visibility()(pixels, driver(), 1 / 30).doubt is Doubt.DARK
    assert nothing_to_see(pixels)
    assert not nothing_to_see(picture())


def test_a_hand_before_the_face() -> None:
    sure = np.ones(81, np.float32)
    sure[NOSE] = 0.2
    assert Visibility()(picture(), replace(driver(), confidence=sure), 1 / 30).doubt is Doubt.COVERED


def test_something_before_the_lens() -> None:
    assert nothing_to_see(np.full((240, 320, 3), 130, np.uint8))
