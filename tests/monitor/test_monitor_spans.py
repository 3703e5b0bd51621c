"""Spans, blinks and shares on signals whose answer is known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.monitor.mouth import Yawns
from realtime.monitor.spans import Blinks, Lasting, Share


def lids(times: np.ndarray, blinks: list[tuple[float, float]]) -> np.ndarray:
    """Closure over time: each blink is a raised cosine of (middle, full width at half its height)."""
    closure = np.zeros_like(times)
    for middle, width in blinks:
        away = np.clip((times - middle) / width, -1, 1)
        closure = np.maximum(closure, 0.5 + 0.5 * np.cos(np.pi * away))
    return closure


@pytest.mark.parametrize("rate", [15.0, 30.0, 60.0])
def test_blinks_of_a_made_up_signal(rate: float) -> None:
    times = np.arange(0, 40, 1 / rate)
    true = [(2.03, 0.25), (5.5, 0.2), (9.0, 0.3), (20.0, 1.4), (31.2, 0.25)]
    blinks = Blinks()
    spans = [blinks(closure, time_s, 1 / rate) for time_s, closure in zip(times, lids(times, true), strict=True)]
    found = [span for span in spans if span is not None]
    assert len(found) == len(true)
    for span, (middle, width) in zip(found, true, strict=True):
        assert span.start_s + span.duration_s / 2 == pytest.approx(middle, abs=0.6 / rate)
        # between closures of 0.6 on either side
        assert span.duration_s == pytest.approx(2 * width * np.arccos(0.2) / np.pi, abs=0.8 / rate)
    assert blinks.per_minute == pytest.approx(4 / 40 * 60, rel=0.03)  # the long one is no blink
    assert blinks.mean_s is not None
    assert blinks.mean_s < Blinks.LONGEST_S


def test_noise_between_the_thresholds_is_no_blink(rng: np.random.Generator) -> None:
    blinks = Blinks()
    values = np.clip(0.55 + 0.04 * rng.standard_normal(600), 0, 0.69)
    assert not any(blinks(value, index / 30, 1 / 30) for index, value in enumerate(values))


def test_a_closure_whose_end_nobody_saw_is_given_up() -> None:
    lasting = Lasting(0.7, 0.5)
    assert lasting(0.9, 0.0) is None
    for index in range(1, 20):
        lasting(None, index / 30)
    assert lasting(0.1, 20 / 30) is None
    assert lasting.since(1.0) == 0


def test_a_short_gap_does_not_end_it() -> None:
    lasting = Lasting(0.7, 0.5)
    lasting(0.9, 0.0)
    lasting(None, 0.1)
    span = lasting(0.0, 0.2)
    assert span is not None
    assert span.start_s == 0


@given(
    st.lists(st.tuples(st.floats(0.005, 0.5), st.none() | st.booleans()), min_size=1, max_size=120),
    st.floats(0.5, 10),
)
def test_share_is_that_of_a_direct_computation(steps: list[tuple[float, bool | None]], window_s: float) -> None:
    share = Share(window_s, least_s=0.0)
    pieces: list[tuple[float, float, bool | None]] = []
    now = 0.0
    for step_s, held in steps:
        now += step_s
        share.add(held, now, step_s)
        pieces.append((now, step_s, held))
        inside = [(length, was) for end, length, was in pieces if end > now - window_s and was is not None]
        judged = sum(length for length, _ in inside)
        closed = sum(length for length, was in inside if was)
        assert share.judged_s == pytest.approx(judged, abs=1e-9)
        if judged > 1e-6:
            assert share.share == pytest.approx(closed / judged, abs=1e-9)


def test_perclos_needs_enough_that_was_judged() -> None:
    share = Share(60.0, least_s=20.0)
    for index in range(599):
        share.add(True, index / 30, 1 / 30)
    assert share.share is None
    for index in range(599, 700):
        share.add(True, index / 30, 1 / 30)
    assert share.share == pytest.approx(1.0)


@pytest.mark.parametrize(("seconds", "mm", "yawns"), [(3.0, 40.0, 1), (1.0, 40.0, 0), (3.0, 15.0, 0), (0.1, 60.0, 0)])
def test_a_yawn_is_wide_and_long(seconds: float, mm: float, yawns: int) -> None:
    found = Yawns(25.0, 2.0)
    for index in range(300):
        found(mm if 60 <= index < 60 + seconds * 30 else 2.0, index / 30)
    assert found.count == yawns


def test_talking_is_no_yawn() -> None:
    found = Yawns(25.0, 2.0)
    for index in range(900):
        found(14 + 16 * np.sin(2 * np.pi * 3 * index / 30), index / 30)
    assert found.count == 0
