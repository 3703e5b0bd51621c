"""The repair of faces in pictures that are on the GPU: nothing of it goes over the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines import MAX_BATCH, DeviceEngine, Engine, EngineError
from engines.runtime import cuda
from engines.runtime.base import DeviceArray
from engines.runtime.cuda import Memory
from realtime.frame import Floats
from realtime.gpu.chain import Chain, MakeChain
from realtime.gpu.following import Exchange
from realtime.gpu.interop import InteropTransfer
from realtime.gpu.kernels import TILE, PictureKernels
from realtime.render.canvas import Canvas
from realtime.render.surface import Patch
from realtime.repair.mend import NO_NUMBERS, Mender
from realtime.repair.retouch import ENLARGED, Retouch
from realtime.repair.steady import moving_back, share_of
from realtime.repair.tile import Square

_BYTE, _NUMBER, _FLAG = np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.int32)


class _Mean:
    """The running mean of one face's corrections, as `Steadied`; in two places by turns, for it moves."""

    def __init__(self, size: int) -> None:
        self._memory = Memory()
        self._now, self._next = (self._memory.device((size, size, 4), _NUMBER) for _ in range(2))
        self.size = size
        self._places: Floats | None = None
        self._time_s = 0.0

    def write(self, row: np.void, places: Floats, time_s: float) -> None:
        """Its part of a row of TILE, for a face that is drawn at (F, 2) `places` of its tile."""
        if self._places is None:
            row["before"], row["back"], row["share"] = 0, 0, 1
        else:
            row["before"], row["back"] = self._now.pointer, moving_back(places, self._places).ravel()
            row["share"] = share_of(time_s - self._time_s)
        self._now, self._next = self._next, self._now
        row["now"] = self._now.pointer
        self._places, self._time_s = places, time_s


class _Workbench:
    """What tiles of one network need: something that draws the belief, memory, and the chain that repairs.

    Args:
        canvas: whose faces are repaired.
        kernels: loaded.
        network: takes and gives tiles.
        size: of them.
        chained: makes the chain.

    Attributes:
        network: as given.
        beliefs: (16, size, size, 4) uint8, to be drawn before the chain is called.
        rows: of TILE, to be written before; `write` does most of it.
    """

    def __init__(
        self, canvas: Canvas, kernels: PictureKernels, network: DeviceEngine, size: int, chained: MakeChain
    ) -> None:
        self._memory = Memory()
        self.retouch = Retouch(canvas)  # of its own: its target is shared with CUDA and must stay
        self.network, self._kernels, self._size = network, kernels, size
        self.beliefs = self._memory.device((MAX_BATCH, size, size, 4), _BYTE)
        self._changes = self._memory.device((MAX_BATCH, size, size, 4), _NUMBER)
        self._large = self._memory.device((MAX_BATCH, ENLARGED * size, ENLARGED * size, 4), _NUMBER)
        self.rows = Exchange(self._memory, TILE)
        self._flags = Exchange(self._memory, _FLAG, MAX_BATCH, 2)  # of each face: shown, odd
        self._clear = Exchange(self._memory, _FLAG, MAX_BATCH, 2)
        self._chain = chained(self._work, network.record, kernels, "repair faces")

    def write(self, picture: DeviceArray, squares: Sequence[Square], strength: float) -> None:
        """Rows for squares of a picture, their means aside."""
        tiles, (height, width, _) = self.network.device(len(squares)), picture.shape
        for place, (row, square) in enumerate(zip(self.rows.here, squares, strict=False)):
            row["picture"], row["width"], row["height"] = picture.pointer, width, height
            row["x"], row["y"], row["side"], row["strength"] = square.x, square.y, square.side, strength
            row["ends"], row["place"] = square.part_inside((width, height), self._size), square.inside((width, height))
            for name, arrays in (
                ("belief", self.beliefs),
                ("planes", tiles.inputs[0]),
                ("repaired", tiles.outputs[0]),
                ("change", self._changes),
                ("large", self._large),
                ("flags", self._flags.there),
            ):
                row[name] = arrays.item(place).pointer

    def repair(self, count: int) -> None:
        """Start repairing `count` faces, whose rows are written and whose beliefs are drawn."""
        self._chain(count)

    def odd(self, count: int) -> bool:
        """Whether the network gave no number somewhere in the last repair, which is done."""
        return bool(self._flags.here[:count, 1].any())

    def _work(self, count: int, stream: int) -> None:
        """From beliefs and rows to the corrected picture; the host hears whether there were numbers."""
        kernels, size = self._kernels, self._size
        self.network.device(count)
        tiles = self.rows.send(count, stream)
        cuda.upload(self._clear.here, self._flags.part(count), stream)
        kernels.show(tiles, size)
        with kernels.watch("repair"):
            self.network.enqueue(stream)
        kernels.steady(tiles, size)
        kernels.change(tiles, size)
        kernels.enlarge(tiles, size, ENLARGED)
        kernels.add(tiles, ENLARGED * size)
        self._flags.fetch(count, stream)


class DeviceMender(Mender):
    """Does all of it with CUDA: the host only says where faces are.

    Args:
        canvas: whose pictures `transfer` carries.
        transfer: shares them with CUDA.
        chained: makes chains.
    """

    def __init__(self, canvas: Canvas, transfer: InteropTransfer, chained: MakeChain = Chain) -> None:
        self._canvas, self._transfer, self._chained = canvas, transfer, chained
        self._picture: tuple[Memory, DeviceArray] | None = None
        self._benches: dict[int, _Workbench] = {}
        self._means: dict[int, _Mean] = {}

    def mend(
        self,
        network: Engine,
        size: int,
        patches: Sequence[Patch],
        squares: Sequence[Square],
        time_s: float,
        strength: float,
    ) -> None:
        if not isinstance(network, DeviceEngine):
            raise EngineError("its network is not on the GPU.")
        bench, count, picture = self._bench(network, size), len(patches), self._copied()
        bench.write(picture, squares, strength)
        known, self._means = self._means, {}
        for place, (patch, square) in enumerate(zip(patches, squares, strict=True)):
            self._transfer.copy(bench.retouch.draw_belief(patch, square, size), bench.beliefs.item(place))
            self._means[patch.face] = mean = _fitting(known.get(patch.face), size)
            mean.write(bench.rows.here[place], square.into(patch.face_points, size), time_s)
        bench.repair(count)
        self._transfer.replace(self._canvas.output, picture)
        cuda.wait(self._transfer.kernels.stream)
        if bench.odd(count):
            raise EngineError(NO_NUMBERS)

    def forget(self) -> None:
        self._means = {}

    def release(self) -> None:
        if self._benches:
            self._transfer.forget()  # the targets of the belief, too
        for bench in self._benches.values():
            bench.retouch.release()
        self._benches = {}

    def _bench(self, network: DeviceEngine, size: int) -> _Workbench:
        bench = self._benches.get(size)
        if bench is None or bench.network is not network:
            if bench is not None:
                self._transfer.forget()
                bench.retouch.release()
            bench = self._benches[size] = _Workbench(self._canvas, self._transfer.kernels, network, size, self._chained)
        return bench

    def _copied(self) -> DeviceArray:
        """(H, W, 4) uint8, the picture as it is now."""
        width, height = self._canvas.size
        if self._picture is None or self._picture[1].shape[:2] != (height, width):
            memory = Memory()
            self._picture = memory, memory.device((height, width, 4), _BYTE)
        self._transfer.copy(self._canvas.output, self._picture[1])
        return self._picture[1]


def _fitting(mean: _Mean | None, size: int) -> _Mean:
    """That mean, or a new one where there is none of that size."""
    return mean if mean is not None and mean.size == size else _Mean(size)
