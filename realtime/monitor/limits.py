"""From when on the driver is told: times, angles and shares, each of which can be set with `--limit`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace

from realtime.errors import InputError


@dataclass(frozen=True, slots=True)
class Limits:
    """Where attention ends. Defaults follow published practice; "ours" says that there is none.

    Attributes:
        glance_s: seconds of looking away until a notice (NHTSA 2013, visual-manual guidelines: no single glance over
            2 s; so does AttenD's buffer, Kircher and Ahlström 2009).
        distracted_s: until a warning (Euro NCAP 2023: a long glance away, 3 s or more).
        unresponsive_s: until an alarm, and of nobody seen until a warning (Euro NCAP 2023: no response for 3 s).
        away_total_s, away_window_s: seconds of looking away within the window until a warning (Euro NCAP 2023: visual
            time sharing, more than 10 s within 30 s).
        away_yaw, away_up, away_down: degrees from the driver's neutral at which the head looks away (ours).
        closed: share of the lids' way from which an eye is closed (P80, Wierwille et al. 1994).
        microsleep_s, sleep_s: seconds of closed eyes until a warning and an alarm (Euro NCAP 2023: microsleep from 1 s,
            sleep from 3 s).
        perclos_drowsy, perclos_severe: share of time with closed eyes at which a driver is drowsy: a notice (Wierwille
            et al. 1994, Dinges and Grace 1998), and a warning (ours).
        perclos_window_s: seconds over which that share is taken (one minute, Wierwille et al. 1994).
        yawn_mm, yawn_s: gap of the inner lips, and seconds it has to last, of a yawn (ours).
        absent_s: seconds without a face until a notice (ours).
        unsure_s: seconds after which what cannot be judged makes the state uncertain (ours).
        new_driver_s: seconds without a face after which whoever appears is another driver (ours).
    """

    glance_s: float = 2.0
    distracted_s: float = 3.0
    unresponsive_s: float = 6.0
    away_total_s: float = 10.0
    away_window_s: float = 30.0
    away_yaw: float = 25.0
    away_up: float = 20.0
    away_down: float = 15.0
    closed: float = 0.8
    microsleep_s: float = 1.0
    sleep_s: float = 3.0
    perclos_drowsy: float = 0.15
    perclos_severe: float = 0.2
    perclos_window_s: float = 60.0
    yawn_mm: float = 25.0
    yawn_s: float = 2.0
    absent_s: float = 2.0
    unsure_s: float = 1.0
    new_driver_s: float = 10.0


def read_limits(settings: Iterable[str]) -> Limits:
    """Limits from texts like "glance_s=1.5"; what is not named keeps its default.

    Raises:
        InputError: no such limit, no number, or a number out of its range.
    """
    names = [field.name for field in fields(Limits)]
    values: dict[str, float] = {}
    for setting in settings:
        name, _, text = setting.partition("=")
        name = name.strip().replace("-", "_")
        if name not in names:
            raise InputError(f"--limit {setting}: there is no limit of this name, only {', '.join(names)}.")
        low, high = _range(name)
        try:
            values[name] = float(text)
        except ValueError as error:
            raise InputError(f"--limit {setting}: give it a number, as in --limit glance_s=1.5.") from error
        if not low <= values[name] <= high:
            raise InputError(f"--limit {setting} is out of range: give a number between {low:g} and {high:g}.")
    return replace(Limits(), **values)


def _range(name: str) -> tuple[float, float]:
    if name.endswith("_s"):
        return 0.1, 3600
    if name.endswith("_mm"):
        return 1, 200
    return (1, 90) if name.startswith("away_") else (0.01, 1)
