"""The recipe that draws faces onto disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from realtime.errors import InputError
from training.recipes import synthetic
from training.synthetic.render import Renderer
from training.synthetic.stock import Stock

SIZE = 32


def test_a_stock_goes_on_where_it_was(data: Path, tmp_path: Path) -> None:
    with Renderer(SIZE) as renderer:  # its graphics are this thread's: the recipe's come after
        faces = [renderer.face(seed) for seed in (5, 1)]
    Stock.create(tmp_path / f"stock_{SIZE}", 2, SIZE).put(0, faces[0])
    synthetic.train(synthetic.Config(stock=2, size=SIZE, runs=tmp_path))
    stock = Stock.open(tmp_path / f"stock_{SIZE}")
    assert stock.filled == 2
    assert np.array_equal(stock.face(0).picture, faces[0].picture)  # was there, and stays
    assert np.array_equal(stock.face(1).picture, faces[1].picture)
    with pytest.raises(InputError, match="has room for 2"):
        synthetic.train(synthetic.Config(stock=3, size=SIZE, runs=tmp_path))


def test_nothing_asked_for_is_said() -> None:
    with pytest.raises(InputError, match="Nothing to draw"):
        synthetic.train(synthetic.Config())
