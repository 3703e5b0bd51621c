"""Pieces of geometry a synthetic picture is made of: vertices with what the shader wants to know, and triangles."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import scipy.sparse

# floats per vertex attribute of shaders/face.vert
LAYOUT = (3, 3, 2, 3, 4, 2)


class Class(IntEnum):
    """What a pixel shows."""

    BACKGROUND = 0
    SKIN = 1
    HAIR = 2
    EYE = 3
    MOUTH = 4
    GLASSES = 5
    HAND = 6
    CLOTH = 7
    HAT = 8


class Mode(IntEnum):
    """How the shader colours a piece (shaders/face.frag)."""

    SKIN = 0
    PLAIN = 1
    EYE = 2


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """A surface in head axes, millimetres.

    Attributes:
        vertices: (V, 3) float32.
        triangles: (T, 3) int32, clockwise in the image where they face the camera. The same array for the same
            topology: graphics memory is kept by its identity.
        at: (V, 2) float32 place on the atlas of skin detail.
        base: (V, 3) float32: melanin, blood and what is worn (1 cloth, -1 hat, between them none) for skin; colour for
            plain pieces; direction from the eyeball's centre, where the gaze is (0, 0, -1), for eyes.
        cover: (V, 4) float32 hair over the skin (0..1 brows and beard, 1..2 hair of the head), open sky 0..1, gloss
            0..1, share of the atlas's relief.
        kind: (V, 2) float32 `Mode` and `Class`.
        carried: (V,) float32 1 turns with the head, 0 with the shoulders.
    """

    vertices: np.ndarray
    triangles: np.ndarray
    at: np.ndarray
    base: np.ndarray
    cover: np.ndarray
    kind: np.ndarray
    carried: np.ndarray


def plain(
    vertices: np.ndarray,
    triangles: np.ndarray,
    colour: np.ndarray,
    shows: Class,
    gloss: float = 0.1,
    sky: float = 0.8,
    carried: float = 1.0,
) -> Part:
    """A piece in (3,) or (V, 3) linear colour."""
    count = len(vertices)
    return Part(
        vertices.astype(np.float32),
        triangles,
        np.zeros((count, 2), np.float32),
        np.broadcast_to(np.asarray(colour, np.float32), (count, 3)),
        np.tile(np.array([0, sky, gloss, 0], np.float32), (count, 1)),
        np.tile(np.array([Mode.PLAIN, shows], np.float32), (count, 1)),
        np.full(count, carried, np.float32),
    )


_sheets: dict[tuple[int, int, bool], np.ndarray] = {}


def sheet_triangles(rows: int, columns: int, closed: bool = False) -> np.ndarray:
    """((rows-1) * columns' * 2, 3) triangles of a grid of vertices, row by row; `closed` joins last and first column.

    Seen from where rows go down and columns to the right, they run clockwise.
    """
    key = (rows, columns, closed)
    if key not in _sheets:
        index = np.arange(rows * columns).reshape(rows, columns)
        if closed:
            index = np.concatenate([index, index[:, :1]], axis=1)
        a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
        _sheets[key] = np.concatenate([np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))]).astype(
            np.int32
        )
    return _sheets[key]


def tube(
    path: np.ndarray, radii: np.ndarray, sides: int = 10, flat: float = 1.0, across: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (N * sides, 3) and triangles of a pipe along (N, 3) `path` with (N,) `radii`.

    `across` (3,) is the direction of the pipe's first axis, any by default; `flat` scales the radius along the second.
    A radius of 0 at either end closes it.
    """
    along = np.gradient(path, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-9)
    if across is None:
        first = np.cross(along, np.eye(3)[np.argmin(np.abs(along).sum(axis=0))])
    else:
        first = across - (along @ across)[:, None] * along
    first /= np.linalg.norm(first, axis=1, keepdims=True)
    second = np.cross(along, first)
    turn = np.linspace(0, 2 * np.pi, sides, endpoint=False)
    around = np.cos(turn)[:, None] * first[:, None] - flat * np.sin(turn)[:, None] * second[:, None]
    vertices = path[:, None] + radii[:, None, None] * around
    return vertices.reshape(-1, 3), sheet_triangles(len(path), sides, closed=True)


def _sums_at_vertices(part_triangles: np.ndarray, count: int) -> scipy.sparse.csr_matrix:
    """(count, T) matrix that sums triangle normals at vertices."""
    rows = part_triangles.ravel()
    columns = np.repeat(np.arange(len(part_triangles)), 3)
    return scipy.sparse.csr_matrix(
        (np.ones(len(rows), np.float32), (rows, columns)), shape=(count, len(part_triangles))
    )


class Normals:
    """Vertex normals; the sums over neighbours are prepared once for each topology."""

    def __init__(self) -> None:
        self._sums: dict[int, tuple[np.ndarray, scipy.sparse.csr_matrix]] = {}

    def __call__(self, vertices: np.ndarray, triangles: np.ndarray) -> np.ndarray:
        """(V, 3) float32 unit normals that point out of surfaces whose triangles run clockwise seen from outside."""
        if id(triangles) not in self._sums:
            self._sums[id(triangles)] = (triangles, _sums_at_vertices(triangles, len(vertices)))
        a, b, c = (vertices[triangles[:, i]] for i in range(3))
        # clockwise with y down and z away: the cross product points away from the viewer
        total = self._sums[id(triangles)][1] @ -np.cross(b - a, c - a)
        return (total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)).astype(np.float32)
