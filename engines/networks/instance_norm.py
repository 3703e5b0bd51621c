"""Instance norm (Ulyanov et al. 2016) of each picture alone, without learned scale, quick on single pictures."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class InstanceNorm(nn.InstanceNorm2d):
    """(B, C, H, W) to mean 0 and variance 1 of every channel of every picture."""

    def forward(self, x: Tensor) -> Tensor:
        if len(x) == 1:  # a batch norm by its own statistics, which keeps the memory's layout: a sixth to a quarter of
            return functional.batch_norm(x, None, None, training=True, eps=self.eps)  # a CycleGAN's step
        return super().forward(x)
