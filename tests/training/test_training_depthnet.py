"""DepthNet's loss against the solver it stands for and finite differences; the random faces; the deployed network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import engines
from engines.networks.depthnet import DepthNet
from realtime.geometry.box import boxed, landmark_box
from realtime.geometry.template import template
from realtime.geometry.topology import FLIP, JAW, KEYPOINTS, LANDMARKS, NOSE_TIP
from training import depth_table, pairs, run
from training.data import ict_face
from training.export import load_weights
from training.ict import IctFaces, ViewRanges, random_views, rotations, seen
from training.ict_fit import IctFit
from training.marks import marks
from training.recipes.depthnet import Batches, Config, loss, real_training
from training.recipes.marks import in_eye_distances


def test_the_box_holds_the_face(rng: np.random.Generator) -> None:
    points = rng.normal(size=(5, KEYPOINTS, 2)) * 50 + 300
    inside = boxed(points)[:, :LANDMARKS]
    np.testing.assert_allclose(np.abs(inside).max(axis=(1, 2)), 0.4)
    centre, side = landmark_box(points)
    np.testing.assert_allclose(inside * side[:, None, None] + centre[:, None], points[:, :LANDMARKS])
    np.testing.assert_allclose(boxed(3 * points - 7)[:, :LANDMARKS], inside)


@pytest.mark.parametrize(
    ("angles", "axis", "sign"), [((30, 0, 0), 0, 1), ((-30, 0, 0), 0, -1), ((0, 20, 0), 1, -1), ((0, -20, 0), 1, 1)]
)
def test_a_turned_nose_points_where_the_sign_says(angles: tuple[float, ...], axis: int, sign: int) -> None:
    nose = template()[NOSE_TIP] @ rotations(np.array([angles]))[0].T
    assert sign * (nose - template()[NOSE_TIP])[axis] > 0.1


def test_a_rolled_head_tilts_clockwise() -> None:
    eyes = template()[[36, 45]] @ rotations(np.array([[0, 0, 15]]))[0].T
    assert eyes[1, 1] > eyes[0, 1]


@pytest.fixture(scope="module")
def faces(data: Path) -> IctFaces:
    return IctFaces(ict_face(), marks())


@pytest.fixture(scope="module")
def landmarks(data: Path) -> np.ndarray:
    """Some real faces to train on."""
    return real_training()[::60]


class TestIctFaces:
    """The random faces training is fed with."""

    def test_their_mean_is_the_template(self, faces: IctFaces, rng: np.random.Generator) -> None:
        shapes = faces.shapes(faces.random_identity(4000, rng), np.zeros((4000, 57)))
        np.testing.assert_allclose(in_eye_distances(shapes.mean(axis=0)[:KEYPOINTS]), template(), atol=0.01)

    def test_frontal_orthographic_views_are_the_shapes(self, faces: IctFaces) -> None:
        shapes = faces.shapes(np.zeros((1, 100)), np.zeros((1, 57)))
        view = seen(shapes, np.zeros((1, 3)), np.zeros(1))
        np.testing.assert_allclose(in_eye_distances(view[0]), template(), atol=1e-3)

    @pytest.mark.parametrize("yaw", [-60, -30, 30, 60])
    def test_the_contour_hides_no_jaw_point(self, faces: IctFaces, yaw: float) -> None:
        shapes = faces.shapes(np.zeros((1, 100)), np.zeros((1, 57)))
        angles = np.array([[yaw, 0, 0]])
        contour, line = (seen(shapes, angles, np.zeros(1), np.array([flag]))[0] for flag in (True, False))
        far, near = (JAW[:5], JAW[12:]) if yaw < 0 else (JAW[12:], JAW[:5])
        outward = np.sign(yaw)
        assert (outward * (contour[far, 0] - line[far, 0]) > 0.015).all(), "the far cheek's edge is further out"
        np.testing.assert_array_equal(contour[near], line[near])
        np.testing.assert_allclose(contour[far, 1], line[far, 1], atol=0.08)

    def test_views_mirror(self, faces: IctFaces, rng: np.random.Generator) -> None:
        shapes = faces.shapes(np.zeros((20, 100)), np.zeros((20, 57)))
        angles, nearness = random_views(20, ViewRanges(), rng)
        other = seen(shapes, angles * [-1, 1, -1], nearness)[:, FLIP] * [-1, 1, 1]
        np.testing.assert_allclose(other, seen(shapes, angles, nearness), atol=0.02)

    def test_nearer_points_are_larger(self, faces: IctFaces) -> None:
        shapes = faces.shapes(np.zeros((1, 100)), np.zeros((1, 57)))
        far, near = (seen(shapes, np.zeros((1, 3)), np.array([value]))[0] for value in (0.0, 0.15))
        assert np.linalg.norm(near[31] - near[35]) > np.linalg.norm(far[31] - far[35]), "the nose grows"
        assert near[16, 0] < far[16, 0], "the ears shrink"
        np.testing.assert_array_equal(near[:, 2], far[:, 2])


class TestIctFit:
    """The morphable model fitted to landmarks."""

    def test_it_finds_the_depth_of_the_models_own_faces(self, faces: IctFaces) -> None:
        truth = depth_table.ict_truth(1.0)
        few = depth_table.Truth("", truth.points[:200], truth.depth[:200], truth.eyes[:200])
        pearson, low, metric, inner = depth_table.depth_errors(lambda s, _: IctFit(faces).depth(s), few, few.points)
        assert pearson > 0.99
        assert low > 0.97
        assert inner < metric < 3, "percent of the eye distance"

    def test_size_and_place_do_not_matter_and_depth_mirrors(self, faces: IctFaces) -> None:
        points = depth_table.ict_truth(1.0).points[:20].astype(np.float64)
        fit = IctFit(faces)
        depth = fit.depth(points)
        np.testing.assert_allclose(fit.depth(200 * points + 300), 200 * depth, atol=0.05)
        mirrored = fit.depth(points[:, FLIP[:LANDMARKS]] * [-1, 1])[:, FLIP[:LANDMARKS]]
        np.testing.assert_allclose(mirrored, depth, atol=0.02)


class TestRecipe:
    """What training is fed, and that it learns."""

    def test_batches_depend_on_seed_and_step_alone(self, landmarks: np.ndarray) -> None:
        config = Config(batch_size=8)
        first, second = Batches(config, landmarks), Batches(config, landmarks)
        for key, value in first(3).items():
            np.testing.assert_array_equal(value, second(3)[key])
        batch = first(3)
        assert not np.array_equal(batch["source"], first(4)["source"])
        assert batch["source"].shape == batch["target"].shape == (16, LANDMARKS, 2)
        np.testing.assert_allclose(batch["depth"].mean(axis=1), 0, atol=1e-6)
        np.testing.assert_array_equal((batch["source"] == batch["target"]).all(axis=(1, 2)), batch["alone"])
        nose_in_front = batch["depth"][:, NOSE_TIP] < batch["depth"][:, JAW].mean(axis=1)
        assert nose_in_front.mean() > 0.8, "but for profiles, real and synthetic alike"

    def test_held_out_people_are_not_trained_on(self, data: Path) -> None:
        apart = {face.tobytes() for face in pairs.held_out().points.round(4)}
        trained = {face.tobytes() for face in boxed(real_training()).astype(np.float32).round(4)}
        assert len(apart) > 200
        assert not apart & trained

    def test_it_learns(self, landmarks: np.ndarray, tmp_path: Path) -> None:
        options = run.RunOptions(steps=60, threads=1, workers=0, device="cpu", runs=tmp_path)
        config = Config(run=options, width=64, batch_size=32)
        batches = Batches(config, landmarks)
        torch.manual_seed(0)
        net = DepthNet(config.width)
        fresh = {key: torch.as_tensor(value) for key, value in batches(1000).items()}
        with torch.no_grad():
            before = float(loss(net, fresh, config)["loss"])
        trained = run.fit("depthnet", net, batches, lambda model, batch: loss(model, batch, config), options)
        with torch.no_grad():
            assert float(loss(trained, fresh, config)["loss"]) < 0.5 * before


class TestDeployed:
    """engines/weights/depthnet.onnx."""

    def test_torch_reads_the_same_weights(self) -> None:
        path = engines.WEIGHTS / "depthnet.onnx"
        with np.load(path.with_suffix(".check.npz")) as stored:
            source, target, depth = stored["in_0"], stored["in_1"], stored["out_0"]
        net = load_weights(DepthNet(Config().width, Config().layers), path)
        with torch.no_grad():
            again = net(torch.from_numpy(source), torch.from_numpy(target)).numpy()
        np.testing.assert_allclose(again, depth, atol=1e-6)
        np.testing.assert_allclose(engines.load("depthnet", threads=1)(source, target)[0], depth, atol=1e-5)

    def test_it_keeps_its_promises(self, data: Path) -> None:
        network = depth_table.deployed("depthnet")
        truth = depth_table.ict_truth(1.0)
        pearson, low, metric, inner = depth_table.depth_errors(network, truth, truth.points)
        assert pearson > 0.95
        assert low > 0.9
        assert inner < metric < 5, "percent of the eye distance"
        faces = pairs.held_out().points
        targets = np.roll(faces, 37, axis=0)
        errors = {
            name: depth_table.keypoint_errors(lift, faces, targets)[1]
            for name, lift in {"flat": depth_table.flat, "mean": depth_table.mean_face, "net": network}.items()
        }
        oracle = depth_table.keypoint_errors(depth_table.best_depth, faces, targets)[1]
        assert oracle < errors["net"] < errors["mean"] < errors["flat"]

    def test_its_depth_mirrors(self) -> None:
        with np.load(engines.WEIGHTS / "depthnet.check.npz") as stored:
            source = stored["in_0"]
        engine = engines.load("depthnet", threads=1)
        mirrored = np.ascontiguousarray(source[:, FLIP[:LANDMARKS]] * np.array([-1, 1], np.float32))
        here, there = engine(source, source)[0], engine(mirrored, mirrored)[0][:, FLIP[:LANDMARKS]]
        assert np.corrcoef(here.ravel(), there.ravel())[0, 1] > 0.97
