"""The surface of a frame: what it comes from, and what its maps say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from faces_making import posed_face

from realtime.analysis.distance import head_distance, millimetres_per_pixel
from realtime.frame import Face, Frame, Intrinsics, Pose
from realtime.geometry.mesh import face_mesh
from realtime.geometry.normals import mesh_normals
from realtime.geometry.topology import NOSE_TIP
from realtime.rgbd.surfaces import Origin, depth_map, head_depth, lifted_mesh, normal_map, origin_of

SIZE = (320, 240)
CAMERA = Intrinsics(300, 300, 159.5, 119.5)
FACE = posed_face(Pose(15, -5, 4), 70, (150, 120))


def frame(depth: np.ndarray | None = None, camera: Intrinsics | None = CAMERA) -> Frame:
    return Frame(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), 0, 0.0, 0.0, depth=depth, intrinsics=camera)


def wall(distance: int = 900) -> np.ndarray:
    return np.full((SIZE[1], SIZE[0]), distance, np.uint16)


def beside_the_face() -> np.ndarray:
    depth = wall()
    depth[:, 80:230] = 0
    return depth


@pytest.mark.parametrize(
    ("depth", "faces", "origin"),
    [
        (None, (FACE,), Origin.MESH),
        (wall(), (FACE,), Origin.SENSOR),
        (wall(), (), Origin.SENSOR),
        (wall(0), (FACE,), Origin.MESH),
        (wall(0), (), Origin.MESH),
        (beside_the_face(), (FACE,), Origin.MESH),
        (beside_the_face(), (), Origin.SENSOR),
    ],
)
def test_what_it_comes_from(depth: np.ndarray | None, faces: tuple[Face, ...], origin: Origin) -> None:
    assert origin_of(frame(depth), faces) is origin
    assert depth_map(frame(depth), faces).origin is origin
    assert normal_map(frame(depth), faces).origin is origin


def test_depth_of_the_mesh_is_metric_by_the_eyes() -> None:
    found = depth_map(frame(), (FACE,)).depth
    scale = millimetres_per_pixel(FACE)
    assert found[0, 0] == 0
    assert FACE.depth is not None
    for index in (NOSE_TIP, 33, 27, 39, 42):
        x, y = np.rint(FACE.points[index]).astype(int)
        expected = head_distance(FACE, frame()).mm + scale * FACE.depth[index]
        assert int(found[y, x]) == pytest.approx(expected, abs=2.5)
    covered = (found > 0).sum() * scale**2 / 100
    assert 120 < covered < 260, "square centimetres of a face"


def test_normals_of_the_mesh_are_those_of_its_vertices() -> None:
    found = normal_map(frame(camera=None), (FACE,)).normals
    mesh = face_mesh()
    solid = (mesh.weights @ np.column_stack([FACE.points, FACE.depth])).astype(np.float32)
    truth = mesh_normals(mesh, solid)
    inner = [index for index in range(len(solid)) if np.linalg.norm(solid[index, :2] - FACE.points[30]) < 30]
    at = np.rint(solid[inner, :2]).astype(int)
    cosines = (found[at[:, 1], at[:, 0]] * truth[inner]).sum(axis=1)
    assert np.median(cosines) > 0.999
    lengths = np.linalg.norm(found, axis=2)
    np.testing.assert_allclose(lengths[lengths > 0], 1, atol=1e-5)


def test_a_nearer_face_hides_a_farther_one() -> None:
    other = posed_face(size=40, centre=(165, 130), number=1)
    alone = depth_map(frame(), (FACE,)).depth
    both = depth_map(frame(), (other, FACE)).depth
    np.testing.assert_array_equal(both[alone > 0], alone[alone > 0])


def test_the_sensor_gives_heads_and_not_the_wall_behind() -> None:
    depth = wall(2500)
    depth[60:190, 90:215] = 800
    found = normal_map(frame(depth), (FACE,)).normals
    assert found[120, 150, 2] == pytest.approx(1, abs=1e-3)
    assert not found[depth == 2500].any()
    assert normal_map(frame(depth), ()).normals[10, 10, 2] == pytest.approx(1, abs=1e-3)
    head = head_depth(FACE, frame(depth))
    assert head is not None
    rows, columns, inner, distance = head
    assert distance == 800
    np.testing.assert_array_equal(inner, np.where(depth == 800, 800, 0)[rows, columns])


def test_normals_know_where_the_optical_axis_is() -> None:
    """A wall seen at an angle is flat in a part of the picture, too."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    ray = np.dstack([(x - CAMERA.cx) / CAMERA.fx, (y - CAMERA.cy) / CAMERA.fy, np.ones(SIZE[::-1])])
    normal = np.array([0.3, -0.2, -1]) / np.linalg.norm([0.3, -0.2, 1])
    depth = np.rint(normal[2] * 900 / (ray @ normal)).astype(np.uint16)
    found = normal_map(frame(depth), (FACE,)).normals
    np.testing.assert_allclose(found[120, 150], normal * [1, -1, -1], atol=0.02)


def test_a_network_comes_before_the_mesh_and_after_the_sensor() -> None:
    tilted = (lifted_mesh(FACE)[:, 2] + 0.1 * lifted_mesh(FACE)[:, 0]).astype(np.float32)
    facing = np.broadcast_to(np.array([0, 0.6, 0.8], np.float32), (len(tilted), 3))
    deep, seen = replace(FACE, relief=tilted), replace(FACE, facing=facing)
    for depth, origin in ((None, Origin.NETWORK), (wall(0), Origin.NETWORK), (wall(), Origin.SENSOR)):
        assert depth_map(frame(depth), (deep,)).origin is origin
        assert normal_map(frame(depth), (seen,)).origin is origin
    found, lifted = depth_map(frame(), (deep,)).depth, depth_map(frame(), (FACE,)).depth
    y, x = np.nonzero((found > 0) & (lifted > 0))
    change = found[y, x].astype(float) - lifted[y, x]
    np.testing.assert_allclose(np.polyfit(x, change, 1)[0], 0.1 * millimetres_per_pixel(FACE), rtol=0.05)
    normals = normal_map(frame(camera=None), (seen,)).normals
    known = normals.any(axis=2)
    np.testing.assert_array_equal(known, normal_map(frame(), (FACE,)).normals.any(axis=2))
    np.testing.assert_allclose(normals[known], np.broadcast_to([0, 0.6, 0.8], (known.sum(), 3)), atol=1e-5)
    # either network speaks for its own map alone
    assert normal_map(frame(), (deep,)).origin is Origin.MESH
    np.testing.assert_array_equal(normal_map(frame(), (deep,)).normals, normal_map(frame(), (FACE,)).normals)
    assert depth_map(frame(), (seen,)).origin is Origin.MESH


def test_no_face_no_mesh() -> None:
    flat = replace(FACE, depth=None)
    assert not depth_map(frame(), (flat,)).depth.any()
    assert not normal_map(frame(), (flat,)).normals.any()


@pytest.mark.parametrize("centre", [(60, 50), (150, 120), (270, 190)])
def test_a_face_beside_the_axis_that_looks_at_the_camera_faces_it(centre: tuple[int, int]) -> None:
    """Seen along the line of sight it looks straight ahead; against the axis of a known camera it is turned."""
    face = posed_face(Pose(0, 0, 0), 40, centre)
    facing = np.broadcast_to(np.array([0, 0, 1], np.float32), (len(lifted_mesh(face)), 3))
    normals = normal_map(frame(), (replace(face, facing=facing),)).normals
    x, y, width, height = face.box
    back = [CAMERA.cx - (x + width / 2), (y + height / 2) - CAMERA.cy, CAMERA.fx]  # from there to the camera
    known = normals.any(axis=2)
    expected = np.broadcast_to(back / np.linalg.norm(back), (known.sum(), 3))
    np.testing.assert_allclose(normals[known], expected, atol=1e-5)
