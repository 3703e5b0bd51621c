"""The publication's figures 2 and 3: predicted against true depth, and depths as pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.tri import Triangulation

from engines.lstsq.gauge import canonical_depth
from realtime.geometry.topology import JAW, OF_66
from training.tables.depth_corr import Depths, canonical_of_pairs
from training.tables.depth_rows import AIGN, DEPTHNET, GAN, MOFA, TEMPLATE, TRUTH, Measured
from training.tables.protocol import SUBSETS

SHOWN = (TEMPLATE, DEPTHNET, GAN, AIGN, MOFA)
BINS = 120
SHARE = 0.2  # per cent of the points that a heat-map's edges leave out on each side


def heat_maps(measured: Measured, path: Path) -> None:
    """Figure 2: true depth (x) against predicted depth (y) of all points of all pairs; above raw, below canonical."""
    names = [name for name in SHOWN if name in measured.depths]
    source, _ = measured.protocol.pairs()
    faces = measured.protocol.points[:, OF_66]
    truth = faces[source, :, 2], canonical_depth(faces[..., :2], faces[..., 2])[source]
    figure = Figure(figsize=(2.6 * len(names), 5.4), layout="constrained")
    axes = figure.subplots(2, len(names), squeeze=False)
    for column, name in enumerate(names):
        depth = measured.depths[name][:, OF_66]
        for row, predicted in enumerate((depth, canonical_of_pairs(faces[..., :2], depth))):
            _heat_map(axes[row, column], truth[row], predicted)
        axes[0, column].set_title(name, fontsize=9)
    for row, kind in enumerate(("raw", "canonical")):
        axes[row, 0].set_ylabel(f"predicted, {kind}")
        axes[row, 0].set_xlabel(f"true, {kind}")
    figure.suptitle(f"Depth of 66 points in {len(source):,} pairs, {measured.protocol.name}", fontsize=10)
    figure.savefig(path, dpi=100)


def depth_pictures(measured: Measured, path: Path) -> None:
    """Figure 3: canonical depth as colour over one face of each subset (rows), by method (columns); dark = near."""
    protocol = measured.protocol
    names = [name for name in (TRUTH, *SHOWN) if name in measured.depths]
    source, _ = protocol.pairs()
    figure = Figure(figsize=(1.9 * len(names), 6.2), layout="constrained")
    axes = figure.subplots(len(SUBSETS), len(names), squeeze=False)
    middles = (2 * np.arange(len(SUBSETS)) + 1) * len(protocol.points) // (2 * len(SUBSETS))
    for row, face in enumerate(middles):
        points = protocol.points[face, :, :2]
        pairs = np.flatnonzero(source == face)
        for column, name in enumerate(names):
            depth = canonical_depth(points[None], measured.depths[name][pairs])
            _depth_picture(axes[row, column], points, depth.mean(axis=0))
            if row == 0:
                axes[row, column].set_title(name, fontsize=8, wrap=True)
        axes[row, 0].set_ylabel(f"looks {SUBSETS[row]}")
    figure.suptitle(f"Canonical depth, mean over all targets; dark is near ({protocol.name})", fontsize=10)
    figure.savefig(path, dpi=100)


def _heat_map(axes: Axes, truth: Depths, predicted: Depths) -> None:
    edges = [np.percentile(values, [SHARE, 100 - SHARE]) for values in (truth, predicted)]
    axes.hist2d(truth.ravel(), predicted.ravel(), bins=BINS, range=edges, norm="log", cmap="viridis")
    axes.tick_params(labelsize=6)


def _depth_picture(axes: Axes, points: Depths, depth: Depths) -> None:
    triangles = Triangulation(points[:, 0], points[:, 1])
    limit = np.abs(depth).max()
    axes.tripcolor(triangles, depth, shading="gouraud", cmap="magma", vmin=-limit, vmax=limit)
    axes.plot(*points[JAW].T, color="0.4", linewidth=0.6)
    axes.set_aspect("equal")
    axes.invert_yaxis()
    axes.set_xticks([])
    axes.set_yticks([])
