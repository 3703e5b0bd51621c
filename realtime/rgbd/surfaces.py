"""The surface of what a frame shows, as maps: from the depth sensor where there is one, else from the faces' meshes, in
depth as a network sees them or as their keypoints were lifted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

import numpy as np

from realtime.analysis.distance import PUPILS_MM, head_distance, millimetres_per_pixel
from realtime.frame import Face, Floats, Frame, Intrinsics, Millimetres
from realtime.geometry.mesh import face_mesh
from realtime.geometry.normals import depth_normals, mesh_normals
from realtime.geometry.raster import rasterise
from realtime.geometry.sight import line_of_sight, place_of, turned_normals

_LEAST = 0.02  # share of the picture: a sensor that sees less is blind
_HEAD_MM = 200.0  # before and behind the face's middle
_SMOOTH_MM = 6.0  # on the head: steps of sensors are gone, noses are not
_ROOM = 0.7  # round the landmarks' box, in its size: hair and neck


class Origin(StrEnum):
    """What a surface comes from."""

    SENSOR = "sensor"
    NETWORK = "network"
    MESH = "mesh"


_BY_EYES = (
    f"millimetres hold if the pupils are {PUPILS_MM:g} mm apart, distances also if the focal length"
    " (a guess where no calibration is known) is right"
)
# What files say of where their numbers come from.
REMARKS = {
    Origin.SENSOR: "depth sensor, registered to the picture",
    Origin.NETWORK: f"mesh as a network sees it; {_BY_EYES}",
    Origin.MESH: f"DepthNet mesh; {_BY_EYES}",
}


# What networks say of faces.
RELIEF, FACING = attrgetter("relief"), attrgetter("facing")


@dataclass(frozen=True, slots=True, eq=False)
class DepthMap:
    """(H, W) uint16 millimetres, 0 where nothing is known, and what they come from."""

    depth: Millimetres
    origin: Origin


@dataclass(frozen=True, slots=True, eq=False)
class NormalMap:
    """(H, W, 3) float32 unit normals (x right, y up, z to the camera), zeros where nothing is known."""

    normals: Floats
    origin: Origin


def origin_of(frame: Frame, faces: tuple[Face, ...], seen: Callable[[Face], object] = lambda face: None) -> Origin:
    """The sensor where it sees something, and of the faces at least one; else the network where what it has `seen` of
    any face is not None; else the lifted mesh."""
    sees = frame.depth is not None and np.count_nonzero(frame.depth) >= _LEAST * frame.depth.size
    if sees and (not faces or any(head_distance(face, frame).measured for face in faces)):
        return Origin.SENSOR
    return Origin.NETWORK if any(seen(face) is not None for face in faces) else Origin.MESH


def depth_map(frame: Frame, faces: tuple[Face, ...]) -> DepthMap:
    """Depth of the whole picture from a sensor, or of the faces alone from their meshes."""
    origin = origin_of(frame, faces, RELIEF)
    if origin is Origin.SENSOR and frame.depth is not None:
        return DepthMap(frame.depth, Origin.SENSOR)
    depth = np.full((frame.size[1], frame.size[0]), np.inf, np.float32)
    for face in faces:
        if face.depth is not None:
            solid = solid_mesh(face)
            far = head_distance(face, frame).mm + solid[:, 2:] * millimetres_per_pixel(face)
            drawn = rasterise(face_mesh().triangles, solid, far.astype(np.float32), frame.size)[..., 0]
            depth = np.fmin(depth, drawn)
    known = np.isfinite(depth)
    return DepthMap(np.where(known, np.rint(np.clip(depth, 1, 65535)), 0).astype(np.uint16), origin)


def normal_map(frame: Frame, faces: tuple[Face, ...]) -> NormalMap:
    """Normals of the heads from a sensor (of all it sees where there is no face), or from the faces' meshes.

    They are against the camera's axis; where its lens is unknown, those of meshes are against the line of sight.
    """
    normals = np.zeros((frame.size[1], frame.size[0], 3), np.float32)
    origin = origin_of(frame, faces, FACING)
    if origin is Origin.SENSOR and frame.depth is not None:
        intrinsics = frame.intrinsics or Intrinsics.guessed(frame.size)
        if not faces:
            middle = float(np.median(frame.depth[frame.depth > 0]))
            return NormalMap(depth_normals(frame.depth, intrinsics, _spread(intrinsics, middle)), Origin.SENSOR)
        for face in faces:
            head = head_depth(face, frame)
            if head is not None:
                rows, columns, depth, middle = head
                seen = Intrinsics(
                    intrinsics.fx, intrinsics.fy, intrinsics.cx - columns.start, intrinsics.cy - rows.start
                )
                found = depth_normals(depth, seen, _spread(intrinsics, middle))
                normals[rows, columns] = np.where(found.any(axis=2, keepdims=True), found, normals[rows, columns])
        return NormalMap(normals, Origin.SENSOR)
    mesh = face_mesh()
    for face in sorted(faces, key=lambda face: face.box[2]):
        if face.depth is not None:
            solid = lifted_mesh(face)
            drawn = rasterise(
                mesh.triangles, solid, _off_axis(vertex_normals(face), face, frame.intrinsics), frame.size
            )
            length = np.linalg.norm(drawn, axis=2, keepdims=True)
            normals = np.where(np.isfinite(length), drawn / np.maximum(length, 1e-9), normals)
    return NormalMap(normals, origin)


def _off_axis(normals: Floats, face: Face, camera: Intrinsics | None) -> Floats:
    """(V, 3) normals of a face, from the line of sight to the camera's axes; as they are where the camera is unknown (a
    guessed one would add its own error)."""
    if camera is None:
        return normals
    x, y, width, height = face.box
    middle = np.array([x + width / 2, y + height / 2])
    return turned_normals(normals, line_of_sight(place_of(middle, 1.0, camera)))


def head_depth(face: Face, frame: Frame) -> tuple[slice, slice, Millimetres, float] | None:
    """What a sensor measured of a head: rows, columns, depth there (0 outside the head), and the face's distance.

    None where it measured nothing on the face.
    """
    distance = head_distance(face, frame)
    if frame.depth is None or not distance.measured:
        return None
    x, y, width, height = face.box
    room_x, room_y = _ROOM * width, _ROOM * height
    columns = slice(max(0, int(x - room_x)), max(0, int(x + width + room_x) + 1))
    rows = slice(max(0, int(y - room_y)), max(0, int(y + height + room_y) + 1))
    depth = frame.depth[rows, columns]
    away = depth.astype(np.float32) - distance.mm
    return rows, columns, np.where(np.abs(away) <= _HEAD_MM, depth, np.uint16(0)), distance.mm


def _spread(intrinsics: Intrinsics, distance_mm: float) -> float:
    return float(np.clip(intrinsics.fx * _SMOOTH_MM / distance_mm, 1.2, 8.0))


def lifted_mesh(face: Face) -> Floats:
    """(V, 3) float32 pixels: the vertices of `face_mesh` on a lifted face."""
    assert face.depth is not None
    solid: Floats = (face_mesh().weights @ np.column_stack([face.points, face.depth])).astype(np.float32)
    return solid


def vertex_normals(face: Face) -> Floats:
    """(V, 3) float32 unit normals of these vertices against the line of sight, as the network sees them if it did."""
    return mesh_normals(face_mesh(), lifted_mesh(face)) if face.facing is None else face.facing


def solid_mesh(face: Face) -> Floats:
    """The same, as deep as the network sees it if it did."""
    solid = lifted_mesh(face)
    if face.relief is not None:
        solid[:, 2] = face.relief
    return solid
