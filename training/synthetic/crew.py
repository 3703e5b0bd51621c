"""Several processes that draw faces, for a stock on a machine with cores to spare."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator

from training.synthetic.render import Renderer
from training.synthetic.scene import Ranges
from training.synthetic.truth import Rendered

_CHUNK = 8
# the worker's own: graphics cannot be shared between processes
_renderers: list[Renderer] = []


def drawn(seeds: range, size: int, ranges: Ranges, workers: int) -> Iterator[Rendered]:
    """The faces of `seeds` in order, by `workers` processes (1: by this one)."""
    if workers == 1:
        with Renderer(size, ranges) as renderer:
            yield from map(renderer.face, seeds)
        return
    # forked children would inherit a parent's graphics, if it has any
    with multiprocessing.get_context("spawn").Pool(workers, _begin, (size, ranges)) as pool:
        yield from pool.imap(_face, seeds, _CHUNK)


def _begin(size: int, ranges: Ranges) -> None:
    _renderers.append(Renderer(size, ranges))


def _face(seed: int) -> Rendered:
    return _renderers[0].face(seed)
