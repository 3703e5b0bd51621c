"""Trains DepthNet, keypoints only (Moniz et al. 2018, variant 2.3), on real and synthetic unpaired faces.

    python -m training depthnet [--minutes 12] [--resume]     train, export, measure
    python -m training depthnet --export                      export the last checkpoint
    python -m training depthnet --evaluate                    measure the exported network and its baselines

The paper's loss leaves the depth's scale and plane open. Here synthetic faces also have a true depth to meet, so that
the output is metric: it can be turned and drawn as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import Tensor, nn

import engines
from engines.networks.depthnet import DepthNet
from realtime.geometry.box import boxed, landmark_box
from realtime.geometry.topology import FLIP, LANDMARKS
from training import data, run
from training.depth_table import held_out_faces, tabulate
from training.export import export
from training.ict import IctFaces, ViewRanges, random_views, rotations, seen
from training.lstsq import residual

NAME = "depthnet"


@dataclass(frozen=True)
class Config:
    """Train DepthNet."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=12.0, threads=1)
    )
    width: int = 256
    layers: int = 2
    batch_size: int = 512
    """Synthetic faces of one step; as many real ones come on top."""
    self_share: float = 0.5
    """Share of the synthetic faces that are their own target, as the live loop asks."""
    metric: float = 1.0
    """Weight of the true depth where a synthetic face is its own target."""
    paired_metric: float = 0.1
    """Weight of the true depth where the target is another face: there the keypoint loss leads."""
    noise: float = 0.008
    """Largest standard deviation of the noise on keypoints, in box units."""
    learning_rate: float = 2e-3
    views: ViewRanges = field(default_factory=ViewRanges)
    export: bool = False
    """Only export the last checkpoint."""
    evaluate: bool = False
    """Only measure the exported network."""


class Batches:
    """Step number → pairs in box units: synthetic ones with their true depth first, then real ones without."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._faces = IctFaces(data.ict_face())
        self._real = boxed(real_training()).astype(np.float32)

    def __call__(self, step: int) -> run.Batch:
        config, count = self._config, self._config.batch_size
        rng = np.random.default_rng((config.run.seed, step))
        points, depth = self._synthetic(rng)
        sources = noisy(points, config.noise, rng)
        selfish = rng.random(count) < config.self_share
        targets = np.where(selfish[:, None, None], sources, np.roll(sources, 1, axis=0))
        real = noisy(self._varied(rng), config.noise / 2, rng)
        return {
            "source": np.concatenate([sources, real]),
            "target": np.concatenate([targets, np.roll(real, 1, axis=0)]),
            "depth": depth,
            "selfish": selfish,
        }

    def _synthetic(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """(B, 68, 2) keypoints and (B, 68) their depth with mean 0, in box units."""
        count = self._config.batch_size
        faces = self._faces
        shapes = faces.shapes(faces.random_identity(count, rng), faces.random_expression(count, rng))
        angles, nearness = random_views(count, self._config.views, rng)
        # people mark the contour; fitted 3D landmarks (and frontal faces) have the jaw line
        view = seen(shapes, angles, nearness, contour=rng.random(count) < 0.8)[:, :LANDMARKS]
        depth = view[..., 2] - view[..., 2].mean(axis=1, keepdims=True)
        return boxed(view), depth / landmark_box(view)[1][:, None]

    def _varied(self, rng: np.random.Generator) -> np.ndarray:
        """Random real faces, mirrored half the time and tilted a little."""
        points = self._real[rng.integers(len(self._real), size=self._config.batch_size)]
        mirrored = points[:, FLIP[:LANDMARKS]] * np.array([-1, 1], np.float32)
        points = np.where(rng.random((len(points), 1, 1)) < 0.5, mirrored, points)
        tilt = np.zeros((len(points), 3))
        tilt[:, 2] = rng.normal(0, 10, len(points))
        return boxed(points @ rotations(tilt)[:, :2, :2].transpose(0, 2, 1)).astype(np.float32)


def noisy(points: np.ndarray, largest: float, rng: np.random.Generator) -> np.ndarray:
    """Boxed keypoints as a landmark network would find them: off by up to `largest` (rms), boxed again."""
    size = rng.uniform(0, largest, (len(points), 1, 1))
    return boxed(points + size * rng.standard_normal(points.shape)).astype(np.float32)


def real_training() -> np.ndarray:
    """(N, 68, 2) real 2D landmarks to train on; held-out people and test sets are not among them."""
    sets = data.point_sets()
    faces = data.faces_ytf()  # the same photos as the sets' "ytf", but with names
    return np.concatenate([sets.points[sets.source != "ytf"], faces.points[faces.training(), :LANDMARKS]])


def loss(model: nn.Module, batch: run.Tensors, config: Config) -> run.Tensors:
    """The keypoint loss of all pairs with another face as target, and the true depth where it is known."""
    depth = model(batch["source"], batch["target"])
    truth, selfish = batch["depth"], batch["selfish"]
    pairs = torch.cat([~selfish, torch.ones(len(depth) - len(selfish), dtype=torch.bool)])
    keypoints = residual(batch["source"][pairs], depth[pairs], batch["target"][pairs]).mean() / (2 * LANDMARKS)
    error = (depth[: len(truth)] - truth).square().mean(dim=1)
    metric = masked_mean(error, selfish)
    paired = masked_mean(error, ~selfish)
    total = keypoints + config.metric * metric + config.paired_metric * paired
    return {"loss": 1e3 * total, "keypoints": 1e3 * keypoints, "metric": 1e3 * metric, "paired": 1e3 * paired}


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of (B,) `values` where `mask`; 0 where it is nowhere."""
    return (values * mask).sum() / mask.sum().clamp_min(1)


def train(config: Config) -> None:
    """Train, export and measure, or only a part of it."""
    if not config.evaluate:
        model: nn.Module = DepthNet(config.width, config.layers)
        if config.export:
            model = run.averaged(NAME, model, config.run.runs)
        else:
            options = run.Optimisation(learning_rate=config.learning_rate, weight_decay=1e-5)
            batches = Batches(config)
            model = run.fit(NAME, model, batches, lambda net, batch: loss(net, batch, config), config.run, options)
        write(model, engines.WEIGHTS / f"{NAME}.onnx")
    tabulate(NAME)


def write(model: nn.Module, path: Path) -> None:
    """Export with held-out faces, paired and as their own targets, as reference inputs."""
    faces = boxed(held_out_faces()[:16]).astype(np.float32)
    targets = np.concatenate([faces[:8], np.roll(faces[8:], 1, axis=0)])
    export(model, path, {"source": faces, "target": targets}, ("depth",))
