"""The whole program on real clips, as a user starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from training.data import faces_300w

ROOT = Path(__file__).resolve().parents[2]
CLIPS = ("d3", "d6", "d9", "d10", "d12", "s18")
SECONDS = 1.0


@pytest.fixture(scope="module")
def photo(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A frontal photo of somebody who is in none of the clips."""
    path = tmp_path_factory.mktemp("photo") / "somebody.jpg"
    cv2.imwrite(str(path), cv2.cvtColor(faces_300w().picture(5), cv2.COLOR_RGB2BGR))
    return path


def _run(*arguments: str | Path) -> None:
    command = [sys.executable, "run_live.py", *map(str, arguments), "--seconds", str(SECONDS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr


def _pictures(path: Path, most: int = 1000) -> list[np.ndarray]:
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format="rgb24") for frame in islice(container.decode(video=0), most)]


@pytest.mark.parametrize("clip", CLIPS)
def test_a_swapped_clip_is_whole_and_changed_in_the_face_alone(
    clip: str, data: Path, photo: Path, tmp_path: Path
) -> None:
    source, out = data / f"video_{clip}.mp4", tmp_path / "out.mp4"
    report, tracks = tmp_path / "r.json", tmp_path / "t.jsonl"
    _run("--source", source, "--mode", "swap", "--face", photo, "--sink", out, "--report", report, "--tracks", tracks)
    swapped = _pictures(out)
    before = _pictures(source, len(swapped))
    rows = [json.loads(line) for line in tracks.read_text().splitlines()]
    totals = json.loads(report.read_text())
    assert len(swapped) == len(rows) == totals["frames_in"] == totals["frames_out"]
    assert totals["dropped"] == 0
    assert len(swapped) == pytest.approx(SECONDS * 30, abs=6)
    for old, new, row in list(zip(before, swapped, rows, strict=True))[::6]:
        (face,) = row["faces"]
        assert np.shape(face["affine"]) == (2, 4)
        x, y, width, height = face["box"]
        change = cv2.absdiff(new, old).mean(axis=2)
        inner = change[int(y + 0.3 * height) : int(y + 0.8 * height), int(x + 0.2 * width) : int(x + 0.8 * width)]
        assert inner.mean() > 4
        away = np.ones(change.shape, bool)
        away[int(max(y - height, 0)) : int(y + 1.3 * height), int(max(x - 0.2 * width, 0)) : int(x + 1.2 * width)] = 0
        away[-change.shape[0] // 8 :, change.shape[1] // 2 :] = 0  # the badge
        assert change[away].mean() < 4, "only the encoder touched the rest"


def test_the_affine_in_the_tracks_lays_the_photo_on_the_live_face(data: Path, photo: Path, tmp_path: Path) -> None:
    tracks = tmp_path / "t.jsonl"
    _run("--source", data / "video_d3.mp4", "--mode", "swap", "--face", photo, "--sink", "null", "--tracks", tracks)
    for line in tracks.read_text().splitlines():
        (face,) = json.loads(line)["faces"]
        solid = np.column_stack([face["source_landmarks"], face["depth"], np.ones(68)])
        live = np.array(face["landmarks"])
        error = np.linalg.norm(solid @ np.array(face["affine"]).T - live, axis=1)
        rigid = [27, 28, 29, 30, 33, 36, 39, 42, 45]
        assert error[rigid].mean() < 0.08 * np.linalg.norm(live[36] - live[45])


def test_a_folder_of_views_is_one_person(data: Path, tmp_path: Path) -> None:
    """A clip as the source face, beside a photo of the same person in one folder."""
    folder = tmp_path / "person"
    folder.mkdir()
    first = _pictures(data / "video_d12.mp4", 1)[0]
    cv2.imwrite(str(folder / "a.png"), cv2.cvtColor(first, cv2.COLOR_RGB2BGR))
    (folder / "b.mp4").symlink_to((data / "video_s18.mp4").resolve())
    out = tmp_path / "out.mp4"
    _run("--source", data / "video_d3.mp4", "--mode", "swap", "--face", folder, "--sink", out)
    assert len(_pictures(out)) == pytest.approx(SECONDS * 30, abs=6)
