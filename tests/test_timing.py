"""Percentiles against numpy, the stage timer, and the rolling meter on a clock of its own."""

from __future__ import annotations

import math
import sys
import threading

import numpy as np
import pytest

from realtime import timing
from realtime.timing import Histogram, Meter, Split, Timings


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


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 1000.0

    def perf_counter(self) -> float:
        return self.now


def test_the_parts_of_a_stage_share_out_all_of_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    split, timings = Split("prepare"), Timings()
    for _ in range(3):
        clock.now += 100  # nobody's: before the stage begins
        split.begin()
        clock.now += 1
        with split.part("warp"):
            clock.now += 2
            with split.part("compose"):
                clock.now += 4
            clock.now += 8
        clock.now += 16
        with pytest.raises(KeyError), split.part("compose"):
            clock.now += 32
            raise KeyError
        clock.now += 64
        parts = split.end()
        assert parts == {"prepare": 1 + 16 + 64, "warp": 2 + 8, "compose": 4 + 32}
        timings.add_parts("render", parts)
    assert {name: (histogram.count, histogram.total_s) for name, histogram in timings.items()} == {
        "render prepare": (3, 243),
        "render warp": (3, 30),
        "render compose": (3, 108),
    }


def test_a_part_that_is_a_stage_of_its_own_counts_beside_the_stage() -> None:
    timings = Timings()
    timings.add_stages("render", {"prepare": 1.0, "repair": 4.0, "warp": 2.0}, apart=("repair",))
    timings.add_stages("render", {"prepare": 1.0, "warp": 2.0}, apart=("repair",))
    assert {name: (histogram.count, histogram.total_s) for name, histogram in timings.items()} == {
        "render": (2, 6),
        "repair": (1, 4),
        "render prepare": (2, 2),
        "render warp": (2, 4),
    }


def test_a_part_left_open_by_an_error_does_not_count_in_the_next_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr(timing, "time", clock)
    split = Split("prepare")
    split.part("warp").__enter__()
    split.begin()
    clock.now += 1
    assert split.end() == {"prepare": 1}


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
