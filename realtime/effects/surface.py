"""Depth and normals of the face's surface, from the lifted keypoints, painted over the live face."""

from __future__ import annotations

from abc import abstractmethod

import cv2
import numpy as np

from realtime.controls import Settings
from realtime.effects.base import Effect
from realtime.effects.regions import SIZE, regions
from realtime.frame import Drawn, Face, Floats, Frame
from realtime.geometry.mesh import Mesh, face_mesh
from realtime.geometry.topology import eye_distance
from realtime.geometry.views import view_depth
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.overlay import bar_picture, place_within, text_picture

OPACITY = 0.8
# Depth is coloured over this range around the mean of the landmarks, in eye distances, and named in millimetres by the
# mean outer-eye distance of adults.
DEPTH_RANGE = (-0.6, 0.8)
EYE_DISTANCE_MM = 90.0


class Surface(Effect):
    """What depth and normals share: the lifted mesh in vertex colours, and a legend."""

    def __init__(self) -> None:
        self._mesh = face_mesh()
        edge = regions()[..., 2]
        at = np.clip((self._mesh.uv * SIZE).astype(int), 0, SIZE - 1)
        self._alpha = OPACITY * np.minimum(edge[at[:, 1], at[:, 0]] * 1.5, 1)
        self._legend: tuple[int, gl.Texture] | None = None

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        for face in sorted(faces, key=lambda face: face.box[2]):
            if face.depth is not None:
                solid = self._mesh.weights @ np.column_stack([face.points, face.depth])
                flat = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], np.float32)
                position = np.column_stack([solid[:, :2], view_depth(flat, solid)])
                alpha = self._alpha[:, None].astype(np.float32)
                colour = self._colours(solid, max(float(eye_distance(face.points)), 1e-6))
                canvas.paint(self._mesh, position.astype(np.float32), np.hstack([colour * alpha, alpha]))
        self._place_legend(canvas)
        return {}

    def release(self) -> None:
        if self._legend is not None:
            self._legend[1].release()
            self._legend = None

    @abstractmethod
    def _colours(self, solid: Floats, unit: float) -> Floats:
        """(V, 3) float32 RGB in [0, 1] of (V, 3) vertices in pixels, with the eye distance in pixels."""

    @abstractmethod
    def _legend_picture(self, letter_px: float) -> np.ndarray:
        """(h, w, 4) uint8 premultiplied RGBA that explains the colours."""

    def _place_legend(self, canvas: Canvas) -> None:
        width, height = canvas.size
        letter = max(8, round(min(width, height) / 45))
        if self._legend is None or self._legend[0] != letter:
            self.release()
            picture = self._legend_picture(letter)
            texture = gl.Texture((picture.shape[1], picture.shape[0]))
            texture.upload(np.ascontiguousarray(picture))
            self._legend = (letter, texture)
        texture = self._legend[1]
        canvas.place(texture, place_within(texture.size, (width, height), letter, across=0.0, down=1.0))


class Depth(Surface):
    """Depth in colours: bright is near."""

    def _colours(self, solid: Floats, unit: float) -> Floats:
        low, high = DEPTH_RANGE
        return _colour_map((solid[:, 2] / unit - low) / (high - low))

    def _legend_picture(self, letter_px: float) -> np.ndarray:
        near, far = (f"{value * EYE_DISTANCE_MM:+.0f} mm" for value in DEPTH_RANGE)
        colours = _colour_map(np.linspace(0, 1, 64))
        return bar_picture(colours, near, far, "depth (DepthNet mesh)", letter_px)


class Normals(Surface):
    """Normals as colours: red points to the image right, green up, blue to the camera."""

    def _colours(self, solid: Floats, unit: float) -> Floats:
        return 0.5 + 0.5 * normals(self._mesh, solid)

    def _legend_picture(self, letter_px: float) -> np.ndarray:
        size = round(6 * letter_px)
        text = text_picture(["normals (DepthNet mesh)"], letter_px)
        out = np.zeros((size + text.shape[0], max(size, text.shape[1]), 4), np.uint8)
        out[size:, : text.shape[1]] = text
        y, x = np.mgrid[1 : -1 : size * 1j, -1 : 1 : size * 1j]
        inside = np.clip((1 - np.hypot(x, y)) * size / 4, 0, 1)
        ball = np.dstack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))]) * 0.5 + 0.5
        out[:size, :size] = np.round(np.dstack([ball * inside[..., None], inside]).clip(0, 1) * 255)
        return out


def normals(mesh: Mesh, solid: Floats) -> Floats:
    """(V, 3) unit normals of (V, 3) vertices (x right, y down, z away); x right, y up, z towards the camera."""
    a, b, c = (solid[mesh.triangles[:, i]] for i in range(3))
    facing = np.cross(b - a, c - a)  # triangles run clockwise in the image: this points away from the camera
    total = np.zeros_like(solid)
    for corner in range(3):
        np.add.at(total, mesh.triangles[:, corner], facing)
    unit = total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-9)
    outward: Floats = (unit * [-1, 1, 1]).astype(np.float32)
    return outward


def _colour_map(share: np.ndarray) -> Floats:
    """(N, 3) float32 RGB of (N,) values: 0 (near) is bright, 1 dark."""
    levels = np.round(255 * (1 - np.clip(share, 0, 1))).astype(np.uint8)
    colours = cv2.applyColorMap(levels[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    return np.asarray(colours / 255, np.float32)
