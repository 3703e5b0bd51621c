"""Eye closure against the truth of rendered people and against labels of the clips; blinks against what was seen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.clip_labels import CLOSURES, Label, labels
from bench.driver_heads import NOISE, SIDE, found_face
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.analysis.lift import lift
from realtime.analysis.networks import Networks
from realtime.frame import Face, Intrinsics
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from realtime.monitor.eyes import Lids, aperture_mm, closure_of, hidden
from realtime.monitor.head import from_afar, measure_head
from realtime.monitor.monitor import DriverMonitor
from realtime.monitor.reading import Kind, Reading
from realtime.sources import VideoFile
from training.ict import IctFaces, ViewRanges, random_views, seen
from training.synthetic.render import Renderer
from training.synthetic.scene import HELD_OUT, Ranges, Scene

WATCHING = AnalysisOptions(threads=1, eyes=lambda: True)
_VIEWS = 4  # of each rendered person
_SLACK = 6  # frames by which a closure may be told too early or too late


@dataclass(frozen=True, slots=True)
class Judged:
    """How well closure parts closed from open eyes.

    Attributes:
        auc: area under the ROC curve.
        closed, opened: how many eyes of either kind were judged.
        unjudged: share of all eyes that were not.
        caught, false: shares of closed and of open eyes with a closure of 0.8 or more.
    """

    auc: float
    closed: int
    opened: int
    unjudged: float
    caught: float
    false: float


def judged(closed: list[float | None], opened: list[float | None]) -> Judged:
    """From closures of eyes that are closed and open; None was not judged."""
    high, low = (np.array([value for value in values if value is not None]) for values in (closed, opened))
    every = len(closed) + len(opened)
    return Judged(
        auc=area_under_roc(high, low),
        closed=len(high),
        opened=len(low),
        unjudged=1 - (len(high) + len(low)) / max(every, 1),
        caught=float((high >= 0.8).mean()) if len(high) else 0.0,
        false=float((low >= 0.8).mean()) if len(low) else 0.0,
    )


def area_under_roc(high: np.ndarray, low: np.ndarray) -> float:
    """Probability that one of `high` exceeds one of `low`, ties count half."""
    if not len(high) or not len(low):
        return float("nan")
    more = (high[:, None] > low).mean() + 0.5 * (high[:, None] == low).mean()
    return float(more)


def rendered_eyes(networks: Networks, people: int) -> Judged:
    """Rendered people: the open level learned from four open views, then the same views with closed eyes."""
    closed: list[float | None] = []
    opened: list[float | None] = []
    ranges = Ranges(yaw=35, pitch=20, roll=15, near=500, far=1000, glasses=0.0, hand=0.0, closing=0.0, views=_VIEWS)
    with Renderer(SIDE, ranges) as renderer:
        for person in range(people):
            first = HELD_OUT + _VIEWS * (1000 + person)
            scenes = [renderer.scene(seed) for seed in range(first, first + _VIEWS)]
            gaps = {
                shut: [_gaps(networks, renderer, replace(scene, closure=np.full(2, shut))) for scene in scenes]
                for shut in (0.0, 1.0)
            }
            for eye in (0, 1):
                lids = Lids()
                for gap in gaps[0.0]:
                    if gap[eye] is not None:
                        lids.closure(gap[eye], 5.0)
                for shut, results in ((0.0, opened), (1.0, closed)):
                    results += [None if gap[eye] is None else lids.closure(gap[eye], 0.0) for gap in gaps[shut]]
    return judged(closed, opened)


def made_up_eyes(networks: Networks, ict: IctFaces, count: int) -> Judged:
    """Keypoints of the morphable model with noise, lids open and closed: the measure without any landmark network.

    The open level is the true gap, as a driver's own is known after a minute.
    """
    rng = np.random.default_rng(3)
    identity, weights = ict.random_identity(count, rng), 0.3 * ict.random_expression(count, rng)
    angles, nearness = random_views(count, ViewRanges(35, 20, 15, 0.15), rng)
    exact: dict[float, np.ndarray] = {}
    for shut in (0.0, 1.0):
        weights[:, ict.blinks] = shut
        exact[shut] = 80 * seen(ict.shapes(identity, weights), angles, nearness)[..., :2]
    noisy = {shut: points + rng.normal(0, 80 * NOISE, points.shape) for shut, points in exact.items()}
    levels = _made_up_gaps(networks, exact[0.0])
    closed, opened = (
        [
            None if gap is None or level is None else closure_of(gap, level)
            for gaps, own in zip(_made_up_gaps(networks, noisy[shut]), levels, strict=True)
            for gap, level in zip(gaps, own, strict=True)
        ]
        for shut in (1.0, 0.0)
    )
    return judged(closed, opened)


def _made_up_gaps(networks: Networks, points: np.ndarray) -> list[list[float | None]]:
    camera, sure = Intrinsics(1e6, 1e6, 0.0, 0.0), np.full(points.shape[1], 0.85, np.float32)
    gaps = []
    for face in points.astype(np.float32):
        (depth,), (pose,) = lift(networks.depthnet, face[None])
        gaps.append(_lid_gaps(Face(1, face, sure, 1.0, pose, depth), camera))
    return gaps


def _gaps(networks: Networks, renderer: Renderer, scene: Scene) -> list[float | None]:
    face = renderer.draw(scene)
    found = found_face(networks, face.picture, face.points, np.random.default_rng(scene.seed))
    return _lid_gaps(found, face.camera)


def _lid_gaps(found: Face, camera: Intrinsics) -> list[float | None]:
    """Millimetres, of the eyes that can be judged."""
    _, fit = measure_head(found, camera)
    return [
        None if hidden(found, fit, which) else aperture_mm(from_afar(found, camera), fit, eye)
        for which, eye in enumerate((LEFT_EYE, RIGHT_EYE))
    ]


def watched_clip(path: Path) -> list[Reading]:
    """A clip as mode `monitor` reads it."""
    monitor = DriverMonitor()
    with VideoFile(str(path)) as source, open_analyser(WATCHING) as analyser:
        return [monitor.update(frame, analyser.analyse(frame)) for frame in source]


def labelled_eyes(readings: dict[str, list[Reading]]) -> Judged:
    """Labelled eyes of the clips that were read."""
    closed: list[float | None] = []
    opened: list[float | None] = []
    for label in labels():
        if label.clip in readings:
            (closed if label.closed else opened).append(_closure(readings[label.clip][label.frame], label))
    return judged(closed, opened)


def _closure(reading: Reading, label: Label) -> float | None:
    return None if reading.eyes is None else reading.eyes[label.eye].closure


def closures_found(clip: str, readings: list[Reading], rate: float) -> dict[str, int]:
    """How many closures a person saw, how many of them were told, and what was told beside them."""
    told = [
        (event.time_s * rate, (event.time_s + event.duration_s) * rate)
        for reading in readings
        for event in reading.events
        if event.kind in (Kind.BLINK, Kind.CLOSURE)
    ]
    true = CLOSURES[clip]

    def meets(one: tuple[float, float], other: tuple[float, float]) -> bool:
        return one[0] <= other[1] + _SLACK and other[0] <= one[1] + _SLACK

    return {
        "seen": len(true),
        "found": sum(any(meets(span, event) for event in told) for span in true),
        "beside": sum(not any(meets(span, event) for span in true) for event in told),
    }
