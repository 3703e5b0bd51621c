"""The one family of errors a user may see. Each message is one sentence: what failed, on what, what to do.

`run_live.py` prints the message and exits with `exit_code`; a traceback appears only with `--debug`.
"""

from __future__ import annotations

from engines.errors import EngineError, FacetError

__all__ = ["DeviceLostError", "EngineError", "FacetError", "GraphicsError", "InputError", "OutputError"]


class InputError(FacetError):
    """A source, photo or option cannot be used: missing, empty, not a video, no face in it."""


class OutputError(FacetError):
    """A sink cannot be opened or written: folder not writable, no virtual camera driver."""


class GraphicsError(FacetError):
    """No OpenGL context could be made, or a shader did not compile."""


class DeviceLostError(FacetError):
    """A device went away while running (a camera pulled out, a disk that filled up)."""

    exit_code = 3
