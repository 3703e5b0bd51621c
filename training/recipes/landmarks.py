"""The live landmark network: 81 points of a 112-pixel grey crop, trained on hand-made and pseudo-labels.

* `python -m training landmarks [--minutes 90] [--resume] [--teacher ONNX] [--stock DIR]` trains, exports and measures,
* `--scores --start engines/weights/landmarks.onnx --minutes 4` trains its two scores again, against the labels alone,
* `--export` exports the last checkpoint and measures it,
* `--evaluate` measures the exported network and its peer.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Self

import cv2
import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional

import engines
from engines.networks.recombinator import GRID, SIZE, STRIDE, Recombinator
from realtime.analysis.landmarks import LandmarkNet
from realtime.geometry.topology import EYES, HAIRLINE, JAW, KEYPOINTS, LANDMARKS, LIPS, eye_distance
from training import data
from training.augment import degraded, jittered_crop, mirrored, misplaced_crop, occluded
from training.export import export
from training.landmark_errors import confidence_target, report
from training.lean import LEAN, leaning
from training.marks import marks
from training.opinions import SecondOpinions
from training.profiles import Turner
from training.run import Batch, Optimisation, RunOptions, Tensors, averaged, fit, prepare
from training.synthetic.stock import Stock
from training.unmarked_faces import faces_rap3df, faces_rendered

HEAT_SIGMA = 3.4  # crop pixels, of the Gaussian the heat-maps are trained towards
UNSPOILT = 0.35  # share of the faces that stay as the photographer took them
# Share of faces among the crops the face score is to be right on: a training batch has many more (1 - `negatives`),
# which would let one thing in thirty pass for a face.
FACES = 0.25
OUTSIDE = 2.0  # points further outside the crop than this many pixels are not asked for


@dataclass(frozen=True)
class Config:
    """Train the live landmark network."""

    run: Annotated[RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: RunOptions(minutes=90.0, precision="auto")
    )
    batch_size: int = 64
    negatives: float = 0.12
    """Share of each batch that shows no face, or one badly out of place."""
    scores: bool = False
    """Train the confidence and the face score alone. Second opinions are so near to what the network sees that it grows
    too sure, learning from them."""
    export: bool = False
    """Only export the last checkpoint."""
    evaluate: bool = False
    """Only measure the exported network on the held-out people."""
    learning_rate: float = 3e-3
    average: float = 0.999
    """Share of the weights' running average kept at each step: less for a short run."""
    teacher: Annotated[Path | None, tyro.conf.arg(metavar="ONNX")] = None
    """Move the labels towards what this exported landmark network and others see; asked once, some minutes. With it
    RAP3DF's faces are learned from, too, in colour and infrared."""
    stock: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Rendered faces drawn before (`python -m training synthetic --stock 12000`), mixed in."""


@dataclass(frozen=True)
class Share:
    """How often a set is drawn, and how far its labels are trusted."""

    faces: data.FaceSet
    chance: float
    trust: float
    jaw_trust: float
    turner: Turner | None = None

    def look(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """(H, W) uint8 and (81, 2) float32: a picture and its keypoints, the head turned where a turner is given."""
        if self.turner and (head := self.turner(index, np.random.default_rng(index))):
            return cv2.cvtColor(head[0], cv2.COLOR_RGB2GRAY), head[1]
        return self.faces.grey(index), self.faces.points[index]


def shares(config: Config) -> list[Share]:
    """What is drawn from. All labels lean to neither side: mirrored pictures would lean the other way."""
    hand, coarse, press, clips = (
        leaning(faces) for faces in (data.faces_300w(), data.faces_ytf(), data.faces_muxspace(), data.faces_video())
    )
    more: list[Share] = []
    if config.teacher:
        second = SecondOpinions(config.teacher, config.run.runs / "landmarks")
        hand, coarse, press, clips = (second.blended(faces) for faces in (hand, coarse, press, clips))
        more.append(Share(faces_rap3df(second.mesh_map), 0.03, 0.5, 0.3))
    if config.stock:
        more.append(Share(faces_rendered(Stock.open(config.stock), marks()), 0.10, 0.8, 0.4))
    return [
        Share(hand, 0.42, 1.0, 1.0),
        Share(hand, 0.07, 0.8, 0.4, Turner(hand)),
        Share(coarse, 0.08, *((0.8, 0.6) if config.teacher else (0.6, 0.3))),
        Share(press, 0.45, 0.8, 0.6),
        Share(clips, 0.06, 0.8, 0.6),
        *more,
    ]


def point_weights() -> np.ndarray:
    """(81,) float32: lids and lips move most and are looked at most; the hairline is a model's guess."""
    weights = np.ones(KEYPOINTS, np.float32)
    weights[EYES] = 1.5
    weights[LIPS] = 1.25
    weights[HAIRLINE] = 0.5
    return weights


class Samples:
    """Batches of crops: image (B, 1, 112, 112), points (B, 81, 2), weights (B, 81) with 0 = no label, face (B,)."""

    def __init__(self, config: Config) -> None:
        self._config = config
        self._shares = shares(config)
        self._rows = [share.faces.training() for share in self._shares]
        chances = np.array([share.chance for share in self._shares])
        self._chances = chances / chances.sum()
        self._weights = point_weights()
        # decoded once, in the process that uses them
        self._pictures: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}
        self._backgrounds = data.Backgrounds([data.faces_ytf(), data.faces_video()])

    def __call__(self, number: int) -> Batch:
        rng = np.random.default_rng([self._config.run.seed, number])
        drawn = [self._negative(rng) if n else self._face(rng) for n in self._which(rng)]
        image, points, weights, face = (np.stack(column) for column in zip(*drawn, strict=True))
        return {"image": image[:, None], "points": points, "weights": weights, "face": face}

    def _which(self, rng: np.random.Generator) -> np.ndarray:
        return rng.random(self._config.batch_size) < self._config.negatives

    def _draw(self, rng: np.random.Generator) -> tuple[Share, np.ndarray, np.ndarray]:
        which = int(rng.choice(len(self._shares), p=self._chances))
        index = int(rng.choice(self._rows[which]))
        if (which, index) not in self._pictures:
            self._pictures[which, index] = self._shares[which].look(index)
        return self._shares[which], *self._pictures[which, index]

    def _face(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.float32]:
        share, picture, points = self._draw(rng)
        crop = jittered_crop(points, SIZE, rng)
        image, points = crop.cut(picture), crop.into(points)
        if rng.random() < 0.5:
            image, points = mirrored(image, points)
        points[:LANDMARKS, 0] += LEAN["helen"] * eye_distance(points)
        if rng.random() < 0.2:
            image = occluded(image, rng, self._backgrounds.sample(rng, SIZE))
        weights = self._weights * share.trust
        weights[JAW] *= share.jaw_trust / share.trust
        outside = np.maximum(-points, points - (SIZE - 1)).max(axis=1)
        weights[~(outside <= OUTSIDE)] = 0  # NaN, too
        points = np.nan_to_num(points).astype(np.float32)
        image = image if rng.random() < UNSPOILT else degraded(image, rng)
        return image, points, weights, np.float32(1)

    def _negative(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.float32]:
        kind = rng.random()
        if kind < 0.5:
            image = self._backgrounds.sample(rng, SIZE)
        elif kind < 0.55:
            image = np.full((SIZE, SIZE), rng.integers(0, 256), np.uint8)
        else:
            _, picture, points = self._draw(rng)
            image = misplaced_crop(points, SIZE, rng).cut(picture)
        nothing = np.zeros((KEYPOINTS, 2), np.float32)
        return degraded(image, rng), nothing, np.zeros(KEYPOINTS, np.float32), np.float32(0)


def loss(model: nn.Module, batch: Tensors) -> Tensors:
    """Heat-map cross-entropy, point distance, and the two scores' own errors.

    0.5 · cross-entropy to a Gaussian + 0.35 · distance in pixels, per labelled point; the confidence learns the error
    just made (its gradient stops there), the face score what kind of crop it was.
    """
    heat, features = (maps.float() for maps in model.heat_maps(batch["image"].float()))
    points, confidence, face = model.read(heat, features)
    weights, truth = batch["weights"], batch["points"]
    total = weights.sum().clamp(min=1)
    entropy = -(gaussian_maps(truth) * functional.log_softmax(heat.flatten(2), dim=2)).sum(dim=2)
    distance = (points - truth).norm(dim=2)
    fair = confidence_target(distance.detach())
    known = (weights > 0).float()
    absent = (1 - batch["face"])[:, None].expand_as(known) * 0.3
    doubt = functional.binary_cross_entropy_with_logits(confidence, fair * known, weight=known + absent)
    face_loss = functional.binary_cross_entropy_with_logits(face, batch["face"])
    entropy, distance = (entropy * weights).sum() / total, (distance * weights).sum() / total
    return {
        "loss": 0.5 * entropy + 0.35 * distance + 0.5 * doubt + 0.5 * face_loss,
        "entropy": entropy,
        "distance_px": distance,
        "doubt": doubt,
        "face": face_loss,
    }


def gaussian_maps(points: Tensor) -> Tensor:
    """(B, K, 784) Gaussians of HEAT_SIGMA around (B, K, 2) crop pixels, each summing to 1 over the grid."""
    centres = STRIDE * torch.arange(GRID, device=points.device) + (STRIDE - 1) / 2
    logits = -((points[..., None] - centres) ** 2) / (2 * HEAT_SIGMA**2)
    chances = functional.softmax(logits, dim=3)
    return (chances[:, :, 1, :, None] * chances[:, :, 0, None, :]).flatten(2)


class Judge(Recombinator):
    """The network with its eyes held still: confidence and face score alone learn."""

    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(False)
        for part in (self.doubt, self.face):
            part.requires_grad_(True)
        self.focus.requires_grad_(True)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        for layer in self.modules():
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self


def expect_faces(model: Recombinator, config: Config) -> None:
    """Moves the face score's bias from the share of faces in a batch to `FACES` (Bayes' rule)."""
    trained, wanted = (float(np.log(share / (1 - share))) for share in (1 - config.negatives, FACES))
    with torch.no_grad():
        model.face.bias += wanted - trained


def sketches(count: int) -> np.ndarray:
    """(count, 1, 112, 112) float32 drawn faces: the pictures of the stored reference answers."""
    rng = np.random.default_rng(11)
    images = []
    for _ in range(count):
        image = np.full((SIZE, SIZE), rng.integers(20, 120), np.uint8)
        x, y = 55.5 + rng.normal(0, 3, 2)
        skin = int(rng.integers(130, 230))
        cv2.ellipse(
            image, ((x, y), (rng.uniform(58, 70), rng.uniform(78, 92)), rng.normal(0, 6)), skin, -1, cv2.LINE_AA
        )
        for side in (-1, 1):
            eye = (x + 15 * side, y - 8)
            cv2.ellipse(image, (eye, (14, 7), 0), min(255, skin + 25), -1, cv2.LINE_AA)
            cv2.ellipse(image, (eye, (6, 6), 0), 20, -1, cv2.LINE_AA)
            cv2.ellipse(image, ((eye[0], eye[1] - 9), (18, 4), 0), skin // 3, -1, cv2.LINE_AA)
        cv2.ellipse(image, ((x, y + 8), (10, 16), 0), skin - 30, 1, cv2.LINE_AA)
        cv2.ellipse(image, ((x, y + 26), (24, rng.uniform(4, 12)), 0), skin // 2, -1, cv2.LINE_AA)
        images.append(degraded(image, rng))
    return np.stack(images)[:, None].astype(np.float32)


def train(config: Config) -> None:
    """Runs what the options ask for; see the module's text."""
    if not config.evaluate:
        name, network = ("landmarks_scores", Judge) if config.scores else ("landmarks", Recombinator)
        if config.export:
            model = averaged(name, network(), config.run.runs)
        else:
            prepare(config.run)
            optimisation = Optimisation(learning_rate=config.learning_rate, average=config.average)
            model = fit(name, network(), Samples(config), loss, config.run, optimisation)
        expect_faces(model, config)
        outputs = ("points", "confidence", "face")
        export(model, engines.WEIGHTS / "landmarks.onnx", {"image": sketches(4)}, outputs, bfloat16=True)
    report(LandmarkNet(engines.load("landmarks", threads=config.run.threads)))
