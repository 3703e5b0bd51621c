"""Lids: known gaps come back in any pose, the open level is the person's own, and what is hidden is not judged."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from faces_making import posed_face
from monitor_making import OPEN_MM, driver, near, shape

from realtime.frame import Face, Intrinsics, Pose
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from realtime.monitor.eyes import CLOSED_SHARE, Eyes, Lids, aperture_mm, both
from realtime.monitor.head import Fit, from_afar, measure_head
from realtime.monitor.mouth import opening_mm
from realtime.monitor.reading import Doubt, Eye


def fit_of(face: Face) -> Fit:
    return measure_head(face, Intrinsics.guessed((320, 240)))[1]


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(30, 0, 0), Pose(0, 25, 0), Pose(-20, -20, 30), Pose(0, 0, -60)])
@pytest.mark.parametrize("size", [40.0, 90.0])
def test_gaps_come_back_whatever_the_pose(pose: Pose, size: float) -> None:
    camera = Intrinsics(320.0, 320.0, 159.5, 119.5)
    face = near(posed_face(pose, size, shape=shape(7.0, 3.0, 30.0)), camera.fx)
    fit = measure_head(face, camera)[1]
    face = from_afar(face, camera)
    found = [aperture_mm(face, fit, eye) for eye in (LEFT_EYE, RIGHT_EYE)]
    np.testing.assert_allclose(found, [7, 3], atol=0.6)
    opening = opening_mm(face, fit)
    assert opening is not None
    assert opening == pytest.approx(30, abs=2)


@pytest.mark.parametrize("own_mm", [5.0, 8.0, 12.0])
def test_the_open_level_is_learned_and_sleep_does_not_change_it(own_mm: float) -> None:
    lids = Lids()
    for _ in range(300):
        lids.closure(own_mm, 1 / 30)
    assert lids.open_mm == pytest.approx(own_mm, abs=0.3)
    for _ in range(3000):
        asleep = lids.closure(CLOSED_SHARE * own_mm, 1 / 30)
    assert asleep > 0.9
    assert lids.open_mm == pytest.approx(own_mm, abs=0.3)
    assert lids.closure(own_mm, 1 / 30) < 0.1


@pytest.mark.parametrize(
    ("face", "doubts"),
    [
        (driver(), (None, None)),
        (driver(Pose(45, 0, 0)), (None, Doubt.PROFILE)),
        (driver(Pose(-45, 0, 0)), (Doubt.PROFILE, None)),
        (driver(Pose(75, 0, 0)), (Doubt.PROFILE, Doubt.PROFILE)),
        (driver(Pose(0, -50, 0)), (Doubt.PROFILE, Doubt.PROFILE)),
        (driver(size=18.0), (Doubt.SMALL, Doubt.SMALL)),
    ],
)
def test_what_cannot_be_judged_is_not(face: Face, doubts: tuple[Doubt | None, Doubt | None]) -> None:
    eyes = Eyes()(face, fit_of(face), None, 1 / 30)
    assert tuple(eye.doubt for eye in eyes) == doubts
    assert [eye.closure is None for eye in eyes] == [doubt is not None for doubt in doubts]


def test_unsure_points_are_covered_eyes() -> None:
    face = driver()
    sure = face.confidence.copy()
    sure[RIGHT_EYE] = 0.2
    eyes = Eyes()(replace(face, confidence=sure), fit_of(face), None, 1 / 30)
    assert eyes[0].closure is not None
    assert eyes[1].doubt is Doubt.COVERED


def test_a_wink_is_not_closed_eyes() -> None:
    assert both((Eye(2.0, 0.9), Eye(OPEN_MM, 0.1))) == 0.1
    assert both((Eye(2.0, 0.9), Eye(2.0, None, Doubt.PROFILE))) == 0.9
    assert both((Eye(2.0, None), Eye(2.0, None))) is None
