"""Depth and normals of the surface, over the live picture: from a depth sensor, else from the faces' meshes."""

from __future__ import annotations

from abc import abstractmethod

import cv2
import numpy as np

from realtime.analysis.distance import PUPILS_MM, head_distance
from realtime.controls import Settings
from realtime.effects.base import Effect
from realtime.effects.regions import SIZE, regions
from realtime.frame import Drawn, Face, Floats, Frame, Pixels
from realtime.geometry.mesh import face_mesh
from realtime.geometry.template import template
from realtime.geometry.topology import eye_distance
from realtime.geometry.views import view_depth
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.overlay import bar_picture, place_within, text_picture
from realtime.rgbd.surfaces import Origin, normal_map, origin_of, solid_mesh, vertex_normals

OPACITY = 0.8
# Mesh: coloured over this range around the mean of the landmarks, in outer-eye distances.
MESH_RANGE = (-0.6, 0.8)
_PUPILS = float(np.linalg.norm(template()[36:42].mean(axis=0) - template()[42:48].mean(axis=0)))
# Sensor: millimetres before and behind the nearest face; without one all that such sensors see.
HEAD_RANGE_MM = (-150, 250)
WHOLE_RANGE_MM = (500, 4000)
_STEP_MM = 50  # the range moves in such steps, so that colours and legend rest while the head does
_AMBIENT = 0.12
_SOFT = 15  # pixels over which a map fades at its edges


class Surface(Effect):
    """What depth and normals share: a map of what the sensor saw, or the mesh in vertex colours, and a legend."""

    def __init__(self) -> None:
        self._mesh = face_mesh()
        edge = regions()[..., 2]
        at = np.clip((self._mesh.uv * SIZE).astype(int), 0, SIZE - 1)
        self._alpha = OPACITY * np.minimum(edge[at[:, 1], at[:, 0]] * 1.5, 1)
        self._legend: tuple[object, gl.Texture] | None = None
        self._map: gl.Texture | None = None

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        origin = origin_of(frame, faces, self._seen)
        if origin is Origin.SENSOR:
            self._place_map(canvas, self._measured(frame, faces, settings))
        else:
            self._paint_meshes(canvas, faces, settings)
        self._place_legend(canvas, origin, settings)
        return {}

    def release(self) -> None:
        if self._legend is not None:
            self._legend[1].release()
            self._legend = None
        if self._map is not None:
            self._map.release()
            self._map = None

    @abstractmethod
    def _seen(self, face: Face) -> object:
        """What a network said of the face, None where it did not look."""

    @abstractmethod
    def _measured(self, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> Pixels:
        """(H, W, 4) uint8 premultiplied RGBA of what the sensor saw."""

    @abstractmethod
    def _colours(self, face: Face, solid: Floats, unit: float, settings: Settings) -> tuple[Floats, Floats]:
        """(V, 3) RGB and (V,) opacity, float32 in [0, 1], of a face's (V, 3) vertices in pixels and eye distance."""

    @abstractmethod
    def _legend_key(self, origin: Origin, settings: Settings) -> object:
        """What the legend depends on."""

    @abstractmethod
    def _legend_picture(self, origin: Origin, settings: Settings, letter_px: float) -> np.ndarray:
        """(h, w, 4) uint8 premultiplied RGBA that explains the colours."""

    def _paint_meshes(self, canvas: Canvas, faces: tuple[Face, ...], settings: Settings) -> None:
        for face in sorted(faces, key=lambda face: face.box[2]):
            if face.depth is not None:
                solid = solid_mesh(face)
                flat = np.array([[1, 0, 0, 0], [0, 1, 0, 0]], np.float32)
                position = np.column_stack([solid[:, :2], view_depth(flat, solid)])
                colour, opacity = self._colours(face, solid, max(float(eye_distance(face.points)), 1e-6), settings)
                alpha = (self._alpha * opacity)[:, None].astype(np.float32)
                canvas.paint(self._mesh, position.astype(np.float32), np.hstack([colour * alpha, alpha]))

    def _place_map(self, canvas: Canvas, picture: Pixels) -> None:
        size = (picture.shape[1], picture.shape[0])
        if self._map is None or self._map.size != size:
            if self._map is not None:
                self._map.release()
            self._map = gl.Texture(size)
        self._map.upload(np.ascontiguousarray(picture))
        canvas.place(self._map, (0, 0, *canvas.size))

    def _place_legend(self, canvas: Canvas, origin: Origin, settings: Settings) -> None:
        width, height = canvas.size
        letter = max(8, round(min(width, height) / 45))
        key = (letter, origin, self._legend_key(origin, settings))
        if self._legend is None or self._legend[0] != key:
            if self._legend is not None:
                self._legend[1].release()
            picture = self._legend_picture(origin, settings, letter)
            texture = gl.Texture((picture.shape[1], picture.shape[0]))
            texture.upload(np.ascontiguousarray(picture))
            self._legend = (key, texture)
        texture = self._legend[1]
        canvas.place(texture, place_within(texture.size, (width, height), letter, across=0.0, down=1.0))


class Depth(Surface):
    """Depth in colours: bright is near."""

    def _seen(self, face: Face) -> object:
        return face.relief

    def __init__(self) -> None:
        super().__init__()
        self._range = WHOLE_RANGE_MM

    def _measured(self, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> Pixels:
        assert frame.depth is not None
        self._follow(frame, faces)
        near, far = self._range
        depth = frame.depth.astype(np.float32)
        levels = np.clip((far - depth) * (255 / (far - near)), 0, 255).astype(np.uint8)
        shown = np.uint8(255 * OPACITY) * ((frame.depth > 0) & (frame.depth < far))
        colours = cv2.applyColorMap(levels, cv2.COLORMAP_INFERNO)
        faded = cv2.multiply(colours, cv2.merge([shown, shown, shown]), scale=1 / 255)
        return np.asarray(cv2.merge([*cv2.split(faded)[::-1], shown]), np.uint8)

    def _follow(self, frame: Frame, faces: tuple[Face, ...]) -> None:
        """Keep the range round the nearest head."""
        found = [head_distance(face, frame) for face in faces]
        measured = [distance.mm for distance in found if distance.measured]
        if measured:
            before, behind = HEAD_RANGE_MM
            middle = min(measured)
            if self._range == WHOLE_RANGE_MM or abs(self._range[0] - before - middle) > _STEP_MM:
                rested = _STEP_MM * round(middle / _STEP_MM)
                self._range = (rested + before, rested + behind)
        elif frame.name is not None:  # a picture for itself: what was seen before it tells nothing
            self._range = WHOLE_RANGE_MM

    def _colours(self, face: Face, solid: Floats, unit: float, settings: Settings) -> tuple[Floats, Floats]:
        low, high = MESH_RANGE
        return _colour_map((solid[:, 2] / unit - low) / (high - low)), np.ones(len(solid), np.float32)

    def _legend_key(self, origin: Origin, settings: Settings) -> object:
        return self._range if origin is Origin.SENSOR else None

    def _legend_picture(self, origin: Origin, settings: Settings, letter_px: float) -> np.ndarray:
        colours = _colour_map(np.linspace(0, 1, 64))
        if origin is Origin.SENSOR:
            near, far = (f"{value} mm" for value in self._range)
            return bar_picture(colours, near, far, "depth (sensor)", letter_px)
        near, far = (f"{value * PUPILS_MM / _PUPILS:+.0f} mm" for value in MESH_RANGE)
        return bar_picture(colours, near, far, f"depth ({origin}, pupils {PUPILS_MM:g} mm)", letter_px)


class Normals(Surface):
    """Normals as colours: red points to the image right, green up, blue to the camera; or the face lit by one lamp."""

    def _seen(self, face: Face) -> object:
        return face.facing

    def _measured(self, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> Pixels:
        whole = normal_map(frame, faces).normals
        out = np.zeros((*whole.shape[:2], 4), np.uint8)
        x, y, width, height = cv2.boundingRect((whole[..., 2] != 0).astype(np.uint8))
        inside = np.s_[y : y + height, x : x + width]  # most of the picture is no head
        normals = whole[inside]
        known = normals.any(axis=2).astype(np.float32)
        if known.size:
            soft = np.clip(2 * cv2.blur(known, (_SOFT, _SOFT), borderType=cv2.BORDER_CONSTANT) - 1, 0, 1) * known
            colour, opacity = _look(normals, settings)
            alpha = (OPACITY * soft * opacity)[..., None]
            out[inside] = np.rint(np.concatenate([colour * alpha, alpha], axis=2) * 255)
        return out

    def _colours(self, face: Face, solid: Floats, unit: float, settings: Settings) -> tuple[Floats, Floats]:
        return _look(vertex_normals(face), settings)

    def _legend_key(self, origin: Origin, settings: Settings) -> object:
        return (settings.yaw, settings.pitch) if settings.relight else None

    def _legend_picture(self, origin: Origin, settings: Settings, letter_px: float) -> np.ndarray:
        size = round(6 * letter_px)
        text = text_picture([f"{'relit' if settings.relight else 'normals'} ({origin})"], letter_px)
        out = np.zeros((size + text.shape[0], max(size, text.shape[1]), 4), np.uint8)
        out[size:, : text.shape[1]] = text
        y, x = np.mgrid[1 : -1 : size * 1j, -1 : 1 : size * 1j]
        inside = np.clip((1 - np.hypot(x, y)) * size / 4, 0, 1)
        ball = np.dstack([x, y, np.sqrt(np.maximum(1 - x**2 - y**2, 0))])
        shown = np.repeat(_shading(ball, settings)[..., None], 3, axis=2) if settings.relight else ball * 0.5 + 0.5
        out[:size, :size] = np.round(np.dstack([shown * inside[..., None], inside]).clip(0, 1) * 255)
        return out


def _look(normals: Floats, settings: Settings) -> tuple[Floats, Floats]:
    """(..., 3) colours and (...) opacities of (..., 3) normals; light is taken away from the live picture."""
    if not settings.relight:
        return 0.5 + 0.5 * normals, np.ones(normals.shape[:-1], np.float32)
    return np.zeros_like(normals), ((1 - _shading(normals, settings)) / OPACITY).astype(np.float32)


def _shading(normals: np.ndarray, settings: Settings) -> Floats:
    """(...) in [0, 1]: what a lamp in the direction of the settings' yaw and pitch lets be seen (Lambert)."""
    yaw, pitch = np.deg2rad(settings.yaw), np.deg2rad(settings.pitch)
    lamp = np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
    facing = normals[..., 0] * lamp[0] + normals[..., 1] * lamp[1] + normals[..., 2] * lamp[2]
    shading: Floats = (_AMBIENT + (1 - _AMBIENT) * np.maximum(facing, 0)).astype(np.float32)
    return np.minimum(shading, 1)


def _colour_map(share: np.ndarray) -> Floats:
    """(N, 3) float32 RGB of (N,) values: 0 (near) is bright, 1 dark."""
    levels = np.round(255 * (1 - np.clip(share, 0, 1))).astype(np.uint8)
    colours = cv2.applyColorMap(levels[:, None], cv2.COLORMAP_INFERNO)[:, 0, ::-1]
    return np.asarray(colours / 255, np.float32)
