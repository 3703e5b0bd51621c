"""The state machine: tables of what leads where, and what must hold of any history."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.monitor.attention import GRACE_S, HOLD_S, Attention, Seen, Timer
from realtime.monitor.limits import Limits
from realtime.monitor.reading import Alert, Doubt, State

FINE = Seen(True, closed=False, away=False, perclos=0.02)
CLOSED = Seen(True, closed=True, away=False, perclos=0.02)
AWAY = Seen(True, closed=False, away=True, perclos=0.02)
NOBODY = Seen(False, doubt=Doubt.LOST)
DARK = Seen(None, doubt=Doubt.DARK)
SHADES = Seen(True, closed=None, away=False, doubt=Doubt.SUNGLASSES)
SHADES_AWAY = Seen(True, closed=None, away=True, doubt=Doubt.SUNGLASSES)
DROWSY = Seen(True, closed=False, away=False, perclos=0.16)
SEVERE = Seen(True, closed=False, away=False, perclos=0.22)

STEP_S = 1 / 30


def after(*script: tuple[float, Seen], limits: Limits | None = None) -> tuple[State, Alert]:
    attention, now = Attention(limits or Limits()), 0.0
    result = (State.UNCERTAIN, Alert.NONE)
    for seconds, seen in script:
        for _ in range(round(seconds / STEP_S)):
            now += STEP_S
            result = attention.step(seen, now, STEP_S)
    return result


@pytest.mark.parametrize(
    ("script", "state", "alert"),
    [
        ([(0.1, NOBODY)], State.UNCERTAIN, Alert.NONE),
        ([(1, FINE)], State.ATTENTIVE, Alert.NONE),
        ([(1, FINE), (0.5, CLOSED)], State.ATTENTIVE, Alert.NONE),
        ([(1, FINE), (1.2, CLOSED)], State.MICROSLEEP, Alert.WARNING),
        ([(1, FINE), (3.2, CLOSED)], State.ASLEEP, Alert.ALARM),
        ([(1, FINE), (3.2, CLOSED), (0.5, FINE)], State.ATTENTIVE, Alert.NONE),
        ([(1, FINE), (0.9, CLOSED), (0.5, FINE), (0.9, CLOSED)], State.ATTENTIVE, Alert.NONE),
        ([(1, FINE), (0.9, CLOSED), (0.1, FINE), (0.3, CLOSED)], State.MICROSLEEP, Alert.WARNING),  # a flicker
        ([(1, FINE), (1, AWAY)], State.AWAY, Alert.NONE),
        ([(1, FINE), (2.2, AWAY)], State.AWAY, Alert.NOTICE),
        ([(1, FINE), (3.2, AWAY)], State.DISTRACTED, Alert.WARNING),
        ([(1, FINE), (6.2, AWAY)], State.DISTRACTED, Alert.ALARM),
        ([(1, FINE), (6.2, AWAY), (0.5, FINE)], State.ATTENTIVE, Alert.NONE),
        ([(1, FINE), *[(1.6, AWAY), (0.6, FINE)] * 6, (1, AWAY)], State.DISTRACTED, Alert.WARNING),  # time sharing
        ([(1, FINE), *[(1.6, AWAY), (4.0, FINE)] * 6, (1, AWAY)], State.AWAY, Alert.NONE),
        ([(1, DROWSY)], State.DROWSY, Alert.NOTICE),
        ([(1, SEVERE)], State.DROWSY, Alert.WARNING),
        ([(1, FINE), (1.5, NOBODY)], State.UNCERTAIN, Alert.NONE),
        ([(1, FINE), (2.5, NOBODY)], State.ABSENT, Alert.NOTICE),
        ([(1, FINE), (6.5, NOBODY)], State.ABSENT, Alert.WARNING),
        ([(1, FINE), (60, DARK)], State.UNCERTAIN, Alert.NONE),
        ([(1, FINE), (60, SHADES)], State.UNCERTAIN, Alert.NONE),
        ([(1, FINE), (5, SHADES), (3.2, SHADES_AWAY)], State.DISTRACTED, Alert.WARNING),
        ([(1, FINE), (3.2, CLOSED), (1.0, DARK)], State.ASLEEP, Alert.ALARM),  # held, for nothing says it is over
        ([(1, FINE), (3.2, CLOSED), (HOLD_S + 0.2, DARK)], State.UNCERTAIN, Alert.NONE),
    ],
)
def test_what_leads_where(script: list[tuple[float, Seen]], state: State, alert: Alert) -> None:
    assert after(*script) == (state, alert)


@pytest.mark.parametrize("factor", [0.5, 2.0])
def test_times_are_options(factor: float) -> None:
    times = {"glance_s": 2, "distracted_s": 3, "unresponsive_s": 6, "microsleep_s": 1, "sleep_s": 3}
    limits = Limits(**{name: factor * seconds for name, seconds in times.items()})
    assert after((1, FINE), (3.2 * factor, AWAY), limits=limits)[1] is Alert.WARNING
    assert after((1, FINE), (2.8 * factor, CLOSED), limits=limits) == (State.MICROSLEEP, Alert.WARNING)


def test_nothing_is_claimed_before_the_first_judgement_and_no_time_is_made_up() -> None:
    attention = Attention(Limits())
    assert attention.step(Seen(True, doubt=Doubt.LEARNING), 0.0, 0.0) == (State.UNCERTAIN, Alert.NONE)
    assert attention.timers.unsure_s == 0
    assert attention.step(Seen(True, doubt=Doubt.LEARNING), 0.2, 0.2)[0] is State.UNCERTAIN
    assert attention.timers.unsure_s == pytest.approx(0.2)
    assert attention.step(FINE, 0.3, 0.1)[0] is State.ATTENTIVE


seens = st.builds(
    Seen,
    present=st.none() | st.booleans(),
    closed=st.none() | st.booleans(),
    away=st.none() | st.booleans(),
    perclos=st.none() | st.floats(0, 1),
    doubt=st.none() | st.sampled_from(Doubt),
)
histories = st.lists(st.tuples(st.floats(0, 2), seens), max_size=60)


@given(histories, seens)
def test_nothing_grows_without_time_passing(history: list[tuple[float, Seen]], last: Seen) -> None:
    attention, now = Attention(Limits()), 0.0
    for step_s, seen in history:
        now += step_s
        attention.step(seen, now, step_s)
    before = attention.timers
    first = attention.step(last, now, 0.0)
    for _ in range(5):
        assert attention.step(last, now, 0.0) == first
    after_ = attention.timers
    for name in ("closed_s", "away_s", "away_total_s", "absent_s", "unsure_s"):
        assert getattr(after_, name) <= getattr(before, name)


@given(histories)
def test_alerts_have_their_reasons(history: list[tuple[float, Seen]]) -> None:
    limits, attention, now = Limits(), Attention(Limits()), 0.0
    closed = away = nobody = 0.0  # time that the conditions have held altogether: never less than the timers
    for step_s, seen in history:
        now += step_s
        state, alert = attention.step(seen, now, step_s)
        closed, away = closed + step_s * (seen.closed is True), away + step_s * (seen.away is True)
        nobody += step_s * (seen.present is False)
        match state:
            case State.ASLEEP:
                assert alert is Alert.ALARM
                assert closed >= limits.sleep_s - 1e-9
            case State.MICROSLEEP:
                assert closed >= limits.microsleep_s - 1e-9
            case State.DISTRACTED:
                assert away >= limits.distracted_s - 1e-9
            case State.ABSENT:
                assert nobody >= limits.absent_s - 1e-9
            case State.DROWSY:
                assert seen.perclos is not None
                assert seen.perclos >= limits.perclos_drowsy
            case State.ATTENTIVE | State.UNCERTAIN:
                assert alert is Alert.NONE


@given(histories)
def test_an_attentive_driver_is_soon_left_alone(history: list[tuple[float, Seen]]) -> None:
    attention, now = Attention(Limits()), 0.0
    for step_s, seen in history:
        now += step_s
        attention.step(seen, now, step_s)
    for _ in range(int(GRACE_S / STEP_S) + 2):
        now += STEP_S
        state = attention.step(FINE, now, STEP_S)
    assert state == (State.ATTENTIVE, Alert.NONE)


@given(st.lists(st.tuples(st.floats(0, 0.5), st.none() | st.booleans()), max_size=40))
def test_a_timer_never_shows_more_than_was_held(history: list[tuple[float, bool | None]]) -> None:
    timer, held_s = Timer(), 0.0
    for step_s, held in history:
        timer.step(held, step_s)
        held_s += step_s * (held is True)
        assert 0 <= timer.seconds <= held_s + 1e-9


def test_a_long_pause_between_frames_counts_for_little() -> None:
    attention = Attention(Limits())
    attention.step(FINE, 0.0, 0.0)
    assert attention.step(CLOSED, 100.0, 100.0)[1] is Alert.NONE
