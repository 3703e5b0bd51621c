"""The relief between keypoints: cheeks stand out, keypoints and the outline stay, damage is told."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from realtime.errors import EngineError
from realtime.geometry.mesh import face_mesh
from realtime.geometry.relief import SIDE, load_relief, relief
from realtime.geometry.template import template
from realtime.geometry.topology import KEYPOINTS


def test_cheeks_stand_out_and_keypoints_stay() -> None:
    behind, places = relief(), face_mesh().weights @ template()
    for side in (-1, 1):
        cheek = np.hypot(places[:, 0] - 0.55 * side, places[:, 1]) < 0.12
        assert cheek.sum() >= 4
        assert -0.25 < behind[cheek].mean() < -0.1, "nearly two centimetres: the outer eye corners are nine apart"
    np.testing.assert_allclose(behind[:KEYPOINTS], 0, atol=1e-5)
    np.testing.assert_allclose(places[:KEYPOINTS], template(), atol=1e-5)


def test_nobody_writes_into_the_shared_relief() -> None:
    with pytest.raises(ValueError, match="read-only"):
        relief()[0] = 1


@pytest.mark.parametrize("content", [None, b"", b"PK\x03\x04 cut short"])
def test_missing_or_damaged_file_is_one_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "relief.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EngineError, match=r"relief\.npz"):
        load_relief(path)


def test_wrong_shape_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "relief.npz", behind=np.zeros((SIDE, 3)))
    with pytest.raises(EngineError, match="shape"):
        load_relief(tmp_path / "relief.npz")
