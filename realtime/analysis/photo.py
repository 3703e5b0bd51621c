"""The face of a still picture, as exactly as possible: it is drawn for minutes, so half a second is well spent."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.analysis.detector import Detection
from realtime.analysis.landmarks import CROP, LandmarkNet
from realtime.analysis.lift import lift
from realtime.analysis.networks import Networks, first_sight, search
from realtime.analysis.tracker import Tracker
from realtime.analysis.views import close_ups
from realtime.errors import InputError
from realtime.frame import Face, Floats, Pixels
from realtime.geometry.crops import Crop, face_crop
from realtime.geometry.topology import FLIP, LANDMARKS, mirror

MOST_FACES = 8
# How the crops differ over which landmarks are averaged: shift x, y (of the face's extent), scale, roll in degrees.
# Each is taken of the picture and of its mirror image: 16 crops, the most an engine takes at once.
JITTER = (
    (0.0, 0.0, 1.0, 0.0),
    (0.04, 0.0, 0.95, 4.0),
    (-0.04, 0.0, 1.05, -4.0),
    (0.0, 0.04, 1.08, 3.0),
    (0.0, -0.04, 0.93, -3.0),
    (0.03, 0.03, 1.0, -6.0),
    (-0.03, -0.03, 1.0, 6.0),
    (0.0, 0.0, 1.12, 0.0),
)
AS_SURE = 0.8  # beside a face, what has points less sure than this share of its confidence is a badge or a hand
MARGINS = (0.0, 0.5, 1.5)  # border added on each side, in picture sides: a face that fills the picture needs some


def analyse_photo(networks: Networks, pixels: Pixels, name: str) -> tuple[Face, int]:
    """The largest face of a still picture and how many faces are in it (8 at most are counted).

    Args:
        pixels: (H, W, 3).
        name: what the picture is called in the error.

    Raises:
        InputError: no face was found.
    """
    height, width = pixels.shape[:2]
    tracker = Tracker(MOST_FACES, smooth=False)
    tracker.begin((width, height), 0.0)
    for margin in MARGINS:
        if found := tracker.unknown(_detect_with_margin(networks, pixels, margin)):
            tracker.adopt(found, first_sight(networks.landmarks, pixels, found))
    if not tracker.seen:
        search(networks, tracker, pixels, close_ups(width, height))
    if not tracker.seen:
        raise InputError(f"No face was found in {name}: take a picture in which one is plainly visible.")
    surest = max(track.confidence.mean() for track in tracker.seen)
    faces = [track for track in tracker.seen if track.confidence.mean() >= AS_SURE * surest]
    largest = max(faces, key=lambda track: float(np.prod(np.ptp(track.points[:LANDMARKS], axis=0))))
    points, confidence = _averaged(networks.landmarks, pixels, largest.points)
    (depth,), (pose,) = lift(networks.depthnet, points[None])
    return Face(0, points, confidence, largest.score, pose, depth), len(faces)


def _detect_with_margin(networks: Networks, pixels: Pixels, margin: float) -> list[Detection]:
    if margin == 0:
        return networks.detector(pixels)
    height, width = pixels.shape[:2]
    top, left = round(margin * height), round(margin * width)
    framed = cv2.copyMakeBorder(pixels, top, top, left, left, cv2.BORDER_CONSTANT, value=(127, 127, 127))
    found = networks.detector(framed)
    return [Detection((x - left, y - top, w, h), face.roll, face.score) for face in found for x, y, w, h in [face.box]]


def _averaged(net: LandmarkNet, pixels: Pixels, points: Floats) -> tuple[Floats, Floats]:
    """Mean points (81, 2) and confidence (81,) over slightly different crops of the picture and its mirror image."""
    width = pixels.shape[1]
    straight = net(pixels, _crops(points))
    mirrored = net(cv2.flip(pixels, 1), _crops(mirror(points, width)))
    every = np.concatenate([straight.points, mirror(mirrored.points, width)])
    confidence = np.concatenate([straight.confidence, mirrored.confidence[:, FLIP]])
    return every.mean(axis=0).astype(np.float32), confidence.mean(axis=0).astype(np.float32)


def _crops(points: Floats) -> list[Crop]:
    centre = points[:LANDMARKS].mean(axis=0)
    extent = float(np.ptp(points[:LANDMARKS], axis=0).max())
    crops = []
    for x, y, scale, roll in JITTER:
        angle = np.deg2rad(roll)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        crops.append(face_crop((points - centre) @ turn.T + centre + extent * np.array([x, y]), CROP))
    return crops
