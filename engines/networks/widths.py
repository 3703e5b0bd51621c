"""The width multiplier of Howard et al. 2017: a published network with a share of its channels."""

from __future__ import annotations


def scaled(widths: tuple[int, ...], share: float) -> tuple[int, ...]:
    """The numbers of channels `widths` times `share`, each rounded to a whole number, and at least 1."""
    return tuple(max(1, round(share * width)) for width in widths)
