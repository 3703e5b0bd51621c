"""The tracks file: its schema is a public interface, checked key by key; numbers come back within their rounding."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from realtime.errors import OutputError
from realtime.frame import Drawn, Face, Frame, Pose, Result
from realtime.tracks import TracksWriter, track

ROOT = Path(__file__).resolve().parent.parent
PIXELS = np.zeros((2, 2, 3), np.uint8)

coordinate = st.floats(-8000, 8000, width=32)
unit = st.floats(0, 1, width=32)
angle = st.floats(-180, 180)


def floats(shape: tuple[int, ...], elements: st.SearchStrategy[float]) -> st.SearchStrategy[np.ndarray]:
    return arrays(np.float32, shape, elements=elements, fill=elements)


faces = st.builds(
    Face,
    id=st.integers(0, 10**6),
    points=floats((81, 2), coordinate),
    confidence=floats((81,), unit),
    score=unit,
    pose=st.builds(Pose, angle, angle, angle),
)
drawings = st.builds(
    Drawn,
    affine=st.none() | floats((2, 4), st.floats(-2, 2, width=32)),
    depth=st.none() | floats((68,), coordinate),
    source_points=st.none() | floats((68, 2), coordinate),
)


@st.composite
def results(draw: st.DrawFn) -> Result:
    found = draw(st.lists(faces, max_size=2, unique_by=lambda face: face.id))
    frame = Frame(
        PIXELS, draw(st.integers(0, 10**9)), draw(st.floats(0, 1e6)), 0.0, draw(st.none() | st.text(max_size=20))
    )
    return Result(frame, tuple(found), {face.id: draw(drawings) for face in found if draw(st.booleans())})


def face(identity: int = 3) -> Face:
    points = np.arange(162, dtype=np.float32).reshape(81, 2) / 3
    return Face(identity, points, np.full(81, 1 / 3, np.float32), 2 / 3, Pose(1 / 3, -2.0, 100 / 3))


@settings(max_examples=30, deadline=None)
@given(results())
def test_every_number_comes_back_within_its_rounding(result: Result) -> None:
    back = json.loads(json.dumps(track(result), allow_nan=False))
    assert back["schema"] == 1
    assert (back["frame"], back["name"]) == (result.frame.index, result.frame.name)
    assert back["time_s"] == pytest.approx(result.frame.time_s, abs=1e-6)
    assert [row["id"] for row in back["faces"]] == [face.id for face in result.faces]
    for row, found in zip(back["faces"], result.faces, strict=True):
        drawn = result.drawn.get(found.id, Drawn())
        close(row["box"], found.box, 1e-3)
        close(row["landmarks"], found.points[:68], 1e-3)
        close(row["confidence"], found.confidence[:68], 1e-3)
        close(row["score"], found.score, 1e-3)
        close([row["pose"][axis] for axis in ("yaw", "pitch", "roll")], [getattr(found.pose, a) for a in AXES], 1e-3)
        close(row["affine"], drawn.affine, 1e-6)
        close(row["depth"], drawn.depth, 1e-3)
        close(row["source_landmarks"], drawn.source_points, 1e-3)


AXES = ("yaw", "pitch", "roll")


def close(written: object, value: object, tolerance: float) -> None:
    if value is None:
        assert written is None
    else:
        assert np.shape(written) == np.shape(value)
        assert np.abs(np.asarray(written, np.float64) - np.asarray(value, np.float64)).max() <= tolerance


def test_the_schema_key_by_key() -> None:
    drawn = Drawn(np.eye(2, 4, dtype=np.float32), np.zeros(68, np.float32), np.ones((68, 2), np.float32))
    result = Result(Frame(PIXELS, 7, 0.25, 0.0, "a.jpg"), (face(3), face(4)), {3: drawn})
    line = track(result)
    assert list(line) == ["schema", "frame", "time_s", "name", "faces"]
    assert line["name"] == "a.jpg"
    first, second = line["faces"]
    assert list(first) == [
        "id",
        "box",
        "landmarks",
        "confidence",
        "score",
        "pose",
        "affine",
        "depth",
        "source_landmarks",
    ]
    assert (len(first["box"]), np.shape(first["landmarks"]), len(first["confidence"])) == (4, (68, 2), 68)
    assert first["pose"] == {"yaw": 0.333, "pitch": -2.0, "roll": 33.333}
    assert first["affine"] == [[1, 0, 0, 0], [0, 1, 0, 0]]
    assert (len(first["depth"]), np.shape(first["source_landmarks"])) == (68, (68, 2))
    assert [second[key] for key in ("affine", "depth", "source_landmarks")] == [None] * 3
    assert first["score"] == 0.667  # and not the digits of a float32


def test_a_frame_without_a_face_has_its_line(tmp_path: Path) -> None:
    with TracksWriter(tmp_path / "t.jsonl") as tracks:
        for index in range(3):
            tracks.write(Result(Frame(PIXELS, index, index / 30, 0.0)))
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines][2] == {
        "schema": 1,
        "frame": 2,
        "time_s": 0.066667,
        "name": None,
        "faces": [],
    }


def test_every_line_is_there_at_once(tmp_path: Path) -> None:
    with TracksWriter(tmp_path / "t.jsonl") as tracks:
        for index in range(3):
            tracks.write(Result(Frame(PIXELS, index, 0.0, 0.0, "ü\n.png"), (face(),)))
            assert len((tmp_path / "t.jsonl").read_bytes().splitlines()) == index + 1


def test_a_number_that_is_none_never_reaches_the_file(tmp_path: Path) -> None:
    broken = Face(1, np.full((81, 2), np.nan, np.float32), np.zeros(81, np.float32), 0.5, Pose(0, 0, 0))
    with TracksWriter(tmp_path / "t.jsonl") as tracks, pytest.raises(ValueError, match="JSON"):
        tracks.write(Result(Frame(PIXELS, 0, 0.0, 0.0), (broken,)))
    assert (tmp_path / "t.jsonl").read_bytes() == b""


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="choose a folder"):
        TracksWriter(tmp_path / "missing" / "t.jsonl")


def test_a_full_disk_leaves_whole_lines(tmp_path: Path) -> None:
    code = f"""
import resource, sys
from pathlib import Path
sys.path.insert(0, "tests")
from test_tracks import face, PIXELS
from realtime.errors import DeviceLostError
from realtime.frame import Frame, Result
from realtime.tracks import TracksWriter
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    with TracksWriter(Path({str(tmp_path / "t.jsonl")!r})) as tracks:
        for index in range(100):
            tracks.write(Result(Frame(PIXELS, index, 0.0, 0.0), (face(),)))
except DeviceLostError as error:
    print(error)
"""
    run = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": "."},
    )
    assert "free some space" in run.stdout and run.stdout.count("\n") == 1
    lines = (tmp_path / "t.jsonl").read_text().splitlines()
    assert [json.loads(line)["frame"] for line in lines] == list(range(len(lines)))
    assert 3 < len(lines) < 20
