"""The repair generator: what it may change, the terms of its loss, how warps are spoilt, and what is measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import engines
from engines.networks.patch_critic import PatchCritic
from engines.networks.repair import BASE, CHANNELS, Repair
from realtime.controls import Mode, Settings
from realtime.effects.rotate import Rotate
from realtime.geometry.template import template
from realtime.geometry.topology import LEFT_EYE, NOSE, RIGHT_EYE
from training import repair_losses as losses
from training.adversarial import Duel, held
from training.data import faces_300w
from training.export import load_weights
from training.recipes import repair
from training.repair_damage import Cover, Damage, Layers, Stretch
from training.repair_pairs import MARGIN, Amount, Studio, Tiles, draw
from training.repair_sizes import resized
from training.repair_table import Case, figures, seam_energy
from training.run import Optimisation, RunOptions, fit


def trained(width: int = 8, reduce: int = 1) -> Repair:
    """One that changes something."""
    torch.manual_seed(0)
    net = Repair(width, reduce).eval()
    nn.init.normal_(net.head.weight, 0, 0.3)
    return net


def tensor(rng: np.random.Generator, *shape: int) -> Tensor:
    return torch.from_numpy(rng.random(shape, np.float32))


class TestNetwork:
    """What goes in comes out, but for a masked residual."""

    def test_an_untrained_one_changes_nothing(self, rng: np.random.Generator) -> None:
        tile = tensor(rng, 2, CHANNELS, 64, 64)
        assert torch.equal(Repair().eval()(tile), tile[:, :3])

    @pytest.mark.parametrize("reduce", [1, 2])
    def test_pixels_outside_the_mask_are_bit_identical(self, rng: np.random.Generator, reduce: int) -> None:
        tile = tensor(rng, 2, CHANNELS, 64, 64)
        tile[:, 4] = (tile[:, 4] > 0.5) * tile[:, 4]
        with torch.no_grad():
            made = trained(reduce=reduce)(tile)
        outside = (tile[:, 4:] == 0).expand_as(made)
        assert torch.equal(made[outside], tile[:, :3][outside])
        assert (made[~outside] != tile[:, :3][~outside]).float().mean() > 0.9

    def test_it_stays_in_range(self, rng: np.random.Generator) -> None:
        with torch.no_grad():
            made = trained()(3 * tensor(rng, 1, CHANNELS, 64, 64) - 1)
        assert made.min() >= 0 and made.max() <= 1

    def test_a_tile_moved_by_its_stride_is_repaired_alike(self, rng: np.random.Generator) -> None:
        wide = tensor(rng, 1, CHANNELS, 264, 264)
        net = trained()
        with torch.no_grad():
            here, there = net.residual(wide[..., :256, :256]), net.residual(wide[..., 8:, 8:])
        # what the tile's edge reaches is left out
        assert torch.allclose(here[..., 112:136, 112:136], there[..., 104:128, 104:128], atol=1e-5)

    def test_a_larger_tile_is_looked_at_reduced(self, rng: np.random.Generator) -> None:
        small = tensor(rng, 1, CHANNELS, 64, 64)
        large = small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        one, two = trained(reduce=1), trained(reduce=2)
        with torch.no_grad():
            residual = nn.functional.avg_pool2d(two.residual(large), 2)
            wanted = one.residual(small)
        assert residual.shape == wanted.shape
        # bilinear growth smooths; constant parts and means stay
        assert torch.allclose(residual.mean(dim=(2, 3)), wanted.mean(dim=(2, 3)), atol=5e-3)

    def test_it_is_small(self) -> None:
        assert sum(p.numel() for p in Repair().parameters()) < 1e6

    def test_the_published_critic_sees_patches_of_70_pixels(self) -> None:
        torch.manual_seed(0)
        critic = PatchCritic(normalised=False)
        picture = torch.rand(1, 3, 128, 128, requires_grad=True)
        scores = critic(picture)
        assert scores.shape == (1, 1, 14, 14)
        scores[0, 0, 7, 7].backward()
        assert picture.grad is not None
        seen = picture.grad.abs().sum(dim=(0, 1)).nonzero()
        assert (seen.max(dim=0).values - seen.min(dim=0).values + 1).tolist() == [70, 70]


class TestLosses:
    """Every term against arithmetic by hand."""

    def test_pixels_count_where_the_weight_is(self, rng: np.random.Generator) -> None:
        made, target = tensor(rng, 2, 3, 8, 8), tensor(rng, 2, 3, 8, 8)
        weight = (tensor(rng, 2, 1, 8, 8) > 0.5).float()
        where = weight.numpy().astype(bool)[:, 0]
        wanted = (made - target).abs().numpy().transpose(0, 2, 3, 1)[where].mean()
        assert float(losses.pixel_loss(made, target, weight)) == pytest.approx(wanted, rel=1e-5)
        assert float(losses.pixel_loss(made, target, 0 * weight)) == 0

    def test_the_seam_is_emphasised_inside_the_mask(self) -> None:
        confidence = torch.zeros(1, 1, 16, 16)
        confidence[..., :8] = 1
        mask = torch.ones_like(confidence)
        mask[..., :4, :] = 0
        weight = losses.emphasis(mask, confidence)[0, 0]
        assert (weight[:4] == 0).all()
        assert torch.equal(weight[8, :5], torch.ones(5))
        assert float(weight[8, 7]) > 3.5

    def test_features_tell_pictures_apart_and_stay_fixed(self, rng: np.random.Generator) -> None:
        features = losses.Features().train()
        assert not features.training
        assert not any(p.requires_grad for p in features.parameters())
        picture, mask = tensor(rng, 1, 3, 64, 64), torch.ones(1, 1, 64, 64)
        same, near, far = (
            float(losses.perceptual_loss(features, picture + noise, picture, mask))
            for noise in (0, 0.02, 0.2 * picture)
        )
        assert same == 0 and 0 < near < far
        assert float(losses.perceptual_loss(features, 0.5 * picture, picture, 0 * mask)) == 0

    def test_features_pass_gradients_to_the_picture(self, rng: np.random.Generator) -> None:
        picture = tensor(rng, 1, 3, 32, 32).requires_grad_()
        losses.perceptual_loss(losses.Features(), picture, picture.detach() / 2, torch.ones(1, 1, 32, 32)).backward()
        assert picture.grad is not None and picture.grad.abs().sum() > 0

    def test_temporal_asks_for_the_change_of_the_truth(self, rng: np.random.Generator) -> None:
        truth = tensor(rng, 2, 3, 8, 8), tensor(rng, 2, 3, 8, 8)
        mask = torch.ones(2, 1, 8, 8)
        offset = tensor(rng, 2, 3, 8, 8)  # wrong, but the same wrong in both frames
        steady = (truth[0] + offset, truth[1] + offset)
        assert float(losses.temporal_loss(steady, truth, mask)) == pytest.approx(0, abs=1e-6)
        frozen = (truth[0], truth[0])
        wanted = float(losses.gentle(truth[1] - truth[0]).mean())
        assert float(losses.temporal_loss(frozen, truth, mask)) == pytest.approx(wanted, rel=1e-5)

    def test_gentle_is_the_absolute_value_without_its_kink(self) -> None:
        far = torch.tensor([-0.5, 0.3])
        assert torch.allclose(losses.gentle(far), far.abs() - losses.GENTLE / 2)
        near = torch.tensor([0.0, 1e-4], requires_grad=True)
        losses.gentle(near).sum().backward()
        assert near.grad is not None and near.grad.abs().max() < 0.01

    def test_change_is_that_in_the_weight(self, rng: np.random.Generator) -> None:
        picture = tensor(rng, 1, 3, 8, 8)
        weight = torch.zeros(1, 1, 8, 8)
        weight[..., :4] = 1
        changed = picture.clone()
        changed[..., 4:] += 0.3
        assert float(losses.change_loss(changed, picture, weight)) == 0
        assert float(losses.change_loss(changed, picture, 1 - weight)) == pytest.approx(
            0.3 - losses.GENTLE / 2, rel=1e-4
        )

    def test_detail_ignores_what_changes_slowly(self, rng: np.random.Generator) -> None:
        picture, mask = tensor(rng, 1, 3, 32, 32), torch.ones(1, 1, 32, 32)
        assert float(losses.detail_loss(picture + 0.3, picture, mask)) < 1e-6
        blurred = nn.functional.avg_pool2d(picture, 3, 1, 1)
        assert float(losses.detail_loss(blurred, picture, mask)) > 0.1

    def test_players_pull_at_themselves_alone(self, rng: np.random.Generator) -> None:
        critic = PatchCritic(width=4, strided=2, normalised=False)
        made, real = tensor(rng, 2, 3, 32, 32).requires_grad_(), tensor(rng, 2, 3, 32, 32)
        mask = torch.ones(2, 1, 32, 32)
        losses.critic_loss(critic, real, made, mask).backward()
        assert made.grad is None
        assert all(p.grad is not None for p in critic.parameters())
        critic.zero_grad()
        with held(critic):
            flattery = losses.flattery_loss(critic, made, mask)
        flattery.backward()
        assert made.grad is not None and all(p.grad is None for p in critic.parameters())

    def test_least_squares_of_both_players(self) -> None:
        class Constant(nn.Module):
            def forward(self, picture: Tensor) -> Tensor:
                return picture.mean(dim=(1, 2, 3), keepdim=True).expand(-1, 1, 4, 4)

        made, real = torch.full((2, 3, 8, 8), 0.25), torch.full((2, 3, 8, 8), 0.75)
        mask = torch.ones(2, 1, 8, 8)
        assert float(losses.flattery_loss(Constant(), made, mask)) == pytest.approx(0.75**2)
        assert float(losses.critic_loss(Constant(), real, made, mask)) == pytest.approx(0.5 * 2 * 0.25**2)
        assert float(losses.flattery_loss(Constant(), made, 0 * mask)) == 0

    @pytest.mark.parametrize("shift", [(0, 0), (3, -2), (-1, 2)])
    def test_shifted_tiles_are_laid_over_each_other(self, rng: np.random.Generator, shift: tuple[int, int]) -> None:
        wide, (x, y) = tensor(rng, 1, 2, 40, 40), shift
        one, other = wide[..., 4:36, 4:36], wide[..., 4 + y : 36 + y, 4 + x : 36 + x]
        assert torch.equal(*losses.shifted_pair(one, other, shift))
        assert losses.shifted_pair(one, other, shift)[0].shape[2:] == (32 - abs(y), 32 - abs(x))


SIZE = 72  # of the tiles below, with their margin


@pytest.fixture
def layers(rng: np.random.Generator) -> Layers:
    """A disc of other colours, fading at its edge, on a frame of soft noise."""
    live = (template()[:, :2] * 18 + SIZE / 2).astype(np.float32)
    radius = np.linalg.norm(np.indices((SIZE, SIZE)) - SIZE / 2, axis=0)
    alpha = np.clip((26 - radius) / 6, 0, 1).astype(np.float32)
    frame, face = rng.uniform(0.3, 0.7, (2, SIZE, SIZE, 3)).astype(np.float32)
    mask = np.clip((32 - radius) / 3, 0, 1).astype(np.float32)
    return Layers(frame, face * alpha[..., None], alpha, alpha * 0.9, mask, live)


class TestDamage:
    """Spoilt warps."""

    def test_none_is_none(self, layers: Layers, rng: np.random.Generator) -> None:
        for damage in (Damage(), Damage.random(rng, strength=0.0)):
            assert np.abs(damage.done_to(layers, rng).tile() - layers.tile()).max() < 1e-6

    @pytest.mark.parametrize(
        "damage",
        [
            Damage(gain=(1.3, 1.2, 1.1)),
            Damage(offset=0.1),
            Damage(slope=(0.2, 0.1)),
            Damage(blotches=np.linspace(-0.3, 0.3, 108).reshape(6, 6, 3).astype(np.float32)),
            Damage(blur=1.0),
            Damage(blur=-1.0),
            Damage(edge=(0.3, 0.5)),
            Damage(slip=(0.05, 0.0)),
            Damage(brow=(0.2, 0.1)),
            Damage(stretch=Stretch(1, 0.3, 0.3)),
            Damage(cover=Cover((0.2, 0.1), (0.5, 0.2), 0.4, 0.3)),
            Damage(grain=0.03),
        ],
    )
    def test_each_changes_the_warp_and_leaves_the_frame(
        self, layers: Layers, rng: np.random.Generator, damage: Damage
    ) -> None:
        spoilt = damage.done_to(layers, rng)
        assert np.abs(spoilt.composite() - layers.composite()).max() > 0.02
        bare = spoilt.alpha == 0
        assert np.abs(spoilt.composite() - layers.frame)[bare].max() < 1e-6
        assert spoilt.alpha.max() <= 1 + 1e-5 and spoilt.confidence.max() <= 1 + 1e-5
        assert (spoilt.confidence <= spoilt.alpha + 1e-5).all()
        assert np.array_equal(spoilt.frame, layers.frame) and np.array_equal(spoilt.mask, layers.mask)

    def test_a_stretched_side_is_believed_less(self, layers: Layers, rng: np.random.Generator) -> None:
        spoilt = Damage(stretch=Stretch(1, 0.3, 0.25)).done_to(layers, rng)
        share = spoilt.confidence[SIZE // 2] / np.maximum(layers.confidence[SIZE // 2], 1e-6)
        assert share[SIZE // 2 + 16] == pytest.approx(0.25)
        assert share[SIZE // 2 - 16] == pytest.approx(1)

    def test_the_frame_shows_through_a_cover(self, layers: Layers, rng: np.random.Generator) -> None:
        """An upright ellipse to the right of the nose; the picture is 18 pixels an eye distance."""
        spoilt = Damage(cover=Cover((0.4, 0.0), (0.3, 0.6), 0.0, 0.2)).done_to(layers, rng)
        middle = layers.live[NOSE].mean(axis=0)
        unit = 1.5 * np.linalg.norm(layers.live[RIGHT_EYE].mean(axis=0) - layers.live[LEFT_EYE].mean(axis=0))
        x, y = np.round(middle + np.array([0.4 * unit, 0])).astype(int)
        reach = round(0.6 * unit)
        assert spoilt.alpha[y, x] == spoilt.confidence[y, x] == 0
        np.testing.assert_allclose(spoilt.composite()[y, x], layers.frame[y, x], atol=1e-6)
        assert spoilt.alpha[y + reach // 2, x] == 0
        assert spoilt.alpha[y, x - reach] == layers.alpha[y, x - reach]
        np.testing.assert_array_equal(spoilt.alpha[:, : x - reach], layers.alpha[:, : x - reach])

    def test_it_is_the_same_in_every_frame_but_for_grain(self, layers: Layers, rng: np.random.Generator) -> None:
        damage = Damage.random(np.random.default_rng(1))
        still = Damage(**{name: getattr(damage, name) for name in Damage.__slots__ if name != "grain"})
        assert np.array_equal(still.done_to(layers, rng).tile(), still.done_to(layers, rng).tile())

    def test_the_target_is_the_frame_where_the_warp_is_not_trusted(self, layers: Layers) -> None:
        doubtful = Layers(layers.frame, layers.warp, layers.alpha, 0 * layers.alpha, layers.mask, layers.live)
        assert np.abs(doubtful.target() - layers.frame).max() < 1e-6

    def test_the_target_keeps_trusted_detail_and_takes_the_frames_light(self, layers: Layers) -> None:
        middle = np.s_[SIZE // 2 - 6 : SIZE // 2 + 6, SIZE // 2 - 6 : SIZE // 2 + 6]
        darker = Layers(layers.frame, layers.warp * 0.5, layers.alpha, layers.confidence, layers.mask, layers.live)
        target = darker.target()[middle]
        assert target.mean() == pytest.approx(layers.frame[middle].mean(), abs=0.03)
        detail = target - target.mean(axis=(0, 1))
        assert np.corrcoef(detail.ravel(), darker.warp[middle].ravel())[0, 1] > 0.9


@pytest.fixture
def tiles(layers: Layers, rng: np.random.Generator) -> Tiles:
    """Six tiles of all kinds; rows 1 and 2 are consecutive frames."""
    stack = np.dstack([layers.frame, layers.warp, layers.alpha, layers.confidence, layers.mask])
    pixels = np.round(255 * stack).astype(np.uint8)
    return Tiles(
        np.stack([np.roll(pixels, place, axis=1) for place in range(6)]),
        np.stack([layers.live] * 6),
        np.zeros((6, 4, 2), np.float32),
        np.array(["still", "clip", "clip", "self", "swap", "swap"]),
        np.array([-1, 2, -1, -1, -1, -1]),
        np.zeros(6, np.float32),
        np.array(["somebody"] * 6),
    )


class TestSamples:
    """Batches depend on their number alone, and second looks show the same place."""

    def test_they_repeat(self, tiles: Tiles) -> None:
        one, other = (repair.Samples(repair.Config(), tiles)(3) for _ in range(2))
        assert all(np.array_equal(one[key], other[key]) for key in one)
        again = repair.Samples(repair.Config(), tiles)(4)
        assert not np.array_equal(one["tile"], again["tile"])

    def test_second_looks_show_the_same_place(self, tiles: Tiles) -> None:
        stills = replace(tiles, following=np.full(len(tiles), -1))
        batch = repair.Samples(repair.Config(), stills)(0)
        count = len(batch["twin_target"])
        pair = (torch.from_numpy(batch[key][:count]) for key in ("target", "twin_target"))
        here, there = losses.shifted_pair(*pair, tuple(batch["shift"].tolist()))
        assert float((here - there).abs().mean()) < 0.02  # their noise differs

    def test_shapes(self, tiles: Tiles) -> None:
        batch = repair.Samples(repair.Config(), tiles)(0)
        side = round(SIZE / (1 + 2 * MARGIN))
        assert batch["tile"].shape == (8, CHANNELS, side, side)
        assert batch["twin_tile"].shape == (4, CHANNELS, side, side)
        assert batch["tile"].dtype == np.float32 and batch["tile"].min() >= 0 and batch["tile"].max() <= 1

    def test_tiles_are_kept(self, tiles: Tiles, tmp_path: Path) -> None:
        tiles.save(tmp_path / "kept")
        found = Tiles.load(tmp_path / "kept")
        assert found.size == tiles.size
        assert all(np.array_equal(getattr(found, name), getattr(tiles, name)) for name in Tiles.__slots__)


def test_training_lowers_the_loss(tiles: Tiles, tmp_path: Path) -> None:
    """Of one batch seen again and again: many take a thousand steps."""
    config = repair.Config(run=RunOptions(steps=40, threads=1, workers=0, runs=tmp_path), batch_size=4, twins=2)
    given, features = repair.Samples(config, tiles)(1), losses.Features()
    torch.manual_seed(0)
    duel = Duel(Repair(8), PatchCritic(width=4, strided=2, normalised=False))
    seen = []

    def loss(model: nn.Module, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        scalars = repair.loss(model, batch, features, config.weights)
        seen.append(float(scalars["pixel"].detach()))
        return scalars

    fit("repair", duel, lambda _: given, loss, config.run, Optimisation(learning_rate=3e-3))
    assert np.mean(seen[-5:]) < 0.85 * seen[0]


class TestTable:
    """The figures."""

    def test_the_truth_is_perfect(self, layers: Layers) -> None:
        one = Case(layers.tile(), layers.target(), layers.frame, layers.alpha, layers.live)
        found = figures([one], [layers.frame], [])
        assert found.distance == 0 and found.psnr == pytest.approx(80) and found.seam == pytest.approx(0)

    def test_distance_counts_the_mask_alone(self, layers: Layers) -> None:
        one = Case(layers.tile(), layers.target(), layers.frame, layers.alpha, layers.live)
        picture = layers.frame + 0.1
        assert figures([one], [picture], []).distance == pytest.approx(25.5, rel=1e-4)
        assert figures([one], [np.where(layers.mask[..., None] > 0, layers.frame, 0)], []).distance == 0

    def test_a_visible_edge_has_energy(self, layers: Layers) -> None:
        flat = np.full((SIZE, SIZE, 3), 0.5, np.float32)
        assert seam_energy(flat, layers.alpha) == 0
        assert seam_energy(flat + 0.2 * (layers.alpha[..., None] > 0.5), layers.alpha) > 0.01

    def test_flicker_is_that_of_the_truth(self, layers: Layers, rng: np.random.Generator) -> None:
        other = Layers(rng.random((SIZE, SIZE, 3), np.float32), *(getattr(layers, n) for n in Layers.__slots__[1:]))
        cases = [Case(each.tile(), each.target(), each.frame, each.alpha, each.live) for each in (layers, other)]
        assert figures(cases, [one.frame for one in cases], [(0, 1)]).flicker == pytest.approx(1)
        assert figures(cases, [layers.frame, layers.frame], [(0, 1)]).flicker == 0


def test_drawing_a_photo_onto_itself_changes_little(data: Path) -> None:
    amount = Amount(still=2, clip_runs=0, self=3, swap=0, swap_runs=0)
    with Studio() as studio:
        drawn = draw(studio, True, 64, amount)
    assert drawn.tiles.shape[1:] == (SIZE, SIZE, 9) and set(drawn.kind) == {"still", "self"}
    for row in np.flatnonzero(drawn.kind == "self"):
        layers = Layers.of(drawn.tiles[row], drawn.live[row])
        change = np.abs(layers.composite() - layers.frame).mean(axis=2)
        assert change.mean() < 0.01
        assert layers.mask[change > 0.05].mean() > 0.8  # and the mask covers what does
        assert layers.mask[:4].max() == 0 and (layers.confidence <= layers.alpha + 0.01).all()


def test_the_recorder_shows_what_it_keeps_apart(data: Path) -> None:
    photos = faces_300w()
    row = photos.testing()[1]
    with Studio() as studio:
        view = studio.view(photos.picture(row), photos.points[row])
        assert view is not None
        turned, drawn = studio.shown(Rotate(), view, Settings(Mode.ROTATE, yaw=25.0))
    assert drawn is not None
    assert np.abs(turned.astype(float) - view[0]).mean() > 3


class TestShipped:
    """The exported networks."""

    @pytest.mark.parametrize("size", repair.SIZES)
    def test_they_agree_with_torch(self, size: int) -> None:
        path = engines.WEIGHTS / f"repair_{size}.onnx"
        net = load_weights(Repair(repair.WIDTH, size // BASE), path)
        with np.load(path.with_suffix(".check.npz")) as stored:
            tile, answer = stored["in_0"], stored["out_0"]
        (found,) = engines.load(path.stem, threads=1)(tile)
        with torch.no_grad():
            wanted = net(torch.from_numpy(tile)).numpy()
        assert np.abs(found - wanted).max() < 2 / 255
        assert np.abs(answer - wanted).max() < 2 / 255
        assert np.abs(found - tile[:, :3]).max() > 2 / 255  # it does something

    def test_both_sizes_have_the_same_weights(self) -> None:
        nets = [load_weights(Repair(repair.WIDTH), engines.WEIGHTS / f"repair_{size}.onnx") for size in repair.SIZES]
        for one, other in zip(nets[0].parameters(), nets[1].parameters(), strict=True):
            assert torch.equal(one, other)

    @pytest.mark.parametrize("size", repair.SIZES)
    def test_outside_the_mask_they_change_no_bit(self, size: int) -> None:
        tile = repair.examples(1, size)
        (found,) = engines.load(f"repair_{size}", threads=1)(tile)
        outside = np.broadcast_to(tile[:, 4:] == 0, found.shape)
        assert outside.mean() > 0.2
        assert np.array_equal(found[outside], tile[:, :3][outside])


class TestSizes:
    @pytest.mark.parametrize("width", [8, 12])
    def test_a_wider_network_gives_the_same_pictures(self, rng: np.random.Generator, width: int) -> None:
        tile = torch.from_numpy(rng.random((2, 5, 64, 64), np.float32))
        net = trained(8)
        with torch.no_grad():
            torch.testing.assert_close(resized(net, width)(tile), net(tile), rtol=0, atol=1e-5)

    def test_a_narrower_one_keeps_what_weighs_most(self, rng: np.random.Generator) -> None:
        """Channels that do nothing go first: without them the pictures are the same."""
        tile = torch.from_numpy(rng.random((2, 5, 64, 64), np.float32))
        net = trained(6)
        padded = resized(net, 8)
        with torch.no_grad():
            for name, weights in padded.named_parameters():
                weights[len(net.get_parameter(name)) :] = 0
            torch.testing.assert_close(resized(padded, 6)(tile), net(tile), rtol=0, atol=1e-5)
            assert resized(padded, 4).width == 4

    def test_new_channels_can_learn(self) -> None:
        """Nothing listens to them at first, but what listens has a gradient."""
        wide = resized(trained(6), 8)
        wide(torch.rand(1, 5, 64, 64)).sum().backward()
        gradient = wide.decode2[0].weight.grad
        assert gradient is not None
        assert gradient[:, 6:].abs().sum() > 0
