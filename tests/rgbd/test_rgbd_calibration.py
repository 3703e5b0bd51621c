"""Calibrations: written and read alike, and what cannot be is said in one sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.errors import InputError
from realtime.frame import Intrinsics
from realtime.rgbd.calibration import Calibration, Camera, calibration_of, read_calibration

KNOWN = Calibration(
    Camera((640, 480), Intrinsics(517.7, 516.1, 320.0, 240.5), (0.1, -0.2, 0.001, 0.002, 0.05)),
    Camera((512, 424), Intrinsics(365.0, 366.0, 255.5, 211.5)),
    cv2.Rodrigues(np.array([0.01, -0.02, 0.005]))[0],
    np.array([-24.0, 5.9, -13.2]),
    0.25,
)


@given(st.tuples(*[st.floats(-3, 3)] * 3), st.tuples(*[st.floats(-300, 300)] * 3), st.floats(0.01, 10))
def test_written_and_read_alike(
    turn: tuple[float, float, float], shift: tuple[float, float, float], unit: float
) -> None:
    known = Calibration(KNOWN.colour, KNOWN.depth, cv2.Rodrigues(np.array(turn))[0], np.array(shift), unit)
    back = calibration_of(json.loads(json.dumps(known.as_json())))
    assert (back.colour, back.depth, back.depth_unit_mm) == (known.colour, known.depth, unit)
    np.testing.assert_array_equal(back.rotation, known.rotation)
    np.testing.assert_array_equal(back.translation_mm, known.translation_mm)


def changed(*path: str, to: Any) -> dict[str, Any]:
    content = KNOWN.as_json()
    inner = content
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = to
    return content


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ([], "schema"),
        (changed("schema", to=2), "schema"),
        (changed("colour", to=None), "no camera colour"),
        (changed("colour", "fx", to=0), "focal length of 0"),
        (changed("depth", "fy", to=-365), "focal length"),
        (changed("depth", "fx", to="wide"), "depth.fx is not a number"),
        (changed("depth", "width", to=0), "depth.width is 0"),
        (changed("depth", "height", to=480.5), "depth.height"),
        (changed("colour", "cx", to=9000), "principal point"),
        (changed("colour", "distortion", to=[0.1]), "5 numbers"),
        (changed("depth_to_colour", "rotation", to=np.zeros((3, 3)).tolist()), "no rotation"),
        (changed("depth_to_colour", "rotation", to=np.diag([1, 1, -1]).tolist()), "no rotation"),
        (changed("depth_to_colour", "rotation", to=[[1, 0], [0, 1]]), "3 x 3 numbers"),
        (changed("depth_to_colour", "translation_mm", to=[float("nan"), 0, 0]), "3 numbers"),
        (changed("depth_to_colour", "translation_mm", to=[25000, 0, 0]), "translation_mm"),
        (changed("depth_to_colour", to=5), "no object"),
        (changed("depth_unit_mm", to=0), "depth_unit_mm"),
    ],
)
def test_what_cannot_be(tmp_path: Path, content: Any, said: str) -> None:
    path = tmp_path / "calibration.json"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=said) as caught:
        read_calibration(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00", b"{", b""])
def test_no_calibration_at_all(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "calibration.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match="calibration"):
        read_calibration(path)


def test_one_camera_is_registered() -> None:
    assert Calibration.registered((640, 480), Intrinsics(500, 500, 320, 240)).is_registered
    assert not KNOWN.is_registered
