"""Trains DepthNet, keypoints only (Moniz et al. 2018, variant 2.3), on real and synthetic unpaired faces.

    python -m training depthnet [--minutes 23] [--resume]     train, export, measure
    python -m training depthnet --export                      export the last checkpoint
    python -m training depthnet --evaluate                    measure the exported network and its baselines

The paper's loss leaves the depth's scale and plane open. Here synthetic faces also have a true depth to meet, and real
ones that of a fitted morphable model, so that the output is metric: it can be turned and drawn as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import nn

import engines
from engines.networks.depthnet import DepthNet
from realtime.geometry.box import boxed, landmark_box
from realtime.geometry.topology import FLIP, LANDMARKS
from training import data, run
from training.depth_table import ict_truth, tabulate
from training.export import export
from training.ict import IctFaces, ViewRanges, random_views, rotations, seen
from training.ict_fit import IctFit
from training.lstsq import metric_errors, residual
from training.marks import marks

NAME = "depthnet"


@dataclass(frozen=True)
class Config:
    """Train DepthNet."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=23.0, threads=1)
    )
    width: int = 512
    """Of the hidden layers; the paper has 256."""
    layers: int = 2
    batch_size: int = 256
    """Synthetic faces of one step; as many real ones come on top."""
    keypoints: float = 4.0
    """Weight of the keypoint loss against the depth's."""
    self_share: float = 0.35
    """Share of the faces that are their own target, as the live loop asks; the others get another face, unpaired."""
    paired_shape: float = 0.03
    """Weight of the depth's shape where the target is another face: there the keypoint loss leads."""
    fit_trust: float = 0.5
    """Weight of a real face's fitted depth; a synthetic face's true depth has 1."""
    noise: float = 0.01
    """Largest standard deviation of the noise on synthetic keypoints, in box units; real ones get half of it."""
    learning_rate: float = 2e-3
    views: ViewRanges = field(default_factory=ViewRanges)
    export: bool = False
    """Only export the last checkpoint."""
    evaluate: bool = False
    """Only measure the exported network."""


class Batches:
    """Step number → faces in box units with a target and a depth each; synthetic ones first, then as many real ones."""

    def __init__(self, config: Config, landmarks: np.ndarray) -> None:
        """Fit depths to the real faces' landmarks (N, 68, 2), in pixels."""
        self._config = config
        self._faces = IctFaces(data.ict_face(), marks())
        real = boxed(landmarks)
        self._real = np.concatenate([real, IctFit(self._faces).depth(real)[..., None]], axis=-1).astype(np.float32)

    def __call__(self, step: int) -> run.Batch:
        config, count = self._config, self._config.batch_size
        rng = np.random.default_rng((config.run.seed, step))
        synthetic = rendered(self._faces, count, config.views, rng)
        real = in_box(varied(self._real[rng.integers(len(self._real), size=count)], rng))
        kinds = (synthetic, config.noise, 1.0), (real, config.noise / 2, config.fit_trust)
        parts: list[run.Batch] = []
        for (points, depth), noise, trust in kinds:
            source = noisy(points, noise, rng)
            alone = rng.random(count) < config.self_share
            target = np.where(alone[:, None, None], source, np.roll(source, 1, axis=0))
            weight = np.full(count, trust, np.float32)
            parts.append({"source": source, "target": target, "depth": depth, "alone": alone, "trust": weight})
        return {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}


def rendered(
    faces: IctFaces, count: int, views: ViewRanges, rng: np.random.Generator, jaw_line: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints (count, 68, 2) of random faces and their true depth (count, 68), in box units.

    People mark the contour, as four in five of these faces have it; fitted 3D landmarks are on the jaw line, as all are
    if `jaw_line` says so.
    """
    shapes = faces.shapes(faces.random_identity(count, rng), faces.random_expression(count, rng))
    angles, nearness = random_views(count, views, rng)
    contour = np.zeros(count, bool) if jaw_line else rng.random(count) < 0.8
    return in_box(seen(shapes, angles, nearness, contour=contour)[:, :LANDMARKS])


def varied(points: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(B, 68, 2 or 3) faces in box units: mirrored half the time, tilted a little (no longer in their box)."""
    axes = points.shape[2]
    mirrored = points[:, FLIP[:LANDMARKS]] * np.array([-1, 1, 1], np.float32)[:axes]
    points = np.where(rng.random((len(points), 1, 1)) < 0.5, mirrored, points)
    tilt = np.zeros((len(points), 3))
    tilt[:, 2] = rng.normal(0, 10, len(points))
    return np.asarray(points @ rotations(tilt)[:, :axes, :axes].transpose(0, 2, 1))


def in_box(points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(B, 68, 3) points of any size and place → (B, 68, 2) and depth (B, 68) float32 with mean 0, in box units."""
    depth = points[..., 2] - points[..., 2].mean(axis=1, keepdims=True)
    return boxed(points), (depth / landmark_box(points)[1][:, None]).astype(np.float32)


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
    """The keypoint loss of all pairs with another face as target, and the depth.

    In a pair, what the keypoint loss cannot see of the depth is held to the truth as firmly as in a face alone.
    """
    source, target, alone = batch["source"], batch["target"], batch["alone"]
    depth = model(source, target)
    keypoints = residual(source[~alone], depth[~alone], target[~alone]).mean() / (2 * LANDMARKS)
    gauge, shape = metric_errors(source, depth, batch["depth"])
    firmness = torch.where(alone, 1.0, config.paired_shape)
    metric = (batch["trust"] * (gauge + firmness * shape)).mean()
    scalars = {
        "loss": config.keypoints * keypoints + metric,
        "keypoints": keypoints,
        "gauge": gauge.mean(),
        "shape": shape[alone].mean(),
    }
    return {key: 1e3 * value for key, value in scalars.items()}


def train(config: Config) -> None:
    """Train, export and measure, or only a part of it."""
    if not config.evaluate:
        model: nn.Module = DepthNet(config.width, config.layers)
        if config.export:
            model = run.averaged(NAME, model, config.run.runs)
        else:
            options = run.Optimisation(learning_rate=config.learning_rate, weight_decay=1e-5)
            batches = Batches(config, real_training())
            model = run.fit(NAME, model, batches, lambda net, batch: loss(net, batch, config), config.run, options)
        write(model, engines.WEIGHTS / f"{NAME}.onnx")
    tabulate(NAME)


def write(model: nn.Module, path: Path) -> None:
    """Export with synthetic faces, half of them their own targets, as reference inputs."""
    faces = ict_truth(1.0).points[:16]
    targets = np.concatenate([faces[:8], np.roll(faces[8:], 1, axis=0)])
    export(model, path, {"source": faces, "target": targets}, ("depth",))
