"""Trains the network that tells whether a face's eyes can be seen; exports it.

python -m training eyes_seen --minutes 15       train, then write engines/weights/eyes_seen.onnx
... --export                                    the run's averaged weights, without training
... --start FIRST.onnx --share 0.5              train on from these; half of what was learned since, half as it was
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import nn
from torch.nn import functional

import engines
from engines.networks.eyes_seen import SIZE, EyesSeen
from training import run
from training.backgrounds import octaves
from training.export import export, mixed
from training.eyes_scenes import Batches, material

NAME = "eyes_seen"
SHEET_BATCH = 2**32 - 1  # its number: no training gets so far


@dataclass(frozen=True)
class Config:
    """Train the network that tells whether eyes can be seen."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=15.0, threads=1, precision="auto")
    )
    learning_rate: float = 4e-3
    batch: int = 64
    """Pictures of one step."""
    share: float = 1.0
    """With --start: this share of the run's weights, the rest of those it began with."""
    export: bool = False
    """Do not train: write engines/weights/eyes_seen.onnx from the last checkpoint."""


def loss(model: EyesSeen, batch: run.Tensors) -> run.Tensors:
    """Cross-entropy, and the share that is told right."""
    logits = model.logits(batch["image"].float()).float()
    entropy = functional.binary_cross_entropy_with_logits(logits, batch["seen"])
    return {"loss": entropy, "right": ((logits > 0) == (batch["seen"] > 0.5)).float().mean()}


def check_picture() -> np.ndarray:
    """(1, 1, S, S) float32: drawn noise, the input of the reference answers that go with the weights."""
    return octaves(np.random.default_rng(0), SIZE).astype(np.float32)[None, None]


def deploy(model: nn.Module) -> None:
    """Writes engines/weights/eyes_seen.onnx and its reference answers."""
    export(model, engines.WEIGHTS / f"{NAME}.onnx", {"image": check_picture()}, ("seen",))


def sheet(model: nn.Module, batch: run.Batch) -> np.ndarray:
    """(H, W, 3) uint8: pictures of a batch, each above a bar as long as the network is sure that the eyes are seen."""
    with torch.no_grad():
        answer = model(torch.from_numpy(batch["image"]).float()).numpy()[:, 0, 0, 0]
    bars = 255 * (np.arange(SIZE) < SIZE * answer[:, None]).astype(np.uint8)
    tiles = np.concatenate([batch["image"][:, 0], np.repeat(bars[:, None], 4, axis=1)], axis=1)
    rows = [np.concatenate(list(row), axis=1) for row in np.array_split(tiles, len(tiles) // 16)]
    return np.repeat(np.concatenate(rows)[..., None], 3, axis=2)


def train(config: Config) -> None:
    """Trains, then exports; or exports alone."""
    trained = run.averaged(NAME, EyesSeen(), config.run.runs) if config.export else _trained(config)
    deploy(trained if config.run.start is None else mixed(trained, config.run.start, config.share))


def _trained(config: Config) -> nn.Module:
    batches = Batches(material(), config.batch, config.run.seed)
    picture = partial(sheet, batch=batches(SHEET_BATCH))
    optimisation = run.Optimisation(learning_rate=config.learning_rate)
    return run.fit(NAME, EyesSeen(), batches, loss, config.run, optimisation, picture)
