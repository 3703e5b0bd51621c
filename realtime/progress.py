"""How far a file is, on stderr: a bar on a terminal, else a line every few seconds."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from realtime.timing import Meter

_BAR_S = 0.2
_LINE_S = 5.0


class ProgressLine:
    """Context manager; `update` is called as often as one likes.

    Args:
        frames: how many there will be, or None.
        done: how many there are.
        meter: tells the rate.
    """

    def __init__(self, frames: int | None, done: Callable[[], int], meter: Meter) -> None:
        console = Console(stderr=True)
        self._frames, self._done, self._meter = frames, done, meter
        self._console = console
        self._bar = None
        if console.is_terminal:
            columns = BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[rate]}"), TimeRemainingColumn()
            self._bar = Progress(*columns, console=console, transient=True, auto_refresh=False)
            self._task = self._bar.add_task("", total=frames, rate="")
        self._period = _BAR_S if self._bar else _LINE_S
        self._next = time.monotonic() + self._period

    def __enter__(self) -> Self:
        if self._bar:
            self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def update(self) -> None:
        """Show the state now, where it is time to."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._period
        rate = f"{self._meter.read().fps:.0f} frames/s"
        if self._bar:
            self._bar.update(self._task, completed=self._done(), rate=rate, refresh=True)
        else:
            of = f" of {self._frames}" if self._frames else ""
            self._console.print(f"{self._done()}{of} frames, {rate}", highlight=False)
