"""Bringing frames to the one size that an encoder or a device was opened with."""

from __future__ import annotations

import cv2
import numpy as np

from realtime.frame import Pixels


def even(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) rounded up to even numbers: chroma is stored at half the size."""
    return size[0] + size[0] % 2, size[1] + size[1] % 2


def fit(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    """(H, W, 3) → (height, width, 3) for `size` = (width, height).

    A picture that lacks one row or column repeats its last one; any other size is scaled with its shape kept,
    centred, with black bars.
    """
    width, height = size
    down, right = height - pixels.shape[0], width - pixels.shape[1]
    if (down, right) == (0, 0):
        return pixels
    if down in (0, 1) and right in (0, 1):
        return np.pad(pixels, ((0, down), (0, right), (0, 0)), mode="edge")
    left, top, inner_width, inner_height = letterbox((pixels.shape[1], pixels.shape[0]), size)
    shrinks = inner_width < pixels.shape[1]
    inner = cv2.resize(
        pixels, (inner_width, inner_height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    )
    out = np.zeros((height, width, 3), np.uint8)
    out[top : top + inner_height, left : left + inner_width] = inner
    return out


def letterbox(inner: tuple[int, int], outer: tuple[int, int]) -> tuple[int, int, int, int]:
    """x, y, width, height of the largest rectangle of `inner`'s shape centred in `outer` (sizes are width, height)."""
    scale = min(outer[0] / inner[0], outer[1] / inner[1])
    width = min(max(round(inner[0] * scale), 1), outer[0])
    height = min(max(round(inner[1] * scale), 1), outer[1])
    return (outer[0] - width) // 2, (outer[1] - height) // 2, width, height
