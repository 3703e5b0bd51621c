"""AIGN (Tung et al. 2017) as the DepthNets publication compares with it: heat-maps of keypoints → a posed 3D shape.

The public comparison code squashes no output of the critic before a binary cross-entropy and takes sine and cosine as
they come; here scores are logits and each pair has unit length.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from engines.networks.depthnet import KEYPOINTS, SPREAD
from engines.networks.rigid import STRAIGHT, rotation

SIZE = 128  # pixels of a heat-map
SIGMA = 1.0
WINDOW = 4  # pixels: a peak ends this far from its middle
# filters and stride of the 3x3 convolutions: down to a sixteenth of the map
CONVOLUTIONS = ((66, 2), (64, 2), (64, 1), (128, 2), (128, 1), (256, 2), (256, 1))
HIDDEN = 512
HEADS = {"pose": 6, "shape": 3 * KEYPOINTS, "shift": 3, "focal": 2, "centre": 2}
CRITIC_SIZES = (3 * KEYPOINTS, 512, 512, 256, 256)


class Aign(nn.Module):
    """Keypoints drawn as heat-maps, seven convolutions, and the numbers of a shape, its pose and the camera.

    Args:
        mean: (68, 3) the shape that the network starts from, in box units.
        size: pixels of the heat-maps, a multiple of 16.
    """

    def __init__(self, mean: Tensor, size: int = SIZE) -> None:
        super().__init__()
        self.size = size
        layers: list[nn.Module] = []
        channels = KEYPOINTS
        for filters, stride in CONVOLUTIONS:
            layers += [nn.Conv2d(channels, filters, 3, stride, 1, bias=False), nn.BatchNorm2d(filters), nn.ReLU()]
            channels = filters
        self.convolutions = nn.Sequential(*layers)
        self.hidden = nn.Linear(channels * (size // 16) ** 2, HIDDEN)
        self.out = nn.Linear(HIDDEN, sum(HEADS.values()))
        nn.init.normal_(self.out.weight, std=0.01)
        with torch.no_grad():
            straight, ones, zeros = torch.tensor(STRAIGHT), torch.ones(2), torch.zeros(2)
            self.out.bias.copy_(torch.cat([straight, mean.flatten(), torch.zeros(3), ones, zeros]))

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """(B, 68, 3) posed shape and (B, 68, 2) its picture (box units) for keypoints (B, 68, 2) in box units."""
        features = self.convolutions(heat_maps(source, self.size))
        values = self.out(torch.relu(self.hidden(features.flatten(1)))).float()
        pose, shape, shift, focal, centre = values.split(list(HEADS.values()), dim=1)
        turned = shape.unflatten(1, (KEYPOINTS, 3)) @ rotation(torch.tanh(pose)).mT + shift[:, None]
        return turned, turned[..., :2] * focal[:, None] + centre[:, None]


class AignCritic(nn.Module):
    """Whether a 3D shape is a face's: keypoints in 3D → a logit."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in pairwise(CRITIC_SIZES):
            layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Linear(CRITIC_SIZES[-1], 1))

    def forward(self, points: Tensor) -> Tensor:
        """(B,) logits of (B, 68, 3) in box units, higher = truer."""
        return self.layers(points.flatten(1) / SPREAD)[:, 0]


def heat_maps(points: Tensor, size: int = SIZE) -> Tensor:
    """(B, K, size, size): a Gaussian of 1 pixel, cut at 4, around each of (B, K, 2) in box units (-0.5 … 0.5)."""
    pixels = torch.arange(size, device=points.device) + 0.5
    away = pixels - (points[..., None] + 0.5) * size
    across, down = (torch.exp(-(away**2) / (2 * SIGMA**2)) * (away.abs() <= WINDOW)).unbind(dim=2)
    return down[..., :, None] * across[..., None, :]
