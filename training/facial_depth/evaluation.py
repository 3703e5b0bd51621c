"""Depth maps of held-out faces against the truth, with the head's distance known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn

from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.geometry.crops import face_crop, face_crop_of_box
from realtime.geometry.depth_code import SPAN_MM, DepthCode
from training.depth_metrics import DepthErrors, depth_errors, mean_errors
from training.facial_depth.samples import Sample, coded
from training.ict_surface import IctSurface

# what a method says of a crop: a map of depth in mm of which only differences count, 0 = nothing
Method = Callable[[Sample], np.ndarray]
_FAR = 10_000.0  # keeps maps whose zero is anywhere positive


def at_known_distance(depth: np.ndarray, sample: Sample) -> np.ndarray:
    """The map moved along the axis until its median over the face is the head's distance."""
    counted = sample.face & (depth > 0) & (sample.depth > 0)
    if not counted.any():
        return depth
    return np.where(depth > 0, depth + sample.distance - np.median(depth[counted]), 0)


def measured(method: Method, samples: list[Sample]) -> DepthErrors:
    """Mean errors over faces, in millimetres."""
    return mean_errors([depth_errors(at_known_distance(method(s), s), s.depth, s.face) for s in samples])


def measured_in_code(method: Method, samples: list[Sample]) -> DepthErrors:
    """Mean errors over faces of the 8-bit maps, as the publication counts: near is large, 0 is missing."""
    errors = []
    for sample in samples:
        code = DepthCode.of(sample.depth)
        depth = at_known_distance(method(sample), sample)
        made = np.clip(255 * (code.near + code.span - depth) / code.span, 1, 255) * (depth > 0)
        errors.append(depth_errors(made, code.encode(sample.depth), sample.face))
    return mean_errors(errors)


def levels(network: nn.Module, sample: Sample) -> np.ndarray:
    """(S, S) float 0..255: what a network makes of a crop."""
    with torch.no_grad():
        made: Tensor = network(torch.from_numpy(sample.grey.astype(np.float32))[None, None])
    return (made[0, 0].numpy() + 1) * 127.5


def of_network(network: nn.Module) -> Method:
    """A network's maps, in millimetres from somewhere."""
    return lambda sample: _FAR - SPAN_MM * levels(network, sample) / 255


def of_template(surface: IctSurface) -> Method:
    """The fitted model's maps; samples need their landmarks."""

    def method(sample: Sample) -> np.ndarray:
        if sample.points is None:
            raise ValueError("the template fit needs landmarks")
        depth, _, there = surface.maps(sample.points, sample.crop)
        millimetres = depth * sample.distance / sample.camera.fx
        return np.where(there, _FAR + millimetres, 0)

    return method


def mean_map(samples: list[Sample]) -> Method:
    """The same map for every face, the mean over `samples`: what a method must beat to have looked at all."""
    codes = np.stack([coded(sample.depth) for sample in samples]).astype(np.float64)
    known = codes > 0
    mean = codes.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return lambda _: _FAR - SPAN_MM * mean / 255


def with_landmarks(samples: list[Sample], network: LandmarkNet) -> list[Sample]:
    """The samples with what the live loop's landmark network finds, looked for twice, in place of their points."""
    found = []
    for sample in samples:
        low = sample.crop.back(np.array([[-0.5, -0.5], [sample.crop.size - 0.5] * 2]))
        side = low[1, 0] - low[0, 0]
        middle = low.mean(axis=0)
        box = (middle[0] - 0.31 * side, middle[1] - 0.31 * side, 0.62 * side, 0.62 * side)
        first = network(sample.picture, [face_crop_of_box(box, CROP)]).points[0]
        second = network(sample.picture, [face_crop(first, CROP)]).points[0]
        found.append(replace(sample, points=second[:68].astype(np.float32)))
    return found


def verification(verifier: nn.Module, samples: list[Sample], method: Callable[[Sample], np.ndarray]) -> float:
    """Share of pairs of held-out faces that a verifier judges rightly, as many pairs of one person as of two.

    `method` gives a crop's 8-bit map (0..255): the true one, or a network's.
    """
    maps = torch.from_numpy(np.stack([method(s) for s in samples]).astype(np.float32) / 127.5 - 1)[:, None]
    people = np.array([sample.person for sample in samples])
    first, second = np.triu_indices(len(samples), 1)
    same = people[first] == people[second]
    rng = np.random.default_rng(0)
    others = rng.choice(np.flatnonzero(~same), same.sum(), replace=False)
    right = []
    with torch.no_grad():
        for rows, is_one in ((np.flatnonzero(same), True), (others, False)):
            score = torch.cat(
                [verifier(maps[first[part]], maps[second[part]]) for part in np.array_split(rows, len(rows) // 64 + 1)]
            )
            right.append(float(((score > 0) == is_one).float().mean()))
    return float(np.mean(right))
