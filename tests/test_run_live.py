"""The program as people run it: in a process of its own, on the demo and on bad input."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from realtime import program
from realtime.controls import Mode, Settings
from realtime.errors import InputError
from realtime.options import parse
from realtime.plan import make_plan
from realtime.repair.networks import RepairOptions
from realtime.repair.pace import Level
from realtime.repair.stage import Repair
from realtime.timing import Meter

ROOT = Path(__file__).resolve().parent.parent


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, str(ROOT / "run_live.py"), *map(str, arguments)]


def environment() -> dict[str, str]:
    """No display, so that the tests do the same everywhere."""
    hidden = ("DISPLAY", "WAYLAND_DISPLAY")
    return {key: value for key, value in os.environ.items() if key not in hidden}


def run_live(*arguments: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), cwd=cwd, env=environment(), capture_output=True, text=True, timeout=110, check=False
    )


def frames_of(path: Path) -> int:
    with av.open(str(path)) as container:
        return sum(1 for _ in container.decode(video=0))


def test_help_is_a_page_and_needs_nothing_heavy() -> None:
    code = (
        "import sys; sys.argv = ['run_live.py', '--help']; import runpy\n"
        "try: runpy.run_path('run_live.py', run_name='__main__')\n"
        "except SystemExit as end: assert end.code == 0\n"
        "assert not {'cv2', 'av', 'openvino', 'OpenGL'} & set(sys.modules), 'heavy imports'"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) < 140
    for option in ("--source", "--mode", "--face", "--sink", "--report", "--tracks", "--no-badge", "--list-devices"):
        assert option in done.stdout


DEMO_SWAP = Settings(mode=Mode.SWAP)


@pytest.mark.parametrize(
    ("arguments", "display", "sinks", "settings", "paced"),
    [
        ("--source demo", True, ("window",), DEMO_SWAP, True),
        ("--source demo", False, ("out/facet.mp4",), DEMO_SWAP, False),
        ("--source camera", True, ("window",), Settings(mode=Mode.ROTATE, sweep=True), True),
        ("--source camera --face a.jpg", True, ("window",), DEMO_SWAP, True),
        ("--source demo --repair off", True, ("window",), replace(DEMO_SWAP, repair=False), True),
        ("--source demo --repair full", True, ("window",), DEMO_SWAP, True),
        ("--source demo --yaw 20", True, ("window",), Settings(mode=Mode.ROTATE, yaw=20), True),
        ("--source a.mp4 --mode depth --sink b.mp4", True, ("b.mp4",), Settings(mode=Mode.DEPTH), False),
        (
            "--source a.mp4 --sink window --sink b.mp4 --mode off",
            True,
            ("window", "b.mp4"),
            Settings(mode=Mode.OFF),
            False,
        ),
        (
            "--source a.mp4 --sink virtual --mode mesh --mirror",
            True,
            ("virtual",),
            Settings(mode=Mode.MESH, mirror=True),
            True,
        ),
    ],
)
def test_defaults(arguments: str, display: bool, sinks: tuple[str, ...], settings: Settings, paced: bool) -> None:
    plan = make_plan(parse(arguments.split()), display)
    assert plan.sinks == sinks
    assert plan.settings == settings
    assert plan.source_options.paced == paced
    assert (plan.sheet is not None) == (plan.source == "demo" and not display)


@pytest.mark.parametrize(
    ("arguments", "again"),
    [
        ("--source a.jpg --sink window", True),
        ("--source a.jpg --sink b.mp4", False),
        ("--source a.jpg --sink b.mp4 --seconds 6", True),
        ("--source a.mp4 --sink b.mp4 --seconds 6", False),
        ("--source demo --sink b.mp4 --seconds 6", False),
    ],
)
def test_a_picture_lasts_while_it_is_shown_or_as_long_as_asked(arguments: str, again: bool) -> None:
    assert make_plan(parse(arguments.split()), True).source_options.loop == again


@pytest.mark.parametrize("arguments", ["--max-faces 9", "--max-faces 0", "--threads 0", "--seconds -1", "--rate 0"])
def test_numbers_out_of_range_are_refused(arguments: str) -> None:
    with pytest.raises(InputError, match=arguments.split()[0]):
        make_plan(parse(["--source", "demo", *arguments.split()]), False)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--source", "missing.mp4"], "missing.mp4"),
        (["--source", "empty.mp4"], "empty.mp4"),
        (["--source", "text.mp4"], "text.mp4"),
        (["--source", "nothing:here"], "nothing"),
        (["--source", "demo", "--sink", "no/such/folder/x.mp4"], "no/such/folder/x.mp4"),
        (["--source", "demo", "--sink", "x.doc"], "x.doc"),
        (["--source", "demo", "--face", "missing.jpg"], "missing.jpg"),
        (["--source", "demo", "--face", "grey.png"], "grey.png"),
        (["--source", "demo", "--tracks", "no/such/t.jsonl"], "t.jsonl"),
        (["--source", "demo", "--max-faces", "9"], "--max-faces"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("this is no video\n" * 100)
    cv2.imwrite(str(tmp_path / "grey.png"), np.full((200, 200), 128, np.uint8))
    done = run_live(*arguments, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_unknown_options_are_refused(tmp_path: Path) -> None:
    assert run_live("--colour", "red", cwd=tmp_path).returncode == 2


def test_without_camera_and_display_it_leaves_a_clip_a_sheet_a_report_and_tracks(tmp_path: Path) -> None:
    done = run_live("--source", "demo", "--seconds", "1", "--report", "r.json", "--tracks", "t.jsonl", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert frames_of(tmp_path / "out/facet.mp4") == 30
    assert cv2.imread(str(tmp_path / "out/facet_sheet.png")) is not None
    for path in ("out/facet.mp4", "out/facet_sheet.png", "r.json", "t.jsonl"):
        assert f"written: {path}" in done.stdout
    report = json.loads((tmp_path / "r.json").read_text())
    assert report["schema"] == 1
    assert (report["frames_in"], report["frames_out"], report["dropped"]) == (30, 30, 0)
    assert {"p50", "p95", "p99"} == set(report["latency_ms"])
    assert {"fps", "stages_ms", "source", "sinks", "runtime", "versions"} <= set(report)
    lines = [json.loads(line) for line in (tmp_path / "t.jsonl").read_text().splitlines()]
    assert [line["frame"] for line in lines] == list(range(30))
    faces = [face for line in lines for face in line["faces"]]
    assert len(faces) >= 28
    assert all(np.shape(face["affine"]) == (2, 4) for face in faces)


def test_two_runs_over_a_file_give_identical_tracks(tmp_path: Path) -> None:
    for name in ("a", "b"):
        arguments = ("--seconds", "1", "--sink", "null", "--mode", "rotate", "--yaw", "20", "--tracks", f"{name}.jsonl")
        assert run_live("--source", "demo", *arguments, cwd=tmp_path).returncode == 0
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes()


def listens(process: subprocess.Popen[str]) -> bool:
    """Whether the process has a handler for SIGTERM."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    caught = next(line.split()[1] for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught, 16) >> (signal.SIGTERM - 1) & 1)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells which signals are caught")
@pytest.mark.parametrize(
    ("number", "delay_s"),
    [(signal.SIGINT, 0.0), (signal.SIGTERM, 1.0), (signal.SIGINT, 4.0), (signal.SIGTERM, 4.0)],
)
def test_a_signal_at_any_moment_ends_cleanly(number: signal.Signals, delay_s: float, tmp_path: Path) -> None:
    process = subprocess.Popen(
        command("--source", "demo", "--sink", "out.mp4"),
        cwd=tmp_path,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not listens(process):
        time.sleep(0.01)
    time.sleep(delay_s)
    process.send_signal(number)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    assert "frames in" in output
    if (tmp_path / "out.mp4").exists():
        assert frames_of(tmp_path / "out.mp4") > 0


def test_the_windows_corner_says_what_computes() -> None:
    repair = Repair(RepairOptions(Level.OFF))
    assert "openvino 1.2 cpu" in program._figures(Meter(), "openvino 1.2 cpu", repair)
