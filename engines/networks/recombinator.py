"""The live landmark network: a small Recombinator Network (Honari et al., CVPR 2016).

Coarse-to-fine: every decoder level sees the concatenation of the encoder's map at that level and the upsampled
coarser level, and the last one gives a heat-map per keypoint, trained as a softmax over positions. Against the
publication (`engines.networks.rcn` is that network): other widths on a stride-4 grid, batch norm, a local soft-argmax
instead of the hard one (which would quantise to the grid), a confidence per point and an "is this a face" score.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from realtime.geometry.topology import KEYPOINTS

SIZE = 112  # side of the input crop, pixels
STRIDE = 4  # heat-map cell, pixels
GRID = SIZE // STRIDE
# No logit comes near it. But where OpenVINO multiplies in bfloat16, it rounds a convolution's result to that as well,
# unless more follows at once: with this the heat-maps stay float32, and the points move half as much.
BOUND = 100.0
WINDOW = 2  # the soft-argmax averages over the cells at most this far from the peak, in x and in y


def block(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch norm, ReLU."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


class Recombinator(nn.Module):
    """(B, 1, 112, 112) grey 0..255 → points (B, 81, 2) crop pixels, confidence (B, 81), face (B,), both in 0..1.

    Args:
        widths: channels of the encoder at strides 2, 4, 8, 16 and 32.
        fine: channels of the decoder at strides 8 and 4.
    """

    def __init__(self, widths: tuple[int, ...] = (24, 48, 96, 144, 192), fine: int = 80) -> None:
        super().__init__()
        w2, w4, w8, w16, w32 = widths
        self.stem = block(1, w2, stride=2)
        self.encode4 = nn.Sequential(block(w2, w4, stride=2), block(w4, w4))
        self.encode8 = nn.Sequential(block(w4, w8, stride=2), block(w8, w8))
        self.encode16 = nn.Sequential(block(w8, w16, stride=2), block(w16, w16))
        self.encode32 = nn.Sequential(block(w16, w32, stride=2), block(w32, w32), block(w32, w16, 1))
        self.decode16 = block(2 * w16, w16)
        self.decode8 = nn.Sequential(block(w8 + w16, fine, 1), block(fine, fine))
        self.decode4 = nn.Sequential(block(w4 + fine, fine, 1), block(fine, fine))
        self.heat = nn.Conv2d(fine, KEYPOINTS, 1)
        self.doubt = nn.Linear(w16, KEYPOINTS)
        self.focus = nn.Parameter(torch.zeros(KEYPOINTS))
        self.face = nn.Linear(w16, 1)

    def heat_maps(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Heat-map logits (B, 81, 28, 28) and the pooled coarse features (B, w16) of the input picture."""
        fine2 = self.stem(image / 64 - 2)
        fine4 = self.encode4(fine2)
        fine8 = self.encode8(fine4)
        fine16 = self.encode16(fine8)
        coarse = self.encode32(fine16)
        level16 = self.decode16(torch.cat([fine16, _upsample(coarse, GRID // 4)], dim=1))
        level8 = self.decode8(torch.cat([fine8, _upsample(level16, GRID // 2)], dim=1))
        level4 = self.decode4(torch.cat([fine4, _upsample(level8, GRID)], dim=1))
        return self.heat(level4).clamp(-BOUND, BOUND), level16.mean(dim=(2, 3))

    def read(self, heat: Tensor, features: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Points in crop pixels, and the logits of confidence and face, of `heat_maps`' result."""
        points, mass = local_soft_argmax(heat)
        mass = mass.detach()  # the confidence reads the map's sharpness, it must not shape it
        confidence = self.doubt(features) + functional.softplus(self.focus) * torch.log(mass / (1.0001 - mass))
        return points, confidence, self.face(features)[:, 0]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        points, confidence, face = self.read(*self.heat_maps(image))
        return points, torch.sigmoid(confidence), torch.sigmoid(face)


def _upsample(maps: Tensor, size: int) -> Tensor:
    """Nearest-neighbour to (B, C, size, size), as in the publication."""
    return functional.interpolate(maps, size=(size, size), mode="nearest")


def local_soft_argmax(heat: Tensor) -> tuple[Tensor, Tensor]:
    """Sub-cell position of the highest peak of each map.

    Args:
        heat: (B, K, 28, 28) logits.

    Returns:
        points (B, K, 2): the mean position, in crop pixels, under the softmax of the cells around the peak.
        mass (B, K): the share of the whole softmax in that window, in (0, 1].
    """
    chances = functional.softmax(heat.flatten(2), dim=2).reshape(heat.shape)
    # the peak's column and row apart: an argmax over 28 is much cheaper than over 784 in the runtimes
    peak_x = chances.amax(dim=2).argmax(dim=2, keepdim=True).to(heat.dtype)
    peak_y = chances.amax(dim=3).argmax(dim=2, keepdim=True).to(heat.dtype)
    cell = torch.arange(heat.shape[3], device=heat.device, dtype=heat.dtype)
    near_x = ((cell - peak_x).abs() <= WINDOW).to(heat.dtype)
    near_y = ((cell - peak_y).abs() <= WINDOW).to(heat.dtype)
    window = chances * near_x[:, :, None, :] * near_y[:, :, :, None]
    mass = window.sum(dim=(2, 3))
    centres = STRIDE * cell + (STRIDE - 1) / 2
    x = (window.sum(dim=2) * centres).sum(dim=2) / mass
    y = (window.sum(dim=3) * centres).sum(dim=2) / mass
    return torch.stack([x, y], dim=2), mass
