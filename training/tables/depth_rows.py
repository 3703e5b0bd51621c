"""The rows of tables 2 and 3: every way to a depth, run over all pairs of the depth protocol."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engines.lstsq import solve
from engines.lstsq.gauge import third_row
from realtime.errors import InputError
from realtime.geometry.box import boxed
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS
from training import data, run
from training.depth_table import Lift, alone, deployed, mean_face
from training.ict import IctFaces
from training.ict_fit import IctFit
from training.recipes import aign, depthnet_gan, mofa_standin
from training.tables.depth_corr import Depths, Scores, canonical_of_pairs
from training.tables.protocol import Protocol, aflw2000, ict

PIECE = 4096  # pairs a network is given at once

DEPTHNET, GAN, GAN_CANONICAL = "DepthNet 2.3", "DepthNet 2.3 + GAN", "DepthNet 2.3 + GAN, gauge-fixed"
TRUTH, TEMPLATE, AIGN, MOFA = "true depth, gauge-fixed", "ICT template, pose-fitted", "AIGN", "3DMM auto-encoder*"
Depth = Callable[[Protocol], Depths]


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A set of faces and all that was measured on it.

    Attributes:
        protocol: the faces.
        depths: row → (P, 68) float32 depth of every pair's source, in units of the picture (or of no unit).
        scores: row → its numbers.
    """

    protocol: Protocol
    depths: dict[str, NDArray[np.float32]]
    scores: dict[str, Scores]


def measure(runs: Path) -> tuple[list[Measured], list[str]]:
    """Both sets with every row that can be had, and a sentence on each row's training, or that it is not trained."""
    rows, notes = fixed_rows(), []
    for name, trained in trained_rows().items():
        try:
            rows[name] = trained.row(runs)
            notes.append(f"{name}: `python -m training {trained.command}`, {trained.steps(runs):,} steps.")
        except InputError:
            notes.append(f"{name} is not trained yet: `python -m training {trained.command}`.")
    measured = []
    for protocol in (aflw2000(), ict()):
        one = Measured(protocol, {}, {})
        for name, row in rows.items():
            depth = row(protocol)
            one.scores[name] = Scores.of(protocol, depth)
            one.depths[name] = depth.astype(np.float32)
        measured.append(one)
    return measured, notes


def fixed_rows() -> dict[str, Depth]:
    """What needs no training here: the truth, templates, the fit, and the live network as it is shipped."""
    fit = IctFit(IctFaces(data.ict_face()))
    live = deployed("depthnet")
    return {
        TRUTH: gauge_fixed(once_per_source(lambda p: p.points[..., 2])),
        "mean face, 2D similarity": of_source(mean_face),
        TEMPLATE: once_per_source(lambda p: posed_template(p.points[..., :2])),
        "3DMM fit": of_source(lambda sources, targets: fit.depth(sources)),
        "live DepthNet, its own target": of_source(alone(live)),
        "live DepthNet, sees the target": of_pair(live),
    }


@dataclass(frozen=True, slots=True)
class Trained:
    """A row whose network a recipe here trains.

    Attributes:
        command: what trains it, after `python -m training`.
        folder: of its run.
        module: makes what the checkpoint's weights fit.
        depth: makes the row from the trained module.
    """

    command: str
    folder: str
    module: Callable[[], nn.Module]
    depth: Callable[[nn.Module], Depth]

    def row(self, runs: Path) -> Depth:
        """The row. Raises InputError where the run is not there."""
        return self.depth(run.averaged(self.folder, self.module(), runs))

    def steps(self, runs: Path) -> int:
        """How many it was trained."""
        return int(run.load_checkpoint(runs / self.folder)["step"])


def trained_rows() -> dict[str, Trained]:
    """Every row of a network that is trained here, at its recipe's own sizes."""
    with_critic, without = depthnet_gan.Config(), depthnet_gan.Config(adversarial=0)

    def lifts(duel: nn.Module) -> Depth:
        return of_pair(in_torch(duel.generator))

    def shapes(network: nn.Module) -> Depth:
        return of_source(in_torch(lambda source, target: network(source)[0][..., 2]))

    gan = Trained("depthnet_gan", with_critic.name, lambda: depthnet_gan.network(with_critic), lifts)
    return {
        DEPTHNET: dataclasses.replace(gan, command="depthnet_gan --adversarial 0", folder=without.name),
        GAN: gan,
        GAN_CANONICAL: dataclasses.replace(gan, depth=lambda duel: gauge_fixed(lifts(duel))),
        AIGN: Trained("aign", aign.NAME, lambda: aign.network(aign.Config()), lambda duel: shapes(duel.generator)),
        MOFA: Trained("mofa_standin", mofa_standin.NAME, mofa_standin.network, shapes),
    }


def posed_template(points: Depths) -> Depths:
    """(N, 68) depth of the mean face, turned as the best affine from it to the keypoints (N, 68, 2) says."""
    model = np.broadcast_to(template()[:LANDMARKS].astype(np.float64), (len(points), LANDMARKS, 3))
    rows = third_row(solve(model, points))
    return np.asarray(np.einsum("nkj,nj->nk", model, rows))


def gauge_fixed(depth: Depth) -> Depth:
    """The same in canonical form."""
    return lambda protocol: canonical_of_pairs(protocol.points[..., :2], depth(protocol))


def once_per_source(depth: Depth) -> Depth:
    """A depth (N, 68) of every face, as that of every pair."""
    return lambda protocol: depth(protocol)[protocol.pairs()[0]]


def of_source(lift: Lift) -> Depth:
    """A lift that does not look at the target."""

    def depth(protocol: Protocol) -> Depths:
        faces = boxed(protocol.points).astype(np.float32)
        return protocol.in_picture(lift(faces, faces))

    return once_per_source(depth)


def of_pair(lift: Lift) -> Depth:
    """A lift that sees source and target."""

    def depth(protocol: Protocol) -> Depths:
        faces = boxed(protocol.points).astype(np.float32)
        source, target = protocol.pairs()
        return protocol.in_picture(lift(faces[source], faces[target]), source)

    return depth


def in_torch(network: Callable[[Tensor, Tensor], Tensor]) -> Lift:
    """A module of sources and targets as a function of arrays, piece by piece."""

    def lift(sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        pieces = [slice(start, start + PIECE) for start in range(0, len(sources), PIECE)]
        with torch.no_grad():
            answers = [network(torch.from_numpy(sources[p]), torch.from_numpy(targets[p])) for p in pieces]
        return torch.cat(answers).numpy()

    return lift
