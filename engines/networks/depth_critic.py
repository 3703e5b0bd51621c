"""The critic of DepthNet+GAN (Moniz et al. 2018, section 3.2): how true a depth looks for its keypoints."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from engines.networks.depthnet import KEYPOINTS, SPREAD

SIZES = (3 * KEYPOINTS, 512, 512, 256, 256)


class DepthCritic(nn.Module):
    """Depth and keypoints stacked, four hidden layers with batch norm and ReLU, one score without a squashing.

    Args:
        spread: standard deviation of the depths' entries; that of canonical depths by default.
    """

    def __init__(self, spread: float = KEYPOINTS**-0.5) -> None:
        super().__init__()
        self.spread = spread
        layers: list[nn.Module] = []
        for a, b in pairwise(SIZES):
            layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(SIZES[-1], 1))

    def forward(self, depth: Tensor, source: Tensor) -> Tensor:
        """(B,) scores, higher = truer, of depths (B, 68) for keypoints (B, 68, 2) in box units."""
        return self.layers(torch.cat([depth / self.spread, source.flatten(1) / SPREAD], dim=1))[:, 0]
