"""Trains the verifier that tells people apart by their true depth maps (Pini et al. 2018), the probe of generated ones.

    python -m training depth_verifier --stock runs/stock_160      --export writes the run's averaged weights

A batch holds two maps each of some people, RAP3DF's training people and synthetic ones (of whom four pictures lie side
by side), and every pair in it is judged. `python -m bench depth` asks it about true and generated maps of people held
out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import nn
from torch.nn import functional

from engines.networks.depth_verifier import DepthVerifier
from realtime.geometry.depth_code import SIDE
from training import run
from training.backgrounds import octaves
from training.export import export
from training.facial_depth.samples import Sample, coded, of_rap3df, of_synthetic
from training.readers import rap3df
from training.run import Batch
from training.synthetic.scene import Ranges
from training.synthetic.stock import Drawn
from training.weights import MEASURED

NAME = "depth_verifier"
PEOPLE = 3000  # synthetic ones


@dataclass(frozen=True)
class Config:
    """Train the depth verifier."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=30, threads=1, precision="auto")
    )
    stock: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Synthetic faces drawn before."""
    real: float = 0.6
    """Share of RAP3DF's training people in a batch."""
    batch_size: int = 32
    """People, two maps of each."""
    learning_rate: float = 1e-3
    export: bool = False
    """Write the run's averaged weights to training/measured."""


class People:
    """Batch number n: maps (2B, 1, S, S) in -1..1 of B people, two each, one after the other; person (2B,) who."""

    def __init__(self, config: Config, real: rap3df.Rap3df) -> None:
        self._config, self._real = config, real
        self._drawn = Drawn(config.stock)
        rows = np.flatnonzero(~real.held_out)
        grouped = [rows[real.person[rows] == person] for person in np.unique(real.person[rows])]
        self._groups = [group for group in grouped if len(group) > 1]

    def __call__(self, step: int) -> Batch:
        """See the class."""
        rng = np.random.default_rng([self._config.run.seed, step])
        count = self._config.batch_size
        measured = min(int(rng.binomial(count, self._config.real)), len(self._groups))
        numbers = self._drawn.people(PEOPLE)
        people = [self._measured(group, rng) for group in rng.choice(len(self._groups), measured, replace=False)]
        people += [self._painted(person, rng) for person in rng.choice(numbers, count - measured, replace=False)]
        maps = []
        for pair in people:
            mirror = np.s_[:, :: rng.choice([-1, 1])]
            maps += [coded(sample.depth)[mirror].astype(np.float32) / 127.5 - 1 for sample in pair]
        return {"maps": np.stack(maps)[:, None], "person": np.repeat(np.arange(count), 2)}

    def _measured(self, group: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
        first, second = (of_rap3df(self._real, int(row), rng) for row in rng.choice(self._groups[group], 2, False))
        return first, second

    def _painted(self, person: int, rng: np.random.Generator) -> tuple[Sample, Sample]:
        views = Ranges().views
        rows = (int(person) * views + int(view) for view in rng.choice(views, 2, replace=False))
        first, second = (of_synthetic(self._drawn(row), rng, noisy=True) for row in rows)
        return first, second


def loss(model: nn.Module, batch: run.Tensors) -> run.Tensors:
    """Cross entropy of all pairs in the batch, those of one person weighing as much as those of two, and the share
    judged rightly."""
    codes, person = model.column(batch["maps"]), batch["person"]
    first, second = torch.triu_indices(len(codes), len(codes), 1)
    scores = model.compare((codes[first] - codes[second]).abs())[:, 0].float()
    same = person[first] == person[second]
    wrong = functional.binary_cross_entropy_with_logits(scores, same.float(), reduction="none")
    right = ((scores > 0) == same).float()
    return {"loss": _balanced(wrong, same), "accuracy": _balanced(right, same)}


def _balanced(values: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
    return (values[same].mean() + values[~same].mean()) / 2


def train(config: Config) -> None:
    """Train or export; see the module's text."""
    if config.export:
        verifier = run.averaged(NAME, DepthVerifier(), config.run.runs)
        rng = np.random.default_rng(0)
        example = {name: np.float32(2 * octaves(rng, SIDE)[None, None] / 255 - 1) for name in ("first", "second")}
        export(verifier, MEASURED / f"{NAME}.onnx", example, ("logit",), half=True)
        return
    run.prepare(config.run)
    optimisation = run.Optimisation(learning_rate=config.learning_rate)
    run.fit(NAME, DepthVerifier(), People(config, rap3df.read()), loss, config.run, optimisation)
