"""How well a depth matches the truth over many pairs of faces: the publication's DepthCorr, and two fairer figures.

DepthCorr depends on scale and plane of the depth, which the keypoint loss leaves open and in which a face's true depth
is no better than another: the true depth itself, brought into canonical form, falls far short of the maximum against
the truth as it is. So every row has it three times: against the truth as the set has it ("raw"), against the truth
without each face's mean depth, which no picture shows ("centred"), and with both sides in canonical form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from engines.lstsq import solve
from engines.lstsq.gauge import canonical_depth
from realtime.geometry.topology import OF_66
from training.tables.protocol import SUBSETS, Protocol

Depths = NDArray[np.float64]


def depth_corr(depth: Depths, truth: Depths) -> float:
    """Σ over the K points of |Pearson correlation of that point's depth over all samples|, 0 … K.

    Args:
        depth, truth: (N, K), one row per pair of faces. A point that does not vary counts 0.
    """
    a, b = (values - values.mean(axis=0) for values in (depth, truth))
    spread = np.linalg.norm(a, axis=0) * np.linalg.norm(b, axis=0)
    return float(np.sum(np.abs((a * b).sum(axis=0)) / np.where(spread > 0, spread, np.inf)))


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """One row of the tables.

    Attributes:
        raw, canonical: (3, 3) DepthCorr of the pairs from a subset (row) to a subset (column).
        raw_all, centred_all, canonical_all: DepthCorr of all pairs together.
        pearson: mean over the pairs of the correlation of canonical depths.
        mse: (P,) mean squared keypoint error per coordinate after the best affine, of picture sides.
    """

    raw: NDArray[np.float64]
    canonical: NDArray[np.float64]
    raw_all: float
    centred_all: float
    canonical_all: float
    pearson: float
    mse: NDArray[np.float64]

    @staticmethod
    def of(protocol: Protocol, depth: Depths) -> Scores:
        """Scores of the depth (P, 68) of every pair's source, in units of the picture."""
        source, target = protocol.pairs()
        depth, faces = depth[:, OF_66], protocol.points[:, OF_66]
        truth, flat = faces[source, :, 2], faces[source, :, :2]
        canonical = canonical_of_pairs(protocol.points[:, OF_66, :2], depth)
        true_canonical = canonical_depth(faces[..., :2], faces[..., 2])[source]
        of_source, of_target = protocol.subset(source), protocol.subset(target)
        each = range(len(SUBSETS))
        blocks = [[np.flatnonzero((of_source == s) & (of_target == t)) for t in each] for s in each]
        return Scores(
            raw=np.array([[depth_corr(depth[pairs], truth[pairs]) for pairs in row] for row in blocks]),
            canonical=np.array([[depth_corr(canonical[p], true_canonical[p]) for p in row] for row in blocks]),
            raw_all=depth_corr(depth, truth),
            centred_all=depth_corr(depth, truth - truth.mean(axis=1, keepdims=True)),
            canonical_all=depth_corr(canonical, true_canonical),
            pearson=float((canonical * true_canonical).sum(axis=1).mean()),
            mse=affine_errors(flat, depth, faces[target, :, :2]),
        )


def canonical_of_pairs(faces: Depths, depth: Depths) -> Depths:
    """(P, K) depths in canonical form, of pairs whose sources are (N, K, 2) faces, one after the other."""
    by_source = depth.reshape(len(faces), -1, depth.shape[1])
    return canonical_depth(faces[:, None], by_source).reshape(depth.shape)


def affine_errors(points: Depths, depth: Depths, targets: Depths) -> NDArray[np.float64]:
    """(B,) mean squared error per coordinate of the best affines from (points, depth) to the targets."""
    lifted = np.concatenate([points, depth[..., None]], axis=-1)
    affines = solve(lifted, targets)
    away = lifted @ affines[..., :3].swapaxes(1, 2) + affines[:, None, :, 3] - targets
    return np.square(away).mean(axis=(1, 2))
