"""A network that looks at crops of a picture, in grey or colour as it takes them."""

from __future__ import annotations

from collections.abc import Sequence

from engines import Engine
from engines.runtime.base import Array
from realtime.frame import Pixels
from realtime.geometry.crops import Crop


class CropNet:
    """Runs it on this computer's pictures.

    Args:
        engine: of (B, C, S, S) crops in 0..255, C 1 or 3, to (B, K, S, S).

    Attributes:
        size: S.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        _, self._planes, self.size, _ = engine.spec.inputs[0].shape

    def __call__(self, pixels: Pixels, crops: Sequence[Crop]) -> Array:
        """(N, K, S, S) float32: its answers on N crops, 1 to 16, of (H, W, 3) RGB; the next call overwrites them."""
        buffers = self._engine.bind(len(crops))
        for row, crop in zip(buffers.inputs[0], crops, strict=True):
            row[:] = crop.cut(pixels, grey=self._planes == 1).reshape(*row.shape[1:], -1).transpose(2, 0, 1)
        self._engine.run()
        return buffers.outputs[0]
