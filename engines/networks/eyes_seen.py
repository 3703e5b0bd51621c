"""Whether a face's eyes can be seen: a handful of separable convolutions over their surroundings, and one answer."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from engines.networks.detector import Separable, conv

SIZE = 64  # side of the input crop, pixels (`realtime.geometry.crops.eyes_crop`)


class EyesSeen(nn.Module):
    """(B, 1, S, S) grey 0..255 → (B, 1, 1, 1) in 0..1, how surely no lenses hide the eyes.

    Args:
        widths: channels at strides 2, 4, 8 and 16.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 48, 64)) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(1, widths[0], 3, 2), nn.ReLU())
        self.stages = nn.Sequential(
            *(nn.Sequential(conv(a, b, 3, 2), nn.ReLU(), Separable(b), Separable(b)) for a, b in pairwise(widths))
        )
        cells = (SIZE // 2 ** len(widths)) ** 2
        self.out = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(cells * widths[-1], 1))

    def logits(self, image: Tensor) -> Tensor:
        """(B, 1) of `image` as in `forward`, before the sigmoid."""
        return self.out(self.stages(self.stem(image / 64 - 2)))

    def forward(self, image: Tensor) -> Tensor:
        return torch.sigmoid(self.logits(image))[:, :, None, None]
