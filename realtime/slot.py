"""The one hand-over between two threads: a small closable queue with two separate choices, pacing and loss."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from enum import StrEnum
from typing import Generic, TypeVar

T = TypeVar("T")


class Pacing(StrEnum):
    """Who gives way when the slot is full."""

    NEWEST = "newest"  # the oldest item inside is replaced: the producer never waits and the consumer gets fresh items
    BOUNDED = "bounded"  # what is inside stays, in order: the new item waits, or is refused where loss is allowed


class Loss(StrEnum):
    """Whether an item that never reaches the consumer counts."""

    COUNTED = "counted"  # items may be lost and are counted; the producer never waits
    NONE = "none"  # nothing is lost: a bounded slot makes the producer wait, a newest slot replaces without regret


class SlotClosedError(Exception):
    """The slot is closed: nothing can be put, and nothing is left to get."""


class Slot(Generic[T]):
    """A thread-safe slot of `depth` items between producers and consumers.

    | pacing, loss     | a full slot…                                             | used for                    |
    |------------------|----------------------------------------------------------|-----------------------------|
    | newest, counted  | replaces its oldest item and counts it                   | stages behind a live source |
    | newest, none     | replaces its oldest item; that is no loss                | the window of a file source |
    | bounded, none    | makes the producer wait                                  | everything behind a file    |
    | bounded, counted | refuses the new item and counts it                       | the recorder of a live source |

    Example:
        slot = Slot[Frame](Pacing.NEWEST, Loss.COUNTED)
        slot.put(frame)          # one thread
        for frame in slot: ...   # another one, until somebody calls slot.close()
    """

    def __init__(self, pacing: Pacing, loss: Loss, depth: int = 1) -> None:
        if depth < 1:
            raise ValueError(f"a slot holds at least one item, not {depth}")
        self.pacing = pacing
        self.loss = loss
        self.depth = depth
        self._items: deque[T] = deque()
        self._closed = False
        self._dropped = 0
        lock = threading.Lock()
        self._filled = threading.Condition(lock)
        self._emptied = threading.Condition(lock)

    def put(self, item: T, timeout: float | None = None) -> bool:
        """Hand over one item.

        Args:
            item: what to hand over.
            timeout: the longest wait of a bounded slot without loss, in seconds; None waits until there is room.

        Returns:
            True where this call lost an item that counts.

        Raises:
            SlotClosedError: the slot is, or while waiting was, closed.
            TimeoutError: there was no room in time; the item was not put.
        """
        with self._filled:
            counts = False
            if self._waits and not self._emptied.wait_for(lambda: self._closed or self._room, timeout):
                raise TimeoutError
            if self._closed:
                raise SlotClosedError
            if not self._room:
                counts = self.loss is Loss.COUNTED
                self._dropped += counts
                if self.pacing is Pacing.BOUNDED:
                    return counts
                self._items.popleft()
            self._items.append(item)
            self._filled.notify()
            return counts

    def get(self, timeout: float | None = None) -> T:
        """Take the oldest item inside.

        Raises:
            SlotClosedError: the slot is closed and empty.
            TimeoutError: nothing came within `timeout` seconds.
        """
        with self._filled:
            if not self._filled.wait_for(lambda: self._closed or self._items, timeout):
                raise TimeoutError
            if not self._items:
                raise SlotClosedError
            item = self._items.popleft()
            self._emptied.notify()
            return item

    def __iter__(self) -> Iterator[T]:
        """Yield items until the slot is closed and empty."""
        while True:
            try:
                item = self.get()
            except SlotClosedError:
                return
            yield item

    def close(self, discard: bool = False) -> None:
        """Wake everybody: puts fail from now on, gets still take what is inside (unless discarded), then fail."""
        with self._filled:
            self._closed = True
            if discard:
                self._items.clear()
            self._filled.notify_all()
            self._emptied.notify_all()

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def dropped(self) -> int:
        """Items counted as lost so far."""
        return self._dropped

    def __len__(self) -> int:
        """Items inside now."""
        return len(self._items)

    @property
    def _waits(self) -> bool:
        return self.pacing is Pacing.BOUNDED and self.loss is Loss.NONE

    @property
    def _room(self) -> bool:
        return len(self._items) < self.depth
