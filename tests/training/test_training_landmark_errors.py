"""The evaluation's figures against answers known by construction."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from realtime.analysis.detector import Detection
from realtime.analysis.landmarks import Landmarks
from realtime.geometry.crops import Crop, face_crop, face_crop_of_box, square_crop
from realtime.geometry.template import template
from realtime.geometry.topology import LANDMARKS, mirror
from training.calibration import FAIR_ERROR, Trust, area_under_roc, confidence_target, roc
from training.data import FaceSet
from training.landmark_groups import Traits, apparent_tone, groups_of, interval
from training.landmark_table import (
    JITTERS,
    HeldOut,
    Jitter,
    Score,
    aside_table,
    ced_figure,
    error_table,
    offsets_by_detector,
    offsets_by_jitter,
)
from training.peers import MIRROR, Estimator


class Knowing(Estimator):
    """Finds every face two pixels to the right of where it is."""

    name = "knowing"
    side = 1.0

    def __init__(self, points: np.ndarray) -> None:
        self._points = points + np.array([2, 0])

    def crop(self, points: np.ndarray) -> Crop:
        return face_crop(points, 112)

    def crop_of_box(self, found: Detection) -> Crop:
        return face_crop_of_box(found.box, 112)

    def __call__(self, pixels: np.ndarray, crops: Sequence[Crop]) -> Landmarks:
        mirrored = pixels[0, 0, 0] == 0  # the picture's first column is white
        points = mirror(self._points, pixels.shape[1]) if mirrored else self._points
        return Landmarks(np.tile(points, (len(crops), 1, 1)), np.ones((len(crops), 81)), np.ones(len(crops)))


@pytest.fixture
def one_face() -> HeldOut:
    """A picture with an 80-pixel face in it (nothing is drawn: nobody looks), eyes 50 pixels apart."""
    points = (50 * template()[:, :2] + (120, 100)).astype(np.float32)[None]
    picture = np.zeros((200, 240, 3), np.uint8)
    picture[:, :16] = 255
    code = cv2.imencode(".jpg", picture)[1]
    faces = FaceSet("drawn", [code], points, np.zeros((1, 4)), np.array([""]), np.ones(1, bool))
    return HeldOut("drawn", faces, np.array([0]))


def test_offsets_are_what_a_network_is_off_by(one_face: HeldOut) -> None:
    points = one_face.faces.points[0]
    low, size = points[:LANDMARKS].min(axis=0), np.ptp(points[:LANDMARKS], axis=0)
    here = Detection((*low.tolist(), *size.tolist()), 0.0, 0.5)
    elsewhere = Detection((0.0, 0.0, 30.0, 30.0), 0.0, 0.9)
    offsets = offsets_by_detector([Knowing(points)], lambda picture: [elsewhere, here], one_face)
    np.testing.assert_allclose(offsets["knowing"], np.tile([0.04, 0], (1, LANDMARKS, 1)), atol=1e-5)
    np.testing.assert_allclose(offsets["knowing" + MIRROR], 0.04 * np.tile([1, 0], (1, LANDMARKS, 1)), atol=1e-5)
    missed = offsets_by_detector([Knowing(points)], lambda picture: [elsewhere], one_face)
    assert np.isinf(missed["knowing"]).all()
    alone = offsets_by_jitter([Knowing(points)], one_face)["knowing"]
    np.testing.assert_allclose(alone, np.tile([0.04, 0], (JITTERS, LANDMARKS, 1)), atol=1e-5)


def test_jitter_moves_a_crop_by_shares_of_the_landmark_box() -> None:
    crop = square_crop(np.array([50.0, 40.0]), 160.0, 0.0, 112)  # 1.6 landmark boxes of 100 pixels
    moved = Jitter(0.0, 1.0, np.array([0.1, -0.05])).of(crop, 1.6)
    np.testing.assert_allclose(moved.into(np.array([50.0, 40.0])), 55.5 + np.array([10, -5]) * 112 / 160)


def offsets_of(shares: list[float]) -> np.ndarray:
    """(N, 68, 2) every point of a face off by that share of the eye distance, in the direction (3, 4)."""
    return np.array(shares)[:, None, None] * np.tile([0.6, 0.8], (LANDMARKS, 1))


def test_a_constant_offset_is_all_error_and_nothing_once_aligned() -> None:
    score = Score.of(offsets_of([0.05] * 4))
    for value in (score.all68, score.of66, score.inner, score.jaw, score.p95):
        assert value == pytest.approx(5)
    assert score.aside == pytest.approx(3) and score.aligned == pytest.approx(0, abs=1e-9)
    assert score.failed == 0 and score.auc == pytest.approx(0.5)


def test_a_missed_face_fails_and_spoils_no_mean() -> None:
    score = Score.of(np.concatenate([offsets_of([0.02] * 3), np.full((1, LANDMARKS, 2), np.inf)]))
    assert (score.faces, score.missed) == (4, 1)
    assert score.of66 == pytest.approx(2) and score.failed == 25 and np.isinf(score.p95)
    assert score.auc == pytest.approx(0.75 * 0.8)


def test_points_a_network_lacks_do_not_count() -> None:
    offsets = offsets_of([0.04] * 2)
    offsets[:, [60, 64]] = np.nan
    score = Score.of(offsets)
    assert np.isnan(score.all68) and score.of66 == pytest.approx(4) and score.inner == pytest.approx(4)
    assert next(score.cells()) == "–"


def test_the_area_is_that_under_the_drawn_curve() -> None:
    rng = np.random.default_rng(3)
    offsets = offsets_of(list(rng.uniform(0, 0.15, 50)))
    (axes,) = ced_figure({"drawn": {"a": offsets}}).axes
    x, y = (np.asarray(values) for values in axes.lines[0].get_data())
    steps = np.diff(np.append(np.minimum(x, 10), 10))
    assert (steps * y).sum() / 10 == pytest.approx(Score.of(offsets).auc, abs=1e-6)


def test_tables_name_every_network_and_the_labels_lean() -> None:
    results = {"set": {"a": offsets_of([0.05]), "a" + MIRROR: offsets_of([-0.05])}}
    assert error_table(results).count("| set ") == 2
    assert "+3.00" in aside_table(results)  # points 3 % to the left: labels to the right of them


def test_a_perfectly_calibrated_confidence_has_no_calibration_error(rng: np.random.Generator) -> None:
    confidence = rng.uniform(0.1, 0.95, (40, LANDMARKS))
    pixels = FAIR_ERROR * np.sqrt(1 / confidence - 1)
    np.testing.assert_allclose(confidence_target(pixels), confidence)
    trust = Trust(confidence, pixels, pixels / 40)
    assert trust.calibration_error() == pytest.approx(0, abs=1e-9)
    assert trust.rank_correlations()[0] == pytest.approx(1)
    modest = Trust(confidence / 2, pixels, pixels / 40)
    assert modest.calibration_error() == pytest.approx(confidence.mean() / 2)


def test_roc_area_counts_ordered_pairs(rng: np.random.Generator) -> None:
    positive, negative = rng.integers(2, 9, 60) / 10, rng.integers(0, 6, 80) / 10  # with ties
    pairs = (positive[:, None] > negative) + 0.5 * (positive[:, None] == negative)
    assert area_under_roc(positive, negative) == pytest.approx(pairs.mean())
    false, true = roc(positive, negative)
    assert (false[0], true[0], false[-1], true[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(true, false) == pytest.approx(pairs.mean())


def test_the_interval_covers_the_mean_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    inside = 0
    for _ in range(50):
        values = rng.normal(3, 1, 60)
        low, high = interval(values, np.arange(60), rng)
        inside += low <= 3 <= high
        assert high - low == pytest.approx(2 * 1.96 / np.sqrt(60), rel=0.35)
    assert inside >= 42


def test_the_same_pictures_again_say_nothing_new() -> None:
    rng = np.random.default_rng(6)
    values = rng.normal(3, 1, 30)
    low, high = interval(np.tile(values, 9), np.tile(np.arange(30), 9), np.random.default_rng(0))
    assert (low, high) == pytest.approx(interval(values, np.arange(30), np.random.default_rng(0)))


@pytest.mark.parametrize("angle", [60.0, 35.0, 0.0, -45.0])
def test_tone_is_the_typology_angle_of_the_cheeks(angle: float) -> None:
    """A face of one colour, its eyes, brows and lips of another, half in shadow."""
    points = 60 * template()[:LANDMARKS, :2] + (100, 100)
    turned = np.deg2rad(angle)
    lab = np.array([50 + 25 * np.sin(turned), 9.0, 25 * np.cos(turned)], np.float32)
    skin = cv2.cvtColor(lab[None, None], cv2.COLOR_Lab2RGB)[0, 0]
    picture = np.tile(np.rint(255 * skin).astype(np.uint8), (200, 200, 1))
    for part in (points[17:27], points[36:42], points[42:48], points[48:60]):
        cv2.fillConvexPoly(picture, cv2.convexHull(np.rint(part).astype(np.int32)), (20, 20, 160))
    assert apparent_tone(picture, points) == pytest.approx(angle, abs=2)


def test_grey_and_tiny_faces_have_no_tone() -> None:
    points = 60 * template()[:LANDMARKS, :2] + (100, 100)
    assert np.isnan(apparent_tone(np.full((200, 200, 3), 130, np.uint8), points))
    assert np.isnan(apparent_tone(np.full((200, 200, 3), (190, 140, 110), np.uint8), 0.02 * points))


def test_everybody_is_in_one_group_of_yaw_and_at_most_one_of_tone() -> None:
    yaw, tone = np.linspace(-89, 89, 40), np.append(np.linspace(-89, 90, 39), np.nan)
    groups = groups_of(Traits(yaw, tone, np.arange(40).astype(str), np.ones(40)))
    turned = sum(members.astype(int) for title, members in groups.items() if title.startswith("yaw"))
    toned = sum(members.astype(int) for title, members in groups.items() if not title.startswith("yaw"))
    assert (turned == 1).all() and (toned[:-1] == 1).all() and toned[-1] == 0
