"""The benches of drawn faces: what they choose, and that their rows say what was drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench import identity, repair, repair_stills
from bench.meter import Meter, Photo, eye_opening, frontal
from bench.quality import Distance, cosine
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.frame import Frame
from realtime.geometry.template import template
from realtime.geometry.topology import mirror
from realtime.sources.demo import portraits
from training.ict import rotations


@pytest.fixture(scope="module")
def photos() -> list[Photo]:
    with open_analyser(AnalysisOptions(threads=1)) as analyser:
        return [Photo(str(i), pixels, analyser.photo(pixels, "")[0]) for i, pixels in enumerate(portraits())]


@pytest.fixture(scope="module")
def meter() -> Meter:
    return Meter(threads=1)


def test_a_turned_head_is_not_frontal() -> None:
    turned = template() @ rotations(np.array([[0, 0, 0], [20, 0, 0], [-30, 0, 0], [0, 15, 25]])).transpose(0, 2, 1)
    np.testing.assert_array_equal(frontal(turned[..., :2]), [True, False, False, True])


def test_eyes_closed_half_are_half_as_open() -> None:
    points = np.stack([template()[:, :2]] * 2).astype(np.float64)
    for upper, lower in ((37, 41), (38, 40), (43, 47), (44, 46)):
        middle = points[1, [upper, lower]].mean(axis=0)
        points[1, [upper, lower]] = middle + 0.5 * (points[1, [upper, lower]] - middle)
    wide, half = eye_opening(points)
    assert half == pytest.approx(wide / 2)


def test_the_meter_knows_a_face_again_in_another_light_and_place(photos: list[Photo], meter: Meter) -> None:
    one, other = photos
    wanted = meter(one.pixels, one.face.points).vector
    assert np.linalg.norm(wanted) == pytest.approx(1, abs=1e-5)
    darker = np.roll(np.clip(0.7 * one.pixels + 5, 0, 255).astype(np.uint8), (11, -7), axis=(0, 1))
    assert cosine(meter(darker, one.face.points).vector, wanted) > 0.85
    mirrored = np.ascontiguousarray(one.pixels[:, ::-1])
    points = mirror(one.face.points, one.pixels.shape[1])
    assert cosine(meter(mirrored, points).vector, wanted) > 0.8
    assert cosine(meter(other.pixels, other.face.points).vector, wanted) < 0.4


def test_a_photo_drawn_on_itself_is_that_person_and_on_another_becomes_more_like_them(
    photos: list[Photo], meter: Meter
) -> None:
    options = identity.Options(frames=2)
    frames = [(Frame(photos[0].pixels, i, i / 10, 0.0), (photos[0].face,)) for i in range(2)]
    own, looks = identity.measure(photos[0], frames, meter, options)
    assert min(own[identity.OURS]) > 0.7 and min(own[identity.CLASSIC]) > 0.9
    assert own[identity.UNTOUCHED] == pytest.approx([1.0, 1.0], abs=1e-3) and len(looks) == 4
    swapped, _ = identity.measure(photos[1], frames, meter, options)
    for name in (identity.OURS, identity.CLASSIC, identity.CLONED):
        assert np.mean(swapped[name]) > np.mean(swapped[identity.UNTOUCHED]) + 0.05


def test_rows_of_a_still_scene(photos: list[Photo], meter: Meter) -> None:
    frames = [(Frame(photos[0].pixels, i, 1 + i / 30, 0.0), (photos[0].face,)) for i in range(3)]
    tallies: dict[str, repair.Tally] = {}
    row = repair.measure(frames, photos[1], meter, tallies)
    assert len(row) == len(tallies) and all(len(tally.flicker) == 2 for tally in tallies.values())
    assert max(tallies[repair.UNTOUCHED].flicker) == 0 and tallies[repair.COMPOSITE].drift == [0]
    assert tallies[repair.FEATHERED].identity[0] > tallies[repair.UNTOUCHED].identity[0]


def test_pictures_are_kept_with_what_they_were_drawn_into_and_whose_photo_they_show(
    photos: list[Photo], meter: Meter
) -> None:
    kept = repair_stills.drawn_into([(photo.pixels, photo.face.points) for photo in photos], photos, meter)
    assert kept[repair.UNTOUCHED].groups == [(0, 0), (1, 0)]
    assert kept[repair.CLONED].groups == [(0, 0), (0, 1), (1, 0), (1, 1)]
    real = repair_stills.features_of([(p.pixels, p.face.points) for p in photos], meter)
    far = repair_stills.distances(kept, real, np.array(["one", "another"]))
    assert far[repair.UNTOUCHED][1] is None and far[repair.COMPOSITE][1] is None
    gained = far[repair.CLONED][1]
    assert gained is not None
    assert gained.value == pytest.approx(far[repair.CLONED][0].value - far[repair.COMPOSITE][0].value, abs=1e-6)


def test_figures_are_relative_to_the_untouched_clip() -> None:
    untouched = repair.Tally([2.0, 4.0], [1.0], [2.0], [0.0], [0.1])
    drawn = repair.Tally([3.0, 6.0], [1.1], [3.0], [0.5], [0.4])
    distance = Distance(0.3, 0.2, 0.4)
    row = repair.summed_up(drawn, untouched, distance, None)
    assert (row.seam, row.flicker, row.swim, row.drift, row.identity) == pytest.approx((1.5, 1.1, 1.5, 0.5, 0.4))
    assert row.distance is distance and row.gained is None


def test_options_name_clips_that_are_there(data: Path) -> None:
    for clip in (*identity.CLIPS, *repair.Options().clips):
        assert (data / f"video_{clip}.mp4").is_file()
