"""Whose face it is: an aligned face becomes a unit vector; faces of one person lie close together.

What is described in it is known before: by the first stages of the landmark network's encoder, which have looked at
faces for hours, and by oriented gradients (Dalal and Triggs 2005), which differ much from them and need no training at
all. What is learned of names is one projection of both, and then both together with it (`training.recipes.identity`).
So a few thousand names and an hour of one processor core are enough for it.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.recombinator import block

SIZE = 112  # side of the aligned crop, pixels
DIMENSIONS = 128
ORIENTATIONS = 8
CELL = 8  # pixels; oriented gradients are averaged over such cells
GRID = 7  # the encoder's maps are averaged over so many places across and down
COLOUR_GRID = 4
WIDTHS = (24, 48, 96)  # of the encoder's stages, as the landmark network has them
DESCRIBED = ORIENTATIONS * (SIZE // CELL) ** 2 + WIDTHS[2] * GRID**2
FEATURES = WIDTHS[1] + WIDTHS[2] + ORIENTATIONS + 3 * COLOUR_GRID**2
_LUMA = (0.299, 0.587, 0.114)


class IdentityNet(nn.Module):
    """(B, 3, 112, 112) RGB 0..255 → embedding (B, 128) of length 1, features (B, 200).

    The embedding looks at luma alone, brought to one brightness and contrast: tone and light are not identity, and most
    of what there is to learn from is grey. The features are for comparing sets of pictures: the mean of each map, and
    the colours on a coarse grid.
    """

    def __init__(self) -> None:
        super().__init__()
        self.stem = block(1, WIDTHS[0], stride=2)
        self.encode4 = nn.Sequential(block(WIDTHS[0], WIDTHS[1], stride=2), block(WIDTHS[1], WIDTHS[1]))
        self.encode8 = nn.Sequential(block(WIDTHS[1], WIDTHS[2], stride=2), block(WIDTHS[2], WIDTHS[2]))
        self.project = nn.Linear(DESCRIBED, DIMENSIONS)
        self.register_buffer("luma", torch.tensor(_LUMA)[None, :, None, None])

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        described, means = self.describe(image)
        colours = averaged(image / 255, COLOUR_GRID).flatten(1)
        vector = self.project(described).float()
        # written out: the exporter loses the shape of `functional.normalize`
        length = vector.square().sum(dim=1, keepdim=True).clamp(min=1e-12).sqrt()
        return vector / length, torch.cat([means, colours], dim=1)

    def describe(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """What the projection is of, (B, DESCRIBED), and the mean of each map, (B, 152)."""
        grey = levelled((image * self.luma).sum(dim=1, keepdim=True))
        maps4 = self.encode4(self.stem(grey))
        maps8 = self.encode8(maps4)
        gradients = oriented_gradients(grey)
        coarse = averaged(maps8, GRID)
        described = torch.cat([gradients.flatten(1), coarse.flatten(1)], dim=1)
        return described, torch.cat([maps.mean(dim=(2, 3)) for maps in (maps4, maps8, gradients)], dim=1)


def levelled(image: Tensor) -> Tensor:
    """(B, 1, H, W) with mean 0 and standard deviation 1 over each picture."""
    centred = image - image.mean(dim=(2, 3), keepdim=True)
    return centred / (centred.square().mean(dim=(2, 3), keepdim=True) + 1.0).sqrt()


def oriented_gradients(grey: Tensor) -> Tensor:
    """(B, 8, H / 8, W / 8) how strongly a levelled picture (B, 1, H, W) rises in each of eight directions.

    Averaged over cells, relative to the strength in the cell and its neighbours. The share of a direction falls with
    the third power of the cosine of the angle between, so that it changes smoothly as an edge turns.
    """
    across, down = (_beside(grey, axis) for axis in (3, 2))
    squared = across.square() + down.square() + 1e-6
    angles = torch.arange(ORIENTATIONS, device=grey.device) * (2 * torch.pi / ORIENTATIONS)
    cosine, sine = (wave[None, :, None, None] for wave in (angles.cos(), angles.sin()))
    # |gradient| · cos³ = (gradient · direction)³ / |gradient|²
    along = functional.relu(across * cosine + down * sine)
    cells = averaged(along * along * along / squared, grey.shape[2] // CELL)
    strength = cells.square().sum(dim=1, keepdim=True)
    for axis in (2, 3):
        size = strength.shape[axis]
        first, last = strength.narrow(axis, 0, 1), strength.narrow(axis, size - 1, 1)
        wide = torch.cat([first, strength, last], dim=axis)
        before, here, after = (wide.narrow(axis, start, size) for start in range(3))
        strength = (before + here + after) / 3
    return cells / (strength + 3e-4).sqrt()


def averaged(maps: Tensor, grid: int) -> Tensor:
    """(B, C, grid, grid) means of the equal squares that (B, C, S, S) maps fall into."""
    channels, side = maps.shape[1], maps.shape[2] // grid
    return maps.reshape(-1, channels, grid, side, grid, side).mean(dim=(3, 5))


def _beside(grey: Tensor, axis: int) -> Tensor:
    """The next value along an axis less the one before, 0 at the borders."""
    size = grey.shape[axis] - 2
    inner = grey.narrow(axis, 2, size) - grey.narrow(axis, 0, size)
    border = 0 * grey.narrow(axis, 0, 1)
    return torch.cat([border, inner, border], dim=axis)
