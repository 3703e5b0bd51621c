"""Mode monitor in the render stage: panel, border, marks, and the reading that goes to the sinks."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from monitor_making import SIZE, driver, picture

from realtime.controls import Mode, Settings
from realtime.effects.panel import COLOURS, panel_lines, panel_picture
from realtime.frame import Face, Frame, Pose, Result
from realtime.monitor.limits import Limits
from realtime.monitor.monitor import MonitorOptions
from realtime.monitor.reading import Alert, Doubt, Eye, Head, Reading, State, Timers
from realtime.renderer import Renderer, RenderOptions

WATCHING = Settings(mode=Mode.MONITOR)
READING = Reading(
    State.DROWSY,
    Alert.NOTICE,
    Timers(closed_s=0.4),
    head=Head(Pose(3, -4, 1), Pose(2, 3, 1), (0, 0, 700), False, 1.0),
    turned=(1, -2),
    eyes=(Eye(8.0, 0.1), Eye(2.0, 0.95)),
    perclos=0.16,
    blinks_per_minute=12.0,
)


@pytest.fixture
def renderer() -> Iterator[Renderer]:
    renderer = Renderer(RenderOptions(monitor=MonitorOptions(Limits(microsleep_s=0.5, sleep_s=20))))
    renderer.open()
    try:
        yield renderer
    finally:
        renderer.close()


def drawn(renderer: Renderer, faces: list[Face | None], start: int = 0, mode: Settings = WATCHING) -> list[Result]:
    return [
        renderer.draw(Frame(picture(), start + i, (start + i) / 10, 0.0), () if face is None else (face,), mode)
        for i, face in enumerate(faces)
    ]


def test_panel_and_reading(renderer: Renderer) -> None:
    result = drawn(renderer, [driver()] * 40)[-1]
    assert result.reading is not None
    assert result.reading.state is State.ATTENTIVE
    assert not result.synthetic
    changed = np.abs(result.frame.pixels.astype(int) - picture()).max(axis=2) > 20
    height, width = changed.shape
    assert changed[height // 2 :, : width // 2].mean() > 0.2  # the panel
    assert not changed[: height // 4, width // 2 :].any()
    assert drawn(renderer, [driver()], mode=Settings(mode=Mode.OFF))[0].reading is None


def test_an_alert_has_its_border(renderer: Renderer) -> None:
    quiet = drawn(renderer, [driver()] * 40)[-1].frame.pixels
    alarming = drawn(renderer, [driver(lids_mm=2.0)] * 8, start=40)[-1]
    assert alarming.reading is not None
    assert alarming.reading.alert is Alert.WARNING
    edges = alarming.frame.pixels[[0, -1]].reshape(-1, 3)
    np.testing.assert_array_equal(edges, np.broadcast_to(COLOURS[Alert.WARNING], edges.shape))
    assert (quiet[0] == picture()[0]).all()


def test_nobody_and_night_are_drawn_too(renderer: Renderer) -> None:
    assert drawn(renderer, [None] * 30)[-1].reading is not None


@pytest.mark.parametrize("letter", [7.0, 20.0])
def test_bars_are_as_long_as_what_they_show(letter: float) -> None:
    panel = panel_picture(READING, Limits(), letter)
    orange = (panel[..., :3] == COLOURS[Alert.WARNING]).all(axis=2).sum(axis=1).max()
    green = (panel[..., :3] == COLOURS[Alert.NONE]).all(axis=2).sum(axis=1).max()
    assert orange / max(green, 1) == pytest.approx(9.5, rel=0.3)
    assert panel.shape[1] < 36 * letter


def test_what_is_not_known_is_a_dash() -> None:
    lines = panel_lines(Reading(State.UNCERTAIN, Alert.NONE, Timers(), doubt=Doubt.SUNGLASSES))
    assert lines[0].startswith("UNCERTAIN: sunglasses")
    assert any(line.startswith("PERCLOS -") for line in lines)
    assert len(lines) == len(panel_lines(READING))
    assert (picture().shape[1], picture().shape[0]) == SIZE
