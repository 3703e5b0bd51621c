"""The repair of the faces in a frame: tiles out, network, corrections in, as far as there is time for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from engines import EngineError
from realtime.frame import Frame
from realtime.render.canvas import Canvas
from realtime.render.surface import Patch
from realtime.repair.mend import HostMender, Mender
from realtime.repair.networks import RepairOptions, load_networks
from realtime.repair.pace import Level, Pace, holds, median_seconds
from realtime.repair.retouch import SIZES
from realtime.repair.tile import Square

_FADE_S = 0.3  # from off to on and back


@dataclass(frozen=True, slots=True)
class Status:
    """What is being done, for people and for the report.

    Attributes:
        asked: the level asked for, or None where that was left open.
        running: the level that runs.
        why: why that is so, in words.
    """

    asked: Level | None
    running: Level
    why: str

    def lines(self) -> list[str]:
        """For the window's corner; nothing where nobody asked and there is none."""
        return [f"repair {self.running}: {self.why}"] if self.why else []


class Repair:
    """Repairs what was drawn; made anywhere, then opened, used and released on the render thread.

    A file is repaired exactly as asked, every frame alike. Behind a live source the repair gives way where frames get
    lost; where nobody asked for a level, its cost is measured before the start.

    Args:
        options: what is asked for.
        tell: gets one sentence where something is wrong; the frames go on without repair.
        mender: makes what repairs faces on a canvas.

    Attributes:
        status: replaced with every frame; may be read from any thread.
    """

    def __init__(
        self,
        options: RepairOptions,
        tell: Callable[[str], None] = print,
        mender: Callable[[Canvas], Mender] = HostMender,
    ) -> None:
        self._options, self._tell, self._make_mender = options, tell, mender
        self._networks = load_networks(options, tell)
        self._pace = Pace((Level.OFF, *self._networks))
        self._on = False
        self._trouble = ""
        self._reason = "by default" if options.asked is None else "as asked"
        self._strength: float | None = None  # None before the first frame
        self._time_s = 0.0
        self._shown = Level.OFF  # what is seen while it fades out
        self._squares: dict[int, Square] = {}
        self._canvas: Canvas | None = None
        self.status = Status(options.asked, Level.OFF, "")

    def open(self, canvas: Canvas) -> None:
        """Get ready to work on a canvas, on its thread."""
        self._canvas, self._mender = canvas, self._make_mender(canvas)

    def rehearse(self) -> None:
        """Repair the faces on the canvas by every network, so that no live frame waits for what happens only once."""
        for level in tuple(self._networks):
            if level in self._networks:  # else one failed, and they were given up
                self._repair(level, 1.0, 0.0)
        self._forget()

    def judge(self, draw: Callable[[], None]) -> None:
        """Find out whether there is time for a repair, where nobody decided: `draw` puts a usual face on the canvas.

        Takes about half a second behind a live source; else nothing is measured.
        """
        if self._options.asked is not None or not self._options.live or not self._networks:
            return
        assert self._canvas is not None
        canvas = self._canvas

        def repaired() -> None:
            draw()
            self._repair(self._pace.level, 1.0, 0.0)
            canvas.finish()

        seconds = median_seconds(repaired)
        self._reason = self._trouble = f"{1000 * seconds:.0f} ms to draw a frame before the start"
        if not holds(seconds):
            self._pace.fall()
        self._forget()

    def apply(self, frame: Frame, on: bool) -> None:
        """Repair the faces just drawn on the canvas, which shows `frame`.

        Args:
            frame: for its times and its number.
            on: whether repair is wanted now; a change fades in or out.
        """
        level = self._level(frame, on)
        self._fade(frame, level)
        if self._canvas is not None and self._strength and self._shown in self._networks:
            with self._canvas.part("repair"):
                self._repair(self._shown, self._strength, frame.time_s)

    def release(self) -> None:
        """Release GL objects; may be called more than once."""
        if self._canvas is not None:
            self._mender.release()

    def _level(self, frame: Frame, on: bool) -> Level:
        if on and not self._on and self._strength is not None:  # by a key: whoever asks again gets another try
            self._pace.reset()
            self._reason = "switched on"
        self._on = on
        if self._options.live and on and self._pace.note(frame.captured, frame.index):
            self._trouble = "frames got lost"
        level = self._pace.level if on else Level.OFF
        if not self._networks:
            why = "no network" if self._options.asked in (Level.FAST, Level.FULL) else ""
        elif not on:
            why = "switched off" if self._options.asked is not Level.OFF else ""
        else:
            why = f"too slow here, {self._trouble}" if self._pace.fallen else self._reason
        self.status = Status(self._options.asked, level, why)
        return level

    def _fade(self, frame: Frame, level: Level) -> None:
        goal = float(level is not Level.OFF)
        step = max(frame.time_s - self._time_s, 0.0) / _FADE_S
        if self._strength is None or not self._options.tracked:
            self._strength = goal
        else:
            self._strength += float(np.clip(goal - self._strength, -step, step))
        self._time_s = frame.time_s
        if level is not Level.OFF:
            self._shown = level

    def _forget(self) -> None:
        """What was drawn until now was made up."""
        self._squares = {}
        self._mender.forget()

    def _repair(self, level: Level, strength: float, time_s: float) -> None:
        """Repair all faces on the canvas, which shows the frame of `time_s`, by the network of `level`."""
        assert self._canvas is not None
        places = self._places(self._canvas)
        self._squares = {patch.face: square for patch, square in places} if self._options.tracked else {}
        if not places:
            return
        patches, squares = zip(*places, strict=True)
        if not self._options.tracked:
            self._mender.forget()
        try:
            self._mender.mend(self._networks[level], SIZES[level], patches, squares, time_s, strength)
        except EngineError as error:
            self._tell(f"The repair '{level}' is given up: {error}")
            self._networks.clear()
            self._pace = Pace((Level.OFF,))

    def _places(self, canvas: Canvas) -> list[tuple[Patch, Square]]:
        """The faces that can be repaired, and the square of each."""
        found = []
        for patch in canvas.patches:
            if np.isfinite(patch.position).all():
                square = Square.around(patch.face_points, self._squares.get(patch.face))
                if square.fits(canvas.size):
                    found.append((patch, square))
        return found
