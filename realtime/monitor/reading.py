"""What the monitor says of one frame, and what happened in it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

from realtime.frame import Pose


class State(StrEnum):
    """What the driver does."""

    ATTENTIVE = "attentive"
    AWAY = "looking away"
    DISTRACTED = "distracted"
    DROWSY = "drowsy"
    MICROSLEEP = "microsleep"
    ASLEEP = "asleep"
    ABSENT = "no driver"
    UNCERTAIN = "uncertain"


class Alert(IntEnum):
    """How urgently the driver is told."""

    NONE = 0
    NOTICE = 1
    WARNING = 2
    ALARM = 3


class Doubt(StrEnum):
    """Why something cannot be judged."""

    DARK = "too dark"
    SUNGLASSES = "sunglasses"
    PROFILE = "turned too far"
    COVERED = "face covered"
    SMALL = "face too small"
    LOST = "face lost"
    LEARNING = "learning the driver"


class Kind(StrEnum):
    """What can happen."""

    STATE = "state"
    BLINK = "blink"
    CLOSURE = "eyes closed"
    YAWN = "yawn"
    LEARNED = "neutral learned"
    DRIVER = "driver changed"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened.

    Attributes:
        kind: what.
        time_s: media time when it began.
        duration_s: how long it lasted; 0 for a moment.
        state, before, alert, doubt: of a change of state, what it changed to and from, how urgent that is, and why
            the state is uncertain where it is.
        driver: id of the face.
    """

    kind: Kind
    time_s: float
    duration_s: float = 0.0
    state: State | None = None
    before: State | None = None
    alert: Alert | None = None
    doubt: Doubt | None = None
    driver: int | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """Where a head is and how it is turned.

    Attributes:
        pose: degrees (signs as in `realtime.frame`), against the axis of a camera that is known, else against the line
            of sight to the head.
        sigma: standard error of yaw, pitch and roll in degrees.
        position_mm: (x, y, z) of the middle of the face: right, down, away from the camera.
        measured: True where a depth sensor gave the distance, False where it follows from the eye distance.
        pixels_per_mm: scale at the face.
    """

    pose: Pose
    sigma: Pose
    position_mm: tuple[float, float, float]
    measured: bool
    pixels_per_mm: float


@dataclass(frozen=True, slots=True)
class Eye:
    """One eye.

    Attributes:
        aperture_mm: gap of the lids.
        closure: 0 wide open for this person, 1 closed; None while it cannot be judged.
        doubt: why not.
    """

    aperture_mm: float
    closure: float | None
    doubt: Doubt | None = None


@dataclass(frozen=True, slots=True)
class Timers:
    """Seconds for which the eyes have been closed, the driver has looked away (now, and within the window), nobody has
    been seen, and the face could not be judged."""

    closed_s: float = 0.0
    away_s: float = 0.0
    away_total_s: float = 0.0
    absent_s: float = 0.0
    unsure_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Reading:
    """All that is known of the driver in one frame; None is "not known".

    Attributes:
        state, alert: what the driver does and how urgently they are told.
        doubt: what is in the way of judging, whatever the state.
        driver: id of the driver's face.
        head: of the driver.
        turned: (yaw, pitch) in degrees against the driver's own neutral.
        learning: the neutral is not settled yet.
        eyes: image-left and image-right eye.
        closure: of the more open eye (a wink is no sleep).
        perclos: share of the judged time of the last minute with closed eyes.
        blinks_per_minute, blink_s: rate and mean duration over the last minute.
        mouth_mm: gap of the inner lips.
        yawns: since the driver is known.
        timers: what counts towards alerts.
        events: what happened since the last frame.
    """

    state: State
    alert: Alert
    timers: Timers
    doubt: Doubt | None = None
    driver: int | None = None
    head: Head | None = None
    turned: tuple[float, float] | None = None
    learning: bool = True
    eyes: tuple[Eye, Eye] | None = None
    closure: float | None = None
    perclos: float | None = None
    blinks_per_minute: float | None = None
    blink_s: float | None = None
    mouth_mm: float | None = None
    yawns: int = 0
    events: tuple[Event, ...] = ()
