"""The fallback switch, on made-up times: when it falls back and tries again, and that a slow source is no reason."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import pytest

from realtime.repair.pace import Level, Pace, holds, median_seconds

LEVELS = (Level.OFF, Level.FAST, Level.FULL)


def _run(pace: Pace, seconds: float, rate: float, kept: float = 1.0, start: float = 100.0) -> list[Level]:
    """The level after each frame of a source of `rate` frames/s of which a share is kept."""
    levels = []
    total = 0.0
    for number in range(int(seconds * rate)):
        total += kept
        if total >= 1:
            total -= 1
            pace.note(start + number / rate, int(start * rate) + number)
            levels.append(pace.level)
    return levels


def test_nothing_is_given_up_while_nothing_is_lost() -> None:
    pace = Pace(LEVELS)
    assert set(_run(pace, 100, 30)) == {Level.FULL}
    assert not pace.fallen


@pytest.mark.parametrize("rate", [5, 15, 24, 30])
def test_a_slow_source_is_no_reason(rate: float) -> None:
    assert set(_run(Pace(LEVELS), 60, rate)) == {Level.FULL}


@pytest.mark.parametrize(("rate", "kept"), [(60, 0.52), (60, 0.7), (120, 0.3), (30, 0.93)])
def test_thirty_frames_a_second_are_enough(rate: float, kept: float) -> None:
    assert set(_run(Pace(LEVELS), 60, rate, kept)) == {Level.FULL}


@pytest.mark.parametrize(("rate", "kept"), [(30, 0.8), (60, 0.4), (24, 0.85)])
def test_lost_frames_cost_one_level_after_another(rate: float, kept: float) -> None:
    levels = _run(Pace(LEVELS), 12, rate, kept)
    assert list(dict.fromkeys(levels)) == [Level.FULL, Level.FAST, Level.OFF]
    assert levels.index(Level.FAST) <= 4.5 * rate * kept


def test_a_short_hiccup_costs_nothing() -> None:
    pace = Pace(LEVELS)
    _run(pace, 10, 30)
    pace.note(110.0 + 0.5, 3315)  # half a second is lost on either side
    assert set(_run(pace, 10, 30, start=111.0)) == {Level.FULL}


def _levels_over_time(pace: Pace, seconds: int, holding: Iterable[Level]) -> list[Level]:
    """The level after each second of a machine that loses every third frame with any level not in `holding`."""
    held = set(holding)
    levels = []
    for number in range(30 * seconds):
        if pace.level in held or number % 3:
            pace.note(100.0 + number / 30, number)
        if number % 30 == 29:
            levels.append(pace.level)
    return levels


def test_what_was_too_slow_is_tried_again_more_and_more_seldom() -> None:
    levels = _levels_over_time(Pace(LEVELS), 600, {Level.OFF, Level.FAST})
    tries = [i for i in range(1, 600) if levels[i] is Level.FULL and levels[i - 1] is not Level.FULL]
    assert 3 <= len(tries) <= 6
    waits = [b - a for a, b in pairwise(tries)]
    assert waits == sorted(waits)
    assert waits[-1] > 2 * waits[0]
    assert levels.count(Level.FAST) > 0.9 * len(levels)
    assert Level.OFF not in levels


def test_what_has_become_quick_enough_stays() -> None:
    pace = Pace(LEVELS)
    _levels_over_time(pace, 20, {Level.OFF})
    assert pace.level is Level.OFF
    assert pace.fallen
    levels = _levels_over_time(pace, 200, LEVELS)
    assert levels[-1] is Level.FULL


def test_a_reset_or_a_fall_is_at_once() -> None:
    pace = Pace(LEVELS)
    pace.fall()
    assert (pace.level, pace.fallen) == (Level.OFF, True)
    pace.reset()
    assert (pace.level, pace.fallen) == (Level.FULL, False)


def test_a_repeated_frame_of_a_lost_camera_counts_for_nothing() -> None:
    pace = Pace(LEVELS)
    for number in range(300):
        pace.note(number / 10, 7)
    assert pace.level is Level.FULL


class _Clock:
    """A clock that only work moves on."""

    def __init__(self, seconds: Iterable[float]) -> None:
        self.now = 50.0
        self.runs = 0
        self._seconds = iter(seconds)

    def work(self) -> None:
        self.now += next(self._seconds)
        self.runs += 1

    def __call__(self) -> float:
        return self.now


def test_measuring_takes_about_half_a_second_and_leaves_the_first_run_out() -> None:
    clock = _Clock([0.4, 0.01, 0.02, 0.09, *[0.02] * 50])
    assert median_seconds(clock.work, clock) == pytest.approx(0.02)
    assert clock.runs == 13
    slow = _Clock([0.3] * 10)
    assert median_seconds(slow.work, slow) == pytest.approx(0.3)
    assert slow.now - 50 <= 0.95


@pytest.mark.parametrize(("milliseconds", "enough"), [(5, True), (19, True), (21, False), (40, False)])
def test_a_machine_holds_thirty_frames_where_there_is_room_to_spare(milliseconds: float, enough: bool) -> None:
    assert holds(milliseconds / 1000) is enough
