"""Growth over a long run, on made-up series whose growth is known."""

from __future__ import annotations

import numpy as np
import pytest

from bench.loop import _by_minute, _growth, _per_frame


def _series(length_s: float, values: np.ndarray) -> np.ndarray:
    return np.column_stack([1000 + np.linspace(0, length_s, len(values)), values])


def test_latency_grows_from_the_first_to_the_last_minute(rng: np.random.Generator) -> None:
    values = 20 + np.repeat([0.0, 50.0, 3.0], [600, 4800, 600])  # ten minutes, ten frames a second
    outliers = rng.choice(6000, 200, replace=False)
    values[outliers] += 500
    assert _growth(_series(600, values), since=0) == pytest.approx(3.0)


def test_memory_grows_after_the_first_minute() -> None:
    values = np.repeat([100.0, 180.0, 200.0, 183.0], [60, 60, 420, 60])
    assert _growth(_series(600, values), since=1) == pytest.approx(3.0)


def test_a_short_run_is_told_by_its_thirds() -> None:
    values = np.repeat([10.0, 20.0, 40.0], 30)
    assert _growth(_series(9, values), since=0) == pytest.approx(30.0)
    assert _growth(_series(9, values), since=1) == pytest.approx(20.0)


def test_a_run_without_frames_has_no_growth() -> None:
    assert _growth(np.array([]), since=0) is None
    assert _growth(np.array([[5.0, 30.0]]), since=1) == 0.0


def test_minutes_are_told_apart() -> None:
    minutes = np.repeat([20.0, 25.0, 21.0], 60)
    assert _by_minute(_series(179.9, minutes)) == [20.0, 25.0], "the third is not over"
    assert _by_minute(np.array([])) == []


def test_processor_time_is_shared_out_over_the_frames() -> None:
    assert _per_frame([100.0, 130.0, 180.0]) == pytest.approx(40.0)
    assert _per_frame([100.0]) is None
