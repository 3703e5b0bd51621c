"""Source faces fitted onto live ones by the GPU: from keypoints that are there to vertices that OpenGL reads there."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from engines import MAX_BATCH, EngineError
from engines.runtime import cuda
from engines.runtime.base import Array, DeviceArray
from engines.runtime.cuda import Memory
from realtime.controls import Settings
from realtime.effects.expression import MEMORY_S, SAMPLE_S, SETTLE_S, shape_gain, solve_weights
from realtime.effects.modelling import SHARE_FADE, STRETCH_FADE, TRUST, Layer, Model, Modeller, smoothstep
from realtime.effects.photo import View
from realtime.effects.relight import at_vertices
from realtime.frame import Floats, Frame
from realtime.geometry.mesh import Mesh, face_mesh
from realtime.geometry.topology import KEYPOINTS, LANDMARKS
from realtime.geometry.views import vertex_areas
from realtime.gpu.chain import Chain, MakeChain
from realtime.gpu.following import Exchange, sent
from realtime.gpu.interop import InteropTransfer
from realtime.gpu.model import AXES, COLUMNS, KNOWN, LAYER, WISH, ModelKernels
from realtime.gpu.pictures import Pictures
from realtime.gpu.places import Places, address
from realtime.gpu.sources import FAN
from realtime.gpu.tone import DeviceTones, ToneKernels
from realtime.gpu.twins import Pool, Twins
from realtime.render import gl
from realtime.render.surface import Warp

MOST_LAYERS = 3 * MAX_BATCH  # of a face: two that fade into each other, and a mirror image beneath
SAMPLES = round(MEMORY_S / SAMPLE_S) + 2  # room for those of the memory, both ends, and one more
_NUMBER = np.dtype(np.float32)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class DeviceWarp(Warp):
    """A surface whose vertices are on the GPU; of the arrays the host has `position` alone.

    Attributes:
        vertices: (V, 17) float32, as shaders/warp.vert takes them.
        transfer: hands them to OpenGL.
    """

    vertices: DeviceArray
    transfer: InteropTransfer

    @classmethod
    def at(cls, mesh: Mesh, told: Floats, vertices: DeviceArray, transfer: InteropTransfer) -> Self:
        """Where the GPU `told` (3 V numbers) its vertices are."""
        nowhere = np.empty((0, 2), np.float32)
        return cls(mesh, told.reshape(-1, 3), nowhere, vertices=vertices, transfer=transfer)

    def fill(self, mesh: gl.Mesh) -> None:
        self.transfer.fill(mesh, self.vertices)


class _Store:
    """Room on the GPU for what is remembered of a face beside a view."""

    def __init__(self) -> None:
        self._memory = Memory()
        self.known = [self._memory.device((1,), KNOWN) for _ in range(2)]
        self.samples = self._memory.device((SAMPLES, AXES), _NUMBER)


class _Fit:
    """What is remembered of a live face beside a view, and which samples of it count: as `Residual`, whose numbers are
    on the GPU. Written by turns into one of two places, for a view may lie over a face twice."""

    def __init__(self, stores: Pool[_Store]) -> None:
        self._lease = stores.lend()
        self._times: deque[tuple[float, int]] = deque()  # of the samples, and their place in the ring
        self._time = 0.0
        self._turn = 0
        self._row: tuple[float, np.void] | None = None

    def write(self, row: np.void, time_s: float) -> None:
        """Its part of a row of LAYER, for a frame's media time; asked again for the same frame, it is the same."""
        names = ("before", "after", "samples", "settled", "slot", "first", "count", "length", "fresh")
        if self._row is not None and self._row[0] == time_s:
            for name in names:
                row[name] = self._row[1][name]
            return
        slot, fresh = -1, not self._times
        if fresh or time_s - self._times[-1][0] >= SAMPLE_S - 1e-6:
            slot = 0 if fresh else (self._times[-1][1] + 1) % SAMPLES
            self._times.append((time_s, slot))
            while time_s - self._times[0][0] > MEMORY_S:
                self._times.popleft()
        store = self._lease.room
        row["before"], row["after"] = (store.known[place].pointer for place in (self._turn, 1 - self._turn))
        row["samples"] = store.samples.pointer
        row["settled"] = 1 - np.exp(-max(time_s - self._time, 0.0) / SETTLE_S)
        row["slot"], row["fresh"], row["length"] = slot, fresh, SAMPLES
        row["first"], row["count"] = self._times[0][1], len(self._times)
        self._time, self._turn = time_s, 1 - self._turn
        self._row = (time_s, row.copy())


class DeviceModeller(Modeller):
    """The keypoints of known faces are where the analysis left them; vertices go into OpenGL's buffers. The host hears
    of affines and places, which it needs for what it draws where.

    Args:
        kernels, of_tones: loaded, on the stream of the drawing.
        pictures: where frames are.
        faces: knows where the points of known faces are.
        transfer: shares buffers with OpenGL.
        chained: makes the chain.
    """

    def __init__(
        self,
        kernels: ModelKernels,
        of_tones: ToneKernels,
        pictures: Pictures,
        faces: Twins,
        transfer: InteropTransfer,
        chained: MakeChain = Chain,
    ) -> None:
        self._kernels, self._transfer = kernels, transfer
        self._places, self._tones = Places(faces, kernels), DeviceTones(of_tones, pictures, MOST_LAYERS)
        self._memory = Memory()
        self._stores = Pool(_Store)
        self._fits: dict[int, dict[int, _Fit]] = {}  # by face and view; views live as long as the effect
        self._views: dict[int, tuple[View, DeviceArray]] = {}  # kept here, so that their ids stay theirs
        mesh = face_mesh()
        self._vertices = len(mesh.uv)
        weights, uv, fans, self._importance = (
            sent(self._memory, array, kernels.stream)
            for array in (mesh.weights.T.copy(), mesh.uv, _fans(mesh), solve_weights(np.ones(KEYPOINTS, np.float32)))
        )
        self._mesh = weights, uv, fans
        self._layers, self._wish = Exchange(self._memory, LAYER, MOST_LAYERS), Exchange(self._memory, WISH, 1)
        self._told = Exchange(self._memory, _NUMBER, MOST_LAYERS, 8 + 3 * self._vertices)
        self._drawn = self._memory.device((MOST_LAYERS, self._vertices, COLUMNS), _NUMBER)
        self._systems = [
            self._memory.device((MOST_LAYERS, *shape), _NUMBER)
            for shape in ((LANDMARKS, 3), (LANDMARKS, 2), (LANDMARKS,), (2, 4))
        ]
        self._chain = chained(self._work, cuda.recorded, kernels, "model faces")

    def model(self, layers: Sequence[Layer], frame: Frame, settings: Settings) -> list[Model | None]:
        if not layers:
            return []
        if len(layers) > MOST_LAYERS:
            raise EngineError(f"{len(layers)} surfaces are more than the {MOST_LAYERS} that are drawn at once.")
        faces = {layer.face.id: layer.face for layer in layers}
        rows = self._places(faces.values())
        tones = self._tones.write(frame, {face: address(row, "points") for face, row in rows.items()}, len(layers))
        for row, layer in zip(self._layers.here, layers, strict=False):
            fits = self._fits.setdefault(layer.face.id, {})
            fits.setdefault(id(layer.view), _Fit(self._stores)).write(row, frame.time_s)
            row["points"], row["confidence"] = (address(rows[layer.face.id], name) for name in ("points", "confidence"))
            row["view"] = self._view(layer.view).pointer
            row["tone"], row["contrast"] = tones[layer.face.id], layer.view.tone.contrast
            row["yielding"] = layer.yielding
        wish = self._wish.here[0]
        wish["expression"], wish["mouth"] = settings.expression, min(settings.expression, 1.0)
        wish["trust"], wish["stretch"], wish["gains"] = TRUST, STRETCH_FADE, shape_gain(settings.shape)[:, 0]
        self._chain(len(layers))
        cuda.wait(self._kernels.stream)
        return [self._modelled(layer, place) for place, layer in enumerate(layers)]

    def keep(self, faces: Collection[int]) -> None:
        self._fits = {face: fits for face, fits in self._fits.items() if face in faces}
        self._tones.keep(faces)

    def _work(self, count: int, stream: int) -> None:
        """From the rows that are written to the vertices, and what the host is told."""
        kernels = self._kernels
        points, targets, weights, affines = (array.first(count) for array in self._systems)
        layers, wish = self._layers.send(count, stream), self._wish.send(1, stream)
        self._tones.start(count, stream)
        kernels.solve(layers, self._importance, (points, targets, weights), affines)
        kernels.model(layers, wish, affines, self._mesh, self._drawn.first(count), self._told.part(count))
        self._told.fetch(count, stream)

    def _modelled(self, layer: Layer, place: int) -> Model | None:
        told = self._told.here[place].copy()
        affine = told[:8].reshape(2, 4)
        if not np.isfinite(affine).all():
            self._fits.pop(layer.face.id, None)  # nothing of it was ever known
            return None
        return Model(affine, DeviceWarp.at(face_mesh(), told[8:], self._drawn.item(place), self._transfer))

    def _view(self, view: View) -> DeviceArray:
        """What model.cu takes of a view, there."""
        if id(view) not in self._views:
            mesh = face_mesh()
            source = mesh.weights @ view.points
            parts = (view.solid, mesh.weights @ view.solid, source, vertex_areas(mesh, source), view.tone.clear)
            share = smoothstep(*SHARE_FADE, view.share)
            shades = at_vertices(view.tone.low)
            packed = np.concatenate([np.ravel(part).astype(np.float32) for part in (*parts, share, shades)])
            self._views[id(view)] = (view, sent(self._memory, packed, self._kernels.stream))
        return self._views[id(view)][1]


def _fans(mesh: Mesh) -> Array:
    """(V, FAN, 2) int32: the other two corners of each triangle round a vertex, in the triangle's order; then -1."""
    fans = np.full((len(mesh.uv), FAN, 2), -1, np.int32)
    counts = np.zeros(len(mesh.uv), int)
    for triangle in mesh.triangles.tolist():
        for place in range(3):
            corner, one, other = (triangle[(place + step) % 3] for step in range(3))
            fans[corner, counts[corner]] = one, other
            counts[corner] += 1
    return fans
