"""The identity network: people of press photos and clips, told apart by an additive margin (Wang et al. 2018).

First what the network describes in every picture (plain, mirrored, spoilt) is written down; the projection begins as
the linear discriminants of that (Fisher 1936) and learns by the margin from it. Then the whole network does, from
pictures, for as long as the options say; 0 minutes leave its encoder as the landmark network has it.

* `python -m training identity [--minutes 25] [--resume]` trains, exports and measures,
* `--export` exports the last checkpoint and measures it,
* `--evaluate` measures the exported network and the baseline.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Annotated, Self

import cv2
import numpy as np
import torch
import tyro
from torch import Tensor, nn
from torch.nn import functional

import engines
from engines.networks.identity import DIMENSIONS, IdentityNet
from engines.networks.recombinator import Recombinator
from training.augment import degraded, moved_crop, occluded
from training.export import export, load_weights
from training.identity import SIZE, People, aligned_crop, training_people
from training.identity_table import report
from training.principal import Space, discriminants
from training.run import Batch, Optimisation, RunOptions, Tensors, averaged, fit, multiplies_in_bfloat16, prepare

GREY = 0.4  # share of the colour pictures that lose their colours
SPOILT = 0.35  # share whose detail suffers; the others' light changes a little
SPOILT_COPIES = 1  # of each picture, beside the plain and the mirrored one, for the projection
DESCRIBED_AT_ONCE = 128


@dataclass(frozen=True)
class Config:
    """Train the identity network."""

    run: Annotated[RunOptions, tyro.conf.arg(name="")] = field(
        default_factory=lambda: RunOptions(minutes=25.0, threads=1, precision="auto", workers=0)
    )
    """For the whole network; the projection's own steps come before."""
    projection_steps: int = 1200
    """Steps for the projection alone, of 512 written-down pictures."""
    projection_rate: float = 3e-4
    """Their learning rate."""
    batch_size: int = 64
    evenness: float = 0.5
    """People are drawn as often as their number of pictures to this power: 1 draws pictures evenly, 0 people."""
    scale: float = 30.0
    """By which cosines are multiplied before the softmax."""
    margin: float = 0.2
    """By how much the cosine to the right person has to exceed the others."""
    learning_rate: float = 3e-4
    weight_decay: float = 0.01
    export: bool = False
    """Only export the last checkpoint."""
    evaluate: bool = False
    """Only measure the exported network on the held-out people."""


class Identifier(nn.Module):
    """A network and one direction per person of the training set."""

    def __init__(self, net: nn.Module, people: Tensor) -> None:
        """Give what makes vectors, and (P, 128) directions to begin with."""
        super().__init__()
        self.net, self.people = net, nn.Parameter(people)

    def forward(self, seen: Tensor) -> Tensor:
        """(B, P) cosines, float32."""
        vector = self.net(seen)
        vector = vector[0] if isinstance(vector, tuple) else vector
        with torch.autocast(seen.device.type, enabled=False):
            return functional.linear(functional.normalize(vector.float()), functional.normalize(self.people))

    def train(self, mode: bool = True) -> Self:
        """As ever, but norms keep their statistics: the projection was learned on what they give."""
        super().train(mode)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eval()
        return self


class Samples:
    """Batches of faces: seen (B, 3, 112, 112) RGB 0..255, person (B,) int64."""

    def __init__(self, config: Config, sets: list[People]) -> None:
        self._seed, self._size, self._sets = config.run.seed, config.batch_size, sets
        self.names, self.number = np.unique(np.concatenate([people.person for people in sets]), return_inverse=True)
        chances = np.bincount(self.number)[self.number] ** (config.evenness - 1.0)
        self._chances = np.cumsum(chances / chances.sum())
        self._places = [(which, row) for which, people in enumerate(sets) for row in range(len(people.rows))]

    def __len__(self) -> int:
        return len(self._places)

    def __call__(self, step: int) -> Batch:
        rng = np.random.default_rng([self._seed, step])
        drawn = self.draw(self._size, rng)
        images = np.stack([self.spoilt(int(place), rng) for place in drawn])
        return {"seen": images.transpose(0, 3, 1, 2), "person": self.number[drawn].astype(np.int64)}

    def draw(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """(count,) places in the list of all pictures."""
        return np.searchsorted(self._chances, rng.random(count) * self._chances[-1])

    def plain(self, place: int) -> np.ndarray:
        """(112, 112, 3) RGB, as it is."""
        people, index = self._at(place)
        return aligned_crop(people.faces.points[index]).cut(people.faces.picture(index))

    def spoilt(self, place: int, rng: np.random.Generator) -> np.ndarray:
        """(112, 112, 3) RGB, a little out of place, perhaps mirrored, and as `spoilt` makes it."""
        people, index = self._at(place)
        crop = moved_crop(
            aligned_crop(people.faces.points[index]),
            rng.normal(0, 3),
            float(np.exp(np.clip(rng.normal(0, 0.04), -0.15, 0.15))),
            np.clip(rng.normal(0, 0.015, 2), -0.05, 0.05),
        )
        image = crop.cut(people.faces.picture(index))
        return spoilt(np.ascontiguousarray(image[:, ::-1]) if rng.random() < 0.5 else image, rng)

    def _at(self, place: int) -> tuple[People, int]:
        which, row = self._places[place]
        return self._sets[which], int(self._sets[which].rows[row])


def spoilt(image: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) uint8 RGB as another camera, light, codec or hand before the face would give it.

    What happens to detail happens to the luma; colours fade, run and take a cast, or there are none.
    """
    luma, *colours = cv2.split(cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb))
    if rng.random() < 0.15:
        luma = occluded(luma, rng, np.ascontiguousarray(np.roll(luma, len(luma) // 2, axis=0)))
    luma = degraded(luma, rng) if rng.random() < SPOILT else _relit(luma, rng)
    chroma = np.dstack(colours).astype(np.float32) - 128
    if rng.random() < GREY:
        chroma *= 0
    elif rng.random() < 0.7:
        chroma *= np.float32(np.exp(rng.normal(0, 0.3)))
        if rng.random() < 0.3:
            chroma = cv2.GaussianBlur(chroma, (0, 0), rng.uniform(0.5, 3))
    if rng.random() < 0.3:  # a grey picture, too: toned ones exist
        chroma += rng.normal(0, 6, 2).astype(np.float32)
    both = np.dstack([luma, np.clip(np.round(chroma + 128), 0, 255).astype(np.uint8)])
    return cv2.cvtColor(both, cv2.COLOR_YCrCb2RGB)


def _relit(luma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(S, S) uint8 under a softly uneven light, with another gamma."""
    light = cv2.resize(rng.normal(0, 0.2, (3, 3)).astype(np.float32), luma.shape, interpolation=cv2.INTER_CUBIC)
    values = (luma / np.float32(255)) ** np.exp(rng.normal(0, 0.25)) * np.exp(light)
    return np.asarray(np.clip(255 * values + 0.5, 0, 255), np.uint8)


def loss(model: nn.Module, batch: Tensors, config: Config) -> Tensors:
    """Cross-entropy of scaled cosines, the right person's less the margin."""
    cosines, person = model(batch["seen"].float()), batch["person"]
    right = functional.one_hot(person, cosines.shape[1])
    entropy = functional.cross_entropy(config.scale * (cosines - config.margin * right), person)
    found = (cosines.argmax(dim=1) == person).float().mean()
    return {"loss": entropy, "found": found, "cosine": (cosines * right).sum(dim=1).mean()}


def described(net: IdentityNet, pictures: Iterable[np.ndarray], bfloat16: bool) -> np.ndarray:
    """(N, DESCRIBED) float32 what the network's projection is of."""
    found = []
    pictures = iter(pictures)
    while some := list(islice(pictures, DESCRIBED_AT_ONCE)):
        images = torch.from_numpy(np.ascontiguousarray(np.array(some).transpose(0, 3, 1, 2))).float()
        with torch.inference_mode(), torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            found.append(net.describe(images)[0].float().numpy())
    return np.concatenate(found)


def learn_projection(net: IdentityNet, samples: Samples, config: Config) -> Tensor:
    """Set the network's projection; returns the (P, 128) directions of the people."""
    rng = np.random.default_rng(config.run.seed)
    bfloat16 = multiplies_in_bfloat16(config.run.precision, torch.device("cpu"))
    some = rng.permutation(len(samples))[: Space.LEARNED_FROM]
    space = Space(described(net, (samples.plain(int(i)) for i in some), bfloat16))
    every = range(len(samples))
    # a few thousand at a time: descriptions are much longer than what the space keeps of them
    parts = [every[i : i + Space.LEARNED_FROM] for i in every[:: Space.LEARNED_FROM]]
    views = [
        samples.plain,
        lambda place: samples.plain(place)[:, ::-1],
        *[lambda place: samples.spoilt(place, rng)] * SPOILT_COPIES,
    ]
    copies = [
        np.concatenate([space.into(described(net, map(view, part), bfloat16)) for part in parts]) for view in views
    ]
    known = np.stack(copies)
    weight, bias = discriminants(known.reshape(-1, known.shape[2]), np.tile(samples.number, len(known)), DIMENSIONS)
    projection = nn.Linear(known.shape[2], DIMENSIONS)
    projection.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    plain = functional.normalize(torch.from_numpy(known[0] @ weight.T + bias))
    people = torch.zeros(len(samples.names), DIMENSIONS).index_add_(0, torch.from_numpy(samples.number), plain)

    def rows(step: int) -> Batch:
        rng = np.random.default_rng([config.run.seed, step])
        drawn = samples.draw(8 * config.batch_size, rng)
        seen = known[rng.integers(len(known), size=len(drawn)), drawn]
        return {"seen": seen, "person": samples.number[drawn].astype(np.int64)}

    model = Identifier(nn.Sequential(nn.Dropout(0.2), projection), functional.normalize(people))
    run = replace(config.run, steps=config.projection_steps, precision="float32", resume=False)
    optimisation = Optimisation(config.projection_rate, config.weight_decay, average=0.99)
    learned = fit("identity_projection", model, rows, lambda net, b: loss(net, b, config), run, optimisation)
    weight, bias = (value.numpy() for value in (learned.net[1].weight.data, learned.net[1].bias.data))
    weight, bias = space.unfolded(weight, bias)
    net.project.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
    return learned.people.data


def blotches(count: int) -> np.ndarray:
    """(count, 3, 112, 112) float32 smooth random pictures, what the stored reference answers are made of."""
    coarse = np.random.default_rng(5).uniform(0, 255, (count, 14, 14, 3)).astype(np.float32)
    pictures = np.array([cv2.resize(picture, (SIZE, SIZE), interpolation=cv2.INTER_LINEAR) for picture in coarse])
    return np.ascontiguousarray(pictures.round().transpose(0, 3, 1, 2))


def encoder_of_landmarks() -> IdentityNet:
    """The network with the landmark network's encoder, in eval mode; the projection is random."""
    net, landmarks = IdentityNet(), load_weights(Recombinator(), engines.WEIGHTS / "landmarks.onnx")
    for part in ("stem", "encode4", "encode8"):
        getattr(net, part).load_state_dict(getattr(landmarks, part).state_dict())
    return net.eval()


def train(config: Config) -> None:
    """Runs what the options ask for; see the module's text."""
    if not config.evaluate:
        prepare(config.run)
        samples = Samples(config, training_people())
        net = encoder_of_landmarks()
        if config.export or config.run.resume:
            people = torch.zeros(len(samples.names), DIMENSIONS)
        else:
            people = learn_projection(net, samples, config)
        model: nn.Module = Identifier(net, people)
        if config.export:
            averaged("identity", model, config.run.runs)
        else:
            optimisation = Optimisation(config.learning_rate, config.weight_decay, average=0.99)
            model = fit("identity", model, samples, lambda net, b: loss(net, b, config), config.run, optimisation)
        export(model.net.eval(), engines.WEIGHTS / "identity.onnx", {"image": blotches(2)}, ("embedding", "features"))
    report(config.run.threads)
