"""Percentiles against numpy, the stage timer, and the rolling meter on a clock of its own."""

from __future__ import annotations

import math
import sys
import threading

import numpy as np
import pytest

from realtime.timing import Histogram, Meter, Timings


@pytest.mark.parametrize("shape", ["lognormal", "uniform", "two stages", "constant"])
@pytest.mark.parametrize("percent", [5, 50, 95, 99])
def test_percentiles_match_numpy(shape: str, percent: float, rng: np.random.Generator) -> None:
    durations = {
        "lognormal": rng.lognormal(-4, 0.8, 50_000),
        "uniform": rng.uniform(1e-3, 0.05, 50_000),
        "two stages": np.concatenate([rng.normal(5e-3, 2e-4, 40_000), rng.normal(8e-2, 4e-3, 10_000)]),
        "constant": np.full(1000, 0.0333),
    }[shape]
    histogram = Histogram()
    for duration in durations:
        histogram.add(float(duration))
    assert histogram.percentile(percent) == pytest.approx(np.percentile(durations, percent), rel=0.01)
    assert histogram.mean == pytest.approx(durations.mean())


def test_memory_does_not_grow() -> None:
    histogram = Histogram()
    before = sys.getsizeof(histogram._bins)
    for step in range(100_000):
        histogram.add(step * 1e-6)
    assert sys.getsizeof(histogram._bins) == before


@pytest.mark.parametrize("seconds", [0.0, -1.0, 1e-12, 1e9])
def test_extreme_durations_count_as_the_nearest_end(seconds: float) -> None:
    histogram = Histogram()
    histogram.add(seconds)
    assert 0 < histogram.percentile(50) <= 1.01e4


def test_empty_histogram_has_no_percentile() -> None:
    assert math.isnan(Histogram().percentile(50))
    assert math.isnan(Histogram().mean)


def test_timer_counts_blocks_from_several_threads_and_blocks_that_raise() -> None:
    timings = Timings()

    def work(name: str) -> None:
        for _ in range(200):
            with timings.timer(name):
                pass

    threads = [threading.Thread(target=work, args=(name,)) for name in ("warp", "read")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with pytest.raises(KeyError), timings.timer("warp"):
        raise KeyError
    assert {name: histogram.count for name, histogram in timings.items()} == {"warp": 201, "read": 200}


def test_meter_forgets_after_a_second() -> None:
    meter = Meter()
    for step in range(60):
        meter.add(0.010 if step < 30 else 0.030, now=100 + step / 30)
    meter.drop()
    figures = meter.read(now=100 + 59 / 30)
    assert figures.fps == pytest.approx(30, abs=1)
    assert figures.latency_ms == pytest.approx(30, abs=1)
    assert figures.lines() == ["30 frames/s", "30 ms late", "1 dropped"]
    figures = meter.read(now=110)
    assert figures.fps == 0
    assert math.isnan(figures.latency_ms)
    assert figures.lines()[1] == "– ms late"
