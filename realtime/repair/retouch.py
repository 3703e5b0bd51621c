"""What a repair network is shown of a drawn face, and how its correction comes back into the frame.

The network sees a small tile; what comes back is only the difference it makes, blown up smoothly and added where the
mask allows it. So detail is the picture's own, and a pixel outside the mask stays what it was, bit by bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from realtime.effects.regions import regions
from realtime.frame import Floats, Pixels
from realtime.geometry.mesh import head_mesh
from realtime.geometry.template import template
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.surface import Patch, cover_uniforms
from realtime.repair.pace import Level
from realtime.repair.tile import Square

CHANNELS = 5  # red, green, blue, confidence, mask
SIZES = {Level.FAST: 128, Level.FULL: 256}  # of a tile
_LAYOUT = (2, 2, 1)  # position, layout uv, reach: see shaders/mask.vert
ENLARGED = 3
_EDGE = 1 / 32  # of a tile, over which the mask ends at the tile's edge


class Retouch:
    """Reads tiles from a canvas and adds corrections to it; belongs to the thread of the canvas.

    Example:
        canvas.begin(pixels)
        drawn = effect.draw(canvas, frame, faces, settings)
        squares = [Square.around(patch.face_points) for patch in canvas.patches]
        tiles = retouch.read(canvas.patches, squares, 128)  # (N, 5, 128, 128), what the network takes
    """

    def __init__(self, canvas: Canvas) -> None:
        self._canvas = canvas
        reach, triangles = _changeable()
        self._fixed = np.column_stack([head_mesh()[0].uv, reach])
        self._surroundings = gl.Mesh(_LAYOUT, triangles)
        self._masking = {covered: gl.Program("mask", "mask", ("COVERED",) * covered) for covered in (False, True)}
        masks = np.ascontiguousarray(np.round(regions() * 255).astype(np.uint8))
        self._regions = gl.Texture((masks.shape[1], masks.shape[0]))
        self._regions.upload(masks)
        self._tile = gl.Target((1, 1), depth=True)
        self._seen: dict[Square, Pixels] = {}

    def read(self, patches: Sequence[Patch], squares: Sequence[Square], size: int) -> Floats:
        """What a network is shown of the faces in `squares` (which all fit the frame) of the picture as it is now.

        Returns:
            (N, 5, size, size) float32 in [0, 1]: red, green, blue; confidence, the opacity of what is drawn times how
            little its texture is stretched; mask, where change is allowed: not on eyes, inner mouth, and what is in
            front of the face. Confidence and mask are 0 beyond the frame.
        """
        frame = self._canvas.size
        self._seen = {square: self._canvas.read(square.inside(frame)) for square in squares}
        tiles = np.empty((len(squares), CHANNELS, size, size), np.float32)
        for tile, patch, square in zip(tiles, patches, squares, strict=True):
            target = self.draw_belief(patch, square, size)
            GL.glFlush()  # OpenGL draws while the host shrinks
            colours = square.shrink(self._seen[square], frame, size)
            belief = target.read()[..., :2].copy()
            square.blank_outside(belief, frame)
            tile[:3] = colours[..., :3].transpose(2, 0, 1)
            tile[3:] = belief.transpose(2, 0, 1)
        tiles /= 255
        return tiles

    def add(self, square: Square, correction: Floats, mask: Floats, strength: float = 1.0) -> None:
        """Add a correction to the picture, in the measure of the mask.

        Args:
            square: as given to `read`.
            correction: (3, size, size) float32, what is to be changed where the mask is 1.
            mask: (size, size) float32, as the network was given it.
            strength: in [0, 1], how much of it is added.
        """
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if not len(rows):
            return
        # as much of the square as the mask covers
        scale = square.side / len(mask)
        width, height = self._canvas.size
        left, top = int(max(square.x + columns[0] * scale, 0)), int(max(square.y + rows[0] * scale, 0))
        right = int(min(np.ceil(square.x + (columns[-1] + 1) * scale), width))
        bottom = int(min(np.ceil(square.y + (rows[-1] + 1) * scale), height))
        place = (left, top, right - left, bottom - top)
        packed, unit = _packed(correction, mask)
        step = strength * unit
        # where the change is 128 the sum is the very pixel
        change = square.enlarge(packed, place)
        self._canvas.write(place, cv2.addWeighted(self._under(square, place), 1, change, step, -128 * step))
        self._seen.clear()  # another square may reach into what has changed

    def _under(self, square: Square, place: gl.Rectangle) -> Pixels:
        """The picture as it is now in a part of a square that was read."""
        if square not in self._seen:
            return self._canvas.read(place)
        x, y, width, height = place
        left, top, _, _ = square.inside(self._canvas.size)
        return self._seen[square][y - top : y - top + height, x - left : x - left + width]

    def release(self) -> None:
        """Release everything; may be called more than once."""
        for program in self._masking.values():
            program.release()
        for held in (self._regions, self._tile, self._surroundings):
            held.release()

    def draw_belief(self, patch: Patch, square: Square, size: int) -> gl.Target:
        """Draw confidence and mask in the square: red and green of a target of `size`, which the next call reuses."""
        if self._tile.size != (size, size):
            self._tile.release()
            self._tile = gl.Target((size, size), depth=True)
        self._tile.bind()
        self._tile.clear()
        rectangle = (square.x, square.y, square.side, square.side)
        for layer in patch.layers:
            self._canvas.draw_confidence(layer, rectangle, self._tile)
        GL.glColorMask(False, True, False, False)
        cover = patch.layers[-1].cover
        self._masking[cover is not None].use(
            {
                "regions": self._regions,
                "origin": (float(square.x), float(square.y)),
                "side": float(square.side),
                "edge": _EDGE,
                **({} if cover is None else cover_uniforms(cover)),
            }
        )
        with gl.backs_removed():
            self._surroundings.draw(np.column_stack([patch.position, self._fixed]))
        GL.glColorMask(True, True, True, True)
        return self._tile


@cache
def _changeable() -> tuple[Floats, NDArray[np.int32]]:
    """Where a repair may change the head: on the face, and less and less on the way to the first ring round it.

    A network taught on seams tints a wall that it may change further out.

    Returns:
        (V,) float32 in [0, 1] at the vertices of the head mesh; and the (T, 3) triangles there, far ones first. In that
        order the nose covers the cheek behind it without a depth buffer, which costs twice the time.
    """
    mesh, anchors, _ = head_mesh()
    reach = np.ones(len(mesh.uv), np.float32)
    reach[-len(anchors) :] = 0
    depth = mesh.weights @ template()[:, 2]
    depth[-len(anchors) :] = np.inf
    triangles = mesh.triangles[(reach[mesh.triangles] > 0).any(axis=1)]
    return reach, triangles[np.argsort(-depth[triangles].mean(axis=1), kind="stable")]


def _packed(correction: Floats, mask: Floats) -> tuple[Pixels, float]:
    """A correction under a mask, enlarged threefold and smoothly; the rest of the way is linear.

    Enlarging reaches further than a pixel of the tile: the mask is drawn in by one, so that nothing outside of it
    changes.

    Returns:
        (h, w, 4) uint8, 128 where nothing changes: bytes are enlarged and added several times as fast as numbers, and
        shared out over what the correction needs, they are enough.
        How many levels of 255 a step of these stands for.
    """
    change = correction * cv2.erode(mask, np.ones((3, 3), np.uint8))
    largest = max(float(np.abs(change).max()), 1 / 255)
    levels = np.round(change * (127 / largest) + 128).astype(np.uint8)
    small = np.dstack([*levels, np.full(mask.shape, 128, np.uint8)])
    size = (ENLARGED * mask.shape[1], ENLARGED * mask.shape[0])
    large = cv2.blur(cv2.resize(small, size, interpolation=cv2.INTER_LINEAR), (ENLARGED, ENLARGED))
    return np.asarray(large, np.uint8), largest * 255 / 127
