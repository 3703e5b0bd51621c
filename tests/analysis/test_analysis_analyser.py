"""The whole analysis with the deployed networks, on real pictures and clips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from realtime.analysis.analyser import Analyser, AnalysisOptions, open_analyser
from realtime.analysis.views import close_ups
from realtime.errors import InputError
from realtime.frame import Face, Frame, Pixels
from realtime.geometry.crops import face_crop
from realtime.geometry.topology import HAIRLINE, INNER, LANDMARKS, NOSE_TIP, eye_distance, mirror
from training.occluders import Scene, hand

skimage_data = pytest.importorskip("skimage.data")


@pytest.fixture(scope="module")
def portrait() -> Pixels:
    """A public-domain portrait with one face, about 100 pixels wide, 512 x 512."""
    return np.ascontiguousarray(skimage_data.astronaut()[..., :3])


def frames_of(pictures: Iterator[Pixels] | list[Pixels], rate: float = 30) -> Iterator[Frame]:
    for index, pixels in enumerate(pictures):
        yield Frame(pixels, index, index / rate, 0.0)


def clip(path: Path, most: int) -> Iterator[Pixels]:
    with av.open(str(path)) as container:
        for picture in islice(container.decode(video=0), most):
            yield picture.to_ndarray(format="rgb24")


def analyse(frames: Iterator[Frame], **options: object) -> list[tuple[Face, ...]]:
    with open_analyser(AnalysisOptions(threads=1, **options)) as analyser:  # type: ignore[arg-type]
        return [analyser.analyse(frame) for frame in frames]


def canvas(portrait: Pixels, left: int, top: int = 100, size: tuple[int, int] = (1280, 720)) -> Pixels:
    """The portrait's head, doubled, pasted into a plain picture, cut off where it leaves it."""
    head = cv2.resize(portrait[0:230, 120:320], None, fx=2, fy=2, interpolation=cv2.INTER_CUBIC)
    picture = np.full((size[1] + 1000, size[0] + 1000, 3), 120, np.uint8)
    picture[top + 500 : top + 960, left + 500 : left + 900] = head
    return np.ascontiguousarray(picture[500:-500, 500:-500])


def placed(portrait: Pixels, share: float, left: int, top: int, size: tuple[int, int] = (1280, 720)) -> Pixels:
    """The portrait, its face `share` of 720 lines high, in a plain picture."""
    factor = share * 720 / 91  # the face is 91 pixels high
    small = cv2.resize(portrait, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    picture = np.full((size[1], size[0], 3), 120, np.uint8)
    picture[top : top + len(small), left : left + small.shape[1]] = small
    return picture


@dataclass(frozen=True)
class Grid:
    """Faces of the data pack side by side: the picture and the true centres and eye distances."""

    pixels: Pixels
    centres: np.ndarray
    eyes: np.ndarray


@pytest.fixture(scope="module")
def ten_faces(data: Path) -> Grid:
    with np.load(data / "faces_300w.npz") as pack:
        jpeg, offset, marks, check = pack["jpeg"], pack["offset"], pack["landmarks68"], pack["check"]
    chosen = np.argsort(check)[:10]
    picture, centres, eyes = np.zeros((720, 1280, 3), np.uint8), [], []
    for place, row in enumerate(chosen):
        tile = cv2.imdecode(jpeg[offset[row] : offset[row + 1]], cv2.IMREAD_COLOR_RGB)
        side = 256 - 8 * place  # all of different sizes
        x, y = 256 * (place % 5), 80 + 300 * (place // 5)
        picture[y : y + side, x : x + side] = cv2.resize(tile, (side, side), interpolation=cv2.INTER_AREA)
        points = (marks[row] + 0.5) * side / len(tile) - 0.5 + [x, y]
        centres.append(points.mean(axis=0))
        eyes.append(float(eye_distance(points)))
    return Grid(picture, np.array(centres), np.array(eyes))


@pytest.mark.parametrize("name", ["d3", "d6", "d9", "d10", "d12", "s18"])
def test_a_clip_is_one_face_without_jumps(data: Path, name: str) -> None:
    found = analyse(frames_of(clip(data / f"video_{name}.mp4", 80)))
    assert [len(faces) for faces in found] == [1] * len(found)
    assert {faces[0].id for faces in found} == {1}
    assert max(faces[0].lost for faces in found) == 0
    points = np.stack([faces[0].points for faces in found])
    steps = np.linalg.norm(np.diff(points.mean(axis=1), axis=0), axis=1) / eye_distance(points[1:])
    assert steps.max() < 0.5


def test_points_lie_where_the_labels_are(data: Path) -> None:
    """Against labels two other programs agreed on; only that the right face is found is asked here."""
    with np.load(data / "faces_video.npz") as pack:
        of_clip = np.flatnonzero(pack["identity"] == "s18")
        frame_numbers, affine, marks = (pack[key][of_clip] for key in ("frame", "crop_affine", "landmarks68"))
    found = analyse(frames_of(clip(data / "video_s18.mp4", 60)))
    errors = []
    for number, matrix, truth in zip(frame_numbers, affine, marks, strict=True):
        if number < len(found) and np.isfinite(truth).all():
            in_crop = found[number][0].landmarks @ matrix[:, :2].T + matrix[:, 2]
            errors.append(np.linalg.norm(in_crop - truth, axis=1).mean() / eye_distance(truth))
    assert len(errors) > 3
    assert np.median(errors) < 0.08


def test_two_runs_agree_exactly(data: Path) -> None:
    runs = [analyse(frames_of(clip(data / "video_d6.mp4", 40)), max_faces=2) for _ in range(2)]
    for faces, again in zip(*runs, strict=True):
        assert [face.id for face in faces] == [face.id for face in again]
        for one, other in zip(faces, again, strict=True):
            np.testing.assert_array_equal(one.points, other.points)
            np.testing.assert_array_equal(one.depth, other.depth)
            assert one.pose == other.pose


def test_ten_faces_give_eight_stable_ids(ten_faces: Grid) -> None:
    shifted = [np.roll(ten_faces.pixels, 2 * step, axis=0) for step in range(12)]
    found = analyse(frames_of(shifted), max_faces=8)
    for faces in found:
        assert [face.id for face in faces] == list(range(1, 9))
    centres = np.stack([face.landmarks.mean(axis=0) for face in found[0]])
    distance = np.linalg.norm(centres[:, None] - ten_faces.centres, axis=2) / ten_faces.eyes
    assert distance.min(axis=1).max() < 0.3
    assert len(set(distance.argmin(axis=1))) == 8


SMALL = [(40, 30), (620, 280), (1020, 480)]


@pytest.mark.parametrize("place", SMALL)
def test_a_small_face_is_found_by_the_time_every_close_up_had_its_turn(
    portrait: Pixels, place: tuple[int, int]
) -> None:
    frames = [placed(portrait, 0.05, *place)] * 9
    found, again = analyse(frames_of(frames)), analyse(frames_of(frames))
    (face,) = found[len(close_ups(1280, 720))]
    expected = np.array(place) + np.array([224, 132]) * 36 / 91  # the middle of the portrait's face
    low, high = face.landmarks.min(axis=0), face.landmarks.max(axis=0)
    np.testing.assert_allclose((low + high) / 2, expected, atol=8)
    assert [[(face.id, face.points.tolist()) for face in faces] for faces in found] == [
        [(face.id, face.points.tolist()) for face in faces] for faces in again
    ]


@pytest.mark.parametrize("place", SMALL)
def test_a_small_face_is_found_at_once_where_no_other_frame_follows(
    analyser: Analyser, portrait: Pixels, place: tuple[int, int]
) -> None:
    picture = placed(portrait, 0.05, *place)
    (face,) = analyse(frames_of([picture]), tracked=False)[0]
    photo, count = analyser.photo(picture, "from afar")
    assert count == 1
    np.testing.assert_allclose(photo.landmarks.mean(axis=0), face.landmarks.mean(axis=0), atol=4)


def test_ten_faces_small_and_large_give_eight(portrait: Pixels) -> None:
    picture = np.full((720, 1280, 3), 120, np.uint8)
    head, centres, shares = portrait[30:230, 130:330], [], np.geomspace(0.05, 0.2, 10)
    ends = [20, 150]  # of the two rows
    for place, share in enumerate(shares):
        side, row = round(share * 720 / 91 * 200), place % 2
        corner = np.array([ends[row], 20 + 300 * row])
        picture[corner[1] : corner[1] + side, corner[0] : corner[0] + side] = cv2.resize(
            head, (side, side), interpolation=cv2.INTER_AREA
        )
        centres.append(corner + np.array([94, 102]) * side / 200)
        ends[row] += side + 40
    (faces,) = analyse(frames_of([picture]), tracked=False, max_faces=8)
    assert len(faces) == 8
    distance = np.linalg.norm([[face.landmarks.mean(axis=0) - centre for centre in centres] for face in faces], axis=2)
    assert len(set(distance.argmin(axis=1))) == 8
    assert (distance.min(axis=1) < 0.3 * 720 * shares[distance.argmin(axis=1)]).all()


def test_a_face_leaves_is_held_and_comes_back(portrait: Pixels) -> None:
    places = [-32 * step for step in range(12)] + [-420] * 8 + [-352 + 32 * step for step in range(12)]
    found = analyse(frames_of([canvas(portrait, left) for left in places]), hold_s=1.0)
    assert {face.id for faces in found for face in faces} == {1}
    assert found[17][0].lost > 0
    assert (found[0][0].lost, found[-1][0].lost) == (0, 0)


def test_a_lost_face_is_reported_no_longer_than_asked(portrait: Pixels) -> None:
    empty = np.full((720, 1280, 3), 120, np.uint8)
    found = analyse(frames_of([canvas(portrait, 500)] * 3 + [empty] * 20), hold_s=0.3)
    assert [len(faces) for faces in found] == [1] * 12 + [0] * 11


@pytest.mark.parametrize("size", [(1, 1), (1, 720), (3, 2), (64, 64), (1280, 720)])
@pytest.mark.parametrize("live", [True, False])
def test_pictures_without_a_face_have_none(size: tuple[int, int], live: bool) -> None:
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    assert analyse(frames_of([picture] * 4), live=live, max_faces=4) == [()] * 4


def test_the_frame_size_may_change(portrait: Pixels) -> None:
    half = cv2.resize(canvas(portrait, 500), None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    found = analyse(frames_of([canvas(portrait, 500)] * 3 + [half] * 3 + [portrait] * 3))
    for faces in (found[2], found[5], found[8]):
        assert faces[0].lost == 0
    assert eye_distance(found[5][0].points) == pytest.approx(eye_distance(found[2][0].points) / 2, rel=0.1)


def test_unrelated_pictures_stand_alone(portrait: Pixels) -> None:
    picture = canvas(portrait, 500)
    found = analyse(frames_of([picture, canvas(portrait, 200), picture]), tracked=False)
    assert [faces[0].id for faces in found] == [1, 2, 3]
    np.testing.assert_array_equal(found[0][0].points, found[2][0].points)


def test_the_face_is_lifted_and_posed(portrait: Pixels) -> None:
    (face,) = analyse(frames_of([portrait]))[0]
    (flipped,) = analyse(frames_of([np.ascontiguousarray(portrait[:, ::-1])]))[0]
    assert face.depth is not None
    assert face.depth[:LANDMARKS].mean() == pytest.approx(0, abs=1e-2)
    assert face.depth[NOSE_TIP] < face.depth[:LANDMARKS].min() + 0.1 * eye_distance(face.points)
    assert face.points[HAIRLINE, 1].max() < face.points[NOSE_TIP, 1]
    assert abs(flipped.pose.yaw + face.pose.yaw) < 6
    mirrored = mirror(flipped.points, portrait.shape[1])
    assert np.linalg.norm(mirrored - face.points, axis=1).mean() < 0.04 * eye_distance(face.points)


@pytest.fixture(scope="module")
def analyser() -> Iterator[Analyser]:
    with open_analyser(AnalysisOptions(threads=1)) as opened:
        yield opened


def test_a_photo_is_read_more_exactly_than_a_frame(analyser: Analyser, portrait: Pixels) -> None:
    """Read from the picture and from its mirror image, the photo's points agree better than a single frame's."""
    face, count = analyser.photo(portrait, "the portrait")
    flipped, _ = analyser.photo(np.ascontiguousarray(portrait[:, ::-1]), "its mirror image")
    assert count == 1
    assert face.depth is not None
    off = np.linalg.norm(mirror(flipped.points, portrait.shape[1]) - face.points, axis=1).mean()
    assert off < 0.005 * eye_distance(face.points)


def test_of_three_faces_a_photo_gives_the_largest(analyser: Analyser, portrait: Pixels) -> None:
    picture = np.full((720, 1280, 3), 120, np.uint8)
    head = portrait[0:230, 120:320]
    for left, scale in ((60, 1.0), (400, 2.0), (980, 1.3)):
        large = cv2.resize(head, None, fx=scale, fy=scale)
        picture[100 : 100 + large.shape[0], left : left + large.shape[1]] = large
    face, count = analyser.photo(picture, "a group")
    assert count == 3
    assert 400 < face.points[NOSE_TIP, 0] < 800


def test_a_face_that_fills_the_photo_is_found(analyser: Analyser, portrait: Pixels) -> None:
    close = cv2.resize(portrait[60:200, 165:285], None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC)
    face, _ = analyser.photo(close, "a close-up")
    assert eye_distance(face.points) > 0.3 * close.shape[1]


def test_a_photo_without_a_face_is_refused_by_name(analyser: Analyser) -> None:
    with pytest.raises(InputError, match=r"holiday\.jpg"):
        analyser.photo(np.full((480, 640, 3), 70, np.uint8), "holiday.jpg")


def test_the_faces_say_what_is_in_front_only_while_somebody_asks(portrait: Pixels) -> None:
    frames = list(frames_of([portrait] * 6))
    asked = iter([True, True, False, True, False, False])
    faces = analyse(iter(frames), occlusion=lambda: next(asked))
    assert [row[0].occlusion is not None for row in faces] == [True, True, False, True, False, False]
    assert all(row[0].occlusion is None for row in analyse(iter(frames[:2])))


def test_a_hand_before_the_portrait_is_seen_and_the_face_is_not(portrait: Pixels) -> None:
    (face,) = analyse(frames_of([portrait]))[0]
    crop = face_crop(face.points, 256)
    scene = Scene(crop.cut(portrait), crop.into(face.points))
    plain = np.clip(scene.picture, 0, 255).astype(np.uint8)
    hand(scene, np.random.default_rng(12))
    inside = np.zeros(scene.mask.shape, np.uint8)
    cv2.fillConvexPoly(inside, cv2.convexHull(np.round(scene.points[INNER]).astype(np.int32)), 1)
    behind, free = (inside > 0) & (scene.mask > 0.9), (inside > 0) & (scene.mask == 0)
    assert min(behind.sum(), free.sum()) > 1000
    for pixels, marked in ((plain, 0.0), (np.clip(scene.picture, 0, 255).astype(np.uint8), 1.0)):
        (found,) = analyse(frames_of([pixels]), occlusion=lambda: True)[0]
        assert found.occlusion is not None
        back = cv2.invertAffineTransform(found.occlusion.matrix)
        covered = cv2.warpAffine(found.occlusion.covered, back, pixels.shape[1::-1]) > 127
        assert covered[behind].mean() == pytest.approx(marked, abs=0.3)
        assert covered[free].mean() < 0.1
