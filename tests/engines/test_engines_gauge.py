"""Canonical depth and the third row against what they are for: invariance, and the true order in depth."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engines.lstsq import solve
from engines.lstsq.gauge import NOSE_TIP, canonical_depth, third_row
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """(3, 3) rotation; degrees."""
    a, b, c = np.deg2rad([yaw, pitch, roll])
    about_y = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    about_x = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_x @ about_y


@given(st.integers(0, 2**32 - 1), st.floats(0.1, 10), st.booleans(), st.floats(-5, 5), st.floats(-5, 5))
@settings(max_examples=50, deadline=None)
def test_the_gauge_is_gone(seed: int, scale: float, sign: bool, bx: float, by: float) -> None:
    rng = np.random.default_rng(seed)
    points, depth = rng.normal(size=(3, LANDMARKS, 2)), rng.normal(size=(3, LANDMARKS))
    other = (-scale if sign else scale) * depth + bx * points[..., 0] + by * points[..., 1] + 3
    canonical = canonical_depth(points, depth)
    np.testing.assert_allclose(canonical_depth(points, other), canonical, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(canonical, axis=1), 1)
    np.testing.assert_allclose((canonical[..., None] * points).sum(axis=1), 0, atol=1e-9)
    np.testing.assert_allclose(canonical.sum(axis=1), 0, atol=1e-9)
    assert (canonical[:, NOSE_TIP] <= 0).all()


def test_a_plane_has_no_canonical_depth() -> None:
    points = np.random.default_rng(0).normal(size=(1, LANDMARKS, 2))
    np.testing.assert_array_equal(canonical_depth(points, 2 * points[..., 0] - 1), 0)
    np.testing.assert_array_equal(canonical_depth(points, np.zeros((1, LANDMARKS))), 0)


@pytest.mark.parametrize("yaw", [-60, -20, 0, 45, 75])
@pytest.mark.parametrize("pitch", [-25, 0, 20])
@pytest.mark.parametrize("scale", [0.5, 3])
def test_of_a_scaled_rotation_it_is_the_rotations_own(yaw: float, pitch: float, scale: float) -> None:
    rotation = scale * turned(yaw, pitch, 15)
    affine = np.column_stack([rotation[:2], [4, 5]])
    np.testing.assert_allclose(third_row(affine[None])[0], rotation[2], atol=1e-12)
    face = template()[None, :LANDMARKS]
    solved = solve(face, (face @ rotation[:2].T).astype(np.float32))
    np.testing.assert_allclose(third_row(solved)[0], rotation[2], atol=1e-4)


def test_a_mirrored_face_keeps_its_nose_in_front() -> None:
    mirror = np.array([[[-1.0, 0, 0, 0], [0, 1, 0, 0]]])
    assert template()[:LANDMARKS] @ third_row(mirror)[0] == pytest.approx(template()[:LANDMARKS, 2])
