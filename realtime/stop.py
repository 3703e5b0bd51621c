"""Ctrl-C and SIGTERM as a request: the first one ends the run cleanly, the second one ends the process at once."""

from __future__ import annotations

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Self

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopSignal:
    """Context manager for the main thread; inside it, `requested` is set by the first signal.

    Example:
        with StopSignal() as stop:
            loop.run(stop=stop.requested)
    """

    def __init__(self) -> None:
        self.requested = threading.Event()

    def __enter__(self) -> Self:
        self._before = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self.requested.is_set():
            os._exit(128 + number)  # the clean way hangs: no handler, no thread is waited for
        self.requested.set()
