"""What a person may change while the program runs: the settings, the actions on them, and the keys for the actions.

The window presses keys; code calls `act`; both end in the same place. Stages read one consistent snapshot per frame.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, replace
from enum import StrEnum


class Mode(StrEnum):
    """What is done with a face."""

    ROTATE = "rotate"
    FRONTALISE = "frontalise"
    SWAP = "swap"
    DEPTH = "depth"
    NORMALS = "normals"
    MESH = "mesh"
    LANDMARKS = "landmarks"
    MONITOR = "monitor"
    OFF = "off"


class Action(StrEnum):
    """Everything that can be asked for while running."""

    NEXT_MODE = "next mode"
    PREVIOUS_MODE = "previous mode"
    EXPRESSION = "expression on/off"
    MIRROR = "mirror the window"
    HUD = "figures on/off"
    NEXT_FACE = "next face photo"
    REPAIR = "repair on/off"
    RECORD = "record on/off"
    SNAPSHOT = "save a snapshot"
    SURFACE = "save the surface (PLY, OBJ)"
    RELIGHT = "normals: as light on/off"
    FREEZE = "freeze the source"
    SWEEP = "sweep the camera"
    YAW_LEFT = "turn left"
    YAW_RIGHT = "turn right"
    PITCH_UP = "turn up"
    PITCH_DOWN = "turn down"
    ROLL_LEFT = "tilt left"
    ROLL_RIGHT = "tilt right"
    STRAIGHT = "straight ahead"
    FULLSCREEN = "full screen"
    HELP = "this help"
    QUIT = "quit"


# Key names are those of GLFW without the prefix, in lower case.
KEYS: dict[str, Action] = {
    "m": Action.NEXT_MODE,
    "n": Action.PREVIOUS_MODE,
    "e": Action.EXPRESSION,
    "x": Action.MIRROR,
    "i": Action.HUD,
    "f": Action.NEXT_FACE,
    "g": Action.REPAIR,
    "r": Action.RECORD,
    "s": Action.SNAPSHOT,
    "p": Action.SURFACE,
    "l": Action.RELIGHT,
    "space": Action.FREEZE,
    "w": Action.SWEEP,
    "left": Action.YAW_LEFT,
    "right": Action.YAW_RIGHT,
    "up": Action.PITCH_UP,
    "down": Action.PITCH_DOWN,
    "comma": Action.ROLL_LEFT,
    "period": Action.ROLL_RIGHT,
    "0": Action.STRAIGHT,
    "f11": Action.FULLSCREEN,
    "h": Action.HELP,
    "q": Action.QUIT,
    "escape": Action.QUIT,
}

STEP_DEG = 5.0
LIMIT_DEG = 75.0


@dataclass(frozen=True, slots=True)
class Settings:
    """One consistent state of everything that may change while running.

    Attributes:
        mode: what is done with a face.
        yaw, pitch, roll: degrees added to the head in `rotate` (see `realtime.frame` for the signs); yaw and pitch are
            also where the lamp of `relight` stands, right of the camera and above it.
        sweep: `rotate` swings the camera 0 → +45° → -45° → 0 instead.
        expression, shape: gains of the live expression and of the shape difference in `swap`.
        face: which face photo is drawn, counted up by `NEXT_FACE` (taken modulo the number of photos).
        repair: drawn faces are repaired, where there is a network and time for it.
        frozen: the picture stands still; the source is drained meanwhile.
        mirror, hud, help, fullscreen: of the window alone.
        recording: recorders take frames.
        relight: `normals` shows the face as one lamp lights it, instead of normals as colours.
        snapshots, surfaces: how many pictures and surfaces to keep were asked for so far.
        quit: the program should end.
    """

    mode: Mode = Mode.SWAP
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    sweep: bool = False
    expression: float = 1.0
    shape: float | None = None
    face: int = 0
    repair: bool = True
    frozen: bool = False
    mirror: bool = False
    hud: bool = True
    help: bool = False
    fullscreen: bool = False
    recording: bool = True
    relight: bool = False
    snapshots: int = 0
    surfaces: int = 0
    quit: bool = False


class Controls:
    """Holds the settings; every method may be called from any thread."""

    def __init__(self, settings: Settings | None = None) -> None:
        self._settings = settings or Settings()
        self._expression = self._settings.expression or 1.0
        self._lock = threading.Lock()

    @property
    def settings(self) -> Settings:
        """The state now (immutable)."""
        return self._settings

    def change(self, **fields: object) -> None:
        """Set fields of `Settings` by name; angles are limited to ±75°."""
        with self._lock:
            self._settings = _limited(replace(self._settings, **fields))  # type: ignore[arg-type]

    def turn(self, yaw: float, pitch: float) -> None:
        """Add degrees to yaw and pitch (a mouse drag)."""
        with self._lock:
            now = self._settings
            self._settings = _limited(replace(now, yaw=now.yaw + yaw, pitch=now.pitch + pitch, sweep=False))

    def press(self, key: str) -> Action | None:
        """Act on a key; returns the action, or None where the key means nothing."""
        action = KEYS.get(key)
        if action is not None:
            self.act(action)
        return action

    def act(self, action: Action) -> None:
        """Carry out one action."""
        with self._lock:
            self._settings = _limited(self._after(self._settings, action))

    def _after(self, now: Settings, action: Action) -> Settings:
        modes = list(Mode)
        match action:
            case Action.NEXT_MODE:
                return replace(now, mode=modes[(modes.index(now.mode) + 1) % len(modes)])
            case Action.PREVIOUS_MODE:
                return replace(now, mode=modes[(modes.index(now.mode) - 1) % len(modes)])
            case Action.EXPRESSION:
                return replace(now, expression=0.0 if now.expression else self._expression)
            case Action.MIRROR:
                return replace(now, mirror=not now.mirror)
            case Action.HUD:
                return replace(now, hud=not now.hud)
            case Action.NEXT_FACE:
                return replace(now, face=now.face + 1)
            case Action.REPAIR:
                return replace(now, repair=not now.repair)
            case Action.RECORD:
                return replace(now, recording=not now.recording)
            case Action.SNAPSHOT:
                return replace(now, snapshots=now.snapshots + 1)
            case Action.SURFACE:
                return replace(now, surfaces=now.surfaces + 1)
            case Action.RELIGHT:
                return replace(now, relight=not now.relight)
            case Action.FREEZE:
                return replace(now, frozen=not now.frozen)
            case Action.SWEEP:
                return replace(now, sweep=not now.sweep)
            case Action.YAW_LEFT:
                return replace(now, yaw=now.yaw - STEP_DEG, sweep=False)
            case Action.YAW_RIGHT:
                return replace(now, yaw=now.yaw + STEP_DEG, sweep=False)
            case Action.PITCH_UP:
                return replace(now, pitch=now.pitch + STEP_DEG, sweep=False)
            case Action.PITCH_DOWN:
                return replace(now, pitch=now.pitch - STEP_DEG, sweep=False)
            case Action.ROLL_LEFT:
                return replace(now, roll=now.roll - STEP_DEG, sweep=False)
            case Action.ROLL_RIGHT:
                return replace(now, roll=now.roll + STEP_DEG, sweep=False)
            case Action.STRAIGHT:
                return replace(now, yaw=0.0, pitch=0.0, roll=0.0, sweep=False)
            case Action.FULLSCREEN:
                return replace(now, fullscreen=not now.fullscreen)
            case Action.HELP:
                return replace(now, help=not now.help)
            case Action.QUIT:
                return replace(now, quit=True)


def _limited(settings: Settings) -> Settings:
    def limit(angle: float) -> float:
        return min(max(angle, -LIMIT_DEG), LIMIT_DEG)

    return replace(settings, yaw=limit(settings.yaw), pitch=limit(settings.pitch), roll=limit(settings.roll))
