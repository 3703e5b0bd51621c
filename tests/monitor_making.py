"""Drivers made up for tests: the mean face in any pose, with lids and lips moved by known amounts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
from faces_making import portrait, posed_face

from realtime.frame import Face, Frame, Intrinsics, Pixels, Pose
from realtime.geometry.template import template
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from realtime.monitor.head import unit_mm
from realtime.monitor.monitor import DriverMonitor
from realtime.monitor.reading import Reading

SIZE = (320, 240)
FORWARD = Pose(0, 0, 0)
OPEN_MM = 8.0


def shape(lids_mm: float = OPEN_MM, other_mm: float | None = None, mouth_mm: float = 0.5) -> np.ndarray:
    """(81, 3) the mean face with these gaps of the image-left and image-right lids, and of the inner lips."""
    points = template().astype(np.float64).copy()
    pairs = [(eye[1], eye[5]) for eye in (LEFT_EYE, RIGHT_EYE)], [(eye[2], eye[4]) for eye in (LEFT_EYE, RIGHT_EYE)]
    for eye_pairs in pairs:
        for gap, (upper, lower) in zip((lids_mm, lids_mm if other_mm is None else other_mm), eye_pairs, strict=True):
            middle = points[[upper, lower]].mean(axis=0)
            points[upper], points[lower] = middle, middle
            points[upper, 1] -= gap / unit_mm() / 2
            points[lower, 1] += gap / unit_mm() / 2
    for upper, lower in ((61, 67), (62, 66), (63, 65)):
        points[lower] = points[upper] + [0, mouth_mm / unit_mm(), 0]
    return points


def near(face: Face, focal: float) -> Face:
    """A face made as seen from far away, as a camera of this focal length (pixels) sees it: nearer is larger."""
    assert face.depth is not None
    middle = face.landmarks.mean(axis=0)
    points = middle + (face.points - middle) / (1 + face.depth[:, None] / focal)
    return replace(face, points=points.astype(np.float32))


def driver(
    pose: Pose = FORWARD,
    lids_mm: float = OPEN_MM,
    mouth_mm: float = 0.5,
    number: int = 1,
    centre: tuple[float, float] = (160.0, 110.0),
    size: float = 80.0,
) -> Face:
    """An analysed face."""
    face = posed_face(pose, size, centre, number, shape(lids_mm, mouth_mm=mouth_mm))
    return near(face, Intrinsics.guessed(SIZE).fx)


def picture() -> Pixels:
    """A bright painted face where `driver()` is."""
    return portrait(driver().points, SIZE)


def watch(
    monitor: DriverMonitor,
    script: Iterable[tuple[float, Face | None]],
    start_s: float = 0.0,
    rate: float = 30.0,
    pixels: Pixels | None = None,
) -> list[Reading]:
    """Readings of a script of (seconds, face)."""
    shown = picture() if pixels is None else pixels
    readings: list[Reading] = []
    index = round(start_s * rate)
    for seconds, face in script:
        for _ in range(round(seconds * rate)):
            frame = Frame(shown, index, index / rate, 0.0)
            readings.append(monitor.update(frame, () if face is None else (face,)))
            index += 1
    return readings
