"""An auto-encoder whose decoder is a morphable model: keypoints → weights and pose → keypoints.

It stands in for MOFA (Tewari et al. 2017), whose code is not public: the model-based decoder and the training without
3D labels are MOFA's, but there are keypoints where MOFA has the picture, and no photometric term.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from engines.networks.depthnet import KEYPOINTS, SPREAD, hidden_layer
from engines.networks.rigid import STRAIGHT, rotation


class MorphableAutoencoder(nn.Module):
    """Hidden layers with ReLU as the encoder; a linear face model under scaled orthography as the decoder.

    Args:
        mean: (68, 3) mean face, in box units.
        basis: (N, 68, 3) its directions, per standard deviation.
        width, layers: of the encoder.
    """

    def __init__(self, mean: Tensor, basis: Tensor, width: int = 512, layers: int = 3) -> None:
        super().__init__()
        sizes = [2 * KEYPOINTS, *[width] * layers]
        self.hidden = nn.ModuleList(hidden_layer(nn.Linear(a, b)) for a, b in pairwise(sizes))
        self.out = nn.Linear(width, len(basis) + 9)
        nn.init.normal_(self.out.weight, std=0.01)
        with torch.no_grad():
            straight, zeros = torch.tensor(STRAIGHT), torch.zeros(len(basis))
            self.out.bias.copy_(torch.cat([zeros, straight, torch.zeros(3)]))
        self.register_buffer("mean", mean)
        self.register_buffer("basis", basis)

    def forward(self, source: Tensor) -> tuple[Tensor, Tensor]:
        """From keypoints (B, 68, 2) in box units.

        Returns:
            (B, 68, 3) the decoded face in box units, depth mean-free up to the model's own origin; (B, N) its weights.
        """
        features = source.flatten(1) / SPREAD
        for layer in self.hidden:
            features = torch.relu(layer(features))
        weights, pose, scale, shift = self.out(features).split([len(self.basis), 6, 1, 2], dim=1)
        shape = self.mean + (weights @ self.basis.flatten(1)).unflatten(1, self.mean.shape)
        turned = shape @ rotation(pose).mT * torch.exp(scale)[:, None]
        return torch.cat([turned[..., :2] + shift[:, None], turned[..., 2:]], dim=2), weights
