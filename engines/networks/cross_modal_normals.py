"""Facial normals from one picture by a latent shared with normal maps (Abrevaya et al. 2020), and a live-size network.

Two encoders (pictures, normal maps), two decoders. The normal decoder's feature at each size is a base and a tail as
wide as the picture encoder's feature there. With a picture the tail becomes the maximum of itself and that feature
(the skip is on); with a normal map it stays what the decoder made (off). Widths never change, so that one set of
weights serves both. All parts take a width multiplier (`engines.networks.widths`), 1 being the published network.
"""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from engines.networks.detector import Residual
from engines.networks.live_map import LiveMap
from engines.networks.widths import scaled

# ResNet-18's from full size (the stem beside it) to 1/32, the latent
ENCODER = (64, 64, 64, 128, 256, 512)
# the normal decoder from 1/16 of the input to all of it: base and tail of what it merges there, and what it ends with
BASES = (512, 512, 256, 256, 128)
TAILS = (256, 128, 64, 64, 64)
LAST = 64
IMAGE_WIDTHS = (512, 256, 256, 128, 64)
LIVE = (32, 64, 128, 208, 240)
LIVE_SIDE = 80  # pixels of the live network's crops


class Encoder(nn.Module):
    """ResNet-18 (He et al. 2016), and beside it a stem at full resolution."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        fine, a, b, c, d, e = scaled(ENCODER, width)
        self.fine = nn.Sequential(nn.Conv2d(3, fine, 3, 1, 1), nn.ReLU(), nn.Conv2d(fine, fine, 3, 1, 1), nn.ReLU())
        self.stem = nn.Sequential(nn.Conv2d(3, a, 7, 2, 3, bias=False), nn.BatchNorm2d(a), nn.ReLU())
        self.quarter = nn.Sequential(nn.MaxPool2d(3, 2, 1), Residual(a, b), Residual(b, b))
        self.eighth = nn.Sequential(Residual(b, c, 2), Residual(c, c))
        self.sixteenth = nn.Sequential(Residual(c, d, 2), Residual(d, d))
        self.latent = nn.Sequential(Residual(d, e, 2), Residual(e, e))

    def forward(self, x: Tensor, for_skips: bool = True) -> tuple[Tensor, list[Tensor]]:
        """The latent (B, C, h/32, w/32), and `for_skips` the features at 1/16, 1/8, 1/4, 1/2 and full size."""
        half = self.stem(x)
        quarter = self.quarter(half)
        eighth = self.eighth(quarter)
        sixteenth = self.sixteenth(eighth)
        seen = [sixteenth, eighth, quarter, half, self.fine(x)] if for_skips else []
        return self.latent(sixteenth), seen


class NormalDecoder(nn.Module):
    """Latent → normals, with the skips where they are given."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.tails = scaled(TAILS, width)
        # what a layer makes is the next one's base and tail; of the last one it is all there is
        entering = [base + tail for base, tail in zip(scaled(BASES, width), self.tails, strict=True)]
        made = [*entering[1:], *scaled((LAST,), width)]
        self.first = nn.Conv2d(*scaled(ENCODER[-1:], width), entering[0], 1)
        self.up = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in zip(entering, made, strict=True))
        # the full-resolution stem enters as it is
        self.skip = nn.ModuleList([*(nn.Conv2d(tail, tail, 1) for tail in self.tails[:-1]), nn.Identity()])
        self.out = nn.Conv2d(made[-1], 3, 1)

    def forward(self, latent: Tensor, seen: list[Tensor] | None = None) -> Tensor:
        """(B, 3, h, w) normals of any length; `seen` are the picture encoder's features, None leaves the skips off."""
        features = self.first(latent)
        for number, (up, skip) in enumerate(zip(self.up, self.skip, strict=True)):
            features = _doubled(features)
            if seen is not None:
                tail_width = self.tails[number]
                base, tail = features.split([features.shape[1] - tail_width, tail_width], dim=1)
                features = torch.cat([base, torch.maximum(tail, skip(seen[number]))], dim=1)
            features = functional.relu(up(features))
        return self.out(features)


class ImageDecoder(nn.Module):
    """Latent → picture; it never sees the encoder's features."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        widths = scaled((ENCODER[-1], *IMAGE_WIDTHS), width)
        self.up = nn.ModuleList(nn.Conv2d(a, b, 3, 1, 1) for a, b in pairwise(widths))
        self.out = nn.Conv2d(widths[-1], 3, 1)

    def forward(self, latent: Tensor) -> Tensor:
        """(B, 3, h, w) about 0..1."""
        features = latent
        for up in self.up:
            features = functional.relu(up(_doubled(features)))
        return self.out(features)


class CrossModalNormals(nn.Module):
    """All four parts. Pictures are (B, 3, h, w) in 0..1, normals unit vectors (x right, y up, z towards the camera)."""

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        self.image_encoder = Encoder(width)
        self.normal_encoder = copy.deepcopy(self.image_encoder)
        self.normal_decoder = NormalDecoder(width)
        self.image_decoder = ImageDecoder(width)

    def normals(self, image: Tensor, skips: bool = True) -> Tensor:
        """Picture → normals of any length; `skips` off is the publication's ablation."""
        latent, seen = self.image_encoder(image, skips)
        return self.normal_decoder(latent, seen if skips else None)

    def image_again(self, image: Tensor) -> Tensor:
        """Picture → latent → picture."""
        return self.image_decoder(self.image_encoder(image, False)[0])

    def normals_again(self, normals: Tensor) -> Tensor:
        """Normal map → latent → normals of any length, without the skips and without the picture encoder."""
        return self.normal_decoder(self.normal_encoder(normals, False)[0])


class PictureToNormals(nn.Module):
    """What is deployed: the picture encoder and the normal decoder, from 0..255 to unit vectors."""

    def __init__(self, whole: CrossModalNormals) -> None:
        super().__init__()
        self.encoder, self.decoder = whole.image_encoder, whole.normal_decoder

    def forward(self, image: Tensor) -> Tensor:
        """(B, 3, h, w) unit normals of pictures (B, 3, h, w) RGB in 0..255, sides multiples of 32."""
        latent, seen = self.encoder(image / 255)
        return functional.normalize(self.decoder(latent, seen), dim=1)


class LiveNormals(nn.Module):
    """The small network. Once trained it looks at the picture and at its mirror image, and says the mean of both."""

    def __init__(self) -> None:
        super().__init__()
        self.map = LiveMap(3, 3, LIVE)

    def forward(self, image: Tensor) -> Tensor:
        """As `PictureToNormals`."""
        picture = image / 127.5 - 1
        seen = functional.normalize(self.map(picture), dim=1)
        if self.training:
            return seen
        backwards = torch.arange(image.shape[3] - 1, -1, -1, device=image.device)
        mirrored = functional.normalize(self.map(picture[..., backwards]), dim=1)
        mirrored = mirrored[..., backwards]
        return functional.normalize(seen + torch.cat([-1.0 * mirrored[:, :1], mirrored[:, 1:]], dim=1), dim=1)


def _doubled(features: Tensor) -> Tensor:
    return functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=True)
