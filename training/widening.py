"""Begins a wide network as what a narrow one of the same kind has learnt (Net2WiderNet, Chen et al. 2016).

Every channel of the narrow network stands for several of the wide one, side by side. What reads them shares its weights
out among them, in unequal parts, so that the wide network says the same at first, yet no two of its channels learn
alike. Channels are repeated in place; so joined, split, added and compared features keep their partners.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from realtime.errors import InputError

UNEQUAL = 0.5  # a copy's share differs from the equal one by up to this part of it


def widen(wide: nn.Module, narrow: dict[str, Tensor]) -> nn.Module:
    """`wide` with the weights of a narrow network.

    Args:
        wide: convolutions, transposed ones, linear layers behind single values and normalisations; not grouped.
        narrow: state of a network of the same kind, whose numbers of channels go into the wide one's without rest.

    Raises:
        InputError: `narrow` lacks a weight, or numbers of channels do not go into each other.
    """
    transposed = {f"{name}.weight" for name, part in wide.named_modules() if isinstance(part, nn.ConvTranspose2d)}
    with torch.no_grad():
        for name, weights in wide.state_dict().items():  # shares its memory with the network
            if not weights.is_floating_point():  # it counts batches, and is not exported
                continue
            if name not in narrow:
                raise InputError(f"The narrow network has no {name}.")
            known = narrow[name]
            if name in transposed:  # whose first axis is what they read
                weights, known = weights.transpose(0, 1), known.transpose(0, 1)
            weights.copy_(_repeated(name, known, weights.shape))
    return wide


def _repeated(name: str, weights: Tensor, shape: torch.Size) -> Tensor:
    for axis, (have, want) in enumerate(zip(weights.shape, shape, strict=True)):
        times, rest = divmod(want, have)
        if rest:
            raise InputError(f"{name} is {tuple(weights.shape)}, of which {tuple(shape)} is no multiple.")
        weights = weights.repeat_interleave(times, dim=axis)
        if axis == 1 and times > 1:
            rows = weights.shape[0]
            parts = 1 + UNEQUAL * (2 * torch.rand(rows, have, times) - 1)
            parts = (parts / parts.sum(dim=2, keepdim=True)).reshape(rows, want, *[1] * (weights.ndim - 2))
            weights = weights * parts.to(weights.dtype)
    return weights
