"""Whether two facial depth maps show one person: the siamese probe of Pini et al. 2018."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

WIDTHS = (1, 32, 64, 128, 256)
CODE = 128


class DepthVerifier(nn.Module):
    """Two columns with the same weights, four times 3x3 convolution and pooling, and a comparison of their codes."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b in pairwise(WIDTHS):
            layers += [nn.Conv2d(a, b, 3, 1, 1, bias=False), nn.BatchNorm2d(b), nn.ReLU(), nn.MaxPool2d(2)]
        self.column = nn.Sequential(*layers, nn.Flatten(), nn.Linear(WIDTHS[-1] * 6 * 6, CODE))
        self.compare = nn.Sequential(nn.Linear(CODE, CODE), nn.ReLU(), nn.Linear(CODE, 1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """(B,) logits, higher = more likely one person, of depths (B, 1, 100, 100) in -1..1."""
        return self.compare((self.column(first) - self.column(second)).abs())[:, 0]
