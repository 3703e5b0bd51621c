"""Pictures on the GPU: each is sent there once, and kept as long as the host has it."""

from __future__ import annotations

import threading
import weakref
from collections import deque
from dataclasses import dataclass

import numpy as np

from engines.runtime import cuda
from engines.runtime.base import DeviceArray
from engines.runtime.cuda import Memory
from realtime.frame import Pixels


@dataclass(frozen=True, slots=True)
class _Room:
    """Page-locked host memory and the GPU's for one picture."""

    memory: Memory
    staging: Pixels
    there: DeviceArray


class Pictures:
    """Gives host pictures their copy on the GPU; may be asked from several threads.

    Nobody writes into a frame's pixels (see `realtime.frame.Frame`), so a copy is good as long as they live.

    Attributes:
        sent: bytes sent so far.
    """

    def __init__(self) -> None:
        self.sent = 0
        self._lock = threading.Lock()
        self._there: dict[int, tuple[weakref.ref[Pixels], _Room]] = {}
        # pictures end on any thread, even while the lock is held: they are only noted down
        self._ended: deque[int] = deque()
        self._rooms: list[_Room] = []

    def __call__(self, pixels: Pixels, stream: int) -> DeviceArray:
        """(H, W, 3) uint8 on the GPU; where it is not there yet, `stream` brings it, and is waited for.

        Raises:
            EngineError: the GPU has no memory for it.
        """
        with self._lock:
            while self._ended:
                self._rooms.append(self._there.pop(self._ended.popleft())[1])
            key = id(pixels)
            known = self._there.get(key)
            if known is not None:  # those that ended are gone: it is this very picture
                return known[1].there
            room = self._room(pixels.shape)
            np.copyto(room.staging, pixels)
            cuda.upload(room.staging, room.there, stream)
            cuda.wait(stream)  # the next one who asks may have another stream
            self.sent += pixels.nbytes
            self._there[key] = (weakref.ref(pixels, lambda _: self._ended.append(key)), room)
            return room.there

    def _room(self, shape: tuple[int, ...]) -> _Room:
        self._rooms = [room for room in self._rooms if room.staging.shape == shape]  # sizes change once in a run
        if self._rooms:
            return self._rooms.pop()
        memory, kind = Memory(), np.dtype(np.uint8)
        return _Room(memory, memory.pinned(shape, kind), memory.device(shape, kind))
