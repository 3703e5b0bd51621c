"""A canvas for every repair that draws."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from faces_making import open_canvas

from realtime.render.canvas import Canvas


@pytest.fixture
def canvas() -> Iterator[Canvas]:
    with open_canvas() as canvas:
        yield canvas
