"""Timelines as inline SVG: lines over time, a band of states, ticks of events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from realtime.drive_report.drive import STEP_S, Sample
from realtime.monitor.reading import State

WIDTH, LEFT, RIGHT = 1000, 56, 12
COLOURS = {
    State.ATTENTIVE: "#7bc67e",
    State.UNCERTAIN: "#c3cad2",
    State.AWAY: "#ffe08a",
    State.DISTRACTED: "#ff9a3c",
    State.DROWSY: "#c58af0",
    State.MICROSLEEP: "#ff6f61",
    State.ASLEEP: "#c62828",
    State.ABSENT: "#8d99a6",
}
_LINES = ("#1f5fa8", "#c2571a")

Series = Sequence[tuple[float, float | None]]


@dataclass(frozen=True, slots=True)
class Axis:
    """Time along a plot, in seconds from the start."""

    start_s: float
    end_s: float

    def x(self, time_s: float) -> float:
        """Pixels from the left."""
        span = max(self.end_s - self.start_s, 1e-9)
        return LEFT + (WIDTH - LEFT - RIGHT) * min(max((time_s - self.start_s) / span, 0.0), 1.0)

    def marks(self) -> list[float]:
        """About eight round times."""
        span = self.end_s - self.start_s
        steps = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200)
        step = next((step for step in steps if span / step <= 9), 14400)
        return [self.start_s + step * count for count in range(int(span // step) + 1)]


def line_plot(
    title: str,
    axis: Axis,
    lines: Mapping[str, Series],
    span: tuple[float, float],
    limits: Sequence[float] = (),
    height: int = 120,
) -> str:
    """Values over time; gaps where nothing is known.

    Args:
        title: with the unit.
        axis: of time.
        lines: name → (time, value or None), at most two.
        span: lowest and highest value shown; what lies beyond is drawn at the edge.
        limits: values at which something begins, as dashed lines.
    """
    low, high = span

    def y(value: float) -> float:
        return 22 + (height - 40) * (1 - (min(max(value, low), high) - low) / (high - low))

    parts = [_frame(axis, height)]
    parts += [_text(LEFT - 6, y(value) + 4, f"{value:g}", "end") for value in (low, (low + high) / 2, high)]
    parts += [f'<path class="limit" d="M{LEFT} {y(value):.1f}H{WIDTH - RIGHT}"/>' for value in limits]
    for (name, series), colour in zip(lines.items(), _LINES, strict=False):
        path = _path([(axis.x(time_s), None if value is None else y(value)) for time_s, value in series])
        parts.append(f'<path class="line" stroke="{colour}" d="{path}"><title>{escape(name)}</title></path>')
    names = "  ".join(
        f'<tspan fill="{colour}">{escape(name)}</tspan>' for name, colour in zip(lines, _LINES, strict=False)
    )
    parts.append(f'<text x="{LEFT}" y="14">{escape(title)} <tspan dx="12">{names}</tspan></text>')
    return _svg(parts, height)


def state_band(title: str, axis: Axis, samples: Sequence[Sample]) -> str:
    """What the driver did, as a coloured band; runs of one state are one piece."""
    parts = [_text(LEFT, 14, title)]
    begin = 0
    for end in range(1, len(samples) + 1):
        if end < len(samples) and samples[end].state is samples[begin].state:
            continue
        stop_s = samples[end].time_s if end < len(samples) else samples[-1].time_s + STEP_S
        x = axis.x(samples[begin].time_s)
        state = samples[begin].state
        width = max(axis.x(stop_s) - x, 0.5)
        parts.append(
            f'<rect x="{x:.1f}" y="22" width="{width:.1f}" height="22" fill="{COLOURS[state]}">'
            f"<title>{escape(state.value)} from {clock(samples[begin].time_s)}</title></rect>"
        )
        begin = end
    return _svg([*parts, _frame(axis, 62)], 62)


def ticks(title: str, axis: Axis, rows: Mapping[str, Sequence[float]]) -> str:
    """Moments as ticks, one row for each kind."""
    height = 40 + 16 * len(rows)
    parts = [_text(LEFT, 14, title), _frame(axis, height)]
    for row, (name, times) in enumerate(rows.items()):
        y = 24 + 16 * row
        parts.append(_text(LEFT - 6, y + 10, name, "end"))
        path = "".join(f"M{axis.x(time_s):.1f} {y}v12" for time_s in times)
        parts.append(f'<path class="tick" d="{path}"/>' if path else "")
    return _svg(parts, height)


def clock(time_s: float) -> str:
    """65.25 → 1:05.2, 3665 → 1:01:05.0."""
    tenths = round(max(time_s, 0.0) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    seconds = f"{rest // 10:02d}.{rest % 10}"
    return f"{hours}:{minutes:02d}:{seconds}" if hours else f"{minutes}:{seconds}"


def _path(points: list[tuple[float, float | None]]) -> str:
    """SVG path of points with gaps. Of those that share a pixel column the first, extremes and last are drawn."""
    out: list[str] = []
    column: list[tuple[float, float]] = []
    pen = "M"

    def flush() -> None:
        nonlocal pen
        kept = sorted({0, len(column) - 1, *(f(range(len(column)), key=lambda i: column[i][1]) for f in (min, max))})
        for index in kept:
            out.append(f"{pen}{column[index][0]:.1f} {column[index][1]:.1f}")
            pen = "L"
        column.clear()

    for x, y in points:
        if column and (y is None or int(x) != int(column[0][0])):
            flush()
        if y is None:
            pen = "M"
        else:
            column.append((x, y))
    if column:
        flush()
    return "".join(out)


def _frame(axis: Axis, height: int) -> str:
    bottom = height - 18
    marks = "".join(
        f'<path class="grid" d="M{axis.x(mark):.1f} 20V{bottom}"/>'
        + _text(axis.x(mark), height - 4, clock(mark)[:-2], "middle")
        for mark in axis.marks()
    )
    return f'{marks}<path class="axis" d="M{LEFT} {bottom}H{WIDTH - RIGHT}"/>'


def _text(x: float, y: float, text: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(text)}</text>'


def _svg(parts: Sequence[str], height: int) -> str:
    return f'<svg viewBox="0 0 {WIDTH} {height}" role="img">{"".join(parts)}</svg>'
