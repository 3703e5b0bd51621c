"""Trains the networks of the publication's Table 1 (Moniz et al. 2018): unpaired faces, the keypoint loss alone.

    python -m training depthnet_variants --case B --variant 2.3 --method ours --seed 0 [--resume]     one of them
    python -m training depthnet_variants --all [--resume]                                              all of them

Each takes a fixed number of steps, so that the numbers do not depend on how busy the machine is. With `--all --resume`
finished ones are kept and the others go on or begin. Then `python -m training tables` measures them.

* Variant 2.3 predicts depth; 2.1 depth and affine. 2.2 is 2.1's network, its affine solved when it is used.
* Case B sees keypoints, case A pictures, too. Pictures are fewer than keypoint sets: `--pictured` gives case B the
  faces of case A, which tells what pictures are worth apart from that.
* The published method is Nesterov's momentum 0.9 at a learning rate of 1e-3; ours is AdamW under a cosine, averaged.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Annotated, Literal

import numpy as np
import torch
import tyro
from torch import Tensor, nn

from engines.networks.depthnet import DepthNet
from engines.networks.depthnet_siamese import SiameseDepthNet
from realtime.geometry.box import boxed
from training import data, run
from training.augment import mirrored
from training.ict import IctFaces, ViewRanges
from training.lstsq import residual
from training.pairs import SIZE, Faces, box_crop, pictured
from training.recipes.depthnet import noisy, real_training, rendered, varied

NAME = "depthnet_variants"
Case = Literal["A", "B"]
Variant = Literal["2.1", "2.3"]
Method = Literal["published", "ours"]
VARIANTS: tuple[Variant, ...] = ("2.1", "2.3")
METHODS: tuple[Method, ...] = ("published", "ours")


@dataclass(frozen=True)
class Network:
    """Which network of the table."""

    case: Case = "B"
    variant: Variant = "2.3"
    method: Method = "published"
    pictured: bool = False
    """Train case B on the faces that have pictures, as case A is."""

    def run_name(self, seed: int) -> str:
        """Its run folder's."""
        return f"{NAME}/{self.case}-{self.variant}-{self.method}{'-pictured' * self.pictured}-{seed}"

    def module(self) -> nn.Module:
        """Freshly initialised."""
        affine = self.variant == "2.1"
        return SiameseDepthNet(affine) if self.case == "A" else DepthNet(affine=affine)

    def steps(self) -> int:
        """Of its training: about two minutes of a core for case B, eight for case A."""
        return 2000 if self.case == "A" else 6000

    def optimisation(self) -> run.Optimisation:
        """Of its method."""
        if self.method == "published":
            return run.Optimisation(learning_rate=1e-3, weight_decay=0.0, average=0.0, clip=1.0, nesterov=0.9)
        return run.Optimisation(learning_rate=2e-3, weight_decay=1e-5)


def of_the_table() -> Iterator[tuple[Network, int]]:
    """All networks of Table 1, each with its seeds."""
    for variant in VARIANTS:
        for method in METHODS:
            for seed in range(3):
                yield Network("B", variant, method), seed
        yield Network("B", variant, "ours", pictured=True), 0
        for method in METHODS:
            yield Network("A", variant, method), 0


@dataclass(frozen=True)
class Config:
    """Train one network of the publication's Table 1, or all."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(threads=1, precision="auto")
    )
    """`--minutes` is not used; `--steps` overrides each network's own; case B is always float32."""
    network: Annotated[Network, tyro.conf.arg(name="")] = field(default_factory=Network)
    all: bool = False
    """Train every network of the table, one after another, with their seeds."""
    keypoint_batch: int = 256
    """Case B: real faces of one step; as many rendered ones come on top."""
    picture_batch: int = 64
    """Case A: faces of one step. Each is the source of one pair and the target of another."""
    noise: float = 0.005
    """Largest standard deviation of the noise on keypoints, in box units."""
    views: ViewRanges = field(default_factory=ViewRanges)


class KeypointBatches:
    """Step number → `points` (N, 68, 2) in box units and `target` (N,), each one's partner in the same batch."""

    def __init__(self, config: Config, seed: int, real: Faces, model: IctFaces | None = None) -> None:
        """Take real faces and, unless None, add as many of a model's."""
        self._config, self._seed, self._real, self._model = config, seed, real, model

    def __call__(self, step: int) -> run.Batch:
        config = self._config
        rng = np.random.default_rng((self._seed, step))
        rows = rng.integers(len(self._real), size=config.keypoint_batch)
        points = varied(self._real.points[rows], rng)
        if self._model is not None:
            more, _ = rendered(self._model, config.keypoint_batch, config.views, rng)
            points = np.concatenate([points, more])
        return {"points": noisy(boxed(points), config.noise, rng), "target": partners(len(points))}


class PictureBatches:
    """Step number → `points` and `target` as in `KeypointBatches`, and `image` (N, 80, 80) float32 grey 0..1."""

    def __init__(self, config: Config, seed: int, real: Faces) -> None:
        self._config, self._seed, self._real = config, seed, real

    def __call__(self, step: int) -> run.Batch:
        config = self._config
        rng = np.random.default_rng((self._seed, step))
        rows = rng.integers(len(self._real), size=config.picture_batch)
        drawn = [varied_picture(self._real, row, config.noise, rng) for row in rows]
        points, images = (np.stack(column) for column in zip(*drawn, strict=True))
        return {"points": points, "target": partners(len(points)), "image": images}


def partners(count: int) -> np.ndarray:
    """(count,) which face of a batch is each one's target."""
    return np.roll(np.arange(count), 1)


def varied_picture(faces: Faces, row: int, noise: float, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One face as `varied` and `noisy` change it, (68, 2) in box units, and the box's picture (80, 80) in 0..1."""
    image, points = faces.images[row], SIZE * (faces.points[row] + 0.5) - 0.5
    if rng.random() < 0.5:
        image, points = mirrored(image, points)
    found = points + SIZE * rng.uniform(0, noise) * rng.standard_normal(points.shape)
    crop = box_crop(found, rng.normal(0, 10))
    return boxed(crop.into(found)).astype(np.float32), crop.cut(image).astype(np.float32) / 255


def loss(model: nn.Module, batch: run.Tensors) -> run.Tensors:
    """Equation 1, the sum of squared distances to the target, with the predicted affine or the least-squares one."""
    source, partner = batch["points"], batch["target"]
    target = source[partner]
    predicted = lifted(model, source, batch.get("image"), torch.arange(len(source), device=source.device), partner)
    if isinstance(predicted, tuple):
        depth, affine = (part.float() for part in predicted)
        squares = (moved(source, depth, affine) - target).square().sum(dim=(1, 2))
    else:
        squares = residual(source, predicted.float(), target)
    return {"loss": squares.mean()}


def lifted(
    model: nn.Module, points: Tensor, images: Tensor | None, source: Tensor, target: Tensor
) -> Tensor | tuple[Tensor, Tensor]:
    """What `model` says about P pairs of N faces; each picture is looked at once.

    Args:
        model: `DepthNet`, or `SiameseDepthNet` where there are images.
        points: (N, 68, 2) box units.
        images: (N, 80, 80) grey 0..1, or None.
        source, target: (P,) rows of the faces.
    """
    if images is None:
        return model(points[source], points[target])
    features = model.features(images)
    return model.lift(points[source], points[target], features[source], features[target])


def moved(source: Tensor, depth: Tensor, affine: Tensor) -> Tensor:
    """(B, 68, 2) where affines (B, 2, 4) carry points (B, 68, 2) of that depth (B, 68)."""
    return torch.cat([source, depth[..., None]], dim=-1) @ affine[..., :3].mT + affine[:, None, :, 3]


def train(config: Config) -> None:
    """Train one network, or all of them."""
    for network, seed in of_the_table() if config.all else [(config.network, config.run.seed)]:
        name = network.run_name(seed)
        options = dataclasses.replace(
            config.run,
            seed=seed,
            steps=config.run.steps or network.steps(),
            precision=config.run.precision if network.case == "A" else "float32",
            resume=config.run.resume and (not config.all or run.has_checkpoint(config.run.runs / name)),
        )
        run.prepare(options)
        run.fit(name, network.module(), batches(network, config, seed), loss, options, network.optimisation())


def batches(network: Network, config: Config, seed: int) -> Callable[[int], run.Batch]:
    """What a network is trained on."""
    if network.case == "A":
        return PictureBatches(config, seed, pictured_faces())
    if network.pictured:
        return KeypointBatches(config, seed, pictured_faces())
    return KeypointBatches(config, seed, real_faces(), IctFaces(data.ict_face()))


@cache
def real_faces() -> Faces:
    """Those of `real_training`."""
    points = boxed(real_training()).astype(np.float32)
    return Faces(points, np.full(len(points), ""))


@cache
def pictured_faces() -> Faces:
    """The faces to train on that have pictures: of faces_300w, faces_ytf and faces_muxspace."""
    parts = [
        pictured(faces, faces.training()) for faces in (data.faces_300w(), data.faces_ytf(), data.faces_muxspace())
    ]
    return Faces(*(np.concatenate([getattr(part, key) for part in parts]) for key in ("points", "identity", "images")))
