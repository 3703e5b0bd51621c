"""What the monitor's options come to, and what is wrong with some."""

from __future__ import annotations

import pytest

from realtime.controls import Mode
from realtime.errors import InputError
from realtime.monitor.monitor import MonitorOptions
from realtime.options import parse
from realtime.plan import Plan, make_plan


def plan(*arguments: str) -> Plan:
    return make_plan(parse(["--source", "demo", *arguments]), has_display=False)


@pytest.mark.parametrize("asked", [("--events", "e.jsonl"), ("--drive-report", "r.html"), ("--opentrack", "host:4242")])
def test_what_only_the_monitor_gives_chooses_it(asked: tuple[str, str]) -> None:
    assert plan(*asked).settings.mode is Mode.MONITOR
    assert plan(*asked).max_faces == 3
    assert plan(*asked, "--max-faces", "1").max_faces == 1


def test_without_options_everything_is_as_published() -> None:
    assert plan("--mode", "monitor").monitor == MonitorOptions()
    assert plan().max_faces == 1


def test_options_reach_the_monitor() -> None:
    made = plan(*["--mode", "monitor", "--limit", "glance_s=1.5", "--limit", "closed=0.7"], "--focal", "800").monitor
    assert (made.limits.glance_s, made.limits.closed, made.focal_px) == (1.5, 0.7, 800)
    assert plan(*["--mode", "monitor", "--driver-region", "0.5", "0", "0.5", "1"]).monitor.region == (0.5, 0, 0.5, 1)


@pytest.mark.parametrize(
    "wrong",
    [
        "--mode swap --events e.jsonl",
        "--mode monitor --limit glance=2",
        "--mode monitor --limit glance_s=0",
        "--mode monitor --driver-region 0 0 2 1",
        "--mode monitor --focal 0",
    ],
)
def test_options_that_make_no_sense(wrong: str) -> None:
    with pytest.raises(InputError):
        plan(*wrong.split())
