"""Colour and depth by their time stamps, against looking at every pair."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from realtime.rgbd.pairing import Pairing, paired

TIMES = st.lists(st.integers(0, 300), max_size=12, unique=True).map(
    lambda times: [time / 100 for time in sorted(times)]
)


@given(TIMES, TIMES)
def test_the_nearest_within_reach(colour: list[float], depth: list[float]) -> None:
    given_ = list(paired(((t, f"c{t}") for t in colour), ((t, t) for t in depth), 0.25))
    assert [(t, picture) for t, picture, *_ in given_] == [(t, f"c{t}") for t in colour]
    for time_s, _, taken, apart in given_:
        best = min((abs(other - time_s) for other in depth), default=9.0)
        if taken is None:
            assert apart is None
            assert best > 0.25
        else:
            assert abs(taken - time_s) == pytest.approx(best)
            assert apart == pytest.approx(taken - time_s)


def test_clocks_that_drift_show() -> None:
    pairing = Pairing()
    for index in range(300):
        assert pairing.add(0.00005 * index, index / 30) is None
    assert pairing.paired == 300
    apart = pairing.apart_ms()
    assert apart["p50"] == pytest.approx(7.475, abs=0.01)
    assert apart["drift"] == pytest.approx(13.5, abs=0.01)


def test_nothing_to_pair() -> None:
    pairing = Pairing()
    assert pairing.add(None, 0.0) is None
    assert pairing.add(None, 0.4) is None, "one that is missing now and then needs no words"
    assert pairing.add(None, 3.0) == "no depth for 3 s"
    assert (pairing.paired, pairing.alone) == (0, 3)
    assert pairing.apart_ms() == {"p50": None, "p95": None, "drift": None}
