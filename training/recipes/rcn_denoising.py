"""The denoising model beside the published Recombinator Network: 68 points' pixels in, heat-maps out.

* `python -m training rcn_denoising [--minutes 240] [--resume]` trains it from landmarks alone, on a GPU for real,
* `--data DIR` takes those of the original 300W folders, as published.

`python -m training rcn --evaluate` then measures the joint model, too.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import tyro
from torch import Tensor, nn

from engines.networks.rcn import SIZE
from engines.networks.rcn_denoising import Denoiser
from realtime.geometry.topology import LANDMARKS
from training import data, run
from training.rcn_crops import inside, jittered_square
from training.readers import w300
from training.recipes.rcn import Recipe, optimisation, pixel_loss, squares

NAME = "rcn_denoising"


@dataclass(frozen=True)
class Config:
    """Train the denoising model."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=240.0, precision="auto")
    )
    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the original 300W sets; without it, the data folder's faces_300w."""
    recipe: Recipe = "published"
    """"published": AdaDelta (rho 0.95, eps 1e-8). "ours": AdamW under a cosine."""
    batch_size: int = 64
    rotation: float = 20.0
    """Largest turn of the jitter, degrees."""
    moved: int = 35
    """Points of each face that are moved to random pixels; the loss asks for those alone."""
    l2: float = 1e-6
    """Weight of the weights' sum of squares."""
    learning_rate: float = 3e-4
    """Of our recipe."""

    def points(self) -> np.ndarray:
        """(N, 68, 2) landmarks to train on, pixels of their photos."""
        faces = w300.training(self.data) if self.data else data.faces_300w()
        return faces.points[faces.training(), :LANDMARKS]


class Samples:
    """Step number → given (B, 68) int64 pixel numbers, points (B, 68, 2) float32, asked (B, 68) float32 0 or 1."""

    def __init__(self, config: Config, points: np.ndarray) -> None:
        self._config, self._points = config, points

    def __call__(self, number: int) -> run.Batch:
        rng = np.random.default_rng([self._config.run.seed, number])
        count = self._config.batch_size
        faces = self._points[rng.integers(len(self._points), size=count)]
        points = np.stack([jittered_square(face, self._config.rotation, rng).into(face) for face in faces])
        given = np.clip(np.floor(points + 0.5), 0, SIZE - 1).astype(np.int64) @ (1, SIZE)
        moved = rng.permuted(np.tile(np.arange(LANDMARKS) < self._config.moved, (count, 1)), axis=1)
        given[moved] = rng.integers(SIZE**2, size=moved.sum())
        asked = moved & inside(points, SIZE, SIZE)
        return {"given": given, "points": points.astype(np.float32), "asked": asked.astype(np.float32)}


def loss(l2: float, model: nn.Module, batch: run.Tensors) -> run.Tensors:
    """`pixel_loss` of the moved points, and the L2 term."""
    likelihood = pixel_loss(model(batch["given"]), batch["points"], batch["asked"])
    weights: Tensor = l2 * squares(model)
    return {"loss": likelihood + weights, "per_point": likelihood.detach() / LANDMARKS}


def train(config: Config) -> None:
    """Runs what the options ask for; see the module's text."""
    run.prepare(config.run)
    samples = Samples(config, config.points())
    optimiser = optimisation(config.recipe, config.learning_rate)
    run.fit(NAME, Denoiser(), samples, partial(loss, config.l2), config.run, optimiser)
