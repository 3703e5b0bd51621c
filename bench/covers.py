"""Does what moves before a face stay before the drawn one? Clips with a drawn hand: each pixel's truth is known.

Hands and a microphone are drawn once in a clip's light (`training.occluders`), then moved over its face to and fro, and
ever faster, blurred by their motion. The loop analyses and draws the result as it does any file.

* kept: share of the cover's pixels on the face that reach the output within 8 of 255 levels. `rotate` and `frontalise`
  take what covers a head along with it: there it is the share of what they show of it that repair leaves so.
* live: share of the free face where the live picture shows; and the same of the clip without the cover, which is its
  own hair and glasses and what is taken for such.
* flicker: how much the mask is off at the cover's rim otherwise than one frame before; the rim is followed.

python -m bench covers [--frames 90] [--json] [--sheet docs/results/covers.png]
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from bench.machine import machine
from bench.moving_covers import PORTRAIT, Cover, Shot, drawn_over, frames_of, moved_over
from bench.quality import face_mask
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.contact_sheet import grid, spaced
from realtime.controls import Mode, Settings
from realtime.effects.cover import shows
from realtime.effects.photo import Person
from realtime.errors import InputError
from realtime.frame import Face, Frame, Pixels
from realtime.geometry.crops import square_crop
from realtime.people import demo_people
from realtime.provenance import METADATA
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions
from realtime.repair.pace import Level
from realtime.repair.stage import Repair
from realtime.sinks.png import write_png
from training import data
from training.occluders.layer import Layer

COVERS = (Cover("hand", 3), Cover("hand", 17), Cover("hand", 23), Cover("microphone", 5))
SAME = 8  # levels of 255: so near to each other, two pixels show the same thing
UNTOUCHED, UNASKED, PLAIN, REPAIRED = "as it was", "swap, not asked", "swap", "swap, repaired"
TAKEN = "taken by "
_SURE, _NONE = 0.95, 0.02  # opacity of the cover from which on a pixel is its own, up to which it is free
_LEAST = 0.01  # of the face is covered in a frame that counts
_RIM = 0.02  # of the layer's side, on either side of the rim
_TURNED = {"rotate": Settings(Mode.ROTATE, yaw=20.0), "frontalise": Settings(Mode.FRONTALISE)}
_CELL, _MOMENTS = 170, 2


@dataclass(frozen=True)
class Options:
    """Do hands and microphones that move before a face stay before the drawn one?"""

    frames: int = 90
    """Of every clip."""
    clips: tuple[str, ...] = (PORTRAIT, *data.HELD_OUT_CLIPS)
    """`portrait`, the demo's first one, and clips of the data folder."""
    threads: int = 1
    """CPU threads per network."""
    sheet: Path | None = None
    """Write a contact sheet there: two moments of the first clip with each cover, as it was and drawn in three ways."""
    json: bool = False
    """End with one line of JSON."""


@dataclass(slots=True, eq=False)
class Tally:
    """What was measured frame by frame, all of it shares in 0..1; names as in `Row`."""

    kept: dict[str, list[float]] = field(default_factory=dict)
    live: list[float] = field(default_factory=list)
    flicker: list[float] = field(default_factory=list)
    lost: list[bool] = field(default_factory=list)

    def keep(self, way: str, shown: Pixels, wanted: Pixels, where: np.ndarray) -> None:
        """Count the pixels of `where` that are what is wanted, if there are any."""
        if where.any():
            same = np.abs(shown[where].astype(np.int16) - wanted[where]).max(axis=1) <= SAME
            self.kept.setdefault(way, []).append(float(same.mean()))


@dataclass(frozen=True, slots=True)
class Row:
    """The figures of a clip with a cover, percent.

    Attributes:
        kept: of the cover's pixels, by the way to draw.
        live: of the free face.
        own: of the face without the cover.
        flicker: of the opacity at the rim.
        lost: of the frames: no face was found.
    """

    kept: dict[str, float]
    live: float
    own: float
    flicker: float
    lost: float


def run(options: Options) -> None:
    """Measure, print the table, and the JSON line where wanted."""
    with open_analyser(AnalysisOptions(threads=options.threads)) as analyser:
        people = demo_people(analyser)[1:]  # the clip of the first one is measured
    rows: dict[str, Row] = {}
    sheet: list[Pixels] = []
    for clip in options.clips:
        frames = frames_of(clip, options.frames)
        faces = looked_at(frames, options.threads)
        first = faces[0]
        if first is None:
            raise InputError(f"There is no face in the first frame of {clip}: name another clip with --clips.")
        own = np.mean([live_share(face, face_mask(face.points, frames[0].size)) for face in faces if face])
        for cover in track(COVERS, clip):
            layer, crop = drawn_over(frames[0], first, cover)
            shots = moved_over(frames, first, layer, crop)
            tally, cells = measured(shots, faces, layer, people, options.threads)
            rows[f"{clip}, {cover.name}"] = _row(tally, float(own))
            sheet += cells if clip == options.clips[0] else []
    Console(width=150).print(_table(rows))
    if options.sheet:
        options.sheet.parent.mkdir(parents=True, exist_ok=True)
        write_png(options.sheet, grid(sheet, columns=4 * _MOMENTS), METADATA)
    if options.json:
        print(json.dumps({"ours": {**{name: asdict(row) for name, row in rows.items()}, "machine": machine()}}))


def looked_at(frames: Sequence[Frame], threads: int) -> list[Face | None]:
    """The first face of each frame, with what is in front of it, as the program sees them in a file."""
    with open_analyser(AnalysisOptions(threads=threads, occlusion=lambda: True)) as analyser:
        return [_first(analyser.analyse(frame)) for frame in frames]


def _first(faces: Sequence[Face]) -> Face | None:
    return next((face for face in faces if not face.lost), None)


def measured(
    shots: Iterable[Shot], clean: Sequence[Face | None], layer: Layer, people: tuple[Person, ...], threads: int
) -> tuple[Tally, list[Pixels]]:
    """One clip with one cover, and a few moments of it: as it was, nothing asked, drawn, repaired.

    Args:
        shots: the clip.
        clean: its faces without the cover, which tell where the face really is.
        layer: the cover.
        people: whose face is drawn.
        threads: of a network.
    """
    tally, moments, before = Tally(), [], None
    renderers = _open_renderers(people, threads)
    rim = rim_of(layer.opacity)
    with open_analyser(AnalysisOptions(threads=threads, occlusion=lambda: True)) as analyser:
        for shot, known in zip(shots, clean, strict=True):
            faces = analyser.analyse(shot.frame)
            drawn = _drawn(renderers, shot, faces)
            face = _first(faces)
            tally.lost.append(face is None)
            if known is None or face is None:
                before = None
                continue
            place = face_mask(known.points, shot.frame.size)
            sure = place & (shot.opacity > _SURE)
            if sure.sum() >= _LEAST * place.sum():
                _count(tally, shot, drawn, sure)
                tally.live.append(live_share(face, place & (shot.opacity < _NONE)))
                crop = square_crop(known.points.mean(axis=0), 1.8 * known.box[2], 0.0, _CELL)
                moments.append(np.stack([crop.cut(drawn[way]) for way in (UNTOUCHED, UNASKED, PLAIN, REPAIRED)]))
            error = error_of(face, shot, place, layer.size)
            if before is not None:
                both = rim & np.isfinite(error) & np.isfinite(before)
                tally.flicker += [float(np.abs(error - before)[both].mean())] if both.any() else []
            before = error
    for renderer in renderers.values():
        renderer.close()
    return tally, [cell for moment in spaced(moments, _MOMENTS) for cell in moment]


def _open_renderers(people: tuple[Person, ...], threads: int) -> dict[str, Renderer]:
    """By way to draw: each remembers its own frames."""
    options = RenderOptions(people=people, badge=False)
    ways = [UNASKED, PLAIN, REPAIRED, *(f"{name}{more}" for name in _TURNED for more in ("", ", repaired"))]
    renderers = {
        way: Renderer(options, Repair(RepairOptions(Level.FAST, threads=threads)) if "repaired" in way else None)
        for way in ways
    }
    for renderer in renderers.values():
        renderer.open()
    return renderers


def _drawn(renderers: dict[str, Renderer], shot: Shot, faces: tuple[Face, ...]) -> dict[str, Pixels]:
    """Way to draw → picture; the frame itself under `UNTOUCHED`; where the cover is taken to under `TAKEN` + mode."""
    unasked = tuple(replace(face, occlusion=None) for face in faces)
    pictures = {UNTOUCHED: shot.frame.pixels}
    for way, renderer in renderers.items():
        seen, settings = (unasked if way == UNASKED else faces), _TURNED.get(way.split(",")[0], Settings())
        pictures[way] = renderer.draw(shot.frame, seen, settings).frame.pixels
    where = np.round(255 * np.dstack([shot.opacity] * 3)).astype(np.uint8)
    for mode, settings in _TURNED.items():
        cover = replace(shot.frame, pixels=where)
        pictures[TAKEN + mode] = renderers[mode].draw(cover, faces, settings).frame.pixels
    return pictures


def _count(tally: Tally, shot: Shot, drawn: dict[str, Pixels], sure: np.ndarray) -> None:
    """What is kept of the cover, which is `sure` to be seen there on the face."""
    for way in (UNASKED, PLAIN, REPAIRED):
        tally.keep(way, drawn[way], shot.frame.pixels, sure)
    for mode in _TURNED:
        taken = drawn[TAKEN + mode][..., 0] > 255 * _SURE
        tally.keep(f"{mode}, repaired", drawn[f"{mode}, repaired"], drawn[mode], taken)


def _mask(face: Face, size: tuple[int, int]) -> np.ndarray:
    """(H, W) float32 in 0..1, how far the live picture shows on a face that was looked at."""
    if face.occlusion is None:
        return np.zeros(size[::-1], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(shows(face.occlusion), face.occlusion.matrix, size, flags=flags) / np.float32(255)


def live_share(face: Face, where: np.ndarray) -> float:
    """Share of the pixels `where` (H, W) that show the live picture."""
    return float((_mask(face, where.shape[::-1])[where] > 0.5).mean())


def error_of(face: Face, shot: Shot, place: np.ndarray, size: int) -> np.ndarray:
    """(S, S) by how much too much of the live picture shows at each pixel of the layer; NaN beside the face."""
    error = np.where(place, _mask(face, shot.frame.size) - shot.opacity, np.nan).astype(np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(error, shot.place, (size, size), flags=flags, borderValue=float("nan"))


def rim_of(opacity: np.ndarray) -> np.ndarray:
    """(S, S) bool, near the edge of what an (S, S) opacity covers."""
    reach = round(_RIM * len(opacity))
    square = np.ones((2 * reach + 1,) * 2, np.uint8)
    return cv2.morphologyEx((opacity > 0.5).astype(np.uint8), cv2.MORPH_GRADIENT, square) > 0


def _row(tally: Tally, own: float) -> Row:
    kept = {way: 100 * float(np.mean(shares)) for way, shares in tally.kept.items()}
    live, flicker, lost = (float(np.mean(part)) if part else 0.0 for part in (tally.live, tally.flicker, tally.lost))
    return Row(kept, 100 * live, 100 * own, 100 * flicker, 100 * lost)


def _table(rows: dict[str, Row]) -> Table:
    ways = list(dict.fromkeys(way for row in rows.values() for way in row.kept))
    table = Table("kept, %", *ways, "live (own), %", "flicker, %", "lost, %", title=machine())
    for name, row in rows.items():
        kept = [f"{row.kept[way]:.1f}" if way in row.kept else "–" for way in ways]
        table.add_row(name, *kept, f"{row.live:.1f} ({row.own:.1f})", f"{row.flicker:.1f}", f"{row.lost:.0f}")
    return table
