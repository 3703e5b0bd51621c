"""The pictures of docs/gallery.md, made anew from the built-in public-domain portraits: `python -m bench gallery`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import cv2
import numpy as np
import tyro
from rich.progress import track

from realtime.analysis.analyser import Analyser, AnalysisOptions, open_analyser
from realtime.contact_sheet import grid
from realtime.controls import Mode, Settings
from realtime.frame import Frame, Pixels
from realtime.geometry.crops import face_crop
from realtime.people import demo_people
from realtime.provenance import METADATA
from realtime.renderer import Renderer, RenderOptions
from realtime.sinks.png import write_png
from realtime.sources.demo import RATE, TURN_S, Demo
from training.occluders import Draw, glasses, hand
from training.occluders.scene import Scene

_CELL = (320, 320)
_LOOK_S = 2.5  # the moment of each portrait's turn
_COVERS: tuple[tuple[Draw, int], ...] = ((glasses, 1), (hand, 24))  # what is drawn before each portrait


@dataclass(frozen=True)
class Options:
    """Draw every mode on the demo's two portraits."""

    out: Annotated[Path, tyro.conf.arg(metavar="FOLDER")] = Path("docs/gallery")
    """Where the pictures go."""


def run(options: Options) -> None:
    """Write one PNG for every sheet of `_sheets`."""
    options.out.mkdir(parents=True, exist_ok=True)
    frames = _frames()
    analyser = open_analyser(AnalysisOptions(tracked=False, occlusion=_always, relief=_always, facing=_always))
    renderer = Renderer(RenderOptions(people=demo_people(analyser)))
    renderer.open()
    sheets = _sheets()
    for name, settings in track(sheets.items(), "drawing"):
        cells = [_drawn(renderer, analyser, frame, setting) for frame in frames for setting in settings]
        write_png(options.out / f"{name}.png", grid(cells, columns=len(settings)), METADATA)
    rows = [_kept(renderer, analyser, frame, *cover) for frame, cover in zip(frames, _COVERS, strict=True)]
    write_png(options.out / "occlusion.png", grid([cell for row in rows for cell in row], columns=3), METADATA)
    renderer.close()
    print(f"{len(sheets) + 1} pictures in {options.out}")


def _always() -> bool:
    return True


def _sheets() -> dict[str, list[Settings]]:
    """Sheet name → the settings side by side on it; every row is another frame."""
    off = Settings(mode=Mode.OFF)
    turned = [replace(off, mode=Mode.ROTATE, yaw=yaw) for yaw in (-40.0, -20.0, 20.0, 40.0)]
    return {
        "swap": [off, *(Settings(mode=Mode.SWAP, face=face) for face in (0, 1))],
        "rotate": [*turned[:2], off, *turned[2:]],
        "measure": [Settings(mode=mode) for mode in (Mode.LANDMARKS, Mode.MESH, Mode.DEPTH, Mode.NORMALS)],
    }


def _kept(renderer: Renderer, analyser: Analyser, frame: Frame, draw: Draw, seed: int) -> list[Pixels]:
    """The face with something drawn before it, then swapped over that, and behind it."""
    (face,) = analyser.analyse(frame)
    crop = face_crop(face.points, 2 * _CELL[0])
    scene = Scene(crop.cut(frame.pixels), crop.into(face.points))
    draw(scene, np.random.default_rng(seed))
    covered = replace(frame, pixels=np.clip(scene.picture, 0, 255).astype(np.uint8))
    (face,) = analyser.analyse(covered)
    other = Settings(mode=Mode.SWAP, face=int(frame.index < TURN_S * RATE))
    faces = (replace(face, occlusion=None), face)
    swapped = [renderer.draw(covered, (each,), other).frame.pixels for each in faces]
    return [cv2.resize(pixels, _CELL, interpolation=cv2.INTER_AREA) for pixels in (covered.pixels, *swapped)]


def _frames() -> list[Frame]:
    wanted = {round((turn * TURN_S + _LOOK_S) * RATE) for turn in (0, 1)}
    with Demo() as demo:
        return [_middle(frame) for frame in demo if frame.index in wanted]


def _middle(frame: Frame) -> Frame:
    height, width = frame.pixels.shape[:2]
    square = frame.pixels[:, (width - height) // 2 : (width + height) // 2]
    return replace(frame, pixels=np.ascontiguousarray(square))


def _drawn(renderer: Renderer, analyser: Analyser, frame: Frame, settings: Settings) -> Pixels:
    result = renderer.draw(frame, analyser.analyse(frame), settings)
    return np.asarray(cv2.resize(result.frame.pixels, _CELL, interpolation=cv2.INTER_AREA))
