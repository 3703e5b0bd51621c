"""Mode monitor on real clips, against labels that a person made frame by frame."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.clip_labels import CLOSURES, labels
from bench.driver_eyes import area_under_roc, closures_found, judged, labelled_eyes, watched_clip
from bench.driver_lenses import Lookout, told_of_clips
from realtime.analysis.networks import Networks
from realtime.monitor.reading import Reading, State
from training import data as sets
from training.eyewear import CLEAR, HIDDEN, rows_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def readings(data: Path) -> dict[str, list[Reading]]:
    return {clip: watched_clip(data / f"video_{clip}.mp4") for clip in ("d12", "s18")}


def test_labelled_eyes_are_told_apart(readings: dict[str, list[Reading]]) -> None:
    found = labelled_eyes(readings)
    assert found.auc > 0.97
    assert found.unjudged < 0.05
    assert found.false < 0.02
    assert max(told.told for told in told_of_clips(readings).values()) < 0.02, "nobody wears sunglasses"


def test_blinks_of_the_clips_are_found(readings: dict[str, list[Reading]]) -> None:
    rates = {"d12": 25.0, "s18": 30.0}
    found = [closures_found(clip, readings[clip], rates[clip]) for clip in readings]
    seen = sum(row["seen"] for row in found)
    assert sum(row["found"] for row in found) >= seen - 1  # one is of a head that moves, its lids half closed
    assert sum(row["beside"] for row in found) == 0


def test_a_calm_face_is_attentive(readings: dict[str, list[Reading]]) -> None:
    states = [reading.state for reading in readings["s18"][120:]]
    assert np.mean([state is State.ATTENTIVE for state in states]) > 0.95


def test_sunglasses_are_told_and_clear_glasses_are_not(data: Path) -> None:
    faces, look = sets.faces_300w(), Lookout(Networks.load(1))

    def told(table: dict[str, tuple[int, ...]]) -> float:
        rows = rows_of(table, faces, apart=True)[:24]
        return look.told(True, ((faces.picture(row), faces.points[row]) for row in rows)).told

    assert told(HIDDEN) > 0.8
    assert told(CLEAR) < 0.05


def test_the_program_writes_what_it_saw(data: Path, tmp_path: Path) -> None:
    names = {name: tmp_path / f"{name}" for name in ("t.jsonl", "e.jsonl", "r.html")}
    command = [sys.executable, "run_live.py", "--source", str(data / "video_s18.mp4"), "--seconds", "1.5"]
    command += ["--sink", "null", "--tracks", str(names["t.jsonl"]), "--events", str(names["e.jsonl"])]
    command += ["--drive-report", str(names["r.html"]), "--limit", "absent_s=4", "--opentrack", "127.0.0.1:4242"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in names["t.jsonl"].read_text().splitlines()]
    assert len(lines) > 30
    assert all(line["monitor"]["head"] is not None for line in lines)
    kinds = [json.loads(line)["kind"] for line in names["e.jsonl"].read_text().splitlines()]
    assert "blink" in kinds
    assert "<svg" in names["r.html"].read_text()


def test_labels_are_of_frames_once() -> None:
    seen = [(label.clip, label.frame, label.eye) for label in labels()]
    assert len(seen) == len(set(seen))
    assert {label.clip for label in labels()} == set(CLOSURES)


def test_area_under_the_curve() -> None:
    rng = np.random.default_rng(0)
    assert area_under_roc(np.array([1.0, 2.0]), np.array([0.0, 1.0])) == pytest.approx(0.875)
    assert area_under_roc(rng.normal(1, 1, 4000), rng.normal(0, 1, 4000)) == pytest.approx(0.760, abs=0.02)
    assert judged([None, 0.9], [0.1, 0.2]).unjudged == pytest.approx(0.25)
