"""The repair of faces in frames that are on the GPU: only tiles go over the host."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from engines.runtime import cuda
from engines.runtime.base import Array, DeviceArray
from engines.runtime.cuda import Memory
from realtime.frame import Pixels
from realtime.gpu.interop import InteropTransfer
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.repair.retouch import ENLARGED, Retouch
from realtime.repair.tile import Square

_BYTE = np.dtype(np.uint8)


class _Tile:
    """Memory for tiles of one size: here, there, and there enlarged."""

    def __init__(self, size: int) -> None:
        self._memory = Memory()
        self.here: Array = self._memory.pinned((size, size, 4), _BYTE)
        self.there: DeviceArray = self._memory.device((size, size, 4), _BYTE)
        self.large: DeviceArray = self._memory.device((ENLARGED * size, ENLARGED * size, 4), _BYTE)


class DeviceRetouch(Retouch):
    """Tiles are cut from the picture, and corrections enlarged and added to it, by CUDA.

    Args:
        canvas: whose pictures `transfer` carries.
        transfer: shares them with CUDA.
    """

    def __init__(self, canvas: Canvas, transfer: InteropTransfer) -> None:
        super().__init__(canvas)
        self._transfer, self._kernels = transfer, transfer.kernels
        self._tiles = lru_cache(_Tile)  # a size for each level of repair

    def _colours(self, square: Square, size: int) -> Pixels:
        tile, stream = self._tiles(size), self._kernels.stream
        self._kernels.shrink(self._transfer.copied(self._canvas.output), square, tile.there)
        cuda.download(tile.there, tile.here, stream)
        cuda.wait(stream)
        return tile.here

    def _blend(self, square: Square, place: gl.Rectangle, levels: Pixels, step: float) -> None:
        tile, stream = self._tiles(len(levels)), self._kernels.stream
        np.copyto(tile.here, levels)
        cuda.upload(tile.here, tile.there, stream)
        self._kernels.enlarge(tile.there, tile.large)
        picture = self._transfer.copied(self._canvas.output)
        self._kernels.add(picture, square, place, tile.large, step)
        self._transfer.replace(self._canvas.output, picture)
        cuda.wait(stream)  # the next correction comes into the same memory
