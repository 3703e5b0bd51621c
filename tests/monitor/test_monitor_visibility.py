"""Darkness, lenses and hands, on painted faces."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from monitor_making import driver, picture

from realtime.frame import Face
from realtime.geometry.topology import NOSE
from realtime.monitor.reading import Doubt
from realtime.monitor.visibility import View, Visibility, nothing_to_see


def test_a_bright_face_is_judged() -> None:
    assert Visibility()(picture(), driver(), 1 / 30) == View()


def behind(lenses: bool) -> Face:
    """`driver()` with dark lenses before the eyes, or with none, as the network tells it."""
    return replace(driver(), eyes_seen=0.02 if lenses else 0.98)


def test_lenses_are_told_at_once() -> None:
    assert Visibility()(picture(), behind(True), 1 / 30) == View(glasses=True)
    assert Visibility()(picture(), behind(False), 1 / 30) == View()


def test_glasses_taken_off_are_believed_after_a_moment() -> None:
    look = Visibility()
    assert look(picture(), behind(True), 0.0).glasses
    assert look(picture(), behind(False), 1 / 30).glasses
    for _ in range(60):
        view = look(picture(), behind(False), 1 / 30)
    assert not view.glasses


def test_a_frame_without_an_answer_changes_no_mind() -> None:
    look = Visibility()
    look(picture(), behind(True), 0.0)
    for _ in range(60):
        assert look(picture(), driver(), 1 / 30).glasses


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
