"""What a frame is drawn on: the picture itself, warped faces, plain paint and small pictures over it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray
from OpenGL import GL

from realtime.frame import Floats, Pixels
from realtime.geometry.mesh import Mesh
from realtime.render import gl
from realtime.render.samples import Multisampled
from realtime.render.surface import Patch, Surfaces, Warp
from realtime.render.transfer import HostTransfer, Transfer
from realtime.timing import Split

# The largest side of a tile; a face that is larger in the frame is drawn at a lower resolution.
TILE_LIMIT = 1024
_TILE_STEP = 64
_SOFTWARE = ("llvmpipe", "softpipe")  # Mesa's
_PAINTED = (3, 4)  # position, colour: see shaders/paint.vert


class Canvas:
    """Draws one frame at a time; made, used and released on the thread whose context is current.

    Args:
        split: gets the time of the parts "upload", "warp", "compose" and "readback", see `Transfer.settle`.
        transfer: how pictures come in and go out; the canvas releases it.

    Attributes:
        limit: largest width and height of a picture.
        patches: the faces drawn since `begin`, in that order.
        transfer: as given.
        smooths: surfaces that ask for it are drawn with several samples a pixel: on a GPU, for in software they take
            three times as long.
    """

    def __init__(self, split: Split | None = None, transfer: Transfer | None = None) -> None:
        self._split = split or Split("prepare")
        self.transfer = transfer or HostTransfer()
        self._surfaces = Surfaces()
        self._picture = gl.Program("picture", "picture")
        self._exact_picture = gl.Program("picture", "picture", ("EXACT",))
        self._paint = gl.Program("paint", "paint")
        self._quad = gl.Mesh((2, 2), np.array([[0, 1, 2], [2, 1, 3]]))
        self._meshes = gl.Meshes()
        self._points = gl.Mesh(_PAINTED, None)
        self._input = gl.Target((1, 1))
        self._output = gl.Target((1, 1))
        self._tile = gl.Target((1, 1), depth=True)
        self._samples: Multisampled | None = None
        GL.glPixelStorei(GL.GL_PACK_ALIGNMENT, 1)
        GL.glPixelStorei(GL.GL_UNPACK_ALIGNMENT, 1)
        GL.glEnable(GL.GL_PROGRAM_POINT_SIZE)
        GL.glBlendFunc(GL.GL_ONE, GL.GL_ONE_MINUS_SRC_ALPHA)
        self.patches: list[Patch] = []
        self.smooths = not any(name in GL.glGetString(GL.GL_RENDERER).decode() for name in _SOFTWARE)
        self.limit = int(GL.glGetIntegerv(GL.GL_MAX_TEXTURE_SIZE))

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the picture being drawn."""
        return self._output.size

    @property
    def output(self) -> gl.Target:
        """What is drawn on, until a picture of another size begins."""
        return self._output

    @property
    def live(self) -> gl.Texture:
        """The picture as it came in."""
        return self._input.texture

    def begin(self, pixels: Pixels) -> None:
        """Start with (H, W, 3) uint8 RGB `pixels`, at most `limit` wide and high."""
        size = (pixels.shape[1], pixels.shape[0])
        if size != self._output.size:
            self.transfer.forget()
            self._input.release()
            self._output.release()
            self._input, self._output = gl.Target(size), gl.Target(size, depth=True)
        self.patches.clear()
        with self.part("upload"):
            self.transfer.send(pixels, self._input.texture)
            self._output.copy_from(self._input)

    def finish(self) -> Pixels:
        """(H, W, 3) uint8 RGB, the picture as it is now."""
        with self.part("readback"):
            return self.transfer.fetch(self._output)

    def draw(self, patch: Patch) -> None:
        """Draw a face, layer upon layer."""
        for layer in patch.layers:
            self.warp(layer)
        self.patches.append(patch)

    def warp(self, warp: Warp) -> None:
        """Draw a surface: over the frame itself, or into a tile of other pixels, which is then pasted."""
        rectangle = self._rectangle(warp.position)
        if rectangle is None:
            return
        with self.part("warp"):
            if max(rectangle[2:]) <= TILE_LIMIT and not (self.smooths and warp.smooth):
                self._draw_over(warp, rectangle)
                return
            view = self.draw_tile(warp, rectangle)
        self._paste(self._tile.texture, rectangle, view)

    def _draw_over(self, warp: Warp, rectangle: gl.Rectangle) -> None:
        """Blend a surface with the frame as it is drawn.

        Where parts of it lie over each other only the nearest may be blended: those of `Mesh.triangles` come first.
        """
        self._output.bind()
        self._output.clear_depth(rectangle)
        with gl.blending():
            self._surfaces.draw(warp, self.live, (0, 0, *self.size), self.size)

    def draw_tile(self, warp: Warp, rectangle: gl.Rectangle, detail: bool = False) -> tuple[int, int]:
        """Draw a surface over transparent black.

        Args:
            warp: the surface.
            rectangle: x, y, width, height of the tile in frame pixels.
            detail: also write source place, confidence and depth, see `read_tile`.

        Returns:
            (width, height) of the part of the tile's target that was used.
        """
        _, _, width, height = rectangle
        scale = min(1.0, TILE_LIMIT / max(width, height))
        view = (max(1, round(width * scale)), max(1, round(height * scale)))
        if view[0] > self._tile.size[0] or view[1] > self._tile.size[1] or detail > self._tile.floating:
            steps = [-(-max(v, t) // _TILE_STEP) * _TILE_STEP for v, t in zip(view, self._tile.size, strict=True)]
            self._tile.release()
            self._tile = gl.Target((steps[0], steps[1]), floating=detail or self._tile.floating, depth=True)
        if self.smooths and warp.smooth and not self._tile.floating:
            self._draw_smoothly(warp, rectangle, view)
            return view
        self._tile.bind(view)
        self._tile.clear()
        self._surfaces.draw(warp, self.live, rectangle, view, "DETAIL" if self._tile.floating else None)
        return view

    def _draw_smoothly(self, warp: Warp, rectangle: gl.Rectangle, view: tuple[int, int]) -> None:
        """Draw a surface with several samples a pixel, and put their means into the tile."""
        if self._samples is None or self._samples.size != self._tile.size:
            if self._samples is not None:
                self._samples.release()
            self._samples = Multisampled(self._tile.size)
        self._samples.begin(view)
        self._surfaces.draw(warp, self.live, rectangle, view)
        self._samples.resolve(self._tile, view)

    def draw_confidence(self, warp: Warp, rectangle: gl.Rectangle, target: gl.Target) -> None:
        """Draw how far a surface is to be believed, over what `target` holds of those beneath it.

        Red is opacity times how little the texture is stretched, alpha is the opacity.
        """
        target.bind()
        GL.glClear(GL.GL_DEPTH_BUFFER_BIT)
        with gl.blending():
            self._surfaces.draw(warp, self.live, rectangle, target.size, "CONFIDENCE")

    def read(self, rectangle: gl.Rectangle) -> Pixels:
        """(h, w, 4) uint8 RGBA of x, y, width, height of the picture as it is now."""
        return self._output.read(rectangle=rectangle)

    def write(self, rectangle: gl.Rectangle, pixels: Pixels) -> None:
        """Replace x, y, width, height of the picture by (h, w, 4) uint8 RGBA."""
        self._output.texture.upload(pixels, rectangle)

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
        with self.part("compose"), gl.hidden_surfaces_removed(), gl.blending():
            self._begin_paint()
            GL.glClear(GL.GL_DEPTH_BUFFER_BIT)
            self._meshes(mesh.triangles, _PAINTED).draw(np.hstack([position, colour]))

    def lines(self, edges: NDArray[np.int32], points: Floats, colour: Floats) -> None:
        """Draw (E, 2) edges between (V, 2) pixels in (V, 4) premultiplied colours."""
        with self.part("compose"), gl.blending():
            self._begin_paint()
            self._meshes(edges, _PAINTED).draw(_flat(points, colour))

    def dots(self, points: Floats, colour: Floats, diameter: float) -> None:
        """Draw (V, 2) pixels as squares of `diameter` in (V, 4) premultiplied colours."""
        with self.part("compose"), gl.blending():
            self._begin_paint(diameter)
            self._points.draw(_flat(points, colour))

    def place(self, picture: gl.Texture, rectangle: tuple[float, float, float, float], opacity: float = 1.0) -> None:
        """Paste a premultiplied picture into x, y, width, height (pixel edges of the frame)."""
        self._paste(picture, rectangle, picture.size, opacity)

    def release(self) -> None:
        """Release everything; may be called more than once."""
        self.transfer.release()
        for held in (self._quad, self._points, self._meshes, self._surfaces):
            held.release()
        for program in (self._picture, self._exact_picture, self._paint):
            program.release()
        for target in (self._input, self._output, self._tile):
            target.release()
        if self._samples is not None:
            self._samples.release()

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
        with self.part("compose"), gl.blending():
            self._output.bind()
            program.use({"picture": picture, "size": tuple(map(float, self.size)), "opacity": opacity})
            self._quad.draw(np.array(corners, np.float32))

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Count what is drawn within for a part of the stage."""
        with self._split.part(name):
            yield
            self.transfer.settle()

    def _rectangle(self, position: Floats) -> gl.Rectangle | None:
        """Smallest whole-pixel rectangle in the frame around (V, 3) vertices; None where nothing is inside."""
        if not np.isfinite(position).all():
            return None
        low = np.maximum(np.floor(position[:, :2].min(axis=0)) - 1, 0)
        high = np.minimum(np.ceil(position[:, :2].max(axis=0)) + 2, self.size)
        if (high <= low).any():
            return None
        return int(low[0]), int(low[1]), int(high[0] - low[0]), int(high[1] - low[1])


def _flat(points: Floats, colour: Floats) -> Floats:
    return np.column_stack([points, np.zeros(len(points)), colour]).astype(np.float32)
