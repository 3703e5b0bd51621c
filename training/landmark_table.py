"""Landmark networks on the held-out people: point errors in one protocol for all, the table, and the CED plot.

Errors are in percent of the distance of the outer eye corners. The face is found by our detector and looked at twice,
as in the live loop (`networks.first_sight`), or, to see the network alone, looked at once where the true points say,
off by a seeded jitter that all networks share.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from matplotlib.figure import Figure

from realtime.analysis.detector import Detection, Detector
from realtime.frame import Pixels
from realtime.geometry.crops import Crop
from realtime.geometry.topology import INNER, JAW, LANDMARKS, NOSE_TIP, OF_66, eye_distance
from training import data
from training.augment import degraded, moved_crop
from training.detector_table import iou
from training.peers import MIRROR, Estimator, second_look, with_mirror
from training.scenes import box_of
from training.tables.markdown import markdown

JITTERS = 3  # crops per picture
FAILURE = 0.10  # of the eye distance
SAME_FACE = 0.3  # intersection over union from which a detection is the labelled face
PEOPLE_STEP, VIDEO_STEP = 2, 5  # frames of one video are alike

COLUMNS = ("held-out set", "network", "68", "66", "inner 51", "jaw", "p95", "> 10 %", "AUC", "66, aligned")


@dataclass(frozen=True)
class Jitter:
    """How far a box is off: degrees, factor, and shares of the landmark box's larger side."""

    angle: float
    scale: float
    shift: np.ndarray

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Jitter:
        """As a detector or last frame's landmarks would be off."""
        return cls(rng.normal(0, 5), np.exp(rng.normal(0, 0.06)), rng.normal(0, 0.03, 2))

    def of(self, crop: Crop, side: float) -> Crop:
        """The crop moved by this jitter; `side` is the crop's in units of the landmark box."""
        return moved_crop(crop, self.angle, self.scale, self.shift / side)


@dataclass(frozen=True, slots=True, eq=False)
class HeldOut:
    """Pictures of people (or clips) that are never trained on.

    Attributes:
        name: for tables.
        faces: the set.
        rows: (N,) which of its pictures.
        worse: degrade the pictures as in training (blur, noise, low light, infrared look, JPEG).
        people: it shows enough people as they are to compare groups of them.
    """

    name: str
    faces: data.FaceSet
    rows: np.ndarray
    worse: bool = False
    people: bool = False

    def __iter__(self) -> Iterator[tuple[Pixels, np.ndarray, np.random.Generator]]:
        """Picture (H, W, 3), its (81, 2) points, and a generator that is the same each time."""
        for row in self.rows:
            rng = np.random.default_rng([5, int(row)])
            picture = self.faces.picture(row)
            if self.worse:
                grey = degraded(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), rng)
                picture = cv2.cvtColor(grey, cv2.COLOR_GRAY2RGB)
            yield picture, self.faces.points[row], rng


def held_out_sets() -> list[HeldOut]:
    """Photos with hand-made labels, the same made worse, video frames with coarse ones, clips with pseudo-labels."""
    photos, people, clips = data.faces_300w(), data.faces_ytf(), data.faces_video()
    return [
        HeldOut("300w", photos, photos.testing(), people=True),
        HeldOut("300w degraded", photos, photos.testing(), worse=True),
        HeldOut("ytf (coarse labels)", people, people.testing()[::PEOPLE_STEP], people=True),
        HeldOut("video (pseudo-labels)", clips, clips.testing()[::VIDEO_STEP]),
    ]


def found_face(detector: Detector, picture: Pixels, points: np.ndarray) -> Detection | None:
    """The detection that is the labelled face, or None where the detector missed it."""
    box = box_of(points[:LANDMARKS])
    found = max(detector(picture), key=lambda face: iou(np.array(face.box), box), default=None)
    return found if found and iou(np.array(found.box), box) >= SAME_FACE else None


def offsets_by_detector(
    estimators: Sequence[Estimator], detector: Detector, held_out: HeldOut
) -> dict[str, np.ndarray]:
    """(N, 68, 2) found minus true points in shares of the eye distance, by estimator, then averaged with its mirror.

    A face the detector missed is infinite, a point the network does not have NaN.
    """
    names = [estimator.name for estimator in estimators]
    rows: dict[str, list[np.ndarray]] = {name: [] for name in names + [name + MIRROR for name in names]}
    for picture, points, _ in held_out:
        found = found_face(detector, picture, points)
        for estimator in estimators:
            both: Sequence[np.ndarray] = (np.full((LANDMARKS, 2), np.inf),) * 2
            if found:
                both = with_mirror(estimator, picture, second_look(estimator, picture, found))
            for name, seen in zip((estimator.name, estimator.name + MIRROR), both, strict=True):
                rows[name].append(_relative(seen, points))
    return {name: np.array(offsets) for name, offsets in rows.items()}


def offsets_by_jitter(estimators: Sequence[Estimator], held_out: HeldOut) -> dict[str, np.ndarray]:
    """As `offsets_by_detector` from one look at each of JITTERS crops: (JITTERS · N, 68, 2)."""
    rows: dict[str, list[np.ndarray]] = {estimator.name: [] for estimator in estimators}
    for picture, points, rng in held_out:
        jitters = [Jitter.draw(rng) for _ in range(JITTERS)]
        for estimator in estimators:
            crops = [jitter.of(estimator.crop(points), estimator.side) for jitter in jitters]
            rows[estimator.name] += [_relative(seen, points) for seen in estimator(picture, crops).points]
    return {name: np.array(of_faces) for name, of_faces in rows.items()}


def _relative(found: np.ndarray, points: np.ndarray) -> np.ndarray:
    return (found[:LANDMARKS] - points[:LANDMARKS]) / eye_distance(points)


def face_errors(offsets: np.ndarray) -> np.ndarray:
    """(N,) mean error over the 66 points every network has; infinite where the face was missed."""
    return np.asarray(np.linalg.norm(offsets[:, OF_66], axis=2).mean(axis=1))


@dataclass(frozen=True, slots=True)
class Score:
    """Errors of one network on one set, in percent of the eye distance.

    Attributes:
        all68, of66, inner, jaw: mean over the faces found, of those points; NaN where the network lacks some of 68.
        p95: 95th percentile of the faces' mean of 66; as the next two, over all faces, missed ones infinite.
        failed: percent of the faces with a mean above FAILURE.
        auc: area under the cumulative curve up to FAILURE, 0..1.
        faces, missed: how many there are, and how many of them the detector did not find.
        aside: mean x offset of all points: to the image right if positive.
        aligned: as of66, after the constant offset (x, y) between labels and network on this set is taken out.
    """

    all68: float
    of66: float
    inner: float
    jaw: float
    p95: float
    failed: float
    auc: float
    faces: int
    missed: int
    aside: float
    aligned: float

    @classmethod
    def of(cls, offsets: np.ndarray) -> Score:
        """Of (N, 68, 2) offsets in shares of the eye distance."""
        found = offsets[~np.isinf(offsets[:, NOSE_TIP, 0])]
        lengths, faces = np.linalg.norm(found, axis=2), face_errors(offsets)
        constant = found[:, OF_66].mean(axis=(0, 1))
        return cls(
            all68=100 * float(lengths.mean()),
            of66=100 * float(lengths[:, OF_66].mean()),
            inner=100 * float(np.nanmean(lengths[:, INNER])),
            jaw=100 * float(lengths[:, JAW].mean()),
            p95=100 * float(np.percentile(faces, 95, method="closest_observation")),
            failed=100 * float((faces > FAILURE).mean()),
            auc=float(np.maximum(1 - faces / FAILURE, 0).mean()),
            faces=len(offsets),
            missed=len(offsets) - len(found),
            aside=100 * float(constant[0]),
            aligned=100 * float(np.linalg.norm(found[:, OF_66] - constant, axis=2).mean()),
        )

    def cells(self) -> Iterator[str]:
        """For the columns of the table, from the third on."""
        yield "–" if np.isnan(self.all68) else f"{self.all68:.2f}"
        yield from (f"{value:.2f}" for value in (self.of66, self.inner, self.jaw))
        yield f"{self.p95:.1f}"
        yield f"{self.failed:.1f} %"
        yield f"{self.auc:.3f}"
        yield f"{self.aligned:.2f}"


Results = dict[str, dict[str, np.ndarray]]  # set → network → offsets, as `offsets_by_detector` gives them


def error_table(results: Results) -> str:
    """The table in Markdown: one row per set and network."""
    rows = [
        (title, name, *Score.of(offsets).cells()) for title, rows in results.items() for name, offsets in rows.items()
    ]
    return markdown(COLUMNS, rows)


def aside_table(results: Results) -> str:
    """How far the labels of each set lie to the image right of what networks averaged with their mirror image find.

    Those have no side to lean to: what is left is in the labels.
    """
    names = [name for name in next(iter(results.values())) if name.endswith(MIRROR)]
    rows = [(title, *(f"{-Score.of(of[name]).aside:+.2f}" for name in names)) for title, of in results.items()]
    return markdown(("labels right of, % of eye distance", *names), rows)


def ced_figure(results: Results) -> Figure:
    """Cumulative error distributions, one panel per set: share of faces (missed ones included) below an error."""
    figure = Figure(figsize=(3.6 * len(results), 4.0), layout="constrained")
    panels = figure.subplots(1, len(results), sharey=True, squeeze=False)[0]
    for axes, (title, networks) in zip(panels, results.items(), strict=True):
        first = next(iter(networks))
        for name, offsets in networks.items():
            if name.endswith(MIRROR) and not name.startswith(first):
                continue  # the table has them; more lines would hide each other
            errors = np.sort(face_errors(offsets))
            share = np.arange(1, len(errors) + 1) / len(errors)
            axes.step(100 * errors, share, "--" if name.endswith(MIRROR) else "-", where="post", label=name)
        axes.set(title=f"{title}, {len(errors)} faces", xlim=(0, 100 * FAILURE), ylim=(0, 1))
        axes.grid(alpha=0.3)
    figure.supxlabel("mean error of 66 points, % of the eye distance", fontsize="medium")
    panels[0].set_ylabel("share of faces")
    panels[-1].legend(loc="lower right", fontsize="small")
    return figure


def look_times(
    estimators: Sequence[Estimator], picture: Pixels, points: np.ndarray, looks: int = 100
) -> dict[str, float]:
    """Median milliseconds of one look (crop, network, decoding), the networks taking turns."""
    times: dict[str, list[float]] = {estimator.name: [] for estimator in estimators}
    for _ in range(looks):
        for estimator in estimators:
            start = time.perf_counter()
            estimator(picture, [estimator.crop(points)])
            times[estimator.name].append(time.perf_counter() - start)
    return {name: 1000 * float(np.median(taken)) for name, taken in times.items()}
