"""The repair of faces in pictures that are on the GPU: nothing of it goes over the host."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from engines import MAX_BATCH, DeviceEngine, Engine, EngineError
from engines.runtime import cuda
from engines.runtime.base import DeviceArray
from engines.runtime.cuda import Memory
from realtime.frame import Floats
from realtime.gpu.following import Exchange
from realtime.gpu.interop import InteropTransfer
from realtime.render.canvas import Canvas
from realtime.render.surface import Patch
from realtime.repair.mend import NO_NUMBERS, Mender
from realtime.repair.retouch import ENLARGED, Retouch
from realtime.repair.steady import moving_back, share_of
from realtime.repair.tile import Square

_BYTE, _NUMBER, _FLAG = np.dtype(np.uint8), np.dtype(np.float32), np.dtype(np.int32)
_NOWHERE = np.zeros((2, 3))


class _Workbench:
    """What tiles of one size need: something that draws the belief, and memory."""

    def __init__(self, canvas: Canvas, size: int) -> None:
        self._memory = Memory()
        self.retouch = Retouch(canvas)  # of its own: its target is shared with CUDA and must stay
        self.belief = self._memory.device((size, size, 4), _BYTE)
        self.change = self._memory.device((size, size, 4), _NUMBER)
        self.large = self._memory.device((ENLARGED * size, ENLARGED * size, 4), _NUMBER)


class _Mean:
    """The running mean of one face's corrections, as `Steadied`; in two places by turns, for it moves."""

    def __init__(self, size: int) -> None:
        self._memory = Memory()
        self.now, self.next = (self._memory.device((size, size, 4), _NUMBER) for _ in range(2))
        self.size = size
        self.places: Floats | None = None
        self.time_s = 0.0


class DeviceMender(Mender):
    """Does all of it with CUDA: the host only says where faces are.

    Args:
        canvas: whose pictures `transfer` carries.
        transfer: shares them with CUDA.
    """

    def __init__(self, canvas: Canvas, transfer: InteropTransfer) -> None:
        self._canvas, self._transfer, self._kernels = canvas, transfer, transfer.kernels
        self._memory = Memory()
        self._flags = Exchange(self._memory, _FLAG, 2 * MAX_BATCH)  # of each face: shown, odd
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
        if size not in self._benches:
            self._benches[size] = _Workbench(self._canvas, size)
        bench, count, stream = self._benches[size], len(patches), self._kernels.stream
        tiles = network.device(count)
        self._flags.here[:] = 0
        self._flags.send(2 * MAX_BATCH, stream)
        picture = self._copied()
        for place, (patch, square) in enumerate(zip(patches, squares, strict=True)):
            self._transfer.copy(bench.retouch.draw_belief(patch, square, size), bench.belief)
            shown = self._flags.there.item(2 * place)
            self._kernels.show(picture, square, bench.belief, tiles.inputs[0].item(place), shown)
        with self._kernels.watch("repair"):
            network.launch(stream)
        known, self._means = self._means, {}
        for place, (patch, square) in enumerate(zip(patches, squares, strict=True)):
            shown, odd = (self._flags.there.item(2 * place + which) for which in range(2))
            planes, repaired = tiles.inputs[0].item(place), tiles.outputs[0].item(place)
            self._means[patch.face] = mean = _fitting(known.get(patch.face), size)
            self._steady(mean, planes, repaired, odd, square.into(patch.face_points, size), time_s)
            self._kernels.change(mean.now, planes, bench.change)
            self._kernels.enlarge(bench.change, bench.large)
            self._kernels.add(picture, square, bench.large, strength, shown)
        self._transfer.replace(self._canvas.output, picture)
        self._flags.fetch(2 * MAX_BATCH, stream)
        cuda.wait(stream)
        if self._flags.here[1::2].any():
            raise EngineError(NO_NUMBERS)

    def forget(self) -> None:
        self._means = {}

    def release(self) -> None:
        if self._benches:
            self._transfer.forget()  # the targets of the belief, too
        for bench in self._benches.values():
            bench.retouch.release()
        self._benches = {}

    def _steady(
        self, mean: _Mean, planes: DeviceArray, repaired: DeviceArray, odd: DeviceArray, places: Floats, time_s: float
    ) -> None:
        """Take in what the network says of a face that is drawn at (F, 2) `places` of its tile."""
        before, back, share = None, _NOWHERE, 1.0
        if mean.places is not None:
            before, back, share = mean.now, moving_back(places, mean.places), share_of(time_s - mean.time_s)
        self._kernels.steady(planes, repaired, before, mean.next, back, share, odd)
        mean.now, mean.next = mean.next, mean.now
        mean.places, mean.time_s = places, time_s

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
