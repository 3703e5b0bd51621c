"""The live repair generator: makes a warped face belong to the picture around it, as a masked residual.

A small U-Net (after Ronneberger et al. 2015) without normalisation: what it does to a pixel does not depend on the
brightness or contrast of the rest of the tile, which would make colours pump. It works at half the tile's resolution or
less and gives a residual, so that detail comes from the input, not through the network. The coarsest level is at stride
8 of the reduced tile and looks around by dilation: a tile that moves by such a step is repaired as it was before. The
last layer starts at zero: an untrained network changes nothing.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = 5  # red, green, blue, confidence, mask
BASE = 128  # the side at which tiles are looked at; larger ones are reduced to it
# The most a colour may change, of 0..1. What a network would change by more it has taken for something else: deep
# wrinkles for bad light, and the face gets blotches.
LIMIT = 12 / 255


def block(inputs: int, outputs: int, stride: int = 1, dilation: int = 1) -> nn.Sequential:
    """3x3 convolution and ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, stride, dilation, dilation), nn.ReLU(inplace=True))


class Repair(nn.Module):
    """Tile (B, 5, S, S) → repaired (B, 3, S, S), both in 0..1.

    Tile: the composite's red, green and blue, the warp's confidence, and the mask of what may change. Repaired is
    composite + mask · residual: the very input where the mask is 0.

    Args:
        width: channels at stride 2; strides 4 and 8 have 2 and 3 times as many.
        reduce: how many pixels of the tile become one of the network's, in x and in y: 1 or 2; S is a multiple of
            8 · reduce.
    """

    def __init__(self, width: int = 24, reduce: int = 1) -> None:
        super().__init__()
        w2, w4, w8 = width, 2 * width, 3 * width
        self.width, self.reduce = width, reduce
        self.encode2 = nn.Sequential(nn.Conv2d(CHANNELS, w2, 4, 2, 1), nn.ReLU(inplace=True))
        self.encode4 = nn.Sequential(block(w2, w4, 2), block(w4, w4))
        self.encode8 = nn.Sequential(block(w4, w8, 2), block(w8, w8))
        self.near, self.far = block(w8, w8, dilation=2), block(w8, w8, dilation=4)
        self.decode8 = block(w8, w8)
        self.rise4 = nn.Conv2d(w8, w4, 1)
        self.decode4 = block(w4, w4)
        self.rise2 = nn.Conv2d(w4, w2, 1)
        self.decode2 = block(w2, w2)
        self.head = nn.Conv2d(w2, 3 * 4, 3, 1, 1)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # without norms, smaller weights let the signal die away
                nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def residual(self, tile: Tensor) -> Tensor:
        """(B, 3, S, S) what to add where the mask is 1, within ±`LIMIT`."""
        small = _resized(tile, 1 / self.reduce) if self.reduce > 1 else tile
        fine2 = self.encode2(small)
        fine4 = self.encode4(fine2)
        fine8 = self.encode8(fine4)
        around = fine8 + self.near(fine8)
        level8 = self.decode8(around + self.far(around))
        level4 = self.decode4(fine4 + _twice(self.rise4(level8)))
        level2 = self.decode2(fine2 + _twice(self.rise2(level4)))
        residual = LIMIT * torch.tanh(functional.pixel_shuffle(self.head(level2), 2) / LIMIT)
        if self.reduce == 1:
            return residual
        return _resized(residual, self.reduce)

    def forward(self, tile: Tensor) -> Tensor:
        composite, mask = tile[:, :3], tile[:, 4:]
        return torch.clamp(composite + mask * self.residual(tile), 0, 1)


def _resized(maps: Tensor, scale: float) -> Tensor:
    """Bilinear; to the half, that is the mean of four pixels."""
    return functional.interpolate(maps, scale_factor=float(scale), mode="bilinear", align_corners=False)


def _twice(maps: Tensor) -> Tensor:
    """Twice as large, nearest neighbour."""
    return functional.interpolate(maps, scale_factor=2.0, mode="nearest")
