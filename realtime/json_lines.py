"""Files with one JSON object a line: after a crash every line that was finished is there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from realtime.errors import DeviceLostError, OutputError


class JsonLines:
    """Writes line by line.

    Args:
        path: the file, written anew.
        what: what is in it, for messages, e.g. "tracks".

    Raises:
        OutputError: the file cannot be opened.
    """

    def __init__(self, path: Path, what: str) -> None:
        self._path, self._what = path, what
        try:
            self._file = path.open("wb", buffering=0)
        except OSError as error:
            raise OutputError(
                f"The {what} cannot be written to {path} ({error.strerror}): choose a folder that can be written."
            ) from error

    def write(self, record: dict[str, Any]) -> None:
        """Add one line.

        Raises:
            DeviceLostError: the disk is full or went away; the line that did not fit is taken back.
            ValueError: a number is not finite.
        """
        line = json.dumps(record, allow_nan=False, separators=(",", ":")).encode() + b"\n"
        end = self._file.tell()
        rest = memoryview(line)
        try:
            while rest:
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            self._file.truncate(end)
            raise DeviceLostError(
                f"Writing the {self._what} to {self._path} stopped ({error.strerror}): the lines before are whole;"
                " free some space or choose another place."
            ) from error

    def close(self) -> None:
        """Close the file; may be called more than once."""
        self._file.close()
