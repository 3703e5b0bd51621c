"""One frame's repair: the drawn faces through a network, and what it corrects, steadied, back into the picture."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import numpy as np

from engines import Engine, EngineError
from realtime.render.canvas import Canvas
from realtime.render.surface import Patch
from realtime.repair.retouch import Retouch
from realtime.repair.steady import Steadied
from realtime.repair.tile import Square

NO_NUMBERS = "its network gives no numbers, restore its file."


class Mender(ABC):
    """Repairs faces on a canvas and remembers what was corrected; belongs to the canvas's thread."""

    @abstractmethod
    def mend(
        self,
        network: Engine,
        size: int,
        patches: Sequence[Patch],
        squares: Sequence[Square],
        time_s: float,
        strength: float,
    ) -> None:
        """Repair faces; those that are not among them are forgotten.

        Args:
            network: takes and gives tiles of `size`.
            size: pixels.
            patches: the faces drawn, each in its square.
            squares: all of them fit the frame.
            time_s: of the frame.
            strength: in [0, 1], how much is corrected.

        Raises:
            EngineError: the network fails, or gives no numbers.
        """

    @abstractmethod
    def forget(self) -> None:
        """The next frame has nothing to do with the last one."""

    @abstractmethod
    def release(self) -> None:
        """Release GL objects; may be called more than once."""


class HostMender(Mender):
    """Cuts, steadies and adds with OpenCV."""

    def __init__(self, canvas: Canvas) -> None:
        self._retouch = Retouch(canvas)
        self._steadied: dict[int, Steadied] = {}

    def mend(
        self,
        network: Engine,
        size: int,
        patches: Sequence[Patch],
        squares: Sequence[Square],
        time_s: float,
        strength: float,
    ) -> None:
        tiles = self._retouch.read(patches, squares, size)
        (repaired,) = network(tiles)
        if not np.isfinite(repaired).all():
            raise EngineError(NO_NUMBERS)
        known, self._steadied = self._steadied, {}
        for patch, square, tile, picture in zip(patches, squares, tiles, repaired, strict=True):
            if tile[3].any():  # else nothing of the face shows
                correction = np.clip(picture, 0, 1) - tile[:3]
                steadied = Steadied.of(correction, tile[4], square, patch.face_points, time_s, known.get(patch.face))
                self._retouch.add(square, steadied.correction, tile[4], strength)
                self._steadied[patch.face] = steadied

    def forget(self) -> None:
        self._steadied = {}

    def release(self) -> None:
        self._retouch.release()
