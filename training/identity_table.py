"""Verification on held-out people: same person or not, beside eigenfaces.

Pairs of one person come from different clips, or are different photos; as many pairs of two people are drawn. The
accuracy is that of the threshold that the other nine tenths of the pairs like best (the protocol of LFW). Intervals
are bootstraps over people: pairs of one person are not independent.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from engines import load
from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.geometry.crops import face_crop
from training.identity import Embedder, People, aligned_crop, held_out_people, training_people

MOST_OF_ONE = 30  # pairs of one person: a president must not decide the figure
EIGENFACES = 128
EIGEN_SIDE, EIGEN_PICTURES = 56, 3000
FOLDS = 10
RESAMPLED = 200


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Which pictures are compared: `first` and `second` (P,) indices, `same` (P,) bool, `person` (P,) of the first."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    person: np.ndarray


@dataclass(frozen=True, slots=True)
class Verified:
    """Area under the ROC curve with its 95 % interval, accuracy, and the share of true pairs accepted where one in a
    hundred false ones is."""

    area: float
    interval: tuple[float, float]
    accuracy: float
    accepted: float


def pairs(people: People, rng: np.random.Generator) -> Pairs:
    """Pairs of one person (of different clips), and as many of two, with the same pictures in first place."""
    first, second = [], []
    for name in np.unique(people.person):
        own = np.flatnonzero(people.person == name)
        i, j = (own[side] for side in np.triu_indices(len(own), 1))
        apart = (people.clip[i] != people.clip[j]) | (people.clip[i] == "")
        chosen = rng.permutation(np.flatnonzero(apart))[:MOST_OF_ONE]
        first.append(i[chosen])
        second.append(j[chosen])
    one, other = np.concatenate(first), np.concatenate(second)
    strangers = np.array([rng.choice(np.flatnonzero(people.person != people.person[i])) for i in one], int)
    both = np.concatenate([one, one])
    same = np.arange(len(both)) < len(one)
    return Pairs(both, np.concatenate([other, strangers]), same, people.person[both])


def roc_area(scores: np.ndarray, same: np.ndarray) -> float:
    """Chance that a true pair scores higher than a false one; ties count half."""
    ordered = np.sort(scores[~same])
    below = np.searchsorted(ordered, scores[same], "left") + np.searchsorted(ordered, scores[same], "right")
    return float(below.mean() / 2 / len(ordered))


def accuracy(scores: np.ndarray, same: np.ndarray, rng: np.random.Generator) -> float:
    """Share of pairs told right in ten folds, each by the threshold best for the other nine."""
    fold = rng.permutation(len(scores)) % FOLDS
    right = 0
    for number in range(FOLDS):
        threshold = best_threshold(scores[fold != number], same[fold != number])
        right += int(((scores >= threshold) == same)[fold == number].sum())
    return right / len(scores)


def best_threshold(scores: np.ndarray, same: np.ndarray) -> float:
    """The score from which on pairs are best taken for true ones."""
    order = np.argsort(-scores)
    right = np.cumsum(np.where(same[order], 1, -1))
    return float(scores[order][right.argmax()])


def verified(scores: np.ndarray, which: Pairs, rng: np.random.Generator) -> Verified:
    """All figures of one method's scores (P,)."""
    names = np.unique(which.person)
    of = {name: np.flatnonzero(which.person == name) for name in names}
    areas = []
    for _ in range(RESAMPLED):
        rows = np.concatenate([of[name] for name in rng.choice(names, len(names))])
        areas.append(roc_area(scores[rows], which.same[rows]))
    low, high = np.percentile(areas, [2.5, 97.5])
    accepted = float((scores[which.same] > np.quantile(scores[~which.same], 0.99)).mean())
    area = roc_area(scores, which.same)
    return Verified(area, (float(low), float(high)), accuracy(scores, which.same, rng), accepted)


def our_crops(people: People, net: LandmarkNet) -> np.ndarray:
    """(N, 112, 112, 3) uint8 aligned by our own landmarks, found where the labels say that the face is."""
    crops = []
    for row in people.rows:
        picture = people.faces.picture(int(row))
        points = net(picture, [face_crop(people.faces.points[row], CROP)]).points[0]
        crops.append(aligned_crop(points).cut(picture))
    return np.array(crops)


class Eigenfaces:
    """The baseline (Turk and Pentland 1991): whitened principal components of grey pictures of equal contrast."""

    def __init__(self, crops: np.ndarray) -> None:
        """Learn from (N, S, S, 3) uint8 crops."""
        flat = self._flat(crops)
        self._mean = flat.mean(axis=0)
        _, spread, directions = np.linalg.svd(flat - self._mean, full_matrices=False)
        self._directions = (directions / np.maximum(spread[:, None], 1e-6))[:EIGENFACES]

    def __call__(self, crops: np.ndarray) -> np.ndarray:
        """(N, 128) unit vectors."""
        found = (self._flat(crops) - self._mean) @ self._directions.T
        return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))

    @staticmethod
    def _flat(crops: np.ndarray) -> np.ndarray:
        grey = [
            cv2.equalizeHist(cv2.resize(cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY), (EIGEN_SIDE, EIGEN_SIDE)))
            for crop in crops
        ]
        return np.array(grey, np.float32).reshape(len(grey), -1)


def eigenfaces() -> Eigenfaces:
    """Learned from some of the press photos that the network was trained on."""
    press = training_people()[0]
    rows = np.random.default_rng(0).choice(len(press.rows), EIGEN_PICTURES, replace=False)
    faces = press.faces
    return Eigenfaces(np.array([aligned_crop(faces.points[r]).cut(faces.picture(int(r))) for r in press.rows[rows]]))


def report(threads: int | None = None) -> dict[str, dict[str, Verified]]:
    """Print the table of all held-out sets, and return it."""
    landmarks, ours, baseline = LandmarkNet(load("landmarks", threads=threads)), Embedder(threads), eigenfaces()
    table = Table("held-out people", "pairs", "method", "ROC area", "95 %", "accuracy", "true at 1 % false")
    found: dict[str, dict[str, Verified]] = {}
    for name, people in held_out_people().items():
        which = pairs(people, np.random.default_rng(0))
        crops = our_crops(people, landmarks)
        mirrored = np.ascontiguousarray(crops[:, :, ::-1])
        both = ours.of_crops(crops)[0] + ours.of_crops(mirrored)[0]
        vectors = {
            "ours": ours.of_crops(crops)[0],
            "ours, with the mirror image": both / np.linalg.norm(both, axis=1, keepdims=True),
            "eigenfaces": baseline(crops),
        }
        found[name] = {}
        for method, vector in vectors.items():
            scores = (vector[which.first] * vector[which.second]).sum(axis=1)
            result = found[name][method] = verified(scores, which, np.random.default_rng(1))
            count = f"{int(which.same.sum())} + {int((~which.same).sum())}, {len(np.unique(people.person))} people"
            interval = "–".join(f"{value:.3f}" for value in result.interval)
            row = (f"{result.area:.3f}", interval, f"{result.accuracy:.1%}", f"{result.accepted:.1%}")
            table.add_row(name, count, method, *row)
    Console(width=120).print(table)
    return found
