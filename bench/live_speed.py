"""How long a live network takes with its crop, whatever its weights: shared by the benches of depth and of normals."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch import nn

import engines
from realtime.timing import Histogram
from training.export import export

WARM_UP, REPEATS = 10, 100


def milliseconds(network: nn.Module, names: tuple[str, str], cut: Callable[[], np.ndarray]) -> dict[str, float]:
    """p50, p95 and mean processor time of `cut` and the network on what it gives, as deployed here.

    Args:
        network: takes and gives one array, batch first.
        names: of its input and its output.
        cut: makes the input, (1, C, S, S) float32, from a frame.
    """
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        export(network.eval(), place / "live.onnx", {names[0]: np.repeat(cut(), 2, axis=0)}, names[1:])
        engine = engines.load("live", folder=place, cache=place)
        histogram, spent = Histogram(), 0.0
        for repeat in range(WARM_UP + REPEATS):
            start, begun = time.perf_counter(), time.process_time()
            engine(cut())
            if repeat >= WARM_UP:
                histogram.add(time.perf_counter() - start)
                spent += time.process_time() - begun
    figures = {f"p{percent}": round(1000 * histogram.percentile(percent), 2) for percent in (50, 95)}
    return {**figures, "processor": round(1000 * spent / REPEATS, 2)}
