"""The tracker alone: made-up faces on known paths, told to it as the networks would."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pytest

from realtime.analysis.detector import Detection
from realtime.analysis.landmarks import CROP, Landmarks
from realtime.analysis.tracker import Rules, Tracker
from realtime.frame import Face
from realtime.geometry.crops import roll_of
from realtime.geometry.template import template

SIZE = (1280, 720)
RATE = 30

Placed = tuple[float, float, float]  # centre x, y and eye distance in pixels


def points_at(face: Placed) -> np.ndarray:
    x, y, eyes = face
    return (eyes * template()[:, :2] + [x, y]).astype(np.float32)


def seen_as(faces: Sequence[np.ndarray], score: float = 0.95, confidence: float = 0.8) -> Landmarks:
    points = np.array(faces, np.float32).reshape(-1, 81, 2)
    return Landmarks(points, np.full(points.shape[:2], confidence, np.float32), np.full(len(points), score, np.float32))


def detections_of(faces: Iterable[Placed], score: float = 0.9) -> list[Detection]:
    found = []
    for face in faces:
        points = points_at(face)[:68]
        low, high = points.min(axis=0), points.max(axis=0)
        found.append(Detection((*map(float, low), *map(float, high - low)), roll_of(points), score))
    return found


class Scene:
    """Plays the networks: what lies within reach of a crop is what the landmark network sees there."""

    def __init__(self, tracker: Tracker, rate: float = RATE) -> None:
        self.tracker, self.rate, self.index, self.searches = tracker, rate, 0, 0

    def step(self, faces: Sequence[Placed], size: tuple[int, int] = SIZE) -> tuple[Face, ...]:
        tracker = self.tracker
        tracker.begin(size, self.index / self.rate)
        crops = tracker.crops(CROP)
        if crops:
            near = [self._nearest(crop.back(np.full(2, (CROP - 1) / 2)), faces) for crop in crops]
            results = seen_as([points_at(face) if face else points_at((50, 50, 40)) for face in near])
            results.score[[face is None for face in near]] = 0.05
            tracker.follow(results)
        if tracker.wants_detection():
            self.searches += 1
            # the detector's order is by score, not by size
            found = tracker.unknown(detections_of(faces)[::-1])
            if found:
                tracker.adopt(found, seen_as([self._of(box, faces) for box in found]))
        self.index += 1
        return tracker.faces()

    def play(self, count: int, faces: Sequence[Placed]) -> tuple[Face, ...]:
        for _ in range(count - 1):
            self.step(faces)
        return self.step(faces)

    @staticmethod
    def _nearest(centre: np.ndarray, faces: Sequence[Placed]) -> Placed | None:
        reach = [face for face in faces if np.hypot(face[0] - centre[0], face[1] - centre[1]) < face[2]]
        return min(reach, key=lambda face: np.hypot(face[0] - centre[0], face[1] - centre[1]), default=None)

    @staticmethod
    def _of(found: Detection, faces: Sequence[Placed]) -> np.ndarray:
        x, y, width, height = found.box
        return points_at(min(faces, key=lambda face: np.hypot(face[0] - x - width / 2, face[1] - y - height / 2)))


def ids(faces: Iterable[Face]) -> list[int]:
    return [face.id for face in faces]


def test_a_moving_face_keeps_its_id_and_its_points() -> None:
    scene = Scene(Tracker(smooth=False))
    for step in range(60):
        face: Placed = (200 + 12 * step, 300, 80 + step)
        (tracked,) = scene.step([face])
        assert (tracked.id, tracked.lost) == (1, 0)
        np.testing.assert_allclose(tracked.points, points_at(face), atol=1e-3)
    assert scene.searches == 1  # and never again while it is seen


def test_a_lost_face_is_held_then_let_go_and_comes_back_under_its_id() -> None:
    scene = Scene(Tracker(hold_s=0.5))
    place: Placed = (600, 300, 100)
    (before,) = scene.play(5, [place])
    held = [scene.step([]) for _ in range(20)]
    lost = [faces[0].lost for faces in held if faces]
    np.testing.assert_allclose(lost, np.arange(1, 16) / RATE)
    np.testing.assert_array_equal(held[0][0].points, before.points)
    assert held[-1] == ()
    (again,) = scene.step([(640, 310, 105)])
    assert (again.id, again.lost) == (1, 0)


@pytest.mark.parametrize(
    ("gap_s", "back", "same"),
    [
        (0.8, (600, 300, 100), True),
        (0.8, (1000, 300, 100), False),  # elsewhere
        (0.8, (600, 300, 300), False),  # much larger
        (1.5, (600, 300, 100), False),  # too late
    ],
)
def test_who_is_the_same_face_after_a_gap(gap_s: float, back: Placed, same: bool) -> None:
    scene = Scene(Tracker())
    scene.play(3, [(600, 300, 100)])
    scene.play(round(gap_s * RATE), [])
    (face,) = scene.step([back])
    assert (face.id == 1) is same


def test_largest_faces_are_taken_and_keep_their_places() -> None:
    scene = Scene(Tracker(max_faces=2))
    crowd: list[Placed] = [(200, 200, 40), (600, 300, 90), (1000, 400, 70)]
    faces = scene.step(crowd)
    assert [round(face.points[:68, 0].mean()) for face in faces] == [600, 1000]
    later = scene.play(60, [(200, 200, 140), (600, 300, 90), (1000, 400, 70)])
    assert ids(later) == ids(faces) == [1, 2]
    assert [round(face.points[:68, 0].mean()) for face in later] == [600, 1000]


def test_a_second_face_is_found_on_the_background_schedule() -> None:
    rules = Rules(background_s=0.5)
    scene = Scene(Tracker(max_faces=2, live=True, rules=rules))
    first, second = (400.0, 300.0, 90.0), (900.0, 300.0, 80.0)
    scene.play(4, [first])
    counts = [len(scene.step([first, second])) for _ in range(20)]
    assert counts.index(2) <= 16
    assert scene.searches <= 3


@pytest.mark.parametrize(("live", "most"), [(True, 101), (False, 300)])
def test_an_empty_picture_is_searched_on_schedule(live: bool, most: int) -> None:
    scene = Scene(Tracker(live=live))
    assert scene.play(300, []) == ()
    assert 0.75 * most <= scene.searches <= most


def test_of_two_tracks_on_one_face_the_older_one_has_it() -> None:
    scene = Scene(Tracker(max_faces=2))
    assert ids(scene.step([(400, 300, 90), (700, 300, 90)])) == [1, 2]
    for step in range(1, 40):  # the second passes behind the first and out on the other side
        faces: list[Placed] = [(400, 300, 90)]
        x = 700 - 15 * step
        if abs(x - 400) > 60:
            faces.append((x, 300, 90))
        tracked = scene.step(faces)
        centres = np.array([face.points[:68, 0].mean() for face in tracked])
        assert len(np.unique(centres.round())) == len(centres)  # never two on one face
        assert tracked[0].id == 1
    assert ids(tracked) == [1, 2]


@pytest.mark.parametrize(
    "landmarks",
    [
        seen_as([points_at((600, 300, 100))], score=0.1),
        seen_as([points_at((600, 300, 100))], confidence=0.2),
        seen_as([points_at((600, 300, 30))]),  # collapsed
        seen_as([points_at((600, 300, 250))]),  # blown up
        seen_as([points_at((1400, 300, 100))]),  # out of the frame
    ],
    ids=["low score", "vague points", "shrunk", "grown", "outside"],
)
def test_what_cannot_be_the_face_is_not_followed(landmarks: Landmarks) -> None:
    tracker = Tracker()
    Scene(tracker).play(3, [(600, 300, 100)])
    tracker.begin(SIZE, 3 / RATE)
    tracker.crops(CROP)
    tracker.follow(landmarks)
    assert tracker.seen == []
    (face,) = tracker.faces()
    assert face.lost == pytest.approx(1 / RATE)
    np.testing.assert_allclose(face.points, points_at((600, 300, 100)), atol=1e-3)


@pytest.mark.parametrize("face", [(600, 300, 3), (-60, 300, 100), (600, 800, 100)])
def test_faces_too_small_or_outside_are_not_taken(face: Placed) -> None:
    assert Scene(Tracker()).step([face]) == ()


@pytest.mark.parametrize(
    ("detector", "confidence", "score", "taken"),
    [
        (0.9, 0.8, 0.9, True),
        (0.45, 0.75, 0.9, True),  # small: the detector doubts it, its points are clear
        (0.85, 0.3, 0.9, True),  # a profile
        (0.5, 0.5, 0.99, False),  # a cup: both doubt it
        (0.95, 0.2, 0.9, False),  # no points to speak of
        (0.9, 0.8, 0.5, False),  # the landmark network says it is none
    ],
)
def test_two_networks_decide_what_is_a_new_face(detector: float, confidence: float, score: float, taken: bool) -> None:
    face: Placed = (600, 300, 100)
    tracker = Tracker()
    tracker.begin(SIZE, 0)
    tracker.adopt(detections_of([face], detector), seen_as([points_at(face)], score, confidence))
    assert (len(tracker.seen) == 1) is taken


def test_close_ups_take_turns_by_the_number_of_searches() -> None:
    tracker, turns = Tracker(), []
    for index in range(5):
        tracker.begin(SIZE, index / RATE)
        assert tracker.wants_detection()
        turns.append(tracker.searches)
    tracker.forget()
    tracker.begin(SIZE, 1)
    assert tracker.wants_detection()
    assert [*turns, tracker.searches] == [1, 2, 3, 4, 5, 1]


def test_forgetting_starts_new_ids() -> None:
    scene = Scene(Tracker(max_faces=2, smooth=False))
    crowd: list[Placed] = [(400, 300, 90), (800, 300, 80)]
    assert ids(scene.step(crowd)) == [1, 2]
    scene.tracker.forget()
    assert ids(scene.step(crowd)) == [3, 4]


def test_ten_faces_give_eight_stable_ids() -> None:
    scene = Scene(Tracker(max_faces=8))
    crowd: list[Placed] = [(130 + 250 * (k % 5), 200 + 300 * (k // 5), 60 + 3 * k) for k in range(10)]
    for step in range(30):
        tracked = scene.step([(x + step, y, eyes) for x, y, eyes in crowd])
        assert ids(tracked) == list(range(1, 9))
    assert min(np.ptp(face.points[:68, 0]) for face in tracked) > 60 * 1.2  # the two smallest are left out


def test_a_crowd_is_never_more_than_a_network_takes() -> None:
    """32 people in turns of 16: those seen last are remembered."""
    people: list[Placed] = [(80 + 160 * (place % 8), 90 + 170 * (place // 8), 40) for place in range(32)]
    tracker = Tracker(max_faces=16)
    scene = Scene(tracker)
    for turn in (people[:16], people[16:], people):
        tracker.begin(SIZE, scene.index / RATE)
        assert len(tracker.unknown(detections_of(people))) <= 16
        for _ in range(10):
            scene.step(turn)
            tracker.begin(SIZE, scene.index / RATE)
            assert len(tracker.crops(CROP)) <= 16
