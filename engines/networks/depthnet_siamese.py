"""DepthNet, case A (Moniz et al. 2018): two faces' pictures and keypoints → the first one's depth (and an affine)."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.depthnet import DEPTH_SPREAD, KEYPOINTS, answer, hidden_layer, output_layer, together

SIZE = 80
FILTERS = (1, 32, 48, 64)
KERNELS = (4, 3, 2)  # un-padded, each followed by 2x2 max pooling: 80, 77, 38, 36, 18, 17, 8
FEATURES = FILTERS[-1] * 8 * 8
MERGED = (2 * FEATURES, 2048, 512)
JOINED = 256


class SiameseDepthNet(nn.Module):
    """Shared convolutions over both pictures, merged by full layers, joined by the keypoints; initialised as published.

    Args:
        affine: predict an affine, too (variants 2.1 and 2.2).
        depth_spread: standard deviation of the depth biases at the start.
    """

    def __init__(self, affine: bool = False, depth_spread: float = DEPTH_SPREAD) -> None:
        super().__init__()
        widths = zip(pairwise(FILTERS), KERNELS, strict=True)
        self.convolutions = nn.ModuleList(hidden_layer(nn.Conv2d(a, b, kernel)) for (a, b), kernel in widths)
        self.merge = nn.ModuleList(hidden_layer(nn.Linear(a, b)) for a, b in pairwise(MERGED))
        self.join = hidden_layer(nn.Linear(MERGED[-1] + 4 * KEYPOINTS, JOINED))
        self.out = output_layer(JOINED, affine, depth_spread)
        self.affine = affine

    def forward(
        self, source: Tensor, target: Tensor, source_image: Tensor, target_image: Tensor
    ) -> Tensor | tuple[Tensor, Tensor]:
        """From two (B, 68, 2) in box units and two (B, 80, 80) grey pictures of the boxes, 0..1; see `answer`."""
        return self.lift(source, target, self.features(source_image), self.features(target_image))

    def features(self, image: Tensor) -> Tensor:
        """(B, 4096) what the shared convolutions see in one face's picture; a source's can be kept."""
        maps = 2 * image[:, None] - 1
        for layer in self.convolutions:
            maps = functional.max_pool2d(torch.relu(layer(maps)), 2)
        return maps.flatten(1)

    def lift(
        self, source: Tensor, target: Tensor, source_features: Tensor, target_features: Tensor
    ) -> Tensor | tuple[Tensor, Tensor]:
        """`forward` with both pictures' features (B, 4096) known."""
        merged = torch.cat([source_features, target_features], dim=1)
        for layer in self.merge:
            merged = torch.relu(layer(merged))
        joined = torch.relu(self.join(torch.cat([merged, together(source, target)], dim=1)))
        return answer(self.out(joined), self.affine)
