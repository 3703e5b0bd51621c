"""Table 1: keypoint errors of affines of lifted faces onto others, for every variant of DepthNet and its baselines."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from engines.lstsq import solve
from engines.networks.depthnet_siamese import SiameseDepthNet
from training import run
from training.depth_table import best_depth, flat, keypoint_errors, mean_face, point_errors
from training.pairs import Faces, held_out, same_identity, unpaired
from training.recipes.depthnet_variants import METHODS, Network, lifted, of_the_table
from training.tables.markdown import markdown

PIECE = 4096  # pairs a network is given at once
PUBLISHED = {
    "2D affine": "1.562, 9.547",
    "template": "0.724, 7.486",
    "2.1 B": "0.568, 6.292",
    "2.2 B": "0.400, 5.184",
    "2.3 B": "0.357, 4.932",
    "2.1 A": "0.539, 6.115",
    "2.2 A": "0.399, 5.175",
    "2.3 A": "0.349, 4.891",
}
ORACLE = "pair oracle"


@dataclass(frozen=True, slots=True, eq=False)
class PairSet:
    """Pairs of faces to measure on: rows `source` and `target` (P,) of `faces`."""

    name: str
    faces: Faces
    source: np.ndarray
    target: np.ndarray

    def points(self) -> tuple[np.ndarray, np.ndarray]:
        """(P, 68, 2) sources and targets, in box units."""
        return self.faces.points[self.source], self.faces.points[self.target]


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One line of the table.

    Attributes:
        name: baseline, or variant and case.
        training: what its networks were trained with, "" = nothing is trained.
        errors: (sets, seeds, 2) MSE x 10⁻³ and MSE_norm in percent.
    """

    name: str
    training: str
    errors: np.ndarray

    def mean(self) -> np.ndarray:
        """(sets, 2) over the seeds."""
        return np.asarray(self.errors.mean(axis=1))

    def standard_error(self) -> np.ndarray | None:
        """(sets, 2) of the mean over the seeds, or None for a single one."""
        seeds = self.errors.shape[1]
        return None if seeds < 2 else np.asarray(self.errors.std(axis=1, ddof=1) / np.sqrt(seeds))


def table1(runs: Path) -> str:
    """The whole table in Markdown, with the networks trained under `runs` and a line for each that is not."""
    faces = held_out()
    sets = (
        PairSet("same identity", faces, *same_identity(faces)),
        PairSet("unpaired", faces, *unpaired(faces)),
    )
    rows, missing = measured(sets, runs)
    columns = ["", "trained by", "seeds"]
    for pairs in sets:
        columns += [f"{pairs.name}: MSE x 1e-3", "MSE_norm %", "MSE / oracle's"]
    counts = ", ".join(f"{len(pairs.source):,} {pairs.name} pairs" for pairs in sets)
    people = len(np.unique(faces.identity))
    how = f"{counts} of {len(faces)} real faces of {people} held-out people.{_HOW}"
    bound = next(row for row in rows if row.name == ORACLE).mean()
    table = markdown([*columns, "published"], [_cells(row, bound) for row in rows])
    left_out = [_LEFT_OUT, "", *missing, ""] if missing else []
    return "\n".join(["## Table 1: keypoint errors", "", how, "", table, "", *left_out])


def measured(sets: tuple[PairSet, ...], runs: Path) -> tuple[list[Row], list[str]]:
    """The table's rows, and a line for each network whose training has not ended."""
    errors: dict[tuple[str, str], list[np.ndarray]] = {}
    missing = []
    for network, seed in of_the_table():
        name = network.run_name(seed)
        steps = run.load_checkpoint(runs / name)["step"] if run.has_checkpoint(runs / name) else 0
        if steps < network.steps():
            missing.append(f"* {name}: {steps:,} of {network.steps():,} steps.")
            continue
        module = run.averaged(name, network.module(), runs)
        training = f"{network.method}{', faces with pictures' * network.pictured}"
        for row, found in network_errors(network, module, sets).items():
            errors.setdefault((row, training), []).append(found)
    trained = [Row(*key, np.stack(found, axis=1)) for key, found in sorted(errors.items(), key=_order)]
    fixed = {
        name: Row(name, "", np.array([keypoint_errors(lift, *pairs.points()) for pairs in sets])[:, None])
        for name, lift in (("2D affine", flat), ("template", mean_face), (ORACLE, best_depth))
    }
    return [fixed["2D affine"], fixed["template"], *trained, fixed[ORACLE]], missing


def network_errors(network: Network, module: nn.Module, sets: tuple[PairSet, ...]) -> dict[str, np.ndarray]:
    """Row name → (sets, 2) errors: of variants 2.1 and 2.2 for a network with an affine, else of 2.3."""
    found: dict[str, list[tuple[float, float]]] = {}
    for pairs in sets:
        sources, targets = pairs.points()
        depth, affine = answers(module, pairs)
        points = np.concatenate([sources, depth[..., None]], axis=-1).astype(np.float64)
        solved = point_errors(points, solve(points, targets.astype(np.float64)), targets)
        found.setdefault(f"{'2.3' if affine is None else '2.2'} {network.case}", []).append(solved)
        if affine is not None:
            found.setdefault(f"2.1 {network.case}", []).append(point_errors(points, affine, targets))
    return {name: np.array(values) for name, values in found.items()}


@torch.no_grad()
def answers(module: nn.Module, pairs: PairSet) -> tuple[np.ndarray, np.ndarray | None]:
    """(P, 68) depth and (P, 2, 4) affine, or None, a network gives to all pairs."""
    points = torch.from_numpy(pairs.faces.points)
    images = torch.from_numpy(pairs.faces.images).float() / 255 if isinstance(module, SiameseDepthNet) else None
    parts: list[tuple[Tensor, ...]] = []
    for start in range(0, len(pairs.source), PIECE):
        source, target = (torch.from_numpy(index[start : start + PIECE]) for index in (pairs.source, pairs.target))
        answer = lifted(module, points, images, source, target)
        parts.append(answer if isinstance(answer, tuple) else (answer,))
    depth, *affine = (torch.cat(column).numpy() for column in zip(*parts, strict=True))
    return depth, affine[0] if affine else None


def _order(entry: tuple[tuple[str, str], list[np.ndarray]]) -> tuple[str, ...]:
    """Published method first, then ours; case B before A; variants in their order."""
    (name, training), _ = entry
    variant, case = name.split()
    method, _, faces = training.partition(", ")
    return (str(METHODS.index(method)), faces, str("BA".index(case)), variant)


def _cells(row: Row, bound: np.ndarray) -> list[str]:
    mean, error = row.mean(), row.standard_error()
    cells = [row.name, row.training, str(row.errors.shape[1]) if row.training else ""]
    for index, (mse, norm) in enumerate(mean):
        spread = ("", "") if error is None else (f" ± {error[index, 0]:.3f}", f" ± {error[index, 1]:.2f}")
        cells += [f"{mse:.3f}{spread[0]}", f"{norm:.2f}{spread[1]}", f"{mse / bound[index, 0]:.2f}"]
    return [*cells, PUBLISHED.get(row.name, "")]


_HOW = """
Errors are those of each face's keypoints, given its depth, after the affine onto another face. MSE: per coordinate, of
the target's square box; MSE_norm: mean distance in percent of the outer eye corners'; ± the standard error over the
seeds. Variant 2.1 uses the affine it predicts, 2.2 is the same network with the affine solved, 2.3 was trained through
the solution. The oracle has the depth that explains each pair best: it bounds what any depth can do, and says nothing
about shape. The publication's numbers are of other data, and its networks trained for 500 epochs of 322,227 pairs;
these for a few minutes."""
_LEFT_OUT = "Left out, for their training has not ended (`python -m training depthnet_variants --all --resume`):"
