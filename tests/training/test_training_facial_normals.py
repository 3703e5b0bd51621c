"""The cross-modal network, its losses, its crops and angles."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from engines.networks.cross_modal_normals import (
    LIVE_SIDE,
    TAILS,
    CrossModalNormals,
    LiveNormals,
    NormalDecoder,
    PictureToNormals,
)
from realtime.frame import Intrinsics
from realtime.geometry.sight import line_of_sight, place_of, turned_normals
from training import run
from training.facial_normals import evaluation
from training.facial_normals.metrics import angles, mean_errors, normal_errors
from training.facial_normals.samples import NormalBatches, Sample, mirrored, normals_crop, of_synthetic
from training.recipes import facial_normals
from training.synthetic.parts import Class
from training.synthetic.stock import Kept

SIDE = 32


@pytest.fixture(scope="module")
def network() -> CrossModalNormals:
    torch.manual_seed(0)
    return CrossModalNormals().eval()


def poison(module: nn.Module) -> dict[str, torch.Tensor]:
    """Every weight and statistic becomes not-a-number; gives back what was there."""
    before = {name: value.clone() for name, value in module.state_dict().items()}
    with torch.no_grad():
        for value in [*module.parameters(), *module.buffers()]:
            if value.is_floating_point():
                value.fill_(math.nan)
    return before


class TestNetwork:
    """The way of pictures and of normal maps through it."""

    def test_it_has_the_published_size(self, network: CrossModalNormals) -> None:
        deployed = PictureToNormals(network)
        assert sum(p.numel() for p in deployed.parameters()) == pytest.approx(19.6e6, rel=0.01)
        layers = network.normal_decoder.up
        assert [layer.in_channels for layer in layers] == [768, 640, 320, 320, 192]
        assert [layer.out_channels for layer in layers] == [640, 320, 320, 192, 64]

    @pytest.mark.parametrize("width", [0.25, 0.3])
    def test_a_share_of_the_channels_takes_all_ways(self, width: float) -> None:
        narrow = CrossModalNormals(width).eval()
        assert narrow.image_encoder.latent[-1](torch.zeros(1, round(512 * width), 1, 1)).shape[1] == round(512 * width)
        image = torch.rand(1, 3, SIDE, SIDE)
        with torch.no_grad():
            ways = (
                narrow.normals(image),
                narrow.normals(image, skips=False),
                narrow.normals_again(image),
                narrow.image_again(image),
            )
        assert all(made.shape == image.shape for made in ways)
        weights = sum(p.numel() for p in narrow.parameters())
        full = sum(p.numel() for p in CrossModalNormals().parameters())
        assert weights / full == pytest.approx(width**2, rel=0.05)

    def test_normal_maps_never_meet_the_picture_encoder(self, network: CrossModalNormals) -> None:
        normals = torch.rand(1, 3, SIDE, SIDE)
        with torch.no_grad():
            wanted = network.normals_again(normals)
            before = poison(network.image_encoder)
            try:
                assert torch.equal(network.normals_again(normals), wanted)
                assert network.normals(torch.rand(1, 3, SIDE, SIDE)).isnan().any()
            finally:
                network.image_encoder.load_state_dict(before)

    def test_pictures_never_meet_the_normal_encoder_and_come_back_without_skips(
        self, network: CrossModalNormals
    ) -> None:
        image = torch.rand(1, 3, SIDE, SIDE)
        with torch.no_grad():
            wanted, again = network.normals(image), network.image_again(image)
            before = poison(network.normal_encoder), poison(network.normal_decoder.skip)
            try:
                assert torch.equal(network.image_again(image), again)
                assert network.normals(image, skips=False).isfinite().all()
                assert network.normals(image).isnan().any()
            finally:
                network.normal_encoder.load_state_dict(before[0])
                network.normal_decoder.skip.load_state_dict(before[1])
            assert torch.equal(network.normals(image), wanted)

    def test_a_skip_is_the_maximum_of_tail_and_feature(self) -> None:
        torch.manual_seed(1)
        decoder = NormalDecoder().eval()
        latent = torch.randn(1, 512, 1, 1)
        sides = (2, 4, 8, 16, 32)
        low = [torch.full((1, width, side, side), -1e4) for width, side in zip(TAILS, sides, strict=True)]
        with torch.no_grad():
            for skip in decoder.skip[:-1]:
                skip.weight.copy_(torch.eye(len(skip.weight))[..., None, None])
                skip.bias.zero_()
            off = decoder(latent)
            # features below every tail change nothing: on equals off, with the same widths
            assert torch.allclose(decoder(latent, low), off, atol=1e-6)
            high = [feature.clone() for feature in low]
            high[-1][:] = 50.0
            assert not torch.allclose(decoder(latent, high), off, atol=1e-3)

    def test_what_is_deployed_gives_unit_normals(self, network: CrossModalNormals) -> None:
        for deployed in (PictureToNormals(network), LiveNormals().eval()):
            with torch.no_grad():
                normals = deployed(255 * torch.rand(2, 3, 64, 64))
            assert normals.shape == (2, 3, 64, 64)
            assert torch.allclose(normals.norm(dim=1), torch.ones(2, 64, 64), atol=1e-4)


def test_the_live_network_sees_a_face_and_its_mirror_image_alike() -> None:
    torch.manual_seed(0)
    network = LiveNormals().eval()
    image = 255 * torch.rand(1, 3, LIVE_SIDE, LIVE_SIDE)
    with torch.no_grad():
        straight, mirrored = network(image), network(image.flip(3)).flip(3)
    torch.testing.assert_close(straight * torch.tensor([-1.0, 1, 1]).reshape(3, 1, 1), mirrored, atol=1e-5, rtol=0)
    torch.testing.assert_close(straight.norm(dim=1), torch.ones(1, LIVE_SIDE, LIVE_SIDE))


class TestLosses:
    """What is minimised."""

    def test_the_cosine_loss_counts_the_mask_alone(self) -> None:
        truth = torch.zeros(1, 3, 2, 2)
        truth[:, 2] = 1
        made = truth.clone() * 5
        made[:, :, 0, 0] = torch.tensor([1.0, 0, 0])
        made[:, :, 1, 1] = torch.tensor([0, 0, -2.0])
        mask = torch.ones(1, 1, 2, 2, dtype=torch.bool)
        assert float(facial_normals.cosine_loss(made, truth, mask)) == pytest.approx((0 + 1 + 0 + 2) / 4)
        mask[..., 1, 1] = False
        assert float(facial_normals.cosine_loss(made, truth, mask)) == pytest.approx(1 / 3)
        assert float(facial_normals.cosine_loss(made, truth, mask & False)) == 0

    def test_the_coarse_loss_does_not_see_what_is_finer(self) -> None:
        square = 8
        side = square * facial_normals.COARSE
        truth = torch.zeros(1, 3, side, side)
        truth[:, 2] = 1
        fine = truth.clone()
        fine[:, 0, :, ::2], fine[:, 0, :, 1::2] = 0.5, -0.5
        mask = torch.ones(1, 1, side, side, dtype=torch.bool)
        assert float(facial_normals.coarse_loss(fine, truth, mask)) == pytest.approx(0, abs=2e-3)
        turned = truth.roll(1, dims=1)
        assert float(facial_normals.coarse_loss(turned, truth, mask)) == pytest.approx(2**0.5, abs=1e-6)
        mask[..., :square, 2:] = False  # squares that lie in the mask by a quarter, and by nothing
        turned[..., :square, :] = -truth[..., :square, :]
        assert float(facial_normals.coarse_loss(turned, truth, mask)) == pytest.approx(2**0.5, abs=1e-6)

    def test_a_face_turned_as_a_whole_is_worse_than_wrinkles(self) -> None:
        """Both are off by 10 degrees at every pixel; turned as a whole, at every scale."""
        angle = torch.deg2rad(torch.tensor(10.0))
        side = 8 * facial_normals.COARSE
        truth = torch.zeros(1, 3, side, side)
        truth[:, 2] = 1
        turned = torch.stack([angle.sin(), 0 * angle, angle.cos()]).reshape(1, 3, 1, 1).expand_as(truth)
        wrinkled = turned.clone()
        wrinkled[:, 0, :, ::2] *= -1
        mask = torch.ones(1, 1, side, side, dtype=torch.bool)
        mask[..., 3] = False  # squares with an uneven number of columns are off by a little
        chord = float(2 * (angle / 2).sin())
        assert float(facial_normals.scaled_loss(turned, truth, mask)) == pytest.approx(3 * chord, rel=1e-3)
        assert float(facial_normals.scaled_loss(wrinkled, truth, mask)) == pytest.approx(chord, rel=0.1)
        assert float(facial_normals.scaled_loss(2 * truth, truth, mask)) == pytest.approx(0, abs=4e-3)

    @pytest.mark.parametrize("degrees", [5.0, 60.0, 180.0])
    def test_the_chord_is_about_the_angle(self, degrees: float) -> None:
        angle = torch.deg2rad(torch.tensor(degrees))
        truth = torch.tensor([0.0, 0, 1]).reshape(1, 3, 1, 1)
        made = 3 * torch.stack([angle.sin(), 0 * angle, angle.cos()]).reshape(1, 3, 1, 1)
        mask = torch.ones(1, 1, 1, 1, dtype=torch.bool)
        assert float(facial_normals.chord_loss(made, truth, mask)) == pytest.approx(
            float(2 * (angle / 2).sin()), abs=1e-3
        )

    def test_lone_maps_teach_no_picture_encoder(self, network: CrossModalNormals) -> None:
        lone = torch.nn.functional.normalize(torch.rand(1, 3, SIDE, SIDE), dim=1)
        mask = torch.ones(1, 1, SIDE, SIDE, dtype=torch.bool)
        network.zero_grad()
        facial_normals.cosine_loss(network.normals_again(lone), lone, mask).backward()
        assert all(p.grad is None for p in network.image_encoder.parameters())
        assert any(p.grad is not None for p in network.normal_encoder.parameters())
        network.zero_grad(set_to_none=True)

    def test_the_live_network_learns_and_resumes_and_its_teacher_stays_out(self, tmp_path: Path) -> None:
        direction = torch.tensor([0.6, 0.0, 0.8])[None, :, None, None]

        class Teacher(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.unused = nn.Parameter(torch.ones(3))

            def forward(self, image: torch.Tensor) -> torch.Tensor:
                return direction.expand_as(image)

        rng = np.random.default_rng(0)
        image = rng.uniform(0, 255, (2, 3, SIDE, SIDE)).astype(np.float32)
        normals = direction.expand(2, 3, SIDE, SIDE).numpy().copy()
        fixed = {
            "image": image,
            "normals": normals,
            "face": np.ones((2, 1, SIDE, SIDE), bool),
            "lone_image": image[::-1].copy(),
        }
        seen: list[float] = []

        def loss(model: nn.Module, batch: run.Tensors) -> run.Tensors:
            parts = facial_normals.live_loss(model, batch)
            seen.append(float(parts["loss"].detach()))
            return parts

        def fit(steps: int, resume: bool) -> None:
            options = run.RunOptions(steps=steps, resume=resume, workers=0, threads=1, runs=tmp_path)
            model = facial_normals.Pupil(LiveNormals(), Teacher())
            run.fit("facial_normals_live", model, lambda step: fixed, loss, options, run.Optimisation(5e-2))

        fit(3, False)
        fit(16, True)
        assert len(seen) == 16
        assert min(seen[-3:]) < 0.9 * seen[0]
        kept = run.load_checkpoint(tmp_path / "facial_normals_live")["model"]
        assert not any("unused" in name for name in kept)

    def test_the_deployed_way_alone_is_a_quick_start(self) -> None:
        torch.manual_seed(0)
        network = CrossModalNormals(0.125)
        unit = nn.functional.normalize(torch.rand(2, 3, SIDE, SIDE), dim=1)
        everywhere = torch.ones(2, 1, SIDE, SIDE, dtype=torch.bool)
        batch = {"image": 255 * torch.rand_like(unit), "normals": unit, "face": everywhere}
        batch |= {f"fitted_{name}": value for name, value in batch.items()}
        parts = facial_normals.loss(network, batch, facial_normals.Config(again=0, chord=True, fitted=0.3))
        assert set(parts) == {"loss", "normals", "fitted"}
        total = float((parts["normals"] + 0.3 * parts["fitted"]).detach())
        assert float(parts["loss"].detach()) == pytest.approx(total)
        assert float(parts["normals"].detach()) == pytest.approx(
            float(facial_normals.scaled_loss(network.normals(batch["image"] / 255), unit, everywhere).detach()),
            rel=1e-3,
        )

    def test_a_full_network_teaches_at_its_own_size(self) -> None:
        torch.manual_seed(0)
        whole = CrossModalNormals(0.125).eval()
        pupil = facial_normals.Pupil(LiveNormals(), PictureToNormals(whole), 2 * SIDE)
        image = (255 * torch.rand(1, 3, 1, 1)).expand(1, 3, LIVE_SIDE, LIVE_SIDE)
        taught = pupil.taught(image)
        assert taught is not None
        assert taught.shape == image.shape
        with torch.no_grad():
            wanted = PictureToNormals(whole)(image[..., : 2 * SIDE, : 2 * SIDE])
        torch.testing.assert_close(taught.mean(dim=(2, 3)), wanted.mean(dim=(2, 3)), atol=2e-3, rtol=0)

    def test_pairs_take_all_three_ways_and_lone_ones_their_own(self) -> None:
        torch.manual_seed(0)
        network = CrossModalNormals()
        unit = nn.functional.normalize(torch.rand(2, 3, SIDE, SIDE), dim=1)
        everywhere = torch.ones(2, 1, SIDE, SIDE, dtype=torch.bool)
        batch = {"image": 255 * torch.rand_like(unit), "normals": unit, "face": everywhere}
        lone = {"lone_image": 255 * torch.rand_like(unit), "lone_normals": unit, "lone_face": everywhere}
        config = facial_normals.Config()
        assert set(facial_normals.loss(network, batch, config)) == {"loss", "normals", "image", "normals_again"}
        parts = facial_normals.loss(network, {**batch, **lone}, config)
        total = sum(value for name, value in parts.items() if name != "loss")
        assert float(parts["loss"].detach()) == pytest.approx(float(total.detach()))
        parts["loss"].backward()
        silent = [name for name, p in network.named_parameters() if p.grad is None]
        # the stem at full size is for the skips, which normal maps have none of
        assert all(name.startswith("normal_encoder.fine") for name in silent), silent


class TestAngles:
    """Degrees."""

    def test_known_angles(self) -> None:
        a = np.array([[0, 0, 1.0], [0, 0, 2.0], [1, 0, 0], [0, 0, 1]])
        b = np.array([[0, 0, 3.0], [0, 1.0, 1.0], [-1, 0, 0], [0, 1e-9, 1]])
        assert angles(a, b) == pytest.approx([0, 45, 180, math.degrees(1e-9)], rel=1e-6)

    def test_errors_count_the_mask(self) -> None:
        truth = np.zeros((4, 4, 3))
        truth[..., 2] = 1
        made = truth.copy()
        made[0] = [0, math.sin(math.radians(22)), math.cos(math.radians(22))]
        made[1] = [1, 0, 0]
        mask = np.ones((4, 4), bool)
        mask[1] = False
        errors = normal_errors(made, truth, mask)
        assert errors.mean == pytest.approx(22 / 3)
        assert errors.within == pytest.approx((2 / 3, 1, 1))
        nothing = normal_errors(made, truth, mask & False)
        assert mean_errors([errors, nothing]).mean == errors.mean


def a_ball() -> Kept:
    """Drawn with normals that are known everywhere."""
    side = 96
    y, x = np.mgrid[-1 : 1 : side * 1j, -1 : 1 : side * 1j] * 1.05
    inside = x**2 + y**2 < 0.95
    normals = np.dstack([x, -y, np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))]) * inside[..., None]
    points = np.stack([20 + 56 * np.arange(68) / 67, 20 + 56 * ((np.arange(68) * 7) % 68) / 67], axis=1)
    return Kept(
        0,
        np.zeros((side, side, 3), np.uint8),
        inside * np.float32(900),
        normals.astype(np.float32),
        (inside * Class.SKIN).astype(np.uint8),
        points.astype(np.float32),
        np.zeros((68, 3), np.float32),
        np.zeros(3),
        Intrinsics(500, 500, 48, 48),
        False,
    )


def test_a_tilted_crop_turns_its_normals() -> None:
    face, side = a_ball(), 96
    rng = np.random.default_rng(5)
    sample = of_synthetic(face, 64, rng)
    crop = normals_crop(face.points, 64, np.random.default_rng(5))
    # a ball looks the same however it is tilted: each normal points away from its centre's place in the crop
    if not np.allclose(sample.points, crop.into(face.points), atol=1e-3):
        sample = mirrored(sample)
    assert np.allclose(sample.points, crop.into(face.points), atol=1e-3)
    centre = crop.into(np.array([[(side - 1) / 2, (side - 1) / 2]]))[0]
    v, u = np.mgrid[:64, :64]
    radius = np.linalg.norm(crop.matrix[:, 0]) * (side - 1) / 2 / 1.05
    expected = np.dstack([(u - centre[0]) / radius, -(v - centre[1]) / radius])
    middle = sample.face & (np.hypot(*expected.transpose(2, 0, 1)) < 0.85)
    assert middle.sum() > 500
    assert np.abs(sample.normals[..., :2] - expected)[middle].max() < 0.03


def test_where_a_crop_was_cut_from_does_not_show_in_its_normals() -> None:
    """A ball far beside the camera's axis has turned normals there, and the same along the line of sight."""
    ball = a_ball()
    middle = (ball.points.min(axis=0) + ball.points.max(axis=0)) / 2
    on_axis = replace(ball, camera=Intrinsics(500, 500, *map(float, middle)))
    camera = Intrinsics(500, 500, 250, -60)
    turned = turned_normals(ball.normals, line_of_sight(place_of(middle, 1.0, camera)))
    assert np.abs(turned - ball.normals).max() > 0.3
    ours, theirs = (of_synthetic(face, 64) for face in (replace(ball, normals=turned, camera=camera), on_axis))
    np.testing.assert_array_equal(ours.face, theirs.face)
    np.testing.assert_allclose(ours.normals, theirs.normals, atol=1e-4)


def test_fitted_photos_come_beside_the_pairs() -> None:
    ball = a_ball()
    photo = Sample(ball.picture, ball.normals.astype(np.float16), ball.normals[..., 2] > 0, ball.points)
    batch = NormalBatches(lambda index: ball, None, seed=1, count=8, size=32, lone=0, fitted=[photo])(0)
    assert batch["fitted_image"].shape == batch["fitted_normals"].shape == (2, 3, 32, 32)
    inside = batch["fitted_face"][:, 0]
    assert inside.any()
    assert np.allclose(np.linalg.norm(batch["fitted_normals"], axis=1)[inside], 1, atol=1e-3)
    parts = facial_normals.live_loss(
        facial_normals.Pupil(LiveNormals(), None), {name: torch.as_tensor(value) for name, value in batch.items()}, 0.5
    )
    total = float((parts["normals"] + 0.5 * parts["fitted"]).detach())
    assert float(parts["loss"].detach()) == pytest.approx(total)


def test_batches_depend_on_their_number_alone() -> None:
    def drawn(index: int) -> Kept:
        return a_ball()

    batches = NormalBatches(drawn, None, seed=1, count=3, size=32, lone=2)
    first, again, other = batches(4), batches(4), batches(5)
    assert {name: value.shape for name, value in first.items()} == {
        "image": (3, 3, 32, 32),
        "normals": (3, 3, 32, 32),
        "face": (3, 1, 32, 32),
        "lone_normals": (2, 3, 32, 32),
        "lone_face": (2, 1, 32, 32),
        "lone_image": (2, 3, 32, 32),
    }
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert not np.array_equal(first["normals"], other["normals"])
    length = np.linalg.norm(first["normals"], axis=1)
    assert np.allclose(length[first["face"][:, 0]], 1, atol=1e-3)


def test_at_its_best_turn_a_method_is_left_with_the_shape() -> None:
    sample = of_synthetic(a_ball(), 64)
    turn = line_of_sight(np.array([0.3, -0.2, 1.0])).astype(np.float32)

    def turned(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        return sample.normals @ turn.T, sample.face

    def bent(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
        return sample.normals * np.array([1, 1, 2], np.float32), sample.face

    assert 12 < evaluation.measured(turned, [sample]).mean < 19.9  # what lies about the turn's axis moves less
    assert evaluation.measured(evaluation.at_best_turn(turned), [sample]).mean == pytest.approx(0, abs=0.05)
    assert evaluation.measured(evaluation.at_best_turn(bent), [sample]).mean > 5
    normals, there = evaluation.at_best_turn(lambda _: (sample.normals, sample.face & False))(sample)
    assert normals is sample.normals  # there is nothing to turn
    assert not there.any()
