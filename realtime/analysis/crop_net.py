"""A network that looks at crops of a picture, in grey or colour as it takes them, and one that looks at its faces."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from engines import Engine
from engines.runtime.base import Array
from realtime.frame import Face, Pixels
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


class FaceNet(ABC):
    """Looks at the crops of a frame's faces, all together.

    Args:
        look: runs the network.
    """

    def __init__(self, look: CropNet) -> None:
        self._look = look

    def __call__(self, pixels: Pixels, faces: tuple[Face, ...]) -> tuple[Face, ...]:
        """The faces of a frame of (H, W, 3) RGB `pixels` with what was seen of them, those lost or not lifted aside."""
        crops = {face.id: self._crop(face) for face in faces if not face.lost and face.depth is not None}
        if not crops:
            return faces
        answers = dict(zip(crops, self._look(pixels, list(crops.values())), strict=True))
        return tuple(self._seen(face, crops[face.id], answers[face.id]) if face.id in crops else face for face in faces)

    @abstractmethod
    def _crop(self, face: Face) -> Crop:
        """Where it looks."""

    @abstractmethod
    def _seen(self, face: Face, crop: Crop, answer: np.ndarray) -> Face:
        """The face with its (K, S, S) answer."""
