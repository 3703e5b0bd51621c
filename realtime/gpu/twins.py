"""Which host arrays have a twin on the GPU: as long as the host keeps one, its twin stays where it is.

So what was computed there is read there again, and nobody has to hand addresses about with the faces and frames.
"""

from __future__ import annotations

import threading
import weakref
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from engines.runtime.base import Array, DeviceArray

T = TypeVar("T")


class Lease(Generic[T]):
    """The use of a room, until nobody has the lease any more."""

    def __init__(self, room: T) -> None:
        self.room = room


class Pool(Generic[T]):
    """Rooms that are used again; may be asked from several threads.

    Args:
        make: makes one more, where all are in use.
    """

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._free: deque[T] = deque()

    def lend(self) -> Lease[T]:
        """A room that nobody else has."""
        try:
            room = self._free.pop()
        except IndexError:
            room = self._make()
        lease = Lease(room)
        weakref.finalize(lease, self._free.append, room).atexit = False
        return lease

    def close(self) -> None:
        """Let go of rooms nobody uses, and of the others when they are given back: none is lent any more."""
        self._free.clear()


class Twins:
    """May be asked from several threads. Nobody writes into an array that has a twin."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._there: dict[int, tuple[weakref.ref[Array], DeviceArray, Lease[Any]]] = {}
        # arrays end on any thread, even while the lock is held: they are only noted down
        self._ended: deque[int] = deque()

    def find(self, array: Array) -> DeviceArray | None:
        """Its twin, if it has one."""
        with self._lock:
            self._forget_ended()
            known = self._there.get(id(array))
            return None if known is None else known[1]  # those that ended are gone: it is this very array

    def note(self, array: Array, there: DeviceArray, lease: Lease[Any]) -> None:
        """`there`, in the room of the lease, is the twin of `array`."""
        key = id(array)
        with self._lock:
            self._forget_ended()
            self._there[key] = (weakref.ref(array, lambda _: self._ended.append(key)), there, lease)

    def _forget_ended(self) -> None:
        while self._ended:
            del self._there[self._ended.popleft()]
