"""Pictures that are already in memory: single images, benches, tests."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Iterator, Sequence

from realtime.frame import Frame, Pixels
from realtime.sources.base import Source


class Memory(Source):
    """Yields given pictures at a nominal rate (as fast as they are taken; wrap it in `Paced` for the clock).

    Args:
        pictures: (H, W, 3) uint8 RGB each, at least one.
        rate: nominal frames per second.
        loop: for ever.
        name: `Frame.name` of all of them.
        tracked: whether consecutive pictures belong together.
    """

    def __init__(
        self,
        pictures: Sequence[Pixels],
        rate: float = 30.0,
        loop: bool = False,
        name: str | None = None,
        tracked: bool = True,
    ) -> None:
        self._pictures, self._name = pictures, name
        self._closed = threading.Event()
        self._loop = loop
        self.tracked = tracked
        self.rate = rate if loop or len(pictures) > 1 else None
        self._period = 1.0 / rate
        self.frames = None if loop else len(pictures)
        self.size = pictures[0].shape[1], pictures[0].shape[0]

    def __iter__(self) -> Iterator[Frame]:
        pictures = itertools.cycle(self._pictures) if self._loop else self._pictures
        for index, pixels in enumerate(pictures):
            if self._closed.is_set():
                return
            yield Frame(pixels, index, index * self._period, time.perf_counter(), self._name)

    def close(self) -> None:
        self._closed.set()
