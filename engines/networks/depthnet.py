"""DepthNet, keypoints only (Moniz et al. 2018, case B, variant 2.3): two faces' keypoints → the first one's depth."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

KEYPOINTS = 68
# spread of keypoints in box units; dividing by it gives the first layer inputs of unit variance
SPREAD = 0.25


class DepthNet(nn.Module):
    """Concatenated keypoints, hidden layers with ReLU, a linear depth per keypoint; no affine is predicted.

    Glorot weights with ReLU gain and zero biases, as the paper has it; the last layer starts small instead of zero
    with random biases, which serves the same end (a flat depth makes the least squares singular at the first step).
    """

    def __init__(self, width: int = 256, layers: int = 2) -> None:
        super().__init__()
        sizes = [4 * KEYPOINTS, *[width] * layers]
        self.hidden = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.out = nn.Linear(width, KEYPOINTS)
        for layer in self.hidden:
            nn.init.xavier_uniform_(layer.weight, math.sqrt(2))
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.out.weight, std=0.02)
        nn.init.zeros_(self.out.bias)

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        """(B, 68) depth of the source, mean 0, smaller = nearer, in box units, from two (B, 68, 2) in box units."""
        features = torch.cat([source, target], dim=1).flatten(1) / SPREAD
        for layer in self.hidden:
            features = torch.relu(layer(features))
        depth = self.out(features)
        return depth - depth.mean(dim=1, keepdim=True)
