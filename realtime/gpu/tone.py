"""The light and tone of live faces, measured and remembered by the GPU: tone.cu. Never run on a GPU so far: see
docs/gpu.md."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import cv2
import numpy as np

from engines.runtime.base import DeviceArray
from engines.runtime.cuda import Memory
from realtime.effects.relight import BLUR_CELLS, GRID, grid_weights, share_of, skin_cells
from realtime.frame import Floats, Frame
from realtime.gpu.following import Exchange, sent
from realtime.gpu.kernels import Kernels
from realtime.gpu.pictures import Pictures
from realtime.gpu.sources import THREADS, TONE
from realtime.gpu.twins import Lease, Pool

_NUMBER = np.dtype(np.float32)

# the structs of tone.cu
RUNNING = np.dtype([("low", "<f4", (3, GRID, GRID)), ("contrast", "<f4")])
LOOK = np.dtype(
    [(name, "<u8") for name in ("picture", "points", "running")]
    + [("width", "<i4"), ("height", "<i4"), ("share", "<f4")],
    align=True,
)


class ToneKernels(Kernels):
    """Started on the stream of others; arguments and errors as in `Kernels`."""

    def __init__(self, beside: Kernels, fatbin: Path | None = None) -> None:
        super().__init__(TONE, fatbin, beside)
        self._tone = self._module.function("tone", "PPPPiP")

    def tone(
        self, looks: DeviceArray, weights: DeviceArray, skin: DeviceArray, plain: DeviceArray, taps: DeviceArray
    ) -> None:
        """Start taking in the tones of (N,) LOOK; the rest as in tone.cu."""
        pointers = [array.pointer for array in (looks, weights, skin, plain)]
        arguments = (*pointers, plain.shape[0], taps.pointer)
        self._start("light of faces", self._tone, (looks.shape[0], 1), THREADS, *arguments)


class _Store:
    """Room on the GPU for the running tone of a face."""

    def __init__(self) -> None:
        self._memory = Memory()
        self.running = self._memory.device((1,), RUNNING)


class DeviceTones:
    """As `Relight.follow`, of all live faces.

    Args:
        kernels: loaded, on the stream of the drawing.
        pictures: where frames are.
        most: faces or layers at once.
    """

    def __init__(self, kernels: ToneKernels, pictures: Pictures, most: int) -> None:
        self._kernels, self._pictures = kernels, pictures
        self._memory = Memory()
        self._stores = Pool(_Store)
        self._known: dict[int, tuple[Lease[_Store], float]] = {}  # and when they were seen last
        self._looks = Exchange(self._memory, LOOK, most)
        skin = skin_cells()
        plain = np.flatnonzero(skin > 0.5).astype(np.int32)
        self._weights, self._skin, self._plain, self._taps = (
            sent(self._memory, array, kernels.stream) for array in (grid_weights().T.copy(), skin, plain, _taps())
        )

    def write(self, frame: Frame, points: Mapping[int, int], count: int) -> dict[int, int]:
        """Get ready for a frame.

        Args:
            frame: in which the faces are.
            points: address of each face's points on the GPU, by id.
            count: how many rows `start` will be given, at least as many as faces.

        Returns:
            Address of each face's running tone, a RUNNING.
        """
        picture = self._pictures(frame.pixels, self._kernels.stream)
        rows = self._looks.here[:count]
        rows["points"] = 0
        places = {}
        for row, (face, address) in zip(rows, points.items(), strict=False):
            known = self._known.get(face)
            lease = self._stores.lend() if known is None else known[0]
            row["share"] = 1 if known is None else share_of(frame.time_s - known[1])
            row["picture"], row["points"], row["running"] = picture.pointer, address, lease.room.running.pointer
            row["height"], row["width"], _ = picture.shape
            self._known[face] = (lease, frame.time_s)
            places[face] = lease.room.running.pointer
        return places

    def start(self, count: int, stream: int) -> None:
        """Start taking in what was written."""
        self._kernels.tone(self._looks.send(count, stream), self._weights, self._skin, self._plain, self._taps)

    def keep(self, faces: Collection[int]) -> None:
        """Forget all faces but those of these ids."""
        self._known = {face: known for face, known in self._known.items() if face in faces}


def _taps() -> Floats:
    """(2, GRID) float32: by distance in cells, of the blur for lightness and of that for colour."""
    taps = np.zeros((2, GRID), np.float32)
    for row, cells in zip(taps, BLUR_CELLS, strict=False):
        half = cv2.getGaussianKernel(round(8 * cells + 1) | 1, cells)[:, 0]  # as GaussianBlur makes it
        half = half[len(half) // 2 :][:GRID]
        row[: len(half)] = half
    return taps
