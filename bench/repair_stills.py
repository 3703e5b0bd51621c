"""How far drawn faces lie from real ones: many people drawn into still pictures of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from rich.progress import track

from bench.meter import Meter, Photo
from bench.quality import Distance, face_mask, kernel_distance
from bench.repair_methods import COMPOSITE, UNTOUCHED, by_method, open_renderers
from realtime.analysis.analyser import Analyser, AnalysisOptions, open_analyser
from realtime.controls import Settings
from realtime.errors import InputError
from realtime.frame import Floats, Frame, Pixels
from realtime.repair.networks import RepairOptions
from training import data
from training.identity import People

TURNS = 2  # photos drawn into each picture


@dataclass(slots=True, eq=False)
class Kept:
    """The features of one method's pictures, and which picture each was drawn into and which photo it shows."""

    features: list[Floats] = field(default_factory=list)
    groups: list[tuple[int, int]] = field(default_factory=list)


Still = tuple[Pixels, np.ndarray]  # a picture and the keypoints that its set gives


@dataclass(frozen=True, slots=True, eq=False)
class Real:
    """Real pictures, and what of them is one clip.

    Attributes:
        stills: N of them.
        clip: (N,) str; a photo is one of its own.
    """

    stills: list[Still]
    clip: np.ndarray


def apart(people: People, analyser: Analyser) -> tuple[list[Still], list[Photo], Real]:
    """A picture of every other clip, to draw faces into; every other held-out photo, to draw; and all the others."""
    _, first, number = np.unique(people.clip, return_index=True, return_inverse=True)
    targets = [int(row) for row in people.rows[first[::2]]]
    photos = data.faces_300w()
    filmed, seen = number % 2 == 1, photos.testing()[1::2]
    real = [*((people.faces, row) for row in people.rows[filmed]), *((photos, row) for row in seen)]
    clip = np.array([*people.clip[filmed], *(f"photo {row}" for row in seen)])
    drawn = [(f"photo {row}", photos.picture(int(row))) for row in photos.testing()[::2]]
    return (
        [(people.faces.picture(row), people.faces.points[row]) for row in targets],
        [Photo(name, pixels, analyser.photo(pixels, name)[0]) for name, pixels in drawn],
        Real([(faces.picture(int(row)), faces.points[row]) for faces, row in real], clip),
    )


def drawn_into(
    targets: list[Still], photos: Sequence[Photo], meter: Meter, repairs: tuple[RepairOptions, ...] = ()
) -> dict[str, Kept]:
    """What is kept of every method's pictures: photos in turn drawn into each target, which is there once untouched."""
    kept: dict[str, Kept] = {}
    renderers = open_renderers(photos, repairs, tracked=False)
    with open_analyser(AnalysisOptions(occlusion=lambda: True)) as analyser:
        for number, (pixels, _) in enumerate(track(targets, "still pictures")):
            try:
                face, _ = analyser.photo(pixels, f"picture {number}")
            except InputError:  # it is as good without this one
                continue
            mask = face_mask(face.points, (pixels.shape[1], pixels.shape[0]))
            for turn in range(TURNS):
                index = TURNS * number + turn
                frame, settings = Frame(pixels, index, index, 0.0), Settings(face=index % len(photos))
                drawn = {
                    n: r.draw(frame, (replace(face, id=index),), settings).frame.pixels for n, r in renderers.items()
                }
                for name, picture in by_method(pixels, drawn, mask).items():
                    if name != UNTOUCHED or turn == 0:
                        each = kept.setdefault(name, Kept())
                        each.features.append(meter(picture, face.points).features)
                        each.groups.append((number, index % len(photos)))
    for renderer in renderers.values():
        renderer.close()
    return kept


def distances(kept: dict[str, Kept], real: np.ndarray, clip: np.ndarray) -> dict[str, tuple[Distance, Distance | None]]:
    """Every method's kernel distance to (N, d) features of real faces in (N,) clips, and what it gained over the
    composite's."""
    composite = kept[COMPOSITE]
    found: dict[str, tuple[Distance, Distance | None]] = {}
    for name, each in kept.items():
        features, groups = np.array(each.features), np.array(each.groups)
        gained = None
        if name == UNTOUCHED:  # there is no photo in it
            groups = groups[:, 0]
        elif name != COMPOSITE:
            gained = kernel_distance(features, real, groups, clip, less=np.array(composite.features))
        found[name] = kernel_distance(features, real, groups, clip), gained
    return found


def features_of(stills: list[Still], meter: Meter) -> np.ndarray:
    """(N, 200) features of real faces."""
    return np.array([meter(pixels, points).features for pixels, points in track(stills, "real pictures")])
