"""Work on the GPU that is the same every time, but for what lies in its memory: recorded once, then one launch."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import TypeAlias

from engines.errors import GpuError
from engines.runtime.base import Work
from realtime.gpu.kernels import Kernels

# see `DeviceEngine.record`
Record: TypeAlias = Callable[[Work, int], Work]


class Chain:
    """Calls `work` with a number of items the first time, records it the second time, and from then on replays that.

    Args:
        work: puts the work for a number of items on a stream; whatever changes from time to time it reads from memory
            that stays where it is.
        record: makes a graph of it.
        kernels: on whose stream all of it happens.
        name: what it is called, on the bench's clock for instance.
        tell: gets one sentence where it cannot be recorded; it then goes on kernel by kernel.
    """

    def __init__(
        self,
        work: Callable[[int, int], None],
        record: Record,
        kernels: Kernels,
        name: str,
        tell: Callable[[str], None] = print,
    ) -> None:
        self._work, self._record, self._kernels, self._name, self._tell = work, record, kernels, name, tell
        self._stream = kernels.stream
        self._local = threading.local()  # engines have memory of each thread, and as long as it lives

    def __call__(self, count: int) -> None:
        """Start it for `count` items; EngineError where the GPU fails."""
        known: dict[int, Work | None] = self._local.__dict__.setdefault("known", {})
        if count not in known:  # what is done once, loading code for instance, cannot be recorded
            known[count] = None
            self._work(count, self._stream)
            return
        replay = known[count]
        if replay is None:
            replay = known[count] = self._recorded(partial(self._work, count))
        with self._kernels.watch(self._name):
            replay(self._stream)

    def _recorded(self, work: Work) -> Work:
        try:
            return self._record(work, self._stream)
        except GpuError as error:
            self._tell(f"There is no CUDA graph for '{self._name}', which goes kernel by kernel: {error}")
            return work


class StepByStep(Chain):
    """Never recorded: for clocks that look at each step."""

    def __call__(self, count: int) -> None:
        self._work(count, self._stream)


MakeChain: TypeAlias = Callable[[Callable[[int, int], None], Record, Kernels, str], Chain]
