"""Crops, code, errors and the recipe of facial depth maps."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from engines.networks.depth_verifier import DepthVerifier
from engines.networks.facial_depth import SIDE, FacialDepth, FacialDepthCritic, LiveFacialDepth
from realtime.frame import Intrinsics
from realtime.geometry.depth_code import FACE_MM, DepthCode, anchor, depth_crop
from training import run
from training.adversarial import Duel
from training.depth_metrics import DELTAS, depth_errors, mean_errors
from training.export import export
from training.recipes import facial_depth


class TestCode:
    """Eight bits of depth."""

    @given(
        st.floats(300, 3000),
        st.floats(100, 600),
        arrays.arrays(np.float64, 40, elements=st.floats(0, 1)),
    )
    def test_millimetres_come_back_within_half_a_step(self, near: float, span: float, shares: np.ndarray) -> None:
        code = DepthCode(near, span)
        # from the nearest to the last level that is not missing
        depth = near + shares * span * 254 / 255
        again = code.decode(code.encode(depth))
        assert np.abs(again - depth).max() <= span / 510 + 1e-3

    def test_missing_stays_missing_and_far_becomes_it(self) -> None:
        code = DepthCode(800.0)
        assert code.encode(np.array([0.0, 799.0, 800.0, 1099.9, 1500.0])).tolist() == [0, 255, 255, 0, 0]
        assert code.decode(np.array([0, 255])).tolist() == [0.0, 800.0]

    def test_the_nearest_is_a_percentile_of_what_is_known(self) -> None:
        depth = np.concatenate([np.zeros(500), [300.0], np.linspace(900, 1100, 999)])
        assert DepthCode.of(depth).near == pytest.approx(904, abs=2)
        assert not DepthCode.of(np.zeros((4, 4))).encode(np.zeros((4, 4))).any()

    @given(st.floats(300, 2500), st.floats(200, 1200))
    def test_a_crop_covers_the_same_millimetres_at_any_distance(self, distance: float, focal: float) -> None:
        camera = Intrinsics(focal, focal, 320, 240)
        crop = depth_crop(np.array([300.0, 200.0]), distance, camera)
        edges = crop.back(np.array([[-0.5, 49.5], [99.5, 49.5]]))
        assert (edges[1, 0] - edges[0, 0]) * distance / focal == pytest.approx(FACE_MM, rel=1e-6)
        assert crop.back(np.array([49.5, 49.5])) == pytest.approx([300, 200])

    def test_the_anchor_lies_between_eyes_and_mouth(self) -> None:
        points = np.zeros((68, 2))
        points[[36, 45, 48, 54]] = [[10, 20], [50, 20], [20, 60], [40, 60]]
        assert anchor(points).tolist() == [30, 40]


class TestErrors:
    """Every measure against a loop over pixels."""

    def test_against_plain_sums(self, rng: np.random.Generator) -> None:
        truth = rng.uniform(500, 1500, (9, 9))
        depth = truth * rng.uniform(0.7, 1.4, (9, 9))
        truth[0, 0] = depth[1, 1] = 0
        mask = rng.random((9, 9)) < 0.7
        pairs = [
            (float(depth[i, j]), float(truth[i, j]))
            for i in range(9)
            for j in range(9)
            if mask[i, j] and truth[i, j] > 0 and depth[i, j] > 0
        ]
        n = len(pairs)
        logs = [math.log(d) - math.log(t) for d, t in pairs]
        errors = depth_errors(depth, truth, mask)
        assert errors.mean_absolute == pytest.approx(sum(abs(d - t) for d, t in pairs) / n)
        assert errors.absolute_relative == pytest.approx(sum(abs(d - t) / t for d, t in pairs) / n)
        assert errors.square_relative == pytest.approx(sum((d - t) ** 2 / t for d, t in pairs) / n)
        assert errors.root_mean_square == pytest.approx(math.sqrt(sum((d - t) ** 2 for d, t in pairs) / n))
        assert errors.log_root_mean_square == pytest.approx(math.sqrt(sum(e * e for e in logs) / n))
        middle = sum(logs) / n
        assert errors.scale_invariant == pytest.approx(math.sqrt(sum((e - middle) ** 2 for e in logs) / n))
        for share, exponent in zip(errors.within, DELTAS, strict=True):
            assert share == pytest.approx(sum(max(d / t, t / d) < 1.25**exponent for d, t in pairs) / n)

    def test_a_scaled_map_has_no_scale_invariant_error(self) -> None:
        truth = np.linspace(600, 900, 50)
        errors = depth_errors(1.06 * truth, truth, np.ones(50, bool))
        assert errors.scale_invariant == pytest.approx(0, abs=1e-6)
        assert errors.log_root_mean_square == pytest.approx(math.log(1.06))
        # 1.25^(1/4) = 1.057
        assert errors.within[0] == 0
        assert errors.within[1] == 1

    def test_the_mean_leaves_out_what_is_not_known(self) -> None:
        nothing = depth_errors(np.zeros(3), np.ones(3), np.ones(3, bool))
        one = depth_errors(np.full(3, 2.0), np.ones(3), np.ones(3, bool))
        assert math.isnan(nothing.mean_absolute)
        assert mean_errors([nothing, one]).mean_absolute == 1.0


class TestNetworks:
    """Shapes, sizes, and what each part reads."""

    def test_the_published_generator_has_the_planned_size(self) -> None:
        assert sum(p.numel() for p in FacialDepth().parameters()) == pytest.approx(8.7e6, rel=0.02)

    def test_a_quarter_of_the_channels_has_a_sixteenth_of_the_weights(self) -> None:
        for kind in (FacialDepth, FacialDepthCritic):
            narrow, full = (sum(p.numel() for p in kind(width=width).parameters()) for width in (0.25, 1.0))
            assert narrow / full == pytest.approx(1 / 16, rel=0.05)
        critic = FacialDepthCritic(0.25)
        assert critic(torch.zeros(2, 1, SIDE, SIDE), torch.zeros(2, 1, SIDE, SIDE)).shape == (2,)

    @pytest.mark.parametrize(
        "network",
        [FacialDepth(), FacialDepth(skips=True), FacialDepth(skips=True, width=0.25), LiveFacialDepth()],
    )
    def test_a_crop_gives_a_map_of_its_size(self, network: torch.nn.Module) -> None:
        with torch.no_grad():
            made = network.eval()(255 * torch.rand(2, 1, SIDE, SIDE))
        assert made.shape == (2, 1, SIDE, SIDE)
        assert made.abs().max() <= 1

    def test_the_critic_reads_crop_and_depth(self) -> None:
        torch.manual_seed(0)
        critic = FacialDepthCritic().eval()
        grey, depth = 255 * torch.rand(3, 1, SIDE, SIDE), torch.rand(3, 1, SIDE, SIDE)
        with torch.no_grad():
            scores = critic(grey, depth)
            assert scores.shape == (3,)
            assert (critic(grey.flip(0), depth) != scores).any()
            assert (critic(grey, depth.flip(0)) != scores).any()

    def test_the_verifier_does_not_mind_the_order(self) -> None:
        torch.manual_seed(0)
        verifier = DepthVerifier().eval()
        a, b = torch.rand(2, 2, 1, SIDE, SIDE)
        with torch.no_grad():
            assert torch.equal(verifier(a, b), verifier(b, a))
            assert torch.allclose(verifier(a, a), verifier(b, b))


def _batch(known: torch.Tensor) -> run.Tensors:
    torch.manual_seed(1)
    return {
        "grey": 255 * torch.rand(*known.shape),
        "depth": 2 * torch.rand(*known.shape) - 1,
        "known": known,
        "face": known,
    }


def test_missing_depth_teaches_nothing() -> None:
    config = facial_depth.Config(live=True, adversarial=0)
    model = facial_depth.network(config).eval()
    known = torch.rand(2, 1, 32, 32) < 0.5
    batch = _batch(known)
    before = facial_depth.loss(model, batch, config)["loss"]
    batch["depth"] = torch.where(known, batch["depth"], torch.tensor(7.0))
    assert torch.equal(facial_depth.loss(model, batch, config)["loss"], before)


def test_the_live_loss_asks_for_the_shape_of_the_face_whatever_its_distance() -> None:
    batch = _batch(torch.ones(2, 1, 32, 32, dtype=torch.bool))
    face = torch.zeros_like(batch["known"])
    face[..., 8:24, 8:24] = True
    batch["face"], batch["depth"] = face, torch.zeros(2, 1, 32, 32)
    level = facial_depth.live_distance(torch.full((2, 1, 32, 32), 0.1), batch)
    assert float(level) == pytest.approx(facial_depth.EVERYWHERE * 0.1, rel=1e-4)
    # a slope of s a pixel is off by s * (mean distance from its middle), and by s * REACH at pairs that far apart
    across = 0.01 * torch.arange(32.0).expand(2, 1, 32, 32) * face
    pairs = 16 * (16 - facial_depth.REACH) / 16**2
    shape = 0.01 * (4.0 + facial_depth.SLOPES * facial_depth.REACH * pairs)
    rest = facial_depth.EVERYWHERE * float(across.abs().mean())
    assert float(facial_depth.live_distance(across, batch)) == pytest.approx(shape + rest, rel=1e-4)


def test_each_player_has_its_own_gradient() -> None:
    config = facial_depth.Config(live=True, width=0.25)
    model = facial_depth.network(config)
    everywhere = torch.ones(2, 1, SIDE, SIDE, dtype=torch.bool)
    parts = facial_depth.loss(model, _batch(everywhere), config)
    parts["loss"].backward()
    mine = {name: p.grad.clone() for name, p in model.critic.named_parameters()}
    model.zero_grad()
    again = facial_depth.loss(model, _batch(everywhere), config)
    (0.5 * again["critic"]).backward()
    for name, p in model.critic.named_parameters():
        assert torch.allclose(p.grad, mine[name], atol=1e-6), name
    assert all(p.grad is None for p in model.generator.parameters())


def test_skips_are_added_to_a_network_that_was_trained_without(tmp_path: Path) -> None:
    torch.manual_seed(1)
    plain, joined = FacialDepth(width=0.125).eval(), FacialDepth(skips=True, width=0.125).eval()
    grey = 255 * torch.rand(1, 1, SIDE, SIDE)
    export(plain, tmp_path / "plain.onnx", {"grey": grey.numpy()}, ("depth",))
    facial_depth.take_weights(joined, tmp_path / "plain.onnx", facial_depth.Config(skips=True, width=0.125))
    with torch.no_grad():
        before = plain(grey)
        torch.testing.assert_close(joined(grey), before, atol=1e-5, rtol=0)
        joined.up[0][0].weight += 0.01  # what the way down saw is there now
        assert (joined(grey) - before).abs().max() > 1e-4


def test_a_critic_under_noise_cannot_go_by_roughness() -> None:
    """One that goes by nothing but how much neighbours differ is wrong of every second map when noise hides that."""

    class Rough(torch.nn.Module):
        def forward(self, _: torch.Tensor, depth: torch.Tensor) -> torch.Tensor:
            return 1000 * (depth.diff(dim=3).abs().mean(dim=(1, 2, 3)) - 0.001)

    class Flat(torch.nn.Module):
        def forward(self, grey: torch.Tensor) -> torch.Tensor:
            return torch.zeros_like(grey)

    torch.manual_seed(1)
    shape = (4, 1, SIDE, SIDE)
    batch = {"grey": torch.zeros(shape), "depth": 0.01 * torch.randn(shape), "known": torch.ones(shape).bool()}
    players = Duel(Flat(), Rough())
    sure, fooled = (
        float(facial_depth.loss(players, batch, facial_depth.Config(critic_noise=noise))["critic"])
        for noise in (0.0, 0.1)
    )
    assert sure < 0.5
    assert fooled > 10


def test_a_few_steps_learn_and_resume(tmp_path: Path) -> None:
    config = facial_depth.Config(live=True, adversarial=0, learning_rate=3e-3)
    torch.manual_seed(0)
    fixed = {key: value.numpy() for key, value in _batch(torch.ones(4, 1, 32, 32, dtype=torch.bool)).items()}
    fixed["depth"] = fixed["grey"] / 127.5 - 1
    seen: list[float] = []

    def loss(model: torch.nn.Module, batch: run.Tensors) -> run.Tensors:
        scalars = facial_depth.loss(model, batch, config)
        seen.append(float(scalars["loss"].detach()))
        return scalars

    def fit(steps: int, resume: bool) -> None:
        options = run.RunOptions(steps=steps, resume=resume, workers=0, threads=1, runs=tmp_path)
        optimisation = run.Optimisation(learning_rate=config.learning_rate, adam=(0.5, 0.999))
        run.fit("facial_depth_live", facial_depth.network(config), lambda step: fixed, loss, options, optimisation)

    fit(3, False)
    fit(25, True)
    assert len(seen) == 25
    assert min(seen[-3:]) < 0.9 * seen[0]
