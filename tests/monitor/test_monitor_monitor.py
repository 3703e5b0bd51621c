"""The whole monitor on made-up drives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from monitor_making import SIZE, driver, picture, watch

from realtime.errors import InputError
from realtime.frame import Frame, Pose
from realtime.monitor.limits import Limits, read_limits
from realtime.monitor.monitor import DriverMonitor, MonitorOptions
from realtime.monitor.reading import Alert, Doubt, Event, Kind, Reading, State

NEUTRAL = Pose(12, -5, 2)  # the camera stands at the driver's side
SHUT_MM = 2.5


def events(readings: list[Reading], *kinds: Kind) -> list[Event]:
    return [event for reading in readings for event in reading.events if event.kind in kinds]


def learned(monitor: DriverMonitor, seconds: float = 5.0) -> list[Reading]:
    return watch(monitor, [(seconds, driver(NEUTRAL))])


def test_a_quiet_drive_is_attentive() -> None:
    readings = watch(DriverMonitor(), [(65, driver(NEUTRAL))], rate=10)
    last = readings[-1]
    assert (last.state, last.alert, last.doubt, last.learning) == (State.ATTENTIVE, Alert.NONE, None, False)
    assert last.perclos == 0
    assert last.blinks_per_minute == 0
    assert last.turned == pytest.approx((0, 0), abs=0.1)
    assert last.head is not None
    assert last.head.pose.yaw == pytest.approx(NEUTRAL.yaw, abs=1)
    assert len(events(readings, Kind.LEARNED)) == 1


def test_before_anything_is_known_it_is_uncertain() -> None:
    first = watch(DriverMonitor(), [(0.1, driver(NEUTRAL))])[0]
    assert (first.state, first.doubt) == (State.UNCERTAIN, Doubt.LEARNING)


@pytest.mark.parametrize("seconds", [0.2, 1.5, 3.5])
def test_closed_eyes(seconds: float) -> None:
    monitor = DriverMonitor()
    learned(monitor)
    readings = watch(monitor, [(seconds, driver(NEUTRAL, SHUT_MM)), (1, driver(NEUTRAL))], start_s=5)
    worst = max(reading.alert for reading in readings)
    assert worst == (Alert.NONE if seconds < 1 else Alert.WARNING if seconds < 3 else Alert.ALARM)
    (closure,) = events(readings, Kind.BLINK, Kind.CLOSURE)
    assert closure.kind is (Kind.BLINK if seconds < 0.5 else Kind.CLOSURE)
    assert closure.duration_s == pytest.approx(seconds, abs=0.05)
    assert closure.time_s == pytest.approx(5, abs=0.05)
    assert readings[-1].state is State.ATTENTIVE


def test_perclos_is_the_share_of_closed_time() -> None:
    monitor = DriverMonitor(MonitorOptions(Limits(perclos_window_s=15)))
    cycle = [(0.8, driver(NEUTRAL)), (0.2, driver(NEUTRAL, SHUT_MM))]
    readings = watch(monitor, [(5, driver(NEUTRAL)), *cycle * 15], rate=20)
    assert readings[-1].perclos == pytest.approx(0.2, abs=0.01)
    assert readings[-1].state is State.DROWSY
    assert readings[-1].blinks_per_minute == pytest.approx(60 * 15 / 20, abs=3)


@pytest.mark.parametrize(
    ("turn", "away"),
    [((40, 0), True), ((-40, 0), True), ((0, -25), True), ((0, 30), True), ((15, 0), False), ((0, -8), False)],
)
def test_looking_away_is_against_the_drivers_own_neutral(turn: tuple[float, float], away: bool) -> None:
    monitor = DriverMonitor()
    learned(monitor)
    pose = Pose(NEUTRAL.yaw + turn[0], NEUTRAL.pitch + turn[1], 0)
    last = watch(monitor, [(3.5, driver(pose))], start_s=5)[-1]
    assert (last.state is State.DISTRACTED) == away
    assert last.turned == pytest.approx(turn, abs=2)


def test_one_who_is_lost_looking_away_still_does() -> None:
    monitor = DriverMonitor()
    learned(monitor)
    script = [(1, driver(Pose(50, -5, 0))), (2.5, None)]
    assert watch(monitor, script, start_s=5)[-1].state is State.DISTRACTED
    assert watch(monitor, [(15, None)], start_s=8.5)[-1].state is State.ABSENT


def test_yawns_and_talk() -> None:
    monitor = DriverMonitor()
    learned(monitor)
    readings = watch(monitor, [(3, driver(NEUTRAL, mouth_mm=40)), (1, driver(NEUTRAL))], start_s=5)
    (yawn,) = events(readings, Kind.YAWN)
    assert yawn.duration_s == pytest.approx(3, abs=0.1)
    assert readings[-1].yawns == 1


def test_night_is_uncertain_whoever_is_found() -> None:
    monitor = DriverMonitor()
    learned(monitor)
    dark = np.zeros_like(picture())
    for face in (driver(NEUTRAL), None):
        last = watch(monitor, [(3, face)], start_s=5, pixels=dark)[-1]
        assert (last.state, last.doubt, last.alert) == (State.UNCERTAIN, Doubt.DARK, Alert.NONE)
        assert last.closure is None


def test_another_driver_is_learned_anew() -> None:
    monitor = DriverMonitor()
    watch(monitor, [(62, driver(NEUTRAL))], rate=10)
    readings = watch(monitor, [(12, None), (5, driver(Pose(-15, 0, 0), number=9))], start_s=62, rate=10)
    (change,) = events(readings, Kind.DRIVER)
    assert change.driver == 9
    assert readings[-1].learning
    assert readings[-1].state is State.ATTENTIVE
    assert readings[-1].turned == pytest.approx((0, 0), abs=0.2)


def test_a_camera_that_was_pulled_out_is_nobody() -> None:
    monitor = DriverMonitor()
    learned(monitor)
    for index in range(150, 300):
        reading = monitor.update(Frame(picture(), 150, index / 30, 0.0, held=True), (driver(NEUTRAL),))
    assert reading.state is State.ABSENT


def test_a_focal_length_gives_the_distance() -> None:
    near, far = (
        watch(DriverMonitor(MonitorOptions(focal_px=focal)), [(0.1, driver())])[-1].head for focal in (300.0, 600.0)
    )
    assert near is not None
    assert far is not None
    assert far.position_mm[2] == pytest.approx(2 * near.position_mm[2], rel=0.01)  # and less perspective


scripts = st.lists(
    st.tuples(
        st.floats(0.03, 1.2),
        st.none() | st.builds(driver, st.builds(Pose, st.floats(-80, 80), st.floats(-50, 50), st.floats(-40, 40))),
    ),
    max_size=8,
)


@settings(max_examples=25)
@given(scripts, st.sampled_from([5.0, 12.0]))
def test_any_drive_gives_finite_readings_and_two_runs_agree(script: list, rate: float) -> None:
    first, second = (watch(DriverMonitor(), script, rate=rate) for _ in range(2))
    assert first == second
    for reading in first:
        assert reading.closure is None or 0 <= reading.closure <= 1
        assert reading.perclos is None or 0 <= reading.perclos <= 1
        if reading.head is not None:
            assert np.isfinite([*reading.head.position_mm, reading.head.sigma.yaw, reading.head.pose.pitch]).all()


@pytest.mark.parametrize("text", ["glance=1", "glance_s", "glance_s=soon", "glance_s=-1", "closed=3", "away_yaw=nan"])
def test_limits_that_make_no_sense(text: str) -> None:
    with pytest.raises(InputError, match="--limit"):
        read_limits([text])


def test_limits_are_read() -> None:
    assert read_limits(["glance_s=1.5", "away-yaw=30"]) == Limits(glance_s=1.5, away_yaw=30)
    assert (picture().shape[1], picture().shape[0]) == SIZE
