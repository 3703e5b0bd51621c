"""What frame.cu and faces.cu must do, however they are run: on the CPU (tests/gpu_on_cpu) or on a GPU (tests/gpu)."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from faces_making import posed_face

from engines.runtime import cuda
from engines.runtime.base import DeviceArray
from engines.runtime.cuda import Memory
from realtime.analysis.landmarks import CROP, brightened
from realtime.analysis.lift import _upright_all, depth_inputs, lifted
from realtime.analysis.one_euro import FaceFilter
from realtime.analysis.pose import RIGIDITY, rotation_of
from realtime.frame import Pose
from realtime.geometry.box import landmark_box
from realtime.geometry.crops import Crop, square_crop
from realtime.geometry.template import template
from realtime.gpu.following import AheadFilter, mean_face, write_cuts
from realtime.gpu.kernels import CUT, MEMORY, SEEN, FaceKernels, FrameKernels

# centre x, y, side, roll: small and large (averaged 8 x 8), tilted, over edges and corners, beyond the frame
PLACES = (
    (300.0, 200.0, 60.0, 0.0),
    (320.3, 170.6, 112.0, 0.0),
    (300.0, 200.0, 300.0, 25.0),
    (310.0, 210.0, 700.0, -40.0),
    (320.0, 200.0, 1500.0, 10.0),
    (5.0, 390.0, 250.0, 170.0),
    (639.0, -30.0, 90.0, -5.0),
    (-500.0, 900.0, 200.0, 0.0),
)


NOWHERE: Any = None  # who only looks at numbers needs no place on the GPU


class Bench:
    """Memory to try kernels on."""

    def __init__(self, kernels: Any) -> None:
        self.kernels, self.memory = kernels, Memory()

    def sent(self, array: np.ndarray) -> DeviceArray:
        """A copy on the GPU."""
        here, there = self.memory.pinned(array.shape, array.dtype), self.memory.device(array.shape, array.dtype)
        here[...] = array
        cuda.upload(here, there, self.kernels.stream)
        cuda.wait(self.kernels.stream)
        return there

    def fetched(self, there: DeviceArray) -> np.ndarray:
        """What lies there."""
        here = self.memory.pinned(there.shape, there.dtype)
        cuda.download(there, here, self.kernels.stream)
        cuda.wait(self.kernels.stream)
        return here.copy()

    def cut(self, picture: np.ndarray, crops: list[Crop], planes: int) -> np.ndarray:
        out = self.sent(np.full((len(crops), planes, crops[0].size, crops[0].size), np.nan, np.float32))
        rows = np.zeros(len(crops), CUT)
        write_cuts(rows, crops, out, self.sent(picture))
        self.kernels.cut(self.sent(rows), crops[0].size)
        return self.fetched(out)


def picture(rng: np.random.Generator, size: tuple[int, int] = (640, 400)) -> np.ndarray:
    """Coarse noise under fine noise."""
    width, height = size
    coarse = rng.integers(30, 220, (height // 20, width // 20, 3), dtype=np.uint8)
    smooth = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    return np.clip(smooth + rng.integers(-25, 26, smooth.shape), 0, 255).astype(np.uint8)


class FrameTable:
    @pytest.fixture
    def bench(self, kernels: FrameKernels) -> Bench:
        return Bench(kernels)

    @pytest.mark.parametrize(("size", "planes"), [(CROP, 1), (64, 3), (33, 1), (33, 3)])
    def test_crops_are_those_of_the_cpu(self, bench: Bench, rng: np.random.Generator, size: int, planes: int) -> None:
        """To a grey level on average: OpenCV places samples to a 32nd of a pixel and rounds in between."""
        pixels = picture(rng)
        crops = [square_crop(place[:2], *place[2:], size) for place in PLACES]
        for crop, ours in zip(crops, bench.cut(pixels, crops, planes), strict=True):
            theirs = crop.cut(pixels, grey=planes == 1).reshape(size, size, planes).transpose(2, 0, 1).astype(float)
            off = np.abs(ours - theirs)
            assert off.mean() < 0.75
            assert np.quantile(off, 0.99) <= 2
            assert off.max() <= 4
            np.testing.assert_array_equal(ours, np.rint(ours))

    def test_crops_beside_an_exact_reference(self, bench: Bench, rng: np.random.Generator) -> None:
        """Bilinear in float64, for crops that need no averaging: nothing is off but what lies between two levels."""
        pixels = picture(rng)
        crops = [square_crop(place[:2], place[2], place[3], 64) for place in PLACES[:2]]
        for crop, ours in zip(crops, bench.cut(pixels, crops, 3), strict=True):
            at = np.stack(np.meshgrid(np.arange(64), np.arange(64)), axis=-1)
            x, y = np.moveaxis(crop.back(at), -1, 0)
            left, top = np.floor(x).astype(int), np.floor(y).astype(int)
            right, low = (x - left)[..., None], (y - top)[..., None]
            rows = [pixels[top + down, left] * (1 - right) + pixels[top + down, left + 1] * right for down in (0, 1)]
            exact = rows[0] * (1 - low) + rows[1] * low
            assert np.abs(ours.transpose(1, 2, 0) - exact).max() <= 0.5 + 1e-2

    def test_crops_of_all_sizes_go_in_one_launch(self, bench: Bench, rng: np.random.Generator) -> None:
        """Grey of one size and colour of another: each as if it were alone."""
        pixels = picture(rng)
        grey, colour = (square_crop((300, 200), 200, 5, size) for size in (40, 56))
        outs = [bench.sent(np.zeros((1, planes, size, size), np.float32)) for planes, size in ((1, 40), (3, 56))]
        rows, there = np.zeros(2, CUT), bench.sent(pixels)
        for row, crop, out in zip(rows, (grey, colour), outs, strict=True):
            write_cuts(row[None], [crop], out, there)
        bench.kernels.cut(bench.sent(rows), 56)
        for crop, out in zip((grey, colour), outs, strict=True):
            np.testing.assert_array_equal(bench.fetched(out), bench.cut(pixels, [crop], out.shape[1]))

    @pytest.mark.parametrize("size", [CROP, 50])
    def test_dark_crops_are_brightened_as_on_the_cpu(self, bench: Bench, rng: np.random.Generator, size: int) -> None:
        levels = (3, 20, 60, 120, 190, 255)
        crops = np.stack([rng.integers(0, level + 1, (1, size, size)) for level in levels]).astype(np.float32)
        there = bench.sent(crops)
        bench.kernels.brighten(there)
        for ours, crop in zip(bench.fetched(there), crops, strict=True):
            np.testing.assert_allclose(ours[0], brightened(crop[0].astype(np.uint8)), rtol=1e-6)


class FacesTable:
    @pytest.fixture
    def bench(self, face_kernels: FaceKernels) -> Bench:
        return Bench(face_kernels)

    @pytest.mark.parametrize("with_depth", [False, True])
    def test_faces_are_filtered_as_on_the_cpu(self, bench: Bench, rng: np.random.Generator, with_depth: bool) -> None:
        """Several faces over a second of turning and trembling, one of which is gone for a while, and time that stands
        still once: points, and what DepthNet is given, by two filters that know nothing of each other."""
        faces, frames = 3, 30
        ours, theirs = [AheadFilter() for _ in range(faces)], [FaceFilter() for _ in range(faces)]
        last: list[np.ndarray | None] = [None] * faces
        times = np.arange(frames) / 30
        times[12] = times[11]
        for frame, time_s in enumerate(times):
            seen = np.stack([_face(face, time_s) for face in range(faces)])
            seen += rng.normal(0, 0.4, seen.shape)
            confidence = rng.uniform(0.02, 1, (faces, len(seen[0]))).astype(np.float32)
            here = [face for face in range(faces) if not (face == 1 and 5 <= frame < 25)]
            rows = np.zeros(len(here), MEMORY)
            crops = [square_crop(seen[face].mean(axis=0), 300, 10 * face, CROP) for face in here]
            depths = [_depth(last[face]) if with_depth else None for face in here]
            for row, face, crop, depth in zip(rows, here, crops, depths, strict=True):
                ours[face].write(row, time_s, depth)
                row["back"] = crop.back_matrix.ravel()
            found = np.stack([crop.into(seen[face]) for face, crop in zip(here, crops, strict=True)])
            after, boxed = self._followed(bench, found, confidence[here], rows)
            for place, (face, depth) in enumerate(zip(here, depths, strict=True)):
                np.testing.assert_allclose(after["seen"][place], seen[face], atol=2e-3)
                np.testing.assert_array_equal(after["confidence"][place], confidence[face])
                ours[face].offer(time_s, after[place], NOWHERE)
                smooth = ours[face](seen[face], confidence[face], time_s, depth)
                wanted = theirs[face](seen[face].astype(np.float32), confidence[face], time_s, depth)
                np.testing.assert_allclose(smooth, wanted, atol=5e-3)
                np.testing.assert_allclose(boxed[place], depth_inputs(wanted[None])[0], atol=1e-4)
                last[face] = wanted

    def test_faces_are_lifted_as_on_the_cpu(self, bench: Bench, rng: np.random.Generator) -> None:
        """Turned this way and that, near and far, by a DepthNet that errs; points in one place, too, where any turn
        fits: no network would say that."""
        poses = [Pose(0, 0, 0), Pose(40, -10, 5), Pose(-75, 20, -30), Pose(10, 35, 179), Pose(-20, 0, 90)]
        faces = [posed_face(pose, 20 + 150 * place, (900, 400)) for place, pose in enumerate(poses)]
        points = np.stack([face.points for face in faces] + [np.full((81, 2), 70, np.float32)])
        relative = rng.normal(0, 0.02, (len(points), 68)).astype(np.float32)
        for row, face in zip(relative, faces, strict=False):
            assert face.depth is not None
            row += face.depth[:68] / np.ptp(face.points, axis=0).max() + 0.3
        relative[-1] = 0.3
        rows, after = np.zeros(len(points), MEMORY), np.zeros(len(points), SEEN)
        after["points"] = points
        after["side"] = landmark_box(_upright_all(points))[1]
        there = bench.sent(after)
        rows["after"] = [there.item(place).pointer for place in range(len(points))]
        bench.kernels.lift(bench.sent(rows), bench.sent(relative), bench.sent(mean_face()))
        depths, wanted = lifted(points, relative)
        for ours, depth, pose in zip(bench.fetched(there), depths, wanted, strict=True):
            size = max(float(np.ptp(depth)), 1e-3)
            np.testing.assert_allclose(ours["depth"], depth, atol=1e-5 * size)
            if size > 1:
                np.testing.assert_allclose(ours["rotation"], rotation_of(pose), atol=2e-6)
            np.testing.assert_allclose(ours["rotation"] @ ours["rotation"].T, np.eye(3), atol=1e-5)

    def _followed(
        self, bench: Bench, found: np.ndarray, confidence: np.ndarray, rows: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Rows of SEEN, and (N, 68, 2) what DepthNet is given, twice."""
        count = len(rows)
        fixed = bench.sent(RIGIDITY.astype(np.float32)), bench.sent(FaceFilter().gains.astype(np.float32))
        network = bench.sent(found.astype(np.float32)), bench.sent(confidence)
        after = bench.sent(np.zeros(count, SEEN))
        rows["after"] = [after.item(place).pointer for place in range(count)]
        boxed = tuple(bench.sent(np.zeros((count, 68, 2), np.float32)) for _ in range(2))
        bench.kernels.follow(network, fixed, bench.sent(rows), boxed)
        one, other = (bench.fetched(each) for each in boxed)
        np.testing.assert_array_equal(one, other)
        return bench.fetched(after), one


def _face(number: int, time_s: float) -> np.ndarray:
    """(81, 2) of a face that turns and drifts through a large frame."""
    angle = 0.5 * np.sin(2 * time_s + number)
    solid = 80 * template()
    x = np.cos(angle) * solid[:, 0] + np.sin(angle) * solid[:, 2]
    return np.column_stack([x + 900 + 300 * time_s, solid[:, 1] + 500 + 40 * number])


def _depth(points: np.ndarray | None) -> np.ndarray | None:
    return None if points is None else (80 * template()[:, 2]).astype(np.float32)
