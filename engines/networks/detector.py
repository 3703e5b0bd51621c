"""Our face detector: a thin residual trunk, a feature pyramid and one anchor-free head per stride.

The head follows FCOS (Tian et al. 2019, centre sampling, one prediction per cell) with the box as centre and log size
instead of four distances, and the joint quality/class score of generalised focal loss (Li et al. 2020, section 3.1).
The box is the bounding box of the 68 landmarks, brows to chin, also where part of it lies outside the picture.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

SIDE = 320  # the deployed input side in pixels
STRIDES = (8, 16, 32)
# A level predicts sizes and eye offsets in units of this many cells: about the middle of the sizes it answers for.
CELLS = 3.0


def conv(inputs: int, outputs: int, side: int = 3, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """Convolution and batch norm, no activation."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, side, stride, side // 2, groups=groups, bias=False), nn.BatchNorm2d(outputs)
    )


class Residual(nn.Module):
    """Two 3x3 convolutions around a shortcut (He et al. 2016)."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.first = conv(inputs, outputs, 3, stride)
        self.second = conv(outputs, outputs)
        same = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if same else conv(inputs, outputs, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.second(functional.relu(self.first(x))) + self.shortcut(x))


class Separable(nn.Module):
    """Depthwise 3x3, pointwise, ReLU."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.depthwise = conv(width, width, 3, 1, width)
        self.pointwise = conv(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.pointwise(self.depthwise(x)))


class Head(nn.Module):
    """(B, C, h, w) features → (B, h·w, 9) for `DetectorNet.decode`: score logit, dx, dy, log w, log h, eyes x y x y."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(Separable(width), Separable(width))
        self.out = nn.Conv2d(width, 9, 1)
        nn.init.normal_(self.out.weight, std=0.01)
        nn.init.zeros_(self.out.bias)
        nn.init.constant_(self.out.bias[:1], -4.6)  # a prior of 1 % faces: the first steps would drown in background

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.body(x)).flatten(2).transpose(1, 2)


class DetectorNet(nn.Module):
    """Grey picture → boxes, scores and eye centres, one per cell of the strides 8, 16 and 32.

    Args of the constructor:
        widths: channels at the strides 2, 4, 8, 16 and 32.
        neck: channels of the pyramid and the heads.
    """

    def __init__(self, widths: tuple[int, int, int, int, int] = (16, 24, 32, 48, 64), neck: int = 48) -> None:
        super().__init__()
        two, four, eight, sixteen, thirty_two = widths
        self.stem = nn.Sequential(conv(1, two, 3, 2), nn.ReLU(), conv(two, four, 3, 2), nn.ReLU())
        self.stage3 = nn.Sequential(conv(four, eight, 3, 2), nn.ReLU(), Residual(eight, eight), Residual(eight, eight))
        self.stage4 = nn.Sequential(Residual(eight, sixteen, 2), Residual(sixteen, sixteen))
        self.stage5 = nn.Sequential(Residual(sixteen, thirty_two, 2), Residual(thirty_two, thirty_two))
        self.lateral = nn.ModuleList(conv(width, neck, 1) for width in (eight, sixteen, thirty_two))
        self.smooth = nn.ModuleList(Separable(neck) for _ in STRIDES)
        self.heads = nn.ModuleList(Head(neck) for _ in STRIDES)

    def raw(self, image: Tensor) -> Tensor:
        """(B, 1, H, W) grey 0..255, H and W multiples of 32 → (B, N, 9) undecoded predictions, fine strides first."""
        x = torch.sqrt(image * (1 / 255)) - 0.5  # the root opens up dark pictures
        eight = self.stage3(self.stem(x))
        sixteen = self.stage4(eight)
        levels = [side(x) for side, x in zip(self.lateral, (eight, sixteen, self.stage5(sixteen)), strict=True)]
        top = self.smooth[2](levels[2])
        middle = self.smooth[1](levels[1] + functional.interpolate(top, scale_factor=2.0))
        fine = self.smooth[0](levels[0] + functional.interpolate(middle, scale_factor=2.0))
        return torch.cat([head(x) for head, x in zip(self.heads, (fine, middle, top), strict=True)], dim=1)

    @staticmethod
    def cells(height: int, width: int) -> Tensor:
        """(N, 3) centre x, y in input pixels and stride of every cell, in the order of the predictions."""
        grids = []
        for stride in STRIDES:
            y, x = torch.meshgrid(torch.arange(height // stride), torch.arange(width // stride), indexing="ij")
            centres = torch.stack([x, y], dim=-1).reshape(-1, 2) * stride + (stride - 1) / 2
            grids.append(torch.cat([centres, torch.full((centres.shape[0], 1), float(stride))], dim=1))
        return torch.cat(grids)

    @staticmethod
    def decode(raw: Tensor, cells: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, N, 9) predictions of (N, 3) cells → boxes (B, N, 4) x y w h, scores (B, N), eyes (B, N, 4), input pixels.

        A box runs between pixel edges as in the data: x and y are its smallest coordinates, w and h the extent.
        """
        centre, stride = cells[:, :2], cells[:, 2:]
        middle = centre + stride * raw[..., 1:3]
        size = CELLS * stride * torch.exp(raw[..., 3:5].clamp(-4.0, 4.0))
        boxes = torch.cat([middle - 0.5 * size, size], dim=-1)
        eyes = torch.cat([centre, centre], dim=1) + CELLS * stride * raw[..., 5:9]
        return boxes, torch.sigmoid(raw[..., 0]), eyes

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 1, H, W) grey 0..255 → boxes (B, N, 4), scores (B, N), eyes (B, N, 4) as `decode` gives them."""
        cells = self.cells(image.shape[-2], image.shape[-1]).to(image.device)
        return self.decode(self.raw(image), cells)
