"""The panel of mode `monitor`: state, pose, lids, PERCLOS and timers as one small picture."""

from __future__ import annotations

import numpy as np

from realtime.frame import Pixels
from realtime.monitor.limits import Limits
from realtime.monitor.reading import Alert, Eye, Reading, State
from realtime.render.overlay import text_picture

COLOURS: dict[Alert, tuple[int, int, int]] = {
    Alert.NONE: (90, 220, 120),
    Alert.NOTICE: (250, 210, 70),
    Alert.WARNING: (255, 140, 40),
    Alert.ALARM: (255, 60, 60),
}
UNSURE = (170, 190, 210)
_BAR = 14  # letters a bar is wide


def panel_lines(reading: Reading) -> list[str]:
    """What the panel says, line by line; the first is the state, "[bar]" marks where a bar goes."""
    head, timers = reading.head, reading.timers
    state = reading.state.upper() + (f": {reading.doubt}" if reading.doubt and reading.state is State.UNCERTAIN else "")
    lines = [f"{state:24}"]
    if head is None:
        lines += ["head -", "distance -"]
    else:
        pose, sigma = head.pose, head.sigma
        turn = f"yaw {pose.yaw:+.0f}  pitch {pose.pitch:+.0f}  roll {pose.roll:+.0f}"
        lines.append(f"{turn}  (+-{sigma.yaw:.0f}/{sigma.pitch:.0f})")
        source = "measured" if head.measured else "from the eyes"
        lines.append(f"distance {head.position_mm[2] / 10:.0f} cm {source}")
    if reading.turned is None:
        lines.append("neutral: learning")
    else:
        learning = "  (learning)" if reading.learning else ""
        lines.append(f"turned {reading.turned[0]:+.0f} / {reading.turned[1]:+.0f}{learning}")
    lines += ["lids L", "lids R", f"PERCLOS {_percent(reading.perclos)}"]
    rate = "-" if reading.blinks_per_minute is None else f"{reading.blinks_per_minute:.0f}/min"
    lines.append(f"blinks {rate}  yawns {reading.yawns}")
    lines.append(f"closed {timers.closed_s:.1f} s  away {timers.away_s:.1f} s")
    return lines


def panel_picture(reading: Reading, limits: Limits, letter_px: float) -> Pixels:
    """(h, w, 4) uint8, premultiplied RGBA."""
    lines = panel_lines(reading)
    picture = text_picture(lines, letter_px)
    step, pad = round(1.7 * letter_px), round(0.6 * letter_px)
    colour = UNSURE if reading.state is State.UNCERTAIN else COLOURS[reading.alert]
    head = picture[: pad // 2 + step]
    ink = head[..., :3].max(axis=2, keepdims=True).astype(np.float32) / 255
    head[..., :3] = np.round(ink * colour)
    eyes: tuple[Eye | None, Eye | None] = reading.eyes or (None, None)
    shares = [None if eye is None else eye.closure for eye in eyes]
    for row, share, mark in ((4, shares[0], limits.closed), (5, shares[1], limits.closed)):
        _bar(picture, row, letter_px, share, mark)
    perclos = None if reading.perclos is None else reading.perclos / 0.5  # the bar ends at a half
    _bar(picture, 6, letter_px, perclos, limits.perclos_drowsy / 0.5)
    return picture


def _bar(picture: Pixels, row: int, letter_px: float, share: float | None, mark: float) -> None:
    """Draw a bar at the end of a row: full from the right of its words, with a tick where the limit is."""
    step, pad = round(1.7 * letter_px), round(0.6 * letter_px)
    top = pad // 2 + row * step + round(0.35 * letter_px)
    bottom, right = top + round(0.9 * letter_px), picture.shape[1] - pad
    left = max(right - round(_BAR * letter_px * 0.55), 0)
    width = right - left
    picture[top:bottom, left:right] = (60, 60, 60, 255) if share is not None else (35, 35, 35, 200)
    if share is not None:
        filled = left + round(width * float(np.clip(share, 0, 1)))
        alarming = share >= mark
        picture[top:bottom, left:filled] = (*(COLOURS[Alert.WARNING] if alarming else COLOURS[Alert.NONE]), 255)
    tick = left + round(width * min(mark, 1.0))
    picture[top:bottom, max(tick - 1, left) : tick + 1] = 255


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{100 * share:.0f} %"
