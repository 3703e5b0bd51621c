"""The `--events` file: one line of JSON for each thing that happened to the driver."""

from __future__ import annotations

from pathlib import Path

from realtime.frame import Result
from realtime.json_lines import JsonLines
from realtime.monitor.record import event_record
from realtime.sinks.base import Sink


class EventsWriter(Sink):
    """Writes events as they happen.

    Raises:
        OutputError: the file cannot be opened.
    """

    lossless = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._lines = JsonLines(path, "events")

    def write(self, result: Result) -> None:
        """Add the frame's events, if any (see `JsonLines.write`)."""
        for event in () if result.reading is None else result.reading.events:
            self._lines.write(event_record(event, result.frame.index))

    def close(self) -> None:
        self._lines.close()
