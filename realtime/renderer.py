"""The render stage: one context, one canvas, one effect per mode."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from realtime.controls import Mode, Settings
from realtime.effects.base import Effect
from realtime.effects.marks import Dots, Nothing, Wires
from realtime.effects.modelling import HostModeller, Modeller
from realtime.effects.monitor import Monitor
from realtime.effects.photo import Person
from realtime.effects.privacy import OnLost, Veil
from realtime.effects.rotate import Frontalise, Rotate
from realtime.effects.surface import Depth, Normals
from realtime.effects.swap import Swap
from realtime.effects.turning import HostTurner, Turner
from realtime.errors import InputError
from realtime.frame import Face, Frame, Occlusion, Pose, Result
from realtime.geometry.template import template
from realtime.geometry.topology import KEYPOINTS
from realtime.monitor.monitor import MonitorOptions
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.context import Context
from realtime.render.overlay import place_within, text_picture
from realtime.render.transfer import HostTransfer, Transfer
from realtime.repair.stage import Repair
from realtime.timing import Split

BADGE = "SYNTHETIC FACE"


@dataclass(frozen=True, slots=True, eq=False)
class RenderOptions:
    """What stays as it is during a run.

    Attributes:
        people: source faces for `swap`; that mode needs one.
        on_lost: what becomes of a swapped face that is not found.
        badge: draw the visible provenance mark on synthetic pictures.
        tracked: the frames belong together: a face of the last one that is missing is lost.
        size: (width, height) of the frames to come, as far as it is known.
        live_eyes, live_mouth: `swap` shows the live eyes, and the live inner mouth when it opens.
        monitor: how mode `monitor` watches.
    """

    people: tuple[Person, ...] = ()
    on_lost: OnLost = OnLost.BLUR
    badge: bool = True
    tracked: bool = True
    size: tuple[int, int] = (1280, 720)
    live_eyes: bool = True
    live_mouth: bool = True
    monitor: MonitorOptions = field(default_factory=MonitorOptions)


class Renderer:
    """Draws frames; `open`, `draw` and `close` are called on one and the same thread.

    Args:
        options: what stays as it is.
        repair: what repairs the faces; None leaves them as they are drawn.
        transfer: makes what carries pictures into OpenGL and out of it, on the thread of `open`.
        modeller: makes what fits source faces onto the faces of a canvas.
        turner: makes what turns live heads on a canvas.
    """

    def __init__(
        self,
        options: RenderOptions,
        repair: Repair | None = None,
        transfer: Callable[[], Transfer] = HostTransfer,
        modeller: Callable[[Canvas], Modeller] = lambda canvas: HostModeller(),
        turner: Callable[[Canvas], Turner] = lambda canvas: HostTurner(),
    ) -> None:
        self._options = options
        self._make_transfer, self._make_modeller, self._make_turner = transfer, modeller, turner
        self._repair = repair
        self._split = Split("prepare")
        self._effects: dict[Mode, Effect] = {}
        self._labels: dict[tuple[str, int], gl.Texture] = {}

    def open(self) -> None:
        """Make the context.

        Raises:
            GraphicsError: there is no OpenGL 3.3 here.
        """
        self._context = Context()
        self._transfer = self._make_transfer()
        self._canvas = Canvas(self._split, self._transfer)
        self._veil = Veil(self._options.on_lost, self._options.tracked)
        if self._repair is not None:
            self._repair.open(self._canvas)
        modes = (Mode.ROTATE, Mode.SWAP) if self._options.people else (Mode.ROTATE,)
        for mode in modes:
            self._rehearse(mode)
        if self._repair is not None:
            somebody = _somebody(self._options.size)
            self._repair.judge(lambda: self._draw_somebody(modes[-1], *somebody))

    @property
    def description(self) -> str:
        """OpenGL version and renderer, and how frames get there where that is worth a word; empty before `open`."""
        if not hasattr(self, "_canvas"):
            return ""
        return "; ".join(filter(None, (self._context.description, self._transfer.description)))

    def draw(self, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> Result:
        """Draw what the settings' mode asks for.

        Raises:
            InputError: mode `swap` without a source face.
        """
        self._context.make_current()
        self._split.begin()
        effect = self._effect(settings.mode)
        canvas = self._canvas
        faces = tuple(face for face in faces if np.isfinite(face.points).all())  # one whose place is unknown is lost
        found = faces
        original = frame
        frame = _within(original, canvas.limit)
        if frame is not original:
            faces = tuple(_scaled(face, frame.size[0] / original.size[0]) for face in faces)
        canvas.begin(frame.pixels)
        drawn = effect.draw(canvas, frame, faces, settings)
        if self._repair is not None:
            self._repair.apply(frame, settings.repair)
        swapping = settings.mode is Mode.SWAP
        repeated = swapping and self._veil.cover(canvas, frame, tuple(face for face in faces if face.id in drawn))
        synthetic = repeated or (effect.synthetic and bool(drawn))
        if synthetic and self._options.badge and not repeated:
            self._place_label(BADGE)
        if frame.notice:
            self._place_label(frame.notice, top=True)
        finished = canvas.finish()
        if swapping:
            self._veil.remember(finished)
        parts = self._split.end()
        shown = replace(frame, pixels=finished)
        return Result(shown, found, drawn, synthetic, time.perf_counter(), parts, original, effect.reading)

    def close(self) -> None:
        """Release everything; may be called more than once."""
        if hasattr(self, "_context"):
            self._context.make_current()
        for effect in self._effects.values():
            effect.release()
        for label in self._labels.values():
            label.release()
        self._effects.clear()
        self._labels.clear()
        if self._repair is not None:
            self._repair.release()
        if hasattr(self, "_context"):
            self._veil.release()
            self._canvas.release()
            self._context.release()

    def _rehearse(self, mode: Mode) -> None:
        """Draw what a mode may come to, once: drivers compile shaders at the first draw, and that costs live frames.

        Which ones depends on whether something is in front of the face, and on whether the picture is grainy.
        """
        for covered, grainy in ((False, False), (True, False), (True, True)):
            self._draw_somebody(mode, *_somebody((300, 300), covered, grainy))
            if self._repair is not None:
                self._repair.rehearse()
            self._canvas.finish()

    def _draw_somebody(self, mode: Mode, frame: Frame, face: Face) -> None:
        self._canvas.begin(frame.pixels)
        self._effect(mode).draw(self._canvas, frame, (face,), Settings(mode))

    def _effect(self, mode: Mode) -> Effect:
        if mode not in self._effects:
            self._effects[mode] = self._made(mode)
        return self._effects[mode]

    def _made(self, mode: Mode) -> Effect:
        match mode:
            case Mode.SWAP:
                if not self._options.people:
                    raise InputError("Mode swap needs a face to draw: give one with --face PHOTO.")
                modeller = self._make_modeller(self._canvas)
                return Swap(self._options.people, self._options.live_eyes, self._options.live_mouth, modeller)
            case Mode.ROTATE:
                return Rotate(self._make_turner(self._canvas))
            case Mode.FRONTALISE:
                return Frontalise(self._make_turner(self._canvas))
            case Mode.DEPTH:
                return Depth()
            case Mode.NORMALS:
                return Normals()
            case Mode.MESH:
                return Wires()
            case Mode.LANDMARKS:
                return Dots()
            case Mode.MONITOR:
                return Monitor(self._options.monitor)
            case Mode.OFF:
                return Nothing()

    def _place_label(self, text: str, top: bool = False) -> None:
        """Put a line of text into the bottom right corner, or the top middle."""
        width, height = self._canvas.size
        letter = max(5, round(min(width, height) / 50))
        key = (text, letter)
        if key not in self._labels:
            picture = text_picture([text], letter)
            self._labels[key] = gl.Texture((picture.shape[1], picture.shape[0]))
            self._labels[key].upload(picture)
        label = self._labels[key]
        across, down = (0.5, 0.0) if top else (1.0, 1.0)
        self._canvas.place(label, place_within(label.size, (width, height), letter, across, down))


def _somebody(size: tuple[int, int], covered: bool = False, grainy: bool = False) -> tuple[Frame, Face]:
    """A made-up face, a third as wide as the picture is high.

    Args:
        size: (width, height).
        covered: its left half is behind something.
        grainy: the picture is noise, not plain grey.
    """
    width, height = size
    number = -2 if grainy else -1  # what is remembered of a picture is not true of a grainier one
    solid = template() * np.float32(height / 3)
    points = solid[:, :2] + np.array([width / 2, height / 2], np.float32)
    wall = np.repeat(np.array([[255, 0]], np.uint8), 8, axis=1)
    occlusion = Occlusion(wall, np.array([[16 / width, 0, 0], [0, 0, 0]])) if covered else None
    certain = np.ones(KEYPOINTS, np.float32)
    face = Face(number, points, certain, 1.0, Pose(0, 0, 0), solid[:, 2], occlusion=occlusion)
    spread = 32 if grainy else 0
    pixels = np.random.default_rng(0).integers(128 - spread, 128 + spread, (height, width, 3), np.uint8, endpoint=True)
    return Frame(pixels, 0, 0.0, 0.0), face


def _within(frame: Frame, limit: int) -> Frame:
    """The frame, made smaller where the graphics card cannot hold it."""
    width, height = frame.size
    if max(width, height) <= limit:
        return frame
    scale = limit / max(width, height)
    size = (max(1, int(width * scale)), max(1, int(height * scale)))
    pixels = np.asarray(cv2.resize(frame.pixels, size, interpolation=cv2.INTER_AREA))
    # a mean of near and far would lie on neither
    depth = None if frame.depth is None else np.asarray(cv2.resize(frame.depth, size, interpolation=cv2.INTER_NEAREST))
    intrinsics = None if frame.intrinsics is None else frame.intrinsics.scaled(size[0] / width)
    return replace(frame, pixels=pixels, depth=depth, intrinsics=intrinsics)


def _scaled(face: Face, scale: float) -> Face:
    depth = None if face.depth is None else face.depth * np.float32(scale)
    points = (face.points + np.float32(0.5)) * np.float32(scale) - np.float32(0.5)  # pixel centres at integers
    occlusion = None if face.occlusion is None else face.occlusion.scaled(scale)
    relief = None if face.relief is None else face.relief * np.float32(scale)
    return replace(face, points=points, depth=depth, occlusion=occlusion, relief=relief)
