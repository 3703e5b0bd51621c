"""Where shots end: on real clips, on one picture under other lights, and on clips spliced together."""

from __future__ import annotations

from itertools import islice, pairwise, permutations
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.analysis.cuts import Cuts
from realtime.frame import Frame, Pixels
from realtime.sources.demo import portraits

CLIPS = ("d3", "d6", "d9", "d10", "d12", "s18")


def _clip(path: Path, most: int | None = None, step: int = 1) -> list[Pixels]:
    with av.open(str(path)) as container:
        return [picture.to_ndarray(format="rgb24") for picture in islice(container.decode(video=0), 0, most, step)]


def _cuts(pictures: list[Pixels]) -> list[int]:
    cuts = Cuts()
    return [index for index, picture in enumerate(pictures) if cuts(picture)]


@pytest.mark.parametrize("name", CLIPS)
def test_a_shot_has_no_cut_though_people_and_camera_move(data: Path, name: str) -> None:
    assert _cuts(_clip(data / f"video_{name}.mp4", 90)) == []


def test_most_cuts_are_told_and_each_at_its_frame(data: Path) -> None:
    shots = [_clip(data / f"video_{name}.mp4", 101, step=50)[::2] for name in CLIPS]
    told = [
        _cuts([before, before, after, after])
        for one, other in permutations(shots, 2)
        for before, after in zip(one, other, strict=True)
    ]
    assert all(cuts in ([], [2]) for cuts in told)
    assert np.mean([len(cuts) for cuts in told]) > 0.9


@pytest.fixture(scope="module")
def room() -> Pixels:
    """A public-domain portrait, wide."""
    return np.ascontiguousarray(portraits()[0][:288])


@settings(max_examples=40, deadline=None)
@given(
    gains=st.tuples(*3 * [st.floats(0.3, 1.6)]),
    gamma=st.floats(0.6, 2.5),
    towards=st.floats(0, 2 * np.pi),
    uneven=st.floats(0, 1.2),
    seed=st.integers(0, 999),
)
def test_a_lamp_is_no_cut(
    room: Pixels, gains: tuple[float, ...], gamma: float, towards: float, uneven: float, seed: int
) -> None:
    y, x = np.mgrid[-0.5:0.5:288j, -0.5:0.5:512j]
    lamp = np.exp(uneven * (np.cos(towards) * x + np.sin(towards) * y))
    lit = 255 * (room / 255.0) ** gamma * gains * lamp[..., None]
    noise = np.random.default_rng(seed).normal(0, 2, room.shape)
    assert _cuts([room, np.clip(lit + noise, 0, 255).astype(np.uint8)]) == []


def test_what_shows_nothing_is_passed_over(room: Pixels) -> None:
    black = np.random.default_rng(0).integers(0, 6, room.shape).astype(np.uint8)  # a covered lens is not quite black
    assert _cuts([room, black, black, room]) == []
    other = np.ascontiguousarray(portraits()[1][:288])
    assert _cuts([room, black, other]) == [2]


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (3, 40), (40, 3), (64, 36)])
def test_any_size_will_do(size: tuple[int, int]) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (3, *size[::-1], 3)).astype(np.uint8)
    assert set(_cuts(list(noise))) <= {1, 2}


def test_who_takes_the_place_of_another_in_a_cut_is_somebody_else() -> None:
    heads = [_head(portrait) for portrait in portraits()]
    shots = [head for head in heads for _ in range(4)]
    with open_analyser(AnalysisOptions(threads=1)) as analyser:
        found = [analyser.analyse(Frame(picture, index, index / 30, 0.0)) for index, picture in enumerate(shots)]
    assert [len(faces) for faces in found] == [1] * len(shots)
    ids = [faces[0].id for faces in found]
    assert ids == [number for number in range(1, len(heads) + 1) for _ in range(4)]
    for (one,), (other,) in pairwise(found[::4]):  # the landmark network would have followed
        assert np.linalg.norm(one.points.mean(axis=0) - other.points.mean(axis=0)) < 0.25 * one.box[2]


def _head(portrait: Pixels) -> Pixels:
    """(360, 640, 3): the portrait's face in the middle."""
    with open_analyser(AnalysisOptions(threads=1)) as analyser:
        face, _ = analyser.photo(portrait, "a portrait")
    zoom = 120 / face.box[2]
    centre = face.points.mean(axis=0)
    move = np.array([[zoom, 0, 320 - zoom * centre[0]], [0, zoom, 180 - zoom * centre[1]]])
    return cv2.warpAffine(portrait, move, (640, 360), borderMode=cv2.BORDER_REPLICATE)
