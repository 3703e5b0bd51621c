"""What lies in front of a face: a small U-Net (Ronneberger et al. 2015) from the face's crop to a mask.

The mask is twice as fine as the finest features: each of their cells answers for its four pixels (sub-pixel
convolution, Shi et al. 2016), so that a rim of one pixel is drawn, and nothing is computed at full resolution.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIZE = 128  # side of the input crop and of the mask, pixels


def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, (kernel - 1) // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class OcclusionNet(nn.Module):
    """(B, 3, S, S) RGB 0..255 → (B, 1, S, S) in 0..1, how surely a pixel belongs to something in front of the face.

    S is a multiple of 16. Outside the face the answer means nothing.

    Args:
        widths: channels at strides 2, 4, 8 and 16.
    """

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 128, 192)) -> None:
        super().__init__()
        w2, w4, w8, w16 = widths
        self.encode2 = block(3, w2, kernel=4, stride=2)
        self.encode4 = nn.Sequential(block(w2, w4, stride=2), block(w4, w4))
        self.encode8 = nn.Sequential(block(w4, w8, stride=2), block(w8, w8))
        self.encode16 = nn.Sequential(block(w8, w16, stride=2), block(w16, w16))
        self.lateral8, self.decode8 = block(w16, w8, 1), block(w8, w8)
        self.lateral4, self.decode4 = block(w8, w4, 1), block(w4, w4)
        self.lateral2, self.decode2 = block(w4, w2, 1), block(w2, w2)
        self.out = nn.Conv2d(w2, 4, 1)
        nn.init.constant_(self.out.bias, -2.0)  # most of a face is free

    def logits(self, image: Tensor) -> Tensor:
        """(B, 1, S, S) of `image` as in `forward`, before the sigmoid."""
        two = self.encode2(image / 64 - 2)
        four = self.encode4(two)
        eight = self.encode8(four)
        x = self.decode8(eight + _upsampled(self.lateral8(self.encode16(eight))))
        x = self.decode4(four + _upsampled(self.lateral4(x)))
        x = self.decode2(two + _upsampled(self.lateral2(x)))
        return functional.pixel_shuffle(self.out(x), 2)

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(image))


def _upsampled(maps: Tensor) -> Tensor:
    return functional.interpolate(maps, scale_factor=2.0)
