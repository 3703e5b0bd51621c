"""The identity network and what surrounds it: alignment, margin, splits, verification figures, the deployed file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import engines
from engines.networks.identity import (
    CELL,
    DESCRIBED,
    DIMENSIONS,
    FEATURES,
    ORIENTATIONS,
    SIZE,
    IdentityNet,
    levelled,
    oriented_gradients,
)
from engines.networks.recombinator import Recombinator
from realtime.geometry.template import template
from training.data import FaceSet
from training.export import load_weights
from training.identity import Embedder, People, aligned_crop, five_points, held_out_people, similarity, training_people
from training.identity_table import accuracy, best_threshold, pairs, roc_area
from training.principal import Space, discriminants
from training.recipes.identity import Config, Identifier, encoder_of_landmarks, loss, spoilt


@given(st.integers(0, 2**32 - 1))
def test_the_similarity_is_the_least_squares_solution(seed: int) -> None:
    rng = np.random.default_rng(seed)
    points, targets = rng.normal(0, 30, (2, 5, 2))
    x, y, zero, one = *points.T, np.zeros(5), np.ones(5)
    # x' = a x - b y + c, y' = b x + a y + d
    rows = np.concatenate([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    a, b, c, d = np.linalg.lstsq(rows, targets.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(similarity(points, targets), [[a, -b, c], [b, a, d]], atol=1e-6)


def test_points_that_coincide_cannot_be_aligned() -> None:
    with pytest.raises(ValueError, match="aligned"):
        similarity(np.ones((5, 2)), np.eye(5, 2))


@pytest.mark.parametrize(("roll", "scale"), [(0, 40), (25, 90), (-60, 200)])
def test_a_turned_mean_face_lies_upright_in_the_crop(roll: float, scale: float) -> None:
    angle = np.deg2rad(roll)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = template()[:, :2] @ turn.T + (320, 240)
    eyes = aligned_crop(points).into(five_points(points))[:2]
    upright = aligned_crop(template()[:, :2]).into(five_points(template()))[:2]
    np.testing.assert_allclose(eyes, upright, atol=1e-3)
    assert eyes[0, 1] == pytest.approx(eyes[1, 1], abs=1e-3) and eyes.mean(axis=0)[0] == pytest.approx(55.5, abs=1e-3)


def test_embeddings_are_unit_vectors_blind_to_brightness_contrast_and_colour() -> None:
    torch.manual_seed(0)
    net, image = IdentityNet().eval(), 100 * torch.rand(2, 3, SIZE, SIZE)
    embedding, features = net(image)
    assert embedding.shape == (2, DIMENSIONS) and features.shape == (2, FEATURES)
    torch.testing.assert_close(embedding.norm(dim=1), torch.ones(2))
    torch.testing.assert_close(net(1.5 * image + 40)[0], embedding, atol=2e-3, rtol=0)
    tint = torch.tensor([10.0, -10 * 0.299 / 0.587, 0])[None, :, None, None]  # of the same luma
    tinted, seen = net(image + tint)
    torch.testing.assert_close(tinted, embedding, atol=1e-4, rtol=0)
    assert (seen - features).abs().max() > 0.01


@pytest.mark.parametrize("degrees", [0.0, 20.0, 45.0, 110.0, 200.0])
def test_a_slope_falls_into_the_directions_it_rises_in(degrees: float) -> None:
    angle = np.deg2rad(degrees)
    y, x = np.mgrid[:64, :64].astype(np.float32)
    slope = torch.from_numpy((x * np.cos(angle) + y * np.sin(angle)).astype(np.float32))[None, None]
    cells = oriented_gradients(levelled(slope))[0, :, 2:6, 2:6].numpy()
    assert cells.shape == (ORIENTATIONS, 4, 4) and 64 // CELL == 8
    shares = np.maximum(np.cos(angle - np.arange(ORIENTATIONS) * np.pi / 4), 0) ** 3
    expected = shares / np.linalg.norm(shares)
    np.testing.assert_allclose(cells, np.broadcast_to(expected[:, None, None], cells.shape), atol=0.02)


def test_the_encoder_is_the_landmark_networks() -> None:
    net, landmarks = encoder_of_landmarks(), load_weights(Recombinator(), engines.WEIGHTS / "landmarks.onnx")
    image = torch.rand(1, 3, SIZE, SIZE) * 255
    described, _ = net.describe(image)
    assert described.shape == (1, DESCRIBED)
    grey = levelled((image * net.luma).sum(dim=1, keepdim=True))
    maps = landmarks.encode8(landmarks.encode4(landmarks.stem(grey)))
    means = torch.nn.functional.avg_pool2d(maps, 2).flatten(1)
    torch.testing.assert_close(described[:, -means.shape[1] :], means)


def test_norms_keep_their_statistics_in_training() -> None:
    model = Identifier(IdentityNet(), torch.rand(3, DIMENSIONS)).train()
    before = model.net.stem[1].running_mean.clone()
    cosines = model(torch.rand(2, 3, SIZE, SIZE) * 255)
    assert cosines.shape == (2, 3) and cosines.abs().max() <= 1
    torch.testing.assert_close(model.net.stem[1].running_mean, before)


def test_discriminants_find_the_axis_people_differ_on(rng: np.random.Generator) -> None:
    """Two axes: people differ on the first by 1, everyone varies on the second by 10."""
    person = np.arange(400) % 20
    described = np.column_stack([(person % 2) + 0.1 * rng.normal(size=400), 10 * rng.normal(size=400)])
    weight, bias = discriminants(described.astype(np.float32), person, 1, ridge=1e-6)
    assert abs(weight[0, 0]) > 50 * abs(weight[0, 1])
    means = np.array([(described[person == p] @ weight.T + bias).mean() for p in range(20)])
    assert abs(means.mean()) < 1e-4 and np.abs(means).mean() == pytest.approx(1, abs=1e-3)


def test_the_space_keeps_distances_and_maps_unfold(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Space, "DIMENSIONS", 6)
    described = (rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 3).astype(np.float32)
    space = Space(described)
    found, standard = space.into(described), (described - described.mean(axis=0)) / described.std(axis=0)
    assert found.std(axis=0).max() == pytest.approx(1, abs=0.01)
    away, truth = (np.linalg.norm(each - each[0], axis=1)[1:] for each in (found, standard))
    np.testing.assert_allclose(away / truth, np.median(away / truth), rtol=5e-3)  # one scale for all directions
    weight, bias = rng.normal(size=(2, 6)), rng.normal(size=2)
    whole, offset = space.unfolded(weight, bias)
    np.testing.assert_allclose(described @ whole.T + offset, found @ weight.T + bias, rtol=1e-3, atol=1e-3)


def test_the_margin_is_taken_off_the_right_cosine_alone() -> None:
    cosines = torch.tensor([[0.5, 0.3, -0.2]])
    batch = {"seen": torch.zeros(1, 3, 2, 2), "person": torch.tensor([0])}
    found = loss(lambda _: cosines, batch, Config(scale=10.0, margin=0.2))  # type: ignore[arg-type]
    logits = np.array([3.0, 3.0, -2.0])
    assert float(found["loss"]) == pytest.approx(np.log(np.exp(logits).sum()) - 3.0, abs=1e-5)
    assert float(found["found"]) == 1 and float(found["cosine"]) == pytest.approx(0.5)


def test_spoiling_keeps_shape_and_type_and_repeats(rng: np.random.Generator) -> None:
    picture = rng.integers(0, 256, (SIZE, SIZE, 3), np.uint8)
    for seed in range(12):
        once, again = (spoilt(picture.copy(), np.random.default_rng(seed)) for _ in range(2))
        assert once.shape == picture.shape and once.dtype == np.uint8
        np.testing.assert_array_equal(once, again)


def test_roc_area_counts_pairs(rng: np.random.Generator) -> None:
    scores, same = np.round(rng.normal(size=60), 1), rng.random(60) < 0.4
    wins = [float(a > b) + 0.5 * float(a == b) for a in scores[same] for b in scores[~same]]
    assert roc_area(scores, same) == pytest.approx(np.mean(wins))


def test_accuracy_of_separable_and_of_meaningless_scores(rng: np.random.Generator) -> None:
    same = np.arange(400) % 2 == 0
    assert accuracy(same + 0.1 * rng.random(400), same, rng) >= 0.99
    assert accuracy(rng.random(400), same, rng) == pytest.approx(0.5, abs=0.08)
    assert best_threshold(np.array([0.1, 0.4, 0.6, 0.9]), np.array([False, False, True, True])) == pytest.approx(0.6)


def test_true_pairs_are_of_different_clips_and_false_ones_of_two_people() -> None:
    person = np.array(["a"] * 6 + ["b"] * 3 + ["c"] * 2)
    clip = np.array(["a/0"] * 3 + ["a/1"] * 3 + ["b/0"] * 3 + ["", ""])
    nothing = FaceSet("none", [], np.zeros((0, 81, 2)), np.zeros((0, 4)), np.array([]), np.array([], bool))
    which = pairs(People(nothing, np.arange(11), person, clip), np.random.default_rng(0))
    one, other = which.first[which.same], which.second[which.same]
    assert len(one) == 9 + 0 + 1  # photos have no clip and are all compared
    assert (person[one] == person[other]).all() and ((clip[one] != clip[other]) | (clip[one] == "")).all()
    assert (person[which.first[~which.same]] != person[which.second[~which.same]]).all()
    assert which.same.sum() == (~which.same).sum()


def test_nobody_is_on_both_sides(data: Path) -> None:
    trained = set(np.concatenate([people.person for people in training_people()]))
    for people in held_out_people().values():
        assert not trained & set(people.person)
        assert len(set(people.person)) >= 20


def test_the_deployed_network_answers_as_torch_did() -> None:
    with np.load(engines.WEIGHTS / "identity.check.npz") as check:
        image, embedding, features = check["in_0"], check["out_0"], check["out_1"]
    net = load_weights(IdentityNet(), engines.WEIGHTS / "identity.onnx")
    with torch.no_grad():
        np.testing.assert_allclose(net(torch.from_numpy(image))[0].numpy(), embedding, atol=1e-4)
    found = Embedder(threads=1)._engine(image)
    np.testing.assert_allclose(found[0], embedding, atol=2e-3)
    np.testing.assert_allclose(found[1], features, atol=5e-3)
