"""Facial depth maps from a grey face crop (Pini et al. 2018): the published generator, its critic, and a live-size one.

The publication names 100x100 pixels, ReLU and tanh, a convolutional generator and a critic of convolutions and one
fully connected layer; sizes are this project's (the originals are not published). Both players take a width multiplier
(Howard et al. 2017): the share of every layer's channels that is kept, 1 being the full network, a processor's training
a quarter. Depth is coded as tanh target: +1 nearest, -1 furthest or missing (`realtime.geometry.depth_code`).
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.live_map import LiveMap
from engines.networks.widths import scaled

SIDE = 100
DOWN = (64, 128, 256, 512)
UP = (256, 128, 64, 32)
LIVE = (24, 48, 96, 160)


def _column(inputs: int, widths: tuple[int, ...]) -> nn.ModuleList:
    """Four 5x5 convolutions at stride 2: 100 → 50 → 25 → 13 → 7 pixels."""
    return nn.ModuleList(
        nn.Sequential(nn.Conv2d(a, b, 5, 2, 2, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2))
        for a, b in pairwise((inputs, *widths))
    )


class FacialDepth(nn.Module):
    """The generator: down to 7x7, up again by nearest neighbours and 5x5 convolutions.

    Args:
        skips: join what the way down saw at each size (a U-Net); the publication's baseline has none.
        width: the share of all channels that is kept.
    """

    def __init__(self, skips: bool = False, width: float = 1.0) -> None:
        super().__init__()
        self.skips = skips
        down, up = scaled(DOWN, width), scaled(UP, width)
        self.down = _column(1, down)
        beside = (*reversed(down[:-1]), 0) if skips else (0,) * len(up)
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(a + extra, b, 5, 1, 2, bias=False), nn.BatchNorm2d(b), nn.ReLU())
            for (a, b), extra in zip(pairwise((down[-1], *up)), beside, strict=True)
        )
        self.out = nn.Conv2d(up[-1], 1, 3, 1, 1)

    def forward(self, grey: Tensor) -> Tensor:
        """(B, 1, 100, 100) depth in -1..1 of a grey crop (B, 1, 100, 100) in 0..255."""
        features = grey / 127.5 - 1
        seen: list[Tensor] = [features]
        for layer in self.down:
            features = layer(features)
            seen.append(features)
        for layer, finer in zip(self.up, reversed(seen[:-1]), strict=True):
            features = functional.interpolate(features, size=finer.shape[-2:], mode="nearest")
            if self.skips and finer is not seen[0]:
                features = torch.cat([features, finer], dim=1)
            features = layer(features)
        return torch.tanh(self.out(features))


class FacialDepthCritic(nn.Module):
    """The same column over crop and depth together, and one fully connected layer."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        widths = scaled(DOWN, width)
        self.down = _column(2, widths)
        self.score = nn.Linear(widths[-1] * 7 * 7, 1)

    def forward(self, grey: Tensor, depth: Tensor) -> Tensor:
        """(B,) logits, higher = truer, of depths (B, 1, 100, 100) in -1..1 for crops (B, 1, 100, 100) in 0..255."""
        features = torch.cat([grey / 127.5 - 1, depth], dim=1)
        for layer in self.down:
            features = layer(features)
        return self.score(features.flatten(1))[:, 0]


class LiveFacialDepth(nn.Module):
    """A hundredth of the computation: separable convolutions, skips added."""

    def __init__(self) -> None:
        super().__init__()
        self.map = LiveMap(1, 1, LIVE)

    def forward(self, grey: Tensor) -> Tensor:
        """As `FacialDepth`."""
        return torch.tanh(self.map(grey / 127.5 - 1))
