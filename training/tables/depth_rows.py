"""The rows of tables 2 and 3: every way to a depth, run over all pairs of the depth protocol."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
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
        depths: row → (P, 68) depth of every pair's source, in units of the picture (or of no unit).
        scores: row → its numbers.
    """

    protocol: Protocol
    depths: dict[str, Depths]
    scores: dict[str, Scores]


def measure(runs: Path, protocols: Sequence[Protocol] | None = None) -> tuple[list[Measured], list[str]]:
    """Sets of faces with every row that can be had, and a sentence for each row whose network is not trained yet.

    Args:
        runs: where the networks' run folders are.
        protocols: the sets; None stands for AFLW2000-3D and rendered faces.
    """
    rows = fixed_rows()
    missing = []
    for name, (command, make) in trained_rows(runs).items():
        try:
            rows[name] = make()
        except InputError:
            missing.append(f"{name} is not trained yet: `python -m training {command}`.")
    measured = []
    for protocol in protocols or (aflw2000(), ict()):
        depths = {name: depth(protocol) for name, depth in rows.items()}
        measured.append(Measured(protocol, depths, {name: Scores.of(protocol, d) for name, d in depths.items()}))
    return measured, missing


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


def trained_rows(runs: Path) -> dict[str, tuple[str, Callable[[], Depth]]]:
    """Row → the recipe that trains its network, and a function that loads it (InputError where it is not there)."""

    with_critic, without = depthnet_gan.Config(), depthnet_gan.Config(adversarial=0)

    def loaded(name: str, model: nn.Module) -> nn.Module:
        return run.averaged(name, model, runs)

    def depthnet(config: depthnet_gan.Config) -> Depth:
        return of_pair(in_torch(loaded(config.name, depthnet_gan.network(config)).generator))

    def of_shapes(network: nn.Module) -> Depth:
        return of_source(in_torch(lambda source, target: network(source)[0][..., 2]))

    return {
        DEPTHNET: ("depthnet_gan --adversarial 0", lambda: depthnet(without)),
        GAN: ("depthnet_gan", lambda: depthnet(with_critic)),
        GAN_CANONICAL: ("depthnet_gan", lambda: gauge_fixed(depthnet(with_critic))),
        AIGN: ("aign", lambda: of_shapes(loaded(aign.NAME, aign.network(aign.Config())).generator)),
        MOFA: ("mofa_standin", lambda: of_shapes(loaded(mofa_standin.NAME, mofa_standin.network()))),
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
