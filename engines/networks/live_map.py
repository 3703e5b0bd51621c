"""A small network from picture to map, for the live loop: separable convolutions down and up, skips added."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn
from torch.nn import functional

from engines.networks.detector import Separable, conv


class LiveMap(nn.Module):
    """Starts at half the size, doubles its last map bilinearly.

    Args:
        inputs, outputs: channels.
        widths: channels at 1/2, 1/4, ... of the size.
    """

    def __init__(self, inputs: int, outputs: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(inputs, widths[0], 3, 2), nn.ReLU(), _Residual(widths[0]))
        self.down = nn.ModuleList(
            nn.Sequential(conv(a, a, 3, 2, groups=a), conv(a, b, 1), nn.ReLU(), _Residual(b), _Residual(b))
            for a, b in pairwise(widths)
        )
        self.up = nn.ModuleList(conv(b, a, 1) for a, b in pairwise(widths))
        self.smooth = nn.ModuleList(nn.Sequential(_Residual(a), _Residual(a)) for a in widths[:-1])
        self.out = nn.Conv2d(widths[0], outputs, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, outputs, H, W) of (B, inputs, H, W), any size."""
        features = self.stem(x)
        seen = [features]
        for layer in self.down:
            features = layer(features)
            seen.append(features)
        for number in reversed(range(len(self.up))):
            finer = seen[number]
            wide = functional.interpolate(self.up[number](features), size=finer.shape[-2:], mode="nearest")
            features = self.smooth[number](functional.relu(wide + finer))
        return functional.interpolate(self.out(features), size=x.shape[-2:], mode="bilinear", align_corners=False)


class _Residual(nn.Module):
    """A separable convolution beside a shortcut."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.layer = Separable(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layer(x)
