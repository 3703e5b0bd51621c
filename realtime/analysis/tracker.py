"""Which face of this frame is which face of the last one: tracks with stable ids.

The tracker runs no network. For each frame (`begin`) the analyser asks it where to look (`crops`), tells it what was
there (`follow`), asks whether the whole frame should be searched (`wants_detection`), and hands over what the search
found (`unknown`, `adopt`). It knows time only from the frames, so two runs over a file agree.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from engines import MAX_BATCH
from realtime.analysis.detector import Detection
from realtime.analysis.landmarks import Landmarks
from realtime.analysis.one_euro import FaceFilter
from realtime.frame import Face, Floats, Pose
from realtime.geometry.crops import Crop, face_crop
from realtime.geometry.topology import LANDMARKS

SPARE = 4  # candidates looked at beyond the free places


@dataclass(frozen=True, slots=True)
class Rules:
    """When a face is taken, kept and given up. Lengths are in face sizes (larger side of the box of 68 landmarks).

    Attributes:
        start, keep: least face score and mean confidence of a new and of a known face. The score tells a face from
            most other things; those that fool it (cups, coins) have vague points.
        agreed: least sum of a new face's mean confidence and the detector's score: a profile has vague points, but the
            detector is sure of it, and a small face that it doubts has clear ones. What is no face is short of both.
        least_px: smaller faces are not faces.
        inside: least share of the landmarks within the frame.
        growth: largest change of size from one sight to the next.
        same: centres closer than this are one face.
        near: a face that comes back this near to where it was lost is the same one.
        remember_s: for how long.
        search_s: pause between searches while a face is missing: live, and for files, where no frame is dropped.
        background_s: pause between searches while faces are tracked, but fewer than asked for.
    """

    start: tuple[float, float] = (0.6, 0.25)
    keep: tuple[float, float] = (0.4, 0.25)
    agreed: float = 1.05
    least_px: float = 8.0
    inside: float = 0.5
    growth: float = 1.6
    same: float = 0.5
    near: float = 1.5
    remember_s: float = 1.0
    search_s: float = 0.1
    file_search_s: float = 0.0
    background_s: float = 0.5


@dataclass(slots=True, eq=False)
class Track:
    """One face over time.

    Attributes:
        id: unique in the run, counted from 1.
        points: (81, 2) smoothed pixels where the face was seen last.
        confidence: (81,) and `score`, as the network gave them then.
        seen_s: media time of that sight.
        depth, pose: from the lift of `points`.
    """

    id: int
    points: Floats
    confidence: Floats
    score: float
    seen_s: float
    depth: Floats | None = None
    pose: Pose = field(default_factory=lambda: Pose(0, 0, 0))
    smoothing: FaceFilter = field(default_factory=FaceFilter)


class Tracker:
    """Keeps up to `max_faces` tracks; see the module.

    Attributes:
        seen: the tracks seen in this frame so far, in the order of their ids but for those adopted last.
        searches: how many were wanted since all was forgotten; close-ups take turns by it.
    """

    def __init__(
        self,
        max_faces: int = 1,
        hold_s: float = 1.0,
        live: bool = False,
        smooth: bool = True,
        rules: Rules | None = None,
        filters: Callable[[], FaceFilter] = FaceFilter,
    ) -> None:
        """`hold_s`: for how long a lost face is still reported. `smooth`: points pass through a filter of `filters`."""
        self.seen: list[Track] = []
        self.searches = 0
        self._max_faces = max_faces
        self._hold_s = hold_s
        self._smooth = smooth
        self._filters = filters
        self._rules = rules or Rules()
        self._search_s = self._rules.search_s if live else self._rules.file_search_s
        self._tracks: list[Track] = []
        self._next_id = 1
        self._searched_s = -np.inf
        self._time_s = 0.0
        self._frame_size = (0, 0)

    @property
    def known(self) -> tuple[Track, ...]:
        """The tracks of all faces that may be in this frame, in the order of `crops`."""
        return tuple(self._tracks)

    @property
    def complete(self) -> bool:
        """Whether as many faces are seen as asked for."""
        return len(self.seen) >= self._max_faces

    def forget(self) -> None:
        """The next frame has nothing to do with the last one: every face in it is new."""
        self._tracks, self._searched_s, self.searches = [], -np.inf, 0

    def begin(self, frame_size: tuple[int, int], time_s: float) -> None:
        """A new frame of (width, height) pixels: nothing is seen yet, and tracks lost for too long end."""
        self.seen = []
        self._frame_size, self._time_s = frame_size, time_s
        memory_s = max(self._hold_s, self._rules.remember_s)
        recent = sorted((track for track in self._tracks if self._lost_s(track) <= memory_s), key=self._lost_s)
        most = min(2 * self._max_faces, MAX_BATCH)  # as many as a network looks at at once
        self._tracks = sorted(recent[:most], key=lambda track: track.id)

    def crops(self, size: int) -> list[Crop]:
        """Where each track's face was last: crops of `size` pixels, in the order `follow` expects.

        A face moves by 3 % of its size from frame to frame, by 25 % at most in our clips; the landmark network finds
        one that is 40 % off. Guessing ahead from its speed gained nothing.
        """
        return [face_crop(track.points, size) for track in self._tracks]

    def follow(self, landmarks: Landmarks) -> None:
        """Take in what the network saw in `crops`. Where two tracks are on one face, the older one has it."""
        growth = self._rules.growth
        results = zip(self._tracks, landmarks.points, landmarks.confidence, landmarks.score, strict=True)
        for track, points, confidence, score in results:
            grown = _extent(points) / max(_extent(track.points), 1e-6)
            if 1 / growth <= grown <= growth and self._acceptable(points, confidence, score, self._rules.keep):
                self._see(track, points, confidence, float(score))

    def wants_detection(self) -> bool:
        """Whether the frame should be searched for faces; the caller then does."""
        if self.complete:
            return False
        missing = not self.seen or len(self.seen) < len(self._tracks)
        if self._time_s - self._searched_s < (self._search_s if missing else self._rules.background_s):
            return False
        self._searched_s = self._time_s
        self.searches += 1
        return True

    def unknown(self, detections: Sequence[Detection]) -> list[Detection]:
        """Those that no seen track covers, the largest first, some more than there are places (not all are faces)."""
        new = [found for found in detections if not self._taken(_corners(found))]
        new.sort(key=lambda found: -max(found.box[2:]))
        return new[: min(self._max_faces - len(self.seen) + SPARE, MAX_BATCH)]

    def adopt(self, found: Sequence[Detection], landmarks: Landmarks) -> None:
        """Take in new faces, `landmarks` of what was `found`, as far as there are places, the first ones first.

        One near a lost track continues it.
        """
        results = zip(found, landmarks.points, landmarks.confidence, landmarks.score, strict=True)
        for detection, points, confidence, score in results:
            if self.complete:
                return
            agreed = detection.score + confidence.mean() >= self._rules.agreed
            if not agreed or not self._acceptable(points, confidence, score, self._rules.start):
                continue
            track = self._lost_near(points)
            if track is None:
                smoothing = self._filters()
                track = Track(self._next_id, points, confidence, float(score), self._time_s, smoothing=smoothing)
                self._next_id += 1
                self._tracks.append(track)
            track.smoothing.reset()
            self._see(track, points, confidence, float(score))

    def faces(self) -> tuple[Face, ...]:
        """The faces to report, by id: those seen, and those lost for a moment where nobody stands in front."""
        lost = [
            track
            for track in self._tracks
            if track not in self.seen and self._lost_s(track) <= self._hold_s and not self._taken(track.points)
        ]
        lost.sort(key=self._lost_s)
        reported = self.seen + lost[: self._max_faces - len(self.seen)]
        return tuple(
            Face(track.id, track.points, track.confidence, track.score, track.pose, track.depth, self._lost_s(track))
            for track in sorted(reported, key=lambda track: track.id)
        )

    def _see(self, track: Track, points: Floats, confidence: Floats, score: float) -> None:
        track.points = track.smoothing(points, confidence, self._time_s, track.depth) if self._smooth else points
        track.confidence, track.score, track.seen_s = confidence, score, self._time_s
        self.seen.append(track)

    def _lost_s(self, track: Track) -> float:
        return self._time_s - track.seen_s

    def _lost_near(self, points: Floats) -> Track | None:
        """The lost track nearest to where new `points` are, if it is near enough and of similar size."""
        size, best, least = _extent(points), None, self._rules.near
        for track in self._tracks:
            extent = _extent(track.points)
            distance = float(np.linalg.norm(_centre(points) - _centre(track.points))) / max(size, extent, 1e-6)
            if track not in self.seen and 0.5 <= size / max(extent, 1e-6) <= 2 and distance < least:
                best, least = track, distance
        return best

    def _acceptable(self, points: Floats, confidence: Floats, score: float, least: tuple[float, float]) -> bool:
        """Whether this is a face, in the frame, and no track has it yet."""
        if score < least[0] or confidence.mean() < least[1]:
            return False
        landmarks = points[:LANDMARKS]
        within = ((landmarks >= 0) & (landmarks <= np.array(self._frame_size) - 1)).all(axis=1).mean()
        large = _extent(points) >= self._rules.least_px
        return bool(large and within >= self._rules.inside and not self._taken(points))

    def _taken(self, points: Floats) -> bool:
        """Whether a seen track is on the face at `points` (any points that span its box)."""
        centre, extent = _centre(points), _extent(points)
        return any(
            np.linalg.norm(centre - _centre(track.points)) < self._rules.same * max(extent, _extent(track.points))
            for track in self.seen
        )


def _corners(found: Detection) -> np.ndarray:
    x, y, width, height = found.box
    return np.array([[x, y], [x + width, y + height]])


def _extent(points: np.ndarray) -> float:
    landmarks = points[:LANDMARKS]
    return float((landmarks.max(axis=0) - landmarks.min(axis=0)).max())


def _centre(points: np.ndarray) -> np.ndarray:
    landmarks = points[:LANDMARKS]
    return np.asarray(landmarks.max(axis=0) + landmarks.min(axis=0)) / 2
