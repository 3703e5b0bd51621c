"""Trains the face detector on composed scenes; exports and measures it.

python -m training detector --minutes 60        train, then write engines/weights/detector.onnx
python -m training detector --evaluate          the table of the model card
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional

import engines
from engines.networks.detector import SIDE, STRIDES, DetectorNet
from training import run
from training.backgrounds import octaves
from training.detector_table import table
from training.export import export
from training.portraits import composer
from training.scenes import Composer

NAME = "detector"
SMALL_SIDE = 224  # pixels of the scenes of two steps out of three
MOST_FACES, MOST_IGNORED = 18, 20  # of one scene in a batch
# The sizes (root of the box's area, pixels) that each stride answers for; neighbours overlap.
RANGES = ((0.0, 36.0), (26.0, 88.0), (64.0, 1e9))
CENTRE = 0.25  # cells within this share of the box's extent around its middle answer for the face
CENTRE_CELLS = 1.5  # but none further from the middle than this many cells


@dataclass(frozen=True)
class Config:
    """Train the face detector."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=60.0, threads=1, precision="auto")
    )
    learning_rate: float = 2e-3
    batch: int = 16
    """Scenes of one step."""
    export: bool = False
    """Do not train: write engines/weights/detector.onnx from the last checkpoint."""
    evaluate: bool = False
    """Do not train: print the table of the model card for engines/weights/detector.onnx."""


class Batches:
    """Step number → scenes: image (B, 1, S, S) uint8, faces (B, 18, 8) and ignored (B, 20, 4), NaN padded.

    The deployed side and a smaller one take turns: the smaller scenes teach as much in half the time, the others what
    a face looks like that fills the picture.
    """

    def __init__(self, scenes: Composer, size: int, seed: int) -> None:
        self.scenes, self.size, self.seed = scenes, size, seed

    def __call__(self, step: int) -> run.Batch:
        side = SMALL_SIDE if step % 3 else SIDE
        scenes = [self.scenes.scene(self.seed, step, row, side=side) for row in range(self.size)]
        return {
            "image": np.stack([scene.image for scene in scenes])[:, None],
            "faces": np.stack([padded(scene.faces, MOST_FACES) for scene in scenes]),
            "ignored": np.stack([padded(scene.ignored, MOST_IGNORED) for scene in scenes]),
        }


def padded(rows: np.ndarray, count: int) -> np.ndarray:
    """(count, C) float32: the first rows of (N, C), then NaN."""
    table = np.full((count, rows.shape[1]), np.nan, np.float32)
    table[: min(len(rows), count)] = rows[:count]
    return table


def assign(faces: Tensor, ignored: Tensor, cells: Tensor) -> tuple[Tensor, Tensor]:
    """Which cell answers for which face: centre sampling as in FCOS (Tian et al. 2019, section 3.2).

    Args:
        faces: (B, M, 8) box x, y, w, h and eyes, NaN where there is none.
        ignored: (B, K, 4) boxes, NaN where there is none.
        cells: (N, 3) of `DetectorNet.cells`.

    Returns:
        index (B, N) int64 of the face, -1 for none (the smallest face wins a contested cell);
        known (B, N) bool, False where the loss must not ask for a score.
    """
    centre, stride = cells[None, None, :, :2], cells[None, None, :, 2]
    box = faces[:, :, None, :4]
    size = torch.sqrt(box[..., 2] * box[..., 3])
    away = (centre - box[..., :2] - 0.5 * box[..., 2:]).abs()
    reach = torch.minimum(CENTRE * box[..., 2:], CENTRE_CELLS * stride[..., None])
    reach = torch.maximum(reach, 0.5 * stride[..., None])  # the nearest cell always answers
    strides = torch.tensor(STRIDES, dtype=cells.dtype, device=cells.device)
    level = torch.bucketize(cells[:, 2].contiguous(), strides)
    low, high = torch.tensor(RANGES, device=cells.device)[level].T
    answers = (away <= reach).all(dim=-1) & (size >= low) & (size < high)
    smallest, index = torch.where(answers, size, torch.inf).min(dim=1)
    index = torch.where(torch.isfinite(smallest), index, -1)
    unknown = ignored[:, :, None]
    inside = (centre >= unknown[..., :2]) & (centre <= unknown[..., :2] + unknown[..., 2:])
    return index, (index >= 0) | ~inside.all(dim=-1).any(dim=1)


def giou(boxes: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) intersection over union, and generalised (Rezatofighi et al. 2019), of (P, 4) boxes x, y, w, h."""
    low, high = boxes[:, :2], boxes[:, :2] + boxes[:, 2:]
    true_low, true_high = truth[:, :2], truth[:, :2] + truth[:, 2:]
    common = (torch.minimum(high, true_high) - torch.maximum(low, true_low)).clamp(min=0).prod(dim=1)
    union = boxes[:, 2:].prod(dim=1) + truth[:, 2:].prod(dim=1) - common
    hull = (torch.maximum(high, true_high) - torch.minimum(low, true_low)).prod(dim=1)
    iou = common / union.clamp(min=1e-6)
    return iou, iou - (hull - union) / hull.clamp(min=1e-6)


def loss(model: nn.Module, batch: run.Tensors) -> run.Tensors:
    """Quality focal loss of the scores (target: the IoU reached), generalised IoU of the boxes, L1 of the eyes."""
    cells = DetectorNet.cells(*batch["image"].shape[-2:]).to(batch["image"].device)
    raw = model.raw(batch["image"].float()).float()
    boxes, _, eyes = DetectorNet.decode(raw, cells)
    index, known = assign(batch["faces"], batch["ignored"], cells)
    scene, cell = torch.nonzero(index >= 0, as_tuple=True)
    truth = batch["faces"][scene, index[scene, cell]]
    iou, generalised = giou(boxes[scene, cell], truth[:, :4])
    # each face counts the same however many cells answer for it, but for the square root
    face = scene * MOST_FACES + index[scene, cell]
    weight = torch.bincount(face, minlength=1)[face].float().rsqrt()
    total = weight.sum().clamp(min=1.0)
    quality = torch.zeros_like(raw[..., 0])
    quality[scene, cell] = iou.detach().clamp(min=0.1)
    logit = raw[..., 0]
    focal = functional.binary_cross_entropy_with_logits(logit, quality, reduction="none")
    focal = focal * (torch.sigmoid(logit) - quality).abs().square()
    share = torch.ones_like(logit)
    share[scene, cell] = weight
    size = torch.sqrt(truth[:, 2] * truth[:, 3])[:, None]
    score_loss = (focal * known * share).sum() / total
    box_loss = ((1 - generalised) * weight).sum() / total
    off = (eyes[scene, cell] - truth[:, 4:]) / size
    eye_loss = (off.abs().mean(dim=1) * weight).sum() / total
    # the tilt hides in small differences between the eyes, below the error of where the face is: it is asked for apart
    line_loss = ((off[:, 2:] - off[:, :2]).abs().mean(dim=1) * weight).sum() / total
    return {
        "loss": score_loss + 1.5 * box_loss + 2.0 * eye_loss + 8.0 * line_loss,
        "score": score_loss,
        "box": box_loss,
        "eyes": eye_loss,
        "eye_line": line_loss,
        "iou": (iou * weight).sum() / total,
    }


def check_picture() -> np.ndarray:
    """(1, 1, 320, 320) float32: drawn noise, the input of the reference answers that go with the weights."""
    return octaves(np.random.default_rng(0), SIDE).astype(np.float32)[None, None]


def deploy(model: nn.Module) -> None:
    """Writes engines/weights/detector.onnx and its reference answers."""
    outputs = ("boxes", "scores", "eyes")
    export(model, engines.WEIGHTS / f"{NAME}.onnx", {"image": check_picture()}, outputs, dynamic=False)


def train(config: Config) -> None:
    """Trains, then exports; or only one of what the options name."""
    if config.evaluate:
        for row in table():
            print(row, flush=True)
    elif config.export:
        deploy(run.averaged(NAME, DetectorNet(), config.run.runs))
    else:
        batches = Batches(composer(seed=config.run.seed), config.batch, config.run.seed)
        optimisation = run.Optimisation(learning_rate=config.learning_rate)
        deploy(run.fit(NAME, DetectorNet(), batches, loss, config.run, optimisation))
