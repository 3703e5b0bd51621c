"""The base of every error a user may see, and the engines' own.

It lives here because dependencies point from `realtime` to `engines`; `realtime.errors` holds the whole family.
"""

from __future__ import annotations


class FacetError(Exception):
    """Base of the family; never raised itself."""

    exit_code = 2


class EngineError(FacetError):
    """A network or runtime cannot be loaded, or was called with the wrong shapes."""


class GpuError(EngineError):
    """A GPU that was in use failed, has no more memory, or is gone."""

    exit_code = 3
