"""One picture kept on request."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from realtime.errors import OutputError
from realtime.frame import Result
from realtime.sinks.png import write_png


def save_snapshot(result: Result, folder: Path, metadata: tuple[tuple[str, str], ...] = ()) -> Path:
    """Write the picture into `folder` (made where missing), named by date and time; synthetic ones carry `metadata`.

    Returns:
        the file that was written.

    Raises:
        OutputError: the folder cannot be written.
    """
    now = datetime.now()
    path = folder / f"snapshot_{now:%Y%m%d_%H%M%S}_{now.microsecond // 1000:03d}.png"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_png(path, result.frame.pixels, metadata if result.synthetic else ())
    except OSError as error:
        raise OutputError(f"The snapshot {path} could not be written ({error.strerror}): make room there.") from error
    return path
