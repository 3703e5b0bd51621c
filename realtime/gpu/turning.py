"""Live heads turned by the GPU: from keypoints that are there to vertices that OpenGL reads there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from engines import MAX_BATCH, EngineError
from engines.runtime import cuda
from engines.runtime.cuda import Memory
from realtime.effects.modelling import Model
from realtime.effects.turning import Turn, Turner, backwards, head_relief
from realtime.geometry.mesh import head_mesh
from realtime.geometry.topology import LANDMARKS
from realtime.gpu.chain import Chain, MakeChain
from realtime.gpu.following import Exchange, sent
from realtime.gpu.interop import InteropTransfer
from realtime.gpu.model import COLUMNS, HEAD, ModelKernels
from realtime.gpu.modelling import DeviceWarp
from realtime.gpu.places import Places, address
from realtime.gpu.twins import Twins

_NUMBER = np.dtype(np.float32)


class DeviceTurner(Turner):
    """The keypoints of known faces, and their depth, are where the analysis left them; vertices go into OpenGL's
    buffers. The host hears of affines and places, which it needs for what it draws where.

    Args:
        kernels: loaded, on the stream of the drawing.
        faces: knows where the points of known faces are.
        transfer: shares buffers with OpenGL.
        chained: makes the chain.
    """

    def __init__(
        self, kernels: ModelKernels, faces: Twins, transfer: InteropTransfer, chained: MakeChain = Chain
    ) -> None:
        self._kernels, self._transfer = kernels, transfer
        self._places = Places(faces, kernels)
        self._memory = Memory()
        mesh, anchors, follow = head_mesh()
        self._shape = mesh
        weights, uv, behind, hangs, follows = (
            sent(self._memory, array, kernels.stream)
            for array in (mesh.weights.T.copy(), mesh.uv, head_relief(), anchors, follow)
        )
        self._mesh = weights, uv, behind, hangs, follows
        vertices = len(mesh.uv)
        self._heads = Exchange(self._memory, HEAD)
        self._told = Exchange(self._memory, _NUMBER, MAX_BATCH, 8 + 3 * vertices)
        self._points, self._targets, self._affines, self._drawn = (
            self._memory.device((MAX_BATCH, *shape), _NUMBER)
            for shape in ((LANDMARKS, 3), (LANDMARKS, 2), (2, 4), (vertices, COLUMNS))
        )
        self._chain = chained(self._work, cuda.recorded, kernels, "turn faces")

    def turn(self, turns: Sequence[Turn]) -> list[Model | None]:
        if not turns:
            return []
        if len(turns) > MAX_BATCH:
            raise EngineError(f"{len(turns)} heads are more than the {MAX_BATCH} that are turned at once.")
        rows = self._places([turn.face for turn in turns])
        for head, turn in zip(self._heads.here, turns, strict=False):
            row = rows[turn.face.id]
            head["points"], head["depth"] = address(row, "points"), address(row, "depth")
            head["rotation"], head["backwards"] = turn.rotation, backwards(turn.face)
        self._chain(len(turns))
        cuda.wait(self._kernels.stream)
        return [self._turned(place) for place in range(len(turns))]

    def _work(self, count: int, stream: int) -> None:
        """From the rows that are written to the vertices, and what the host is told."""
        heads, affines = self._heads.send(count, stream), self._affines.first(count)
        self._kernels.solve_turned(heads, self._points.first(count), self._targets.first(count), affines)
        self._kernels.turn(heads, affines, self._mesh, self._drawn.first(count), self._told.part(count))
        self._told.fetch(count, stream)

    def _turned(self, place: int) -> Model | None:
        told = self._told.here[place].copy()
        affine = told[:8].reshape(2, 4)
        if not np.isfinite(affine).all():
            return None
        warp = DeviceWarp.at(self._shape, told[8:], self._drawn.item(place), self._transfer)
        return Model(affine, replace(warp, smooth=True))
