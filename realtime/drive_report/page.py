"""The page itself: well-formed XHTML, so that whatever reads HTML or XML can read it."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from typing import Any
from xml.sax.saxutils import escape

from realtime.drive_report.drive import Drive
from realtime.drive_report.plots import COLOURS, Axis, clock, line_plot, state_band, ticks
from realtime.monitor.limits import Limits
from realtime.monitor.reading import Alert, Kind, State

_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 1040px; margin: 24px auto; padding: 0 16px; color: #1c232b }
h1 { font-size: 24px } h2 { font-size: 18px; margin-top: 28px }
.plots { overflow-x: auto }
svg { width: 100%; min-width: 640px; height: auto; display: block; margin: 6px 0 }
svg text { font-size: 12px; fill: #44505c }
.line { fill: none; stroke-width: 1.3 } .tick { stroke: #1f5fa8; stroke-width: 1.5 }
.grid { stroke: #e3e8ee } .axis { stroke: #9aa6b2 } .limit { stroke: #c62828; stroke-dasharray: 5 4 }
table { border-collapse: collapse } td, th { padding: 3px 14px 3px 0; text-align: left; vertical-align: top }
.swatch { display: inline-block; width: 12px; height: 12px; margin-right: 6px }
.note { color: #5b6773; font-size: 13px }
"""


def page(drive: Drive, limits: Limits) -> str:
    """The report as text; complete in itself, nothing is loaded."""
    title = escape(f"Drive: {drive.source}")
    parts = [
        f"<h1>{title}</h1>",
        "<h2>Summary</h2>",
        _table(_summary(drive)),
        "<h2>Time in each state</h2>",
        _states(drive),
        "<h2>Timeline</h2>",
        f'<div class="plots">{"".join(_plots(drive, limits))}</div>',
        "<h2>Events</h2>",
        _events(drive),
        '<p class="note">Made by Facet on this machine. No medical device and no certified safety system: what it says '
        "may be wrong, and it cannot see what a driver thinks.</p>",
    ]
    return (
        '<!DOCTYPE html>\n<html xmlns="http://www.w3.org/1999/xhtml" lang="en">\n'
        '<head><meta charset="utf-8"/><meta name="viewport" content="width=device-width"/>'
        f"<title>{title}</title><style>{_STYLE}</style></head>\n"
        f"<body>\n{chr(10).join(parts)}\n</body></html>\n"
    )


def _summary(drive: Drive) -> list[tuple[str, str]]:
    start, end = drive.span
    judged = sum(seconds for state, seconds in drive.seconds.items() if state not in (State.UNCERTAIN, State.ABSENT))
    levels = [event["alert"] for event in drive.of(Kind.STATE)]
    # one that goes on under another state is no new one
    alerts = Counter(now for before, now in pairwise([0, *levels]) if now > before)
    minutes = max((end - start) / 60, 1e-9)
    blinks = drive.of(Kind.BLINK)
    perclos = [value for _, value in drive.series("perclos") if value is not None]
    distance = sorted(value for _, value in drive.series("distance") if value is not None)
    rows = [
        ("length", f"{clock(end - start)} ({drive.frames} frames)"),
        ("judged", _percent(judged / max(sum(drive.seconds.values()), 1e-9))),
        *((f"{alert.name.lower()}s", str(alerts[int(alert)])) for alert in (Alert.ALARM, Alert.WARNING, Alert.NOTICE)),
        ("highest PERCLOS", _percent(max(perclos)) if perclos else "–"),
        ("blinks", f"{len(blinks)} ({len(blinks) / minutes:.1f} a minute)"),
    ]
    if blinks:
        mean = sum(event["duration_s"] for event in blinks) / len(blinks)
        rows.append(("mean blink", f"{1000 * mean:.0f} ms"))
    rows += [
        ("eyes closed for longer", str(len(drive.of(Kind.CLOSURE)))),
        ("yawns", str(len(drive.of(Kind.YAWN)))),
        ("changes of driver", str(len(drive.of(Kind.DRIVER)))),
    ]
    if distance:
        rows.append(("distance, median", f"{distance[len(distance) // 2]:.0f} cm"))
    return rows


def _states(drive: Drive) -> str:
    total = max(sum(drive.seconds.values()), 1e-9)
    rows = "".join(
        f'<tr><td><span class="swatch" style="background: {COLOURS[state]}"></span>{escape(state.value)}</td>'
        f"<td>{clock(seconds)}</td><td>{_percent(seconds / total)}</td></tr>"
        for state, seconds in sorted(drive.seconds.items(), key=lambda item: -item[1])
    )
    return f"<table>{rows}</table>" if rows else "<p>–</p>"


def _plots(drive: Drive, limits: Limits) -> list[str]:
    if not drive.samples:
        return ["<p>–</p>"]
    axis = Axis(*drive.span)
    turned = {"yaw, right of the image": drive.series("yaw"), "pitch, up": drive.series("pitch")}
    moments = {
        "blinks": [event["time_s"] for event in drive.of(Kind.BLINK)],
        "closed": [event["time_s"] for event in drive.of(Kind.CLOSURE)],
        "yawns": [event["time_s"] for event in drive.of(Kind.YAWN)],
        "driver": [event["time_s"] for event in drive.of(Kind.DRIVER)],
    }
    sides = (-limits.away_yaw, limits.away_yaw, -limits.away_down, limits.away_up)
    return [
        state_band("state", axis, drive.samples),
        line_plot("head against its neutral, degrees", axis, turned, (-60, 60), sides, 170),
        line_plot("lids (0 open, 1 closed)", axis, {"closure": drive.series("closure")}, (0, 1), (limits.closed,)),
        line_plot(
            "PERCLOS, share of the last minute",
            axis,
            {"PERCLOS": drive.series("perclos")},
            (0, 0.5),
            (limits.perclos_drowsy, limits.perclos_severe),
        ),
        line_plot("mouth, mm", axis, {"inner lips": drive.series("mouth")}, (0, 60), (limits.yawn_mm,), 100),
        ticks("moments", axis, moments),
    ]


def _events(drive: Drive) -> str:
    shown = [event for event in drive.events if event["kind"] != Kind.BLINK.value]
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in _cells(event))}</tr>" for event in shown)
    heads = "".join(f"<th>{name}</th>" for name in ("time", "what", "seconds", "alert"))
    blinks = ", ".join(clock(event["time_s"]) for event in drive.of(Kind.BLINK)) or "none"
    table = f"<table><tr>{heads}</tr>{rows}</table>" if rows else "<p>None.</p>"
    return f"{table}<details><summary>Blinks</summary><p>{blinks}</p></details>"


def _cells(event: dict[str, Any]) -> tuple[str, str, str, str]:
    what, alert = str(event["kind"]), ""
    if event["kind"] == Kind.STATE.value:
        doubt = f" ({event['doubt']})" if event.get("doubt") else ""
        changed = event["before"] != event["state"]
        what = f"{event['before']} → {event['state']}{doubt}" if changed else f"{event['state']}{doubt}"
        alert = Alert(event["alert"]).name.lower() if event["alert"] else ""
    duration = float(event.get("duration_s") or 0.0)
    return clock(event["time_s"]), what, f"{duration:.2f}" if duration else "", alert


def _table(rows: list[tuple[str, str]]) -> str:
    cells = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
