"""Trains the verifier that tells people apart by their true depth maps (Pini et al. 2018), the probe of generated ones.

    python -m training depth_verifier --stock runs/stock_160      --export writes the run's averaged weights

Pairs of one person and of two in equal parts, from RAP3DF's training people and from synthetic people, of whom four
pictures lie side by side. `python -m bench depth` asks it about true and generated maps of held-out people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
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
    """Share of pairs from RAP3DF's training people."""
    batch_size: int = 32
    learning_rate: float = 1e-3
    export: bool = False
    """Write the run's averaged weights to training/measured."""


class Pairs:
    """Batch number n: first and second (B, 1, S, S) in -1..1, same (B,) float32 1 for one person."""

    def __init__(self, config: Config, real: rap3df.Rap3df) -> None:
        self._config, self._real = config, real
        self._drawn = Drawn(config.stock)
        rows = np.flatnonzero(~real.held_out)
        grouped = [rows[real.person[rows] == person] for person in np.unique(real.person[rows])]
        self._groups = [group for group in grouped if len(group) > 1]

    def __call__(self, step: int) -> Batch:
        """See the class."""
        rng = np.random.default_rng([self._config.run.seed, step])
        firsts, seconds, same = [], [], []
        for row in range(self._config.batch_size):
            one = row % 2 == 0
            pair = self._real_pair(rng, one) if rng.random() < self._config.real else self._drawn_pair(rng, one)
            first, second = (coded(sample.depth).astype(np.float32) / 127.5 - 1 for sample in pair)
            if rng.random() < 0.5:
                first, second = first[:, ::-1], second[:, ::-1]
            firsts.append(first)
            seconds.append(second)
            same.append(float(one))
        return {
            "first": np.stack(firsts)[:, None],
            "second": np.stack(seconds)[:, None],
            "same": np.array(same, np.float32),
        }

    def _real_pair(self, rng: np.random.Generator, one: bool) -> tuple[Sample, Sample]:
        if one:
            group = self._groups[rng.integers(len(self._groups))]
            a, b = rng.choice(group, 2, replace=False)
        else:
            mine, other = rng.choice(len(self._groups), 2, replace=False)
            a, b = rng.choice(self._groups[mine]), rng.choice(self._groups[other])
        return of_rap3df(self._real, int(a), rng), of_rap3df(self._real, int(b), rng)

    def _drawn_pair(self, rng: np.random.Generator, one: bool) -> tuple[Sample, Sample]:
        views = Ranges().views
        person, other = (int(number) for number in rng.choice(self._drawn.people(PEOPLE), 2, replace=False))
        a, b = rng.choice(views, 2, replace=False)
        second = person if one else other
        faces = self._drawn(person * views + int(a)), self._drawn(second * views + int(b))
        first, then = (of_synthetic(face, rng, noisy=True) for face in faces)
        return first, then


def loss(model: nn.Module, batch: run.Tensors) -> run.Tensors:
    """Cross entropy, and the share judged rightly."""
    scores = model(batch["first"], batch["second"]).float()
    wrong = functional.binary_cross_entropy_with_logits(scores, batch["same"])
    return {"loss": wrong, "accuracy": ((scores > 0).float() == batch["same"]).float().mean()}


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
    run.fit(NAME, DepthVerifier(), Pairs(config, rap3df.read()), loss, config.run, optimisation)
