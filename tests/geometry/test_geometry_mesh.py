"""The drawn surfaces: a clean triangulation that covers the face once, and weights that keep the keypoints."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import Delaunay

from realtime.geometry.mesh import OUTLINE, RINGS, Mesh, face_mesh, head_mesh, layout
from realtime.geometry.template import template
from realtime.geometry.topology import FLIP, KEYPOINTS


def _areas(mesh: Mesh) -> np.ndarray:
    """(T,) signed areas on the layout; > 0 is clockwise on a picture whose y points down."""
    a, b, c = (mesh.uv[mesh.triangles[:, i]].astype(np.float64) for i in range(3))
    return ((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]) / 2


def _polygon_area(polygon: np.ndarray) -> float:
    x, y = polygon.astype(np.float64).T
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2


def _holders(mesh: Mesh, places: np.ndarray) -> np.ndarray:
    """(P,) in how many triangles each place of the layout lies."""
    corners = mesh.uv[mesh.triangles].astype(np.float64)
    inside = np.ones((len(places), len(corners)), bool)
    for i in range(3):
        edge, away = corners[:, (i + 1) % 3] - corners[:, i], places[:, None] - corners[None, :, i]
        inside &= edge[:, 0] * away[..., 1] - edge[:, 1] * away[..., 0] >= 0
    return inside.sum(axis=1)


def test_the_face_has_some_500_vertices_and_the_keypoints_come_first() -> None:
    mesh = face_mesh()
    assert 400 <= len(mesh.uv) <= 600
    assert mesh.weights.shape == (len(mesh.uv), KEYPOINTS)
    np.testing.assert_array_equal(mesh.uv[:KEYPOINTS], layout())
    np.testing.assert_allclose(mesh.weights[:KEYPOINTS], np.eye(KEYPOINTS), atol=1e-6)
    assert mesh.uv.min() >= 0
    assert mesh.uv.max() <= 1


@pytest.mark.parametrize("mesh", [face_mesh(), head_mesh()[0]], ids=["face", "head"])
def test_weights_are_a_blend_that_keeps_the_layout(mesh: Mesh) -> None:
    np.testing.assert_allclose(mesh.weights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(mesh.weights @ layout(), mesh.uv, atol=1e-5)


@pytest.mark.parametrize("mesh", [face_mesh(), head_mesh()[0]], ids=["face", "head"])
def test_it_is_one_sheet_without_holes(mesh: Mesh) -> None:
    assert len(mesh.uv) - len(mesh.edges()) + len(mesh.triangles) == 1, "Euler: a disc"
    sides = np.sort(np.concatenate([mesh.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]), axis=1)
    _, uses = np.unique(sides, axis=0, return_counts=True)
    assert uses.max() == 2, "no edge has three triangles"
    assert set(mesh.triangles.ravel().tolist()) == set(range(len(mesh.uv))), "every vertex is used"


@pytest.mark.parametrize("mesh", [face_mesh(), head_mesh()[0]], ids=["face", "head"])
def test_all_triangles_run_clockwise_and_none_is_a_sliver(mesh: Mesh) -> None:
    assert (_areas(mesh) > 0).all()
    corners = mesh.uv[mesh.triangles].astype(np.float64)
    sides = np.stack([np.linalg.norm(corners[:, i] - corners[:, i - 1], axis=1) for i in range(3)])
    quality = 4 * np.sqrt(3) * _areas(mesh) / (sides**2).sum(axis=0)  # 1: equilateral, 0: a line
    assert quality.min() > 0.25


def test_the_triangles_cover_the_outline_exactly_once(rng: np.random.Generator) -> None:
    mesh = face_mesh()
    outline = layout()[OUTLINE]
    assert _areas(mesh).sum() == pytest.approx(_polygon_area(outline), rel=1e-5)
    centres = mesh.uv[mesh.triangles].mean(axis=1)
    places = centres[rng.integers(0, len(centres), 400)] + rng.normal(size=(400, 2)) * 0.01
    held = _holders(mesh, places)
    assert held.max() <= 1
    assert (held == 1).mean() > 0.8, "most of the places are inside"


def test_the_triangulation_is_delaunay() -> None:
    """Against scipy: inside the outline only triangles of equal circles may differ."""
    mesh = face_mesh()
    ours = {tuple(row) for row in np.sort(mesh.triangles, axis=1).tolist()}
    scipys = {tuple(row) for row in np.sort(Delaunay(mesh.uv.astype(np.float64)).simplices, axis=1).tolist()}
    assert len(ours - scipys) <= 0.05 * len(ours)


def test_the_outline_is_a_boundary_through_jaw_and_hairline() -> None:
    mesh = face_mesh()
    sides = np.sort(np.concatenate([mesh.triangles[:, [a, b]] for a, b in ((0, 1), (1, 2), (2, 0))]), axis=1)
    edges, uses = np.unique(sides, axis=0, return_counts=True)
    boundary = set(edges[uses == 1].ravel().tolist())
    assert boundary.issuperset(OUTLINE.tolist())
    inner_keypoints = set(range(KEYPOINTS)) - set(OUTLINE.tolist())
    assert not boundary & inner_keypoints


def test_the_mesh_is_nearly_symmetric() -> None:
    """A mirrored view must be drawn as well as the plain one: the density of vertices does not favour a side."""
    mesh = face_mesh()
    across = mesh.uv[:, 0] - layout()[[27, 28, 29, 30], 0].mean()
    left, right = (across < -0.01).sum(), (across > 0.01).sum()
    assert abs(int(left) - int(right)) <= 0.05 * len(mesh.uv)
    np.testing.assert_allclose(layout()[FLIP, 0] - 0.5, 0.5 - layout()[:, 0], atol=1e-5)


def test_the_mouth_has_room_inside() -> None:
    points = layout()
    gap = points[[67, 66, 65], 1] - points[[61, 62, 63], 1]
    assert (gap > 0.1 * np.linalg.norm(points[36] - points[45])).all()


def test_the_head_continues_the_face_in_ordered_rings() -> None:
    face = face_mesh()
    head, anchors, follow = head_mesh()
    count = len(face.uv)
    np.testing.assert_array_equal(head.uv[:count], face.uv)
    np.testing.assert_array_equal(head.weights[:count], face.weights)
    np.testing.assert_array_equal(head.triangles[: len(face.triangles)], face.triangles)

    ring = len(anchors) // len(RINGS)
    assert len(head.uv) == count + len(RINGS) * ring
    anchors, follow = anchors.reshape(len(RINGS), ring), follow.reshape(len(RINGS), ring)
    assert (anchors == anchors[0]).all(), "every ring hangs on the same outline, in the same order"
    assert len(set(anchors[0].tolist())) == ring
    np.testing.assert_allclose(follow[:, 0], [share for _, share in RINGS])
    assert (np.diff(follow[:, 0]) < 0).all()
    assert follow[-1].max() == 0, "the last ring stands still"

    # each ring lies wholly around the one before it: further out along every spoke
    middle = head.uv[anchors[0]].mean(axis=0)
    radii = [np.linalg.norm(head.uv[anchors[0]] - middle, axis=1)]
    radii += [np.linalg.norm(row - middle, axis=1) for row in head.uv[count:].reshape(len(RINGS), ring, 2)]
    assert (np.diff(np.stack(radii), axis=0) > 0).all()


def test_edges_are_listed_once() -> None:
    edges = face_mesh().edges()
    assert (edges[:, 0] < edges[:, 1]).all()
    assert len(np.unique(edges, axis=0)) == len(edges)


def test_the_nearest_triangles_come_first() -> None:
    mesh = face_mesh()
    depth = (mesh.weights @ template()[:, 2])[mesh.triangles].mean(axis=1)
    assert (np.diff(depth) >= 0).all()
