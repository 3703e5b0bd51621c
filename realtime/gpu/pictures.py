"""Pictures on the GPU: each is sent there once, and kept as long as the host has it."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import numpy as np

from engines.runtime import cuda
from engines.runtime.base import DeviceArray
from engines.runtime.cuda import Memory
from realtime.frame import Pixels
from realtime.gpu.twins import Pool, Twins


@dataclass(frozen=True, slots=True)
class _Room:
    """Page-locked host memory and the GPU's for one picture, and the event that it is there."""

    memory: Memory
    staging: Pixels
    there: DeviceArray
    arrived: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> _Room:
        memory, kind = Memory(), np.dtype(np.uint8)
        return cls(memory, memory.pinned(shape, kind), memory.device(shape, kind), memory.event())


class Pictures:
    """Gives host pictures their copy on the GPU; may be asked from several threads.

    Copies travel on a stream of their own, beside what others compute; who asks for one has their stream wait for it.
    Nobody writes into a frame's pixels (see `realtime.frame.Frame`), so a copy is good as long as they live.

    Attributes:
        sent: bytes sent so far.
    """

    def __init__(self) -> None:
        self.sent = 0
        self._lock = threading.Lock()
        self._twins = Twins()
        self._arrived: dict[int, int] = {}  # address there → event
        self._stream = cuda.new_stream()
        self._shape: tuple[int, ...] = ()
        self._rooms: Pool[_Room] | None = None

    def __call__(self, pixels: Pixels, stream: int) -> DeviceArray:
        """(H, W, 3) uint8 on the GPU, for what is put on `stream` from now on.

        Raises:
            EngineError: the GPU has no memory for it.
        """
        with self._lock:
            there = self._twins.find(pixels)
            if there is None:
                there = self._sent(pixels)
        cuda.wait_for(self._arrived[there.pointer], stream)
        return there

    def _sent(self, pixels: Pixels) -> DeviceArray:
        if self._rooms is None or pixels.shape != self._shape:  # sizes change once in a run
            if self._rooms is not None:
                self._rooms.close()
            shape = self._shape = pixels.shape
            self._rooms = Pool(lambda: _Room.of(shape))
        lease = self._rooms.lend()
        room = lease.room
        np.copyto(room.staging, pixels)
        cuda.upload(room.staging, room.there, self._stream)
        cuda.mark(room.arrived, self._stream)
        self.sent += pixels.nbytes
        self._arrived[room.there.pointer] = room.arrived
        self._twins.note(pixels, room.there, lease)
        return room.there
