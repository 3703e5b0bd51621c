"""The detector's training: cells, assignment, losses, composed scenes, and the deployed file against torch."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
import torch

import engines
from engines.networks.detector import CELLS, STRIDES, DetectorNet
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE
from training.backgrounds import PATTERNS, Backgrounds
from training.camera import camera, grey_weights, motion_kernel
from training.export import load_weights
from training.portraits import strangers, surroundings, without_face
from training.profiles import nose_offset, outline, slide_jaw, turn_head
from training.recipes.detector import MOST_FACES, MOST_IGNORED, assign, giou, loss, padded
from training.scenes import LEAST_VISIBLE, Composer, Portrait, box_of, cut, moved, paste, shared, soft_mask


def face_row(x: float, y: float, w: float, h: float) -> list[float]:
    return [x, y, w, h, x + 0.3 * w, y + 0.2 * h, x + 0.7 * w, y + 0.2 * h]


def a_portrait(size: int = 200) -> Portrait:
    """A grey head with a black left and a white right eye."""
    angle = np.linspace(np.pi, 0, 17)
    jaw = np.column_stack([100 + 45 * np.cos(angle), 90 + 60 * np.sin(angle)])
    inner = np.tile([100.0, 100.0], (51, 1))
    points = np.concatenate([jaw, inner])
    points[LEFT_EYE], points[RIGHT_EYE] = (80, 92), (120, 92)
    picture = np.full((size, size), 128, np.uint8)
    cv2.ellipse(picture, (100, 110), (50, 65), 0, 0, 360, 150, -1)
    cv2.circle(picture, (80, 92), 9, 0, -1)
    cv2.circle(picture, (120, 92), 9, 255, -1)
    return Portrait(cv2.imencode(".png", picture)[1].ravel(), points.astype(np.float32), np.empty((0, 4), np.float32))


@pytest.fixture(scope="module")
def composer() -> Composer:
    rng = np.random.default_rng(1)
    photos = [pattern(rng, 200) for pattern in PATTERNS]
    return Composer([a_portrait()], np.ones(1), Backgrounds(photos, photos, rng, patterns=8))


def test_cells_lie_in_the_middle_of_their_pixels() -> None:
    cells = DetectorNet.cells(64, 96).numpy()
    assert len(cells) == sum((64 // s) * (96 // s) for s in STRIDES)
    assert cells[0].tolist() == [3.5, 3.5, 8.0]  # the middle of the pixels 0..7
    assert cells[-1].tolist() == [79.5, 47.5, 32.0]
    for stride in STRIDES:
        assert cells[cells[:, 2] == stride][:, :2].mean(axis=0).tolist() == [47.5, 31.5]


def test_decode_by_hand() -> None:
    raw = torch.tensor([[[0.0, 0.5, -1.0, 0.0, float(np.log(2)), -0.1, 0.2, 0.1, 0.3]]])
    boxes, scores, eyes = DetectorNet.decode(raw, torch.tensor([[103.5, 51.5, 16.0]]))
    unit = CELLS * 16
    middle = 103.5 + 8, 51.5 - 16
    np.testing.assert_allclose(boxes[0, 0], [middle[0] - unit / 2, middle[1] - unit, unit, 2 * unit], rtol=1e-6)
    assert scores[0, 0] == 0.5
    expected = [103.5 - 0.1 * unit, 51.5 + 0.2 * unit, 103.5 + 0.1 * unit, 51.5 + 0.3 * unit]
    np.testing.assert_allclose(eyes[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(("size", "strides"), [(9, {8}), (30, {8, 16}), (50, {16}), (75, {16, 32}), (250, {32})])
def test_each_size_has_its_strides(size: float, strides: set[int]) -> None:
    cells = DetectorNet.cells(320, 320)
    faces = torch.tensor([[face_row(160 - size / 2, 160 - size / 2, size, size)]])
    index, known = assign(faces, torch.full((1, 1, 4), torch.nan), cells)
    answering = cells[index[0] == 0]
    assert set(answering[:, 2].int().tolist()) == strides
    assert known.all()
    # no cell further away than the quarter of the box, but for the one that holds the middle
    away = (answering[:, :2] - 160).abs().max(dim=1).values
    assert (away <= torch.maximum(torch.tensor(0.25 * size), answering[:, 2] / 2) + 1e-3).all()


def test_every_place_has_a_cell_that_answers(rng: np.random.Generator) -> None:
    cells = DetectorNet.cells(320, 320)
    for size, x, y in zip(rng.uniform(8, 280, 60), rng.uniform(0, 320, 60), rng.uniform(0, 320, 60), strict=True):
        row = torch.tensor([[face_row(x - size / 2, y - size / 2, size, size)]], dtype=torch.float32)
        index, _ = assign(row, torch.full((1, 1, 4), torch.nan), cells)
        assert (index >= 0).any()


def test_the_smaller_face_wins_and_ignored_boxes_silence_cells() -> None:
    cells = DetectorNet.cells(320, 320)
    faces = torch.tensor([[face_row(100, 100, 34, 34), face_row(108, 108, 20, 20), [torch.nan] * 8]])
    ignored = torch.tensor([[[200.0, 200.0, 60.0, 60.0], [100.0, 100.0, 34.0, 34.0]]])
    index, known = assign(faces, ignored, cells)
    nearest = (cells[:, 2] == 8) & ((cells[:, :2] - 118).abs().max(dim=1).values < 4)
    assert (index[0, nearest] == 1).all()
    assert not (index == 2).any()
    inside = ((cells[:, :2] >= 200) & (cells[:, :2] <= 260)).all(dim=1)
    assert not known[0, inside].any()
    assert known[0, index[0] >= 0].all()  # a labelled face speaks even in unknown ground
    assert known[0, (cells[:, 0] < 90) & (cells[:, 1] < 90)].all()


def test_giou_counts_pixels() -> None:
    boxes = torch.tensor([[0.0, 0, 4, 4], [2, 1, 5, 3], [0, 0, 2, 2]])
    truth = torch.tensor([[0.0, 0, 4, 4], [4, 0, 4, 6], [6, 6, 2, 2]])

    def pixels(box: torch.Tensor) -> set[tuple[int, int]]:
        x, y, w, h = box.int().tolist()
        return set(itertools.product(range(x, x + w), range(y, y + h)))

    iou, generalised = giou(boxes, truth)
    for i in range(3):
        a, b = pixels(boxes[i]), pixels(truth[i])
        columns, rows = zip(*(a | b), strict=True)
        hull = (max(columns) - min(columns) + 1) * (max(rows) - min(rows) + 1)
        assert iou[i] == pytest.approx(len(a & b) / len(a | b), abs=1e-5)
        assert generalised[i] == pytest.approx(len(a & b) / len(a | b) - (hull - len(a | b)) / hull, abs=1e-5)


class Perfect(torch.nn.Module):
    """Says exactly what `faces` asks for, and sees nothing elsewhere."""

    def __init__(self, faces: torch.Tensor) -> None:
        super().__init__()
        self.faces = faces

    def raw(self, image: torch.Tensor) -> torch.Tensor:
        cells = DetectorNet.cells(*image.shape[-2:])
        index, _ = assign(self.faces, torch.full((1, 1, 4), torch.nan), cells)
        unit = CELLS * cells[:, 2:]
        face = self.faces[0, index[0].clamp(min=0)]
        middle = face[:, :2] + face[:, 2:4] / 2
        raw = torch.cat(
            [
                torch.where(index[0] >= 0, 20.0, -20.0)[:, None],
                (middle - cells[:, :2]) / cells[:, 2:],
                torch.log(face[:, 2:4] / unit),
                (face[:, 4:] - cells[:, :2].repeat(1, 2)) / unit,
            ],
            dim=1,
        )
        return raw[None]


def test_the_truth_costs_nothing_and_nothing_else_does() -> None:
    faces = torch.tensor(padded(np.array([face_row(40, 60, 50, 60), face_row(200, 100, 12, 13)]), MOST_FACES))[None]
    ignored = torch.full((1, MOST_IGNORED, 4), torch.nan)
    batch = {"image": torch.zeros(1, 1, 320, 320), "faces": faces, "ignored": ignored}
    scalars = loss(Perfect(faces), batch)
    assert float(scalars["loss"]) < 1e-3
    assert float(scalars["iou"]) == pytest.approx(1, abs=1e-4)
    shifted = loss(Perfect(faces + torch.tensor([3.0, 0, 0, 0, 3, 0, 3, 0])), batch)
    assert float(shifted["loss"]) > 0.1


def test_an_empty_batch_has_a_finite_loss() -> None:
    batch = {
        "image": torch.zeros(2, 1, 320, 320, dtype=torch.uint8),
        "faces": torch.full((2, MOST_FACES, 8), torch.nan),
        "ignored": torch.full((2, MOST_IGNORED, 4), torch.nan),
    }
    model = DetectorNet()
    total = loss(model, batch)["loss"]
    total.backward()
    assert torch.isfinite(total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_deployed_file_is_the_torch_module() -> None:
    engine = engines.load("detector", threads=1)
    with np.load(engines.WEIGHTS / "detector.check.npz") as check:
        image, expected = check["in_0"], [check[f"out_{i}"] for i in range(3)]
    torch_net = load_weights(DetectorNet(), engines.WEIGHTS / "detector.onnx")
    for picture in (image, 255 - image, np.zeros_like(image)):
        with torch.no_grad():
            reference = [value.numpy() for value in torch_net(torch.from_numpy(picture))]
        for ours, theirs in zip(engine(picture), reference, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=2e-2, rtol=1e-3)
    for ours, stored in zip(engine(image), expected, strict=True):
        np.testing.assert_allclose(ours, stored, atol=2e-2, rtol=1e-3)


def test_scenes_repeat_and_differ(composer: Composer) -> None:
    once, again, other = composer.scene(3, 4), composer.scene(3, 4), composer.scene(3, 5)
    np.testing.assert_array_equal(once.image, again.image)
    np.testing.assert_array_equal(once.faces, again.faces)
    assert not np.array_equal(once.image, other.image)


def test_scene_labels_sit_on_the_eyes(composer: Composer) -> None:
    brighter = []
    for number in range(120):
        scene = composer.scene(8, number)
        assert scene.image.shape == (320, 320) and scene.image.dtype == np.uint8
        for face in scene.faces:
            visible = shared(face, np.array([-0.5, -0.5, 320, 320])) / (face[2] * face[3])
            assert visible >= LEAST_VISIBLE - 1e-3
            eyes = np.rint(face[4:]).astype(int)
            if face[2] > 25 and eyes.min() >= 0 and eyes.max() < 320:
                left, right = (scene.image[y, x].astype(int) for x, y in (eyes[:2], eyes[2:]))
                brighter.append(right - left)  # mirrored heads have it the other way round
    apart = np.abs(brighter) > 15
    assert len(brighter) > 60
    assert apart.mean() > 0.85  # covered, faded and burnt-out eyes are few


def test_cut_and_paste_put_a_point_where_the_matrix_says(rng: np.random.Generator) -> None:
    picture = np.zeros((300, 400), np.uint8)
    cv2.circle(picture, (220, 130), 20, 255, -1)
    for scale in (0.07, 0.4, 1.3):
        angle = rng.uniform(-0.6, 0.6)
        linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        matrix = np.column_stack([linear, np.array([150.0, 120.0]) - linear @ [220, 130]])
        part, placed = cut(picture, np.array([160, 70, 120, 110]), matrix)
        canvas = np.zeros((240, 320), np.float32)
        paste(canvas, part, np.ones(part.shape, np.float32), placed)
        y, x = np.mgrid[:240, :320]
        centre = [(canvas * x).sum() / canvas.sum(), (canvas * y).sum() / canvas.sum()]
        np.testing.assert_allclose(centre, [150, 120], atol=0.35)


def test_soft_mask_fades_to_the_border() -> None:
    hard, soft, oval = soft_mask((40, 60), 0, False), soft_mask((40, 60), 10, False), soft_mask((40, 60), 5, True)
    assert hard.min() == 1
    assert soft[20, 30] == 1 and soft[0, 30] < 0.1 and soft[20, 0] < 0.1
    assert oval[0, 0] == 0 and oval[20, 30] == 1


def test_camera_keeps_size_and_range(rng: np.random.Generator) -> None:
    picture = rng.uniform(-20, 280, (90, 160)).astype(np.float32)
    grain = rng.standard_normal((200, 200)).astype(np.float32)
    for _ in range(60):
        seen = camera(picture.copy(), grain, rng)
        assert seen.shape == (90, 160) and seen.dtype == np.uint8
    assert grey_weights(rng).sum() == pytest.approx(1, abs=1e-5)
    assert motion_kernel(7.5, 0.4).sum() == pytest.approx(1, abs=1e-5)


def test_moved_boxes_hold_their_corners(rng: np.random.Generator) -> None:
    matrix = rng.normal(size=(2, 3))
    box = np.array([10, 20, 30, 5], np.float32)
    corners = np.array([[10, 20], [40, 20], [10, 25], [40, 25]])
    np.testing.assert_allclose(moved(box, matrix), box_of(corners @ matrix[:, :2].T + matrix[:, 2]), rtol=1e-5)


def test_surroundings_leave_face_and_strangers_out() -> None:
    picture = np.zeros((200, 300), np.uint8)
    face = np.array([100, 60, 60, 70], np.float32)
    picture[60:130, 100:160] = 255
    pieces = surroundings(picture, face, np.empty((0, 4)))
    assert len(pieces) == 4
    assert all(piece.max() == 0 for piece in pieces)
    stranger = np.array([[220, 40, 50, 60]], np.float32)
    assert len(surroundings(picture, face, stranger)) < 4
    found = np.array([[95, 40, 70, 95, 0.9], [220, 40, 50, 60, 0.4]], np.float32)
    np.testing.assert_array_equal(strangers(found, face), stranger)


def test_without_face_melts_the_head_only(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (200, 300), dtype=np.uint8)
    melted = without_face(picture, np.array([120, 70, 60, 60], np.float32))
    assert melted[80:120, 130:170].std() < 0.2 * picture.std()
    np.testing.assert_array_equal(melted[:, :40], picture[:, :40])


def a_bowl() -> tuple[np.ndarray, np.ndarray]:
    """A round mesh, nearest in the middle, and its triangles."""
    rings = [np.zeros((1, 3))]
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    for radius in (12, 25, 38):
        depth = 0.5 * (radius - 38) * np.ones(24)
        rings.append(np.column_stack([radius * np.cos(angle), radius * np.sin(angle), depth]))
    rings[0][0, 2] = -19
    triangles = [(0, 1 + i, 1 + (i + 1) % 24) for i in range(24)]
    for ring in range(2):
        inner, outer = 1 + 24 * ring, 25 + 24 * ring
        for i in range(24):
            j = (i + 1) % 24
            triangles += [(inner + i, outer + i, outer + j), (inner + i, outer + j, inner + j)]
    return np.concatenate(rings) + np.array([100, 100, 0]), np.array(triangles)


def test_turning_a_head_moves_what_is_near() -> None:
    mesh, triangles = a_bowl()
    assert len(outline(triangles)) == 24
    picture = np.full((200, 200), 90, np.uint8)
    cv2.circle(picture, (100, 100), 5, 255, -1)
    points = np.tile([100.0, 100.0], (68, 1))
    still, same = turn_head(picture, points, mesh, triangles, outline(triangles), 0.0)
    assert np.abs(still.astype(int) - picture)[60:140, 60:140].mean() < 1
    np.testing.assert_allclose(same, points, atol=1e-3)
    turned, there = turn_head(picture, points, mesh, triangles, outline(triangles), 40.0)
    assert there[0, 0] > 110 and there[0, 1] == pytest.approx(100, abs=1)  # the nose goes to image right
    y, x = np.nonzero(turned > 200)
    np.testing.assert_allclose([x.mean(), y.mean()], there[0], atol=3)


def test_nose_offset_of_a_turned_face() -> None:
    points = a_portrait().points.copy()
    points[30] = (100, 100)
    assert nose_offset(points) == pytest.approx(0, abs=1e-6)
    points[30] = (145, 100)
    assert nose_offset(points) == pytest.approx(1)


def test_the_hidden_jaw_slides_to_the_contour() -> None:
    angle = np.linspace(0, 2 * np.pi, 400, endpoint=False)
    ring = 100 + 50 * np.column_stack([np.cos(angle), np.sin(angle)])
    points = np.full((81, 2), 100.0)
    points[:17, 1] = np.linspace(80, 120, 17)
    contour = 100 + np.sqrt(50**2 - (points[9:17, 1] - 100) ** 2)
    right = slide_jaw(points, ring, 1.0)
    np.testing.assert_allclose(right[9:17, 0], contour, atol=1.5)
    np.testing.assert_allclose(np.delete(right, np.arange(9, 17), axis=0), np.delete(points, np.arange(9, 17), axis=0))
    left = slide_jaw(points, ring, -1.0)
    np.testing.assert_allclose(left[:8, 0], 100 - np.sqrt(50**2 - (points[:8, 1] - 100) ** 2), atol=1.5)
    beyond = points.copy()
    beyond[9:17, 0] = 170  # not hidden: it stays
    np.testing.assert_allclose(slide_jaw(beyond, ring, 1.0), beyond)
