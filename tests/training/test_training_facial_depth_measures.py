"""What measures facial depth: the fitted surface, the known distance, verification, and Biwi's files."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from realtime.errors import InputError
from realtime.frame import Intrinsics
from realtime.geometry.crops import square_crop
from realtime.geometry.depth_code import FACE_MM
from realtime.rgbd import biwi
from training.data import ShapeModel, faces_300w, ict_face
from training.facial_depth import evaluation
from training.facial_depth.samples import DepthBatches, Real, Sample, collated, cut, fitted_photos
from training.facial_normals.metrics import angles
from training.ict import rotations
from training.ict_surface import IctSurface
from training.marks import marks
from training.readers.biwi_faces import BiwiFaces


@pytest.fixture(scope="module")
def model() -> ShapeModel:
    try:
        return ict_face()
    except InputError as error:
        pytest.skip(str(error))


def ball_sample() -> Sample:
    """A ball of 90 mm at 800 mm, its front the face."""
    camera = Intrinsics(500.0, 500.0, 99.5, 99.5)
    v, u = np.indices((200, 200))
    rays = np.dstack([(u - 99.5) / 500, (v - 99.5) / 500, np.ones((200, 200))])
    a, b, c = (rays**2).sum(axis=-1), -2 * 890.0, 890.0**2 - 90.0**2
    root = b * b - 4 * a * c
    depth = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / (2 * a), 0).astype(np.float32)
    face = depth > 0
    return cut(np.zeros((200, 200, 3), np.uint8), depth, face, camera, np.array([99.5, 99.5]), "ball")


def test_the_fitted_surface_is_the_one_the_landmarks_were_of(model: ShapeModel) -> None:
    rng = np.random.default_rng(3)
    weights = 0.7 * rng.standard_normal(len(model.identity)).astype(np.float32)
    shape = model.neutral + np.tensordot(weights, model.identity, 1)
    rotation = 14 * rotations(np.array([[15.0, -5.0, 0.0]]))[0]
    turned = shape @ rotation.T + [150, 150, 0]
    # the jaw line of a turned head is hidden: the fit expects it on the contour, so only a small turn is shown
    left, right = model.neutral[model.landmarks[[36, 45]]]
    points = turned[model.landmarks] + np.linalg.norm(left - right) * marks() @ rotation.T  # where people mark it
    surface = IctSurface(model)
    fitted = surface.vertices(points[:, :2].astype(np.float32))
    true = turned - [0, 0, points[:, 2].mean()]
    face = (np.abs(model.neutral[:, 0]) < 6) & (model.neutral[:, 2] < -6) & (np.abs(model.neutral[:, 1]) < 7)
    error = np.abs(fitted - true)[face]
    # 125 pixels between the outer eye corners
    assert np.median(error[:, :2]) < 2.5
    assert np.median(error[:, 2] - np.median(error[:, 2])) < 5

    crop = square_crop(np.array([150.0, 160.0]), 260, 0.0, 80)
    depth, normals, there = surface.maps(points[:, :2].astype(np.float32), crop)
    assert there[20:60, 20:60].mean() > 0.9  # the model's eyes are holes
    assert np.allclose(np.linalg.norm(normals[there], axis=-1), 1, atol=1e-3)
    # normals are those of the depth, which is in pixels of the picture: 260 / 80 to a pixel of the crop
    down, across = np.gradient(depth, 260 / 80)
    slopes = np.dstack([across, -down, np.ones_like(depth)])
    middle = (slice(20, 60), slice(20, 60))
    assert np.median(angles(normals[middle], slopes[middle])) < 8


@pytest.mark.parametrize("yaw", [-60.0, 0.0, 35.0])
def test_the_fitted_surface_has_no_holes_but_the_models(model: ShapeModel, yaw: float) -> None:
    turned = 14 * (model.neutral @ rotations(np.array([[yaw, 0.0, 0.0]]))[0].T) + [150, 150, 0]
    points = turned[model.landmarks][:, :2].astype(np.float32)
    crop = square_crop(points.mean(axis=0), 200, 0.0, 160)
    _, _, there = IctSurface(model).maps(points, crop)
    holes, _, stats, middles = cv2.connectedComponentsWithStats((~there).astype(np.uint8))
    features = crop.into(points[36:68])
    for number in range(1, holes):
        left, top, width, height, _ = stats[number]
        at_edge = left == 0 or top == 0 or left + width == 160 or top + height == 160
        away = np.linalg.norm(features - middles[number], axis=1).min()
        assert at_edge or away < 8, "a hole that is neither an eye's nor the mouth's"


def test_fitted_photos_are_faces_in_millimetres(model: ShapeModel) -> None:
    photos = faces_300w()
    frontal = replace(photos, held_out=~np.isin(np.arange(len(photos.codes)), [1, 2, 5]))
    for photo in fitted_photos(frontal, IctSurface(model)):
        sample = photo.sample(np.random.default_rng(0))
        assert sample.distance == pytest.approx(1000, abs=60)
        assert 0.1 < sample.face.mean() < 0.8
        points = photo.points
        apart = np.linalg.norm(points[36:42].mean(axis=0) - points[42:48].mean(axis=0)) * 1000 / photo.camera.fx
        assert 45 < apart < 70  # a turned head's eyes look nearer to each other
        tip, left, right = (
            np.median(photo.depth[round(y) - 2 : round(y) + 3, round(x) - 2 : round(x) + 3])
            for x, y in points[[30, 39, 42]].tolist()
        )
        assert 12 < (left + right) / 2 - tip < 70, "the nose's tip is nearer than the eyes"


def test_a_known_distance_takes_away_what_a_map_cannot_know() -> None:
    sample = ball_sample()
    assert sample.distance == pytest.approx(float(np.median(sample.depth[sample.face])), rel=0.01)
    moved = evaluation.measured(lambda s: np.where(s.depth > 0, s.depth + 250, 0), [sample])
    assert moved.mean_absolute == pytest.approx(abs(np.median(sample.depth[sample.face]) - sample.distance), abs=0.01)
    flat = evaluation.measured(lambda s: np.full(s.depth.shape, 500.0), [sample])
    true = sample.depth[sample.face].astype(float)
    assert flat.mean_absolute == pytest.approx(np.abs(true - sample.distance).mean(), rel=1e-3)


def test_a_perfect_network_errs_by_its_eight_bits() -> None:
    sample = ball_sample()

    class Knows(nn.Module):
        def forward(self, grey: Tensor) -> Tensor:
            return torch.from_numpy(evaluation.coded(sample.depth).astype(np.float32) / 127.5 - 1)[None, None]

    errors = evaluation.measured(evaluation.of_network(Knows()), [sample])
    assert errors.mean_absolute < 1.2
    in_code = evaluation.measured_in_code(evaluation.of_network(Knows()), [sample])
    assert in_code.root_mean_square < 2
    assert in_code.within[0] == 1


def test_verification_counts_both_kinds_of_pairs_alike() -> None:
    class Compares(nn.Module):
        def forward(self, first: Tensor, second: Tensor) -> Tensor:
            return 0.1 - (first - second).abs().amax(dim=(1, 2, 3))

    sample = ball_sample()
    maps = {"a": 10.0, "b": 60.0, "c": 110.0}
    samples = [
        Sample(sample.grey, sample.depth, sample.face, 1.0, person, sample.crop, sample.camera, None, sample.picture)
        for person in "aaabbbccc"
    ]

    def true(s: Sample) -> np.ndarray:
        return np.full((100, 100), maps[s.person])

    assert evaluation.verification(Compares(), samples, true) == 1.0
    assert evaluation.verification(Compares(), samples, lambda s: np.zeros((100, 100))) == 0.5


def write_biwi(folder: Path, centre: np.ndarray) -> None:
    """One frame of a ball of 80 mm, seen by two cameras in the same place."""
    folder.mkdir(parents=True)
    matrix = "575.8 0 320\n0 575.8 240\n0 0 1\n\n0 0 0 0 0\n\n1 0 0\n0 1 0\n0 0 1\n\n0 0 0\n\n640 480\n"
    (folder / "rgb.cal").write_text(matrix)
    (folder / "depth.cal").write_text(matrix)
    v, u = np.indices((480, 640))
    rays = np.dstack([(u - 320) / 575.8, (v - 240) / 575.8, np.ones((480, 640))])
    a, b, c = (rays**2).sum(axis=-1), -2 * rays @ centre, centre @ centre - 80.0**2
    root = b * b - 4 * a * c
    depth = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / (2 * a), 2000)
    stem = str(folder / "frame_00003")
    cv2.imwrite(f"{stem}_rgb.png", np.where(root > 0, 200, 20).astype(np.uint8)[..., None].repeat(3, axis=2))
    Path(f"{stem}_depth.bin").write_bytes(biwi.encode_depth(depth.round().astype(np.uint16)))
    Path(f"{stem}_pose.txt").write_text("1 0 0\n0 1 0\n0 0 1\n\n" + " ".join(map(str, centre)))


def test_biwi_frames_become_crops_about_the_head(tmp_path: Path) -> None:
    write_biwi(tmp_path / "03", np.array([60.0, -30.0, 950.0]))
    write_biwi(tmp_path / "11", np.array([0.0, 0.0, 900.0]))
    train, test = BiwiFaces(tmp_path, test=False), BiwiFaces(tmp_path, test=True)
    assert len(train) == len(test) == 1
    sample = train.sample(0)
    assert sample.person == "03"
    # the ball's front lies between 870 and 950; its median depth over pixels follows from its profile
    assert 870 < sample.distance < 910
    side = sample.crop.size / np.sqrt(abs(np.linalg.det(sample.crop.matrix[:, :2])))
    assert side == pytest.approx(575.8 * FACE_MM / sample.distance, rel=1e-3)
    assert sample.face[50, 50]
    assert sample.depth[50, 50] == pytest.approx(870, abs=4)
    assert sample.grey[50, 50] == 200
    assert not sample.face[2, 2]
    assert test.sample(0).person == "11"
    with pytest.raises(InputError, match="no training frames"):
        BiwiFaces(tmp_path / "nothing", test=False)


def test_depth_batches_mix_what_is_measured_and_repeat_by_number() -> None:
    sample = ball_sample()
    asked: list[int] = []

    def measured(row: int, rng: np.random.Generator) -> Sample:
        asked.append(row)
        return sample

    batches = DepthBatches(None, Real(np.array([3, 5]), measured), seed=0, count=6, share=1.0)
    first, again = batches(2), batches(2)
    assert first["grey"].shape == first["depth"].shape == first["known"].shape == (6, 1, 100, 100)
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert set(asked) == {3, 5}
    # what is not known is coded as furthest, and what is known never is
    assert (first["depth"][~first["known"]] == -1).all()
    assert (first["depth"][first["known"]] > -1).all()
    plain = collated([sample])
    assert np.array_equal(plain["grey"][0, 0], sample.grey)
