"""The peers' crops and decoding against answers made by hand, and all estimators on real faces."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from realtime.analysis.detector import Detection
from realtime.geometry.crops import Crop, square_crop
from realtime.geometry.topology import KEYPOINTS, LANDMARKS, LIPS, OF_66, eye_distance, mirror
from training import data as sets
from training.peers import Estimator, OpenSeeFace, Pfld, load_peers, mirrored_crop, with_mirror

PICTURE = np.zeros((200, 240, 3), np.uint8)


class Answers:
    """An engine that always says the same."""

    def __init__(self, answer: np.ndarray) -> None:
        self._answer = answer

    def __call__(self, images: np.ndarray) -> tuple[np.ndarray, ...]:
        assert images.dtype == np.float32
        return (np.repeat(self._answer[None], len(images), axis=0),)


def make(kind: Callable[[Any], Estimator], answer: np.ndarray) -> Estimator:
    return kind(Answers(answer))


def test_pfld_reads_shares_of_the_crop() -> None:
    shares = np.linspace(0, 1, 2 * LANDMARKS, dtype=np.float32)
    crop = square_crop(np.array([100.0, 90.0]), 56.0, 0.0, 112)  # half a frame pixel per crop pixel
    found = make(Pfld, shares)(PICTURE, [crop, crop])
    corner = np.array([100.0, 90.0]) - 28  # the outer corner of the crop's first pixel
    np.testing.assert_allclose(found.points[1, :LANDMARKS], corner + 56 * shares.reshape(-1, 2), atol=1e-4)
    assert np.isnan(found.points[:, LANDMARKS:]).all() and found.confidence.shape == (2, KEYPOINTS)


def test_openseeface_reads_cell_and_offset() -> None:
    maps = np.full((3, 66, 28, 28), 0.5, np.float32)
    maps[0] = 0.1
    row, column = np.arange(66) % 28, (5 * np.arange(66)) % 28
    down, right = np.linspace(-0.02, 0.035, 66), np.linspace(0.03, -0.01, 66)
    maps[0, range(66), row, column] = 0.9
    maps[1, range(66), row, column] = 1 / (1 + np.exp(-16 * down))
    maps[2, range(66), row, column] = 1 / (1 + np.exp(-16 * right))
    crop = Crop(np.array([[1.0, 0, 0], [0, 1.0, 0]]), 224)
    found = make(OpenSeeFace, maps.reshape(198, 28, 28))(PICTURE, [crop])
    points = 223 * np.column_stack([column / 27 + right, row / 27 + down])
    np.testing.assert_allclose(found.points[0, :48], points[:48], atol=1e-3)
    # its points 48 to 57 are the outer lip without corners; then a corner, the inner lip's top, a corner, its bottom
    ours = {49: 48, 53: 52, 55: 53, 59: 57, 48: 58, 61: 59, 63: 61, 54: 62, 65: 63, 67: 65}
    for here, there in ours.items():
        np.testing.assert_allclose(found.points[0, here], points[there], atol=1e-3)
    assert np.array_equal(np.flatnonzero(np.isfinite(found.points[0, :, 0])), OF_66)
    np.testing.assert_allclose(found.confidence[0, OF_66], 0.9)


@pytest.mark.parametrize(("kind", "share"), [(Pfld, (1 / 1.2, 0.5 / 1.2)), (OpenSeeFace, (1 / 1.2, 1 / 1.25))])
def test_crops_hold_the_landmarks_with_the_margin_each_was_trained_with(
    kind: Callable[[Any], Estimator], share: tuple[float, float], rng: np.random.Generator
) -> None:
    points = rng.uniform((50, 60), (150, 110), (LANDMARKS, 2))
    points[[0, 1]] = (50, 60), (150, 110)
    points[36:42, 1] = points[42:48, 1] = 80  # level eyes
    estimator = make(kind, np.zeros(1))
    for crop in (estimator.crop(points), estimator.crop_of_box(Detection((50, 60, 100, 50), 0.0, 1.0))):
        within = crop.into(points)
        np.testing.assert_allclose(np.ptp(within, axis=0) / crop.size, share)
        middle = (within.min(axis=0) + within.max(axis=0)) / 2
        np.testing.assert_allclose(middle, (crop.size - 1) / 2, atol=1e-9)


def test_the_crop_of_the_mirrored_picture_is_the_mirrored_crop(rng: np.random.Generator) -> None:
    picture = cv2.GaussianBlur(rng.integers(0, 256, (90, 121, 3)).astype(np.uint8), (0, 0), 2)
    crop = square_crop(np.array([57.3, 40.1]), 70.0, 13.0, 64)
    there = mirrored_crop(crop, picture.shape[1]).cut(cv2.flip(picture, 1))
    assert np.abs(there.astype(int) - cv2.flip(crop.cut(picture), 1)).max() <= 3  # interpolation rounds to 1/32


def test_averaging_with_the_mirror_image_takes_a_lean_out(rng: np.random.Generator) -> None:
    """A network that leans right sees the mirrored face right of its place, too: left of it, mirrored back."""
    symmetric = rng.uniform(0.3, 0.7, (LANDMARKS, 2)).astype(np.float32)
    symmetric = (symmetric + mirror(symmetric, 2)) / 2  # shares of the crop: 1 - x is width - 1 - x for a width of 2
    lean = np.array([0.05, 0.0], np.float32)
    crop = square_crop(np.array([119.5, 99.5]), 112.0, 0.0, 112)  # in the middle: the mirrored crop is the same
    straight, both = with_mirror(make(Pfld, (symmetric + lean).ravel()), PICTURE, crop)
    truth = crop.back(symmetric * 112 - 0.5)
    np.testing.assert_allclose(straight[:LANDMARKS] - truth, np.tile(lean * 112, (LANDMARKS, 1)), atol=1e-3)
    np.testing.assert_allclose(both[:LANDMARKS], truth, atol=1e-3)


def test_every_peer_finds_real_faces(data: Path) -> None:
    photos = sets.faces_300w()
    for estimator in load_peers(threads=1):
        errors = []
        for row in photos.testing()[:3]:
            points = photos.points[row]
            found = estimator(photos.picture(row), [estimator.crop(points)]).points[0, LIPS]
            errors.append(np.nanmean(np.linalg.norm(found - points[LIPS], axis=1)) / eye_distance(points))
        assert max(errors) < 0.10, estimator.name  # a lip point mistaken for another is further off
