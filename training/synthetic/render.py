"""Draws synthetic scenes with OpenGL: the picture and, in the same pass, what is true of every pixel.

One process, one thread: a renderer belongs to the thread that makes it. Mesa's software renderer suffices.
"""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

import cv2
import numpy as np
from OpenGL import GL

from realtime.geometry.topology import JAW
from realtime.render import gl
from realtime.render.context import Context
from training import data
from training.ict import rotations
from training.synthetic import accessories, regions, sensor, skin
from training.synthetic.head import Head, Shape
from training.synthetic.lights import Lights
from training.synthetic.parts import LAYOUT, Class, Normals, Part
from training.synthetic.scene import Ranges, Scene, random_scene
from training.synthetic.truth import Rendered

PIVOT = np.array([0.0, 75.0, 25.0])  # mm in head axes: the neck, about which heads turn
SKULL = np.array([0.0, -45.0, 5.0])  # mm in head axes: the middle of the skull
SHADOWS = 256  # texels
SHADOW_HALF = 190.0  # mm that the shadow map reaches around the face
HIDDEN = 12.0  # mm: what lies further behind the drawn surface is hidden
NEAREST, FURTHEST = 60.0, 6000.0  # mm
_SKY_DIRECTIONS = 40


class Renderer:
    """Faces without end, deterministic by seed on one machine.

    Args:
        size: pixels of the square pictures.
        ranges: what they show.
    """

    def __init__(self, size: int, ranges: Ranges | None = None) -> None:
        os.environ.setdefault("LP_NUM_THREADS", "0")  # Mesa's helpers would compete with the training for the cores
        self.size, self.ranges = size, ranges or Ranges()
        self.head = Head(data.ict_face())
        self._context = Context()
        self._normals = Normals()
        self._noise = skin.Noise()
        self._wrinkles = skin.Wrinkles(self.head.neutral, self.head.neutral[self.head.landmarks])
        # twice the resolution and a sample more: every pixel's middle is a sample's middle
        self._fine = 2 * size + 1
        self._face = gl.Program("face", "face")
        self._shadow = gl.Program("shadow", "shadow")
        self._target = gl.Target((self._fine, self._fine), floating=True, depth=True, precise=True)
        self._map = gl.Target((SHADOWS, SHADOWS), floating=True, depth=True)
        self._relief = gl.Texture(regions.ATLAS, floating=True)
        self._tints = gl.Texture(regions.ATLAS, mipmaps=True)
        self._meshes: dict[int, tuple[np.ndarray, gl.Mesh]] = {}
        GL.glEnable(GL.GL_DEPTH_TEST)
        GL.glEnable(GL.GL_CULL_FACE)
        GL.glFrontFace(GL.GL_CCW)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
        self._sky = self._openness()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()

    def release(self) -> None:
        """Give graphics memory and context back."""
        for _, mesh in self._meshes.values():
            mesh.release()
        for thing in (self._face, self._shadow, self._target, self._map, self._relief, self._tints):
            thing.release()
        self._context.release()

    def scene(self, seed: int) -> Scene:
        """The random scene of this seed."""
        return random_scene(seed, self.size, self.head, self.ranges)

    def face(self, seed: int) -> Rendered:
        """The random face of this seed."""
        return self.draw(self.scene(seed))

    def draw(self, scene: Scene) -> Rendered:
        """Render a scene of the renderer's size."""
        rng = np.random.default_rng([scene.seed, 1])
        weights = scene.weights(self.head.names)
        gaze = np.stack([scene.gaze, scene.gaze])
        shape = self.head.shape(scene.look, scene.identity, weights, gaze, self._sky)
        opaque, lenses, dark = _worn(scene, shape, rng)
        rotation, place = _posing(scene, shape)
        self._upload_skin(scene, rng)
        drawn = [(part, self._posed(part, rotation, scene, place)) for part in opaque]
        glass = [(part, self._posed(part, rotation, scene, place)) for part in lenses]
        uniforms = _uniforms(scene, self._fine, rng)
        if scene.lights.key_colour.any():
            solid = drawn + (glass if dark > 0.5 else [])
            self._cast(solid, uniforms)
        self._paint(drawn, glass, dark, uniforms)
        return self._result(scene, shape, rotation, place, rng)

    def _upload_skin(self, scene: Scene, rng: np.random.Generator) -> None:
        relief = self._wrinkles.relief(scene.look.age, self._noise.bumps(rng), rng)
        self._relief.upload(skin.slopes(relief))
        self._tints.upload(self._noise.tint(rng))

    def _posed(self, part: Part, rotation: np.ndarray, scene: Scene, place: np.ndarray) -> np.ndarray:
        """(V, 17) float32 vertices in camera axes."""
        body = rotations(scene.angles[None] * scene.body)[0].astype(np.float32)
        centred = part.vertices - PIVOT.astype(np.float32)
        trunk = centred @ body.T
        at = (
            trunk + part.carried[:, None] * (centred @ rotation.T.astype(np.float32) - trunk) + place.astype(np.float32)
        )
        normals = self._normals(at, part.triangles)
        return np.column_stack([at, normals, part.at, part.base, part.cover, part.kind]).astype(np.float32, copy=False)

    def _cast(self, drawn: list[tuple[Part, np.ndarray]], uniforms: dict[str, float | tuple[float, ...]]) -> None:
        self._map.bind()
        GL.glClearColor(2000, 0, 0, 0)
        GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)
        self._shadow.use({name: uniforms[name] for name in ("shadow_x", "shadow_y", "shadow_z", "shadow_box")})
        GL.glDisable(GL.GL_CULL_FACE)
        for part, vertices in drawn:
            self._mesh(part.triangles).draw(vertices)
        GL.glEnable(GL.GL_CULL_FACE)

    def _paint(
        self,
        drawn: list[tuple[Part, np.ndarray]],
        glass: list[tuple[Part, np.ndarray]],
        dark: float,
        uniforms: dict[str, float | tuple[float, ...]],
    ) -> None:
        self._target.bind()
        self._target.clear()
        textures = {"tints": self._tints, "relief": self._relief, "shadow_map": self._map.textures[1]}
        self._face.use({**textures, **uniforms, "veil": 1.0})
        for part, vertices in drawn:
            self._mesh(part.triangles).draw(vertices)
        if glass:
            # glass tints the colour; only dark glass hides what is behind from the truth
            self._face.use({"veil": dark})
            GL.glEnablei(GL.GL_BLEND, 0)
            GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
            hides = dark > 0.5
            GL.glColorMaski(1, hides, hides, hides, hides)
            for part, vertices in glass:
                self._mesh(part.triangles).draw(vertices)
            GL.glColorMaski(1, True, True, True, True)
            GL.glDisablei(GL.GL_BLEND, 0)

    def _result(
        self, scene: Scene, shape: Shape, rotation: np.ndarray, place: np.ndarray, rng: np.random.Generator
    ) -> Rendered:
        drawn = self._target.read().astype(np.float32) / 255
        exact = self._target.read_floating()[1::2, 1::2]
        # a pixel is the tent-weighted mean of the 3x3 samples around its middle
        drawn = cv2.sepFilter2D(drawn, -1, np.array([0.25, 0.5, 0.25]), np.array([0.25, 0.5, 0.25]))[1::2, 1::2]
        behind = sensor.background(rng, scene.size, scene.lights.infrared)
        picture = drawn[..., :3] + (1 - drawn[..., 3:]) * behind
        classes = np.rint(exact[..., 3]).astype(np.uint8)
        there = classes != Class.BACKGROUND
        x, y = exact[..., 0], -exact[..., 1]
        normals = np.stack([x, y, np.sqrt(np.clip(1 - x * x - y * y, 0, 1))], axis=-1) * there[..., None]
        depth = exact[..., 2] * there
        marks = (shape.landmarks - PIVOT) @ rotation.T + place
        points = marks.copy()
        points[JAW] = _contour(scene, shape, rotation, place)
        camera = scene.camera
        pixels = points[:, :2] / points[:, 2:] * [camera.fx, camera.fy] + [camera.cx, camera.cy]
        return Rendered(
            person=scene.person,
            picture=sensor.photographed(picture, scene.lights.infrared, rng),
            clean=np.rint(255 * np.clip(picture, 0, 1)).astype(np.uint8),
            depth=depth.astype(np.float32),
            normals=normals.astype(np.float32),
            classes=classes,
            points=pixels.astype(np.float32),
            points_mm=marks.astype(np.float32),
            visible=_unhidden(pixels, points[:, 2], depth),
            rotation=rotation,
            angles=scene.angles,
            centre=(SKULL - PIVOT) @ rotation.T + place,
            closure=scene.closure,
            gaze=scene.gaze,
            camera=camera,
            infrared=scene.lights.infrared,
        )

    def _mesh(self, triangles: np.ndarray) -> gl.Mesh:
        if id(triangles) not in self._meshes:
            self._meshes[id(triangles)] = (triangles, gl.Mesh(LAYOUT, triangles))
        return self._meshes[id(triangles)][1]

    def _openness(self) -> np.ndarray:
        """(V,) float32: from how much of the half-space before each vertex of the neutral head light can come."""
        vertices = self.head.neutral.astype(np.float32)
        normals = self._normals(vertices, self.head.triangles)
        padded = np.zeros((len(vertices), sum(LAYOUT)), np.float32)
        padded[:, :3] = vertices
        total, open_part = np.zeros(len(vertices)), np.zeros(len(vertices))
        for index in range(_SKY_DIRECTIONS):
            up = 1 - 2 * (index + 0.5) / _SKY_DIRECTIONS
            turn = index * np.pi * (3 - np.sqrt(5))
            towards = np.array([np.sqrt(1 - up * up) * np.cos(turn), up, np.sqrt(1 - up * up) * np.sin(turn)])
            axes = _light_axes(towards, vertices.mean(axis=0))
            self._map.bind()
            GL.glClearColor(2000, 0, 0, 0)
            GL.glClear(GL.GL_COLOR_BUFFER_BIT | GL.GL_DEPTH_BUFFER_BIT)
            self._shadow.use(axes)
            self._mesh(self.head.triangles).draw(padded)
            seen = self._map.read_floating()[..., 0]
            box = np.array(axes["shadow_box"])
            flat = np.stack([vertices @ np.array(axes["shadow_x"]), vertices @ np.array(axes["shadow_y"])], axis=1)
            texel = np.rint((0.5 + 0.5 * (flat - box[:2]) / box[2]) * SHADOWS - 0.5).astype(int)
            texel = np.clip(texel, 0, SHADOWS - 1)
            along = vertices @ np.array(axes["shadow_z"]) - box[3]
            weight = np.clip(normals @ towards, 0, None)
            total += weight
            open_part += weight * (along < seen[texel[:, 1], texel[:, 0]] + 3)
        return (open_part / np.maximum(total, 1e-6)).astype(np.float32)


def _worn(scene: Scene, shape: Shape, rng: np.random.Generator) -> tuple[list[Part], list[Part], float]:
    """Everything opaque, the lenses, and how dark these are."""
    parts, lenses, dark = list(shape.parts), [], 0.0
    look = scene.look
    if look.hair in ("long", "covered"):
        parts.append(accessories.curtain(look, shape, scene.curtain))
    if look.hat == "cap":
        parts.append(accessories.brim(look, shape))
    if scene.glasses:
        frame, lenses, dark = accessories.glasses(shape, rng)
        parts += frame
    if scene.hand:
        parts += accessories.hand(shape, look, rng)
    return parts, lenses, dark


def _posing(scene: Scene, shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """Rotation (3, 3) and the pivot's place (3,) that bring the landmarks' mean to the scene's place."""
    rotation = rotations(scene.angles[None])[0]
    mean = (shape.landmarks - PIVOT).mean(axis=0) @ rotation.T
    return rotation, scene.place - mean


def _contour(scene: Scene, shape: Shape, rotation: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(17, 3) jaw points where the cheek's outline is seen, camera axes."""
    upright = shape.strips @ rotations(scene.angles[None] * [1, 1, 0])[0].T
    outward = np.sign(JAW - JAW.mean())
    furthest = np.argmax(upright[..., 0] * outward[:, None], axis=1)
    return (shape.strips[np.arange(len(JAW)), furthest] - PIVOT) @ rotation.T + place


def _unhidden(pixels: np.ndarray, depth: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    size = len(drawn)
    at = np.rint(pixels).astype(int)
    inside = ((at >= 1) & (at < size - 1)).all(axis=1)
    at = np.clip(at, 1, size - 2)
    around = np.stack([drawn[at[:, 1] + dy, at[:, 0] + dx] for dy in (-1, 0, 1) for dx in (-1, 0, 1)])
    nearest = np.abs(np.where(around > 0, around, np.inf) - depth).min(axis=0)
    return inside & (nearest < HIDDEN)


def _light_axes(towards: np.ndarray, centre: np.ndarray) -> dict[str, tuple[float, ...]]:
    """Uniforms of a shadow map seen along the light."""
    along = -towards / np.linalg.norm(towards)
    first = np.cross(along, [0.0, 1.0, 0.0] if abs(along[1]) < 0.9 else [1.0, 0.0, 0.0])
    first /= np.linalg.norm(first)
    second = np.cross(along, first)
    box = (float(first @ centre), float(second @ centre), SHADOW_HALF, float(along @ centre))
    return {
        "shadow_x": tuple(map(float, first)),
        "shadow_y": tuple(map(float, second)),
        "shadow_z": tuple(map(float, along)),
        "shadow_box": box,
    }


def _uniforms(scene: Scene, fine: int, rng: np.random.Generator) -> dict[str, float | tuple[float, ...]]:
    lights, look, camera = scene.lights, scene.look, scene.camera

    def vector(values: np.ndarray) -> tuple[float, ...]:
        return tuple(map(float, values))

    pigments = look.pigments
    infrared = lights.infrared
    near_lamp = float(-lights.key_direction[2]) > 0.97
    return {
        **_light_axes(lights.key_direction, scene.place),
        **_soft(lights),
        "focal": (2 * camera.fx, 2 * camera.fy),
        "principal": (2 * camera.cx + 1, 2 * camera.cy + 1),
        "size": (float(fine), float(fine)),
        "depth_range": (NEAREST, FURTHEST),
        "ambient": vector(lights.ambient),
        "key_direction": vector(lights.key_direction),
        "key_colour": vector(lights.key_colour),
        "exposure": lights.exposure,
        "infrared": float(infrared),
        "unevenness": (pigments.melanin_spread, pigments.blood_spread, pigments.spots),
        "hair_colour": vector(look.hair_colour),
        "brow_colour": vector(look.brow_colour),
        "cloth_colour": vector(look.cloth_colour),
        "hat_colour": vector(look.hat_colour),
        "iris_colour": vector(look.iris_colour),
        "pupil": look.pupil * (1.5 if infrared else 1.0),
        "glow": float(rng.uniform(0.1, 0.8)) if infrared and near_lamp else 0.0,
    }


def _soft(lights: Lights) -> dict[str, tuple[float, ...]]:
    named = {}
    for index, (direction, colour) in enumerate(zip(lights.soft_direction, lights.soft_colour, strict=True)):
        named[f"soft_direction_{index}"] = tuple(map(float, direction))
        named[f"soft_colour_{index}"] = tuple(map(float, colour))
    return named
