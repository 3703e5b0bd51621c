"""Trains AIGN as the publication's Table 3 compares with it (Moniz et al. 2018, section 3.2; public code's recipe).

    python -m training aign [--steps 500] [--resume]

The network draws keypoints as heat-maps and gives a posed 3D shape. Its picture must meet the keypoints (L1), and a
critic, who knows the ICT model's faces, must not tell the shape from a true one. The published heat-maps have 128
pixels a side; 32 are the default here, for one core. `python -m training tables` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.aign import Aign, AignCritic
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS
from training import run
from training.adversarial import Duel, held
from training.ict import ViewRanges
from training.recipes.depthnet import in_box, real_training
from training.unpaired import Unpaired

NAME = "aign"


@dataclass(frozen=True)
class Config:
    """Train AIGN."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(steps=500, threads=1, precision="auto")
    )
    size: int = 32
    """Pixels of the heat-maps, a multiple of 16."""
    batch_size: int = 16
    """Rendered faces of one step; as many real ones come on top."""
    keypoints: float = 100.0
    """Weight of the L1 distance of keypoints against the adversarial loss."""
    noise: float = 0.005
    """Largest standard deviation of the noise on keypoints, in box units."""
    learning_rate: float = 5e-4
    views: ViewRanges = field(default_factory=ViewRanges)


def network(config: Config) -> Duel:
    """Freshly initialised, with the mean face as its first shape."""
    points, depth = in_box(template()[None, :LANDMARKS])
    mean = torch.from_numpy(np.concatenate([points, depth[..., None]], axis=2)[0].astype(np.float32))
    return Duel(Aign(mean, config.size), AignCritic())


def loss(model: nn.Module, batch: run.Tensors, config: Config) -> run.Tensors:
    """Both players' losses: cross-entropies of logits, and the generator's keypoint distance."""
    source, depth = batch["source"], batch["depth"]
    made, picture = model.generator(source)
    true = torch.cat([source[: len(depth)], depth[..., None]], dim=2)
    distance = (picture - source).abs().mean()
    with held(model.critic):
        flattery = entropy(model.critic(made), 1.0)
    judged = entropy(model.critic(true), 1.0) + entropy(model.critic(made.detach()), 0.0)
    return {
        "loss": config.keypoints * distance + flattery + judged,
        "distance": distance,
        "flattery": flattery,
        "judged": judged,
    }


def entropy(logits: Tensor, truth: float) -> Tensor:
    """Mean binary cross-entropy of logits that should all say `truth`."""
    logits = logits.float()
    return functional.binary_cross_entropy_with_logits(logits, torch.full_like(logits, truth))


def train(config: Config) -> None:
    """Train; see the module's text."""
    run.prepare(config.run)
    model = network(config)
    batches = Unpaired(config.run.seed, config.batch_size, config.noise, config.views, real_training())
    optimisation = run.Optimisation(learning_rate=config.learning_rate, weight_decay=0.0)
    run.fit(NAME, model, batches, lambda net, batch: loss(net, batch, config), config.run, optimisation)
