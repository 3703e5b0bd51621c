"""Who drives: the largest face or the one in the region, and when it is somebody else."""

from __future__ import annotations

from dataclasses import replace

import pytest
from monitor_making import SIZE, driver

from realtime.frame import Face
from realtime.monitor.driver import Driver

LEFT = driver(number=1, centre=(80, 110), size=60)
RIGHT = driver(number=2, centre=(240, 110), size=40)


def chosen(who: Driver, faces: tuple[Face, ...], time_s: float) -> tuple[int | None, bool]:
    face, changed = who.choose(faces, SIZE, time_s)
    return (None if face is None else face.id), changed


def test_the_largest_drives_and_stays_while_seen() -> None:
    who = Driver()
    assert chosen(who, (LEFT, RIGHT), 0) == (1, False)
    assert chosen(who, (driver(number=1, centre=(80, 110), size=38), RIGHT), 0.1) == (1, False)


@pytest.mark.parametrize(("region", "driving"), [((0, 0, 0.5, 1), 1), ((0.5, 0, 0.5, 1), 2), ((0, 0, 1, 0.1), None)])
def test_a_region_decides(region: tuple[float, float, float, float], driving: int | None) -> None:
    assert chosen(Driver(region), (LEFT, RIGHT), 0) == (driving, False)


def test_somebody_who_stays_larger_takes_the_place() -> None:
    who = Driver()
    chosen(who, (RIGHT,), 0)  # the passenger was found first
    assert chosen(who, (LEFT, RIGHT), 0.1) == (2, False)
    assert chosen(who, (LEFT, RIGHT), 2.0) == (2, False)
    assert chosen(who, (LEFT, RIGHT), 3.2) == (1, True)


def test_somebody_who_leans_in_for_a_moment_does_not() -> None:
    who = Driver()
    chosen(who, (RIGHT,), 0)
    for tenth in range(20):
        assert chosen(who, (LEFT, RIGHT), tenth / 10)[0] == 2
    assert chosen(who, (RIGHT,), 2.1) == (2, False)
    assert chosen(who, (LEFT, RIGHT), 3.3) == (2, False)


@pytest.mark.parametrize(
    ("back", "gone_s", "changed"),
    [
        (replace(LEFT, id=7), 2.0, False),  # the tracker lost and found the same person
        (replace(LEFT, id=7), 20.0, True),
        (replace(RIGHT, id=7), 2.0, True),
        (driver(number=7, centre=(80, 110), size=110), 2.0, True),
    ],
)
def test_who_comes_back(back: Face, gone_s: float, changed: bool) -> None:
    who = Driver()
    chosen(who, (LEFT,), 0)
    assert chosen(who, (), 0.1) == (None, False)
    assert chosen(who, (back,), gone_s) == (7, changed)


def test_a_face_the_tracker_still_holds_is_waited_for() -> None:
    who = Driver()
    chosen(who, (LEFT, RIGHT), 0)
    assert chosen(who, (replace(LEFT, lost=0.3), RIGHT), 0.3) == (None, False)
    assert chosen(who, (RIGHT,), 1.5) == (2, True)
