"""The page of a drive: well-formed, complete in itself, and telling what happened."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from monitor_making import driver, watch

from realtime.drive_report.__main__ import main
from realtime.drive_report.drive import Drive, read_drive
from realtime.drive_report.page import page
from realtime.drive_report.plots import Axis, clock, line_plot
from realtime.drive_report.sink import DriveReportSink
from realtime.errors import InputError, OutputError
from realtime.frame import Face, Frame, Pose, Result
from realtime.monitor.limits import Limits
from realtime.monitor.monitor import DriverMonitor
from realtime.monitor.reading import Reading, State
from realtime.monitor.record import reading_record
from realtime.sinks.events import EventsWriter
from realtime.tracks import TracksWriter

RATE = 15.0
SCRIPT: list[tuple[float, Face | None]] = [
    (5, driver()),
    (0.2, driver(lids_mm=2.0)),
    (2, driver()),
    (4, driver(Pose(45, 0, 0))),
    (2, driver()),
    (3.5, driver(lids_mm=2.0)),
    (1, driver()),
    (3, driver(mouth_mm=40)),
    (1, driver()),
    (3, None),
]


@pytest.fixture(scope="module")
def results() -> list[Result]:
    readings = watch(DriverMonitor(), SCRIPT, rate=RATE)
    picture = np.zeros((4, 4, 3), np.uint8)
    return [Result(Frame(picture, index, index / RATE, 0.0), reading=reading) for index, reading in enumerate(readings)]


def parsed(text: str) -> ET.Element:
    return ET.fromstring(text)


def words(root: ET.Element) -> str:
    return " ".join(root.itertext())


def test_the_page_is_well_formed_loads_nothing_and_tells_the_events(results: list[Result], tmp_path: Path) -> None:
    path = tmp_path / "drive <&>.html"
    with DriveReportSink(path, "cam & <era>", Limits()) as sink:
        for result in results:
            sink.write(result)
    text = path.read_text(encoding="utf-8")
    root = parsed(text)
    tags = {element.tag.rpartition("}")[2] for element in root.iter()}
    assert not tags & {"script", "link", "img", "iframe", "object"}
    assert "http" not in text.replace("http://www.w3.org/1999/xhtml", "")
    told = words(root)
    for event in ("asleep", "distracted", "yawn", "eyes closed", "no driver", "cam & <era>", "certified"):
        assert event in told
    assert len([element for element in root.iter() if element.tag.endswith("svg")]) == 6


def test_files_give_the_same_page(results: list[Result], tmp_path: Path) -> None:
    tracks, events = tmp_path / "t.jsonl", tmp_path / "e.jsonl"
    with (
        TracksWriter(tracks) as first,
        EventsWriter(events) as second,
        DriveReportSink(tmp_path / "live.html", "t.jsonl", Limits()) as third,
    ):
        for result in results:
            for sink in (first, second, third):
                sink.write(result)
    assert main([str(tracks), "--events", str(events), "--out", str(tmp_path / "later.html")]) == 0
    assert (tmp_path / "later.html").read_text() == (tmp_path / "live.html").read_text()
    lines = [json.loads(line) for line in events.read_text().splitlines()]
    assert {line["kind"] for line in lines} >= {"state", "blink", "eyes closed", "yawn"}
    assert all(line["schema"] == 1 and line["duration_s"] >= 0 for line in lines)


def test_time_in_states_adds_up(results: list[Result]) -> None:
    drive = Drive("a drive")
    for result in results:
        assert result.reading is not None
        drive.add(result.frame.time_s, reading_record(result.reading))
    assert sum(drive.seconds.values()) == pytest.approx(results[-1].frame.time_s)
    assert drive.seconds[State.ASLEEP] == pytest.approx(0.6, abs=0.3)
    direct = sum(1 / RATE for result in results[1:] if _reading(result).state is State.ATTENTIVE)
    assert drive.seconds[State.ATTENTIVE] == pytest.approx(direct, abs=1e-6)


def _reading(result: Result) -> Reading:
    assert result.reading is not None
    return result.reading


def test_a_drive_without_a_frame_still_has_a_page() -> None:
    assert "None." in words(parsed(page(Drive("nothing"), Limits())))


@pytest.mark.parametrize(
    "content",
    ["", "{}\n", "[1]\n", '{"monitor": {}, "time_s": 0}\n', '{"monitor": 3, "time_s": 0}\n', "no json\n", "\udcff"],
)
def test_files_that_are_no_drive(content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "t.jsonl"
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError):
        read_drive(path)
    assert main([str(path)]) == 2
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="drive report"):
        DriveReportSink(tmp_path / "no" / "r.html", "x", Limits())


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0:00.0"), (65.25, "1:05.2"), (59.97, "1:00.0"), (3665, "1:01:05.0")]
)
def test_clock(seconds: float, text: str) -> None:
    assert clock(seconds) == text


def test_a_line_keeps_its_extremes_and_its_gaps() -> None:
    series: list[tuple[float, float | None]] = [(i / 100, 0.5) for i in range(100_000)]
    series[40_123] = (401.23, 1.0)
    series[70_000:80_000] = [(time_s, None) for time_s, _ in series[70_000:80_000]]
    svg = line_plot("value", Axis(0, 1000), {"a": series}, (0, 1))
    path = next(e.get("d", "") for e in parsed(svg).iter() if e.get("class") == "line")
    assert path.count("M") == 2  # one gap
    assert " 22.0" in path  # the peak of a hundredth of a second, at the plot's upper end
    assert len(path) < 60_000


def test_an_alert_that_lasts_counts_once() -> None:
    def event(time_s: float, before: State, state: State, alert: int) -> dict[str, object]:
        return {"kind": "state", "time_s": time_s, "before": before.value, "state": state.value, "alert": alert}

    drive = Drive("cam")
    drive.add(0.0, reading_record(watch(DriverMonitor(), [(0.2, driver())])[-1]))
    drive.events = [
        event(1, State.ATTENTIVE, State.DROWSY, 1),
        event(2, State.DROWSY, State.DROWSY, 2),
        event(3, State.DROWSY, State.MICROSLEEP, 2),
        event(4, State.MICROSLEEP, State.DROWSY, 2),
        event(5, State.DROWSY, State.ATTENTIVE, 0),
        event(6, State.ATTENTIVE, State.MICROSLEEP, 2),
    ]
    text = words(parsed(page(drive, Limits())))
    assert "warnings 2" in text
    assert "notices 1" in text
