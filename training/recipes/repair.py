"""The live repair generator: makes a warped face belong to the picture around it.

* `python -m training repair --draw` draws the tiles (see `training.repair_pairs`); the other commands need them,
* `python -m training repair [--minutes 45] [--resume]` trains, exports and measures,
* `--export` exports the last checkpoint and measures it,
* `--evaluate` measures the exported network on held-out people,
* `--curve --steps 300` trains every size of `WIDTHS` alike, from the exported network made narrower or wider, and
  compares them; nothing is exported.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from torch import Tensor, nn

import engines
from engines import Engine
from engines.networks.patch_critic import PatchCritic
from engines.networks.repair import BASE, Repair
from training import repair_losses as losses
from training.adversarial import Duel, held
from training.export import export, load_weights
from training.repair_curve import curve
from training.repair_damage import Damage, Layers
from training.repair_pairs import HELD_OUT, TRAINING, Studio, Tiles, draw
from training.repair_sizes import resized
from training.repair_table import report, sheet
from training.run import Batch, Optimisation, RunOptions, Tensors, averaged, fit, has_checkpoint, prepare, torch_device

SIZES = (128, 256)  # of the exported networks, which share their weights
WIDTH = 24  # of the exported networks
NAME = "repair"  # of their run folder
WIDTHS = (12, 16, 32)  # of the curve, beside the exported
_NOISE = 0.006
_CHANCES = {"still": 0.45, "clip": 0.2, "self": 0.15, "swap": 0.2}


@dataclass(frozen=True)
class Weights:
    """Of the loss terms, beside the distance of pixels."""

    perceptual: float = 0.05
    """0: without our landmark network's features, which cost another third."""
    temporal: float = 0.5
    flattery: float = 0.01
    """0: without a critic, which costs a third of the time."""
    detail: float = 0.5
    """Of swaps between two people, which have no truth."""
    change: float = 0.1
    """Of the change itself, likewise."""


@dataclass(frozen=True)
class Config:
    """Train the live repair generator."""

    run: Annotated[RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: RunOptions(minutes=45.0, precision="auto", threads=1, workers=0)
    )
    batch_size: int = 8
    twins: int = 4
    """Tiles of each batch that are seen a second time: in the clip's next frame, or shifted, with new noise."""
    unspoilt: float = 0.2
    """Share of the tiles whose warp is left as the pipeline drew it."""
    weights: Weights = field(default_factory=Weights)
    learning_rate: float = 5e-4
    draw: bool = False
    """Only draw the tiles."""
    export: bool = False
    """Only export the last checkpoint."""
    evaluate: bool = False
    """Only measure the exported network on held-out people."""
    curve: bool = False
    """Train every size alike and compare them; with --resume those that are trained are only measured."""

    @property
    def tiles(self) -> Path:
        """Where the tiles are kept."""
        return self.run.runs / "repair_tiles"


class Samples:
    """Step number → tiles and what should become of them.

    All float32: tile (B, 5, S, S), target (B, 3, S, S), real (B, 3, S, S) frames of others, true (B,), which is 0 for
    swaps between two people; the second look of the first T: twin_tile (T, 5, S, S), twin_target (T, 3, S, S); and int
    shift (2,), by how many pixels that was cut further on.
    """

    def __init__(self, config: Config, tiles: Tiles) -> None:
        self._config, self._tiles = config, tiles
        self._rows = {kind: np.flatnonzero(tiles.kind == kind) for kind in _CHANCES}
        self._room = tiles.tiles.shape[1] - tiles.size

    def __call__(self, number: int) -> Batch:
        config = self._config
        rng = np.random.default_rng([config.run.seed, number])
        kinds = rng.choice(list(_CHANCES), config.batch_size, p=list(_CHANCES.values()))
        rows = [int(rng.choice(self._rows[kind])) for kind in kinds]
        shift = rng.integers(-3, 4, 2)
        corners = rng.integers(3, self._room - 2, (config.batch_size, 2))
        looks, twins = [], []
        for place, (row, corner) in enumerate(zip(rows, corners, strict=True)):
            whole = rng.random() < config.unspoilt
            damage = Damage.random(rng, strength=0.0 if whole else (0.4 if kinds[place] == "swap" else 1.0))
            looks.append(self._look(row, damage, corner, rng))
            if place < config.twins:
                following = int(self._tiles.following[row])
                twins.append(self._look(row if following < 0 else following, damage, corner + shift, rng))
        tile, target, frame = (np.stack(part) for part in zip(*looks, strict=True))
        twin_tile, twin_target, _ = (np.stack(part) for part in zip(*twins, strict=True))
        return {
            "tile": tile,
            "target": target,
            "real": np.roll(frame, 1, axis=0),
            "true": (kinds != "swap").astype(np.float32),
            "twin_tile": twin_tile,
            "twin_target": twin_target,
            "shift": shift,
        }

    def _look(
        self, row: int, damage: Damage, corner: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Tile, target and frame, channels first, cut at a corner (x, y)."""
        x, y = corner
        size = self._tiles.size
        layers = Layers.of(self._tiles.tiles[row, y : y + size, x : x + size], self._tiles.live[row] - corner)
        tile, target = damage.done_to(layers, rng).tile(), layers.target()
        # a sensor's noise is in the truth, too: it is not to be smoothed away
        noise = _NOISE * rng.standard_normal(target.shape, np.float32)
        tile[..., :3], target = np.clip(tile[..., :3] + noise, 0, 1), np.clip(target + noise, 0, 1)
        return tuple(np.ascontiguousarray(part.transpose(2, 0, 1)) for part in (tile, target, layers.frame))


def loss(model: nn.Module, batch: Tensors, features: nn.Module, weights: Weights) -> Tensors:
    """Both players' losses, and every term of the generator's."""
    tile, target, true = batch["tile"], batch["target"], batch["true"].reshape(-1, 1, 1, 1)
    count, twins = len(tile), len(batch["twin_tile"])
    made, again = model.generator(torch.cat([tile, batch["twin_tile"]])).float().split([count, twins])
    composite, confidence, mask = tile[:, :3], tile[:, 3:4], tile[:, 4:]
    weight = losses.emphasis(mask, confidence)
    terms = {
        "pixel": losses.pixel_loss(made, target, weight * true),
        "temporal": _temporal(made[:twins], again, batch),
        "detail": losses.detail_loss(made, composite, mask * confidence * (1 - true)),
        "change": losses.change_loss(made, composite, mask * (1 - true)),
    }
    if weights.perceptual:
        terms["perceptual"] = losses.perceptual_loss(features, made, target, mask * true)
    judged = made.new_zeros(())
    if weights.flattery:
        with held(model.critic):
            terms["flattery"] = losses.flattery_loss(model.critic, made, mask)
        judged = losses.critic_loss(model.critic, batch["real"], made, mask)
    total = terms["pixel"] + sum(getattr(weights, name) * term for name, term in terms.items() if name != "pixel")
    return {"loss": total + judged, **terms, "judged": judged, "gain": gain(made, composite, target, mask * true)}


def gain(made: Tensor, composite: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """The share of the composite's distance from the target that was taken away: 1 all, 0 none."""
    after, before = (losses.pixel_loss(picture, target, mask) for picture in (made, composite))
    return 1 - after / before.clamp(min=1e-6)


def _temporal(made: Tensor, again: Tensor, batch: Tensors) -> Tensor:
    """Of tiles and their second look, whose truth is known: shifts have it, and so have clips of one person."""
    x, y = (int(step) for step in batch["shift"])
    count = len(again)
    pairs = [(made, again), (batch["target"][:count], batch["twin_target"])]
    pairs.append((batch["tile"][:count, 4:], batch["twin_tile"][:, 4:]))
    made_pair, target_pair, masks = (losses.shifted_pair(one, other, (x, y)) for one, other in pairs)
    return losses.temporal_loss(made_pair, target_pair, torch.minimum(*masks))


def examples(count: int, size: int) -> np.ndarray:
    """(count, 5, size, size) float32: smooth colours with a disc of others on them; for the stored answers."""
    rng = np.random.default_rng(5)
    coarse = torch.from_numpy(rng.random((2, count, 3, 6, 6), np.float32))
    frame, face = (nn.functional.interpolate(part, size=(size, size), mode="bicubic").clamp(0, 1) for part in coarse)
    places = torch.linspace(-1, 1, size)
    radius = torch.hypot(places[:, None], places[None, :])[None, None].expand(count, 1, -1, -1)
    alpha, mask = torch.sigmoid(20 * (0.5 - radius)), torch.clamp(4 * (0.8 - radius), 0, 1)
    tiles = torch.cat([frame + alpha * (face - frame), alpha, mask], dim=1).numpy()
    return np.round(tiles * 255) / np.float32(255)  # as pixels are; and it packs well


def train(config: Config) -> None:
    """Runs what the options ask for; see the module's text."""
    if config.draw:
        return _draw(config)
    held_out = Tiles.load(config.tiles / f"held_out_{BASE}")
    prepare(config.run)
    if config.curve:
        shipped = load_weights(Repair(WIDTH), engines.WEIGHTS / f"repair_{BASE}.onnx")
        alike = {
            str(width): _trained(config, f"repair_curve_{width}", resized(shipped, width), held_out) for width in WIDTHS
        }
        return curve({**alike, f"{WIDTH}, as shipped": shipped}, held_out, Path("out") / "repair_curve.png")
    if config.evaluate:
        return report(_exported(config))
    if config.export:
        generator = averaged(NAME, players(Repair(WIDTH)), config.run.runs).generator
    else:
        generator = _trained(config, NAME, Repair(WIDTH), held_out)
    for size in SIZES:
        module = Repair(WIDTH, size // BASE)
        module.load_state_dict(generator.state_dict())
        path, tile = engines.WEIGHTS / f"repair_{size}.onnx", examples(2 * BASE // size, size)
        export(module.eval(), path, {"tile": tile}, ("repaired",), bfloat16=True)
    return report({f"{BASE} px": (generator, held_out)})


def _trained(config: Config, name: str, start: Repair, held_out: Tiles) -> Repair:
    """A run's generator, taught from where it stands; the run is continued where that is asked for and possible."""
    resume = config.run.resume and (not config.curve or has_checkpoint(config.run.runs / name))
    options = replace(config.run, resume=resume)
    features, samples = losses.Features(), Samples(config, Tiles.load(config.tiles / f"training_{BASE}"))
    features.to(torch_device(options.device))
    return fit(
        name,
        players(start),
        samples,
        lambda model, batch: loss(model, batch, features, config.weights),
        options,
        Optimisation(learning_rate=config.learning_rate),
        lambda model: sheet(model.generator, held_out, range(0, len(held_out), len(held_out) // 12)),
    ).generator


def _exported(config: Config) -> dict[str, tuple[Engine | nn.Module, Tiles]]:
    """The exported networks and their tiles; and the larger tile as a network would repair that sees its detail."""
    tiles = {size: Tiles.load(config.tiles / f"held_out_{size}") for size in SIZES}
    engine = {size: engines.load(f"repair_{size}", threads=config.run.threads) for size in SIZES}
    in_full = load_weights(Repair(WIDTH), engines.WEIGHTS / f"repair_{SIZES[-1]}.onnx")
    named: dict[str, tuple[Engine | nn.Module, Tiles]] = {f"{size} px": (engine[size], tiles[size]) for size in SIZES}
    return named | {f"{SIZES[-1]} px, looked at in full": (in_full, tiles[SIZES[-1]])}


def players(generator: Repair) -> Duel:
    """A generator and a freshly initialised critic."""
    return Duel(generator, PatchCritic(width=24, strided=2, normalised=False))


def _draw(config: Config) -> None:
    with Studio() as studio:
        for size in SIZES:
            draw(studio, True, size, HELD_OUT, config.run.seed).save(config.tiles / f"held_out_{size}")
        draw(studio, False, BASE, TRAINING, config.run.seed).save(config.tiles / f"training_{BASE}")
