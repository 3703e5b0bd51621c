"""The contract every mode's effect keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod

from realtime.controls import Settings
from realtime.frame import Drawn, Face, Frame
from realtime.monitor.reading import Reading
from realtime.render.canvas import Canvas


class Effect(ABC):
    """Draws on the canvas; made, used and released on the render thread.

    Attributes:
        synthetic: True where the picture then shows a face as it never was, and needs the provenance mark.
        reading: what the effect measured of the driver in the frame drawn last; only the monitor does.
    """

    synthetic: bool = False
    reading: Reading | None = None

    @abstractmethod
    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        """Draw over the frame that the canvas has begun.

        Returns:
            What was drawn, by face id (see `Drawn`); faces that are missing were not moved by an affine.
        """

    def release(self) -> None:  # noqa: B027  many effects hold nothing
        """Release GL objects; may be called more than once."""
