"""The crowds that `bench scale` measures: as many faces as it says, of one size, and all of them are seen."""

from __future__ import annotations

import numpy as np
import pytest

from bench.scale import Options, crowd, measured, moving, run
from realtime.errors import InputError


@pytest.mark.parametrize("count", [1, 8])
def test_every_face_of_a_crowd_is_seen(count: int) -> None:
    result = measured(Options(frames=2, settling=6, threads=1), count)
    assert result["faces_seen"] == count
    frame, parts = result["stages_ms"]["frame"], [result["stages_ms"][stage] for stage in ("analyse", "render")]
    assert frame["p50"] >= max(part["p50"] for part in parts)


def test_faces_are_of_one_size_whatever_their_number() -> None:
    one, two = crowd(1), crowd(2)
    np.testing.assert_array_equal(one[:200, :200], two[:200, :200])
    assert not np.ptp(one[300:], axis=(0, 1)).any(), "nothing but faces"


def test_the_crowd_sways_and_comes_back() -> None:
    frames = list(moving(crowd(1), 31))
    assert [frame.index for frame in frames] == list(range(31))
    np.testing.assert_array_equal(frames[0].pixels, frames[30].pixels)
    assert (frames[0].pixels != frames[7].pixels).any()


def test_impossible_numbers_are_refused() -> None:
    with pytest.raises(InputError, match="1 to 16"):
        run(Options(faces=(17,)))
