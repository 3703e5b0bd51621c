"""Trains the occlusion network on real faces with drawn things before them; exports and measures it.

python -m training occlusion --minutes 45       train, then write engines/weights/occlusion.onnx
python -m training occlusion --evaluate         the table of the model card
python -m training occlusion --export --share 0.7    seven tenths of the run, three of what engines/weights has
python -m training occlusion --begun-by runs/hands/occlusion    begin as what a narrower network has learnt
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import nn
from torch.nn import functional

import engines
from engines.networks.occlusion import SIZE, OcclusionNet
from training import run
from training.backgrounds import octaves
from training.export import export, mixed
from training.occlusion_scenes import Batches, material
from training.occlusion_table import table

NAME = "occlusion"
SHEET_BATCH = 2**32 - 1  # its number: no training gets so far
TRUST = 0.2  # weight of a place where the network contradicts what is only believed


@dataclass(frozen=True)
class Config:
    """Train the occlusion network."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=45.0, threads=1, precision="auto")
    )
    learning_rate: float = 3e-3
    batch: int = 16
    """Faces of one step."""
    export: bool = False
    """Do not train: write engines/weights/occlusion.onnx from the last checkpoint."""
    share: float = 1.0
    """With --export: this share of the run's weights, the rest of another network's (Wortsman et al. 2022)."""
    other: Path = engines.WEIGHTS / f"{NAME}.onnx"
    """That other network, which the run began with."""
    begun_by: Annotated[Path | None, tyro.conf.arg(metavar="FOLDER")] = None
    """Begin with what a narrower network learnt in this run folder (`training.widening`), kept as start.onnx."""
    evaluate: bool = False
    """Do not train: print the table of the model card for engines/weights/occlusion.onnx."""


def loss(model: OcclusionNet, batch: run.Tensors) -> run.Tensors:
    """Weighted cross-entropy of the pixels, and the Dice loss of the whole batch.

    Where it is only believed what a real picture shows and the network says the contrary, it counts `TRUST`: the real
    glasses and hair that nobody labelled are outvoted by the drawn ones (after bootstrapping, Reed et al. 2015).
    """
    mask = batch["mask"]
    logits = model.logits(batch["image"].float()).float()
    answer = torch.sigmoid(logits)
    contradicted = batch["believed"] & ((answer.detach() > 0.5) != (mask > 0.5))
    weight = torch.where(contradicted, TRUST * batch["weight"], batch["weight"])
    entropy = functional.binary_cross_entropy_with_logits(logits, mask, weight, reduction="sum") / weight.sum()
    dice = 1 - 2 * (weight * answer * mask).sum() / (weight * (answer + mask)).sum().clamp(min=1.0)
    return {"loss": entropy + 0.3 * dice, "entropy": entropy, "dice": dice}


def check_picture() -> np.ndarray:
    """(1, 3, S, S) float32: drawn noise, the input of the reference answers that go with the weights."""
    rng = np.random.default_rng(0)
    return np.stack([octaves(rng, SIZE) for _ in range(3)]).astype(np.float32)[None]


def deploy(model: nn.Module, path: Path) -> None:
    """Writes the network, say to engines/weights/occlusion.onnx, and its reference answers."""
    export(model, path, {"image": check_picture()}, ("covered",), bfloat16=True)


def sheet(model: nn.Module, batch: run.Batch) -> np.ndarray:
    """(H, W, 3) uint8: faces of a batch, what covers them, and what the network takes for covered."""
    with torch.no_grad():
        answer = model(torch.from_numpy(batch["image"]).float()).numpy()
    masks = [np.repeat(255 * part, 3, axis=1) for part in (batch["mask"], answer)]
    columns = [part.transpose(0, 2, 3, 1) for part in (batch["image"], *masks)]
    return np.round(np.concatenate([np.concatenate(part) for part in columns], axis=1)).astype(np.uint8)


def train(config: Config) -> None:
    """Trains, then exports; or only one of what the options name."""
    if config.evaluate:
        for row in table():
            print(row, flush=True)
    elif config.export:
        trained = run.averaged(NAME, OcclusionNet(), config.run.runs)
        deploy(mixed(trained, config.other, config.share), engines.WEIGHTS / f"{NAME}.onnx")
    else:
        sources, cut_outs = material()
        batches = Batches(sources, config.batch, config.run.seed, cut_outs)
        optimisation = run.Optimisation(learning_rate=config.learning_rate)
        picture = partial(sheet, batch=batches(SHEET_BATCH))
        run.prepare(config.run)
        model = OcclusionNet()
        if config.begun_by and not config.run.resume:
            run.begun(model, config.begun_by.absolute(), config.run.runs)
            deploy(model.eval(), config.run.runs / NAME / "start.onnx")
        trained = run.fit(NAME, model, batches, loss, config.run, optimisation, picture)
        deploy(trained, engines.WEIGHTS / f"{NAME}.onnx")
