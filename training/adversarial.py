"""Two players in one module: a generator and the critic it is trained against, and losses of such games.

`training.run.fit` trains one module by one loss. `Duel` is that module and the sum of both players' losses that one:
the critic's loss sees what the generator made as data, the generator's sees a critic that is held still, so that one
backward pass gives each player its own gradient and one optimiser (whose state is per weight) moves both. Averages,
checkpoints and resuming hold for both without more code.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Duel(nn.Module):
    """A generator and its critic."""

    def __init__(self, generator: nn.Module, critic: nn.Module) -> None:
        super().__init__()
        self.generator, self.critic = generator, critic


@contextmanager
def held(module: nn.Module) -> Iterator[None]:
    """Inside, gradients pass through the module but do not reach its weights."""
    module.requires_grad_(False)
    try:
        yield
    finally:
        module.requires_grad_(True)


def zero_centred_penalty(scores: Tensor, *real: Tensor) -> Tensor:
    """Mean over the batch of |∂ score / ∂ real|², differentiable in the critic's weights.

    Args:
        scores: (B,) the critic's scores of true samples, the only place where the publication asks it to be flat.
        real: what they are made of, (B, ...) each and with `requires_grad`.
    """
    gradients = torch.autograd.grad(scores.sum(), real, create_graph=True)
    return torch.stack([gradient.flatten(1).square().sum(dim=1) for gradient in gradients]).sum(dim=0).mean()


def least_squares(scores: Tensor, truth: float, weight: Tensor | None = None) -> Tensor:
    """LSGAN (Mao et al. 2017): mean squared distance of scores from what they should all be.

    Args:
        scores: any shape; in float32, whatever they are given as.
        truth: 1 for real, 0 for made.
        weight: of each score, broadcast; None counts all alike.
    """
    distance = (scores.float() - truth).square()
    return distance.mean() if weight is None else weighted_mean(distance, weight)


def weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    """Mean of values under weights of a shape that broadcasts to theirs; 0 where all weights are."""
    weight = weight.expand_as(values)
    return (values * weight).sum() / weight.sum().clamp(min=1e-6)
