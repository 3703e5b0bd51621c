"""The denoising model of the Recombinator Networks (Honari et al., CVPR 2016): where points lie, told by the others.

Three 45x45 convolutions over 68 maps of which each has a single 1, at the pixel an estimator put the point; trained to
put points back that were moved to random pixels. `joint` multiplies its distribution with the estimator's. 25.4 M
weights, 163 GMAC a face as it is written down. Here the first layer is a gather, since its input is one-hot, and the
two others go through the Fourier transform, which makes it usable offline on a CPU (0.3 s a face in batches of 8); the
live loop has no use for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.rcn import KEYPOINTS, SIZE, glorot

KERNEL = 45  # side of the large convolutions, pixels


class Denoiser(nn.Module):
    """(B, K) int64 pixel numbers y · size + x → heat-map logits (B, K, size, size).

    Args:
        size: side of the maps.
        kernel: side of the large convolutions, odd.
        width, keypoints: maps of the hidden layers and of input and output. Other than published is for tests.
    """

    def __init__(self, size: int = SIZE, kernel: int = KERNEL, width: int = 64, keypoints: int = KEYPOINTS) -> None:
        super().__init__()
        self.size = size
        self.first = glorot(OneHotConvolution(keypoints, width, kernel, padding=kernel // 2))
        self.second, self.third = (glorot(LargeConvolution(width, width, kernel, padding=kernel // 2)) for _ in "23")
        self.out = glorot(nn.Conv2d(width, keypoints, 1))

    def forward(self, pixels: Tensor) -> Tensor:
        maps = torch.relu(self.first(pixels, self.size))
        maps = torch.relu(self.second(maps))
        return self.out(torch.relu(self.third(maps)))


class OneHotConvolution(nn.Conv2d):
    """A convolution of maps that are 1 at one pixel and 0 elsewhere: its mirrored kernels, moved to those pixels."""

    def forward(self, pixels: Tensor, size: int) -> Tensor:
        """(B, C, size, size) from the pixel numbers (B, K), in place of the (B, K, size, size) maps."""
        kernel = self.weight.shape[-1]
        canvas = size + kernel - 1
        tap = torch.arange(kernel, device=pixels.device)
        corners = pixels // size * canvas + pixels % size
        places = (corners[..., None, None] + tap[:, None] * canvas + tap).flatten(1)
        taps = self.weight.flip(2, 3).permute(1, 2, 3, 0).flatten(0, 2)
        empty = taps.new_zeros(canvas**2, taps.shape[1])
        maps = torch.stack([empty.index_add(0, face, taps) for face in places]).mT.unflatten(2, (canvas, canvas))
        margin = kernel // 2
        return maps[:, :, margin : margin + size, margin : margin + size] + self.bias[:, None, None]


class LargeConvolution(nn.Conv2d):
    """A same-size convolution with a kernel so large that the Fourier transform is much the cheaper way."""

    def forward(self, maps: Tensor) -> Tensor:
        size, margin = maps.shape[-1], self.weight.shape[-1] // 2
        whole = 2 ** (size + margin - 1).bit_length()  # room for what the kernel reaches beyond the edge, as zeros
        spectrum = torch.fft.rfft2(maps.to(self.weight.dtype), (whole, whole))
        kernels = torch.fft.rfft2(self.weight, (whole, whole)).conj()
        answer = torch.fft.irfft2(torch.einsum("bihw,oihw->bohw", spectrum, kernels), (whole, whole))
        # position 0 has the kernel's corner on the first pixel; its middle belongs there
        answer = answer.roll((margin, margin), dims=(2, 3))[:, :, :size, :size]
        return answer + self.bias[:, None, None]


def joint(heat: Tensor, denoised: Tensor) -> Tensor:
    """(B, K, H, W) log-probabilities of the product of two softmax maps, given as logits: their sum, normalised."""
    return functional.log_softmax((heat.float() + denoised.float()).flatten(2), dim=2).reshape(heat.shape)
