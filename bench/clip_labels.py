"""What eyes do in the development clips, seen frame by frame by a person: our own labels, frame numbers from 0.

An eye is open where its pupil can be seen, closed where the lid covers it. Frames in which that is hard to say,
half-way through a blink or looking down under low lids, are left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Label:
    """Of one eye of a frame: 0 image left, 1 image right."""

    clip: str
    frame: int
    eye: int
    closed: bool


def _frames(text: str) -> Iterator[int]:
    """ "3 10-20:5" → 3, 10, 15, 20."""
    for part in text.split():
        span, _, step = part.partition(":")
        first, _, last = span.partition("-")
        yield from range(int(first), int(last or first) + 1, int(step or 1))


# clip: (both eyes closed, both open, only the image-left one closed, only the image-right one closed)
_SEEN: dict[str, tuple[str, str, str, str]] = {
    "d3": (
        "48 50 57 60 115-130:5 145-160:5 230-250:5 252 255",
        "0 25 170-205:5 275-350:5",
        "33-35:2 40 45 47",
        "8 10-20:5",
    ),
    "d6": (
        "50 208 220 378 380 390-394:2 452 468 470 930 932 960",
        "0-288:24 336 360 384 432 456-936:24 984 128 130 206 210 258-262:2 318-324:2 344 346 376 382 388 400-408:4 450"
        " 454 466 518 522 636-640:2 758-764:2 856-860:2 926 928 948 956 962",
        "",
        "",
    ),
    "d9": (
        "12 15 37 40 193 195 305 310 365 380 385 425 448 452 488 500 524 532 556 560",
        "0 5 8 20-35:5 50-140:5 150-190:5 200-290:5 340-360:5 400-415:5 440 444 456-480:4 492 496 504-516:4 536-552:4"
        " 576-584:4",
        "",
        "",
    ),
    "d10": ("221-225 332-335", "0-216:8 232-328:8 344-440:8 219 365 378-382:2", "", ""),
    "d12": ("49 50 136", "0-42:6 54-84:6 96-132:6 144-180:6", "", ""),
    "s18": ("8-10 161-163", "0 4 18 24-156:12 157 171 180-276:12", "", ""),
}

# clip: (first, last) frame of every closure of both eyes, lids falling to lids risen again, give or take two frames
CLOSURES: dict[str, tuple[tuple[int, int], ...]] = {
    "d3": ((46, 54), (55, 168), (210, 262)),
    "d6": (
        (49, 51),
        (206, 210),
        (217, 226),
        (377, 383),
        (388, 397),
        (451, 454),
        (467, 473),
        (929, 933),
        (957, 961),
    ),
    "d9": (
        (9, 18),
        (36, 46),
        (141, 146),
        (192, 198),
        (292, 314),
        (362, 371),
        (379, 396),
        (419, 436),
        (446, 455),
        (484, 491),
        (498, 502),
        (519, 535),
        (553, 572),
    ),
    "d10": ((220, 226), (331, 342), (365, 368)),
    "d12": ((48, 53), (92, 94), (134, 138)),
    "s18": ((5, 17), (159, 170)),
}


def labels() -> list[Label]:
    """All of them."""
    found: list[Label] = []
    for clip, (closed, opened, left, right) in _SEEN.items():
        for text, states in (
            (closed, (True, True)),
            (opened, (False, False)),
            (left, (True, False)),
            (right, (False, True)),
        ):
            found += [Label(clip, frame, eye, states[eye]) for frame in _frames(text) for eye in (0, 1)]
    return found
