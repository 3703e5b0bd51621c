"""Whose face the swap shows: cosine of our own embedding between what is drawn and the photo, clip by clip.

Beside it a classic swapper (`bench.classic`), the untouched clip (the floor) and other pictures of the photo's person
(the ceiling). The embedding was trained on none of these people. `--sheet` writes a picture to look at.

python -m bench identity [--frames 10] [--json] [--sheet out/identity.png]
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.classic import Classic
from bench.machine import machine
from bench.meter import Meter, Photo, choose_photos
from bench.quality import cosine
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.contact_sheet import grid
from realtime.controls import Mode, Settings
from realtime.errors import InputError
from realtime.frame import Face, Frame, Pixels
from realtime.geometry.crops import face_crop
from realtime.renderer import Renderer, RenderOptions
from realtime.sinks.png import write_png
from realtime.sources.video import VideoFile
from training import data

CLIPS = ("d3", "d6", "d9", "d10", "d12", "s18")
STRIDE = 3  # every third frame is drawn: faces are followed, and the running shape settles
LONGEST = 40  # frames drawn of a clip, some four seconds
FILMED = 3  # photos taken from held-out people's clips; the built-in portraits come on top
OURS, CLASSIC, CLONED, UNTOUCHED, CEILING = "ours", "classic", "classic, cloned", "untouched", "other photos"


@dataclass(frozen=True)
class Options:
    """Cosine between the drawn face and the photo, ours beside a classic swapper."""

    frames: int = 10
    """Frames measured of every clip and photo."""
    clips: tuple[str, ...] = CLIPS
    """Which of the data folder's clips."""
    expression: float = 1.0
    """As the program's option of this name."""
    shape: float | None = None
    """As the program's option of this name."""
    live_eyes: bool = True
    """Show the live eyes, as the program does."""
    threads: int = 1
    """CPU threads per network."""
    sheet: Path | None = None
    """Write a contact sheet there: photo, clip, ours, classic."""
    json: bool = False
    """End with one line of JSON."""


def run(options: Options) -> None:
    """Measure, print the table, and the JSON line where wanted."""
    meter = Meter(options.threads)
    with open_analyser(AnalysisOptions(threads=options.threads)) as analyser:
        photos = choose_photos(analyser, FILMED)
    rows: dict[str, dict[str, dict[str, float]]] = {}
    cells: list[Pixels] = []
    for clip in track(options.clips, "clips"):
        frames = list(sampled(clip, options))
        for photo in photos:
            scores, looks = measure(photo, frames, meter, options)
            rows.setdefault(photo.name, {})[clip] = {name: float(np.mean(values)) for name, values in scores.items()}
            cells += looks
    ceilings = {photo.name: ceiling(photo, meter) for photo in photos}
    Console(width=110).print(_table(rows, ceilings))
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        write_png(options.sheet, grid(cells, columns=4 * len(photos)))
    if options.json:
        print(json.dumps(_report(rows, ceilings)))


def sampled(clip: str, options: Options) -> Iterator[tuple[Frame, tuple[Face, ...]]]:
    """Every third frame of a clip with its faces, as the program sees them in a file."""
    with (
        open_analyser(AnalysisOptions(threads=options.threads)) as analyser,
        VideoFile(str(data.folder() / f"video_{clip}.mp4")) as video,
    ):
        for frame in islice(video, 0, LONGEST * STRIDE, STRIDE):
            yield frame, analyser.analyse(frame)


def measure(
    photo: Photo, frames: list[tuple[Frame, tuple[Face, ...]]], meter: Meter, options: Options
) -> tuple[dict[str, list[float]], list[Pixels]]:
    """Cosines by method over some of a clip's frames, and four small pictures of the middle one."""
    wanted = meter(photo.pixels, photo.face.points).vector
    classics = {CLASSIC: Classic(photo.pixels, photo.face.points)}
    classics[CLONED] = Classic(photo.pixels, photo.face.points, "clone")
    renderer = Renderer(RenderOptions((photo.person(),), badge=False, live_eyes=options.live_eyes))
    renderer.open()
    settings = Settings(Mode.SWAP, expression=options.expression, shape=options.shape)
    chosen = set(np.linspace(0, len(frames) - 1, options.frames).astype(int).tolist())
    scores: dict[str, list[float]] = {name: [] for name in (UNTOUCHED, CLASSIC, CLONED, OURS)}
    looks: list[Pixels] = []
    for number, (frame, faces) in enumerate(frames):
        drawn = renderer.draw(frame, faces, settings).frame.pixels
        if number not in chosen or not faces or faces[0].lost:
            continue
        points = faces[0].points
        pictures = {name: classic.draw(frame.pixels, points) for name, classic in classics.items()}
        pictures |= {UNTOUCHED: frame.pixels, OURS: drawn}
        for name, picture in pictures.items():
            scores[name].append(cosine(meter(picture, points).vector, wanted))
        if not looks and 2 * len(scores[OURS]) >= options.frames:
            shown = (frame.pixels, drawn, pictures[CLASSIC])
            looks = [_small(photo.pixels, photo.face.points), *(_small(picture, points) for picture in shown)]
    renderer.close()
    if not scores[OURS]:
        raise InputError("No face was found in the clip: name another one with --clips.")
    return scores, looks


def ceiling(photo: Photo, meter: Meter) -> float | None:
    """Mean cosine of the photo with pictures of the same person in other clips; None where there are none."""
    if not photo.others:
        return None
    wanted = meter(photo.pixels, photo.face.points).vector
    with open_analyser(AnalysisOptions()) as analyser:
        found = [analyser.photo(pixels, photo.name)[0] for pixels in photo.others]
    values = [cosine(meter(p, face.points).vector, wanted) for p, face in zip(photo.others, found, strict=True)]
    return float(np.mean(values))


def _small(pixels: Pixels, points: np.ndarray) -> Pixels:
    return face_crop(points, 200, roll_deg=0.0).cut(pixels)


def _table(rows: dict[str, dict[str, dict[str, float]]], ceilings: dict[str, float | None]) -> Table:
    methods = (UNTOUCHED, CLASSIC, CLONED, OURS)
    table = Table("photo", "clip", *methods, CEILING, title=machine())
    for photo, clips in rows.items():
        top = ceilings[photo]
        for clip, scores in clips.items():
            table.add_row(photo, clip, *(f"{scores[m]:.2f}" for m in methods), "–" if top is None else f"{top:.2f}")
    means = [np.mean([scores[m] for clips in rows.values() for scores in clips.values()]) for m in methods]
    table.add_section()
    table.add_row("mean", "", *(f"{value:.3f}" for value in means))
    return table


def _report(
    rows: dict[str, dict[str, dict[str, float]]], ceilings: dict[str, float | None]
) -> dict[str, dict[str, dict[str, float | None]]]:
    """By method: photo → clip → cosine; the ceiling stands under the clip "other photos"."""
    methods = (OURS, CLASSIC, CLONED, UNTOUCHED)
    report: dict[str, dict[str, dict[str, float | None]]] = {
        method: {photo: {clip: scores[method] for clip, scores in clips.items()} for photo, clips in rows.items()}
        for method in methods
    }
    for photo, value in ceilings.items():
        report[OURS][photo][CEILING] = value
    return report
