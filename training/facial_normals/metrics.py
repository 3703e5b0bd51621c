"""How far normals are from the truth, in degrees."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

THRESHOLDS = (20.0, 25.0, 30.0)


@dataclass(frozen=True, slots=True)
class NormalErrors:
    """Of one picture or the mean of many.

    Attributes:
        mean, median: degrees.
        spread: standard deviation of the mean over pictures; of one picture, over its pixels.
        within: share of pixels under 20, 25 and 30 degrees.
    """

    mean: float
    median: float
    spread: float
    within: tuple[float, float, float]


def angles(normals: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(...,) degrees between vectors (..., 3) of any length but 0."""
    a, b = normals.astype(np.float64), truth.astype(np.float64)
    # exact near 0 and 180 degrees, where the arc cosine of a product is not
    return np.rad2deg(np.arctan2(np.linalg.norm(np.cross(a, b), axis=-1), (a * b).sum(axis=-1)))


def normal_errors(normals: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> NormalErrors:
    """Errors of (H, W, 3) `normals` where the bool `mask` (H, W) is set."""
    degrees = angles(normals[mask], truth[mask])
    if not degrees.size:
        nothing = float("nan")
        return NormalErrors(nothing, nothing, nothing, (nothing, nothing, nothing))
    a, b, c = (float((degrees < limit).mean()) for limit in THRESHOLDS)
    return NormalErrors(float(degrees.mean()), float(np.median(degrees)), float(degrees.std()), (a, b, c))


def mean_errors(errors: list[NormalErrors]) -> NormalErrors:
    """Every picture counts the same; pictures without a counted pixel are left out."""
    kept = [error for error in errors if np.isfinite(error.mean)]
    means = np.array([error.mean for error in kept])
    a, b, c = np.mean([error.within for error in kept], axis=0).tolist()
    return NormalErrors(float(means.mean()), float(np.mean([e.median for e in kept])), float(means.std()), (a, b, c))
