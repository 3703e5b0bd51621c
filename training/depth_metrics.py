"""How far depth maps are from the truth: the errors of Pini et al. 2018, its fractional δ thresholds among them."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

DELTAS = (1 / 4, 1 / 3, 1 / 2, 1.0, 2.0, 3.0)  # exponents of 1.25


@dataclass(frozen=True, slots=True)
class DepthErrors:
    """Of one map or the mean of many; unit of the depth where an error has one.

    Attributes:
        mean_absolute, root_mean_square: in the depth's unit.
        absolute_relative: mean |d - d*| / d*.
        square_relative: mean (d - d*)² / d*.
        log_root_mean_square: of natural logarithms.
        scale_invariant: the same less their mean difference.
        within: share of pixels with max(d / d*, d* / d) < 1.25^e, for e of `DELTAS`.
    """

    mean_absolute: float
    root_mean_square: float
    absolute_relative: float
    square_relative: float
    log_root_mean_square: float
    scale_invariant: float
    within: tuple[float, ...]


def depth_errors(depth: np.ndarray, truth: np.ndarray, mask: np.ndarray) -> DepthErrors:
    """Errors of `depth` against `truth` (any shape, positive) where the bool `mask` is set and both are known (> 0)."""
    counted = mask & (truth > 0) & (depth > 0)
    found, true = depth[counted].astype(np.float64), truth[counted].astype(np.float64)
    if not found.size:
        nothing = float("nan")
        return DepthErrors(*[nothing] * 6, (nothing,) * len(DELTAS))
    error = found - true
    logs = np.log(found) - np.log(true)
    ratio = np.maximum(found / true, true / found)
    return DepthErrors(
        float(np.abs(error).mean()),
        float(np.sqrt((error**2).mean())),
        float((np.abs(error) / true).mean()),
        float((error**2 / true).mean()),
        float(np.sqrt((logs**2).mean())),
        float(np.sqrt(max((logs**2).mean() - logs.mean() ** 2, 0.0))),
        tuple(float((ratio < 1.25**exponent).mean()) for exponent in DELTAS),
    )


def mean_errors(errors: list[DepthErrors]) -> DepthErrors:
    """Every picture counts the same; pictures without a known pixel are left out."""
    kept = [error for error in errors if np.isfinite(error.mean_absolute)]
    plain = [field.name for field in fields(DepthErrors) if field.name != "within"]
    means = {name: float(np.mean([getattr(error, name) for error in kept])) for name in plain}
    return DepthErrors(**means, within=tuple(np.mean([error.within for error in kept], axis=0).tolist()))
