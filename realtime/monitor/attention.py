"""The state machine: what was judged in one frame, and for how long, becomes a state and an alert."""

from __future__ import annotations

from dataclasses import dataclass

from realtime.monitor.limits import Limits
from realtime.monitor.reading import Alert, Doubt, State, Timers
from realtime.monitor.spans import Share

# No step counts for more: what happened between two frames further apart nobody saw.
LONGEST_STEP_S = 0.5
# A condition that is interrupted for less goes on (a flicker of the measure); it does not grow meanwhile.
GRACE_S = 0.3
# What cannot be judged keeps its timer, neither growing nor ended, for so long.
HOLD_S = 2.0


@dataclass(frozen=True, slots=True)
class Seen:
    """What one frame shows; None where it cannot be judged.

    Attributes:
        present: a face is there (None: too dark to tell).
        closed: both eyes are closed.
        away: the head looks away.
        perclos: share of the last minute with closed eyes.
        doubt: why the eyes or the head cannot be judged.
    """

    present: bool | None
    closed: bool | None = None
    away: bool | None = None
    perclos: float | None = None
    doubt: Doubt | None = None


class Timer:
    """Seconds for which a condition has held."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self._not_s = 0.0
        self._unknown_s = 0.0

    def step(self, held: bool | None, step_s: float) -> None:
        """The condition was so for the last `step_s` seconds (None: it could not be judged)."""
        if held:
            self.seconds += step_s
            self._not_s = self._unknown_s = 0.0
        elif held is None:
            self._unknown_s += step_s
        else:
            self._not_s += step_s
            self._unknown_s = 0.0
        if self._not_s >= GRACE_S or self._unknown_s >= HOLD_S:
            self.seconds = 0.0


class Attention:
    """Holds the timers of one driver."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._closed, self._away, self._absent, self._unsure = Timer(), Timer(), Timer(), Timer()
        self._judged = False  # uncertain until something was
        self._looks = Share(limits.away_window_s, least_s=0.0)

    @property
    def timers(self) -> Timers:
        return Timers(
            self._closed.seconds, self._away.seconds, self._looks.held_s, self._absent.seconds, self._unsure.seconds
        )

    def step(self, seen: Seen, time_s: float, step_s: float) -> tuple[State, Alert]:
        """State and alert at `time_s`, `step_s` seconds after the last call."""
        step_s = min(max(step_s, 0.0), LONGEST_STEP_S)
        self._closed.step(seen.closed, step_s)
        self._away.step(seen.away, step_s)
        self._looks.add(seen.away, time_s, step_s)
        self._absent.step(None if seen.present is None else not seen.present and seen.away is None, step_s)
        self._unsure.step(seen.doubt is not None, step_s)
        self._judged |= seen.doubt is None
        return max(self._reasons(seen), key=lambda reason: (reason[1], _WEIGHT[reason[0]]))

    def _reasons(self, seen: Seen) -> list[tuple[State, Alert]]:
        """Everything that can be said, of which the most urgent counts."""
        limits = self._limits
        closed, away, absent = self._closed.seconds, self._away.seconds, self._absent.seconds
        reasons = [(State.ATTENTIVE, Alert.NONE)]
        if not self._judged or self._unsure.seconds >= limits.unsure_s:
            reasons.append((State.UNCERTAIN, Alert.NONE))
        if away > 0:
            level = _level(away, limits.glance_s, limits.distracted_s, limits.unresponsive_s)
            reasons.append((State.DISTRACTED if level >= Alert.WARNING else State.AWAY, level))
            if self._looks.held_s >= limits.away_total_s:
                reasons.append((State.DISTRACTED, Alert.WARNING))
        if closed >= limits.sleep_s:
            reasons.append((State.ASLEEP, Alert.ALARM))
        elif closed >= limits.microsleep_s:
            reasons.append((State.MICROSLEEP, Alert.WARNING))
        here = seen.present is not False
        if here and seen.perclos is not None and seen.perclos >= limits.perclos_drowsy:
            severe = seen.perclos >= limits.perclos_severe
            reasons.append((State.DROWSY, Alert.WARNING if severe else Alert.NOTICE))
        if absent >= limits.absent_s:
            reasons.append((State.ABSENT, Alert.WARNING if absent >= limits.unresponsive_s else Alert.NOTICE))
        return reasons


def _level(seconds: float, notice_s: float, warning_s: float, alarm_s: float) -> Alert:
    if seconds >= alarm_s:
        return Alert.ALARM
    if seconds >= warning_s:
        return Alert.WARNING
    return Alert.NOTICE if seconds >= notice_s else Alert.NONE


# Of two equally urgent reasons the later one is named. Uncertain outweighs attentive: nothing unseen is claimed.
_WEIGHT = {
    state: weight
    for weight, state in enumerate(
        (
            State.ATTENTIVE,
            State.UNCERTAIN,
            State.AWAY,
            State.ABSENT,
            State.DROWSY,
            State.DISTRACTED,
            State.MICROSLEEP,
            State.ASLEEP,
        )
    )
}
