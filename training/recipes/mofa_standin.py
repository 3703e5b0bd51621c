"""Trains the stand-in for MOFA in the publication's Table 3: an auto-encoder of keypoints on the ICT model.

    python -m training mofa_standin [--steps 6000] [--resume]

MOFA's code is not public, and AFLW2000-3D comes here without pictures: what is kept of MOFA is the decoder (a morphable
model that is not trained) and that no depth is ever shown. `python -m training tables` measures it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import nn

from engines.networks.morphable_autoencoder import MorphableAutoencoder
from realtime.geometry.box import landmark_box
from realtime.geometry.topology import LANDMARKS
from training import data, run
from training.ict import IctFaces, ViewRanges
from training.ict_fit import EXPRESSIONS, IDENTITIES, INNER_NOISE
from training.recipes.depthnet import real_training
from training.unpaired import Unpaired

NAME = "mofa_standin"


@dataclass(frozen=True)
class Config:
    """Train the morphable auto-encoder."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(steps=6000, threads=1)
    )
    batch_size: int = 64
    """Rendered faces of one step; as many real ones come on top."""
    noise: float = 0.005
    """Largest standard deviation of the noise on keypoints, in box units."""
    learning_rate: float = 1e-3
    views: ViewRanges = field(default_factory=ViewRanges)


def network() -> MorphableAutoencoder:
    """Freshly initialised, on the ICT model in units of its mean face's box."""
    faces = IctFaces(data.ict_face())
    mean = faces.mean[:LANDMARKS]
    basis = faces.principal(IDENTITIES, EXPRESSIONS)[:, :LANDMARKS]
    side = landmark_box(mean)[1]
    return MorphableAutoencoder(*(torch.from_numpy((part / side).astype(np.float32)) for part in (mean, basis)))


def loss(model: nn.Module, batch: run.Tensors) -> run.Tensors:
    """Negative log-likelihood of keypoints and weights, as in `training.ict_fit`: (error / noise)² + |weights|²."""
    source = batch["source"]
    face, weights = model(source)
    distance = (face[..., :2] - source).square().sum(dim=(1, 2)).mean()
    prior = weights.square().sum(dim=1).mean()
    return {"loss": distance / INNER_NOISE**2 + prior, "distance": distance, "prior": prior}


def train(config: Config) -> None:
    """Train; see the module's text."""
    run.prepare(config.run)
    batches = Unpaired(config.run.seed, config.batch_size, config.noise, config.views, real_training())
    optimisation = run.Optimisation(learning_rate=config.learning_rate, weight_decay=0.0)
    run.fit(NAME, network(), batches, loss, config.run, optimisation)
