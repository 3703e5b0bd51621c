"""The ways a face is drawn into a picture that `bench repair` compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from bench.classic import feathered, seamless
from bench.meter import Photo
from realtime.frame import Pixels
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions, load_networks
from realtime.repair.pace import Level
from realtime.repair.stage import Repair

UNTOUCHED, COMPOSITE, FEATHERED, CLONED = "untouched clip", "composite", "plain feathering", "cv2.seamlessClone"


def levels(threads: int, tell: Callable[[str], None]) -> tuple[RepairOptions, ...]:
    """The repairs for which there is a network; of the others `tell` is told why not."""
    asked = [RepairOptions(level, threads=threads) for level in (Level.FAST, Level.FULL)]
    return tuple(repair for repair in asked if load_networks(repair, tell))


def open_renderers(
    photos: Sequence[Photo], repairs: tuple[RepairOptions, ...], tracked: bool = True
) -> dict[str, Renderer]:
    """The ways the live loop draws the photos' faces, by name; each remembers its own frames, which belong together
    where they are `tracked`."""
    looks = RenderOptions(tuple(photo.person() for photo in photos), badge=False, tracked=tracked)
    renderers = {COMPOSITE: Renderer(looks)}
    repairs = tuple(replace(repair, tracked=tracked) for repair in repairs)
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
