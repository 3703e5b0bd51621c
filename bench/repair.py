"""How well a drawn face belongs to its picture, before and after repair: people and clips that were never trained on.

The composite as the live loop draws it is the "before"; after it come plain feathering (the same face, fading out
inside its outline), OpenCV's seamless cloning, and our networks as the loop runs them.

* Seam energy, flicker and swim are in units of the untouched clip's. Flicker is the frame difference that the picture's
  own motion leaves over. Swim is the one that the input's motion leaves over: what moves otherwise than the head, and
  also what smooth live skin does not tell of the head's motion, which shows in the finer texture of a drawn face.
* Drift is that of the landmarks from the composite's, in percent of the eye distance.
* The kernel distance (KID) is that to real faces, on features of our identity network. Two clips show too few people
  for it: faces are drawn into a picture of every other clip of 27 held-out people, and compared with the clips between.

python -m bench repair [--frames 24] [--json] [--sheet out/repair.png]
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.classic import feathered, seamless
from bench.machine import machine
from bench.meter import Meter, Photo, choose_photos
from bench.quality import (
    Distance,
    cosine,
    face_mask,
    flicker,
    flow_between,
    kernel_distance,
    landmark_drift,
    seam_band,
    seam_energy,
)
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.contact_sheet import grid
from realtime.controls import Settings
from realtime.errors import InputError
from realtime.frame import Face, Floats, Frame, Pixels
from realtime.geometry.crops import face_crop
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions, load_networks
from realtime.repair.pace import Level
from realtime.repair.stage import Repair
from realtime.sinks.png import write_png
from realtime.sources.video import VideoFile
from training import data
from training.identity import People, held_out_people

FILMED = 2  # photos of held-out people, beside the built-in portraits
LEAD_S = 1.0  # of a clip that is drawn but not measured: shape and light settle
EVERY = 4  # frames between two that the networks look at; flicker takes all
UNTOUCHED, COMPOSITE, FEATHERED, CLONED = "untouched clip", "composite", "plain feathering", "cv2.seamlessClone"


@dataclass(frozen=True)
class Options:
    """Quality of swapped faces before and after repair."""

    frames: int = 24
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
    features: list[Floats] = field(default_factory=list)  # of the still pictures
    target: list[int] = field(default_factory=list)  # which picture each of those was drawn into


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of one method.

    Attributes:
        seam: in units of the untouched clip's.
        flicker, swim: frame differences along the picture's own motion, and along the input's; likewise.
        distance: KID to real faces.
        drift: of the landmarks from the composite's, percent of the eye distance.
        identity: cosine to the photo.
    """

    seam: float
    flicker: float
    swim: float
    distance: Distance
    drift: float
    identity: float


Look = tuple[Frame, tuple[Face, ...]]


def run(options: Options) -> None:
    """Measure, print the table, and the JSON line where wanted."""
    meter = Meter(options.threads)
    with open_analyser(AnalysisOptions(threads=options.threads)) as analyser:
        photos = choose_photos(analyser, FILMED)
    console = Console(width=120)
    repairs = levels(options, console.print)
    tallies: dict[str, Tally] = {}
    cells: list[Pixels] = []
    scenes = [(clip, photo) for clip in options.clips for photo in photos]
    for clip, photo in track(scenes, "clips and photos"):
        cells += measure(list(looked_at(clip, options)), photo, meter, tallies, repairs)
    targets, real = apart(held_out_people()["clips (faces_ytf)"])
    measure_stills(targets, photos, meter, tallies, repairs)
    real_features = features_of(real, meter)
    rows = {name: summed_up(tally, tallies[UNTOUCHED], real_features) for name, tally in tallies.items()}
    console.print(_table(rows, options))
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        write_png(options.sheet, grid(cells, columns=len(rows)))
    if options.json:
        print(json.dumps(_report(rows)))


def looked_at(clip: str, options: Options) -> Iterator[Look]:
    """A clip's first second and the frames to measure, with their faces, as the program sees them in a file."""
    with (
        open_analyser(AnalysisOptions(threads=options.threads)) as analyser,
        VideoFile(str(data.folder() / f"video_{clip}.mp4")) as video,
    ):
        end = None
        for frame in video:
            if end is None and frame.time_s >= LEAD_S:
                end = frame.index + options.frames
            if end is not None and frame.index >= end:
                return
            yield frame, analyser.analyse(frame)


def levels(options: Options, tell: Callable[[str], None]) -> tuple[RepairOptions, ...]:
    """The repairs for which there is a network; of the others `tell` is told why not."""
    asked = [RepairOptions(level, threads=options.threads) for level in (Level.FAST, Level.FULL)]
    return tuple(repair for repair in asked if load_networks(repair, tell))


def open_renderers(photos: Sequence[Photo], repairs: tuple[RepairOptions, ...]) -> dict[str, Renderer]:
    """The ways the live loop draws the photos' faces, by name; each remembers its own frames."""
    looks = RenderOptions(tuple(photo.person() for photo in photos), badge=False)
    renderers = {COMPOSITE: Renderer(looks)}
    renderers |= {f"repair {repair.asked}": Renderer(looks, Repair(repair)) for repair in repairs}
    for renderer in renderers.values():
        renderer.open()
    return renderers


def by_method(frame: Pixels, drawn: dict[str, Pixels], mask: np.ndarray) -> dict[str, Pixels]:
    """Untouched, what was drawn, and the composite feathered and cloned."""
    composite = drawn[COMPOSITE]
    pictures = {UNTOUCHED: frame, COMPOSITE: composite}
    pictures |= {FEATHERED: feathered(frame, composite, mask), CLONED: seamless(frame, composite, mask)}
    return pictures | drawn


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
            input_flow = flow_between(previous[UNTOUCHED], frame.pixels)
            for name, picture in pictures.items():
                own_flow = flow_between(previous[name], picture)
                tallies[name].flicker.append(flicker(previous[name], picture, own_flow, mask))
                tallies[name].swim.append(flicker(previous[name], picture, input_flow, mask))
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


Still = tuple[Pixels, np.ndarray]  # a picture and the keypoints that its set gives


def apart(people: People) -> tuple[list[Still], list[Still]]:
    """A picture of every other clip, to draw faces into, and all pictures of the others, with held-out photos."""
    _, first, number = np.unique(people.clip, return_index=True, return_inverse=True)
    targets = [int(row) for row in people.rows[first[::2]]]
    photos = data.faces_300w()
    real = [(people.faces, row) for row in people.rows[number % 2 == 1]] + [(photos, row) for row in photos.testing()]
    return (
        [(people.faces.picture(row), people.faces.points[row]) for row in targets],
        [(faces.picture(int(row)), faces.points[row]) for faces, row in real],
    )


def measure_stills(
    targets: list[Still],
    photos: Sequence[Photo],
    meter: Meter,
    tallies: dict[str, Tally],
    repairs: tuple[RepairOptions, ...] = (),
) -> None:
    """Add the features of two photos drawn into each picture to the tallies."""
    renderers = open_renderers(photos, tuple(replace(repair, tracked=False) for repair in repairs))
    with open_analyser(AnalysisOptions()) as analyser:
        for number, (pixels, _) in enumerate(track(targets, "still pictures")):
            try:
                face, _ = analyser.photo(pixels, f"picture {number}")
            except InputError:  # it is as good without this one
                continue
            mask = face_mask(face.points, (pixels.shape[1], pixels.shape[0]))
            for turn in range(2):
                index = 2 * number + turn
                frame, settings = Frame(pixels, index, index, 0.0), Settings(face=index % len(photos))
                drawn = {
                    n: r.draw(frame, (replace(face, id=index),), settings).frame.pixels for n, r in renderers.items()
                }
                for name, picture in by_method(pixels, drawn, mask).items():
                    tally = tallies.setdefault(name, Tally())
                    if name != UNTOUCHED or turn == 0:
                        tally.features.append(meter(picture, face.points).features)
                        tally.target.append(number)
    for renderer in renderers.values():
        renderer.close()


def features_of(stills: list[Still], meter: Meter) -> np.ndarray:
    """(N, 200) features of real faces."""
    return np.array([meter(pixels, points).features for pixels, points in track(stills, "real pictures")])


def summed_up(tally: Tally, untouched: Tally, real: np.ndarray) -> Row:
    """Means over all frames, and the kernel distance with its interval over the pictures drawn into."""
    return Row(
        float(np.mean(tally.seam) / np.mean(untouched.seam)),
        float(np.mean(tally.flicker) / np.mean(untouched.flicker)),
        float(np.mean(tally.swim) / np.mean(untouched.swim)),
        kernel_distance(np.array(tally.features), real, np.array(tally.target)),
        float(np.mean(tally.drift)),
        float(np.mean(tally.identity)),
    )


def _table(rows: dict[str, Row], options: Options) -> Table:
    title = f"{machine()}; clips {', '.join(options.clips)}"
    table = Table(
        "", "seam / real", "KID (95 %)", "drift, %", "cosine to photo", "flicker / real", "swim / real", title=title
    )
    for name, row in rows.items():
        kid = f"{row.distance.value:.2f} ({row.distance.low:.2f}–{row.distance.high:.2f})"
        figures = (
            f"{row.seam:.2f}",
            kid,
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
