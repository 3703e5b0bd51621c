"""The landmark network and its recipe: shapes, the soft-argmax, the loss, and torch against the deployed file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch

import engines
from engines.networks.recombinator import GRID, SIZE, STRIDE, Recombinator, local_soft_argmax
from realtime.geometry.topology import KEYPOINTS
from training.export import load_weights
from training.landmark_errors import confidence_target
from training.recipes.landmarks import (
    FACES,
    HEAT_SIGMA,
    Config,
    Judge,
    Samples,
    expect_faces,
    gaussian_maps,
    loss,
    sketches,
)
from training.run import RunOptions


def gaussian(x: float, y: float, sigma: float = HEAT_SIGMA) -> torch.Tensor:
    """(1, 1, 28, 28) logits of a Gaussian around crop pixel (x, y)."""
    centres = STRIDE * torch.arange(GRID, dtype=torch.float64) + (STRIDE - 1) / 2
    logits = -((centres - x) ** 2)[None, :] / (2 * sigma**2) - ((centres - y) ** 2)[:, None] / (2 * sigma**2)
    return logits[None, None].float()


@pytest.mark.parametrize(("x", "y"), [(55.5, 55.5), (40.0, 71.3), (13.7, 98.2), (57.49, 57.51), (20.0, 20.0)])
def test_soft_argmax_finds_an_analytic_peak_between_cells(x: float, y: float) -> None:
    points, mass = local_soft_argmax(gaussian(x, y))
    np.testing.assert_allclose(points[0, 0].numpy(), (x, y), atol=0.12)
    assert 0.9 < float(mass) <= 1.0


def test_soft_argmax_ignores_a_lower_peak_far_away_but_tells() -> None:
    both = torch.logaddexp(gaussian(30.0, 40.0), gaussian(90.0, 80.0) - 0.5)
    points, mass = local_soft_argmax(both)
    np.testing.assert_allclose(points[0, 0].numpy(), (30, 40), atol=0.15)
    assert float(mass) == pytest.approx(1 / (1 + np.exp(-0.5)), abs=0.03)


def test_soft_argmax_of_a_border_peak_stays_in_the_crop() -> None:
    points, _ = local_soft_argmax(gaussian(0.0, 111.0))
    assert 0 <= float(points[0, 0, 0]) < 4 and 107 < float(points[0, 0, 1]) <= 111


def test_targets_are_centred_on_the_truth_and_sum_to_one() -> None:
    truth = torch.tensor([[[50.2, 61.9], [33.0, 80.4]]])
    maps = gaussian_maps(truth)
    torch.testing.assert_close(maps.sum(dim=2), torch.ones(1, 2))
    read, _ = local_soft_argmax(torch.log(maps + 1e-20).reshape(1, 2, GRID, GRID))
    np.testing.assert_allclose(read.numpy(), truth.numpy(), atol=0.12)


def test_shapes_and_ranges() -> None:
    points, confidence, face = Recombinator().eval()(torch.rand(3, 1, SIZE, SIZE) * 255)
    assert points.shape == (3, KEYPOINTS, 2) and confidence.shape == (3, KEYPOINTS) and face.shape == (3,)
    assert ((points >= 0) & (points <= SIZE - 1)).all()
    assert ((confidence >= 0) & (confidence <= 1)).all() and ((face >= 0) & (face <= 1)).all()


def test_loss_falls_on_one_batch_and_unlabelled_points_do_not_count() -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    batch = {
        "image": torch.from_numpy(sketches(4)),
        "points": torch.from_numpy(rng.uniform(20, 90, (4, KEYPOINTS, 2)).astype(np.float32)),
        "weights": torch.ones(4, KEYPOINTS),
        "face": torch.tensor([1.0, 1.0, 1.0, 0.0]),
    }
    batch["weights"][3] = 0
    batch["weights"][:, 70:] = 0
    model = Recombinator().train()
    first = loss(model, batch)["loss"]
    moved = {**batch, "points": batch["points"].clone()}
    moved["points"][:, 70:] += 30
    moved["points"][3] += 30
    # confidence asks for zero on what is unlabelled only where there is no face at all
    torch.testing.assert_close(loss(model, moved)["loss"], first)
    optimiser = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(15):
        optimiser.zero_grad()
        last = loss(model, batch)["loss"]
        last.backward()
        optimiser.step()
    assert last.item() < 0.8 * first.item()


def test_scores_learn_while_the_points_stay(rng: np.random.Generator) -> None:
    torch.manual_seed(0)
    judge = Judge().train()
    image = torch.from_numpy(sketches(4))
    batch = {
        "image": image,
        "points": torch.from_numpy(rng.uniform(20, 90, (4, KEYPOINTS, 2)).astype(np.float32)),
        "weights": torch.ones(4, KEYPOINTS),
        "face": torch.tensor([1.0, 1, 0, 0]),
    }
    with torch.no_grad():
        points, confidence, face = judge(image)
    optimiser = torch.optim.AdamW(judge.parameters(), lr=3e-3)
    for _ in range(5):
        optimiser.zero_grad()
        loss(judge, batch)["loss"].backward()
        optimiser.step()
    with torch.no_grad():
        still, sure, there = judge(image)
    assert torch.equal(points, still)
    assert not torch.allclose(confidence, sure)
    assert (there - face)[:2].mean() > (there - face)[2:].mean()


def test_the_face_score_expects_fewer_faces_than_a_batch_has() -> None:
    model, config = Judge().eval(), Config()
    image = torch.from_numpy(sketches(3))
    with torch.no_grad():
        before = model(image)[2]
        expect_faces(model, config)
        after = model(image)[2]
    # Bayes: odds change by the ratio of the prior odds
    trained, wanted = (1 - config.negatives) / config.negatives, FACES / (1 - FACES)
    torch.testing.assert_close(after / (1 - after), before / (1 - before) * wanted / trained, rtol=1e-3, atol=1e-6)


def test_confidence_target_is_one_half_at_three_pixels() -> None:
    np.testing.assert_allclose(confidence_target(np.array([0.0, 3.0, 9.0])), [1, 0.5, 0.1])


def test_batches_repeat_by_number_and_differ_by_seed(data: Path) -> None:
    config = Config(run=RunOptions(seed=1), batch_size=6)
    one, again, other = Samples(config)(5), Samples(config)(5), Samples(Config(run=RunOptions(seed=2), batch_size=6))(5)
    assert all(np.array_equal(one[key], again[key]) for key in one)
    assert not np.array_equal(one["image"], other["image"])
    assert one["image"].shape == (6, 1, SIZE, SIZE) and one["points"].shape == (6, KEYPOINTS, 2)
    assert np.isfinite(one["points"]).all() and (one["weights"][one["face"] == 0] == 0).all()


def test_the_deployed_network_agrees_with_torch(tmp_path: Path) -> None:
    path = engines.WEIGHTS / "landmarks.onnx"
    check = np.load(path.with_suffix(".check.npz"))
    plain = onnx.load(path)
    del plain.metadata_props[:]  # nothing says now that it may compute in bfloat16
    onnx.save(plain, tmp_path / "landmarks.onnx")
    exact, deployed = engines.load("landmarks", threads=1, folder=tmp_path), engines.load("landmarks", threads=1)
    assert exact.precision == "float32"
    module = load_weights(Recombinator(), path)
    for image in (check["in_0"], sketches(3)[::-1].copy()):
        with torch.no_grad():
            wanted = [answer.numpy() for answer in module(torch.from_numpy(image))]
        for found, truth, tolerance in zip(exact(image), wanted, (0.1, 0.01, 0.01), strict=True):
            np.testing.assert_allclose(found, truth, atol=tolerance)
        for found, truth, tolerance in zip(deployed(image), wanted, (0.1, 0.01, 0.01), strict=True):
            assert np.abs(found - truth).mean() < tolerance
    with torch.no_grad():
        np.testing.assert_allclose(module(torch.from_numpy(check["in_0"]))[0].numpy(), check["out_0"], atol=1e-3)
