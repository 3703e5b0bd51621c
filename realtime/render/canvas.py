"""What a frame is drawn on: the picture itself, warped faces, plain paint and small pictures over it.

A warp is drawn into a tile first, a rectangle of the frame around the face with alpha, and the tile is then pasted:
a repair network can take its place between the two.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from realtime.frame import Floats, Pixels
from realtime.geometry.mesh import Mesh
from realtime.render import gl
from realtime.timing import Split

# The largest side of a tile; a face that is larger in the frame is drawn at a lower resolution.
TILE_LIMIT = 1024
_TILE_STEP = 64
_WARPED = (3, 2, 2, 2, 1, 4, 3)  # position, source, live, layout uv, trust, relight: see shaders/warp.vert
_UNCHANGED = np.array([1, 1, 1, 1, 0, 0, 0], np.float32)
_PAINTED = (3, 4)  # position, colour: see shaders/paint.vert


@dataclass(frozen=True, slots=True, eq=False)
class Warp:
    """One textured surface to draw.

    Attributes:
        mesh: whose triangles, layout places and weights are used.
        position: (V, 3) float32, x and y in frame pixels, z in [-1, 1], smaller is nearer.
        source: (V, 2) float32, where each vertex takes its texture, pixels of the source picture.
        picture: texture of the source picture; None takes the live frame itself.
        live: (V, 2) float32 pixels of the live frame, for eyes and mouth; None where they are not wanted.
        trust: (V,) float32 in [0, 1], opacity of each vertex; None is 1.
        regions: texture on the flat face (shaders/warp.frag); without it the surface is opaque and keeps its colours,
            and what goes with it (relight, live, live_share, side_fade, grain) plays no part.
        relight: (V, 7) float32, RGB gains of the source's luma, gain of its difference from luma, RGB offset in 0..1;
            None changes nothing.
        density: source texels per output pixel of the unstretched face.
        live_share: shares of the live eyes and of the live inner mouth, in [0, 1].
        openings: (T,) bool, the triangles that eyes or inner mouth reach into; None: all of them may. Looking the live
            frame up in the others, too, would make drawing a tenth dearer.
        side_fade: layout x where a fade begins and ends, and its strength.
        soften: mipmap levels to go further down than size asks for.
        grain: standard deviation of noise to add (0..1 of a colour), and its seed.
        opacity: of the whole surface, in [0, 1].
    """

    mesh: Mesh
    position: Floats
    source: Floats
    picture: gl.Texture | None = None
    live: Floats | None = None
    trust: Floats | None = None
    regions: gl.Texture | None = None
    relight: Floats | None = None
    density: float = 1.0
    live_share: tuple[float, float] = (0.0, 0.0)
    openings: NDArray[np.bool_] | None = None
    side_fade: tuple[float, float, float] = (0.0, 1.0, 0.0)
    soften: float = 0.0
    grain: tuple[float, float] = (0.0, 0.0)
    opacity: float = 1.0


class Canvas:
    """Draws one frame at a time; made, used and released on the thread whose context is current.

    Args:
        split: gets the time of the parts "upload", "warp", "compose" and "readback". Each waits until OpenGL, which
            otherwise works behind, has done it: in software that costs nothing, for the readback waits for all of it.
    """

    def __init__(self, split: Split | None = None) -> None:
        self._split = split or Split("prepare")
        self._warps: dict[tuple[str, ...], gl.Program] = {}
        self._pieces: dict[tuple[int, int], tuple[NDArray[np.bool_], NDArray[np.int32], NDArray[np.int32]]] = {}
        self._picture = gl.Program("picture", "picture")
        self._exact_picture = gl.Program("picture", "picture", ("EXACT",))
        self._paint = gl.Program("paint", "paint")
        self._quad = gl.Mesh((2, 2), np.array([[0, 1, 2], [2, 1, 3]]))
        self._meshes: dict[tuple[int, tuple[int, ...]], tuple[NDArray[np.int32], gl.Mesh]] = {}
        self._points = gl.Mesh(_PAINTED, None)
        self._input = gl.Target((1, 1))
        self._output = gl.Target((1, 1))
        self._tile = gl.Target((1, 1), depth=True)
        self._rgba = np.empty((1, 1, 4), np.uint8)
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        GL.glEnable(GL.GL_PROGRAM_POINT_SIZE)
        GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        self.limit = int(GL.glGetIntegerv(GL.GL_MAX_TEXTURE_SIZE))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture being drawn."""
        return self._output.size

    @property
    def live(self) -> gl.Texture:
        """The picture as it came in."""
        return self._input.texture

    def begin(self, pixels: Pixels) -> None:
        """Start with (H, W, 3) uint8 RGB `pixels`, at most `limit` wide and high."""
        size = (pixels.shape[1], pixels.shape[0])
        if size != self._output.size:
            self._input.release()
            self._output.release()
            self._input, self._output = gl.Target(size), gl.Target(size, depth=True)
            self._rgba = np.empty((size[1], size[0], 4), np.uint8)
        with self._part("upload"):
            cv2.cvtColor(pixels, cv2.COLOR_RGB2RGBA, dst=self._rgba)
            self._input.texture.upload(self._rgba)
            self._output.copy_from(self._input)

    def finish(self) -> Pixels:
        """(H, W, 3) uint8 RGB, the picture as it is now."""
        with self._part("readback"):
            pixels: Pixels = cv2.cvtColor(self._output.read(self._rgba), cv2.COLOR_RGBA2RGB)
        return pixels

    def warp(self, warp: Warp) -> None:
        """Draw a surface and paste it."""
        rectangle = self._rectangle(warp.position)
        if rectangle is not None:
            with self._part("warp"):
                view = self.draw_tile(warp, rectangle)
            self._paste(self._tile.texture, rectangle, view)

    def draw_tile(self, warp: Warp, rectangle: tuple[int, int, int, int], detail: bool = False) -> tuple[int, int]:
        """Draw a surface over transparent black.

        Args:
            warp: the surface.
            rectangle: x, y, width, height of the tile in frame pixels.
            detail: also write source place, confidence and depth, see `read_tile`.

        Returns:
            (width, height) of the part of the tile's target that was used.
        """
        x, y, width, height = rectangle
        scale = min(1.0, TILE_LIMIT / max(width, height))
        view = (max(1, round(width * scale)), max(1, round(height * scale)))
        if view[0] > self._tile.size[0] or view[1] > self._tile.size[1] or detail > self._tile.floating:
            steps = [-(-max(v, t) // _TILE_STEP) * _TILE_STEP for v, t in zip(view, self._tile.size, strict=True)]
            self._tile.release()
            self._tile = gl.Target((steps[0], steps[1]), floating=detail or self._tile.floating, depth=True)
        self._tile.bind(view)
        self._tile.clear()
        source = warp.picture or self.live
        uniforms: gl.Uniforms = {
            "source_picture": source,
            "live_picture": self.live,
            **({} if warp.regions is None else {"regions": warp.regions}),
            "origin": (float(x), float(y)),
            "size": (float(width), float(height)),
            "source_size": tuple(map(float, source.size)),
            "live_size": tuple(map(float, self.live.size)),
            "density": warp.density / scale**2,
            "live_share": warp.live_share,
            "side_fade": warp.side_fade[:2],
            "fade_strength": warp.side_fade[2],
            "soften": warp.soften,
            "grain": warp.grain,
            "opacity": warp.opacity,
        }
        vertices = _vertices(warp)
        with _hidden_surfaces_removed():
            for triangles, live in self._divided(warp):
                self._variant(warp, live).use(uniforms)
                self._mesh(triangles, _WARPED).draw(vertices)
        return view

    def read_tile(self, view: tuple[int, int]) -> tuple[Pixels, Floats]:
        """The tile as drawn: (h, w, 4) uint8 premultiplied RGBA, and (h, w, 4) float32 u, v, confidence, z."""
        width, height = view
        return self._tile.read()[:height, :width], self._tile.read_floating()[:height, :width]

    def paint(self, mesh: Mesh, position: Floats, colour: Floats) -> None:
        """Paint the triangles of a mesh in vertex colours, nearest first.

        Args:
            mesh: whose triangles are drawn.
            position: (V, 3) as in `Warp`.
            colour: (V, 4) float32 premultiplied RGBA in [0, 1].
        """
        with self._part("compose"), _hidden_surfaces_removed(), _blending():
            self._begin_paint()
            GL.glClear(GL.GL_DEPTH_BUFFER_BIT)
            self._mesh(mesh.triangles, _PAINTED).draw(np.hstack([position, colour]))

    def lines(self, edges: NDArray[np.int32], points: Floats, colour: Floats) -> None:
        """Draw (E, 2) edges between (V, 2) pixels in (V, 4) premultiplied colours."""
        with self._part("compose"), _blending():
            self._begin_paint()
            self._mesh(edges, _PAINTED).draw(_flat(points, colour))

    def dots(self, points: Floats, colour: Floats, diameter: float) -> None:
        """Draw (V, 2) pixels as squares of `diameter` in (V, 4) premultiplied colours."""
        with self._part("compose"), _blending():
            self._begin_paint(diameter)
            self._points.draw(_flat(points, colour))

    def place(self, picture: gl.Texture, rectangle: tuple[float, float, float, float], opacity: float = 1.0) -> None:
        """Paste a premultiplied picture into x, y, width, height (pixel edges of the frame)."""
        self._paste(picture, rectangle, picture.size, opacity)

    def release(self) -> None:
        """Release everything; may be called more than once."""
        for mesh in (self._quad, self._points, *(mesh for _, mesh in self._meshes.values())):
            mesh.release()
        for program in (self._picture, self._exact_picture, self._paint, *self._warps.values()):
            program.release()
        for target in (self._input, self._output, self._tile):
            target.release()

    def _divided(self, warp: Warp) -> list[tuple[NDArray[np.int32], bool]]:
        """The triangles to draw, and whether the live frame may show through them."""
        triangles = warp.mesh.triangles
        live = warp.regions is not None and any(warp.live_share)
        if not live or warp.openings is None:
            return [(triangles, live)]
        key = (id(triangles), id(warp.openings))  # as for `_mesh`
        if key not in self._pieces:
            self._pieces[key] = (warp.openings, triangles[~warp.openings], triangles[warp.openings])
        _, closed, opened = self._pieces[key]
        return [(closed, False), (opened, True)]

    def _variant(self, warp: Warp, live: bool) -> gl.Program:
        skin = warp.regions is not None
        parts = {"SKIN": skin, "LIVE": live, "DETAIL": self._tile.floating}
        defines = tuple(name for name, wanted in parts.items() if wanted)
        if defines not in self._warps:
            self._warps[defines] = gl.Program("warp", "warp", defines)
        return self._warps[defines]

    def _begin_paint(self, point_size: float = 1.0) -> None:
        self._output.bind()
        self._paint.use({"size": tuple(map(float, self.size)), "point_size": point_size})

    def _paste(
        self,
        picture: gl.Texture,
        rectangle: tuple[float, float, float, float],
        used: tuple[int, int],
        opacity: float = 1.0,
    ) -> None:
        x, y, width, height = rectangle
        u, v = used[0] / picture.size[0], used[1] / picture.size[1]
        corners = [[x, y, 0, 0], [x + width, y, u, 0], [x, y + height, 0, v], [x + width, y + height, u, v]]
        whole = float(x).is_integer() and float(y).is_integer()
        program = self._exact_picture if whole and (width, height) == used else self._picture
        with self._part("compose"), _blending():
            self._output.bind()
            program.use({"picture": picture, "size": tuple(map(float, self.size)), "opacity": opacity})
            self._quad.draw(np.array(corners, np.float32))

    @contextmanager
    def _part(self, name: str) -> Iterator[None]:
        """Count what is drawn within for a part of the stage."""
        with self._split.part(name):
            yield
            GL.glFinish()

    def _rectangle(self, position: Floats) -> tuple[int, int, int, int] | None:
        """Smallest whole-pixel rectangle in the frame around (V, 3) vertices; None where nothing is inside."""
        if not np.isfinite(position).all():
            return None
        low = np.maximum(np.floor(position[:, :2].min(axis=0)) - 1, 0)
        high = np.minimum(np.ceil(position[:, :2].max(axis=0)) + 2, self.size)
        if (high <= low).any():
            return None
        return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])

    def _mesh(self, indices: NDArray[np.int32], layout: tuple[int, ...]) -> gl.Mesh:
        key = (id(indices), layout)  # index lists are made once; kept here, so that their id stays theirs
        if key not in self._meshes:
            self._meshes[key] = (indices, gl.Mesh(layout, indices))
        return self._meshes[key][1]


def _vertices(warp: Warp) -> Floats:
    count = len(warp.position)
    live = warp.source if warp.live is None else warp.live
    trust = np.ones(count, np.float32) if warp.trust is None else warp.trust
    relight = np.broadcast_to(_UNCHANGED, (count, 7)) if warp.relight is None else warp.relight
    return np.column_stack([warp.position, warp.source, live, warp.mesh.uv, trust, relight]).astype(np.float32)


def _flat(points: Floats, colour: Floats) -> Floats:
    return np.column_stack([points, np.zeros(len(points)), colour]).astype(np.float32)


@contextmanager
def _blending() -> Iterator[None]:
    GL.glEnable(GL.GL_BLEND)
    try:
        yield
    finally:
        GL.glDisable(GL.GL_BLEND)


@contextmanager
def _hidden_surfaces_removed() -> Iterator[None]:
    GL.glEnable(GL.GL_DEPTH_TEST)
    GL.glDepthFunc(GL.GL_LESS)
    GL.glEnable(GL.GL_CULL_FACE)
    GL.glFrontFace(GL.GL_CCW)  # our triangles run clockwise in the image, whose y points down: in NDC it is drawn up
    try:
        yield
    finally:
        GL.glDisable(GL.GL_CULL_FACE)
        GL.glDisable(GL.GL_DEPTH_TEST)
