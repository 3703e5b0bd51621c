"""Trains facial depth maps (Pini et al. 2018): the conditional GAN, its AE baseline, a U-Net, and the live network.

    python -m training facial_depth                        the conditional GAN
    python -m training facial_depth --adversarial 0        the AE baseline
    python -m training facial_depth --start ONNX [...]     from an exported generator, of this or a narrower width
    python -m training facial_depth --skips [--start ONNX] the generator with skips; from one without, as exported
    python -m training facial_depth --live --adversarial 0 [--learning-rate 2e-3]
    ... --biwi DIR, ... --pandora DIR                      by the protocol of a set that facial depth was published on

`--stock runs/stock_160` reads synthetic faces drawn before (`python -m training synthetic --stock 12000`) instead of
drawing them.
`--export` writes the averaged weights of the run, the live network's to engines/weights, the others' to
training/measured, instead of training. `python -m bench depth`
measures them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import nn
from torch.nn import functional

from engines import WEIGHTS
from engines.networks.facial_depth import SIDE, FacialDepth, FacialDepthCritic, LiveFacialDepth
from training import data, run
from training.adversarial import Duel, held
from training.backgrounds import octaves
from training.export import export, load_weights, stored_weights
from training.facial_depth.samples import DepthBatches, Real, fitted_photos
from training.ict_surface import IctSurface
from training.readers import rap3df
from training.readers.originals import Original
from training.synthetic.stock import Drawn
from training.weights import MEASURED
from training.widening import widen

SLOPES, REACH = 0.5, 5  # weight of a face's slopes, and the pixels they are taken over: sensors measure in steps
BETAS = (0.5, 0.999)  # of Adam, as published
EVERYWHERE = 0.1  # weight of the whole crop beside the shape of the face


@dataclass(frozen=True)
class Config:
    """Train a facial depth network."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=120, threads=1, precision="auto")
    )
    adversarial: float = 1e-2
    """Weight of the adversarial loss against the mean squared error; 0 is the AE baseline, without a critic."""
    skips: bool = False
    """Join the sizes of the way down to those of the way up."""
    live: bool = False
    """The small network for the live loop."""
    stock: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Synthetic faces drawn before."""
    real: float = 0.4
    """Share of RAP3DF's training people in a batch."""
    original: Annotated[Original, tyro.conf.arg(name="")] = field(default_factory=Original)
    width: float = 1.0
    """Share of the full networks' channels: 0.25 is what a processor trains within the hour."""
    batch_size: int = 64
    learning_rate: float = 2e-4
    critic_noise: float = 0.0
    """Standard deviation of noise on every map that the critic is shown (of -1..1; Sønderby et al. 2017): without it a
    critic knows true maps by the roughness of a sensor's depth, and learns nothing of faces."""
    cosine: bool = False
    """End under a cosine learning rate, as short runs should; as published it is constant."""
    export: bool = False
    """Write the run's averaged weights to engines/weights (the live network) or training/measured."""

    @property
    def name(self) -> str:
        """Of the run folder and of the exported file."""
        kind = "facial_depth_live" if self.live else "facial_depth_skips" if self.skips else "facial_depth"
        kind = kind if self.adversarial or self.live else f"{kind}_ae"
        return f"{kind}_{self.original.name}" if self.original.name else kind


def network(config: Config) -> Duel:
    """Freshly initialised."""
    generator = LiveFacialDepth() if config.live else FacialDepth(config.skips, config.width)
    critic = FacialDepthCritic(config.width) if config.adversarial else nn.Identity()
    return Duel(generator, critic)


def loss(model: nn.Module, batch: run.Tensors, config: Config) -> run.Tensors:
    """Mean squared error where depth is known (`live_distance` of the live network); with a critic, both players'
    cross entropies."""
    grey, depth, known = batch["grey"], batch["depth"], batch["known"]
    made = model.generator(grey).float()
    if config.live:
        distance = live_distance(made, batch)
    else:
        distance = ((made - depth).square() * known).sum() / known.sum().clamp(min=1)
    if not config.adversarial:
        return {"loss": distance, "distance": distance}
    # holes must not tell a true map from a made one
    shown = torch.where(known, made, depth)

    def critic(map_: torch.Tensor) -> torch.Tensor:
        return model.critic(grey, map_ + config.critic_noise * torch.randn_like(map_))

    with held(model.critic):
        flattery = _cross_entropy(critic(shown), True)
    judged = _cross_entropy(critic(depth), True) + _cross_entropy(critic(shown.detach()), False)
    return {
        "loss": distance + config.adversarial * flattery + 0.5 * judged,
        "distance": distance,
        "flattery": flattery,
        "critic": judged,
    }


def live_distance(made: torch.Tensor, batch: run.Tensors) -> torch.Tensor:
    """What a display is judged by: mean absolute error of each face after its best common shift, for its distance is
    known otherwise; `SLOPES` times that of its depth's differences over `REACH` pixels, or noses stay flat; and
    `EVERYWHERE` times that of all that is known, background included, unshifted."""
    error, face, known = made - batch["depth"], batch["face"], batch["known"]
    count = face.sum(dim=(1, 2, 3), keepdim=True).clamp(min=1)
    shift = (error * face).sum(dim=(1, 2, 3), keepdim=True) / count
    shape = ((error - shift).abs() * face / count).sum() / len(made)
    for axis in (2, 3):
        length = error.shape[axis] - REACH
        (here, there), (one, other) = (
            (values.narrow(axis, 0, length), values.narrow(axis, REACH, length)) for values in (error, face)
        )
        shape = shape + SLOPES * ((there - here).abs() * (one & other) / count).sum() / len(made)
    return shape + EVERYWHERE * (error.abs() * known).sum() / known.sum().clamp(min=1)


def _cross_entropy(scores: torch.Tensor, true: bool) -> torch.Tensor:
    scores = scores.float()
    target = torch.ones_like(scores) if true else torch.zeros_like(scores)
    return functional.binary_cross_entropy_with_logits(scores, target)


def train(config: Config) -> None:
    """Train or export; see the module's text."""
    if config.export:
        generator = run.averaged(config.name, network(config), config.run.runs).generator
        # drawn noise: the weights go with reference answers, and pictures of people must not
        example = octaves(np.random.default_rng(0), SIDE).astype(np.float32)[None, None]
        folder = WEIGHTS if config.live else MEASURED
        export(generator, folder / f"{config.name}.onnx", {"grey": example}, ("depth",), half=not config.live)
        return
    run.prepare(config.run)
    frames = config.original.faces(test=False)
    if frames is not None:
        measured, share = Real(np.arange(len(frames)), frames.sample), 1.0
    else:
        measured, share = Real.of_rap3df(rap3df.read()), config.real
    drawn, noisy, photos = Drawn(config.stock), 0.5, []
    if config.live:  # what is displayed must hold for any photo; a sensor's faults teach it nothing
        noisy, photos = 0.0, fitted_photos(data.faces_300w(), IctSurface(data.ict_face()))
    batches = DepthBatches(drawn, measured, config.run.seed, config.batch_size, share, noisy, photos)
    duel, options = network(config), config.run
    if options.start is not None and not options.resume:  # an exported file holds the generator alone
        take_weights(duel.generator, options.start, config)
        options = replace(options, start=None)
    run.fit(config.name, duel, batches, lambda net, batch: loss(net, batch, config), options, optimisation(config))


def take_weights(generator: nn.Module, path: Path, config: Config) -> None:
    """The weights of an exported file, of the same network or a narrower one. A network with skips takes those of one
    without, as wide, and goes on as that: its weights on what the way down saw are 0 at first."""
    if not config.skips:
        widen(generator, stored_weights(path))
        return
    with torch.no_grad():
        state = generator.state_dict()  # shares its memory with the network
        for name, weights in load_weights(FacialDepth(width=config.width), path).state_dict().items():
            state[name].zero_()[tuple(map(slice, weights.shape))] = weights


def optimisation(config: Config) -> run.Optimisation:
    """Adam as such games are played; the live network, which has no opponent, has AdamW's longer memory."""
    if config.live:
        return run.Optimisation(learning_rate=config.learning_rate, weight_decay=0.0)
    if config.cosine:
        return run.Optimisation(learning_rate=config.learning_rate, weight_decay=0.0, betas=BETAS)
    return run.Optimisation(learning_rate=config.learning_rate, weight_decay=0.0, adam=BETAS)
