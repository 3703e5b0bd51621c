"""Two players in one module, the critic's penalty, the canonical depth it sees, and the recipes that use them."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from engines.lstsq.gauge import canonical_depth
from engines.networks.aign import Aign, heat_maps
from engines.networks.depth_critic import DepthCritic
from engines.networks.rigid import STRAIGHT, rotation
from realtime.geometry.topology import LANDMARKS, NOSE_TIP
from training import run
from training.adversarial import Duel, held, zero_centred_penalty
from training.data import ict_face
from training.gauge import canonical
from training.ict import IctFaces, ViewRanges, rotations
from training.recipes import aign, depthnet_gan, mofa_standin
from training.run import RunOptions, fit, load_checkpoint
from training.unpaired import Unpaired


def tensor(seed: int, *shape: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=shape))


class TestPenalty:
    """The zero-centred gradient penalty."""

    def test_it_is_that_of_finite_differences(self) -> None:
        torch.manual_seed(0)
        critic = DepthCritic().double().eval()
        depth, source = 0.1 * tensor(1, 3, LANDMARKS), 0.2 * tensor(2, 3, LANDMARKS, 2)
        wanted = np.zeros(3)
        with torch.no_grad():
            for part in (depth, source):
                for index in range(part[0].numel()):
                    values = []
                    for step in (1e-5, -1e-5):
                        moved = part.clone()
                        moved.view(3, -1)[:, index] += step
                        inputs = (moved, source) if part is depth else (depth, moved)
                        values.append(critic(*inputs).numpy())
                    wanted += ((values[0] - values[1]) / 2e-5) ** 2
        depth.requires_grad_()
        source.requires_grad_()
        penalty = zero_centred_penalty(critic(depth, source), depth, source)
        assert float(penalty.detach()) == pytest.approx(wanted.mean(), rel=1e-5)

    def test_it_can_be_descended(self) -> None:
        critic = nn.Linear(4, 1).double()
        samples = tensor(1, 5, 4).requires_grad_()
        penalty = zero_centred_penalty(critic(samples)[:, 0], samples)
        penalty.backward()
        assert critic.weight.grad is not None
        torch.testing.assert_close(critic.weight.grad, 2 * critic.weight.detach())


def test_a_held_module_passes_gradients_and_keeps_none() -> None:
    layer, inputs = nn.Linear(3, 1), torch.ones(2, 3, requires_grad=True)
    with held(layer):
        layer(inputs).sum().backward()
    assert layer.weight.grad is None
    assert inputs.grad is not None
    assert all(weight.requires_grad for weight in layer.parameters())


class TestCanonical:
    """Canonical depth in torch."""

    def test_it_is_numpys_up_to_the_sign(self) -> None:
        source, depth = tensor(1, 6, LANDMARKS, 2), tensor(2, 6, LANDMARKS)
        wanted = canonical_depth(source.numpy(), depth.numpy())
        found = canonical(source, depth)
        sign = -torch.sign(found[:, NOSE_TIP : NOSE_TIP + 1])
        np.testing.assert_allclose((sign * found).numpy(), wanted, atol=1e-9)

    def test_scale_and_plane_do_not_matter_and_a_plane_is_no_depth(self) -> None:
        source, depth = tensor(1, 6, LANDMARKS, 2), tensor(2, 6, LANDMARKS)
        moved = 3 * depth + 0.5 * source[..., 0] - 0.2 * source[..., 1] + 4
        torch.testing.assert_close(canonical(source, moved), canonical(source, depth))
        flat = (2 * source[..., 0] + 1).requires_grad_()
        canonical(source, flat).square().sum().backward()
        assert flat.grad is not None
        assert torch.isfinite(flat.grad).all()


class TestNetworks:
    """Shapes and what they promise."""

    def test_rotations_are_those_of_the_rendered_faces(self) -> None:
        angles = np.random.default_rng(3).uniform(-80, 80, (5, 3))
        radians = np.deg2rad(angles)
        pairs = np.stack([np.sin(radians), np.cos(radians)], axis=2).reshape(5, 6)
        np.testing.assert_allclose(rotation(torch.from_numpy(2.5 * pairs)).numpy(), rotations(angles), atol=1e-12)
        np.testing.assert_allclose(rotation(torch.tensor([STRAIGHT]))[0].numpy(), np.eye(3))

    def test_heat_maps_peak_at_their_points(self) -> None:
        points = torch.tensor([[[0.0, 0.25], [-0.4, 0.1]]])
        maps = heat_maps(points, 64)
        assert maps.shape == (1, 2, 64, 64)
        grid = (torch.arange(64) + 0.5) / 64 - 0.5
        total = maps.sum(dim=(2, 3))
        across, down = (maps.sum(dim=2) @ grid) / total, (maps.sum(dim=3) @ grid) / total
        torch.testing.assert_close(torch.stack([across, down], dim=2), points, atol=2e-3, rtol=0)
        assert (maps > 0).sum(dim=(2, 3)).max() <= 81, "a window of 8 pixels around the middle"

    def test_aign_starts_from_the_mean_face(self) -> None:
        torch.manual_seed(0)
        mean = torch.randn(LANDMARKS, 3)
        net = Aign(mean, size=32).eval()
        turned, picture = net(0.2 * torch.randn(2, LANDMARKS, 2))
        assert turned.shape == (2, LANDMARKS, 3)
        torch.testing.assert_close(picture, turned[..., :2], atol=0.2, rtol=0.2)
        torch.testing.assert_close(turned, mean.expand(2, -1, -1), atol=0.3, rtol=0)

    def test_the_critic_gives_one_score_a_face(self) -> None:
        assert DepthCritic().eval()(torch.zeros(3, LANDMARKS), torch.zeros(3, LANDMARKS, 2)).shape == (3,)


@pytest.fixture(scope="module")
def real(data: Path) -> np.ndarray:
    """A few real faces."""
    from training.recipes.depthnet import real_training

    return real_training()[::300]


def options(tmp_path: Path, **changes: object) -> RunOptions:
    return dataclasses.replace(RunOptions(steps=6, threads=1, workers=0, device="cpu", runs=tmp_path), **changes)


class TestUnpaired:
    """The batches."""

    def test_they_depend_on_seed_and_step_alone(self, real: np.ndarray) -> None:
        first, second = (Unpaired(3, 8, 0.005, ViewRanges(), real) for _ in range(2))
        for key, value in first(4).items():
            np.testing.assert_array_equal(value, second(4)[key])
        assert not np.array_equal(first(4)["source"], first(5)["source"])

    def test_targets_are_other_faces_of_their_kind(self, real: np.ndarray) -> None:
        batch = Unpaired(0, 8, 0.0, ViewRanges(), real)(0)
        assert batch["source"].shape == (16, LANDMARKS, 2)
        assert batch["depth"].shape == (8, LANDMARKS)
        np.testing.assert_array_equal(batch["target"][:8], np.roll(batch["source"][:8], 1, axis=0))
        np.testing.assert_array_equal(batch["target"][8:], np.roll(batch["source"][8:], 1, axis=0))
        np.testing.assert_allclose(batch["depth"].mean(axis=1), 0, atol=1e-6)


class TestDepthNetGan:
    """DepthNet against its critic."""

    def test_each_player_gets_its_own_gradient(self, real: np.ndarray) -> None:
        torch.manual_seed(1)
        config = depthnet_gan.Config(batch_size=8)
        model = depthnet_gan.network(dataclasses.replace(config, width=32))
        batch = {k: torch.from_numpy(v) for k, v in Unpaired(0, 8, 0.005, ViewRanges(), real)(0).items()}
        scalars = depthnet_gan.loss(model, batch, config)
        scalars["loss"].backward()
        critics = [weight.grad.clone() for weight in model.critic.parameters()]
        model.zero_grad()
        alone = depthnet_gan.loss(model, batch, config)
        (alone["gap"] + config.penalty * alone["penalty"]).backward()
        for once, weight in zip(critics, model.critic.parameters(), strict=True):
            torch.testing.assert_close(once, weight.grad)
        assert all(weight.grad is None for weight in model.generator.parameters()), "the critic's loss moves the critic"

    def test_it_resumes(self, real: np.ndarray, tmp_path: Path) -> None:
        config = depthnet_gan.Config(width=32, batch_size=8)
        batches = Unpaired(0, 8, 0.005, ViewRanges(), real)

        def trained(folder: str, **changes: object) -> dict[str, Tensor]:
            settings = options(tmp_path / folder, **changes)
            run.prepare(settings)
            model = depthnet_gan.network(config)
            return fit("gan", model, batches, lambda m, b: depthnet_gan.loss(m, b, config), settings).state_dict()

        class Stopped(Exception):
            pass

        def stops(step: int) -> run.Batch:
            if step == 3:
                raise Stopped
            return batches(step)

        whole = trained("a")
        settings = options(tmp_path / "b", checkpoint_s=0.0)
        run.prepare(settings)
        with pytest.raises(Stopped):
            fit("gan", depthnet_gan.network(config), stops, lambda m, b: depthnet_gan.loss(m, b, config), settings)
        assert load_checkpoint(tmp_path / "b" / "gan")["step"] == 3
        again = trained("b", resume=True)
        assert all(torch.equal(value, again[key]) for key, value in whole.items())

    def test_a_critic_teaches_the_shape(self, real: np.ndarray, tmp_path: Path) -> None:
        config = depthnet_gan.Config(width=64, batch_size=32)
        settings = options(tmp_path, steps=80)
        batches = Unpaired(0, 32, 0.005, ViewRanges(yaw=30), real)
        batch = {key: torch.from_numpy(value) for key, value in batches(9999).items()}
        run.prepare(settings)
        model = depthnet_gan.network(config)
        before = depthnet_gan.loss(model, batch, config)["likeness"]
        trained = fit("gan", model, batches, lambda m, b: depthnet_gan.loss(m, b, config), settings)
        after = depthnet_gan.loss(trained, batch, config)["likeness"]
        assert float(after) > max(0.5, float(before) + 0.3)

    def test_without_a_critic_there_is_the_keypoint_loss_alone(self, real: np.ndarray) -> None:
        config = depthnet_gan.Config(width=32, batch_size=8, adversarial=0)
        batch = {k: torch.from_numpy(v) for k, v in Unpaired(0, 8, 0.005, ViewRanges(), real)(0).items()}
        scalars = depthnet_gan.loss(depthnet_gan.network(config), batch, config)
        assert set(scalars) == {"loss", "keypoints"}
        assert config.name != depthnet_gan.Config().name


def test_aign_trains(real: np.ndarray, tmp_path: Path) -> None:
    config = aign.Config(size=32, batch_size=4)
    settings = options(tmp_path, steps=25)
    run.prepare(settings)
    batches = Unpaired(0, 4, 0.005, ViewRanges(yaw=20), real)
    model = aign.network(config)
    batch = {key: torch.from_numpy(value) for key, value in batches(9999).items()}
    before = aign.loss(model, batch, config)["distance"].detach()
    optimisation = run.Optimisation(learning_rate=3e-3, average=0.5)
    trained = fit("aign", model, batches, lambda m, b: aign.loss(m, b, config), settings, optimisation)
    assert isinstance(trained, Duel)
    assert float(aign.loss(trained.train(), batch, config)["distance"].detach()) < float(before)


def test_the_auto_encoder_decodes_the_models_faces(data: Path) -> None:
    torch.manual_seed(0)
    net = mofa_standin.network()
    face, weights = net(torch.zeros(2, LANDMARKS, 2))
    assert face.shape == (2, LANDMARKS, 3)
    mean = IctFaces(ict_face()).mean[:LANDMARKS]
    side = 1.25 * np.ptp(mean[:, :2], axis=0).max()
    np.testing.assert_allclose(face[0].detach().numpy(), mean / side, atol=0.02)
    assert weights.shape == (2, 50)


def test_the_auto_encoder_learns(real: np.ndarray, tmp_path: Path) -> None:
    settings = options(tmp_path, steps=60)
    run.prepare(settings)
    batches = Unpaired(0, 16, 0.005, ViewRanges(yaw=40), real)
    model = mofa_standin.network()
    batch = {key: torch.from_numpy(value) for key, value in batches(9999).items()}
    before = mofa_standin.loss(model, batch)["distance"].detach()
    trained = fit("mofa", model, batches, mofa_standin.loss, settings, run.Optimisation(average=0.9))
    assert float(mofa_standin.loss(trained, batch)["distance"].detach()) < 0.7 * float(before)
