"""What the depth tables' networks are trained on: rendered faces with their depth, and real faces without."""

from __future__ import annotations

import numpy as np

from training import data, run
from training.ict import IctFaces, ViewRanges
from training.recipes.depthnet import noisy, rendered


class Unpaired:
    """Step number → faces in box units, rendered ones first; each one's target is another face of its kind.

    `source` and `target` (2 B, 68, 2), `depth` (B, 68) of the rendered sources, mean 0. Their jaw points are on the jaw
    line as in 3D data sets.
    """

    def __init__(self, seed: int, count: int, noise: float, views: ViewRanges, real: np.ndarray) -> None:
        """Give the largest standard deviation of the noise in box units, and real landmarks (N, 68, 2) in pixels."""
        self._seed, self._count, self._noise, self._views, self._real = seed, count, noise, views, real
        self._faces = IctFaces(data.ict_face())

    def __call__(self, step: int) -> run.Batch:
        rng = np.random.default_rng((self._seed, step))
        points, depth = rendered(self._faces, self._count, self._views, rng, jaw_line=True)
        parts = points, self._real[rng.integers(len(self._real), size=self._count)]
        sources = [noisy(part, self._noise, rng) for part in parts]
        targets = [np.roll(source, 1, axis=0) for source in sources]
        return {"source": np.concatenate(sources), "target": np.concatenate(targets), "depth": depth}
