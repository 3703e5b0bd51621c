"""The faces to swap in: read from photos, clips and folders, or the two portraits that are built in."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from realtime.analysis.analyser import Analyser
from realtime.controls import Settings
from realtime.effects.photo import Person, person
from realtime.errors import InputError
from realtime.frame import Face, Frame, Pixels, Result
from realtime.loop import Renderer
from realtime.sources.demo import portraits, turn
from realtime.sources.image import is_image, read_image
from realtime.sources.video import VideoFile

# Of a clip or folder the views are kept that differ in yaw: more than these cost memory and show nothing new.
MOST_VIEWS = 7
_YAW_STEP_DEG = 12.0
_CLIP_STEP_S = 0.25  # heads turn slower than that matters
_MOST_TRIED = 24  # each is measured as carefully as a photo

View = tuple[Pixels, Face]


def load_people(paths: Sequence[str], analyser: Analyser, tell: Callable[[str], None]) -> tuple[Person, ...]:
    """One person for every path: a photo, a clip, or a folder of photos and clips of one person.

    Args:
        paths: files or folders.
        analyser: measures the faces.
        tell: is told where a photo shows several faces (the largest is taken).

    Raises:
        InputError: a path cannot be read, or there is no face in it.
    """
    return tuple(person(Path(path).stem, _views(Path(path), analyser, tell)) for path in paths)


def demo_people(analyser: Analyser) -> tuple[Person, ...]:
    """The two portraits of the demo."""
    return tuple(
        person(f"portrait {number}", [(pixels, analyser.photo(pixels, f"portrait {number}")[0])])
        for number, pixels in enumerate(portraits(), start=1)
    )


class TakingTurns(Renderer):
    """Draws the demo so that each portrait is given the face of the other one."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    def open(self) -> None:
        self._renderer.open()

    def draw(self, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> Result:
        return self._renderer.draw(frame, faces, replace(settings, face=settings.face + turn(frame.time_s) + 1))

    def close(self) -> None:
        self._renderer.close()


def _views(path: Path, analyser: Analyser, tell: Callable[[str], None]) -> list[View]:
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.is_file() and not file.name.startswith("."))
        if not files:
            raise InputError(f"The folder {path} is empty: put photos or clips of one person into it.")
        return _spread([view for file in files for view in _views_of_file(file, analyser, tell)])
    return _views_of_file(path, analyser, tell)


def _views_of_file(path: Path, analyser: Analyser, tell: Callable[[str], None]) -> list[View]:
    if is_image(path):
        pixels = read_image(path)
        face, count = analyser.photo(pixels, str(path))
        if count > 1:
            tell(f"There are {count} faces in {path}: the largest one is taken.")
        return [(pixels, face)]
    found = list(_views_of_clip(path, analyser))
    if not found:
        raise InputError(f"No face was found in {path}: take a clip in which one is plainly visible.")
    return _spread(found)


def _views_of_clip(path: Path, analyser: Analyser) -> Iterator[View]:
    due = 0.0
    tried = 0
    with VideoFile(str(path)) as clip:
        for frame in clip:
            if frame.time_s < due or tried >= _MOST_TRIED:
                continue
            due, tried = frame.time_s + _CLIP_STEP_S, tried + 1
            try:
                yield frame.pixels, analyser.photo(frame.pixels, str(path))[0]
            except InputError:  # no face in this frame; others may have one
                continue


def _spread(views: list[View]) -> list[View]:
    """The most frontal view first, then those that differ most in yaw from the ones kept."""
    kept = [min(views, key=lambda view: abs(view[1].pose.yaw))]
    while len(kept) < MOST_VIEWS:
        yaws = np.array([face.pose.yaw for _, face in kept])
        gaps = [float(np.abs(face.pose.yaw - yaws).min()) for _, face in views]
        best = int(np.argmax(gaps))
        if gaps[best] < _YAW_STEP_DEG:
            break
        kept.append(views[best])
    return kept
