"""How a head is turned, what hides what after an affine, and how far texture is stretched: against true rotations."""

from __future__ import annotations

import numpy as np
import pytest

from engines.lstsq import solve
from realtime.analysis.pose import rotation_of
from realtime.frame import Pose
from realtime.geometry.mesh import face_mesh
from realtime.geometry.template import template
from realtime.geometry.topology import JAW, LANDMARKS, NOSE_TIP
from realtime.geometry.views import texel_density, view_depth

FRONTAL = Pose(0, 0, 0)


def _posed(pose: Pose, face: np.ndarray | None = None) -> np.ndarray:
    """(81, 3) a face of 200 pixels between the eyes, in pixels."""
    face = template() if face is None else face
    return np.asarray(face @ rotation_of(pose).T * 200 + [320, 240, 0])


def _affine(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.asarray(solve(source[None, :LANDMARKS], target[None, :LANDMARKS, :2])[0])


def _somebody(rng: np.random.Generator) -> np.ndarray:
    """Another identity: the mean face with other proportions and uneven features."""
    return np.asarray(template() * rng.uniform(0.88, 1.12, 3) + rng.normal(scale=0.02, size=(81, 3)))


@pytest.mark.parametrize(("wrong_by", "mean", "low"), [(1.0, 0.99, 0.98), (1.3, 0.96, 0.94)])
def test_view_depth_orders_as_the_true_depth(wrong_by: float, mean: float, low: float) -> None:
    """One identity drawn on another, both in random poses; the depth that is measured may be wrong by a factor."""
    correlations = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        source_pose, target_pose = (Pose(*rng.uniform([-35, -20, -30], [35, 20, 30])) for _ in range(2))
        identity, other = _somebody(rng), _somebody(rng)
        source, target = _posed(source_pose, identity), _posed(target_pose, other)
        measured = source * [1, 1, wrong_by ** rng.uniform(-1, 1)]
        depth = view_depth(_affine(measured, target), measured)
        truth = _posed(target_pose, identity)[:, 2]
        correlations.append(np.corrcoef(depth[:LANDMARKS], truth[:LANDMARKS])[0, 1])
    assert np.mean(correlations) >= mean
    assert np.percentile(correlations, 5) >= low


@pytest.mark.parametrize("pose", [Pose(20, 0, 0), Pose(-30, 10, 0), Pose(0, -15, 40)])
def test_the_nose_is_nearest_where_the_target_is_frontal(pose: Pose) -> None:
    source = _posed(pose)
    assert view_depth(_affine(source, _posed(FRONTAL)), source).argmin() == NOSE_TIP


def test_view_depth_stays_between_the_clipping_planes_and_shares_no_end_with_them() -> None:
    depth = view_depth(_affine(_posed(FRONTAL), _posed(Pose(40, 0, 0))), _posed(FRONTAL))
    assert depth.dtype == np.float32
    assert depth.min() == pytest.approx(-0.95)
    assert depth.max() == pytest.approx(0.95)
    flat = view_depth(np.array([[1, 0, 0, 0], [0, 1, 0, 0]]), np.zeros((5, 3)))
    assert np.isfinite(flat).all()


@pytest.mark.parametrize("yaw", [-60.0, 60.0])
def test_no_face_is_turned_inside_out(yaw: float) -> None:
    """At 60° the far cheek is behind, the near one in front, and the mesh faces the camera as the true one does."""
    source, target = _posed(FRONTAL), _posed(Pose(yaw, 0, 0))
    affine = _affine(source, target)
    depth = view_depth(affine, source)
    near, far = (JAW[2], JAW[14]) if yaw > 0 else (JAW[14], JAW[2])
    assert depth[near] < depth[far]
    mesh = face_mesh()
    drawn = mesh.weights @ (source @ affine[:, :3].T + affine[:, 3])
    truth = mesh.weights @ target[:, :2]
    facing, truly = (texel_density(mesh, mesh.uv, points) > 0 for points in (drawn, truth))
    assert (facing == truly).mean() > 0.99
    assert facing.mean() > 0.6


def test_texel_density_is_the_area_ratio_of_an_affine() -> None:
    mesh = face_mesh()
    source = 300 * mesh.uv
    for linear, expected in [([[2, 0], [0, 3]], 1 / 6), ([[0.5, 0.1], [0, 0.5]], 4), ([[-1, 0], [0, 1]], -1)]:
        np.testing.assert_allclose(texel_density(mesh, source, source @ np.array(linear)), expected, rtol=1e-3)


def test_texel_density_of_a_collapsed_surface_is_zero_not_infinite() -> None:
    mesh = face_mesh()
    assert (texel_density(mesh, 300 * mesh.uv, np.zeros_like(mesh.uv)) == 0).all()
    assert (texel_density(mesh, np.zeros_like(mesh.uv), 300 * mesh.uv) == 0).all()
