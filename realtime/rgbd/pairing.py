"""Which depth picture belongs to which colour picture: the nearest in time, and how far apart the two are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeVar

import numpy as np

Colour = TypeVar("Colour")
Depth = TypeVar("Depth")

# Half a frame at 30 frames/s apart is usual, a whole one happens; what is farther apart shows another moment.
TOLERANCE_S = 0.04
_KEPT = 100_000
_SHORT_S = 0.5  # a gap that needs no words


class Pairing:
    """Counts how well depth keeps step with colour.

    Attributes:
        paired, alone: colour pictures with and without depth.
    """

    def __init__(self) -> None:
        self._apart: list[float] = []
        self._last_s = 0.0
        self.paired = 0
        self.alone = 0

    def add(self, apart_s: float | None, time_s: float) -> str | None:
        """Note a colour picture.

        Args:
            apart_s: seconds by which its depth is later, or None where it has none.
            time_s: when it was taken.

        Returns:
            A notice to show where depth has been missing for a while, else None.
        """
        if apart_s is not None:
            self._last_s = time_s
            self.paired += 1
            if len(self._apart) < _KEPT:
                self._apart.append(apart_s)
            return None
        self.alone += 1
        away = time_s - self._last_s
        return f"no depth for {away:.0f} s" if away > _SHORT_S else None

    def apart_ms(self) -> dict[str, float | None]:
        """How far apart in time pairs are, sign left out, and by how much more at the end than at the beginning.

        `p50`, `p95`, and `drift`: the last tenth's mean signed distance less the first tenth's (clocks that do not run
        alike show here, until they are a frame apart and the next depth picture is nearer). None without pairs.
        """
        if not self._apart:
            return {"p50": None, "p95": None, "drift": None}
        apart = 1000 * np.array(self._apart)
        tenth = -(-len(apart) // 10)
        p50, p95 = np.percentile(np.abs(apart), [50, 95])
        drift = apart[-tenth:].mean() - apart[:tenth].mean()
        return {"p50": round(float(p50), 3), "p95": round(float(p95), 3), "drift": round(float(drift), 3)}


def paired(
    colour: Iterable[tuple[float, Colour]], depth: Iterable[tuple[float, Depth]], tolerance_s: float = TOLERANCE_S
) -> Iterator[tuple[float, Colour, Depth | None, float | None]]:
    """Each colour picture with the depth picture nearest in time.

    Args:
        colour, depth: (time in seconds, picture), times growing.
        tolerance_s: depth that is farther away is left out.

    Yields:
        time and picture of the colour; the depth picture, and by how many seconds it is later, or None and None.
    """
    coming = iter(depth)
    nearest = next(coming, None)
    following = next(coming, None)
    for time_s, picture in colour:
        while nearest is not None and following is not None and following[0] - time_s <= time_s - nearest[0]:
            nearest, following = following, next(coming, None)
        if nearest is None or abs(nearest[0] - time_s) > tolerance_s:
            yield time_s, picture, None, None
        else:
            yield time_s, picture, nearest[1], nearest[0] - time_s
