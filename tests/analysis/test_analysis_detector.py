"""The face detector: geometry of the letterbox, suppression, and the real network on real pictures."""

from __future__ import annotations

from pathlib import Path

import cv2
import matplotlib.cbook
import numpy as np
import pytest
import skimage.data
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

import engines
from realtime.analysis.detector import Detection, Detector, letterbox, suppress
from realtime.analysis.views import View, close_ups, whole

# Boxes from brows to chin, measured by eye on the two public-domain portraits.
ASTRONAUT = (181, 87, 86, 91)
HOPPER = (198, 170, 148, 160)


def iou(a: tuple[float, ...], b: tuple[float, ...]) -> float:
    width = min(a[0] + a[2], b[0] + b[2]) - max(a[0], b[0])
    height = min(a[1] + a[3], b[1] + b[3]) - max(a[1], b[1])
    common = max(width, 0) * max(height, 0)
    return common / (a[2] * a[3] + b[2] * b[3] - common)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(engines.load("detector", threads=1))


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return skimage.data.astronaut()


@pytest.fixture(scope="module")
def hopper() -> np.ndarray:
    path = matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)
    return cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)


def surest(found: list[Detection]) -> Detection:
    assert found, "no face found"
    return found[0]


@pytest.mark.parametrize(
    ("width", "height", "size", "left", "top"),
    [
        (1280, 720, (320, 180), 0, 70),
        (720, 1280, (180, 320), 70, 0),
        (512, 512, (320, 320), 0, 0),
        (1, 1, (320, 320), 0, 0),
        (7680, 4320, (320, 180), 0, 70),
        (4000, 3, (320, 1), 0, 159),
    ],
)
def test_letterbox_is_the_largest_centred_place(
    width: int, height: int, size: tuple[int, int], left: int, top: int
) -> None:
    place = letterbox(width, height, 320)
    assert (place.size, place.left, place.top) == (size, left, top)


@given(st.integers(1, 8000), st.integers(1, 8000))
def test_letterbox_brings_the_frame_corners_back(width: int, height: int) -> None:
    place = letterbox(width, height, 320)
    corner = np.array([place.left, place.top], np.float32) - 0.5
    edges = place.back(np.stack([corner, corner + place.size]))
    np.testing.assert_allclose(
        edges, [[-0.5, -0.5], [width - 0.5, height - 0.5]], atol=0.02 + 1e-5 * max(width, height)
    )


def test_suppress_keeps_the_best_of_each_heap() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 10, 10], [50, 50, 8, 8], [0, 0, 10, 5]], np.float32)
    scores = np.array([0.6, 0.9, 0.3, 0.5], np.float32)
    # the first shares 81 of 119 with the second; the last 36 of 114
    assert suppress(boxes, scores, 0.4) == [1, 3, 2]
    assert suppress(boxes, scores, 0.7) == [1, 0, 3, 2]
    assert suppress(boxes[:0], scores[:0], 0.4) == []


@given(arrays(np.float32, (12, 4), elements=st.floats(1, 40, width=32)), st.floats(0.1, 0.9))
def test_suppress_leaves_no_overlap_and_drops_only_overlapped(boxes: np.ndarray, overlap: float) -> None:
    scores = np.linspace(1, 0.1, len(boxes), dtype=np.float32)
    kept = suppress(boxes, scores, overlap)
    assert kept == sorted(kept)
    for i in range(len(boxes)):
        stronger = [iou(boxes[i].tolist(), boxes[j].tolist()) for j in kept if j < i]
        worst = max(stronger, default=0.0)
        assert worst <= overlap + 1e-4 if i in kept else worst > overlap - 1e-4


def test_finds_the_public_domain_portraits(detector: Detector, astronaut: np.ndarray, hopper: np.ndarray) -> None:
    for picture, truth in ((astronaut, ASTRONAUT), (hopper, HOPPER)):
        found = detector(picture)
        assert len(found) == 1
        assert iou(found[0].box, truth) >= 0.5
        assert 0 < found[0].score <= 1


@pytest.mark.parametrize("factor", [0.25, 2.0])
def test_the_box_grows_with_the_frame(detector: Detector, astronaut: np.ndarray, factor: float) -> None:
    scaled = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    expected = tuple(factor * side for side in surest(detector(astronaut)).box)
    assert iou(surest(detector(scaled)).box, expected) > 0.75


@pytest.mark.parametrize("share", [0.05, 0.055, 0.1, 0.2, 0.3])
def test_finds_a_small_face_in_a_wide_frame(detector: Detector, astronaut: np.ndarray, share: float) -> None:
    factor = share * 720 / ASTRONAUT[3]
    small = cv2.resize(astronaut, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)[:720]
    frame = np.full((720, 1280, 3), 90, np.uint8)
    top, left = (720 - small.shape[0]) // 3, 700
    frame[top : top + small.shape[0], left : left + small.shape[1]] = small[:, : 1280 - left]
    x, y, w, h = (factor * side for side in ASTRONAUT)
    (found,) = detector(frame, [whole(1280, 720), *close_ups(1280, 720)])  # once, however many of them show it
    assert iou(found.box, (left + x, top + y, w, h)) >= 0.4


@pytest.mark.parametrize("share", [0.6, 0.9])
def test_finds_a_face_that_fills_the_frame(detector: Detector, astronaut: np.ndarray, share: float) -> None:
    x, y, w, h = ASTRONAUT
    side = int(h / share)
    top, left = y + h // 2 - side // 2, x + w // 2 - side // 2
    close = np.ascontiguousarray(astronaut[top : top + side, left : left + side])
    assert iou(surest(detector(close)).box, (x - left, y - top, w, h)) >= 0.5


def test_a_close_up_finds_what_the_same_picture_alone_shows(detector: Detector, astronaut: np.ndarray) -> None:
    frame = np.full((900, 1400, 3), 60, np.uint8)
    frame[300:812, 700:1212] = astronaut
    (face,), (alone,) = detector(frame, [View(700, 300, 512, 512, 256)]), detector(astronaut)
    assert face.box == pytest.approx((alone.box[0] + 700, alone.box[1] + 300, *alone.box[2:]), abs=1e-3)
    assert (face.roll, face.score) == pytest.approx((alone.roll, alone.score), abs=1e-4)
    assert detector(frame, [View(700, 300, 512, 512, 0.9 * max(alone.box[2:]))]) == []


@pytest.mark.parametrize("turn", [-25.0, 25.0])
def test_roll_follows_the_picture(detector: Detector, astronaut: np.ndarray, turn: float) -> None:
    # OpenCV counts a rotation counter-clockwise, the pose clockwise
    matrix = cv2.getRotationMatrix2D((224, 130), -turn, 1.0)
    turned = cv2.warpAffine(astronaut, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    upright = surest(detector(astronaut)).roll
    assert abs(upright) < 10
    assert surest(detector(turned)).roll - upright == pytest.approx(turn, abs=7)


def test_mirroring_mirrors_the_box(detector: Detector, astronaut: np.ndarray) -> None:
    face, mirrored = surest(detector(astronaut)), surest(detector(np.ascontiguousarray(astronaut[:, ::-1])))
    x, y, w, h = face.box
    assert iou(mirrored.box, (511 - x - w, y, w, h)) > 0.8
    assert mirrored.roll == pytest.approx(-face.roll, abs=5)


@pytest.mark.parametrize("shape", [(1, 1), (1, 400), (1000, 1), (2, 3), (17, 9), (40, 1500)])
def test_tiny_frames_are_no_error(detector: Detector, shape: tuple[int, int]) -> None:
    views = [whole(shape[1], shape[0]), *close_ups(shape[1], shape[0])]
    assert detector(np.full((*shape, 3), 77, np.uint8), views) == []


def test_eight_k(detector: Detector, astronaut: np.ndarray) -> None:
    frame = np.full((4320, 7680, 3), 40, np.uint8)
    large = cv2.resize(astronaut, (3072, 3072))
    frame[600:3672, 2000:5072] = large
    x, y, w, h = (6 * side for side in ASTRONAUT)
    assert iou(surest(detector(frame)).box, (2000 + x, 600 + y, w, h)) >= 0.5


def test_portrait_frames(detector: Detector, astronaut: np.ndarray) -> None:
    frame = np.full((1280, 720, 3), 160, np.uint8)
    frame[300:812, 100:612] = astronaut
    x, y, w, h = ASTRONAUT
    assert iou(surest(detector(frame)).box, (100 + x, 300 + y, w, h)) >= 0.5


@pytest.mark.parametrize("light", [0.15, 0.4, 1.0])
def test_grey_and_dark_frames(detector: Detector, astronaut: np.ndarray, light: float) -> None:
    grey = cv2.cvtColor(cv2.cvtColor(astronaut, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
    assert iou(surest(detector((grey * light).astype(np.uint8))).box, ASTRONAUT) >= 0.5


def test_two_faces_are_sorted_by_score(detector: Detector, astronaut: np.ndarray, hopper: np.ndarray) -> None:
    found = detector(np.concatenate([astronaut, cv2.resize(hopper, (512, 512))], axis=1))
    assert len(found) == 2
    assert found[0].score >= found[1].score
    assert {face.box[0] > 512 for face in found} == {False, True}


@pytest.mark.parametrize("name", ["coffee", "rocket", "brick", "moon", "text", "grass"])
def test_no_face_in_pictures_without_one(detector: Detector, name: str) -> None:
    path = next((Path(skimage.data.__file__).parent).glob(f"{name}.*"))
    assert detector(cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2RGB)) == []


@pytest.mark.parametrize("clip", ["d10", "s18"])
def test_finds_the_people_of_clips_never_trained_on(detector: Detector, data: Path, clip: str) -> None:
    with np.load(data / "faces_video.npz", allow_pickle=False) as pack:
        rows = np.array([name.startswith(clip) for name in pack["name"]])
        numbers, points, affines = pack["frame"][rows], pack["landmarks68"][rows], pack["crop_affine"][rows]
    video = cv2.VideoCapture(str(data / f"video_{clip}.mp4"))
    overlaps = []
    for row in range(0, len(numbers), max(1, len(numbers) // 12)):
        video.set(cv2.CAP_PROP_POS_FRAMES, int(numbers[row]))
        frame = cv2.cvtColor(video.read()[1], cv2.COLOR_BGR2RGB)
        to_frame = cv2.invertAffineTransform(affines[row].astype(np.float64))
        there = points[row] @ to_frame[:, :2].T + to_frame[:, 2]
        low, extent = there.min(axis=0), np.ptp(there, axis=0)
        if np.isfinite(there).all():
            found = detector(frame)
            assert len(found) == 1
            overlaps.append(iou(found[0].box, (*low, *extent)))
    video.release()
    assert min(overlaps) >= 0.5
    assert np.median(overlaps) >= 0.7
