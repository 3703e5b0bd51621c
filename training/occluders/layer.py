"""What is drawn over a face, kept apart from the picture, so that it can be moved over others."""

from __future__ import annotations

import cv2
import numpy as np

from training.occluders.scene import Scene


class Layer(Scene):
    """A scene that also remembers what was drawn on it: any picture p becomes p * `through` + `over`.

    Attributes:
        over: (S, S, 3) float32 RGB 0..255, times how opaque it is.
        opacity: (S, S) float32 in 0..1.
        through: (S, S) float32, how much of what is behind comes through: less in its shadow, 0 behind it.
    """

    def __init__(self, picture: np.ndarray, points: np.ndarray) -> None:
        super().__init__(picture, points)
        self._behind = self.picture.copy()
        self.over = np.zeros_like(self.picture)
        self.opacity = np.zeros_like(self.mask)
        self.through = np.ones_like(self.mask)

    def paint(self, colour: np.ndarray, alpha: np.ndarray, counts: np.ndarray | float | None = None) -> None:
        super().paint(colour, alpha, counts)
        self.over += alpha[..., None] * (np.asarray(colour, np.float32) - self.over)
        self.opacity += alpha * (1 - self.opacity)
        self.through *= 1 - alpha

    def shade(self, factor: np.ndarray) -> None:
        super().shade(factor)
        self.over *= factor if factor.ndim == 3 else factor[..., None]
        self.through *= factor if factor.ndim == 2 else factor.mean(axis=2)

    def smear(self, kernel: np.ndarray) -> None:
        """Move what was drawn while the picture is taken.

        Args:
            kernel: (k, k) float32 where it is how long, sum 1.
        """
        for name in ("over", "opacity", "through", "mask"):
            setattr(self, name, cv2.filter2D(getattr(self, name), -1, kernel, borderType=cv2.BORDER_REPLICATE))
        self.picture = self._behind * self.through[..., None] + self.over


class Moving:
    """A layer as a camera sees it move: averaged over the time that its shutter is open.

    Args:
        layer: what was drawn.
    """

    def __init__(self, layer: Layer) -> None:
        self._over = np.dstack([layer.over, layer.opacity])
        self._through = layer.through

    def before(self, pixels: np.ndarray, places: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """The picture with the layer before it.

        Args:
            pixels: (H, W, 3) uint8 RGB.
            places: (2, 3) layer pixel → picture pixel, at moments while the shutter is open.

        Returns:
            (H, W, 3) uint8 RGB, and the layer's opacity in it, (H, W) float32 in 0..1.
        """
        size = pixels.shape[1::-1]
        over = np.mean([cv2.warpAffine(self._over, place, size) for place in places], axis=0)
        through = np.mean([_shifted(self._through, place, size) for place in places], axis=0)
        seen = pixels * through[..., None] + over[..., :3]
        return np.clip(np.round(seen), 0, 255).astype(np.uint8), np.clip(over[..., 3], 0, 1).astype(np.float32)


def _shifted(through: np.ndarray, place: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    return cv2.warpAffine(through, place, size, borderMode=cv2.BORDER_CONSTANT, borderValue=1.0)
