"""Clips in which something moves before a face, and it is known for every pixel where it is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from realtime.frame import Face, Frame
from realtime.geometry.crops import Crop, face_crop
from realtime.sources import Demo, Source, VideoFile
from training import data
from training.augment import moved_crop
from training.occluders import OCCLUDERS
from training.occluders.layer import Layer, Moving

PORTRAIT = "portrait"  # the built-in demo's first, in public domain; all others are clips of the data folder
_ROOM = 2.0  # side of what is drawn on, in crops of the face: arms reach far
_SHUTTER = 0.5  # of the time between two frames it is open
_MOMENTS, _APART_PX = 8, 2.0  # at most so many are averaged then, so far apart if they are fewer
_REACH, _TILT_DEG = 0.4, 8.0  # how far it goes to either side, in face widths, and how far it is tilted there
_SWEEPS_HZ, _FASTER_HZ = 0.3, 0.5  # to and fro at first, and how much faster after every second


@dataclass(frozen=True, slots=True)
class Cover:
    """Something that is drawn: the name of a function of `training.occluders`, and the seed that it looks good with."""

    kind: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.kind} {self.seed}"


@dataclass(frozen=True, slots=True, eq=False)
class Shot:
    """One frame with its cover.

    Attributes:
        frame: the picture with the cover.
        opacity: (H, W) float32 in 0..1, how much of each pixel is the cover.
        place: (2, 3) pixel of the drawn cover → frame pixel, in the middle of the exposure.
    """

    frame: Frame
    opacity: np.ndarray
    place: np.ndarray


def frames_of(clip: str, count: int) -> list[Frame]:
    """The first `count` frames of a clip."""
    source: Source = Demo() if clip == PORTRAIT else VideoFile(str(data.folder() / f"video_{clip}.mp4"))
    with source:
        return list(islice(source, count))


def drawn_over(frame: Frame, face: Face, cover: Cover) -> tuple[Layer, Crop]:
    """The cover, drawn over a face in that picture's light; as fine as the picture, with room for an arm."""
    draw = next(draw for draw in OCCLUDERS if draw.__name__ == cover.kind)
    near = face_crop(face.points, round(1.6 * max(face.box[2:])), roll_deg=0.0)  # as fine as the picture
    wide = face_crop(face.points, round(_ROOM * near.size), roll_deg=0.0)
    crop = moved_crop(wide, 0.0, 1 / _ROOM, np.zeros(2))
    layer = Layer(crop.cut(frame.pixels), crop.into(face.points))
    draw(layer, np.random.default_rng(cover.seed))
    return layer, crop


def moved_over(frames: Sequence[Frame], face: Face, layer: Layer, crop: Crop) -> Iterator[Shot]:
    """A cover that was drawn over the `face` of the first frame, moving over all of them."""
    moving, centre = Moving(layer), layer.points.mean(axis=0)
    begin, step = frames[0].time_s, (frames[-1].time_s - frames[0].time_s) / max(len(frames) - 1, 1)
    for frame in frames:
        shutter = frame.time_s - begin + _SHUTTER * step * np.linspace(-0.5, 0.5, _MOMENTS)
        places = [_place(time, crop.back_matrix, centre, face.box[2]) for time in shutter]
        far = float(np.linalg.norm((places[-1] - places[0]) @ (*centre, 1)))
        enough = int(np.clip(np.ceil(far / _APART_PX), 1, _MOMENTS))
        chosen = [places[round(place)] for place in np.linspace(0, _MOMENTS - 1, enough + 2)[1:-1]]
        pixels, opacity = moving.before(frame.pixels, chosen)
        middle = _place(frame.time_s - begin, crop.back_matrix, centre, face.box[2])
        yield Shot(replace(frame, pixels=pixels), opacity, middle)


def _place(time_s: float, back: np.ndarray, centre: np.ndarray, width: float) -> np.ndarray:
    """(2, 3) pixel of the layer → of the frame: to and fro, ever faster, tilted a little towards the side."""
    swing = np.sin(2 * np.pi * (_SWEEPS_HZ + _FASTER_HZ * time_s / 2) * time_s)
    angle = np.deg2rad(_TILT_DEG * swing)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    about = np.hstack([turn, (centre - turn @ centre)[:, None]])
    moved = back @ np.vstack([about, [0, 0, 1]])
    moved[0, 2] += _REACH * width * swing
    return moved
