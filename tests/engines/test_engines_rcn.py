"""The published Recombinator Network and its denoiser: size and cost as published, and what their layers compute."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import nn

from engines.networks.rcn import (
    KEYPOINTS,
    RCN,
    SIZE,
    LearnedUpsampling,
    glorot,
    hard_argmax,
    normalised,
    only_maxima,
    pixel_centres,
    pixel_numbers,
    soft_argmax,
)
from engines.networks.rcn_denoising import Denoiser, joint
from realtime.geometry.topology import FLIP, LANDMARKS, mirror


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)


def multiplications(model: nn.Module, *inputs: torch.Tensor) -> int:
    """Multiply-accumulates of all convolutions in one pass."""
    counted = []

    def count(layer: nn.Module, _inputs: object, output: torch.Tensor) -> None:
        counted.append(output[0].numel() * layer.weight[0].numel())

    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(count)
    with torch.no_grad():
        model(*inputs)
    return sum(counted)


def test_size_and_cost_are_the_published_ones() -> None:
    model = RCN()
    assert sum(p.numel() for p in model.parameters()) == 1_095_492  # 1.10 M
    assert multiplications(model, torch.zeros(1, 1, SIZE, SIZE)) == pytest.approx(1.91e9, rel=0.003)
    # the released variant learns four 3x3 kernels more
    released = RCN(learned_upsampling=True, maxima_only=True)
    assert sum(p.numel() for p in released.parameters()) == 1_095_492 + 4 * 9
    assert sum(p.numel() for p in Denoiser().parameters()) == 25_406_212  # 25.4 M


@pytest.mark.parametrize("learned_upsampling", [False, True])
@pytest.mark.parametrize("maxima_only", [False, True])
@pytest.mark.parametrize("contrast", ["local", "global"])
def test_maps_have_the_size_of_the_picture(learned_upsampling: bool, maxima_only: bool, contrast: str) -> None:
    model = RCN(4, contrast, learned_upsampling, maxima_only)  # type: ignore[arg-type]
    heat = model(torch.randint(0, 256, (2, 1, SIZE, SIZE), dtype=torch.uint8))
    assert heat.shape == (2, KEYPOINTS, SIZE, SIZE)
    heat.square().mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_the_layers_are_those_of_the_specification() -> None:
    model = RCN(5).double()
    image = 255 * torch.rand(1, 1, SIZE, SIZE, dtype=torch.float64)
    layers = iter([layer for layer in model.modules() if isinstance(layer, nn.Conv2d)])

    def convolved(maps: torch.Tensor) -> torch.Tensor:
        layer = next(layers)
        return nn.functional.conv2d(maps, layer.weight, layer.bias, padding=layer.weight.shape[-1] // 2)

    def halved(maps: torch.Tensor) -> torch.Tensor:
        return maps.unfold(2, 2, 2).unfold(3, 2, 2).amax(dim=(4, 5))

    def doubled(maps: torch.Tensor) -> torch.Tensor:
        return maps.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)

    maps = normalised(image, "local")
    encoder = []
    for level in range(5):
        encoder.append(convolved(halved(maps) if level else maps).relu())
        maps = encoder[-1]
    maps = convolved(convolved(maps).relu()).relu()  # 5 pixels: 5x5, 1x1
    maps = convolved(torch.cat([encoder[3], doubled(maps)], 1)).relu()  # 10: 5x5
    for level in (2, 1):  # 20 and 40: 5x5, 1x1
        maps = convolved(convolved(torch.cat([encoder[level], doubled(maps)], 1)).relu()).relu()
    for _ in range(3):  # 80: 5x5, 1x1, 1x1
        maps = convolved(maps if maps.shape[2] == SIZE else torch.cat([encoder[0], doubled(maps)], 1)).relu()
    torch.testing.assert_close(model(image), convolved(maps))  # and a linear 1x1
    assert next(layers, None) is None


def test_glorot_limits_are_the_published_ones() -> None:
    layer = glorot(nn.Conv2d(128, 64, 5))
    limit = math.sqrt(6 / (128 * 25 + 64 * 25 / 4))
    assert float(layer.weight.detach().abs().max()) == pytest.approx(limit, rel=1e-3)
    assert float(layer.weight.detach().std()) == pytest.approx(limit / math.sqrt(3), rel=0.01)
    assert not layer.bias.any()


def test_local_contrast_against_a_direct_sum() -> None:
    rng = np.random.default_rng(1)
    picture = rng.uniform(0, 255, (14, 14))
    offset = np.arange(-4, 5)
    kernel = np.exp(-(offset[:, None] ** 2 + offset**2) / (2 * 1.591**2))
    kernel /= kernel.sum()

    def smooth(values: np.ndarray) -> np.ndarray:
        padded = np.pad(values, 4)
        return np.array([[(padded[y : y + 9, x : x + 9] * kernel).sum() for x in range(14)] for y in range(14)])

    away = picture - smooth(picture)
    deviation = np.sqrt(smooth(away**2))
    wanted = (away / np.maximum(deviation, deviation.mean()) + 2.5) / 5
    found = normalised(torch.from_numpy(picture)[None, None], "local")[0, 0]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=1e-10)


@pytest.mark.parametrize("contrast", ["local", "global"])
def test_contrast_ignores_the_light_and_survives_a_black_picture(contrast: str) -> None:
    image = 100 * torch.rand(1, 1, SIZE, SIZE, dtype=torch.float64)
    once, brighter = normalised(image, contrast), normalised(2.5 * image, contrast)  # type: ignore[arg-type]
    torch.testing.assert_close(once, brighter)
    assert torch.isfinite(normalised(torch.zeros(1, 1, SIZE, SIZE), contrast)).all()  # type: ignore[arg-type]


def test_only_maxima_keeps_what_pooling_took() -> None:
    maps = torch.rand(2, 3, 8, 8) + 0.1
    pooled, where = nn.functional.max_pool2d(maps, 2, return_indices=True)
    wanted = torch.zeros(2, 3, 64).scatter(2, where.flatten(2), pooled.flatten(2)).reshape(maps.shape)
    torch.testing.assert_close(only_maxima(maps, pooled), wanted)


def test_learned_upsampling_with_a_bilinear_kernel_is_bilinear() -> None:
    upsampling = LearnedUpsampling()
    tent = torch.tensor([0.5, 1.0, 0.5])
    upsampling.kernel.weight.data = torch.outer(tent, tent)[None, None]
    ramp = torch.arange(5.0).expand(1, 2, 5, 5)
    with torch.no_grad():
        maps = upsampling(torch.stack([ramp[0, 0], ramp[0, 0].T])[None])
    assert maps.shape == (1, 2, 10, 10)
    torch.testing.assert_close(maps[0, 0, :9, :9], (torch.arange(9.0) / 2).expand(9, 9))
    torch.testing.assert_close(maps[0, 1], maps[0, 0].T)


@pytest.mark.parametrize("maxima_only", [False, True])
def test_a_mirrored_network_finds_the_mirrored_points(maxima_only: bool) -> None:
    model, mirrored = RCN(6, maxima_only=maxima_only).double(), RCN(6, maxima_only=maxima_only).double()
    flip = torch.from_numpy(FLIP[:LANDMARKS].copy())
    state = {key: value.flip(3) if value.ndim == 4 else value for key, value in model.state_dict().items()}
    last = len(model.branches[-1]) - 1
    for part in ("weight", "bias"):
        state[f"branches.4.{last}.{part}"] = state[f"branches.4.{last}.{part}"][flip]
    mirrored.load_state_dict(state)
    image = 255 * torch.rand(2, 1, SIZE, SIZE, dtype=torch.float64)
    with torch.no_grad():
        straight, other = model(image), mirrored(image.flip(3))
    torch.testing.assert_close(other, straight.flip(3)[:, flip])
    sharp = 20 * torch.rand_like(straight)
    points, confidence = soft_argmax(sharp)
    seen, sure = soft_argmax(sharp.flip(3)[:, flip])
    np.testing.assert_allclose(seen.numpy(), mirror(points.numpy(), SIZE), atol=1e-9)
    torch.testing.assert_close(sure, confidence[:, flip])


def test_pixels_have_their_centres_at_integers_and_points_outside_the_nearest_pixel() -> None:
    points = torch.tensor([[-0.4, 0.0], [0.6, 0.49], [79.4, 79.4], [90.0, -3.0]])
    assert pixel_numbers(points).tolist() == [0, 1, SIZE**2 - 1, 79]
    numbers = torch.arange(SIZE**2)
    assert torch.equal(pixel_numbers(pixel_centres(numbers)), numbers)


@pytest.mark.parametrize(("x", "y"), [(40.0, 33.0), (12.3, 60.8), (70.49, 9.5), (79.0, 0.0)])
def test_soft_argmax_finds_what_the_hard_one_rounds(x: float, y: float) -> None:
    pixel = torch.arange(float(SIZE))
    heat = -((pixel - x) ** 2)[None, :] / 2 - ((pixel - y) ** 2)[:, None] / 2
    points, confidence = soft_argmax(heat[None, None])
    inner = min(x, y, 79 - x, 79 - y) > 3
    np.testing.assert_allclose(points[0, 0].numpy(), (x, y), atol=0.06 if inner else 0.8)
    assert (pixel_centres(hard_argmax(heat[None, None]))[0, 0] - torch.tensor([x, y])).abs().max() <= 0.5
    assert 0.9 < float(confidence) <= 1


@pytest.mark.parametrize(("size", "kernel"), [(20, 9), (16, 45), (13, 5)])
def test_the_denoiser_is_three_dense_convolutions(size: int, kernel: int) -> None:
    model = Denoiser(size, kernel, width=4, keypoints=5).double()
    for layer in (model.first, model.second, model.third, model.out):
        nn.init.normal_(layer.bias)
    pixels = torch.randint(0, size**2, (3, 5))
    pixels[0] = torch.tensor([0, size - 1, size**2 - size, size**2 - 1, 0])  # corners, and one of them twice
    maps = nn.functional.one_hot(pixels, size**2).double().reshape(3, 5, size, size)
    for layer in (model.first, model.second, model.third):
        maps = torch.relu(nn.Conv2d.forward(layer, maps))
    torch.testing.assert_close(model(pixels), model.out(maps))
    dense, gathered = (torch.autograd.grad(answer.square().sum(), model.parameters())
                       for answer in (model.out(maps), model(pixels)))  # fmt: skip
    for one, other in zip(gathered, dense, strict=True):
        torch.testing.assert_close(one, other)


def test_joint_multiplies_the_two_distributions() -> None:
    heat, denoised = torch.randn(2, 2, 3, 6, 6, dtype=torch.float64)
    product = heat.flatten(2).softmax(dim=2) * denoised.flatten(2).softmax(dim=2)
    wanted = product / product.sum(dim=2, keepdim=True)
    found = joint(heat, denoised).flatten(2).exp().double()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-7)
