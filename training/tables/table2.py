"""Table 2: DepthCorr of DepthNet with and without the critic, by where source and target look."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from training.tables.depth_rows import DEPTHNET, GAN, GAN_CANONICAL, TEMPLATE, TRUTH, Measured
from training.tables.markdown import markdown
from training.tables.protocol import SUBSETS

ROWS = (DEPTHNET, GAN, GAN_CANONICAL, TEMPLATE, TRUTH)
PUBLISHED = "published (3DFAW, raw; mean over targets): DepthNet 27.36, 26.32, 22.34; + GAN 59.69, 58.68, 59.76"


def table2(measured: list[Measured]) -> str:
    """The whole table in Markdown: a source row and its three targets for every network that is there."""
    parts = ["## Table 2: DepthCorr by pose of source and target", "", _HOW]
    for one in measured:
        rows = [line for name in ROWS if name in one.scores for line in _lines(name, one)]
        columns = ["", "source"]
        for kind in ("raw", "canonical"):
            columns += [f"{kind}: to {target}" for target in SUBSETS] + ["mean"]
        parts += ["", f"{one.protocol.name}:", "", markdown(columns, rows)]
    return "\n".join([*parts, "", f"{PUBLISHED}.", ""])


def _lines(name: str, one: Measured) -> list[list[str]]:
    raw, canonical = one.scores[name].raw, one.scores[name].canonical
    return [[name, SUBSETS[s], *_cells(raw[s]), *_cells(canonical[s])] for s in range(len(SUBSETS))]


def _cells(row: NDArray[np.float64]) -> list[str]:
    return [f"{value:.1f}" for value in (*row, row.mean())]


_HOW = """The sum over 66 points of |correlation| of predicted and true depth, over all pairs from one subset to another
(5,550 within a subset, 5,625 across); the maximum is 66. Raw: the depth as the network gives it, against the set's own.
Canonical: both sides without scale, sign and plane, which the keypoint loss cannot see."""
