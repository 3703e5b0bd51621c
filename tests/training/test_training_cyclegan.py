"""CycleGAN: the published sizes, losses against their formulas, who learns from what, and the rules of its pictures."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn

from engines.networks.cyclegan import CycleGan, Generator
from engines.networks.instance_norm import InstanceNorm
from engines.networks.patch_critic import PatchCritic
from realtime.analysis.pose import rotation_of
from realtime.errors import InputError
from realtime.frame import Pose
from realtime.geometry.template import template
from realtime.geometry.topology import mirror
from realtime.sinks.png import write_png
from realtime.sources import read_image
from realtime.sources.demo import portraits
from training.cycle_pictures import CHANNELS, Pictures, Use, asymmetry, draw, is_aside, is_frontal
from training.recipes import cyclegan
from training.recipes.cyclegan import Batches, judged, loss, rows_of, there_and_back
from training.repair_pairs import Studio
from training.run import Optimisation, Run, RunOptions, fit, prepare

SMALL = {"width": 4, "blocks": 1}
OPTIONS = RunOptions(steps=2, threads=1, workers=0)


def multiplications(model: nn.Module, side: int) -> int:
    total = 0

    def count(module: nn.Module, given: tuple[torch.Tensor, ...], made: torch.Tensor) -> None:
        nonlocal total
        if isinstance(module, nn.Conv2d):
            total += made.numel() * module.weight[0].numel()
        elif isinstance(module, nn.ConvTranspose2d):
            total += given[0].numel() * module.weight[0].numel()

    for module in model.modules():
        module.register_forward_hook(count)
    with torch.inference_mode():
        model(torch.zeros(1, 3, side, side))
    return total


def test_the_generator_has_the_published_size() -> None:
    model = Generator()
    assert sum(weights.numel() for weights in model.parameters()) == pytest.approx(11.39e6, rel=2e-3)
    assert multiplications(model, 80) == pytest.approx(4.9e9, rel=0.02)


def test_a_score_sees_seventy_pixels() -> None:
    picture = torch.zeros(1, 3, 160, 160, requires_grad=True)
    critic = PatchCritic(width=4)
    for norm in (module for module in critic.modules() if isinstance(module, nn.InstanceNorm2d)):
        norm.forward = lambda x: x  # type: ignore[method-assign]  # its mean sees everything
    scores = critic(picture)
    scores[0, 0, scores.shape[2] // 2, scores.shape[3] // 2].backward()
    assert picture.grad is not None
    seen = np.flatnonzero(picture.grad[0].abs().sum(dim=(0, 1)).numpy())
    assert seen[-1] - seen[0] + 1 == 70


def test_what_is_made_of_a_picture_depends_on_it_alone() -> None:
    torch.manual_seed(0)
    model, pictures = Generator(width=4, blocks=2), torch.rand(3, 3, 24, 24) * 2 - 1
    with torch.inference_mode():
        together = model.train()(pictures)
        alone = torch.cat([model.eval()(picture[None]) for picture in pictures])
    torch.testing.assert_close(together, alone)
    assert together.shape == pictures.shape
    assert together.abs().max() <= 1


def test_a_single_picture_is_normalised_as_any() -> None:
    """By its own means and deviations, in every memory layout; and so goes what it learns."""
    torch.manual_seed(0)
    pictures = torch.randn(2, 3, 8, 8, dtype=torch.float64, requires_grad=True)
    centred = pictures - pictures.mean(dim=(2, 3), keepdim=True)
    known = centred / (centred.square().mean(dim=(2, 3), keepdim=True) + 1e-5).sqrt()
    weights = torch.randn_like(known)
    (slope,) = torch.autograd.grad((known * weights).sum(), pictures)
    for layout in (torch.contiguous_format, torch.channels_last):
        given = pictures.detach().to(memory_format=layout)
        for rows in (slice(0, 2), slice(0, 1), slice(1, 2)):
            part = given[rows].clone(memory_format=layout).requires_grad_()
            made = InstanceNorm(3)(part)
            torch.testing.assert_close(made, known[rows])
            (mine,) = torch.autograd.grad((made * weights[rows]).sum(), part)
            torch.testing.assert_close(mine, slope[rows])


def test_transposed_convolutions_begin_without_a_lattice() -> None:
    """An even plane stays one in all four phases, but for the borders."""
    torch.manual_seed(0)
    for part in Generator(width=8, blocks=1).modules():
        if isinstance(part, nn.ConvTranspose2d):
            made = part(torch.randn(1, part.in_channels, 1, 1).expand(1, part.in_channels, 6, 6))[..., 1:-1, 1:-1]
            assert made.std() > 0.01
            torch.testing.assert_close(made, made[..., :1, :1].expand_as(made))


def batch(seed: int = 0) -> dict[str, torch.Tensor]:
    random = np.random.default_rng(seed)
    return {
        "a": torch.from_numpy(random.uniform(-1, 1, (2, 6, 32, 32)).astype(np.float32)),
        "b": torch.from_numpy(random.uniform(-1, 1, (2, 3, 32, 32)).astype(np.float32)),
    }


def duel() -> CycleGan:
    torch.manual_seed(1)
    return CycleGan(6, 3, **SMALL)


def test_the_loss_is_the_publications() -> None:
    model, given = duel().double(), {key: value.double() for key, value in batch().items()}
    parts = {key: float(value.detach()) for key, value in loss(10.0, model, given).items()}
    with torch.no_grad():
        made_b, made_a = model.to_b(given["a"]), model.to_a(given["b"])
        scores = {
            "made_b": model.critic_b(made_b).numpy(),
            "made_a": model.critic_a(made_a).numpy(),
            "b": model.critic_b(given["b"]).numpy(),
            "a": model.critic_a(given["a"]).numpy(),
        }
        back = [
            np.abs((model.to_a(made_b) - given["a"]).numpy()).mean(),
            np.abs((model.to_b(made_a) - given["b"]).numpy()).mean(),
        ]
    flattery = sum(((scores[key] - 1) ** 2).mean() for key in ("made_a", "made_b"))
    critics = sum(
        0.5 * (((scores[real] - 1) ** 2).mean() + (scores[made] ** 2).mean())
        for real, made in (("a", "made_a"), ("b", "made_b"))
    )
    assert parts["flattery"] == pytest.approx(flattery)
    assert parts["cycle"] == pytest.approx(sum(back))
    assert parts["critics"] == pytest.approx(critics)
    assert parts["loss"] == pytest.approx(flattery + 10 * sum(back) + critics)


def test_the_identity_term_asks_for_real_pictures_back() -> None:
    """Of a picture cut up as those of kind A are: where the face is, and where the photo goes on."""
    model, given = duel().double(), {key: value.double() for key, value in batch().items()}
    given["a"][:, :3, :, 16:] = -1
    given["a"][:, 3:, :, :20] = -1
    parts = {key: float(value.detach()) for key, value in loss(10.0, model, given, identity=5.0).items()}
    plain = {key: float(value.detach()) for key, value in loss(10.0, model, given).items()}
    face, rest = given["b"].numpy().copy(), given["b"].numpy().copy()
    face[..., 16:] = -1
    rest[..., :20] = -1
    with torch.no_grad():
        made = model.to_b(torch.from_numpy(np.concatenate([face, rest], axis=1))).numpy()
    assert parts["identity"] == pytest.approx(np.abs(made - given["b"].numpy()).mean())
    assert parts["loss"] == pytest.approx(plain["loss"] + 5 * parts["identity"])
    assert torch.equal(cyclegan.cut_like(given["b"], given["b"]), given["b"]), "a swapped face is whole"


def test_each_player_learns_from_its_own_loss() -> None:
    model, given = duel(), batch()
    loss(10.0, model, given)["loss"].backward()
    other = copy.deepcopy(model)
    other.zero_grad()
    made_b, made_a = other.to_b(given["a"]), other.to_a(given["b"])
    (judged(other.critic_a, given["a"], made_a) + judged(other.critic_b, given["b"], made_b)).backward()
    for name in ("critic_a", "critic_b"):
        for mine, alone in zip(getattr(model, name).parameters(), getattr(other, name).parameters(), strict=True):
            torch.testing.assert_close(mine.grad, alone.grad)
    assert all(weights.grad is None for weights in other.to_b.parameters()), "critics do not move generators"
    other.zero_grad()
    flattery = (other.critic_b(made_b := other.to_b(given["a"])) - 1).square().mean()
    flattery = flattery + (other.critic_a(made_a := other.to_a(given["b"])) - 1).square().mean()
    back = (other.to_a(made_b) - given["a"]).abs().mean() + (other.to_b(made_a) - given["b"]).abs().mean()
    (flattery + 10 * back).backward()
    for name in ("to_a", "to_b"):
        for mine, alone in zip(getattr(model, name).parameters(), getattr(other, name).parameters(), strict=True):
            torch.testing.assert_close(mine.grad, alone.grad)


def pictures() -> Pictures:
    random = np.random.default_rng(0)
    return Pictures(*(random.integers(0, 256, (5, 24, 24, channels), dtype=np.uint8) for channels in (6, 3)))


def test_batches_are_the_pictures_mirrored_or_not() -> None:
    kept = pictures()
    made = Batches(kept, 16, seed=3)(7)
    assert made["a"].shape == (16, 6, 24, 24)
    again = Batches(kept, 16, seed=3)(7)
    np.testing.assert_array_equal(made["b"], again["b"])
    known = np.concatenate([kept.a, kept.a[:, :, ::-1]])
    restored = np.round((made["a"].transpose(0, 2, 3, 1) + 1) * 127.5).astype(np.uint8)
    assert all((picture == known).all(axis=(1, 2, 3)).any() for picture in restored)


def test_a_resumed_run_is_the_same(tmp_path: Path) -> None:
    batches = Batches(pictures(), 2, seed=0)
    optimisation = Optimisation(2e-4, weight_decay=0.0, clip=None, adam=(0.5, 0.999))

    def trained(options: RunOptions) -> dict[str, torch.Tensor]:
        prepare(options)
        return fit("toy", CycleGan(6, 3, **SMALL), batches, partial(loss, 10.0), options, optimisation).state_dict()

    whole = trained(dataclasses.replace(OPTIONS, runs=tmp_path / "whole", steps=4))
    trained(dataclasses.replace(OPTIONS, runs=tmp_path / "parts", steps=2))
    parts = trained(dataclasses.replace(OPTIONS, runs=tmp_path / "parts", steps=4, resume=True))
    for key, value in whole.items():
        torch.testing.assert_close(parts[key], value)


def test_adam_follows_its_recurrence(tmp_path: Path) -> None:
    optimisation = Optimisation(0.1, weight_decay=0.0, average=0.0, clip=None, adam=(0.5, 0.9))
    assert optimisation.constant
    prepare(OPTIONS)
    run = Run("toy", nn.Linear(3, 1, bias=False), dataclasses.replace(OPTIONS, runs=tmp_path), optimisation)
    weight = run.model.weight.detach().double().numpy().copy()
    first, second = np.zeros_like(weight), np.zeros_like(weight)
    for number in range(1, 6):
        x = np.random.default_rng(number).normal(size=(5, 3))
        run.advance({"x": x.astype(np.float32)}, lambda model, given: {"loss": model(given["x"]).square().mean()})
        gradient = 2 * (x @ weight.T).T @ x / 5
        first, second = 0.5 * first + 0.5 * gradient, 0.9 * second + 0.1 * gradient**2
        weight -= 0.1 * first / (1 - 0.5**number) / (np.sqrt(second / (1 - 0.9**number)) + 1e-8)
    np.testing.assert_allclose(run.model.weight.detach().numpy(), weight, rtol=1e-4)


def head(yaw: float) -> np.ndarray:
    """Keypoints of the mean face turned by `yaw`, in a crop of 80 pixels."""
    return 30 * (template() @ rotation_of(Pose(yaw, 0, 0)).T)[:, :2] + 40


@pytest.mark.parametrize(("yaw", "frontal", "aside"), [(0, True, False), (12, False, False), (45, False, True)])
def test_frontal_faces_and_faces_turned_aside_are_told_apart(yaw: float, frontal: bool, aside: bool) -> None:
    points = head(yaw)
    assert is_frontal(points, 80) == frontal
    assert is_aside(points) == aside
    mirrored = mirror(points, 80)
    assert asymmetry(mirrored) == pytest.approx(-asymmetry(points))
    assert (is_frontal(mirrored, 80), is_aside(mirrored)) == (frontal, aside)


def test_without_pictures_it_says_how_they_are_made(tmp_path: Path) -> None:
    config = cyclegan.Config(run=dataclasses.replace(OPTIONS, runs=tmp_path))
    with pytest.raises(InputError, match="--draw"):
        cyclegan.train(config)


def test_pictures_are_kept_once_for_all_sizes() -> None:
    given = pictures()
    made = given.reduced(12)
    assert (made.a.shape, made.b.shape) == ((5, 12, 12, 6), (5, 12, 12, 3))
    for channels in (slice(0, 3), slice(3, 6)):
        means = given.a[..., channels].astype(float).reshape(5, 12, 2, 12, 2, 3).mean(axis=(2, 4))
        assert np.abs(made.a[..., channels] - means).max() <= 0.5, "the mean of every four pixels"
    np.testing.assert_array_equal(given.reduced(24).b, given.b)


def test_a_sheet_shows_both_ways() -> None:
    """Parts of the picture, what was made, and the way back: here of generators that give what they get."""
    given = pictures().a
    model = SimpleNamespace(to_b=lambda a: a[:, :3], to_a=lambda b: torch.cat([b, b], dim=1))
    shown = rows_of(there_and_back(model, given))  # type: ignore[arg-type]
    face, rest = given[2, :, :, :3], given[2, :, :, 3:]
    np.testing.assert_array_equal(shown[48:72], np.concatenate([face, rest, face, face], axis=1))


def test_a_photo_that_is_none_is_told(tmp_path: Path) -> None:
    config = cyclegan.Config(
        run=dataclasses.replace(OPTIONS, runs=tmp_path), photo=(tmp_path / "me.jpg",), width=4, blocks=1
    )
    with pytest.raises(InputError, match="train first"):
        cyclegan.train(config)
    Run(config.name, cyclegan.network(config), config.run, Optimisation()).checkpoint()
    with pytest.raises(InputError, match="There is no file"):
        cyclegan.train(config)


def test_a_photo_is_repaired_into_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the built-in portraits, which are no part of the data folder."""
    monkeypatch.chdir(tmp_path)
    photo = tmp_path / "me.png"
    write_png(photo, portraits()[0])
    config = cyclegan.Config(
        run=dataclasses.replace(OPTIONS, runs=tmp_path), use="pose", photo=(photo,), width=4, blocks=1, size=40
    )
    Run(config.name, cyclegan.network(config), config.run, Optimisation()).checkpoint()
    cyclegan.train(config)
    assert read_image(tmp_path / "out" / "me_pose.png").shape == (cyclegan.SHOWN, cyclegan.SHOWN, 3)
    with Studio() as studio:
        given = cyclegan.of_photos(config, studio)
    assert given.shape == (1, 40, 40, 6)
    assert given[0, 20, 20, :3].any(), "the face in the middle"
    assert not given[0, 20, 20, 3:].any()


@pytest.fixture(scope="module")
def studio(data: Path) -> Iterator[Studio]:
    with Studio() as opened:
        yield opened


@pytest.mark.parametrize("use", ["background", "swap", "pose"])
def test_pictures_of_each_use_are_what_they_say(use: Use, studio: Studio) -> None:
    made = draw(studio, use, held_out=True, size=40, count=3)
    assert made.a.shape == (3, 40, 40, CHANNELS[use])
    assert made.b.shape == (3, 40, 40, 3)
    if use == "swap":
        return
    face, rest = (part.any(axis=3) for part in (made.a[..., :3], made.a[..., 3:]))
    assert face[:, 20, 20].all(), "a face in the middle"
    assert not rest[:, 20, 20].any(), "that is missing beside it"
    assert face.mean() < 0.5, "and little round about it"
    assert rest.mean() > 0.4, "where the photo goes on"
