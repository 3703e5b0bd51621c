"""The report, the closing table, the contact sheet's choice of frames, and what stands in for a terminal's bar."""

from __future__ import annotations

import io
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from rich.console import Console

from realtime.contact_sheet import grid, spaced, write_contact_sheet
from realtime.errors import DeviceLostError, OutputError
from realtime.frame import Frame, Result
from realtime.loop import Lane, Outcome
from realtime.progress import ProgressLine
from realtime.repair.pace import Level
from realtime.repair.stage import Status
from realtime.report import closing_table, make_report, write_report
from realtime.rgbd.pairing import Pairing
from realtime.sinks import open_sink
from realtime.sinks.base import SinkOptions
from realtime.sinks.null import NullSink
from realtime.sources import Memory
from realtime.timing import Meter, Timings


def outcome(latencies_ms: list[float], error: DeviceLostError | None = None) -> Outcome:
    lane = Lane(NullSink(), live=True)
    timings = Timings()
    for latency in latencies_ms:
        lane.latency.add(latency / 1000)
        timings.add("render", latency / 2000)
    lane.error = error
    given = len(latencies_ms)
    dropped = {"source": 1, "analyse": 2, "render": 4}
    return Outcome(given + 7, given, 3, dropped, 30.0, 29.5, (lane,), lane, timings)


def source() -> Memory:
    return Memory([np.zeros((4, 6, 3), np.uint8)] * 2)


def test_the_report_has_the_keys_and_numbers_of_schema_1(tmp_path: Path, rng: np.random.Generator) -> None:
    latencies = rng.uniform(10, 50, 500)
    status = Status(None, Level.FAST, "there is time")
    report = make_report(outcome(list(latencies)), source(), "clip.mp4", "somewhere", status)
    write_report(report, tmp_path / "r.json")
    read = json.loads((tmp_path / "r.json").read_text())
    assert read == report
    assert (read["schema"], read["frames_in"], read["frames_out"], read["dropped"], read["fps"]) == (
        1,
        507,
        500,
        7,
        29.5,
    )
    for percent in (50, 95, 99):
        assert read["latency_ms"][f"p{percent}"] == pytest.approx(np.percentile(latencies, percent), rel=0.01)
    for percent in (50, 95):
        assert read["stages_ms"]["render"][f"p{percent}"] == pytest.approx(
            np.percentile(latencies, percent) / 2, rel=0.01
        )
    assert read["source"] == {
        "name": "clip.mp4",
        "size": [6, 4],
        "rate": 30.0,
        "live": False,
        "skipped": 3,
        "depth": None,
    }
    assert read["sinks"][0]["name"] == "null"
    assert read["runtime"] == "somewhere"
    assert read["repair"] == {"asked": None, "running": "fast", "why": "there is time"}
    console = Console(width=100, file=io.StringIO())
    console.print(closing_table(report))
    assert "Repair fast: there is time." in console.file.getvalue()  # type: ignore[attr-defined]
    assert {"python", "numpy", "openvino"} <= set(read["versions"])


def test_an_empty_run_reports_null_and_still_prints() -> None:
    report = make_report(outcome([], DeviceLostError("gone.")), source(), "clip.mp4", "somewhere")
    assert report["latency_ms"] == {"p50": None, "p95": None, "p99": None}
    console = Console(width=100, file=io.StringIO())
    console.print(closing_table(report))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "7 frames in" in text
    assert "to null (given up)" in text


def test_a_report_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="no"):
        write_report({}, tmp_path / "no" / "r.json")


@pytest.mark.parametrize("count", [1, 5, 12, 13, 100, 2000])
def test_spaced_pictures_are_even_and_few(count: int) -> None:
    places = [int(picture[0]) for picture in spaced((np.array([place]) for place in range(count)), 12)]
    assert len(places) == min(count, 12)
    assert places[0] == 0
    assert places[-1] >= 0.9 * (count - 1)
    even = np.linspace(0, count - 1, len(places))
    assert np.abs(np.array(places) - even).max() <= 0.1 * count


def test_the_grid_shows_every_picture_where_it_belongs() -> None:
    pictures = [np.full((4, 6, 3), value, np.uint8) for value in (10, 20, 30, 40, 50)]
    sheet = grid(pictures, columns=3)
    assert [int(value) for row in sheet[6 + 2 :: 10, 6 + 3 :: 12, 0][:2] for value in row] == [10, 20, 30, 40, 50, 255]


def test_a_contact_sheet_of_a_clip(tmp_path: Path) -> None:
    clip, sheet = tmp_path / "clip.mp4", tmp_path / "sheet.png"
    with open_sink(str(clip), SinkOptions(live=False, rate=30.0)) as sink:
        for index in range(24):
            sink.write(Result(Frame(np.full((64, 96, 3), 10 * index, np.uint8), index, index / 30, 0.0)))
    write_contact_sheet(clip, sheet)
    read = cv2.imread(str(sheet))
    assert read is not None
    middles = read[6 + 160 :: 326, 6 + 240 :: 486, 0].ravel()
    assert len(middles) == 12
    assert (np.diff(middles.astype(int)) > 0).all()


def test_progress_without_a_terminal_is_a_line_now_and_then(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("realtime.progress.time.monotonic", lambda: clock[0])
    with ProgressLine(200, lambda: 60, Meter()) as progress:
        progress.update()
        assert capsys.readouterr().err == ""
        clock[0] += 6
        progress.update()
        progress.update()
    assert capsys.readouterr().err == "60 of 200 frames, 0 frames/s\n"


def test_how_far_depth_and_colour_are_apart_is_told() -> None:
    pairing = Pairing()
    for index in range(10):
        pairing.add(0.012, index / 30)
    pairing.add(None, 0.4)
    sensor = source()
    sensor.pairing = pairing
    report = make_report(outcome([20.0]), sensor, "rgbd:x", "somewhere")
    assert report["source"]["depth"] == {
        "paired": 10,
        "alone": 1,
        "apart_ms": {"p50": 12.0, "p95": 12.0, "drift": 0.0},
    }
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(closing_table(report))
    assert "Depth for 10 of 11 pictures, 12.0 ms apart" in console.export_text()
