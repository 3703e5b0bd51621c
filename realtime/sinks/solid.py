"""The surface of one frame kept on request: points and triangles as PLY, textured as OBJ."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from realtime.analysis.distance import head_distance, millimetres_per_pixel
from realtime.errors import OutputError
from realtime.frame import Face, Floats, Frame, Intrinsics, Pixels, Result
from realtime.geometry.mesh import face_mesh
from realtime.rgbd.registration import back_project
from realtime.rgbd.surfaces import REMARKS, Origin, head_depth, origin_of, solid_mesh
from realtime.sinks.png import write_png

_TORN_MM = 15.0  # neighbours in depth that differ by more lie on two surfaces


@dataclass(frozen=True, slots=True, eq=False)
class Solid:
    """Triangles in space.

    Attributes:
        vertices: (V, 3) float32 millimetres, x right, y up, z to the viewer; the camera is the origin.
        triangles: (T, 3) int32, anticlockwise seen from outside.
        places: (V, 2) float32 pixels of the picture.
        origin: what it comes from.
    """

    vertices: Floats
    triangles: NDArray[np.int32]
    places: Floats
    origin: Origin


def save_surface(result: Result, folder: Path) -> Path:
    """Write surface_DATE.ply (coloured), and .obj with .mtl and texture, of the largest face or all a sensor sees.

    Returns:
        the .ply file.

    Raises:
        OutputError: there is no surface in the frame, or the folder cannot be written.
    """
    frame = result.original or result.frame
    solid = solid_of(frame, result.faces)
    if solid is None:
        raise OutputError("There is neither a face nor measured depth in the picture: no surface is kept.")
    now = datetime.now()
    path = folder / f"surface_{now:%Y%m%d_%H%M%S}_{now.microsecond // 1000:03d}.ply"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_ply(path, solid, frame.pixels)
        write_obj(path.with_suffix(".obj"), solid, frame.pixels)
    except OSError as error:
        raise OutputError(f"The surface {path} could not be written ({error.strerror}): make room there.") from error
    return path


def solid_of(frame: Frame, faces: tuple[Face, ...]) -> Solid | None:
    """The largest head as measured, all that is measured where no face is, or the largest face's mesh."""
    largest = max(faces, key=lambda face: face.box[2], default=None)
    if origin_of(frame, faces) is Origin.SENSOR and frame.depth is not None:
        if largest is None:
            return _measured(frame, frame.depth, (0, 0))
        head = head_depth(largest, frame)
        if head is not None:
            rows, columns, depth, _ = head
            return _measured(frame, depth, (columns.start, rows.start))
    if largest is None or largest.depth is None:
        return None
    flat = solid_mesh(largest)
    scale, distance = millimetres_per_pixel(largest), head_distance(largest, frame).mm
    seen = frame.intrinsics or Intrinsics.guessed(frame.size)
    origin = Origin.MESH if largest.relief is None else Origin.NETWORK
    middle = np.array([seen.cx, seen.cy, -distance / scale])
    return _turned((flat - middle) * scale, face_mesh().triangles, flat[:, :2], origin)


def write_ply(path: Path, solid: Solid, pixels: Pixels) -> None:
    """Binary PLY: x, y, z, colour, and triangles."""
    colours = _colours(pixels, solid.places)
    vertices = np.zeros(len(colours), [("place", "<f4", 3), ("colour", "u1", 3)])
    vertices["place"], vertices["colour"] = solid.vertices, colours
    faces = np.zeros(len(solid.triangles), [("count", "u1"), ("corners", "<i4", 3)])
    faces["count"], faces["corners"] = 3, solid.triangles
    header = "\n".join(
        [
            "ply",
            "format binary_little_endian 1.0",
            f"comment millimetres; {REMARKS[solid.origin]}",
            f"element vertex {len(vertices)}",
            *(f"property float {axis}" for axis in "xyz"),
            *(f"property uchar {colour}" for colour in ("red", "green", "blue")),
            f"element face {len(faces)}",
            "property list uchar int vertex_indices",
            "end_header\n",
        ]
    )
    path.write_bytes(header.encode() + vertices.tobytes() + faces.tobytes())


def write_obj(path: Path, solid: Solid, pixels: Pixels) -> None:
    """Wavefront OBJ beside its material (.mtl) and texture (.png)."""
    height, width = pixels.shape[:2]
    places = (solid.places + 0.5) / (width, height)
    corners = solid.triangles + 1
    lines = [
        f"# millimetres; {REMARKS[solid.origin]}",
        f"mtllib {path.stem}.mtl",
        "usemtl face",
        *(f"v {x:.3f} {y:.3f} {z:.3f}" for x, y, z in solid.vertices.tolist()),
        *(f"vt {u:.6f} {1 - v:.6f}" for u, v in places.tolist()),
        *(f"f {a}/{a} {b}/{b} {c}/{c}" for a, b, c in corners.tolist()),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    path.with_suffix(".mtl").write_text(f"newmtl face\nKa 1 1 1\nKd 1 1 1\nmap_Kd {path.stem}.png\n", encoding="ascii")
    write_png(path.with_suffix(".png"), pixels)


def _measured(frame: Frame, depth: np.ndarray, corner: tuple[int, int]) -> Solid | None:
    """Measured depth as a net over its pixels, torn at edges."""
    known = depth > 0
    if not known.any():
        return None
    number = np.cumsum(known).reshape(known.shape) - 1
    rows, columns = np.nonzero(known)
    places = np.column_stack([columns + corner[0], rows + corner[1]]).astype(np.float32)
    far = depth[known].astype(np.float32)
    points = back_project(frame.intrinsics or Intrinsics.guessed(frame.size), places, far)
    corners = [(number[y, x], known[y, x], depth[y, x].astype(np.float32)) for y, x in _QUAD]
    pieces = []
    for a, b, c in ((0, 1, 2), (2, 1, 3)):  # clockwise in the image
        three = [corners[index] for index in (a, b, c)]
        spread = np.ptp(np.stack([far for _, _, far in three]), axis=0)
        whole = np.all([seen for _, seen, _ in three], axis=0) & (spread <= _TORN_MM)
        pieces.append(np.column_stack([place[whole] for place, _, _ in three]))
    return _turned(points, np.concatenate(pieces), places, Origin.SENSOR)


_QUAD = tuple(
    (rows, columns) for rows in (slice(None, -1), slice(1, None)) for columns in (slice(None, -1), slice(1, None))
)


def _turned(points: np.ndarray, triangles: np.ndarray, places: np.ndarray, origin: Origin) -> Solid:
    """From the camera's axes (y down, z away) to those of viewers; a turn, so clockwise in the image stays outside."""
    vertices = (points * (1, -1, -1)).astype(np.float32)
    return Solid(vertices, triangles[:, ::-1].astype(np.int32), places.astype(np.float32), origin)


def _colours(pixels: Pixels, places: Floats) -> Pixels:
    x, y = np.ascontiguousarray(places[:, 0][None]), np.ascontiguousarray(places[:, 1][None])
    return np.asarray(cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)[0], np.uint8)
