"""The Recombinator Network as published (Honari et al., CVPR 2016, arXiv 1511.07356; 300W form): 68 heat-maps.

Five branches, at 80, 40, 20, 10 and 5 pixels, 64 maps each: every finer one convolves its encoder map beside the
upsampled coarser branch. The live network, `engines.networks.recombinator`, keeps that idea and changes the rest
(a stride-4 grid, other widths, batch norm, 81 points, scores): this one is what it is measured against. It is offline
only: 1.10 M weights, but 1.91 GMAC a face, most of them in the finest branch, which the live network does without.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.recombinator import STRIDE, local_soft_argmax

SIZE = 80  # side of the input crop and of the heat-maps, pixels
KEYPOINTS = 68
LEVELS = 5
# 1x1 convolutions after a branch's 5x5 one, from the coarsest branch to the finest, which has its output on top
POINTWISE = (1, 0, 1, 1, 2)

LOCAL_WINDOW, LOCAL_SIGMA = 9, 1.591  # pixels, of the Gaussian of local contrast normalisation

Contrast = Literal["local", "global"]


class RCN(nn.Module):
    """(B, 1, 80, 80) grey 0..255 → heat-map logits (B, 68, 80, 80); `hard_argmax` and `soft_argmax` read them.

    Args:
        width: maps of every layer; any but the published 64 is for tests.
        contrast: how the picture is normalised: locally, as in the published runs, or to mean 0 and deviation 1.
        learned_upsampling: a learned 3x3 kernel per branch, the same for all maps, in place of repeated values.
        maxima_only: branches see an encoder map only where max-pooling took its values from, 0 elsewhere. The
            authors' released weights have this and learned upsampling.
    """

    def __init__(
        self,
        width: int = 64,
        contrast: Contrast = "local",
        learned_upsampling: bool = False,
        maxima_only: bool = False,
    ) -> None:
        super().__init__()
        self.contrast, self.maxima_only = contrast, maxima_only
        self.encoder = nn.ModuleList(
            glorot(nn.Conv2d(width if level else 1, width, 3, padding=1)) for level in range(LEVELS)
        )
        self.branches = nn.ModuleList(
            branch(2 * width if level else width, width, count) for level, count in enumerate(POINTWISE)
        )
        self.branches[-1].append(glorot(nn.Conv2d(width, KEYPOINTS, 1)))
        self.upsampling = nn.ModuleList(
            LearnedUpsampling() if learned_upsampling else nn.Upsample(scale_factor=2) for _ in range(LEVELS - 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        with torch.autocast(image.device.type, enabled=False):
            maps = normalised(image.to(self.encoder[0].weight.dtype), self.contrast)
        seen = []
        for layer in self.encoder[:-1]:
            maps = torch.relu(layer(maps))
            pooled = functional.max_pool2d(maps, 2)
            seen.append(only_maxima(maps, pooled) if self.maxima_only else maps)
            maps = pooled
        maps = torch.relu(self.encoder[-1](maps))
        for coarse, upsample, fine in zip(self.branches, self.upsampling, reversed(seen), strict=False):
            maps = torch.cat([fine, upsample(coarse(maps))], dim=1)
        return self.branches[-1](maps)


class LearnedUpsampling(nn.Module):
    """Twice the size, (B, C, H, W) → (B, C, 2 H, 2 W), by one transposed 3x3 convolution that all maps share."""

    def __init__(self) -> None:
        super().__init__()
        self.kernel = nn.ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=1, bias=False)
        limit = math.sqrt(6 / 18)  # nine values in, nine out
        nn.init.uniform_(self.kernel.weight, -limit, limit)

    def forward(self, maps: Tensor) -> Tensor:
        return self.kernel(maps.flatten(0, 1)[:, None]).unflatten(0, maps.shape[:2])[:, :, 0]


def branch(inputs: int, width: int, pointwise: int) -> nn.Sequential:
    """A 5x5 convolution and that many 1x1 ones, each with ReLU."""
    layers: list[nn.Module] = [glorot(nn.Conv2d(inputs, width, 5, padding=2)), nn.ReLU()]
    for _ in range(pointwise):
        layers += [glorot(nn.Conv2d(width, width, 1)), nn.ReLU()]
    return nn.Sequential(*layers)


def glorot(layer: nn.Conv2d) -> nn.Conv2d:
    """`layer` with the published start: uniform within ±√(6 / (fan in + fan out / 4)), zero biases.

    The authors divide the fan out by a pooling of 2x2 everywhere.
    """
    taps = math.prod(layer.kernel_size)
    limit = math.sqrt(6 / (layer.in_channels * taps + layer.out_channels * taps / 4))
    nn.init.uniform_(layer.weight, -limit, limit)
    nn.init.zeros_(layer.bias)
    return layer


def only_maxima(maps: Tensor, pooled: Tensor) -> Tensor:
    """(B, C, H, W) maps with 0 wherever a 2x2 cell's maximum (B, C, H/2, W/2) is not; equal maxima all stay."""
    return maps * (maps == functional.interpolate(pooled, scale_factor=2))


def normalised(image: Tensor, contrast: Contrast) -> Tensor:
    """A (B, 1, H, W) picture with its contrast normalised, each picture by itself.

    Local: v = x - its Gaussian mean, then v / max(its Gaussian deviation, that one's mean over the picture), then
    (v + 2.5) / 5, so that most lies in 0..1; beyond the picture's edge there is black. The published code takes the
    deviation's mean over the whole batch.
    """
    if contrast == "global":
        deviation, mean = torch.std_mean(image, dim=(1, 2, 3), keepdim=True, correction=0)
        return (image - mean) / (deviation + 1e-7)
    offset = torch.arange(LOCAL_WINDOW, device=image.device, dtype=image.dtype) - LOCAL_WINDOW // 2
    profile = torch.exp(-(offset**2) / (2 * LOCAL_SIGMA**2))
    kernel = torch.outer(profile, profile)[None, None] / profile.sum() ** 2
    away = image - functional.conv2d(image, kernel, padding=LOCAL_WINDOW // 2)
    deviation = functional.conv2d(away.square(), kernel, padding=LOCAL_WINDOW // 2).sqrt()
    typical = deviation.mean(dim=(1, 2, 3), keepdim=True).clamp_min(1e-6)  # a black picture has none
    return (away / torch.maximum(deviation, typical) + 2.5) / 5


def pixel_numbers(points: Tensor) -> Tensor:
    """(...,) number y · 80 + x of the pixel that each point (..., 2) lies in, or of the nearest one of the crop."""
    x, y = (points + 0.5).floor().clamp(0, SIZE - 1).long().unbind(dim=-1)
    return y * SIZE + x


def hard_argmax(heat: Tensor) -> Tensor:
    """(B, K) number (see `pixel_numbers`) of the highest pixel of each map (B, K, 80, 80): the published reading."""
    return heat.flatten(2).argmax(dim=2)


def pixel_centres(numbers: Tensor) -> Tensor:
    """(..., 2) float32 crop pixels of pixel numbers (...,)."""
    return torch.stack([numbers % SIZE, numbers // SIZE], dim=-1).float()


def soft_argmax(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Points (B, K, 2) in crop pixels by a 5x5 soft-argmax around each map's peak, and its confidence (B, K) in (0, 1].

    That is the share of the whole softmax in the window. The hard argmax of 80 pixels quantises to an 80th of the box.
    """
    points, mass = local_soft_argmax(heat)
    return (points - (STRIDE - 1) / 2) / STRIDE, mass  # the live network's cells are STRIDE pixels, these are one
