"""`bench surfaces` on a recording of one's own."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from bench import surfaces
from realtime.errors import InputError
from realtime.frame import Intrinsics
from realtime.rgbd.calibration import Calibration
from realtime.rgbd.recording import RecordingWriter
from realtime.sources.demo import portraits

SIZE, FRAMES, AWAY = (320, 320), 3, 800.0


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """A portrait before a sensor that sees a ball where its face is, and nothing in the last frame."""
    folder = tmp_path / "recording"
    pixels = cv2.resize(portraits()[0], SIZE, interpolation=cv2.INTER_AREA)
    camera = Intrinsics(500.0, 500.0, 159.5, 159.5)
    across, down = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    out = np.hypot(across - 160, down - 110) / 80
    depth = np.where(out < 1, AWAY + 60 * (1 - np.sqrt(np.clip(1 - out**2, 0, 1))), 1500).astype(np.uint16)
    with RecordingWriter(folder, Calibration.registered(SIZE, camera)) as writer:
        for number in range(FRAMES):
            writer.add_colour(pixels, number / 30)
            writer.add_depth(depth if number < FRAMES - 1 else 0 * depth, number / 30)
    return folder


def test_a_recording_gives_maps_of_each_frame_and_errors(
    recording: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    surfaces.run(surfaces.Options(rgbd=recording, save=tmp_path / "maps", json=True))
    said = capsys.readouterr().out
    errors = json.loads(said.splitlines()[-1])["ours"]["errors"]
    (depth,) = (row for name, row in errors.items() if name.startswith("depth in the inner face"))
    assert f"({FRAMES - 1} pictures)" in next(iter(errors)), "where the sensor sees nothing, nothing is compared"
    assert 0 < depth["network"][0] < 40
    for kind in ("depth", "normals"):
        names = sorted(path.name for path in (tmp_path / "maps" / kind).iterdir())
        assert names == [f"{number:06}.png" for number in range(FRAMES)]
    made = cv2.imread(str(tmp_path / "maps" / "depth" / "000000.png"), cv2.IMREAD_UNCHANGED)
    assert made.dtype == np.uint16
    assert 0.01 < (made > 0).mean() < 0.5, "the face alone: the network's map, not the sensor's"


def test_maps_need_a_recording(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="give --rgbd"):
        surfaces.run(surfaces.Options(save=tmp_path))
    with pytest.raises(InputError, match="no folder"):
        surfaces.run(surfaces.Options(rgbd=tmp_path / "none"))
