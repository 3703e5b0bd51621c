"""`--drive-report`: collects readings while the program runs and writes the page when it ends."""

from __future__ import annotations

from pathlib import Path

from realtime.drive_report.drive import Drive
from realtime.drive_report.page import page
from realtime.errors import OutputError
from realtime.frame import Result
from realtime.monitor.limits import Limits
from realtime.monitor.record import event_record, reading_record
from realtime.sinks.base import Sink


def write_page(drive: Drive, limits: Limits, path: Path) -> None:
    """Write the report of a drive.

    Raises:
        OutputError: the file cannot be written.
    """
    try:
        path.write_text(page(drive, limits), encoding="utf-8")
    except OSError as error:
        raise OutputError(
            f"The drive report cannot be written to {path} ({error.strerror}): choose a folder that can be written."
        ) from error


class DriveReportSink(Sink):
    """Keeps what the page needs, and writes it in `close`.

    Raises:
        OutputError: the file cannot be written.
    """

    lossless = True

    def __init__(self, path: Path, source: str, limits: Limits) -> None:
        self.name = str(path)
        self._path, self._limits, self._drive = path, limits, Drive(source)
        self._written = False
        write_page(self._drive, limits, path)  # better told now than after the drive

    def write(self, result: Result) -> None:
        if result.reading is not None:
            self._drive.add(round(result.frame.time_s, 6), reading_record(result.reading))
            self._drive.events += [event_record(event, result.frame.index) for event in result.reading.events]

    def close(self) -> None:
        if not self._written:
            self._written = True
            write_page(self._drive, self._limits, self._path)
