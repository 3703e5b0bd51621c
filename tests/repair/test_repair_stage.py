"""The repair of a frame's faces: what it does to the picture, to bad input, and when the key is pressed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from faces_making import FRONTAL, frame_of, portrait, posed_face
from repair_making import write_network

from realtime.controls import Action, Controls, Mode, Settings
from realtime.effects.photo import person
from realtime.frame import Face, Floats, Pixels
from realtime.renderer import Renderer, RenderOptions
from realtime.repair.networks import RepairOptions
from realtime.repair.pace import Level
from realtime.repair.stage import Repair

SIZE = (480, 360)
FACE = posed_face(FRONTAL, 90, (240.0, 185.0))
WALL = np.full((SIZE[1], SIZE[0], 3), 100, np.uint8)
ROTATE = Settings(Mode.ROTATE, yaw=20)
SHIFT = (0.2, 0.0, -0.2)  # 51 of 255


@pytest.fixture
def networks(tmp_path: Path) -> Path:
    write_network(tmp_path, 128, SHIFT)
    write_network(tmp_path, 256, (0.0, 0.2, 0.0))
    return tmp_path


class Stage:
    """A renderer with a repair, and what the repair told."""

    def __init__(self, folder: Path, asked: Level | None = Level.FAST, **options: object) -> None:
        self.told: list[str] = []
        self.repair = Repair(
            RepairOptions(asked, folder=folder, **options),  # type: ignore[arg-type]
            self.told.append,
        )
        photo = posed_face(FRONTAL, 120, (200, 200))
        somebody = person("somebody", [(portrait(photo.points, (400, 400)), photo)])
        self._renderer = Renderer(RenderOptions((somebody,), badge=False, size=SIZE), self.repair)
        self._renderer.open()

    def draw(
        self,
        faces: tuple[Face, ...] = (FACE,),
        settings: Settings = ROTATE,
        index: int = 0,
        rate: float = 30.0,
        pixels: Pixels = WALL,
    ) -> Pixels:
        frame = replace(frame_of(pixels, index, rate), captured=100 + index / rate)
        return self._renderer.draw(frame, faces, settings).frame.pixels

    def close(self) -> None:
        self._renderer.close()


@pytest.fixture
def stage(networks: Path) -> Iterator[Stage]:
    stage = Stage(networks)
    yield stage
    stage.close()


def _red(picture: Pixels) -> int:
    """How much redder the middle of the face is than the wall."""
    return int(picture[185, 240, 0]) - 100


@pytest.mark.parametrize("mode", [Mode.ROTATE, Mode.FRONTALISE])
def test_a_repair_changes_the_face_and_no_bit_far_from_it(stage: Stage, mode: Mode) -> None:
    picture = stage.draw(settings=Settings(mode, yaw=20)).astype(int)
    assert (picture[185, 240] - 100).tolist() == [51, 0, -51]
    assert (picture[:40] == 100).all()
    assert (picture[:, :60] == 100).all()
    assert stage.repair.status.running is Level.FAST


def test_in_swap_too(networks: Path, stage: Stage) -> None:
    plain = Stage(networks, Level.OFF)
    pixels = portrait(FACE.points, SIZE)
    on = stage.draw(settings=Settings(Mode.SWAP), pixels=pixels).astype(int)
    off = plain.draw(settings=Settings(Mode.SWAP, repair=False), pixels=pixels).astype(int)
    plain.close()
    nose = tuple(FACE.points[30].round().astype(int)[::-1])
    np.testing.assert_allclose((on - off)[nose], [51, 0, -51], atol=1)
    np.testing.assert_array_equal(on[:, :60], off[:, :60])
    for eye in (FACE.points[36:42], FACE.points[42:48]):
        x, y = eye.mean(axis=0).round().astype(int)
        np.testing.assert_array_equal(on[y, x], off[y, x])


@pytest.mark.parametrize("mode", [Mode.DEPTH, Mode.LANDMARKS, Mode.OFF])
def test_modes_that_draw_no_face_are_left_alone(networks: Path, stage: Stage, mode: Mode) -> None:
    plain = Stage(networks, Level.OFF)
    np.testing.assert_array_equal(stage.draw(settings=Settings(mode)), plain.draw(settings=Settings(mode)))
    plain.close()


def test_full_sees_the_face_at_its_own_size(networks: Path) -> None:
    stage = Stage(networks, Level.FULL)
    assert (stage.draw()[185, 240].astype(int) - 100).tolist() == [0, 51, 0]
    assert stage.repair.status.running is Level.FULL
    stage.close()


def test_several_faces_are_all_repaired(stage: Stage) -> None:
    faces = tuple(posed_face(FRONTAL, 40, (120.0 + 240 * i, 180.0), number=i) for i in range(2))
    picture = stage.draw(faces).astype(int)
    assert (picture[180, 120] - 100).tolist() == (picture[180, 360] - 100).tolist() == [51, 0, -51]


def test_the_key_fades_it_out_and_in(stage: Stage) -> None:
    controls = Controls(ROTATE)
    assert _red(stage.draw(settings=controls.settings)) == 51
    controls.act(Action.REPAIR)
    fading = [_red(stage.draw(settings=controls.settings, index=i)) for i in range(1, 13)]
    assert fading == sorted(fading, reverse=True)
    assert fading[0] >= 40
    assert fading[3] > 20
    assert fading[-1] == 0
    assert stage.repair.status.running is Level.OFF
    controls.act(Action.REPAIR)
    rising = [_red(stage.draw(settings=controls.settings, index=i)) for i in range(13, 25)]
    assert rising == sorted(rising)
    assert rising[0] <= 10
    assert rising[-1] == 51
    assert stage.repair.status.why == "switched on"


def test_what_was_not_asked_for_can_be_switched_on(networks: Path) -> None:
    stage = Stage(networks, Level.OFF)
    controls = Controls(replace(ROTATE, repair=False))
    assert _red(stage.draw(settings=controls.settings)) == 0
    controls.press("g")
    stage.draw(settings=controls.settings, index=1)
    assert _red(stage.draw(settings=controls.settings, index=20)) == 51
    stage.close()


@pytest.mark.parametrize("tracked", [True, False])
def test_what_a_network_changes_by_turns_is_steadied(monkeypatch: pytest.MonkeyPatch, tracked: bool) -> None:
    """Frames that belong together get a mean over time; pictures that do not, each its own."""
    turns = itertools.cycle([0.2, 0.0])

    def network(tiles: Floats) -> tuple[Floats]:
        return (tiles[:, :3] + np.float32([next(turns), 0, 0]).reshape(1, 3, 1, 1),)

    monkeypatch.setattr("realtime.repair.stage.load_networks", lambda *_: {Level.FAST: network})
    stage = Stage(Path(), tracked=tracked)
    reds = np.array([_red(stage.draw(index=index)) for index in range(40)])
    stage.close()
    if tracked:
        assert np.ptp(reds[30:]) <= 0.15 * 51
        assert reds[30:].mean() == pytest.approx(25.5, abs=3)
    else:
        assert reds.tolist() in ([51, 0] * 20, [0, 51] * 20)  # made-up faces came first


ODD = {
    "top left": (posed_face(FRONTAL, 90, (5.0, 5.0)),),
    "bottom right": (posed_face(FRONTAL, 90, (478.0, 358.0)),),
    "tiny": (posed_face(FRONTAL, 8, (240.0, 185.0)),),
    "larger than the frame": (posed_face(FRONTAL, 700, (240.0, 185.0)),),
    "huge": (posed_face(FRONTAL, 5000, (240.0, 185.0)),),
    "outside": (posed_face(FRONTAL, 90, (-500.0, 185.0)),),
    "squeezed": (replace(FACE, points=np.full_like(FACE.points, 100)),),
    "far away": (replace(FACE, points=FACE.points * np.float32(1e7)),),
    "one good, one tiny": (FACE, posed_face(FRONTAL, 8, (30.0, 30.0), number=1)),
    "none": (),
}


@pytest.mark.parametrize("mode", [Mode.ROTATE, Mode.SWAP])
def test_odd_faces_are_ridden_out(stage: Stage, mode: Mode) -> None:
    for number, (name, faces) in enumerate(ODD.items()):
        for index in (3 * number, 3 * number + 1):
            assert stage.draw(faces, Settings(mode, yaw=20), index).shape == WALL.shape
        assert _red(stage.draw(index=3 * number + 2)) == 51, name
    assert not stage.told


def test_a_face_smaller_than_the_least_is_left_as_it_is(networks: Path, stage: Stage) -> None:
    tiny = (posed_face(FRONTAL, 8, (240.0, 185.0)),)
    plain = Stage(networks, Level.OFF)
    np.testing.assert_array_equal(stage.draw(tiny), plain.draw(tiny, replace(ROTATE, repair=False)))
    plain.close()


def test_a_face_of_which_nothing_shows_is_left_as_it_is(networks: Path, stage: Stage) -> None:
    hidden = (replace(FACE, confidence=np.full(81, 0.081, np.float32)),)
    pixels = portrait(FACE.points, SIZE)
    plain = Stage(networks, Level.OFF)
    settings = Settings(Mode.SWAP)
    np.testing.assert_array_equal(
        stage.draw(hidden, settings, pixels=pixels), plain.draw(hidden, replace(settings, repair=False), pixels=pixels)
    )
    plain.close()


def test_two_runs_over_a_file_give_the_same_pictures(networks: Path) -> None:
    faces = [posed_face(FRONTAL, 80 + i, (200.0 + 3 * i, 180.0)) for i in range(4)]
    runs = []
    for _ in range(2):
        stage = Stage(networks)
        runs.append([stage.draw((face,), index=i, rate=1e-3) for i, face in enumerate(faces)])  # as slow as can be
        assert stage.repair.status.running is Level.FAST
        stage.close()
    np.testing.assert_array_equal(runs[0], runs[1])


def test_a_file_is_repaired_as_asked_however_slow_it_goes(networks: Path) -> None:
    stage = Stage(networks, None)
    for index in range(0, 90, 3):
        assert _red(stage.draw(index=index)) == 51
    stage.close()


def test_behind_a_live_source_it_gives_way_where_frames_get_lost(networks: Path) -> None:
    stage = Stage(networks, Level.FULL, live=True)
    running = []
    for index in range(0, 300, 12):  # most are lost
        stage.draw(index=index)
        running.append(stage.repair.status.running)
    assert list(dict.fromkeys(running)) == [Level.FULL, Level.FAST, Level.OFF]
    assert _red(stage.draw(index=300)) == 0
    assert stage.repair.status.why == "too slow here, frames got lost"
    assert stage.repair.status.lines()
    off = replace(ROTATE, repair=False)
    stage.draw(index=301, settings=off)
    stage.draw(index=302)
    assert stage.repair.status.running is Level.FULL  # whoever asks again gets another try
    stage.close()


def test_the_machine_is_measured_where_nobody_decided(networks: Path) -> None:
    stage = Stage(networks, None, live=True)
    stage.draw()
    assert "ms to draw a frame before the start" in stage.repair.status.why
    stage.close()


@pytest.mark.parametrize("asked", [None, Level.OFF])
def test_no_network_is_no_matter_where_nobody_asked(tmp_path: Path, asked: Level | None) -> None:
    stage = Stage(tmp_path, asked)
    assert _red(stage.draw()) == 0
    assert not stage.told
    assert not stage.repair.status.lines()
    stage.close()


@pytest.mark.parametrize("asked", [Level.FAST, Level.FULL])
@pytest.mark.parametrize("damage", ["missing", "damaged", "another network"])
def test_a_bad_network_file_is_told_once_and_the_frames_go_on(tmp_path: Path, asked: Level, damage: str) -> None:
    size = {Level.FAST: 128, Level.FULL: 256}[asked]
    if damage == "damaged":
        path = write_network(tmp_path, size, SHIFT)
        path.write_bytes(path.read_bytes()[:100])
    elif damage == "another network":
        write_network(tmp_path, size, SHIFT, inputs=4)
    stage = Stage(tmp_path, asked)
    assert _red(stage.draw()) == _red(stage.draw(index=1)) == 0
    (sentence,) = stage.told
    assert f"repair_{size}" in sentence
    assert stage.repair.status.running is Level.OFF
    stage.close()


def test_a_network_that_gives_no_numbers_is_given_up(tmp_path: Path) -> None:
    write_network(tmp_path, 128, (float("nan"), 0.0, 0.0))
    stage = Stage(tmp_path)
    assert _red(stage.draw()) == _red(stage.draw(index=1)) == 0
    assert len(stage.told) == 1
    stage.draw(index=2)
    assert stage.repair.status.running is Level.OFF
    stage.close()
