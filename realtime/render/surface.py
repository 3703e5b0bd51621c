"""Surfaces to draw: a mesh with a texture, lit and faded as `shaders/warp` does it, and the faces made of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from realtime.frame import Floats
from realtime.geometry.mesh import Mesh, face_mesh, reached
from realtime.render import gl

_LAYOUT = (3, 2, 2, 2, 1, 4, 3)  # position, source, live, layout uv, trust, relight: see shaders/warp.vert
_UNCHANGED = np.array([1, 1, 1, 1, 0, 0, 0], np.float32)


@dataclass(frozen=True, slots=True, eq=False)
class Cover:
    """A map over the frame of what is in front of a surface.

    Attributes:
        picture: its red channel is 1 where the surface is covered.
        matrix: (2, 3) frame pixels → pixels of the picture.
        values: (h, w) uint8 of that channel, where the host has it: it tells which triangles are covered.
    """

    picture: gl.Texture
    matrix: NDArray[np.float64]
    values: NDArray[np.uint8] | None = None

    def reaches(self, triangles: NDArray[np.int32], position: Floats) -> NDArray[np.bool_] | None:
        """(T,) the triangles that may be covered, of vertices at (V, 2 or more) frame pixels; None: all of them may."""
        if self.values is None:
            return None
        placed = position[:, :2] @ self.matrix[:, :2].T + (self.matrix[:, 2] + 0.5)  # pixel centres at integers
        return reached(triangles, placed, self.values)


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
            and what goes with it (relight, live, live_share, edges, side_fade, grain, cover) plays no part.
        relight: (V, 7) float32, RGB gains of the source's luma, gain of its difference from luma, RGB offset in 0..1;
            None changes nothing.
        density: source texels per output pixel of the unstretched face.
        live_share: shares of the live eyes and of the live inner mouth, in [0, 1].
        edges: (T,) bool, the triangles in which the regions' edge fades; None: all of them may. On a software renderer
            whatever need not be looked up counts: with `openings` and `Cover.values` it is a quarter of the drawing.
        openings: (T,) bool, the triangles that eyes or inner mouth reach into; None: all of them may.
        side_fade: layout x where a fade begins and ends, and its strength.
        soften: mipmap levels to go further down than size asks for.
        grain: standard deviation of noise to add (0..1 of a colour), and its seed.
        opacity: of the whole surface, in [0, 1].
        cover: what is in front of it, so that the live frame shows there; None: nothing is.
        smooth: draw with several samples a pixel where a GPU draws, for a surface that shows its edge: one that does
            not fade out.
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
    edges: NDArray[np.bool_] | None = None
    openings: NDArray[np.bool_] | None = None
    side_fade: tuple[float, float, float] = (0.0, 1.0, 0.0)
    soften: float = 0.0
    grain: tuple[float, float] = (0.0, 0.0)
    opacity: float = 1.0
    cover: Cover | None = None
    smooth: bool = False

    def fill(self, mesh: gl.Mesh) -> None:
        """Put what `shaders/warp.vert` takes of each vertex into a mesh."""
        count = len(self.position)
        live = self.source if self.live is None else self.live
        trust = np.ones(count, np.float32) if self.trust is None else self.trust
        relight = np.broadcast_to(_UNCHANGED, (count, 7)) if self.relight is None else self.relight
        mesh.fill(np.column_stack([self.position, self.source, live, self.mesh.uv, trust, relight]).astype(np.float32))


@dataclass(frozen=True, slots=True, eq=False)
class Patch:
    """One face as it is drawn, with what a repair of it needs to know.

    Attributes:
        face: id of the live face.
        layers: the surfaces, the lowest first.
        position: (V, 2) float32 frame pixels of the vertices of `head_mesh`: where the face is, and what surrounds it.
    """

    face: int
    layers: tuple[Warp, ...]
    position: Floats

    @property
    def face_points(self) -> Floats:
        """(F, 2) float32 pixels, where the vertices of the face itself are drawn."""
        return self.position[: len(face_mesh().uv)]


class Surfaces:
    """Draws surfaces into whatever target is bound; made, used and released where its context is current."""

    def __init__(self) -> None:
        self._programs: dict[tuple[str, ...], gl.Program] = {}
        self._meshes = gl.Meshes()

    def draw(
        self, warp: Warp, live: gl.Texture, rectangle: gl.Rectangle, view: tuple[int, int], extra: str | None = None
    ) -> None:
        """Draw a surface into the bound target, whose top left `view` (width, height) shows `rectangle` of the frame.

        Args:
            warp: the surface.
            live: the live frame.
            rectangle: x, y, width, height in pixels of the frame.
            view: the part of the target to draw in.
            extra: DETAIL or CONFIDENCE, see shaders/warp.frag.
        """
        x, y, width, height = rectangle
        source = warp.picture or live
        uniforms: gl.Uniforms = {
            "source_picture": source,
            "live_picture": live,
            **({} if warp.regions is None else {"regions": warp.regions}),
            **({} if warp.cover is None else cover_uniforms(warp.cover)),
            "origin": (float(x), float(y)),
            "size": (float(width), float(height)),
            "source_size": tuple(map(float, source.size)),
            "live_size": tuple(map(float, live.size)),
            "density": warp.density * (width * height) / (view[0] * view[1]),
            "live_share": warp.live_share,
            "side_fade": warp.side_fade[:2],
            "fade_strength": warp.side_fade[2],
            "soften": warp.soften,
            "grain": warp.grain,
            "opacity": warp.opacity,
        }
        mesh = self._meshes(warp.mesh.triangles, _LAYOUT)
        warp.fill(mesh)
        kinds, programs = _needs(warp, extra)
        if kinds.any():
            mesh.order(warp.mesh.triangles[np.argsort(kinds, kind="stable")])
        end = 0
        with gl.hidden_surfaces_removed():
            for count, defines in zip(np.bincount(kinds).tolist(), programs, strict=False):
                first, end = end, end + count
                if count:
                    self._program(defines).use(uniforms)
                    mesh.draw_part(first, end)

    def release(self) -> None:
        """Release everything; may be called more than once."""
        self._meshes.release()
        for program in self._programs.values():
            program.release()

    def _program(self, defines: tuple[str, ...]) -> gl.Program:
        if defines not in self._programs:
            self._programs[defines] = gl.Program("warp", "warp", defines)
        return self._programs[defines]


def _needs(warp: Warp, extra: str | None) -> tuple[NDArray[np.uint8], list[tuple[str, ...]]]:
    """What is compiled in for each triangle, see shaders/warp.frag: (T,) the number of its program, and the programs.

    Each program has all that those before it have: each draw costs as much as some thousand pixels, so there are few.
    `extra` is drawn so small that one is best.
    """
    kinds = np.zeros(len(warp.mesh.triangles), np.uint8)
    last = () if extra is None else (extra,)
    if warp.regions is None:
        return kinds, [last]
    coloured = extra != "CONFIDENCE"
    wanted = {"EDGE": warp.edges}
    if coloured and any(warp.live_share):
        wanted["LIVE"] = warp.openings
    if warp.cover is not None:
        wanted["COVERED"] = warp.cover.reaches(warp.mesh.triangles, warp.position)
    programs = [("SKIN", "GRAIN")] if coloured and warp.grain[0] > 0 else [("SKIN",)]
    for name, triangles in wanted.items():
        if triangles is None or extra is not None:
            programs = [(*defines, name) for defines in programs]
        else:
            kinds[triangles] = len(programs)
            programs.append((*programs[-1], name))
    return kinds, [(*defines, *last) for defines in programs]


def cover_uniforms(cover: Cover) -> gl.Uniforms:
    """The map, and the rows that take frame pixels to texture coordinates (0..1) on it."""
    matrix = cover.matrix.copy()
    matrix[:, 2] += 0.5  # pixel centres at integers
    x, y = (matrix / np.array(cover.picture.size)[:, None]).tolist()
    return {"covered": cover.picture, "covered_x": tuple(x), "covered_y": tuple(y)}
