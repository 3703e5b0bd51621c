"""The Recombinator Network as published (68 points of an 80-pixel crop), trained with the published recipe or ours.

* `python -m training rcn [--minutes 240] [--resume]` trains and measures; on a GPU, for real: an epoch of the
  publication's 3148 faces costs 36 TFLOP, and it had 200 to 4000 of them,
* `--evaluate` measures the last checkpoint, and the joint model where `rcn_denoising` has one too, beside the live net,
* `--data DIR` trains and measures on the original 300W folders (`training.readers.w300`), as published.

Its weights are not shipped: they stay in the run folder.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import cv2
import numpy as np
import tyro
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.rcn import KEYPOINTS, RCN, SIZE, Contrast, pixel_numbers
from realtime.geometry.topology import LANDMARKS
from training import data, run
from training.augment import mirrored
from training.rcn_crops import blocked, face_square, inside, jittered_square
from training.rcn_table import report
from training.readers import w300

NAME = "rcn"
# photos are kept as squares of this many pixels, so many times the points' extent, as published
KEPT_SIZE, KEPT_BOX = 160, 1.7
Recipe = Literal["published", "ours"]


@dataclass(frozen=True)
class Config:
    """Train the published Recombinator Network."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=240.0, precision="auto")
    )
    data: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Folder of the original 300W sets; without it, the data folder's faces_300w."""
    recipe: Recipe = "published"
    """"published": AdaDelta (rho 0.95, eps 1e-8), no mirror images. "ours": AdamW under a cosine, and mirror images."""
    batch_size: int = 64
    rotation: float = 20.0
    """Largest turn of the jitter, degrees; the publication's runs had 10 to 40."""
    contrast: Contrast = "local"
    learned_upsampling: bool = False
    """As the authors' released weights have it, together with `maxima_only`."""
    maxima_only: bool = False
    l2_encoder: float = 1e-12
    """Weight of the encoder's sum of squares; 1e-10 for the released weights."""
    l2_branches: float = 1e-8
    learning_rate: float = 1e-3
    """Of our recipe."""
    evaluate: bool = False
    """Only measure the last checkpoint."""

    def network(self) -> RCN:
        """Freshly initialised."""
        return RCN(64, self.contrast, self.learned_upsampling, self.maxima_only)

    def optimisation(self) -> run.Optimisation:
        """As the recipe says; L2 terms are part of the loss."""
        return optimisation(self.recipe, self.learning_rate)

    def faces(self) -> data.FaceSet:
        """What to train on."""
        return w300.training(self.data) if self.data else data.faces_300w()


def optimisation(recipe: Recipe, learning_rate: float) -> run.Optimisation:
    """AdaDelta as published, keeping the last weights, or AdamW at `learning_rate` with a weight average."""
    if recipe == "published":
        return run.Optimisation(learning_rate=1.0, adadelta=0.95, weight_decay=0.0, average=0.0, clip=None)
    return run.Optimisation(learning_rate=learning_rate, weight_decay=0.0, average=0.99)


class Samples:
    """Step number → image (B, 1, 80, 80) uint8, points (B, 68, 2) float32, known (B, 68) float32, 0 = masked."""

    def __init__(self, config: Config, faces: data.FaceSet) -> None:
        self._config, self._faces = config, faces
        self._rows = faces.training()
        # cut once, in the process that uses them
        self._squares: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}

    def __call__(self, number: int) -> run.Batch:
        rng = np.random.default_rng([self._config.run.seed, number])
        drawn = [self._face(int(row), rng) for row in rng.choice(self._rows, self._config.batch_size)]
        image, points, known = (np.stack(column) for column in zip(*drawn, strict=True))
        return {"image": image[:, None], "points": points, "known": known}

    def _face(self, row: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if row not in self._squares:
            self._squares[row] = kept(self._faces.grey(row), self._faces.points[row, :LANDMARKS])
        square, points, known = self._squares[row]
        if self._config.recipe == "ours" and rng.random() < 0.5:
            square, moved = mirrored(square, np.column_stack([points, known]))
            points, known = moved[:, :2], moved[:, 2]
        crop = jittered_square(points, self._config.rotation, rng)
        points = crop.into(points)
        image = blocked(crop.cut(square, cv2.BORDER_CONSTANT), rng)
        return image, points.astype(np.float32), (known * inside(points, SIZE, SIZE)).astype(np.float32)


def kept(picture: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photo (H, W) and its points (68, 2) as the square around the face, and which points lie in the photo at all."""
    square = face_square(points, KEPT_BOX, KEPT_SIZE)
    known = inside(points, picture.shape[1], picture.shape[0])
    return square.cut(picture, cv2.BORDER_CONSTANT), square.into(points), known.astype(np.float32)


def pixel_loss(heat: Tensor, points: Tensor, known: Tensor) -> Tensor:
    """68 times the mean negative log-likelihood of the points' pixels, each under its map's softmax over 6400 pixels.

    Args:
        heat: (B, 68, 80, 80) logits.
        points: (B, 68, 2) crop pixels.
        known: (B, 68), 1 for points to count and 0 for masked ones. All masked gives 0.
    """
    surprise = functional.cross_entropy(
        heat.float().flatten(2).flatten(0, 1), pixel_numbers(points).flatten(), reduction="none"
    )
    return KEYPOINTS * (surprise * known.flatten()).sum() / known.sum().clamp(min=1)


def squares(module: nn.Module) -> Tensor:
    """Sum of squares of the weights of all convolutions in `module`, without biases."""
    return sum(layer.weight.square().sum() for layer in module.modules() if isinstance(layer, nn.Conv2d))


def loss(config: Config, model: nn.Module, batch: run.Tensors) -> run.Tensors:
    """`pixel_loss` and the L2 terms of encoder and branches (learned upsampling has none)."""
    likelihood = pixel_loss(model(batch["image"]), batch["points"], batch["known"])
    weights = config.l2_encoder * squares(model.encoder) + config.l2_branches * squares(model.branches)
    return {"loss": likelihood + weights, "per_point": likelihood.detach() / KEYPOINTS}


def train(config: Config) -> None:
    """Runs what the options ask for; see the module's text."""
    run.prepare(config.run)
    if config.evaluate:
        model = run.averaged(NAME, config.network(), config.run.runs)
    else:
        samples = Samples(config, config.faces())
        model = run.fit(NAME, config.network(), samples, partial(loss, config), config.run, config.optimisation())
    report(model, config.run, config.data)
