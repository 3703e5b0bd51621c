"""How model.cu is started. Never run on a GPU so far: see docs/gpu.md."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from engines.lstsq.cuda import CudaSolver
from engines.runtime.base import DeviceArray
from realtime.geometry.topology import KEYPOINTS
from realtime.gpu.kernels import Kernels
from realtime.gpu.sources import MODEL, THREADS

AXES = 3 * KEYPOINTS
COLUMNS = 17  # of a vertex, see shaders/warp.vert

# the structs of model.cu
KNOWN = np.dtype([("affine", "<f4", 8), ("median", "<f4", AXES), ("shape", "<f4", AXES)])
LAYER = np.dtype(
    [(name, "<u8") for name in ("points", "confidence", "view", "tone", "before", "after", "samples")]
    + [(name, "<f4") for name in ("yielding", "settled", "contrast")]
    + [(name, "<i4") for name in ("slot", "first", "count", "length", "fresh")],
    align=True,
)
WISH = np.dtype(
    [(name, "<f4") for name in ("expression", "mouth")]
    + [("trust", "<f4", 2), ("stretch", "<f4", 2), ("gains", "<f4", KEYPOINTS)]
)

HEAD = np.dtype([("points", "<u8"), ("depth", "<u8"), ("rotation", "<f4", (3, 3)), ("backwards", "<f4")], align=True)


class ModelKernels(Kernels):
    """Started on the stream of others; arguments and errors as in `Kernels`.

    Args:
        beside: whose stream it is.
        solver: of the least squares; None makes one.
        fatbin: as in `Kernels`.
    """

    def __init__(self, beside: Kernels, solver: CudaSolver | None = None, fatbin: Path | None = None) -> None:
        super().__init__(MODEL, fatbin, beside)
        self._solver = solver or CudaSolver()
        self._aim = self._module.function("aim", "PPPPP")
        self._model = self._module.function("model", "PPPPPPiPP")
        self._aim_turned = self._module.function("aim_turned", "PPP")
        self._turn = self._module.function("turn", "PPPPPPPiiPP")

    def solve(
        self,
        layers: DeviceArray,
        importance: DeviceArray,
        system: tuple[DeviceArray, DeviceArray, DeviceArray],
        affines: DeviceArray,
    ) -> None:
        """Start fitting views onto faces by least squares.

        Args:
            layers: (N,) of LAYER.
            importance: (68,) how much each landmark counts.
            system: (N, 68, 3), (N, 68, 2) and (N, 68) float32, for points, targets and weights.
            affines: (N, 2, 4) float32, to be written.
        """
        pointers = [array.pointer for array in (layers, importance, *system)]
        self._start("lay out the fit", self._aim, (layers.shape[0], 1), 96, *pointers)
        with self.watch("least squares"):
            self._solver.launch(*system, 0.0, affines, stream=self._stream)

    def model(
        self,
        layers: DeviceArray,
        wish: DeviceArray,
        affines: DeviceArray,
        mesh: tuple[DeviceArray, DeviceArray, DeviceArray],
        drawn: DeviceArray,
        told: DeviceArray,
    ) -> None:
        """Start making vertices.

        Args:
            layers: (N,) of LAYER.
            wish: (1,) of WISH.
            affines: as solved.
            mesh: weights (81, V), uv (V, 2) float32 and fans (V, FAN, 2) int32.
            drawn: (N, V, 17) float32, to be written.
            told: (N, 8 + 3 V) float32, to be written: affines, and x, y, z of the vertices.
        """
        vertices = drawn.shape[1]
        before = [array.pointer for array in (layers, wish, affines, *mesh)]
        blocks = (layers.shape[0], 1)
        self._start("model faces", self._model, blocks, THREADS, *before, vertices, drawn.pointer, told.pointer)

    def solve_turned(self, heads: DeviceArray, points: DeviceArray, targets: DeviceArray, affines: DeviceArray) -> None:
        """Start finding what turns heads, by least squares.

        Args:
            heads: (N,) of HEAD.
            points, targets: (N, 68, 3) and (N, 68, 2) float32, for what is solved.
            affines: (N, 2, 4) float32, to be written.
        """
        pointers = [array.pointer for array in (heads, points, targets)]
        self._start("lay out the turn", self._aim_turned, (heads.shape[0], 1), 96, *pointers)
        with self.watch("least squares"):
            self._solver.launch(points, targets, None, 0.0, affines, stream=self._stream)

    def turn(
        self,
        heads: DeviceArray,
        affines: DeviceArray,
        mesh: tuple[DeviceArray, DeviceArray, DeviceArray, DeviceArray, DeviceArray],
        drawn: DeviceArray,
        told: DeviceArray,
    ) -> None:
        """Start making vertices.

        Args:
            heads: (N,) of HEAD.
            affines: as solved.
            mesh: weights (81, V), uv (V, 2), relief (V,) float32, and of the rings anchors (R,) int32 and follow (R,)
                float32.
            drawn, told: as in `model`.
        """
        vertices, rings = drawn.shape[1], mesh[3].shape[0]
        before = [array.pointer for array in (heads, affines, *mesh)]
        blocks = (heads.shape[0], 1)
        sizes = vertices - rings, vertices
        self._start("turn heads", self._turn, blocks, THREADS, *before, *sizes, drawn.pointer, told.pointer)
