"""DepthNet, case B (Moniz et al. 2018): two faces' keypoints → the first one's depth, and an affine where asked for.

Variant 2.3 gives depth alone: the affine is the least-squares solution, in training as in use. Variants 2.1 and 2.2
are trained to give the affine as well; 2.1 uses it, 2.2 drops it and solves.
"""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

KEYPOINTS = 68
AFFINE = (2, 4)
# spread of keypoints in box units; dividing by it gives the first layer inputs of unit variance
SPREAD = 0.25
# standard deviation of the depth biases at the start; the publication's number is lost, and any but 0 will do: the
# loss does not depend on the depth's scale, but a flat depth makes the least squares singular
DEPTH_SPREAD = 0.5


class DepthNet(nn.Module):
    """Concatenated keypoints, hidden layers with ReLU, a linear layer for depth and affine; initialised as published.

    Args:
        width: of the hidden layers.
        layers: how many of them ("two-layer, 256 hidden").
        affine: predict an affine, too (variants 2.1 and 2.2).
        depth_spread: standard deviation of the depth biases at the start.
    """

    def __init__(
        self, width: int = 256, layers: int = 2, affine: bool = False, depth_spread: float = DEPTH_SPREAD
    ) -> None:
        super().__init__()
        sizes = [4 * KEYPOINTS, *[width] * layers]
        self.hidden = nn.ModuleList(hidden_layer(nn.Linear(a, b)) for a, b in pairwise(sizes))
        self.out = output_layer(width, affine, depth_spread)
        self.affine = affine

    def forward(self, source: Tensor, target: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """From two (B, 68, 2) in box units: depth, or depth and affine; see `answer`."""
        features = together(source, target)
        for layer in self.hidden:
            features = torch.relu(layer(features))
        return answer(self.out(features), self.affine)


def hidden_layer(layer: nn.Linear | nn.Conv2d) -> nn.Linear | nn.Conv2d:
    """`layer` with Glorot weights with ReLU gain (limit √2 √(6 / (fan in + fan out))) and zero biases."""
    nn.init.xavier_uniform_(layer.weight, math.sqrt(2))
    nn.init.zeros_(layer.bias)
    return layer


def output_layer(width: int, affine: bool, depth_spread: float) -> nn.Linear:
    """Linear layer to 68 depths and, where asked, 8 numbers of an affine: zero weights, biases N(0, σ) and identity."""
    layer = nn.Linear(width, KEYPOINTS + affine * math.prod(AFFINE))
    nn.init.zeros_(layer.weight)
    nn.init.normal_(layer.bias[:KEYPOINTS], std=depth_spread)
    if affine:
        with torch.no_grad():
            layer.bias[KEYPOINTS:] = torch.eye(*AFFINE).flatten()
    return layer


def together(source: Tensor, target: Tensor) -> Tensor:
    """(B, 272) two faces' keypoints (B, 68, 2), of about unit variance."""
    return torch.cat([source, target], dim=1).flatten(1) / SPREAD


def answer(values: Tensor, affine: bool) -> Tensor | tuple[Tensor, Tensor]:
    """The last layer's numbers, (B, 68) as depth or (B, 76) as depth and affine.

    Returns:
        (B, 68) depth of the source, mean 0, smaller = nearer, in box units; (B, 2, 4) affine from [x y z 1] of the
        source to the target, box units.
    """
    depth = values[:, :KEYPOINTS]
    depth = depth - depth.mean(dim=1, keepdim=True)
    return (depth, values[:, KEYPOINTS:].unflatten(1, AFFINE)) if affine else depth
