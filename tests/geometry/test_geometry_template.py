"""The mean face: unit, origin, symmetry, and a face's order in depth."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from realtime.errors import EngineError
from realtime.geometry.template import load_template, template
from realtime.geometry.topology import (
    FLIP,
    HAIRLINE,
    INNER_LIPS,
    JAW,
    LANDMARKS,
    NOSE_TIP,
    OUTER_EYE_CORNERS,
    eye_distance,
)


def test_unit_origin_and_symmetry() -> None:
    face = template()
    assert face.shape == (81, 3)
    assert face.dtype == np.float32
    assert eye_distance(face) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(face[:LANDMARKS].mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(face[FLIP] * [-1, 1, 1], face, atol=1e-6)


def test_it_is_a_face() -> None:
    face = template()
    left, right = OUTER_EYE_CORNERS
    assert face[:, 2].argmin() == NOSE_TIP, "the nose is nearest"
    assert face[left, 0] < face[NOSE_TIP, 0] < face[right, 0]
    assert face[left, 1] < face[NOSE_TIP, 1] < face[INNER_LIPS, 1].mean() < face[8, 1]
    assert (face[HAIRLINE[1:-1], 1] < face[left, 1]).all(), "the forehead is above the eyes"
    assert (np.diff(face[HAIRLINE, 0]) > 0).all()
    assert (np.diff(face[JAW, 0]) > 0).all()
    assert (face[[65, 66, 67], 1] > face[[63, 62, 61], 1]).all(), "the lips are slightly open"


def test_nobody_writes_into_the_shared_face() -> None:
    with pytest.raises(ValueError, match="read-only"):
        template()[0, 0] = 1


@pytest.mark.parametrize("content", [None, b"", b"not an archive", b"PK\x03\x04 cut short"])
def test_missing_or_damaged_file_is_one_clear_error(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "template.npz"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(EngineError, match=r"template\.npz"):
        load_template(path)


def test_wrong_shape_is_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "template.npz", points=np.zeros((68, 3)))
    with pytest.raises(EngineError, match="shape"):
        load_template(tmp_path / "template.npz")
