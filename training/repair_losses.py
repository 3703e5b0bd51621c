"""The terms of the repair network's loss. Pictures (B, 3, S, S) and masks (B, 1, S, S), all in 0..1.

Every term is weighted by where the network may change anything, so that its size does not depend on how much of a tile
the face fills.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

import engines
from engines.networks.recombinator import Recombinator
from training.adversarial import least_squares, weighted_mean
from training.export import load_weights

SEAM = 3.0  # how much more a pixel of the seam counts
DETAIL = 8  # pixels: what averaging over squares of this side leaves out is detail
GENTLE = 0.04  # distances below that count as their square
LUMA = (0.299, 0.587, 0.114)


class Features(nn.Module):
    """What our own landmark network sees at strides 4 and 8 of (B, 3, S, S) pictures; its weights stay as they are."""

    def __init__(self) -> None:
        super().__init__()
        net = load_weights(Recombinator(), engines.WEIGHTS / "landmarks.onnx")
        self.stem, self.encode4, self.encode8 = net.stem, net.encode4, net.encode8
        self.requires_grad_(False)

    def train(self, mode: bool = True) -> Features:
        return super().train(False)  # its norms keep what they learned

    def forward(self, picture: Tensor) -> tuple[Tensor, Tensor]:
        luma = torch.tensor(LUMA, device=picture.device).reshape(1, 3, 1, 1)
        fine4 = self.encode4(self.stem(255 * (picture * luma).sum(dim=1, keepdim=True)))
        return fine4, self.encode8(fine4)


def emphasis(mask: Tensor, confidence: Tensor) -> Tensor:
    """Weight of each pixel: the mask, and four times that where the warp gives way to the frame."""
    soft = functional.avg_pool2d(confidence, 5, 1, 2, count_include_pad=False)
    return mask * (1 + SEAM * 4 * soft * (1 - soft))


def pixel_loss(made: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Mean absolute distance."""
    return weighted_mean((made - target).abs(), weight)


def perceptual_loss(features: nn.Module, made: Tensor, target: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute distance of features, each stage in units of its mean activation (after Johnson et al. 2016)."""
    with torch.no_grad():
        wanted = [maps.float() for maps in features(target)]
    terms = []
    for maps, want in zip(features(made), wanted, strict=True):
        weight = functional.adaptive_avg_pool2d(mask, want.shape[2:])
        terms.append(weighted_mean((maps.float() - want).abs(), weight) / want.abs().mean().clamp(min=1e-6))
    return torch.stack(terms).mean()


def temporal_loss(made: tuple[Tensor, Tensor], target: tuple[Tensor, Tensor], mask: Tensor) -> Tensor:
    """What changes from one frame to the next shall be what changes in the truth, no more and no less.

    Args:
        made, target: (B, 3, H, W) of the one frame and of the other, laid over each other.
        mask: of both.
    """
    return weighted_mean(gentle((made[1] - made[0]) - (target[1] - target[0])), mask)


def detail_loss(made: Tensor, composite: Tensor, weight: Tensor) -> Tensor:
    """How much detail of the composite was lost or added: mean distance of what averaging leaves out."""
    return weighted_mean(gentle(detail(made) - detail(composite)), weight)


def change_loss(made: Tensor, composite: Tensor, weight: Tensor) -> Tensor:
    """How much was changed at all: mean distance from the composite."""
    return weighted_mean(gentle(made - composite), weight)


def gentle(difference: Tensor) -> Tensor:
    """Absolute values, but squared where small (Huber 1964).

    For the terms that a network which changes nothing meets perfectly: the kink of the absolute value would keep it
    there.
    """
    return functional.smooth_l1_loss(difference, torch.zeros_like(difference), reduction="none", beta=GENTLE)


def detail(picture: Tensor) -> Tensor:
    """What is left of a picture when its local means are taken away."""
    coarse = functional.avg_pool2d(picture, DETAIL)
    return picture - functional.interpolate(coarse, size=picture.shape[2:], mode="bilinear", align_corners=False)


def flattery_loss(critic: nn.Module, made: Tensor, mask: Tensor) -> Tensor:
    """The generator's: patches in the mask should pass for real."""
    scores = critic(made)
    return least_squares(scores, 1.0, patches(mask, scores))


def critic_loss(critic: nn.Module, real: Tensor, made: Tensor, mask: Tensor) -> Tensor:
    """The critic's: real patches 1, made ones 0, where the mask is (of the made ones; real faces lie about there)."""
    scores = critic(torch.cat([real, made.detach()])).chunk(2)
    weight = patches(mask, scores[0])
    return 0.5 * (least_squares(scores[0], 1.0, weight) + least_squares(scores[1], 0.0, weight))


def patches(mask: Tensor, scores: Tensor) -> Tensor:
    """(B, 1, s, s) the mask at the patches of scores."""
    return functional.adaptive_avg_pool2d(mask, scores.shape[2:])


def shifted_pair(one: Tensor, other: Tensor, shift: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """The parts of two (B, C, S, S) tiles that show the same: `other` was cut `shift` (x, y) pixels further on."""
    (x0, x1), (y0, y1) = (_overlap(step, size) for step, size in zip(shift, (one.shape[3], one.shape[2]), strict=True))
    return one[:, :, y0, x0], other[:, :, y1, x1]


def _overlap(step: int, size: int) -> tuple[slice, slice]:
    return slice(max(step, 0), size + min(step, 0)), slice(max(-step, 0), size + min(-step, 0))
