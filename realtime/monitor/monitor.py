"""The monitor: a frame and its faces in, a reading out. Knows time only from the frames."""

from __future__ import annotations

from dataclasses import dataclass, field

from realtime.frame import Face, Frame, Intrinsics
from realtime.monitor.attention import LONGEST_STEP_S, Attention, Seen
from realtime.monitor.driver import EVERYWHERE, Driver, Region
from realtime.monitor.eyes import Eyes, both
from realtime.monitor.head import from_afar, measure_head, sensor_depths
from realtime.monitor.limits import Limits
from realtime.monitor.mouth import Yawns, opening_mm
from realtime.monitor.neutral import Neutral
from realtime.monitor.reading import Alert, Doubt, Event, Eye, Head, Kind, Reading, State
from realtime.monitor.spans import Blinks, Share
from realtime.monitor.visibility import Visibility, nothing_to_see

# A yaw known no better than this says nothing about where somebody looks.
_UNSURE_DEG = 12.0


@dataclass(frozen=True, slots=True)
class MonitorOptions:
    """How a driver is watched.

    Attributes:
        limits: from when on there is an alert.
        region: where the driver sits, x, y, width, height as shares of the picture.
        focal_px: focal length in pixels of the picture; None takes what the source knows, else that of a usual webcam.
    """

    limits: Limits = field(default_factory=Limits)
    region: Region = EVERYWHERE
    focal_px: float | None = None


class Person:
    """What is learned of one driver, and forgotten with them."""

    def __init__(self, limits: Limits) -> None:
        self.neutral = Neutral()
        self.eyes = Eyes()
        self.blinks = Blinks()
        self.yawns = Yawns(limits.yawn_mm, limits.yawn_s)
        self.perclos = Share(limits.perclos_window_s, limits.perclos_window_s / 3)
        self.visibility = Visibility()
        self.attention = Attention(limits)
        self.away = False


@dataclass(frozen=True, slots=True)
class _Look:
    """What one frame shows of the driver."""

    head: Head | None = None
    eyes: tuple[Eye, Eye] | None = None
    mouth_mm: float | None = None
    doubt: Doubt | None = None


class DriverMonitor:
    """Watches one driver through the frames of a source.

    Example:
        monitor = DriverMonitor()
        for frame in source:
            reading = monitor.update(frame, analyser.analyse(frame))
    """

    def __init__(self, options: MonitorOptions | None = None) -> None:
        self._options = options or MonitorOptions()
        self._driver = Driver(self._options.region, self._options.limits.new_driver_s)
        self._person = Person(self._options.limits)
        self._time_s: float | None = None
        self._state, self._alert = State.UNCERTAIN, Alert.NONE
        self._id: int | None = None
        self._seen_s = 0.0

    def update(self, frame: Frame, faces: tuple[Face, ...]) -> Reading:
        """What `frame` says, after all frames before it."""
        time_s = frame.time_s
        step_s = 0.0 if self._time_s is None else min(max(time_s - self._time_s, 0.0), LONGEST_STEP_S)
        self._time_s = time_s
        events: list[Event] = []
        face, changed = (None, False) if frame.held else self._driver.choose(faces, frame.size, time_s)
        if changed:
            self._person = Person(self._options.limits)
            events.append(Event(Kind.DRIVER, time_s, driver=None if face is None else face.id))
        look = self._blind(frame) if face is None else self._look(frame, face, step_s)
        if face is not None:
            self._id, self._seen_s = face.id, time_s
        return self._judge(look, face is not None, events, time_s, step_s)

    def _blind(self, frame: Frame) -> _Look:
        return _Look(doubt=Doubt.DARK if nothing_to_see(frame.pixels) else Doubt.LOST)

    def _look(self, frame: Frame, face: Face, step_s: float) -> _Look:
        camera, known = self._camera(frame)
        sensor = None if frame.depth is None else sensor_depths(frame.depth, face.landmarks)
        head, fit = measure_head(face, camera, sensor, known)
        view = self._person.visibility(frame.pixels, face, step_s)
        doubt = view.doubt or (Doubt.SUNGLASSES if view.glasses else None)
        flat = from_afar(face, camera)
        eyes = self._person.eyes(flat, fit, doubt, step_s)
        return _Look(
            None if view.doubt is Doubt.DARK else head,
            eyes,
            None if view.doubt is Doubt.DARK else opening_mm(flat, fit),
            doubt or (eyes[0].doubt if both(eyes) is None else None),
        )

    def _camera(self, frame: Frame) -> tuple[Intrinsics, bool]:
        """The camera of a frame, and whether it is known."""
        width, height = frame.size
        if (focal := self._options.focal_px) is not None:
            return Intrinsics(focal, focal, (width - 1) / 2, (height - 1) / 2), True
        return frame.intrinsics or Intrinsics.guessed(frame.size), frame.intrinsics is not None

    def _judge(self, look: _Look, present: bool, events: list[Event], time_s: float, step_s: float) -> Reading:
        person, limits = self._person, self._options.limits
        closure = None if look.eyes is None else both(look.eyes)
        closed = None if closure is None else closure >= limits.closed
        person.perclos.add(closed, time_s, step_s)
        if (span := person.blinks(closure, time_s, step_s)) is not None:
            kind = Kind.BLINK if span.duration_s <= Blinks.LONGEST_S else Kind.CLOSURE
            events.append(Event(kind, span.start_s, span.duration_s, driver=self._id))
        if (span := person.yawns(look.mouth_mm, time_s)) is not None:
            events.append(Event(Kind.YAWN, span.start_s, span.duration_s, driver=self._id))
        if look.head is not None and not closed:
            learning = person.neutral.learning
            person.neutral.add(look.head.pose, step_s)
            if learning and not person.neutral.learning:
                events.append(Event(Kind.LEARNED, time_s, driver=self._id))
        turned = None if look.head is None else person.neutral.turned(look.head.pose)
        away = self._away(look.head, turned, present, time_s)
        doubt = look.doubt or (Doubt.LEARNING if person.neutral.place is None else None)
        there = None if look.doubt is Doubt.DARK else present
        state, alert = person.attention.step(Seen(there, closed, away, person.perclos.share, doubt), time_s, step_s)
        if (state, alert) != (self._state, self._alert):
            reason = doubt if state in (State.UNCERTAIN, State.ABSENT) else None
            events.append(Event(Kind.STATE, time_s, 0.0, state, self._state, alert, reason, self._id))
        self._state, self._alert = state, alert
        return Reading(
            state=state,
            alert=alert,
            timers=person.attention.timers,
            doubt=doubt,
            driver=self._id if present else None,
            head=look.head,
            turned=turned,
            learning=person.neutral.learning,
            eyes=look.eyes,
            closure=closure,
            perclos=person.perclos.share,
            blinks_per_minute=person.blinks.per_minute,
            blink_s=person.blinks.mean_s,
            mouth_mm=look.mouth_mm,
            yawns=person.yawns.count,
            events=tuple(events),
        )

    def _away(self, head: Head | None, turned: tuple[float, float] | None, present: bool, time_s: float) -> bool | None:
        """Whether the driver looks away; one who was lost looking away still does, until nobody can be there."""
        limits = self._options.limits
        if head is None or turned is None or head.sigma.yaw > _UNSURE_DEG:
            lost_s = time_s - self._seen_s
            return True if not present and self._person.away and lost_s < limits.new_driver_s else None
        yaw, pitch = turned
        self._person.away = abs(yaw) > limits.away_yaw or pitch > limits.away_up or -pitch > limits.away_down
        return self._person.away
