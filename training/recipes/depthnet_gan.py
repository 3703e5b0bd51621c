"""DepthNet+GAN (Moniz et al. 2018, section 3.2): variant 2.3 with a critic that knows how faces' depths look.

    python -m training depthnet_gan [--steps 3000] [--resume]             with the critic
    python -m training depthnet_gan --adversarial 0                      plain variant 2.3 on the same faces

Then `python -m training tables` measures both. The keypoint loss is that of unpaired faces; true depths come from
random faces of the ICT model. The critic is asked about those alone: shown real keypoints with a predicted depth and
rendered ones with a true depth, it would tell the keypoints apart.

The critic sees depths in canonical form. Of a metric depth it has to learn the scale, and while batch norm hides that
from it, the depth runs away (tried: the largest depths grew a hundredfold in 300 steps).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import tyro
from torch import nn

from engines.networks.depth_critic import DepthCritic
from engines.networks.depthnet import DepthNet
from realtime.geometry.topology import LANDMARKS
from training import run
from training.adversarial import Duel, held, zero_centred_penalty
from training.gauge import canonical
from training.ict import ViewRanges
from training.lstsq import residual
from training.recipes.depthnet import real_training
from training.unpaired import Unpaired


@dataclass(frozen=True)
class Config:
    """Train DepthNet against a critic of its depth."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(steps=3000, threads=1)
    )
    adversarial: float = 1.0
    """Weight of the adversarial loss against the keypoint loss; 0 trains without a critic."""
    keypoints: float = 0.25
    """Weight of the keypoint loss; the published 1 is for coordinates in units of a picture, not of a face's box."""
    penalty: float = 0.02
    """Weight of the critic's squared gradient at true samples, canonical depths and keypoints in box units. At 0.1 the
    critic goes flat as soon as the depths are roughly right, and the keypoint loss takes over."""
    width: int = 512
    """Of DepthNet's hidden layers."""
    layers: int = 2
    batch_size: int = 64
    """Rendered faces of one step, which the critic judges; as many real ones come on top for the keypoint loss."""
    noise: float = 0.005
    """Largest standard deviation of the noise on keypoints, in box units."""
    learning_rate: float = 5e-4
    views: ViewRanges = field(default_factory=ViewRanges)

    @property
    def name(self) -> str:
        """Of the run folder."""
        return "depthnet_gan" if self.adversarial else "depthnet_gan_without"


def network(config: Config) -> Duel:
    """Freshly initialised."""
    return Duel(DepthNet(config.width, config.layers), DepthCritic())


def loss(model: nn.Module, batch: run.Tensors, config: Config) -> run.Tensors:
    """The keypoint loss and, with a critic, both players' Wasserstein losses, the critic's with its penalty."""
    source, target = batch["source"], batch["target"]
    depth = model.generator(source, target)
    keypoints = residual(source, depth, target).mean() / (2 * LANDMARKS)
    if not config.adversarial:
        return {"loss": keypoints, "keypoints": keypoints}
    rendered = source[: len(batch["depth"])].clone().requires_grad_()
    made = canonical(rendered.detach(), depth[: len(rendered)])
    true = canonical(rendered.detach(), batch["depth"]).requires_grad_()
    with held(model.critic):
        flattery = -model.critic(made, rendered.detach()).mean()
    of_true = model.critic(true, rendered)
    gap = model.critic(made.detach(), rendered.detach()).mean() - of_true.mean()
    penalty = zero_centred_penalty(of_true, true, rendered)
    return {
        "loss": config.keypoints * keypoints + config.adversarial * flattery + gap + config.penalty * penalty,
        "keypoints": keypoints,
        "gap": gap,
        "penalty": penalty,
        "likeness": (made * true).detach().sum(dim=1).mean(),
    }


def train(config: Config) -> None:
    """Train; see the module's text."""
    run.prepare(config.run)
    batches = Unpaired(config.run.seed, config.batch_size, config.noise, config.views, real_training())
    optimisation = run.Optimisation(learning_rate=config.learning_rate, weight_decay=0.0)
    run.fit(
        config.name, network(config), batches, lambda net, batch: loss(net, batch, config), config.run, optimisation
    )
