"""CycleGAN as the DepthNets publication uses it (supplement, section 2), for its three uses.

    python -m training cyclegan --use swap --draw            make the pictures (minutes)
    python -m training cyclegan --use swap [--resume]        train
    python -m training cyclegan --use swap --sheet           what it does to pictures of other people, as a PNG
    python -m training cyclegan --use pose --sheet           and there, turned on to other poses
    python -m training cyclegan --use pose --photo me.jpg    repair a photo, to be turned on to any pose:
    python run_live.py --source out/me_pose.png --mode rotate --sweep

The defaults are the publication's: Adam 2e-4 with 0.5 and 0.999 at a constant rate, batches of 16, 80x80 pixels, cycle
weight 10, no identity term, no pool of older pictures. On a processor add `--batch-size 1 --precision auto --identity 5
--cosine` and begin with half the width, whose steps take a third of the time: `--width 32 --learning-rate 4e-4`, then
`--begun-by cyclegan_swap_32`. Expect a sketch of what a GPU would make.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import torch
import tyro
from torch import Tensor, nn

from engines.networks.cyclegan import BLOCKS, WIDTH, CycleGan
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.frame import Pixels
from realtime.sinks.png import write_png
from realtime.sources import read_image
from training import run
from training.adversarial import held, least_squares
from training.cycle_pictures import CHANNELS, Pictures, Use, draw, of_photo, rotated_further
from training.repair_pairs import Studio

DRAWN = 128  # pixels a side of the pictures that are kept; trainings at other sizes see them resized
SHEET_ROWS = 12
BLACK = -0.999  # and below: of pictures in -1..1
BETAS = (0.5, 0.999)
SHOWN = 320  # pixels a side of a repaired photo


@dataclass(frozen=True)
class Config:
    """Train CycleGAN for one of its three uses."""

    run: Annotated[run.RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: run.RunOptions(minutes=600, threads=1)
    )
    use: Use = "swap"
    """background: what surrounds a face turned to the front; swap: make composites real; pose: as background, from
    faces turned far aside, to be turned on from there."""
    draw: bool = False
    """Only make the pictures."""
    sheet: bool = False
    """Only draw what the trained generator makes of other people's pictures, or of the photos given, to
    out/cyclegan_USE.png."""
    photo: tuple[Path, ...] = ()
    """Only repair these photos, to out/NAME_USE.png; for swap, pictures with a swapped face."""
    size: int = 80
    """Side of the pictures; a multiple of 4. A run may be resumed at another: no layer depends on it."""
    width: int = WIDTH
    """Of the first layer; 64 as published."""
    blocks: int = BLOCKS
    batch_size: int = 16
    cycle: float = 10.0
    """Weight of the way there and back against the critics."""
    identity: float = 0.0
    """Weight of the loss that asks for a real picture back from itself; none as published, 5 with CycleGAN's authors.
    Short runs need it: without it nothing but the critics says that skin is not blue."""
    begun_by: Annotated[str | None, tyro.conf.arg(metavar="RUN")] = None
    """Run of this network, as wide or a whole fraction of it, whose averaged weights this one begins with."""
    learning_rate: float = 2e-4
    cosine: bool = False
    """End under a cosine learning rate, as short runs should; as published it is constant."""
    pictures: int = 2000
    """Of each kind, at most, for training; a tenth as many of other people beside them."""

    @property
    def name(self) -> str:
        """Of the run folder."""
        return f"cyclegan_{self.use}_{self.width}"

    def stored(self, held_out: bool) -> Path:
        """The pictures' file, of all sizes."""
        return self.run.runs / "cyclegan_pictures" / f"{self.use}{'_test' if held_out else ''}.npz"


def train(config: Config) -> None:
    """Train, or draw what is asked for; see the module's text."""
    if config.draw:
        with Studio() as studio:
            for held_out, count in ((False, config.pictures), (True, config.pictures // 10)):
                made = draw(studio, config.use, held_out, DRAWN, count, config.run.seed)
                made.save(config.stored(held_out))
        return
    if config.sheet or config.photo:
        shown = [write_sheet(config, Path("out") / f"cyclegan_{config.use}.png")] if config.sheet else repair(config)
        print(*shown, sep="\n")
        return
    pictures = Pictures.load(config.stored(held_out=False)).reduced(config.size)
    run.prepare(config.run)
    batches = Batches(pictures, config.batch_size, config.run.seed)
    others = Pictures.load(config.stored(held_out=True)).reduced(config.size).a[:SHEET_ROWS]
    run.fit(
        config.name,
        run.begun(network(config), config.begun_by, config.run.runs),
        batches,
        partial(loss, config.cycle, identity=config.identity),
        config.run,
        optimisation(config),
        lambda model: rows_of(there_and_back(model, others)),
    )


def optimisation(config: Config) -> run.Optimisation:
    """Adam as published."""
    if config.cosine:
        return run.Optimisation(config.learning_rate, weight_decay=0.0, clip=None, betas=BETAS)
    return run.Optimisation(config.learning_rate, weight_decay=0.0, clip=None, adam=BETAS)


def network(config: Config) -> CycleGan:
    """Freshly initialised."""
    return CycleGan(CHANNELS[config.use], 3, config.width, config.blocks)


@dataclass(frozen=True, slots=True)
class Batches:
    """Batch number n: pictures of either kind in -1..1, mirrored or not, that have nothing to do with each other."""

    pictures: Pictures
    size: int
    seed: int

    def __call__(self, number: int) -> run.Batch:
        rng = np.random.default_rng([self.seed, number])
        return {name: self._drawn(rng, kind) for name, kind in (("a", self.pictures.a), ("b", self.pictures.b))}

    def _drawn(self, rng: np.random.Generator, kind: np.ndarray) -> np.ndarray:
        pictures = kind[rng.integers(len(kind), size=self.size)].astype(np.float32)
        flipped = np.where(rng.random((self.size, 1, 1, 1)) < 0.5, pictures[:, :, ::-1], pictures)
        return np.ascontiguousarray((flipped / 127.5 - 1).transpose(0, 3, 1, 2), np.float32)


def loss(cycle: float, model: nn.Module, batch: run.Tensors, identity: float = 0.0) -> run.Tensors:
    """Equations 3 and 4: least-squares critics, and the way there and back in L1, for both directions at once.

    Where `identity` is not 0, so many times the L1 distance of a real picture from what is made of itself comes to it
    (Zhu et al. 2017, section 5.2; here for the direction that is used alone).
    """
    a, b = batch["a"], batch["b"]
    made_b, made_a = model.to_b(a), model.to_a(b)
    with held(model.critic_a), held(model.critic_b):
        flattery = least_squares(model.critic_b(made_b), 1.0) + least_squares(model.critic_a(made_a), 1.0)
    back = (model.to_a(made_b) - a).abs().mean() + (model.to_b(made_a) - b).abs().mean()
    critics = judged(model.critic_a, a, made_a) + judged(model.critic_b, b, made_b)
    parts = {"flattery": flattery, "cycle": back, "critics": critics}
    total = flattery + cycle * back + critics
    if identity:
        parts["identity"] = (model.to_b(cut_like(a, b)) - b).abs().mean()
        total = total + identity * parts["identity"]
    return {"loss": total, **parts}


def cut_like(a: Tensor, b: Tensor) -> Tensor:
    """(B, C, S, S) in -1..1: real pictures b as one of kind A, black where the parts of `a` are.

    Args:
        a: (B, C, S, S) of kind A, of one part or two.
        b: (B, 3, S, S) real pictures.
    """
    if a.shape[1] == b.shape[1]:
        return b
    return torch.cat([torch.where((part > BLACK).any(dim=1, keepdim=True), b, -1.0) for part in a.split(3, 1)], dim=1)


def judged(critic: nn.Module, real: Tensor, made: Tensor) -> Tensor:
    """A critic's loss: real pictures score 1, made ones 0."""
    return 0.5 * (least_squares(critic(real), 1.0) + least_squares(critic(made.detach()), 0.0))


def repair(config: Config) -> list[Path]:
    """What the trained generator makes of each photo, large enough for the live program to find the face in."""
    model = trained(config)
    with Studio() as studio:
        made = made_by(model.to_b, of_photos(config, studio))
    paths = [Path("out") / f"{photo.stem}_{config.use}.png" for photo in config.photo]
    for path, picture in zip(paths, made, strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_png(path, cv2.resize(picture, (SHOWN, SHOWN), interpolation=cv2.INTER_CUBIC))
    return paths


def of_photos(config: Config, studio: Studio) -> Pixels:
    """(N, S, S, C) the photos asked for, as pictures of kind A. Raises InputError where one shows no face."""
    pictures = []
    with open_analyser(AnalysisOptions(threads=config.run.threads)) as analyser:
        for path in config.photo:
            pixels = read_image(path)
            face, _ = analyser.photo(pixels, str(path))
            pictures.append(of_photo(studio, config.use, pixels, face.points, config.size))
    return np.stack(pictures)


def trained(config: Config) -> CycleGan:
    """The averaged networks of a run. Raises InputError where nothing was trained."""
    return run.averaged(config.name, network(config), config.run.runs)


def made_by(generator: nn.Module, pictures: Pixels) -> Pixels:
    """(N, S, S, C) uint8 pictures as a generator leaves them."""
    given = torch.from_numpy(pictures.astype(np.float32) / 127.5 - 1).permute(0, 3, 1, 2)
    with torch.inference_mode():
        made = torch.cat([generator(part) for part in given.split(16)])
    return ((made + 1) * 127.5).round().clamp(0, 255).permute(0, 2, 3, 1).to(torch.uint8).numpy()


def there_and_back(model: CycleGan, pictures: Pixels) -> list[Pixels]:
    """Columns (N, S, S, 3): the parts of pictures of kind A, what becomes of them, and the way back."""
    made = made_by(model.to_b, pictures)
    return [*np.split(pictures, pictures.shape[-1] // 3, axis=-1), made, made_by(model.to_a, made)[..., :3]]


def rows_of(columns: list[Pixels]) -> Pixels:
    """One picture of (N, S, S, 3) columns."""
    return np.concatenate([np.concatenate(row, axis=1) for row in zip(*columns, strict=True)])


def write_sheet(config: Config, path: Path) -> Path:
    """Rows of pictures of kind A, what becomes of them, and the way back; for `pose` turned on from there."""
    model = trained(config)
    with Studio() as studio:
        if config.photo:
            pictures = of_photos(config, studio)
        else:
            pictures = Pictures.load(config.stored(held_out=True)).reduced(config.size).a[:SHEET_ROWS]
        columns = there_and_back(model, pictures)
        if config.use == "pose":
            columns += rotated_further(studio, columns[-2])
    path.parent.mkdir(parents=True, exist_ok=True)
    write_png(path, rows_of(columns))
    return path
