"""The published recipes: their loss, masks, jitter and optimiser, and the error table."""

from __future__ import annotations

import dataclasses
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from engines.networks.rcn import KEYPOINTS, RCN, SIZE, pixel_numbers
from engines.networks.rcn_denoising import Denoiser
from realtime.frame import Pixels
from realtime.geometry.template import template
from realtime.geometry.topology import KEYPOINTS as ALL_KEYPOINTS
from realtime.geometry.topology import LANDMARKS, eye_distance, mirror
from training.data import FaceSet
from training.landmark_table import HeldOut
from training.rcn_crops import BLOCK, BOX, JITTER, blocked, face_square, inside, jittered_square
from training.rcn_table import (
    PUBLISHED,
    Published,
    error_table,
    eye_centres_distance,
    from_true_boxes,
    together,
)
from training.recipes import rcn, rcn_denoising
from training.run import Batch, Optimisation, Run, RunOptions, fit, load_checkpoint, prepare

OPTIONS = RunOptions(steps=6, threads=1, workers=0, seed=3)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def face(rng: np.random.Generator, width: int = 300) -> np.ndarray:
    """(68, 2) points of a face, no two sides alike, somewhere in a picture of that width."""
    side = rng.uniform(60, 110)
    points = side * template()[:LANDMARKS, :2] / np.ptp(template()[:LANDMARKS, 0])
    return points + rng.uniform(130, width - 130, 2) + rng.normal(0, 2, (LANDMARKS, 2))


def a_set(rng: np.random.Generator, count: int = 6, held_out: bool = False) -> FaceSet:
    """Photos with a bright dot at every point."""
    points = np.full((count, ALL_KEYPOINTS, 2), np.nan, np.float32)
    points[:, :LANDMARKS] = [face(rng) for _ in range(count)]
    codes = []
    for row in points[:, :LANDMARKS]:
        picture = np.zeros((300, 300), np.uint8)
        for x, y in row:
            cv2.circle(picture, (round(16 * x), round(16 * y)), 32, 255, -1, cv2.LINE_AA, 4)
        codes.append(cv2.imencode(".png", picture)[1])
    nobody = np.full(count, "")
    return FaceSet("drawn", codes, points, np.full((count, 4), np.nan, np.float32), nobody, np.full(count, held_out))


def test_loss_is_the_likelihood_of_the_points_pixels(rng: np.random.Generator) -> None:
    heat = rng.normal(size=(2, KEYPOINTS, SIZE, SIZE))
    points = rng.uniform(-0.49, SIZE - 0.51, (2, KEYPOINTS, 2))
    known = (rng.random((2, KEYPOINTS)) < 0.7).astype(float)
    total = 0.0
    for b, k in np.argwhere(known > 0):
        x, y = np.rint(points[b, k]).astype(int)
        total += np.log(np.exp(heat[b, k]).sum()) - heat[b, k, y, x]
    tensors = [torch.from_numpy(array) for array in (heat, points, known)]
    found = rcn.pixel_loss(*tensors)
    assert float(found) == pytest.approx(KEYPOINTS * total / known.sum(), rel=1e-6)
    assert float(rcn.pixel_loss(tensors[0], tensors[1], torch.zeros(2, KEYPOINTS))) == 0


def test_masked_points_have_no_gradient_and_do_not_count() -> None:
    heat = torch.randn(1, KEYPOINTS, SIZE, SIZE, requires_grad=True)
    points = torch.full((1, KEYPOINTS, 2), 30.0)
    known = torch.ones(1, KEYPOINTS)
    known[0, 5:9] = 0
    loss = rcn.pixel_loss(heat, points, known)
    loss.backward()
    assert heat.grad is not None
    assert not heat.grad[0, 5:9].any() and heat.grad[0, 4].any()
    points[0, 5:9] = 500.0
    torch.testing.assert_close(rcn.pixel_loss(heat, points, known), loss)


def test_l2_terms_weigh_encoder_and_branches_apart_and_no_bias(rng: np.random.Generator) -> None:
    model = RCN(4, learned_upsampling=True)
    config = rcn.Config(l2_encoder=0.1, l2_branches=0.01)
    batch = {
        "image": torch.zeros(1, 1, SIZE, SIZE, dtype=torch.uint8),
        "points": torch.full((1, KEYPOINTS, 2), 30.0),
        "known": torch.zeros(1, KEYPOINTS),
    }
    weights = {key: float((value.double() ** 2).sum()) for key, value in model.state_dict().items() if value.ndim == 4}
    wanted = sum(
        share * sum(value for key, value in weights.items() if key.startswith(part))
        for part, share in (("encoder", 0.1), ("branches", 0.01))
    )
    assert float(rcn.loss(config, model, batch)["loss"].detach()) == pytest.approx(wanted, rel=1e-5)


def test_jitter_keeps_points_on_what_they_mark(rng: np.random.Generator) -> None:
    errors = []
    for _ in range(60):
        points = face(rng)
        picture = np.zeros((300, 300), np.uint8)
        x, y = points[30]
        cv2.circle(picture, (round(16 * x), round(16 * y)), 40, 255, -1, cv2.LINE_AA, 4)
        crop = jittered_square(points, 20.0, rng)
        seen = crop.cut(picture, cv2.BORDER_CONSTANT).astype(float)
        grid = np.arange(SIZE)
        centre = np.array([(seen.sum(axis=0) * grid).sum(), (seen.sum(axis=1) * grid).sum()]) / seen.sum()
        errors.append(np.abs(centre - crop.into(points[30])).max())
    assert max(errors) < 0.12


def test_jitter_fills_its_published_ranges(rng: np.random.Generator) -> None:
    points = face(rng)
    plain = face_square(points)
    box = np.array([[0, 0], [SIZE - 1, 0]])
    side = np.linalg.norm(np.diff(plain.back(box), axis=0))
    assert np.ptp(points, axis=0).max() * BOX * (SIZE - 1) / SIZE == pytest.approx(side)
    middle = np.full(2, (SIZE - 1) / 2)
    scales, shifts, turns = [], [], []
    for _ in range(500):
        crop = jittered_square(points, 20.0, rng)
        edge = np.diff(crop.back(box), axis=0)[0]
        scales.append(np.linalg.norm(edge) / side)
        turns.append(np.rad2deg(np.arctan2(edge[1], edge[0])))
        shifts.append((crop.back(middle) - plain.back(middle)) / (side * SIZE / (SIZE - 1)))
    for values, reach in ((np.array(scales) - 1, JITTER), (np.array(shifts), JITTER), (np.array(turns), 20)):
        assert 0.95 * reach < values.max() <= reach + 1e-9 and 0.95 * reach < -values.min() <= reach + 1e-9
    np.testing.assert_allclose(turns, np.rint(turns), atol=1e-9)


def test_black_blocks_have_the_published_sides(rng: np.random.Generator) -> None:
    heights, widths = [], []
    for _ in range(300):
        dark = blocked(np.ones((SIZE, SIZE), np.uint8), rng) == 0
        rows, columns = np.flatnonzero(dark.any(axis=1)), np.flatnonzero(dark.any(axis=0))
        assert dark[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].all()
        heights.append(len(rows))
        widths.append(len(columns))
    assert (min(heights), max(heights)) == (min(widths), max(widths)) == BLOCK


def test_points_outside_photo_or_crop_are_masked(rng: np.random.Generator) -> None:
    faces = a_set(rng, 1)
    faces.points[0, :, 0] -= faces.points[0, 20, 0]  # half a brow is left of the photo, and the jaw beyond it
    beyond = faces.points[0, :LANDMARKS, 0] < -0.5
    assert beyond[0] and not beyond[20:].all()
    samples = rcn.Samples(rcn.Config(batch_size=150, rotation=40.0), faces)
    batch = samples(0)
    assert batch["image"].shape == (150, 1, SIZE, SIZE) and batch["image"].dtype == np.uint8
    assert not batch["known"][:, beyond].any()
    outside = ~inside(batch["points"], SIZE, SIZE)[:, ~beyond]
    assert outside.any() and np.array_equal(batch["known"][:, ~beyond] == 0, outside)


def test_our_recipe_shows_mirror_images_with_their_points_in_place(rng: np.random.Generator) -> None:
    faces = a_set(rng, 1)
    for recipe, sides in (("published", {True}), ("ours", {True, False})):
        batch = rcn.Samples(rcn.Config(batch_size=24, rotation=0.0, recipe=recipe), faces)(1)  # type: ignore[arg-type]
        across = batch["points"][:, 16, 0] - batch["points"][:, 0, 0]
        assert (across > 0).all()  # mirrored or not, the jaw runs from image left
        leaning = batch["points"] - batch["points"].mean(axis=1, keepdims=True)
        straight = leaning / np.ptp(leaning, axis=1).max(axis=1)[:, None, None]
        truth = faces.points[0, :LANDMARKS] - faces.points[0, :LANDMARKS].mean(axis=0)
        truth = truth / np.ptp(truth, axis=0).max()
        other = mirror(truth, 1.0)
        other -= other.mean(axis=0)
        near = [bool(np.abs(one - truth).max() < np.abs(one - other).max()) for one in straight]
        assert set(near) <= sides
        # the points lie on their dots, of which the blocks cover a part
        number = np.arange(len(batch["image"]))[:, None]
        x, y = np.rint(batch["points"]).astype(int).transpose(2, 0, 1)
        assert (batch["image"][number, 0, y, x] > 100).mean() > 0.5


def test_batches_repeat_by_number(rng: np.random.Generator) -> None:
    faces = a_set(rng)
    config = rcn.Config(batch_size=4)
    one, again = rcn.Samples(config, faces)(5), rcn.Samples(config, faces)(5)
    assert all(np.array_equal(one[key], again[key]) for key in one)
    assert not np.array_equal(one["image"], rcn.Samples(config, faces)(6)["image"])


def test_the_denoiser_is_asked_for_the_points_that_were_moved(rng: np.random.Generator) -> None:
    config = rcn_denoising.Config(batch_size=20)
    batch = rcn_denoising.Samples(config, np.stack([face(rng) for _ in range(3)]))(2)
    own = np.rint(batch["points"]).clip(0, SIZE - 1).astype(int) @ (1, SIZE)
    moved = batch["given"] != own
    seen = inside(batch["points"], SIZE, SIZE)
    assert (moved.sum(axis=1) <= 35).all() and moved.sum() >= 20 * 35 - 5  # a random pixel may be the right one
    assert not batch["asked"][~seen].any()
    assert np.array_equal(batch["asked"][moved], seen[moved].astype(np.float32))
    assert batch["asked"].sum() <= 20 * 35


def test_adadelta_follows_its_recurrence(tmp_path: Path) -> None:
    optimisation = rcn.optimisation("published", 0.0)
    assert optimisation.constant
    prepare(OPTIONS)
    run = Run("toy", nn.Linear(3, 1, bias=False), dataclasses.replace(OPTIONS, runs=tmp_path), optimisation)
    weight = run.model.weight.detach().double().numpy().copy()
    squares, steps = np.zeros_like(weight), np.zeros_like(weight)
    for number in range(8):
        x = np.random.default_rng(number).normal(size=(5, 3))
        run.advance({"x": x.astype(np.float32)}, lambda model, batch: {"loss": model(batch["x"]).square().mean()})
        gradient = 2 * (x @ weight.T).T @ x / 5
        squares = 0.95 * squares + 0.05 * gradient**2
        step = np.sqrt(steps + 1e-8) / np.sqrt(squares + 1e-8) * gradient
        steps = 0.95 * steps + 0.05 * step**2
        weight -= step
    np.testing.assert_allclose(run.model.weight.detach().numpy(), weight, rtol=1e-5)
    np.testing.assert_array_equal(run.average.weight.numpy(), run.model.weight.detach().numpy())


def rcn_run(rng: np.random.Generator) -> tuple[nn.Module, rcn.Samples, partial]:
    config = rcn.Config(batch_size=2)
    prepare(OPTIONS)
    return RCN(3), rcn.Samples(config, a_set(rng)), partial(rcn.loss, config)


def denoiser_run(rng: np.random.Generator) -> tuple[nn.Module, rcn_denoising.Samples, partial]:
    config = rcn_denoising.Config(batch_size=2)
    prepare(OPTIONS)
    samples = rcn_denoising.Samples(config, np.stack([face(rng) for _ in range(3)]))
    return Denoiser(kernel=5, width=3), samples, partial(rcn_denoising.loss, config.l2)


@pytest.mark.parametrize("made", [rcn_run, denoiser_run])
@pytest.mark.parametrize("recipe", ["published", "ours"])
def test_a_resumed_run_ends_like_an_uninterrupted_one(made, recipe: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    def trained(name: str, stop: int | None, resume: bool) -> nn.Module:
        model, samples, loss = made(np.random.default_rng(4))

        def batch(number: int) -> Batch:
            if number == stop:
                raise KeyboardInterrupt
            return samples(number)

        options = dataclasses.replace(OPTIONS, runs=tmp_path / name, checkpoint_s=0.0, resume=resume)
        return fit("toy", model, batch, loss, options, rcn.optimisation(recipe, 1e-3))  # type: ignore[arg-type]

    whole = trained("a", None, False)
    with pytest.raises(KeyboardInterrupt):
        trained("b", 3, False)
    assert load_checkpoint(tmp_path / "b" / "toy")["step"] == 3
    resumed = trained("b", None, True)
    for key, value in whole.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[key])


@pytest.mark.parametrize("which", ["network", "denoiser"])
def test_training_lowers_the_loss(which: str, tmp_path: Path, rng: np.random.Generator) -> None:
    prepare(OPTIONS)
    if which == "network":
        config, rate = rcn.Config(batch_size=4, rotation=0.0), 0.5
        model, batch, loss = RCN(8), rcn.Samples(config, a_set(rng, 2))(0), partial(rcn.loss, config)
    else:
        rate = 0.1  # at five times that its few maps may all go dark in a step
        points = face(rng)[None]
        samples = rcn_denoising.Samples(rcn_denoising.Config(batch_size=4, rotation=0.0), points)
        model, batch, loss = Denoiser(kernel=45, width=6), samples(0), partial(rcn_denoising.loss, 0.0)
    optimisation = Optimisation(learning_rate=rate, weight_decay=0.0)  # warm-up: the first steps take 1/200 of it
    run = Run("toy", model, dataclasses.replace(OPTIONS, steps=1000, runs=tmp_path), optimisation)
    losses = [float(run.advance(batch, loss)["per_point"]) for _ in range(12)]
    assert losses[0] == pytest.approx(np.log(SIZE**2), abs=0.1)  # nothing is known at the start
    assert losses[-1] < losses[0] - 0.5


class Painter(nn.Module):
    """In place of the network: sees the dots of `a_set` nowhere, and says where the square's template points are."""

    def __init__(self, points: np.ndarray) -> None:
        super().__init__()
        self.points = torch.from_numpy(points)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        pixel = torch.arange(SIZE)
        x, y = self.points[:, 0, None], self.points[:, 1, None]
        maps = -((pixel - x) ** 2)[:, None, :] - ((pixel - y) ** 2)[:, :, None]
        return maps.float().expand(len(image), -1, -1, -1)


def test_the_estimator_reads_soft_and_hard_in_the_pixels_of_the_photo(rng: np.random.Generator) -> None:
    faces = a_set(rng, 3, held_out=True)
    truth = faces.points[0, :LANDMARKS]
    for hard, least, most in ((False, 0.0, 0.004), (True, 0.004, 0.05)):
        estimator = Published(Painter(face_square(truth).into(truth)), None, hard)  # type: ignore[arg-type]
        picture: Pixels = faces.picture(0)
        crop = estimator.crop(faces.points[0])
        found = estimator(picture, [crop, crop])
        assert found.points.shape == (2, ALL_KEYPOINTS, 2) and np.isnan(found.points[:, LANDMARKS:]).all()
        error = np.linalg.norm(found.points[1, :LANDMARKS] - truth, axis=1).mean() / eye_distance(truth)
        assert least <= error < most
        assert (found.confidence[:, :LANDMARKS] > 0.9).all() and not found.confidence[:, LANDMARKS:].any()


class Sure(nn.Module):
    """In place of the denoiser: keeps what it was given, and is sure of pixels two to the right."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        self.given = pixels
        return 50.0 * nn.functional.one_hot(pixels + 2, SIZE**2).float().unflatten(2, (SIZE, SIZE))


def test_the_joint_model_gives_the_denoiser_the_highest_pixels_and_adds_the_logarithms(
    rng: np.random.Generator,
) -> None:
    faces, denoiser = a_set(rng, 1), Sure()
    truth = faces.points[0, :LANDMARKS]
    drawn = face_square(truth).into(truth)
    estimator = Published(Painter(drawn), denoiser, hard=True)  # type: ignore[arg-type]
    crop = estimator.crop(truth)
    found = estimator(faces.picture(0), [crop]).points[0, :LANDMARKS]
    assert torch.equal(denoiser.given[0], pixel_numbers(torch.from_numpy(drawn)))
    np.testing.assert_allclose(crop.into(found), np.rint(drawn) + np.array([2, 0]), atol=1e-3)
    assert "denoising" in estimator.name


def test_errors_from_true_boxes_by_both_yardsticks(rng: np.random.Generator) -> None:
    faces = a_set(rng, 3, held_out=True)
    truth = faces.points[0, :LANDMARKS]
    off = face_square(truth).into(truth)
    off[:, 0] += 1.0
    estimator = Published(Painter(off), None, hard=False)  # type: ignore[arg-type]
    held_out = HeldOut("drawn", faces, faces.testing()[:1])
    distances = from_true_boxes([estimator], held_out)
    everything = np.arange(LANDMARKS)
    pixel = BOX * np.ptp(truth, axis=0).max() / SIZE
    for by_centres, yardstick in ((True, eye_centres_distance(truth)), (False, eye_distance(truth))):
        percent = distances.percent(estimator.name, everything, by_centres)
        assert percent == pytest.approx(100 * pixel / yardstick, rel=0.03)
    both = together([distances, distances])
    assert len(both.centres) == 2
    assert both.percent(estimator.name, everything, True) == pytest.approx(
        distances.percent(estimator.name, everything, True)
    )
    text = error_table({"common": distances, "iBUG": distances, "full": both}, by_centres=True, published=True)
    assert text.count("\n") == 2 + len(PUBLISHED) and estimator.name in text and "5.54" in text


def test_eye_centres_are_the_middles_of_the_corners() -> None:
    points = np.zeros((LANDMARKS, 2))
    points[[36, 39, 42, 45]] = [[0, 0], [4, 0], [10, 3], [14, 3]]
    assert eye_centres_distance(points) == pytest.approx(np.hypot(10, 3))
