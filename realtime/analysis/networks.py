"""The three networks of the analysis, and one pass of them over a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

import engines
from engines import Engine
from realtime.analysis.detector import Detection, Detector
from realtime.analysis.landmarks import CROP, LandmarkNet, Landmarks
from realtime.analysis.lift import lift
from realtime.analysis.one_euro import FaceFilter
from realtime.analysis.tracker import Track, Tracker
from realtime.analysis.views import View, close_ups, whole
from realtime.frame import Pixels
from realtime.geometry.crops import face_crop, face_crop_of_box

# Detections of less score are not looked at. Lower than the detector's own threshold: the landmark network judges too.
CANDIDATE = 0.4


@dataclass(frozen=True, slots=True)
class Networks:
    """What finds faces, their keypoints, and their depth."""

    detector: Detector
    landmarks: LandmarkNet
    depthnet: Engine

    @classmethod
    def load(cls, threads: int | None = None, device: str = "auto") -> Self:
        """The deployed networks on this machine (see `engines.load`); EngineError where one is missing or damaged."""
        detector, landmarks, depthnet = (
            engines.load(name, device, threads) for name in ("detector", "landmarks", "depthnet")
        )
        return cls(Detector(detector, CANDIDATE), LandmarkNet(landmarks), depthnet)

    def new_filter(self) -> FaceFilter:
        """What steadies the points of a new face."""
        return FaceFilter()

    def follow(self, tracker: Tracker, pixels: Pixels, time_s: float) -> None:
        """Look for the known faces of `tracker` in the picture, where they were last."""
        if crops := tracker.crops(CROP):
            tracker.follow(self.landmarks(pixels, crops))

    def lift(self, tracks: Sequence[Track]) -> None:
        """Depth and pose of tracks, as many as an engine takes at once, at least one."""
        depths, poses = lift(self.depthnet, np.stack([track.points for track in tracks]))
        for track, depth, pose in zip(tracks, depths, poses, strict=True):
            track.depth, track.pose = depth, pose


def find_faces(networks: Networks, tracker: Tracker, pixels: Pixels, time_s: float, in_one_go: bool = False) -> None:
    """Bring `tracker` up to the picture `pixels` (H, W, 3) of media time `time_s`, its tracks lifted and posed.

    A search looks at the whole picture and, for the smallest faces, at one close-up of it, the next search at the next.
    `in_one_go`: there is no next one, so all close-ups are looked at where the whole shows fewer faces than asked for.
    """
    height, width = pixels.shape[:2]
    tracker.begin((width, height), time_s)
    networks.follow(tracker, pixels, time_s)
    if tracker.wants_detection():
        everything, parts = whole(width, height), close_ups(width, height)
        turn = tracker.searches % max(len(parts), 1)
        for views in [[everything], parts] if in_one_go else [[everything, *parts[turn : turn + 1]]]:
            search(networks, tracker, pixels, views)
    if tracker.seen:
        networks.lift(tracker.seen)


def search(networks: Networks, tracker: Tracker, pixels: Pixels, views: Sequence[View]) -> None:
    """Hand `tracker` the faces in these views of the picture that it does not know yet, as far as it has places."""
    if tracker.complete or not views:
        return
    if found := tracker.unknown(networks.detector(pixels, views)):
        tracker.adopt(found, first_sight(networks.landmarks, pixels, found))


def first_sight(net: LandmarkNet, pixels: Pixels, found: Sequence[Detection]) -> Landmarks:
    """Landmarks of detected faces, looked at twice: a detector's box is coarse, the first landmarks place the crop."""
    coarse = net(pixels, [face_crop_of_box(face.box, CROP, face.roll) for face in found])
    return net(pixels, [face_crop(points, CROP) for points in coarse.points])
