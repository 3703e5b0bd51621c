"""The file that FFmpeg records into."""

from __future__ import annotations

import os
from pathlib import Path

from realtime.errors import OutputError


class RecordedFile:
    """What FFmpeg writes into. After the first error it drops everything.

    Closing a container writes an index over the file's beginning. On a full disk that would break fragments that
    play as they are: what is on the disk stays as it was when the error came.

    Attributes:
        failed: a write failed.
        closed: nothing can be written any more.
    """

    def __init__(self, path: Path, source: Path | None) -> None:
        """Open `path` without changing what it holds; `source` is a file that must not be written over."""
        self._path = path
        try:
            if source is not None and path.exists() and path.samefile(source):
                raise OutputError(f"Recording to {path} would write over the source itself: choose another name.")
            existed = path.exists()
            path.touch()
            self._file = path.open("r+b", buffering=0)
        except OSError as error:
            raise OutputError(
                f"Recording to {path} is impossible ({error.strerror}): choose a folder that exists and can be written."
            ) from error
        self._position = 0
        self._remove = not existed
        self._error: OSError | None = None
        self.failed = False

    @property
    def closed(self) -> bool:
        return self._file.closed

    def begin(self) -> None:
        """Drop what an older file of this name held."""
        self._remove = False
        try:
            self._file.truncate(0)
        except OSError as error:
            self._error, self.failed = error, True

    def write(self, data: bytes) -> int:
        rest = memoryview(data)
        while rest and not self.failed:
            try:
                rest = rest[self._file.write(rest) :]
            except OSError as error:
                self._error, self.failed = error, True
        self._position += len(data)
        return len(data)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._position = self._file.seek(offset, whence) if not self.failed else offset
        return self._position

    def tell(self) -> int:
        return self._position

    def take_error(self) -> OSError | None:
        """The first error, once."""
        error, self._error = self._error, None
        return error

    def close(self) -> None:
        """Close; a file that was made here and never written is removed."""
        self._file.close()
        if self._remove:
            self._path.unlink(missing_ok=True)
