"""Mode `monitor`: watches the driver and shows what it sees: a panel, a border that tells alerts, lids and gaze."""

from __future__ import annotations

import numpy as np

from realtime.controls import Settings
from realtime.effects.base import Effect
from realtime.effects.panel import COLOURS, UNSURE, panel_picture
from realtime.frame import Drawn, Face, Floats, Frame
from realtime.geometry.topology import LEFT_EYE, NOSE_TIP, RIGHT_EYE
from realtime.monitor.monitor import DriverMonitor, MonitorOptions
from realtime.monitor.reading import Alert, Reading, State
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.overlay import place_within

_PANEL_S = 0.1  # figures that change faster cannot be read
_RINGS = np.concatenate([np.column_stack([eye, np.roll(eye, -1)]) for eye in (LEFT_EYE, RIGHT_EYE)]).astype(np.int32)
_ARROW = np.array([[0, 1]], np.int32)
_ARROW_MM = 90.0


class Monitor(Effect):
    """Measures and draws.

    Attributes:
        reading: of the frame drawn last.
    """

    def __init__(self, options: MonitorOptions) -> None:
        self._monitor = DriverMonitor(options)
        self._limits = options.limits
        self._panel: gl.Texture | None = None
        self._panel_s = -_PANEL_S
        self._shown: tuple[State, Alert] | None = None
        self._paint: dict[Alert, gl.Texture] = {}

    def draw(self, canvas: Canvas, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> dict[int, Drawn]:
        self.reading = reading = self._monitor.update(frame, faces)
        driver = next((face for face in faces if face.id == reading.driver), None)
        if driver is not None:
            self._mark(canvas, driver, reading)
        if reading.alert > Alert.NONE:
            self._border(canvas, reading.alert)
        self._show_panel(canvas, frame.time_s, reading)
        return {}

    def release(self) -> None:
        for texture in (self._panel, *self._paint.values()):
            if texture is not None:
                texture.release()
        self._panel, self._shown = None, None
        self._paint.clear()

    def _mark(self, canvas: Canvas, face: Face, reading: Reading) -> None:
        """Lids in the state's colour (grey where an eye is not judged), and an arrow along the nose."""
        colours = np.zeros((len(face.points), 4), np.float32)
        state = UNSURE if reading.state is State.UNCERTAIN else COLOURS[reading.alert]
        for eye, place in zip(reading.eyes or (), (LEFT_EYE, RIGHT_EYE), strict=False):
            colours[place] = _opaque(UNSURE if eye.closure is None else state)
        canvas.lines(_RINGS, face.points, colours)
        if reading.head is not None:
            head = reading.head
            yaw, pitch = np.deg2rad([head.pose.yaw, head.pose.pitch])
            along = np.array([np.sin(yaw), -np.cos(yaw) * np.sin(pitch)]) * _ARROW_MM * head.pixels_per_mm
            ends = np.array([face.points[NOSE_TIP], face.points[NOSE_TIP] + along], np.float32)
            canvas.lines(_ARROW, ends, np.array([_opaque(state)] * 2, np.float32))
            canvas.dots(ends[1:], np.array([_opaque(state)], np.float32), max(3.0, 4 * head.pixels_per_mm))

    def _border(self, canvas: Canvas, alert: Alert) -> None:
        if alert not in self._paint:
            self._paint[alert] = gl.Texture((1, 1))
            self._paint[alert].upload(np.array([[[*COLOURS[alert], 255]]], np.uint8))
        width, height = canvas.size
        thick = max(3, round(min(width, height) / (80 if alert is Alert.NOTICE else 40)))
        for x, y, w, h in (
            (0, 0, width, thick),
            (0, height - thick, width, thick),
            (0, thick, thick, height - 2 * thick),
            (width - thick, thick, thick, height - 2 * thick),
        ):
            canvas.place(self._paint[alert], (x, y, w, h))

    def _show_panel(self, canvas: Canvas, time_s: float, reading: Reading) -> None:
        width, height = canvas.size
        letter = max(7, round(min(width, height) / 55))
        now = (reading.state, reading.alert)
        if self._panel is None or now != self._shown or not 0 <= time_s - self._panel_s < _PANEL_S:
            picture = np.ascontiguousarray(panel_picture(reading, self._limits, letter))
            size = (picture.shape[1], picture.shape[0])
            if self._panel is None or self._panel.size != size:
                if self._panel is not None:
                    self._panel.release()
                self._panel = gl.Texture(size)
            self._panel.upload(picture)
            self._panel_s, self._shown = time_s, now
        canvas.place(self._panel, place_within(self._panel.size, (width, height), 2 * letter, 0.0, 1.0))


def _opaque(colour: tuple[int, int, int]) -> Floats:
    return np.array([*colour, 255], np.float32) / np.float32(255)
