"""Trains facial normals (Abrevaya et al. 2020): the full cross-modal network, then a live one that learns from it.

    python -m training facial_normals --stock runs/stock_160                     pairs, lone pictures, lone normal maps
    python -m training facial_normals --width 0.25 --again 0 --lone 0 --chord [...]
                                                                                 the one way that is deployed, narrow:
                                                                                 a quick start
    python -m training facial_normals --begun-by RUN [...]                       the full one from there
    python -m training facial_normals --live --batch-size 64 --learning-rate 2e-3 [...]
                                                                                 the small network, from pairs and the
                                                                                 coarse shape of fitted real photos
    python -m training facial_normals --live --teacher facial_normals [...]      the same, and from what the full one
                                                                                 says of real photos
    ... --export                                                                 the run's averaged weights as .onnx

`python -m training synthetic --stock 12000` draws the faces; without --stock they are drawn on the spot, slowly. On a
processor the full network is trained at 128 pixels; on a GPU give --size 256. `python -m bench normals` measures.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional

from engines import WEIGHTS
from engines.networks.cross_modal_normals import LIVE_SIDE, CrossModalNormals, LiveNormals, PictureToNormals
from training import data, run
from training.export import export
from training.facial_normals.samples import NormalBatches, fitted_photos
from training.ict_surface import IctSurface
from training.synthetic.stock import Drawn
from training.weights import MEASURED

COARSE = 10  # squares along a crop's side: finer than that a fit to landmarks knows nothing of a face


@dataclass(frozen=True)
class Config:
    """Train a facial normals network."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=240, threads=1, precision="auto")
    )
    live: bool = False
    """The small network for the live loop."""
    teacher: str | None = None
    """Run whose averaged full network the live one also learns from, on pictures without normals."""
    fitted: float | None = None
    """Weight of the coarse normals of the morphable model fitted to photos; 0.3 for the live network, 0 for
    the full one unless given."""
    stock: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Synthetic faces drawn before."""
    size: int = 128
    """Pixels of a crop's side, a multiple of 32, and of what a teacher is shown; the live network's is fixed."""
    width: float = 1.0
    """Share of the full network's channels: 0.25 is what a processor trains within the hour."""
    batch_size: int = 8
    """Pairs of one step."""
    lone: int = 4
    """Lone pictures and lone normal maps that come on top, each."""
    learning_rate: float = 1e-4
    begun_by: str | None = None
    """Run of the full network, as wide or a whole fraction of it, whose averaged weights this one begins with."""
    chord: bool = False
    """Measure the full network's normals as the live one's, about by the angle and at several scales, not by the
    published 1 - cos."""
    again: float = 1.0
    """Weight of pictures and normal maps that come back as themselves; 0 leaves these ways out."""
    export: bool = False
    """Write the run's averaged weights to engines/weights (the live network) or training/measured."""

    @property
    def side(self) -> int:
        """Pixels of a crop's side."""
        return LIVE_SIDE if self.live else self.size

    @property
    def fits(self) -> float:
        """Weight of the fitted model."""
        if self.fitted is not None:
            return self.fitted
        return 0.3 if self.live else 0.0

    @property
    def name(self) -> str:
        """Of the run folder and of the exported file."""
        return "facial_normals_live" if self.live else "facial_normals"


class Pupil(nn.Module):
    """The live network and, held still and never saved, the full one that teaches it, on pictures of `size` pixels."""

    def __init__(self, live: LiveNormals, teacher: nn.Module | None, size: int = 128) -> None:
        super().__init__()
        self.live, self._size = live, size
        self._teacher = [teacher]  # in a list: not a part of the module, its weights stay out of checkpoints

    def taught(self, image: Tensor) -> Tensor | None:
        """The teacher's normals, as large as the picture, or None without one."""
        (teacher,) = self._teacher
        if teacher is None:
            return None
        with torch.no_grad():
            large = functional.interpolate(image, (self._size, self._size), mode="bilinear")
            return functional.interpolate(teacher.to(image.device)(large), image.shape[-2:], mode="area")


def network(config: Config) -> nn.Module:
    """Freshly initialised."""
    if not config.live:
        return CrossModalNormals(config.width)
    teacher = None
    if config.teacher is not None:
        whole = run.averaged(config.teacher, CrossModalNormals(config.width), config.run.runs)
        teacher = PictureToNormals(whole).requires_grad_(False).eval()
    return Pupil(LiveNormals(), teacher, config.size)


def cosine_loss(normals: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """Mean of 1 - cos over the mask's pixels; `normals` (B, 3, h, w) of any length, `truth` unit, mask (B, 1, h, w)."""
    cosine = functional.cosine_similarity(normals.float(), truth, dim=1)[:, None]
    return ((1 - cosine) * mask).sum() / mask.sum().clamp(min=1)


def chord_loss(normals: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """As `cosine_loss`, of the distance between unit vectors, about the angle: the other grows with its square, and a
    few hopeless pixels (hair, lips, nostrils) weigh as much as all others together."""
    apart = functional.normalize(normals.float(), dim=1) - functional.normalize(truth.float(), dim=1)
    length = (apart.square().sum(dim=1, keepdim=True) + 1e-6).sqrt()
    return (length * mask).sum() / mask.sum().clamp(min=1)


def loss(model: nn.Module, batch: run.Tensors, config: Config) -> run.Tensors:
    """Pairs take all three ways, lone pictures and lone normal maps come back as themselves; weights 1:1:1. Beside them
    `config.fits` times what the fitted model says of photos."""
    distance = scaled_loss if config.chord else cosine_loss
    image, normals, face = batch["image"] / 255, batch["normals"], batch["face"]
    latent, seen = model.image_encoder(image)
    parts = {"normals": distance(model.normal_decoder(latent, seen), normals, face)}
    weights = {"fitted": config.fits}
    if "fitted_image" in batch:
        coarse = model.normals(batch["fitted_image"] / 255)
        parts["fitted"] = coarse_loss(coarse, batch["fitted_normals"], batch["fitted_face"])
    if config.again:
        parts["image"] = (model.image_decoder(latent).float() - image).abs().mean()
        parts["normals_again"] = distance(model.normals_again(normals), normals, face)
        if "lone_image" in batch:
            lone, lone_normals = batch["lone_image"] / 255, batch["lone_normals"]
            parts["lone_image"] = (model.image_again(lone).float() - lone).abs().mean()
            parts["lone_normals"] = distance(model.normals_again(lone_normals), lone_normals, batch["lone_face"])
        weights |= dict.fromkeys(("image", "normals_again", "lone_image", "lone_normals"), config.again)
    return {"loss": torch.stack([weights.get(name, 1.0) * part for name, part in parts.items()]).sum(), **parts}


def coarse_loss(normals: Tensor, truth: Tensor, mask: Tensor, squares: int = COARSE) -> Tensor:
    """As `chord_loss`, of the means over `squares` x `squares` squares, those that lie in the mask by half or more; of
    a single one, whatever lies in it."""
    square = mask.shape[-1] // squares
    share = functional.avg_pool2d(mask.float(), square)
    means = (functional.avg_pool2d(values.float() * mask, square) for values in (normals, truth))
    return chord_loss(*means, share >= 0.5 if squares > 1 else share > 0)


def scaled_loss(normals: Tensor, truth: Tensor, mask: Tensor) -> Tensor:
    """`chord_loss` of the pixels, of squares' means and of the whole face's: which way a face is turned is a tenth of
    what a pixel is off, all alike, and pixel by pixel it drowns in wrinkles."""
    unit = functional.normalize(normals.float(), dim=1)
    return chord_loss(unit, truth, mask) + sum(coarse_loss(unit, truth, mask, squares) for squares in (COARSE, 1))


def live_loss(model: Pupil, batch: run.Tensors, fitted: float = 0.0) -> run.Tensors:
    """The truth of pairs, times `fitted` what the fitted model says of photos, and with a teacher, by half, its answers
    on lone pictures."""
    parts = {"normals": scaled_loss(model.live(batch["image"]), batch["normals"], batch["face"])}
    if "fitted_image" in batch:
        coarse = model.live(batch["fitted_image"])
        parts["fitted"] = coarse_loss(coarse, batch["fitted_normals"], batch["fitted_face"])
    if "lone_image" in batch and (taught := model.taught(batch["lone_image"])) is not None:
        everywhere = torch.ones_like(taught[:, :1])
        parts["copied"] = chord_loss(model.live(batch["lone_image"]), taught.float(), everywhere)
    weights = {"normals": 1.0, "fitted": fitted, "copied": 0.5}
    return {"loss": torch.stack([weights[name] * part for name, part in parts.items()]).sum(), **parts}


def train(config: Config) -> None:
    """Train or export; see the module's text."""
    run.prepare(config.run)
    if config.export:
        trained = run.averaged(config.name, network(config), config.run.runs)
        deployed = trained.live if config.live else PictureToNormals(trained)
        rng = np.random.default_rng(0)
        example = rng.uniform(0, 255, (2, 3, config.side, config.side)).astype(np.float32)
        folder = WEIGHTS if config.live else MEASURED
        export(deployed.eval(), folder / f"{config.name}.onnx", {"image": example}, ("normals",), half=not config.live)
        return
    lone = config.lone if not config.live or config.teacher else 0
    photos = data.faces_300w()
    fitted = fitted_photos(photos, IctSurface(data.ict_face())) if config.fits > 0 else []
    batches = NormalBatches(Drawn(config.stock), photos, config.run.seed, config.batch_size, config.side, lone, fitted)
    optimisation = run.Optimisation(learning_rate=config.learning_rate, weight_decay=0.0)
    losses = partial(live_loss, fitted=config.fits) if config.live else partial(loss, config=config)
    model = run.begun(network(config), config.begun_by, config.run.runs)
    run.fit(config.name, model, batches, losses, config.run, optimisation)
