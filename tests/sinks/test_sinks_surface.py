"""Depth and normals as files, and surfaces as PLY and OBJ: read back by OpenCV and by parsers written here."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from faces_making import posed_face, smooth_picture

from realtime.errors import DeviceLostError, OutputError
from realtime.frame import Frame, Intrinsics, Pose, Result
from realtime.rgbd.surfaces import depth_map, normal_map
from realtime.sinks.solid import save_surface, solid_of
from realtime.sinks.surface import depth_sink, normals_sink

SIZE = (200, 160)
CAMERA = Intrinsics(220, 220, 99.5, 79.5)
FACE = posed_face(Pose(10, 0, 0), 50, (100, 80))


def sensor_depth() -> np.ndarray:
    """A tilted board before a wall, with a hole."""
    depth = np.full((SIZE[1], SIZE[0]), 2000, np.uint16)
    depth[40:130, 60:150] = np.arange(60, 150) + 650
    depth[80:90, 100:105] = 0
    return depth


def frame(depth: np.ndarray | None = None, name: str | None = None) -> Frame:
    pixels = smooth_picture(np.random.default_rng(3), SIZE)
    return Frame(pixels, 7, 0.0, 0.0, name, depth=depth, intrinsics=CAMERA)


def result(came: Frame) -> Result:
    black = Frame(np.zeros((SIZE[1], SIZE[0], 3), np.uint8), 7, 0.0, 0.0, came.name)
    return Result(black, (FACE,), original=came)


@pytest.mark.parametrize("depth", [None, sensor_depth()])
def test_depth_in_millimetres(tmp_path: Path, depth: np.ndarray | None) -> None:
    with depth_sink(tmp_path / "d") as sink:
        assert sink.lossless
        sink.write(result(frame(depth)))
        sink.write(result(frame(depth, "eva.jpg")))
    for name in ("000007.png", "eva.png"):
        stored = cv2.imread(str(tmp_path / "d" / name), cv2.IMREAD_UNCHANGED)
        assert stored.dtype == np.uint16
        np.testing.assert_array_equal(stored, depth_map(frame(depth), (FACE,)).depth)
        text = (tmp_path / "d" / name).read_bytes()
        assert b"millimetres" in text
        assert (b"depth sensor" if depth is not None else b"63 mm apart") in text


@pytest.mark.parametrize("depth", [None, sensor_depth()])
def test_normals_of_sixteen_bits(tmp_path: Path, depth: np.ndarray | None) -> None:
    with normals_sink(tmp_path / "n") as sink:
        sink.write(result(frame(depth)))
    stored = cv2.imread(str(tmp_path / "n" / "000007.png"), cv2.IMREAD_UNCHANGED)[..., ::-1]
    assert stored.dtype == np.uint16
    truth = normal_map(frame(depth), (FACE,)).normals
    known = truth.any(axis=2)
    assert not stored[~known].any()
    np.testing.assert_allclose(stored[known] / 32767.5 - 1, truth[known], atol=2e-5)


def test_a_folder_that_goes_away(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="cannot be written"):
        depth_sink(tmp_path / "file")
    sink = depth_sink(tmp_path / "d")
    (tmp_path / "d").rmdir()
    with pytest.raises(DeviceLostError, match="could not be written"):
        sink.write(result(frame()))


def read_ply(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    data = path.read_bytes()
    head, _, body = data.partition(b"end_header\n")
    lines = head.decode().splitlines()
    assert lines[:2] == ["ply", "format binary_little_endian 1.0"]
    count, faces = (int(next(line for line in lines if line.startswith(f"element {kind}")).split()[2])
                    for kind in ("vertex", "face"))  # fmt: skip
    vertices = np.frombuffer(body, [("at", "<f4", 3), ("rgb", "u1", 3)], count)
    triangles = np.frombuffer(body, [("n", "u1"), ("of", "<i4", 3)], faces, count * 15)
    assert len(body) == count * 15 + faces * 13
    assert (triangles["n"] == 3).all()
    return vertices["at"], vertices["rgb"], triangles["of"]


def outward(vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    a, b, c = (vertices[triangles[:, i]].astype(float) for i in range(3))
    facing = np.cross(b - a, c - a)
    return facing / np.maximum(np.linalg.norm(facing, axis=1, keepdims=True), 1e-12)


def test_a_measured_surface(tmp_path: Path) -> None:
    came = frame(sensor_depth())
    vertices, colours, triangles = read_ply(save_surface(result(came), tmp_path))
    board = sensor_depth()[40:130, 60:150]
    assert len(vertices) == (board > 0).sum()
    # every point lies where the camera's formula puts it: y up, z to the viewer
    rows, columns = np.nonzero(board)
    far = board[rows, columns].astype(float)
    truth = np.column_stack(
        [(columns + 60 - CAMERA.cx) / CAMERA.fx * far, -(rows + 40 - CAMERA.cy) / CAMERA.fy * far, -far]
    )
    np.testing.assert_allclose(vertices, truth, atol=0.01)
    np.testing.assert_allclose(colours.astype(int), came.pixels[rows + 40, columns + 60], atol=1)
    assert (outward(vertices, triangles)[:, 2] > 0.5).all()
    # of the quads that touch the hole two keep the triangle at its outer corner
    assert len(triangles) == 2 * 89 * 89 - (2 * 11 * 6 - 2)


def test_all_that_is_measured_without_a_face() -> None:
    solid = solid_of(frame(sensor_depth()), ())
    assert solid is not None
    assert len(solid.vertices) == (sensor_depth() > 0).sum()
    corners = solid.vertices[solid.triangles][..., 2]
    assert np.ptp(corners, axis=1).max() < 20, "torn where the board ends"


def test_the_mesh_of_a_face_and_its_texture(tmp_path: Path) -> None:
    path = save_surface(result(frame()), tmp_path)
    vertices, _, triangles = read_ply(path)
    assert 250 < len(vertices) < 1000
    pupils = 63.0
    assert np.ptp(vertices[:, 0]) == pytest.approx(pupils * 2.1, rel=0.25), "a face is about 14 cm wide"
    assert (outward(vertices, triangles)[:, 2] > 0).mean() > 0.9
    lines = path.with_suffix(".obj").read_text().splitlines()
    places = np.array([line.split()[1:] for line in lines if line.startswith("vt ")], float)
    points = np.array([line.split()[1:] for line in lines if line.startswith("v ")], float)
    np.testing.assert_allclose(points, vertices, atol=1e-3)
    assert sum(line.startswith("f ") for line in lines) == len(triangles)
    material = next(line for line in lines if line.startswith("mtllib ")).split()[1]
    texture = next(line for line in (tmp_path / material).read_text().splitlines() if line.startswith("map_Kd"))
    picture = cv2.imread(str(tmp_path / texture.split()[1]))
    np.testing.assert_array_equal(picture[..., ::-1], frame().pixels)
    # texture places are from the bottom left: the eye's corner of the mesh shows the eye's corner of the picture
    pixels = np.column_stack([places[:, 0] * SIZE[0], (1 - places[:, 1]) * SIZE[1]]) - 0.5
    assert np.linalg.norm(pixels - FACE.points[36], axis=1).min() < 1.5


def test_nothing_to_keep(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="neither a face nor"):
        save_surface(Result(frame(), (), original=frame()), tmp_path)
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match="could not be written"):
        save_surface(result(frame()), tmp_path / "file")
