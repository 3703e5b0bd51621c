"""How well a drawn face belongs to its picture, before and after repair: people and clips that were never trained on.

The composite as the live loop draws it is the "before"; after it come plain feathering (the same face, fading out
inside its outline), OpenCV's seamless cloning, and our networks as the loop runs them.

* Seam energy, flicker and swim are in units of the untouched clip's. Flicker is the frame difference that the picture's
  own motion leaves over. Swim is the one that the input's motion leaves over: what moves otherwise than the head, and
  also what smooth live skin does not tell of the head's motion, which shows in the finer texture of a drawn face.
* Drift is that of the landmarks from the composite's, in percent of the eye distance.
* The kernel distance (KID) is that to real faces, on features of our identity network. Two clips show too few people
  for it: every second of the held-out photos in turn is drawn into a picture of every other clip of 27 held-out people,
  two into each, and compared with the clips and photos between. (Few people drawn often lie apart from many by being
  few.) Beside it what was gained over the composite, of which the interval is much narrower.
* Take many frames for the flicker: where nobody moves, whole blocks of an encoded clip stand still, and next to nothing
  is much of theirs.

python -m bench repair [--frames 48] [--json] [--sheet out/repair.png]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.machine import machine
from bench.meter import Meter, Photo, choose_photos
from bench.quality import (
    Distance,
    cosine,
    face_mask,
    flicker,
    flow_between,
    landmark_drift,
    seam_band,
    seam_energy,
)
from bench.repair_methods import CLONED, COMPOSITE, FEATHERED, UNTOUCHED, by_method, levels, open_renderers
from bench.repair_stills import apart, distances, drawn_into, features_of
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.contact_sheet import grid
from realtime.controls import Settings
from realtime.errors import InputError
from realtime.frame import Face, Floats, Frame, Pixels
from realtime.geometry.crops import face_crop
from realtime.repair.networks import RepairOptions
from realtime.sinks.png import write_png
from realtime.sources.video import VideoFile
from training import data
from training.identity import held_out_people

FILMED = 2  # photos of held-out people, beside the built-in portraits
LEAD_S = 1.0  # of a clip that is drawn but not measured: shape and light settle
EVERY = 4  # frames between two that the networks look at; flicker takes all


@dataclass(frozen=True)
class Options:
    """Quality of swapped faces before and after repair."""

    frames: int = 48
    """Consecutive frames measured of every clip and photo."""
    clips: tuple[str, ...] = data.HELD_OUT_CLIPS
    """Which of the data folder's clips; those of the default were never trained on."""
    threads: int = 1
    """CPU threads per network."""
    sheet: Path | None = None
    """Write a contact sheet there: the methods side by side."""
    json: bool = False
    """End with one line of JSON."""


@dataclass(slots=True, eq=False)
class Tally:
    """What was measured of one method, frame by frame."""

    seam: list[float] = field(default_factory=list)
    flicker: list[float] = field(default_factory=list)
    swim: list[float] = field(default_factory=list)
    drift: list[float] = field(default_factory=list)
    identity: list[float] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one method.

    Attributes:
        seam: in units of the untouched clip's.
        flicker, swim: frame differences along the picture's own motion, and along the input's; likewise.
        distance: KID to real faces.
        gained: its difference from the composite's.
        drift: of the landmarks from the composite's, percent of the eye distance.
        identity: cosine to the photo.
    """

    seam: float
    flicker: float
    swim: float
    distance: Distance
    gained: Distance | None
    drift: float
    identity: float


Look = tuple[Frame, tuple[Face, ...]]


def run(options: Options) -> None:
    """Measure, print the table, and the JSON line where wanted."""
    meter = Meter(options.threads)
    with open_analyser(AnalysisOptions(threads=options.threads, occlusion=lambda: True)) as analyser:
        photos = choose_photos(analyser, FILMED)
        targets, many, real = apart(held_out_people()["clips (faces_ytf)"], analyser)
    console = Console(width=150)
    repairs = levels(options.threads, console.print)
    tallies: dict[str, Tally] = {}
    cells: list[Pixels] = []
    looks = {clip: list(looked_at(clip, options)) for clip in track(options.clips, "clips")}
    for clip, photo in track([(clip, photo) for clip in options.clips for photo in photos], "clips and photos"):
        cells += measure(looks[clip], photo, meter, tallies, repairs)
    far = distances(drawn_into(targets, many, meter, repairs), features_of(real.stills, meter), real.clip)
    rows = {name: summed_up(tally, tallies[UNTOUCHED], *far[name]) for name, tally in tallies.items()}
    console.print(_table(rows, options))
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        write_png(options.sheet, grid(cells, columns=len(rows)))
    if options.json:
        print(json.dumps(_report(rows)))


def looked_at(clip: str, options: Options) -> Iterator[Look]:
    """A clip's first second and the frames to measure, with their faces, as the program sees them in a file."""
    with (
        open_analyser(AnalysisOptions(threads=options.threads, occlusion=lambda: True)) as analyser,
        VideoFile(str(data.folder() / f"video_{clip}.mp4")) as video,
    ):
        end = None
        for frame in video:
            if end is None and frame.time_s >= LEAD_S:
                end = frame.index + options.frames
            if end is not None and frame.index >= end:
                return
            yield frame, analyser.analyse(frame)


def measure(
    looks: list[Look],
    photo: Photo,
    meter: Meter,
    tallies: dict[str, Tally],
    repairs: tuple[RepairOptions, ...] = (),
) -> list[Pixels]:
    """Add one clip with one photo to the tallies; gives a row of small pictures, one for each method."""
    wanted = meter(photo.pixels, photo.face.points).vector
    renderers = open_renderers([photo], repairs)
    previous: dict[str, Pixels] = {}
    row: list[Pixels] = []
    count = 0
    for frame, faces in looks:
        drawn = {name: each.draw(frame, faces, Settings()).frame.pixels for name, each in renderers.items()}
        if frame.time_s < LEAD_S or not faces or faces[0].lost:
            previous = {}
            continue
        points = faces[0].points
        mask = face_mask(points, frame.size)
        pictures = by_method(frame.pixels, drawn, mask)
        for name in pictures:
            tallies.setdefault(name, Tally())
        if previous:
            part = _around(points, frame.size)
            input_flow = flow_between(previous[UNTOUCHED][part], frame.pixels[part])
            for name, picture in pictures.items():
                before, now = previous[name][part], picture[part]
                own_flow = flow_between(before, now)
                tallies[name].flicker.append(flicker(before, now, own_flow, mask[part]))
                tallies[name].swim.append(flicker(before, now, input_flow, mask[part]))
        if count % EVERY == 0:
            _look(pictures, points, mask, meter, wanted, tallies)
            row = [face_crop(points, 256, roll_deg=0.0).cut(picture) for picture in pictures.values()]
        previous = pictures
        count += 1
    for renderer in renderers.values():
        renderer.close()
    if count < 2:
        raise InputError("There is no face to measure in the clip: name another one with --clips.")
    return row


def _around(points: Floats, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of a face and half as much again: what is further off does not tell how it moves."""
    low, high = points.min(axis=0), points.max(axis=0)
    room = (high - low) / 4
    (left, top), (right, bottom) = np.clip([low - room, high + room], 0, size).astype(int)
    return slice(top, bottom), slice(left, right)


def _look(
    pictures: dict[str, Pixels],
    points: Floats,
    mask: np.ndarray,
    meter: Meter,
    wanted: Floats,
    tallies: dict[str, Tally],
) -> None:
    """What needs one frame alone: seam, landmarks and identity."""
    band = seam_band(mask)
    seen = {name: meter(picture, points) for name, picture in pictures.items()}
    for name, picture in pictures.items():
        tally = tallies[name]
        tally.seam.append(seam_energy(picture, band))
        tally.drift.append(landmark_drift(seen[COMPOSITE].points, seen[name].points))
        tally.identity.append(cosine(seen[name].vector, wanted))


def summed_up(tally: Tally, untouched: Tally, distance: Distance, gained: Distance | None) -> Row:
    """Means over all frames, beside the kernel distances."""
    return Row(
        float(np.mean(tally.seam) / np.mean(untouched.seam)),
        float(np.mean(tally.flicker) / np.mean(untouched.flicker)),
        float(np.mean(tally.swim) / np.mean(untouched.swim)),
        distance,
        gained,
        float(np.mean(tally.drift)),
        float(np.mean(tally.identity)),
    )


def _table(rows: dict[str, Row], options: Options) -> Table:
    title = f"{machine()}; clips {', '.join(options.clips)}"
    table = Table(
        "",
        "seam / real",
        "KID (95 %)",
        "less composite's",
        "drift, %",
        "cosine to photo",
        "flicker / real",
        "swim / real",
        title=title,
    )
    for name, row in rows.items():
        kid = f"{row.distance.value:.3f} ({row.distance.low:.2f}–{row.distance.high:.2f})"
        less = row.gained
        figures = (
            f"{row.seam:.2f}",
            kid,
            "" if less is None else f"{less.value:+.3f} ({less.low:+.3f} … {less.high:+.3f})",
            f"{row.drift:.2f}",
            f"{row.identity:.3f}",
            f"{row.flicker:.2f}",
            f"{row.swim:.2f}",
        )
        table.add_row(name, *figures)
    return table


def _report(rows: dict[str, Row]) -> dict[str, Any]:
    """Before and after of the live loop under "ours", the others by name."""
    others = {UNTOUCHED, FEATHERED, CLONED}
    ours = {name: asdict(row) for name, row in rows.items() if name not in others}
    return {"ours": {**ours, "machine": machine()}, **{name: asdict(rows[name]) for name in others if name in rows}}
