"""The patch discriminator of pix2pix and CycleGAN (Isola et al., Zhu et al., both 2017): real or made, by patches."""

from __future__ import annotations

from torch import Tensor, nn

from engines.networks.instance_norm import InstanceNorm


class PatchCritic(nn.Module):
    """(B, C, S, S) pictures → (B, 1, s, s) a score for every patch: 1 real, 0 made.

    4x4 convolutions and LeakyReLU 0.2: `strided` of stride 2 with width, 2 width, 4 width, … channels, one of stride 1
    with twice as many again, and one that gives the score. Three strided ones see patches of 70 pixels, two of 34.

    Args:
        inputs: C.
        width: channels of the first layer, 64 in the publication.
        strided: how many layers halve the picture.
        normalised: instance norm after every layer but the first and the last, as published; of each picture.
    """

    def __init__(self, inputs: int = 3, width: int = 64, strided: int = 3, normalised: bool = True) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(0.2)]
        channels = width
        for stride in [2] * (strided - 1) + [1]:
            layers.append(nn.Conv2d(channels, 2 * channels, 4, stride, 1))
            layers += [InstanceNorm(2 * channels)] if normalised else []
            layers.append(nn.LeakyReLU(0.2))
            channels *= 2
        self.layers = nn.Sequential(*layers, nn.Conv2d(channels, 1, 4, 1, 1))

    def forward(self, picture: Tensor) -> Tensor:
        return self.layers(picture)
