"""Trains the occlusion network on real faces with drawn things before them; exports and measures it.

python -m training occlusion --minutes 45       train, then write engines/weights/occlusion.onnx
python -m training occlusion --evaluate         the table of the model card

Two rounds, the second goes on with the weights of the first: see `training.occlusion_scenes`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import tyro
from torch import nn
from torch.nn import functional

import engines
from engines.networks.occlusion import SIZE, OcclusionNet
from training import run
from training.backgrounds import octaves
from training.export import export
from training.occlusion_scenes import DOUBT_SIDE, Batches, Material, material, plain_crops
from training.occlusion_table import table

NAME, FIRST = "occlusion", "occlusion_first"
FIRST_SHARE = 0.25  # of the time, for the network that says where real faces are covered
FIRST_TRUST = 0.3  # weight in that round of a real place that it takes for covered: it may be right
DOUBTS = "doubts.npz"


@dataclass(frozen=True)
class Config:
    """Train the occlusion network."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=45.0, threads=1, precision="auto")
    )
    learning_rate: float = 3e-3
    batch: int = 32
    """Faces of one step."""
    export: bool = False
    """Do not train: write engines/weights/occlusion.onnx from the last checkpoint."""
    evaluate: bool = False
    """Do not train: print the table of the model card for engines/weights/occlusion.onnx."""


def loss(model: OcclusionNet, batch: run.Tensors, trust: float = 1.0) -> run.Tensors:
    """Cross-entropy of every known pixel, edges and thin things more, and the Dice loss of the whole batch.

    Args:
        trust: weight of a pixel that is said to be free and that the network takes for covered.
    """
    mask, known = batch["mask"], batch["known"]
    logits = model.logits(batch["image"].float()).float()
    answer = torch.sigmoid(logits)
    weight = known * (1 + 4 * (mask - functional.avg_pool2d(mask, 7, 1, 3)).abs())
    if trust < 1:
        weight = torch.where((mask < 0.05) & (answer.detach() > 0.5), trust * weight, weight)
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, weight, reduction="sum") / weight.sum()
    dice = 1 - 2 * (known * answer * mask).sum() / (known * (answer + mask)).sum().clamp(min=1.0)
    return {"loss": entropy + 0.3 * dice, "entropy": entropy, "dice": dice}


def doubts(model: nn.Module, source: Material) -> np.ndarray:
    """(N, 64, 64) uint8, 255 times how surely the model sees something before each face of the material as it is.

    Mean of the answers to the picture and to its mirror image.
    """
    maps = []
    with torch.no_grad():
        for numbers in np.array_split(np.arange(len(source.rows)), -(-len(source.rows) // 64)):
            image = torch.from_numpy(plain_crops(source, numbers)).float()
            answer = (model(image) + model(image.flip(3)).flip(3)) / 2
            small = functional.avg_pool2d(answer, SIZE // DOUBT_SIDE)
            maps.append((255 * small[:, 0]).round().byte().numpy())
    return np.concatenate(maps)


def check_picture() -> np.ndarray:
    """(1, 3, S, S) float32: drawn noise, the input of the reference answers that go with the weights."""
    rng = np.random.default_rng(0)
    return np.stack([octaves(rng, SIZE) for _ in range(3)]).astype(np.float32)[None]


def deploy(model: nn.Module) -> None:
    """Writes engines/weights/occlusion.onnx and its reference answers."""
    export(model, engines.WEIGHTS / f"{NAME}.onnx", {"image": check_picture()}, ("covered",))


def with_doubts(sources: list[Material], path: Path) -> list[Material]:
    """The material with the first network's maps in `path`."""
    with np.load(path, allow_pickle=False) as maps:
        return [replace(source, doubt=maps[source.faces.name]) for source in sources]


def train(config: Config) -> None:
    """Trains in two rounds, then exports; or only one of what the options name."""
    if config.evaluate:
        for row in table():
            print(row, flush=True)
    elif config.export:
        deploy(run.averaged(NAME, OcclusionNet(), config.run.runs))
    else:
        deploy(_trained(config))


def _trained(config: Config) -> nn.Module:
    cv2.setNumThreads(1)
    sources = material()
    optimisation = run.Optimisation(learning_rate=config.learning_rate)
    path = config.run.runs / FIRST / DOUBTS
    if config.run.resume and path.is_file():
        model = run.averaged(FIRST, OcclusionNet(), config.run.runs)
    else:
        first = _round(config.run, FIRST, FIRST_SHARE)
        run.prepare(first)
        batches = Batches(sources, config.batch, config.run.seed)
        model = run.fit(FIRST, OcclusionNet(), batches, partial(loss, trust=FIRST_TRUST), first, optimisation)
        np.savez_compressed(path, **{source.faces.name: doubts(model, source) for source in sources})
    batches = Batches(with_doubts(sources, path), config.batch, config.run.seed + 1)
    model.requires_grad_(True)
    return run.fit(NAME, model, batches, loss, _round(config.run, NAME, 1 - FIRST_SHARE), optimisation)


def _round(options: run.RunOptions, name: str, share: float) -> run.RunOptions:
    """The options of a round that has a share of the whole time; it resumes where it had begun."""
    steps = None if options.steps is None else max(1, round(share * options.steps))
    resume = options.resume and run.has_checkpoint(options.runs / name)
    return replace(options, minutes=share * options.minutes, steps=steps, resume=resume)
