"""Source faces: photos or clips of one person each, measured once, seen from one or several sides."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.effects.bare import bare
from realtime.effects.matte import matte
from realtime.effects.relight import Tone
from realtime.frame import Face, Floats, Pixels
from realtime.geometry.crops import square_crop
from realtime.geometry.mesh import face_mesh
from realtime.geometry.topology import FLIP, mirror
from realtime.geometry.views import texel_density

# The part of a photo that is kept as texture: a square of this many landmark boxes, at most this many pixels.
_KEPT = 2.2
_LIMIT = 1024


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """One picture of a source face.

    Attributes:
        pixels: (H, W, 3) uint8 RGB, the texture.
        points: (81, 2) float32 keypoints in its pixels.
        depth: (81,) float32, their depth in pixels.
        yaw: how it is turned, in degrees (see `realtime.frame.Pose`).
        tone: its light and skin, and what covers it.
        bare: (H, W) uint8, 255 where the texture shows the face, 0 where it shows hair or a hat.
        share: (V,) float32 in [0, 1] at the vertices of the face mesh: how much more of a place it shows than its
            mirror image does, 0.5 where both show as much.
    """

    pixels: Pixels
    points: Floats
    depth: Floats
    yaw: float
    tone: Tone
    bare: NDArray[np.uint8]
    share: Floats

    @property
    def solid(self) -> Floats:
        """(81, 3) float32: points with depth."""
        return np.column_stack([self.points, self.depth])


@dataclass(frozen=True, slots=True, eq=False)
class Person:
    """A source identity: its name and its views, each followed by its mirror image."""

    name: str
    views: tuple[View, ...]


def person(name: str, pictures: list[tuple[Pixels, Face]]) -> Person:
    """A source identity from (H, W, 3) RGB pictures with the analysed face of each (with depth)."""
    views = []
    for pixels, face in pictures:
        view = _view(pixels, face)
        views += [view, _mirrored(view)]
    return Person(name, tuple(views))


def _view(pixels: Pixels, face: Face) -> View:
    """Cut the face out of its picture, so that a huge photo costs no more than a small one."""
    assert face.depth is not None
    x, y, width, height = face.box
    side = _KEPT * max(width, height)
    size = int(np.clip(round(side), 64, _LIMIT))
    crop = square_crop(np.array([x + width / 2, y + height / 2]), side, 0.0, size)
    points = crop.into(face.points).astype(np.float32)
    texture = matte(np.ascontiguousarray(crop.cut(pixels)), points)
    depth = (face.depth * (size / side)).astype(np.float32)
    return View(
        texture, points, depth, face.pose.yaw, Tone(texture, points), bare(texture, points), _share(points, size)
    )


def _mirrored(view: View) -> View:
    pixels = np.ascontiguousarray(view.pixels[:, ::-1])
    points = mirror(view.points, pixels.shape[1]).astype(np.float32)
    shown = np.ascontiguousarray(view.bare[:, ::-1])
    share = _share(points, pixels.shape[1])
    return View(pixels, points, view.depth[FLIP], -view.yaw, Tone(pixels, points), shown, share)


def _share(points: Floats, width: int) -> Floats:
    """`View.share` of (81, 2) keypoints in a picture of a width."""
    mesh = face_mesh()
    shown, mirrored = (
        np.maximum(texel_density(mesh, (mesh.weights @ each).astype(np.float32), mesh.uv), 0)
        for each in (points, mirror(points, width))
    )
    share: Floats = (shown / np.maximum(shown + mirrored, 1e-6)).astype(np.float32)
    return share
