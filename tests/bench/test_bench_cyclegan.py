"""The bench of CycleGAN: what is given, what is made, and how both are compared."""

from __future__ import annotations

import numpy as np
import pytest

from bench.cyclegan import compared, merged
from bench.meter import Meter
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.frame import Pixels
from realtime.geometry.crops import face_crop
from realtime.sources.demo import portraits


@pytest.fixture(scope="module")
def faces() -> Pixels:
    """The built-in portraits, 96 pixels a side, and either in its mirror."""
    with open_analyser(AnalysisOptions(threads=1)) as analyser:
        crops = [face_crop(analyser.photo(each, "")[0].points, 96).cut(each) for each in portraits()]
    return np.stack([*crops, *(crop[:, ::-1] for crop in crops)])


def test_a_turned_face_lies_over_its_photo() -> None:
    picture = np.zeros((1, 2, 2, 6), np.uint8)
    picture[..., 3:] = 50
    picture[0, 0, 0, :3] = (9, 0, 0)
    assert merged(picture)[0].tolist() == [[[9, 0, 0], [50, 50, 50]], [[50, 50, 50], [50, 50, 50]]]
    swapped = np.arange(12, dtype=np.uint8).reshape(1, 2, 2, 3)
    np.testing.assert_array_equal(merged(swapped), swapped)


def test_what_was_not_changed_counts_as_before(faces: Pixels) -> None:
    rows = compared(faces, faces, faces, Meter(1))
    assert rows["before"].seam == pytest.approx(1)
    assert rows["after"].gained is not None
    assert rows["after"].gained.value == pytest.approx(0, abs=1e-9)
    assert rows["after"].drift == 0
    assert rows["after"].likeness == pytest.approx(1, abs=1e-4)


def test_noise_moves_every_figure(faces: Pixels) -> None:
    spoilt = np.clip(faces + np.random.default_rng(0).normal(0, 40, faces.shape), 0, 255).astype(np.uint8)
    row = compared(faces, spoilt, faces, Meter(1))["after"]
    assert row.gained is not None
    assert row.seam > 1.2
    assert row.gained.value > 0
    assert row.drift > 0.5
    assert row.likeness < 0.95
