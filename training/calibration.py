"""How far the landmark network's two scores can be trusted: the confidence of a point, and "this is a face".

A confidence is calibrated when, of the points that get it, the mean of what it predicts (`confidence_target`) is it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import cv2
import numpy as np
import torch
from matplotlib.figure import Figure
from scipy.stats import rankdata, spearmanr

from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.analysis.tracker import Rules
from realtime.geometry.crops import FACE_SCALE, Crop, face_crop, square_crop
from realtime.geometry.topology import LANDMARKS, eye_distance
from training import data
from training.augment import misplaced_crop
from training.detector_table import PHOTOS
from training.landmark_table import HeldOut, Jitter
from training.portraits import face_free_photos
from training.tables.markdown import markdown

FAIR_ERROR = 3.0  # crop pixels, where the confidence is one half
BINS = 10

T = TypeVar("T", np.ndarray, torch.Tensor)


def confidence_target(error: T) -> T:
    """What the confidence predicts for an error in crop pixels: 1 at none, 0.5 at 3 pixels."""
    return 1 / (1 + (error / FAIR_ERROR) ** 2)


@dataclass(frozen=True, slots=True, eq=False)
class Trust:
    """Confidences (N, 68), and the errors made: `pixels` (N, 68) of the crop, `shares` (N, 68) of the eye distance."""

    confidence: np.ndarray
    pixels: np.ndarray
    shares: np.ndarray

    def bins(self) -> list[np.ndarray]:
        """Indices of all points, in BINS parts of equal number from the least to the most confident."""
        return np.array_split(np.argsort(self.confidence.ravel(), kind="stable"), BINS)

    def reliability(self) -> tuple[np.ndarray, np.ndarray]:
        """(BINS,) mean confidence and (BINS,) what it should have been."""
        said, made = self.confidence.ravel(), confidence_target(self.pixels.ravel())
        return np.array([said[part].mean() for part in self.bins()]), np.array([made[p].mean() for p in self.bins()])

    def calibration_error(self) -> float:
        """Mean difference of the two over the bins (the expected calibration error)."""
        said, made = self.reliability()
        return float(np.abs(said - made).mean())

    def rank_correlations(self) -> tuple[float, float]:
        """Spearman's correlation of confidence with -error, over all points, and over the means of the faces."""
        points = spearmanr(self.confidence.ravel(), -self.shares.ravel()).statistic
        return float(points), float(spearmanr(self.confidence.mean(axis=1), -self.shares.mean(axis=1)).statistic)


def trust_of(net: LandmarkNet, sets: list[HeldOut]) -> Trust:
    """Points as the live loop gets them, from one jittered crop per picture."""
    said, pixels, shares = [], [], []
    for held_out in sets:
        for picture, points, rng in held_out:
            crop = Jitter.draw(rng).of(face_crop(points, CROP), FACE_SCALE)
            found = net(picture, [crop])
            length = np.linalg.norm(found.points[0, :LANDMARKS] - points[:LANDMARKS], axis=1)
            said.append(found.confidence[0, :LANDMARKS])
            pixels.append(length * np.sqrt(np.linalg.det(crop.matrix[:, :2])))
            shares.append(length / eye_distance(points))
    return Trust(np.array(said), np.array(pixels), np.array(shares))


@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """Face scores of crops that show a held-out face, lost one, or show things that are no faces."""

    faces: np.ndarray
    lost: np.ndarray
    things: np.ndarray


def scores_of(net: LandmarkNet, sets: list[HeldOut], things: int = 600) -> Scores:
    """Scores of jittered crops of every picture, of crops that lost its face, and of `things` face-free crops.

    The latter half from around held-out people's faces, half from photos without people; neither is trained on.
    """
    faces, lost = [], []
    for held_out in sets:
        for picture, points, rng in held_out:
            there = Jitter.draw(rng).of(face_crop(points, CROP), FACE_SCALE)
            on, off = net(picture, [there, misplaced_crop(points, CROP, rng)]).score
            faces.append(on)
            lost.append(off)
    nothing = [net(picture, [crop]).score[0] for picture, crop in _face_free(sets, things)]
    return Scores(np.array(faces), np.array(lost), np.array(nothing))


def _face_free(sets: list[HeldOut], count: int) -> Iterator[tuple[np.ndarray, Crop]]:
    rng = np.random.default_rng(8)
    backgrounds = data.Backgrounds([replace(h.faces, held_out=~h.faces.held_out) for h in sets])
    photos = [cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB) for path in face_free_photos(PHOTOS)]
    for index in range(count):
        if index % 2:
            picture, side = cv2.cvtColor(backgrounds.sample(rng, CROP), cv2.COLOR_GRAY2RGB), float(CROP)
        else:
            picture = photos[rng.integers(len(photos))]
            side = rng.uniform(0.15, 0.9) * min(picture.shape[:2])
        height, width = picture.shape[:2]
        low = (side - 1) / 2
        centre = rng.uniform([low, low], [width - 1 - low, height - 1 - low])
        yield picture, square_crop(centre, side, 0.0, CROP)


def area_under_roc(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that a positive scores above a negative (Mann and Whitney), ties counted half."""
    ranks = rankdata(np.concatenate([positive, negative]))[: len(positive)]
    return float((ranks.sum() - len(positive) * (len(positive) + 1) / 2) / (len(positive) * len(negative)))


def roc(positive: np.ndarray, negative: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Shares of negatives and of positives at or above every threshold, from the strictest down."""
    thresholds = np.unique(np.concatenate([positive, negative, [np.inf]]))[::-1]
    false, true = ((scores >= thresholds[:, None]).mean(axis=1) for scores in (negative, positive))
    return false, true


def trust_text(trust: Trust, scores: Scores) -> str:
    """Both in Markdown: the confidence by tenths, and the face score at the thresholds of the live loop."""
    rows = []
    for part in trust.bins():
        said, pixels, shares = (values.ravel()[part] for values in (trust.confidence, trust.pixels, trust.shares))
        wanted = confidence_target(pixels).mean()
        worst = np.percentile(100 * shares, 90)
        rows.append((f"{said.mean():.2f}", f"{wanted:.2f}", *(f"{v:.2f}" for v in (100 * shares.mean(), worst))))
    points, of_faces = trust.rank_correlations()
    rules = Rules()
    at = [
        (
            f"{least:g} ({use})",
            *(f"{100 * (s >= least).mean():.1f} %" for s in (scores.faces, scores.lost, scores.things)),
        )
        for use, least in (("a new face", rules.start[0]), ("a known face", rules.keep[0]))
    ]
    return "\n\n".join(
        [
            markdown(("confidence", "it should have been", "mean error, %", "90th percentile, %"), rows),
            f"Calibration error {trust.calibration_error():.3f} (mean over the tenths). Rank correlation with -error: "
            f"{points:.2f} over the points, {of_faces:.2f} over the means of the faces.",
            markdown(("face score at least", "held-out faces", "crops that lost theirs", "no face at all"), at),
            f"Area under the ROC curve: {area_under_roc(scores.faces, scores.lost):.4f} against crops that lost their "
            f"face, {area_under_roc(scores.faces, scores.things):.4f} against things "
            f"({len(scores.faces)} faces, {len(scores.lost)} lost, {len(scores.things)} things).",
        ]
    )


def trust_figure(trust: Trust, scores: Scores) -> Figure:
    """Reliability diagram, error by confidence, and ROC curves."""
    figure = Figure(figsize=(12, 4), layout="constrained")
    reliability, error, curve = figure.subplots(1, 3)
    said, made = trust.reliability()
    reliability.plot([0, 1], [0, 1], color="0.7")
    reliability.plot(said, made, "o-")
    reliability.set(xlabel="confidence", ylabel="mean of 1 / (1 + (error / 3 px)²)", title="reliability, by tenths")
    reliability.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
    shares = [100 * trust.shares.ravel()[part] for part in trust.bins()]
    for label, values in {
        "90th percentile": [np.percentile(part, 90) for part in shares],
        "mean": [part.mean() for part in shares],
        "median": [np.median(part) for part in shares],
    }.items():
        error.plot(said, values, "o-", label=label)
    error.set(xlabel="confidence", ylabel="error, % of the eye distance", title="error to expect", ylim=(0, None))
    error.legend()
    for label, negative in {"crops that lost their face": scores.lost, "no face at all": scores.things}.items():
        curve.step(*roc(scores.faces, negative), where="post", label=label)
    curve.set(xlabel="share of those taken for a face", ylabel="share of faces taken", title="face score")
    curve.set(xlim=(0, 0.1), ylim=(0.9, 1.002))
    curve.legend(loc="lower right")
    for axes in figure.axes:
        axes.grid(alpha=0.3)
    return figure
