"""The teacher's second opinion: turns and mirror images are undone before they are averaged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from realtime.analysis.landmarks import Landmarks
from realtime.frame import Pixels
from realtime.geometry.crops import Crop
from realtime.geometry.template import template
from realtime.geometry.topology import KEYPOINTS, mirror
from training.data import FaceSet
from training.teacher import VIEWS, reconsidered, second_opinion

WIDTH = 200
TRUTH = (60 * template()[:, :2] + [90, 110]).astype(np.float32)


class Shifted:
    """Answers the true points of the picture it is shown (mirrored where its marked corner is), off by `shift`."""

    def __init__(self, shift: tuple[float, float]) -> None:
        self.shift = np.array(shift, np.float32)

    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Landmarks:
        points = TRUTH if pixels[0, 0, 0] else mirror(TRUTH, WIDTH)
        count = len(crops)
        return Landmarks(np.tile(points + self.shift, (count, 1, 1)), np.ones((count, KEYPOINTS)), np.ones(count))


def a_picture() -> Pixels:
    picture = np.zeros((220, WIDTH, 3), np.uint8)
    picture[0, 0] = 255
    return picture


def a_set(points: np.ndarray) -> FaceSet:
    class OnePicture(FaceSet):
        def picture(self, index: int) -> np.ndarray:
            return a_picture()

    none = np.zeros((1, 4), np.float32)
    return OnePicture("toy", [none], points[None], none, np.array([""]), np.array([False]))


def test_mirror_images_cancel_what_is_off_sideways() -> None:
    found = second_opinion(Shifted((3.0, 1.0)), a_picture(), TRUTH)
    np.testing.assert_allclose(found, TRUTH + np.array([0, 1]), atol=1e-3)
    assert len(VIEWS) > 1


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_labels_move_by_their_share(share: float) -> None:
    before = a_set(TRUTH)
    after = reconsidered(before, Shifted((0.0, 2.0)), share).points[0]
    np.testing.assert_allclose(after[:68], TRUTH[:68] + np.array([0, 2 * share]), atol=1e-3)
    np.testing.assert_array_equal(after[68:], TRUTH[68:])
    np.testing.assert_array_equal(before.points[0], TRUTH)  # the set itself stays


def test_a_label_far_from_the_teacher_is_turned_off() -> None:
    assert np.isnan(reconsidered(a_set(TRUTH), Shifted((0.0, 40.0)), 0.5).points[0, :68]).all()
