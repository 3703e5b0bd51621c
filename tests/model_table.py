"""What modeller, tones and turner of the GPU must do, on the CPU (tests/gpu_on_cpu) or on a GPU (tests/gpu)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from faces_making import frame_of, portrait, posed_face
from frame_table import Bench

from engines.runtime.base import DeviceArray
from engines.runtime.cuda import Memory
from realtime.analysis.pose import rotation_of
from realtime.controls import Mode, Settings
from realtime.effects import expression
from realtime.effects.modelling import HostModeller, Layer
from realtime.effects.photo import Person, person
from realtime.effects.relight import Relight, Tone
from realtime.effects.turning import HostTurner, Turn
from realtime.frame import Face, Frame, Pose
from realtime.gpu import modelling
from realtime.gpu.following import Exchange
from realtime.gpu.kernels import SEEN
from realtime.gpu.model import ModelKernels
from realtime.gpu.modelling import DeviceModeller
from realtime.gpu.pictures import Pictures
from realtime.gpu.tone import RUNNING, DeviceTones, ToneKernels
from realtime.gpu.turning import DeviceTurner
from realtime.gpu.twins import Pool, Twins

SIZE = (480, 360)


class Kept:
    """A mesh or a transfer that keeps what it is given."""

    def __init__(self) -> None:
        self.vertices: Any = None

    def fill(self, *given: Any) -> None:
        self.vertices = given[-1]


class ModelTable:
    @pytest.fixture
    def bench(self, model_kernels: ModelKernels) -> Bench:
        return Bench(model_kernels)

    @pytest.fixture
    def make(self, model_kernels: ModelKernels, tone_kernels: ToneKernels) -> Callable[..., DeviceModeller]:
        return lambda twins, transfer: DeviceModeller(model_kernels, tone_kernels, Pictures(), twins, transfer)

    def test_surfaces_are_those_of_the_host(
        self, bench: Bench, make: Callable[..., DeviceModeller], rng: np.random.Generator
    ) -> None:
        """Two faces, each under its view and that view's mirror image, over a second in which they turn, talk and
        tremble; one leaves and comes back as another. Known faces' points are on the GPU, others are sent."""
        twins, rooms, transfer = Twins(), Pool(lambda: Exchange(Memory(), SEEN)), Kept()
        ours, theirs = make(twins, transfer), HostModeller()
        people = [_somebody(Pose(-30, 5, 10), 1), _somebody(Pose(8, 0, 0), 2)]
        held = []
        for number in range(12):
            frame, faces = _scene(number, rng)
            for place, face in enumerate(faces):
                if place == 0 and number > 2:
                    held.append(face)
                    _note(bench, twins, rooms, face)
            settings = Settings(Mode.SWAP, expression=1.0 if number < 6 else 0.6, shape=None if number < 9 else 0.5)
            layers = [
                layer
                for face in faces
                for view, mirrored in [people[face.id % 2].views[:2]]
                for layer in (Layer(face, mirrored), Layer(face, view, 0.7))
            ]
            pairs = [each.model(layers, frame, settings) for each in (ours, theirs)]
            for mine, wanted in zip(*pairs, strict=True):
                assert mine is not None
                assert wanted is not None
                np.testing.assert_allclose(mine.affine, wanted.affine, rtol=2e-4, atol=2e-3)
                mesh = Kept()
                wanted.warp.fill(mesh)  # type: ignore[arg-type]
                mine.warp.fill(SimpleNamespace())  # type: ignore[arg-type]
                vertices = bench.fetched(transfer.vertices)
                np.testing.assert_allclose(vertices[:, :2], mesh.vertices[:, :2], atol=0.03)
                np.testing.assert_allclose(vertices[:, 2], mesh.vertices[:, 2], atol=2e-3)
                np.testing.assert_allclose(vertices[:, 3:9], mesh.vertices[:, 3:9], atol=2e-3)
                np.testing.assert_allclose(vertices[:, 9], mesh.vertices[:, 9], atol=0.02)
                np.testing.assert_allclose(vertices[:, 10:], mesh.vertices[:, 10:], atol=0.01)
                assert np.abs(vertices[:, 10:] - mesh.vertices[:, 10:]).mean() < 4e-3
                np.testing.assert_array_equal(mine.warp.position, vertices[:, :3])
            for each in (ours, theirs):
                each.keep([face.id for face in faces])

    def test_the_median_is_of_the_last_ten_seconds(self, make: Callable[..., DeviceModeller]) -> None:
        """A face that changes its shape for good: slowly the drawn one takes it on, as on the host."""
        somebody = _somebody(Pose(0, 0, 0), 3)
        ours, theirs = make(Twins(), Kept()), HostModeller()
        pixels = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
        for number in range(130):
            face = posed_face(size=90, centre=(200, 180))
            if number >= 20:
                face.points[:17] += [0, 6]
            if number % 40 < 2 or 100 < number < 104 or number > 126:
                frame = Frame(pixels, number, 0.11 * number, 0.0)
                (mine,), (wanted,) = (
                    each.model([Layer(face, somebody.views[0])], frame, Settings(Mode.SWAP)) for each in (ours, theirs)
                )
                assert mine is not None
                assert wanted is not None
                np.testing.assert_allclose(mine.warp.position, wanted.warp.position, atol=0.02)

    def test_samples_that_are_too_old_make_room(
        self, make: Callable[..., DeviceModeller], monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
    ) -> None:
        """A memory of half a second, gone round twice."""
        for module in (modelling, expression):
            monkeypatch.setattr(module, "MEMORY_S", 0.5)
        monkeypatch.setattr(modelling, "SAMPLES", 7)
        somebody = _somebody(Pose(0, 0, 0), 5)
        ours, theirs = make(Twins(), Kept()), HostModeller()
        pixels = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
        for number in range(16):
            face = posed_face(size=90, centre=(200, 180))
            face.points[:] += rng.normal(0, 2, face.points.shape)
            (mine,), (wanted,) = (
                each.model(
                    [Layer(face, somebody.views[0])],
                    Frame(pixels, number, 0.1 * number, 0.0),
                    Settings(Mode.SWAP, expression=0.0),
                )
                for each in (ours, theirs)
            )
            assert mine is not None
            assert wanted is not None
            np.testing.assert_allclose(mine.warp.position, wanted.warp.position, atol=0.02)

    def test_keypoints_that_are_no_numbers_give_nothing_and_later_the_last_affine(
        self, make: Callable[..., DeviceModeller]
    ) -> None:
        somebody = _somebody(Pose(0, 0, 0), 4)
        ours = make(Twins(), Kept())
        pixels = np.full((SIZE[1], SIZE[0], 3), 128, np.uint8)
        good, bad = posed_face(size=90), posed_face(size=90)
        bad.points[:] = np.nan
        settings = Settings(Mode.SWAP)
        layers = [[Layer(face, view) for view in somebody.views] for face in (bad, good, bad)]
        before, first, after = (
            ours.model(layer, frame_of(pixels, number), settings)[0] for number, layer in enumerate(layers)
        )
        assert before is None
        assert first is not None
        assert after is not None
        np.testing.assert_array_equal(after.affine, first.affine)


class ToneTable:
    @pytest.fixture
    def bench(self, tone_kernels: ToneKernels) -> Bench:
        return Bench(tone_kernels)

    def test_tones_are_those_of_the_host(self, bench: Bench, rng: np.random.Generator) -> None:
        """Dark and light skins, one half of which is blue, in light that changes; one reaches over the frame's corner,
        one goes and another comes. OpenCV's Lab is read from a table: 0.4 off at most."""
        ours, theirs = DeviceTones(bench.kernels, Pictures(), 5), {number: Relight() for number in range(3)}
        for number in range(5):
            places = [(150, 180), (10, 20), (350, 150)]
            faces = [posed_face(Pose(9 * number, 0, 5), 80, place, face) for face, place in enumerate(places)]
            if number == 2:
                theirs[2] = Relight()
                ours.keep([0, 1])
                del faces[2]
            pixels = portrait(faces[0].points, SIZE, seed=1).astype(float) * (0.3 + 0.15 * number)
            pixels[:, 140:170] = [40, 60, 200]
            frame = frame_of(np.clip(pixels + rng.normal(0, 3, pixels.shape), 0, 255).astype(np.uint8), 3 * number)
            points = {face.id: bench.sent(face.points).pointer for face in faces}
            running = ours.write(frame, points, 5)
            ours.start(5, bench.kernels.stream)
            for face in faces:
                theirs[face.id].follow(Tone(frame.pixels, face.points), frame.time_s)
                (mine,) = bench.fetched(DeviceArray(running[face.id], (1,), RUNNING))
                np.testing.assert_allclose(mine["low"].transpose(1, 2, 0), theirs[face.id]._low, atol=4e-3)
                assert mine["contrast"] == pytest.approx(theirs[face.id]._contrast, rel=0.02, abs=1e-3)


class TurnTable:
    @pytest.fixture
    def bench(self, model_kernels: ModelKernels) -> Bench:
        return Bench(model_kernels)

    def test_heads_are_those_of_the_host(self, bench: Bench) -> None:
        """Two heads, the first of which the analysis left on the GPU; at last with a depth that is not the one there,
        and the other's points determine nothing."""
        twins, rooms, transfer = Twins(), Pool(lambda: Exchange(Memory(), SEEN)), Kept()
        ours, theirs = DeviceTurner(bench.kernels, twins, transfer), HostTurner()  # type: ignore[arg-type]
        for number, yaw in enumerate((-40.0, 0.0, 15.0, 45.0)):
            pose = Pose(10 * number - 15, 4, -20 * number)
            faces = [posed_face(pose, 80, (2150 + number, 180), 1), posed_face(Pose(10, -5, 0), 60, (350, 150), 2)]
            _note(bench, twins, rooms, faces[0])
            if number == 3:
                assert faces[0].depth is not None
                faces[0] = replace(faces[0], depth=faces[0].depth * np.float32(0.8))
                faces[1] = replace(faces[1], points=np.full((81, 2), 50, np.float32))
            turns = [Turn(face, rotation_of(Pose(yaw, 5, number))) for face in faces]
            for mine, wanted in zip(ours.turn(turns), theirs.turn(turns), strict=True):
                assert (mine is None) == (wanted is None)
                if mine is None or wanted is None:
                    assert number == 3
                    continue
                np.testing.assert_allclose(mine.affine[:, :3], wanted.affine[:, :3], atol=1e-5)
                mesh = Kept()
                wanted.warp.fill(mesh)  # type: ignore[arg-type]
                mine.warp.fill(SimpleNamespace())  # type: ignore[arg-type]
                vertices = bench.fetched(transfer.vertices)
                np.testing.assert_allclose(vertices[:, :2], mesh.vertices[:, :2], atol=0.01)
                np.testing.assert_allclose(vertices[:, 2], mesh.vertices[:, 2], atol=1e-4)
                np.testing.assert_allclose(vertices[:, 3:7], mesh.vertices[:, 3:7], atol=2e-3)
                np.testing.assert_array_equal(vertices[:, 7:], mesh.vertices[:, 7:])
                np.testing.assert_array_equal(mine.warp.position, vertices[:, :3])

    def test_nothing_is_made_of_nothing(self, bench: Bench) -> None:
        assert DeviceTurner(bench.kernels, Twins(), Kept()).turn([]) == []  # type: ignore[arg-type]


def _note(bench: Bench, twins: Twins, rooms: Pool[Exchange], face: Face) -> None:
    """As the analysis leaves a known face's points and depth on the GPU."""
    assert face.depth is not None
    lease = rooms.lend()
    row = lease.room.here[0]
    row["points"], row["confidence"], row["depth"] = face.points, face.confidence, face.depth
    lease.room.send(1, bench.kernels.stream)
    for array in (face.points, face.depth):
        twins.note(array, lease.room.there.item(0), lease)


def _somebody(pose: Pose, seed: int) -> Person:
    face = posed_face(pose, 120, (200, 200))
    return person("somebody", [(portrait(face.points, (400, 400), seed=seed), face)])


def _scene(number: int, rng: np.random.Generator) -> tuple[Frame, tuple[Face, ...]]:
    first = posed_face(Pose(3 * number - 15, 4, number), 80, (150 + number, 180), number=1)
    second = posed_face(Pose(10, -5, -number), 60, (350, 150 + number), number=2 if number < 5 else 4)
    faces = (first,) if number == 5 else (first, second)
    for face in faces:
        face.points[:] += rng.normal(0, 0.5, face.points.shape)
        face.points[[57, 66, 58, 67, 56, 65]] += [0, 4 + 4 * np.sin(number)]
        face.confidence[:] = rng.uniform(0.05, 1, face.confidence.shape)
    return frame_of(portrait(first.points, SIZE), 4 * number), faces
