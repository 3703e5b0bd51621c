"""Table 1: its faces and pairs, the networks' training and resuming, and the numbers it reports."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from realtime.errors import InputError
from realtime.geometry.box import boxed
from realtime.geometry.template import template
from realtime.geometry.topology import FLIP, KEYPOINTS, LANDMARKS
from training import data as sets
from training import run
from training.depth_table import best_depth, flat, keypoint_errors, mean_face, point_errors
from training.ict import ViewRanges, random_views, rotations
from training.pairs import SIZE, Faces, box_crop, pictured, same_identity, unpaired
from training.recipes import depthnet_variants
from training.recipes.depthnet_variants import (
    Config,
    KeypointBatches,
    Network,
    PictureBatches,
    loss,
    moved,
    of_the_table,
    varied_picture,
)
from training.tables.table1 import PairSet, Row, measured, network_errors


def heads(count: int, seed: int = 0) -> np.ndarray:
    """(count, 68, 3) mean faces from random directions."""
    rng = np.random.default_rng(seed)
    angles, _ = random_views(count, ViewRanges(yaw=50), rng)
    turned = template()[:LANDMARKS] @ rotations(angles).transpose(0, 2, 1)
    return turned + 0.01 * rng.standard_normal(turned.shape)


def faces(count: int = 12, seed: int = 0) -> Faces:
    """Random heads of three people with pictures of their points."""
    points = boxed(heads(count, seed)).astype(np.float32)
    images = np.zeros((count, SIZE, SIZE), np.uint8)
    for image, face in zip(images, points, strict=True):
        for x, y in np.rint(SIZE * (face + 0.5) - 0.5).astype(int):
            image[y, x] = 255
    return Faces(points, np.array([f"person {i % 3}" for i in range(count)]), images)


def picture_set(code: np.ndarray, points: np.ndarray) -> sets.FaceSet:
    """One picture with (1, 81, 2) keypoints."""
    return sets.FaceSet(
        "drawn", [code], points.astype(np.float32), np.zeros((1, 4)), np.array(["someone"]), np.zeros(1, bool)
    )


class TestFaces:
    """What may be lifted, and pictures that fit it."""

    @pytest.mark.parametrize(
        ("spoil", "reason"),
        [
            (lambda points: points[:0], "no face"),
            (lambda points: np.where(np.arange(68)[:, None] == 5, np.nan, points), "missing or not finite"),
            (lambda points: points * np.array([1, 0]) + np.array([0, 0.1]), "on a line"),
        ],
    )
    def test_faces_that_cannot_be_lifted_are_refused(self, spoil, reason: str) -> None:  # type: ignore[no-untyped-def]
        points = spoil(faces().points).astype(np.float32)
        with pytest.raises(InputError, match=reason):
            Faces(points, np.full(len(points), ""))

    def test_an_unreadable_picture_is_one_clear_sentence(self) -> None:
        points = np.random.default_rng(0).uniform(40, 60, (1, KEYPOINTS, 2))
        junk = picture_set(np.arange(9, dtype=np.uint8), points)
        with pytest.raises(InputError, match="cannot be decoded"):
            pictured(junk, np.array([0]))

    @pytest.mark.parametrize("roll", [0.0, 30.0])
    def test_a_picture_shows_the_box_and_nothing_else(self, roll: float) -> None:
        points = 40 * heads(1)[0, :, :2] + 100
        crop = box_crop(points, roll)
        inside = crop.into(points)
        np.testing.assert_allclose((inside + 0.5) / SIZE - 0.5, boxed(inside), atol=1e-5)

    def test_pictures_belong_to_their_points(self) -> None:
        points = 40 * heads(1)[0, :, :2] + 100
        canvas = np.zeros((200, 200), np.uint8)
        nose = points[30]
        cv2.circle(canvas, tuple(np.rint(nose).astype(int).tolist()), 4, 255, -1)
        labels = np.full((1, KEYPOINTS, 2), np.nan)
        labels[0, :LANDMARKS] = points
        drawn = picture_set(cv2.imencode(".png", canvas)[1], labels)
        cut = pictured(drawn, drawn.training())
        y, x = np.nonzero(cut.images[0] > 128)
        there = SIZE * (cut.points[0, 30] + 0.5) - 0.5
        np.testing.assert_allclose([x.mean(), y.mean()], there, atol=1)

    def test_pairs_are_of_one_person_or_of_anybody(self) -> None:
        everyone = faces()
        everyone.points[3] = everyone.points[0]  # a frame that is there twice, of person 0
        source, target = same_identity(everyone)
        assert len(source) == 3 * 4 * 3 - 2
        assert (everyone.identity[source] == everyone.identity[target]).all()
        assert (source != target).all()
        source, target = unpaired(faces(30))
        assert (source != target).all() and np.bincount(source).tolist() == np.bincount(target).tolist() == [24] * 30

    def test_no_tested_person_is_trained_on(self, data: Path) -> None:
        ytf = sets.faces_ytf()
        assert not set(ytf.identity[ytf.testing()]) & set(ytf.identity[ytf.training()])


class TestBatches:
    """What the networks are fed with."""

    def test_keypoints_depend_on_seed_and_step_alone(self) -> None:
        config = Config(keypoint_batch=6)
        one, other = (KeypointBatches(config, 1, faces()) for _ in range(2))
        np.testing.assert_array_equal(one(4)["points"], other(4)["points"])
        assert not np.array_equal(one(4)["points"], one(5)["points"])
        assert not np.array_equal(one(4)["points"], KeypointBatches(config, 2, faces())(4)["points"])
        np.testing.assert_allclose(np.abs(one(4)["points"]).max(axis=(1, 2)), 0.4, atol=1e-6)
        assert (one(4)["target"] != np.arange(6)).all()

    def test_pictures_move_with_their_points(self) -> None:
        """Every keypoint is a white dot: after mirroring, tilting and cutting, dots are still where the points are."""
        for row in range(12):
            points, image = varied_picture(faces(), row, 0.0, np.random.default_rng(row))
            assert image.dtype == np.float32 and image.min() >= 0 and image.max() <= 1
            x, y = np.rint(SIZE * (points + 0.5) - 0.5).astype(int).T
            near = cv2.dilate(image, np.ones((3, 3)))[y, x]
            assert near.mean() > 0.5 > 4 * image.mean()

    def test_mirrored_points_are_permuted(self) -> None:
        """Face and mirror image, one or the other: image-left points stay on the image's left."""
        upright = Faces(boxed(template()[None, :LANDMARKS]).astype(np.float32), np.array([""]),
                        np.zeros((1, SIZE, SIZE), np.uint8))  # fmt: skip
        for seed in range(8):
            points, _ = varied_picture(upright, 0, 0.0, np.random.default_rng(seed))
            jaw = points[:17, 0]
            assert jaw[0] < 0 < jaw[16]
            np.testing.assert_allclose(boxed(upright.points[:, FLIP[:LANDMARKS]] * [-1, 1]), upright.points, atol=0.01)


class TestTraining:
    """Losses and runs."""

    def options(self, folder: Path, steps: int) -> run.RunOptions:
        return run.RunOptions(steps=steps, threads=1, workers=0, device="cpu", runs=folder, checkpoint_s=0.0)

    @pytest.mark.parametrize("case", ["A", "B"])
    def test_at_the_start_21_is_the_identity_and_23_the_least_squares(self, case: str) -> None:
        config = Config(keypoint_batch=4, picture_batch=4)
        given = (PictureBatches if case == "A" else KeypointBatches)(config, 0, faces())(0)
        batch = {key: torch.as_tensor(value) for key, value in given.items()}
        source, target = given["points"], given["points"][given["target"]]
        values = {}
        for variant in ("2.1", "2.3"):
            torch.manual_seed(0)
            with torch.no_grad():
                values[variant] = float(loss(Network(case, variant).module(), batch)["loss"])
        np.testing.assert_allclose(values["2.1"], np.square(source - target).sum(axis=(1, 2)).mean(), rtol=1e-4)
        torch.manual_seed(0)
        depth = Network(case, "2.3").module().out.bias.detach().numpy()
        mse, _ = keypoint_errors(lambda s, t: np.tile(depth, (len(s), 1)), source, target)
        np.testing.assert_allclose(values["2.3"], mse / 1e3 * 2 * LANDMARKS, rtol=1e-3)

    def test_affines_move_points(self) -> None:
        rng = np.random.default_rng(0)
        source, depth, affine = (rng.normal(size=size) for size in ((3, 68, 2), (3, 68), (3, 2, 4)))
        wanted = np.einsum("bij,bkj->bki", affine, np.dstack([source, depth, np.ones((3, 68))]))
        np.testing.assert_allclose(moved(*map(torch.from_numpy, (source, depth, affine))), wanted)

    @pytest.mark.parametrize("method", ["published", "ours"])
    @pytest.mark.parametrize("variant", ["2.1", "2.3"])
    def test_case_b_learns(self, variant: str, method: str, tmp_path: Path) -> None:
        network, batches = Network("B", variant, method), KeypointBatches(Config(keypoint_batch=64), 0, faces(40))
        options = self.options(tmp_path, 80)
        run.prepare(options)
        net = network.module()
        fresh = {key: torch.as_tensor(value) for key, value in batches(1000).items()}
        with torch.no_grad():
            before = float(loss(net, fresh)["loss"])
        trained = run.fit(network.run_name(0), net, batches, loss, options, network.optimisation())
        with torch.no_grad():
            assert float(loss(trained, fresh)["loss"]) < 0.7 * before

    def test_a_resumed_siamese_run_ends_like_an_uninterrupted_one(self, tmp_path: Path) -> None:
        network, batches = Network("A", "2.1"), PictureBatches(Config(picture_batch=2), 0, faces())

        def stops(step: int) -> run.Batch:
            if step == 2:
                raise KeyboardInterrupt
            return batches(step)

        def trained(feed: object, options: run.RunOptions) -> dict[str, torch.Tensor]:
            run.prepare(options)
            net = run.fit("net", network.module(), feed, loss, options, network.optimisation())  # type: ignore[arg-type]
            return net.state_dict()

        whole = trained(batches, self.options(tmp_path / "whole", 3))
        options = self.options(tmp_path / "parts", 3)
        with pytest.raises(KeyboardInterrupt):
            trained(stops, options)
        again = trained(batches, dataclasses.replace(options, resume=True))
        assert all(torch.equal(value, again[key]) for key, value in whole.items())

    def test_all_resumes_what_was_begun_and_starts_the_rest(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        begun = Network("B", "2.3", "ours").run_name(1)
        (tmp_path / begun).mkdir(parents=True)
        (tmp_path / begun / run.CHECKPOINT).touch()
        asked: dict[str, run.RunOptions] = {}
        monkeypatch.setattr(run, "fit", lambda name, net, feed, loss, options, method: asked.update({name: options}))
        monkeypatch.setattr(depthnet_variants, "batches", lambda *_: None)
        monkeypatch.setattr(Network, "module", lambda _: None)
        options = run.RunOptions(runs=tmp_path, resume=True, threads=1, precision="auto")
        depthnet_variants.train(Config(options, all=True))
        assert list(asked) == [network.run_name(seed) for network, seed in of_the_table()]
        assert [name for name, options in asked.items() if options.resume] == [begun]
        for network, seed in of_the_table():
            got = asked[network.run_name(seed)]
            assert (got.seed, got.steps) == (seed, network.steps())
            assert got.precision == ("auto" if network.case == "A" else "float32")

    def test_the_table_has_every_row_and_three_seeds_of_case_b(self) -> None:
        networks = list(of_the_table())
        assert len(set(networks)) == len(networks)
        for method in ("published", "ours"):
            for variant in ("2.1", "2.3"):
                assert [seed for net, seed in networks if net == Network("B", variant, method)] == [0, 1, 2]
                assert [seed for net, seed in networks if net == Network("A", variant, method)] == [0]
        assert len({net.run_name(seed) for net, seed in networks}) == len(networks)


class TestTable:
    """The numbers."""

    def pairs(self) -> PairSet:
        everyone = faces(10)
        return PairSet("drawn", everyone, *same_identity(everyone))

    def test_errors_are_what_they_are_called(self) -> None:
        points = np.concatenate([np.random.default_rng(0).normal(size=(4, 68, 2)), np.zeros((4, 68, 1))], axis=2)
        targets = points[..., :2] + [0.3, 0.4]
        mse, norm = point_errors(points, np.tile(np.eye(2, 4), (4, 1, 1)), targets)
        eyes = np.linalg.norm(targets[:, 36] - targets[:, 45], axis=1)
        np.testing.assert_allclose([mse, norm], [1e3 * 0.25 / 2, 100 * (0.5 / eyes).mean()])

    def test_22_is_21_solved_and_cannot_be_worse(self) -> None:
        torch.manual_seed(0)
        network = Network("B", "2.1")
        errors = network_errors(network, network.module().eval(), (self.pairs(),))
        assert list(errors) == ["2.2 B", "2.1 B"] and errors["2.2 B"].shape == (1, 2)
        assert errors["2.2 B"][0, 0] < errors["2.1 B"][0, 0]

    @pytest.mark.parametrize("case", ["A", "B"])
    def test_a_networks_errors_are_between_the_flat_depths_and_the_oracles(self, case: str) -> None:
        torch.manual_seed(0)
        network, pairs = Network(case, "2.3"), self.pairs()
        ((name, errors),) = network_errors(network, network.module().eval(), (pairs,)).items()
        bounds = [keypoint_errors(lift, *pairs.points())[0] for lift in (best_depth, flat)]
        assert name == f"2.3 {case}" and bounds[0] < errors[0, 0] < bounds[1]

    def test_rigid_heads_are_explained_by_their_own_depth(self) -> None:
        """Without noise and expression the template's depth is the truth: its error is that of its own alignment."""
        pairs = self.pairs()
        template_mse, plane_mse = (keypoint_errors(lift, *pairs.points())[0] for lift in (mean_face, flat))
        assert template_mse < 0.5 * plane_mse

    def test_what_is_not_trained_is_said_and_seeds_are_averaged(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(Network, "steps", lambda network: 2)
        network = Network("B", "2.3", "published")
        for seed in range(3):  # the third is not finished
            options = run.RunOptions(steps=2 - seed // 2, seed=seed, threads=1, workers=0, device="cpu", runs=tmp_path)
            run.prepare(options)
            batches = KeypointBatches(Config(keypoint_batch=4), seed, faces())
            run.fit(network.run_name(seed), network.module(), batches, loss, options, network.optimisation())
        rows, missing = measured((self.pairs(),), tmp_path)
        assert [row.name for row in rows] == ["2D affine", "template", "2.3 B", "pair oracle"]
        assert rows[2].errors.shape == (1, 2, 2)
        assert len(missing) == len(list(of_the_table())) - 2
        assert f"* {network.run_name(2)}: 1 of 2 steps." in missing

    def test_the_standard_error_is_that_of_the_mean(self) -> None:
        errors = np.array([[[1.0, 4.0], [2.0, 4.0], [3.0, 4.0]]])
        row = Row("", "", errors)
        np.testing.assert_allclose(row.mean(), [[2, 4]])
        np.testing.assert_allclose(row.standard_error(), [[1 / np.sqrt(3), 0]])
        assert Row("", "", errors[:, :1]).standard_error() is None
