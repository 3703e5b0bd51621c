"""How good DepthNet is: keypoint errors of unpaired real faces, and depth where the truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.table import Table

import engines
from engines.lstsq import solve
from engines.lstsq.gauge import canonical_depth
from realtime.geometry.box import boxed, landmark_box
from realtime.geometry.template import template
from realtime.geometry.topology import INNER, LANDMARKS, OUTER_EYE_CORNERS, eye_distance
from training import data, pairs
from training.ict import IctFaces, ViewRanges, random_views, seen
from training.ict_fit import IctFit
from training.marks import marks

ICT_FACES = 2000
ICT_SEED = 987_654_321  # identities that training's seeds do not draw

Lift = Callable[[np.ndarray, np.ndarray], np.ndarray]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """Faces whose depth is known.

    Attributes:
        name: of the set.
        points: (N, 68, 2) in box units.
        depth: (N, 68) in box units, mean 0.
        eyes: (N,) distance of the outer eye corners in 3D, in box units.
    """

    name: str
    points: np.ndarray
    depth: np.ndarray
    eyes: np.ndarray


def tabulate(name: str) -> None:
    """Print both tables for the deployed network `name`."""
    network = deployed(name)
    console = Console()
    console.print(keypoint_table(network), depth_table(network))


def deployed(name: str) -> Lift:
    """The network in engines/weights as a function of sources and targets of any number."""
    engine = engines.load(name)

    def lift(sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
        parts = range(0, len(sources), engines.MAX_BATCH)
        cut = [slice(start, start + engines.MAX_BATCH) for start in parts]
        return np.concatenate([engine(sources[part], targets[part])[0] for part in cut])

    return lift


def flat(sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """No depth: the 2D affine."""
    return np.zeros(sources.shape[:2])


def mean_face(sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(B, 68) the mean face's depth, after a 2D similarity onto each source (the paper's second baseline)."""
    model = template()[:LANDMARKS].astype(np.float64)
    flat_model = model[:, 0] + 1j * model[:, 1]
    values = sources[..., 0] + 1j * sources[..., 1]
    values = values - values.mean(axis=1, keepdims=True)
    scale = np.abs(values @ flat_model.conj()) / np.sum(np.abs(flat_model) ** 2)
    return scale[:, None] * model[:, 2]


def best_depth(sources: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """(B, 68) the depth that explains each pair best: the first left singular vector of QT (SEEDS: pair oracle)."""
    plane = np.concatenate([sources, np.ones_like(sources[..., :1])], axis=-1).astype(np.float64)
    basis = np.linalg.qr(plane)[0]
    rest = targets - basis @ (basis.swapaxes(1, 2) @ targets)
    return np.linalg.svd(rest, full_matrices=False)[0][..., 0]


def alone(network: Lift) -> Lift:
    """The network with every face as its own target, as the live loop asks it."""
    return lambda sources, targets: network(sources, sources)


LIFTS: dict[str, Lift] = {"2D affine": flat, "mean face, 3D affine": mean_face}


def keypoint_errors(lift: Lift, sources: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """MSE (per coordinate, of the target's box, x 10⁻³) and mean point error in percent of its eye distance."""
    points = np.concatenate([sources, lift(sources, targets)[..., None]], axis=-1).astype(np.float64)
    return point_errors(points, solve(points, targets.astype(np.float64)), targets)


def point_errors(points: np.ndarray, affines: np.ndarray, targets: np.ndarray) -> tuple[float, float]:
    """The two errors of `keypoint_errors` for points (B, 68, 3) moved by affines (B, 2, 4)."""
    away = points @ affines[..., :3].swapaxes(1, 2) + affines[:, None, :, 3] - targets
    relative = np.linalg.norm(away, axis=-1).mean(axis=1) / eye_distance(targets)
    return float(1e3 * np.square(away).mean()), float(100 * relative.mean())


def keypoint_table(network: Lift) -> Table:
    """Unpaired held-out real faces: what an affine of each lifted source leaves of the target."""
    faces = pairs.held_out()
    sources, targets = (faces.points[index] for index in pairs.unpaired(faces))
    table = Table(title=f"{len(sources)} unpaired pairs of {len(faces)} real faces of held-out people")
    for column in ("", "MSE x 1e-3", "MSE_norm %"):
        table.add_column(column, justify="left" if not column else "right")
    networks = {"DepthNet 2.3, sees the target": network, "DepthNet 2.3, its own target": alone(network)}
    for name, lift in (LIFTS | networks | {"pair oracle": best_depth}).items():
        mse, norm = keypoint_errors(lift, sources, targets)
        table.add_row(name, f"{mse:.3f}", f"{norm:.2f}")
    return table


def depth_errors(lift: Lift, truth: Truth, targets: np.ndarray) -> tuple[float, float, float, float]:
    """Mean and 5th percentile of the per-face Pearson of canonical depth; mean |z - z*| in percent of the eyes.

    The last number is that of the points inside the jaw alone, which sets place less differently.
    """
    depth = lift(truth.points, targets)
    alike = canonical_depth(truth.points, depth) * canonical_depth(truth.points, truth.depth)
    pearson = alike.sum(axis=1)
    away = depth - truth.depth
    inner = away[:, INNER] - away[:, INNER].mean(axis=1, keepdims=True)
    metric, inside = (float(100 * (np.abs(part).mean(axis=1) / truth.eyes).mean()) for part in (away, inner))
    return float(pearson.mean()), float(np.percentile(pearson, 5)), metric, inside


def depth_table(network: Lift) -> Table:
    """Depth against the truth, for a face as its own target (as in live use) and with another face as target."""
    table = Table(title="Depth against the truth (errors: mean, % of the eye distance)")
    for column in ("faces", "", "target", "z_c corr.", "5th pct", "error", "inner"):
        table.add_column(column, justify="left" if column in ("faces", "", "target") else "right")
    fit = IctFit(IctFaces(data.ict_face()))
    rows: list[tuple[str, Lift, str]] = [
        ("mean face", mean_face, "-"),
        ("model fit", lambda sources, targets: fit.depth(sources), "-"),
        ("DepthNet", alone(network), "itself"),
        ("DepthNet", network, "another"),
    ]
    for truth in (ict_truth(0.0), ict_truth(1.0), aflw_truth()):
        another = np.roll(truth.points, 1, axis=0)
        for name, lift, target in rows:
            mean, low, metric, inner = depth_errors(lift, truth, another)
            numbers = f"{mean:.3f}", f"{low:.3f}", f"{metric:.2f}", f"{inner:.2f}"
            table.add_row(truth.name, name, target, *numbers)
    return table


def ict_truth(contour: float) -> Truth:
    """Random synthetic faces of new identities; `contour` is the share whose jaw points are on the visible contour."""
    rng = np.random.default_rng(ICT_SEED)
    faces = IctFaces(data.ict_face(), marks())
    shapes = faces.shapes(faces.random_identity(ICT_FACES, rng), faces.random_expression(ICT_FACES, rng))
    view = seen(shapes, *random_views(ICT_FACES, ViewRanges(), rng), contour=rng.random(ICT_FACES) < contour)
    return _truth(f"ICT {'contour' if contour else 'jaw line'}", view[:, :LANDMARKS])


def aflw_truth() -> Truth:
    """AFLW2000-3D: fitted 3D landmarks of photos (their jaw points are on the jaw line)."""
    return _truth("AFLW2000-3D", data.aflw2000().points)


def _truth(name: str, points: np.ndarray) -> Truth:
    side = landmark_box(points)[1]
    depth = (points[..., 2] - points[..., 2].mean(axis=1, keepdims=True)) / side[:, None]
    left, right = OUTER_EYE_CORNERS
    eyes = np.linalg.norm(points[:, left] - points[:, right], axis=-1) / side
    return Truth(name, boxed(points).astype(np.float32), depth, eyes)
