"""The CUDA least squares as far as they go without a GPU: the algorithm in NumPy, the source on the CPU, its launcher
on a stand-in for pycuda, and the compiler. What needs a GPU is in tests/gpu."""

from __future__ import annotations

import ctypes
import sys
from pathlib import Path
from typing import Any

import cuda_on_cpu
import lstsq_warp
import numpy as np
import pytest
import torch
from lstsq_table import K, PoorFaces, Solver, SolverTable, random_faces

from bench import gpu
from engines.errors import EngineError
from engines.lstsq import cuda, kernel, reference
from engines.lstsq.kernel import LSTSQ
from training import lstsq, lstsq_cuda


class TestWarp(SolverTable):
    """The algorithm: single precision, 32 lanes, every shuffle."""

    precise = False

    @pytest.fixture
    def solver(self) -> Solver:
        return lstsq_warp.solve


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> ctypes.CDLL:
    """The source, compiled for the CPU."""
    return cuda_on_cpu.compile_for_cpu(LSTSQ, ["affine_lstsq"], tmp_path_factory.mktemp("warp"))


@pytest.fixture
def driver(library: ctypes.CDLL, monkeypatch: pytest.MonkeyPatch) -> cuda_on_cpu.Driver:
    """The stand-in, where `import pycuda.driver` finds it."""
    return cuda_on_cpu.Driver(library).installed(monkeypatch)


@pytest.fixture
def fatbin(tmp_path: Path) -> Path:
    """A file; the stand-in does not read it."""
    path = tmp_path / "lstsq.fatbin"
    path.touch()
    return path


@pytest.fixture
def solver(driver: cuda_on_cpu.Driver, fatbin: Path) -> cuda.CudaSolver:
    return cuda.CudaSolver(fatbin=fatbin)


class TestSource(PoorFaces):
    """The source and its launcher keep the rules."""

    precise = False

    @pytest.fixture(params=[1, 2 * cuda.WARPS + 1])
    def faces(self, request: pytest.FixtureRequest) -> int:
        return int(request.param)

    @pytest.fixture
    def solver(self, driver: cuda_on_cpu.Driver, fatbin: Path) -> Solver:
        return cuda.CudaSolver(fatbin=fatbin).solve


@pytest.mark.parametrize("count", [1, 3, 4, 5, 31, 33, 64, 66, K, kernel.MAX_POINTS])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_source_does_what_the_numpy_twin_does(
    library: ctypes.CDLL, rng: np.random.Generator, count: int, weighted: bool
) -> None:
    """To the bit, with three blocks so that warps take several faces or none, and a ridge."""
    faces = 30
    points, targets = (np.resize(array, (faces, count, array.shape[2])) for array in random_faces(rng, faces))
    weights = rng.integers(0, 3, (faces, count)).astype(np.float32) if weighted else None
    shapes = ((faces, 2, 4), (faces, count, 2), (faces,), (faces, count))
    results = [np.full(shape, 7, np.float32) for shape in shapes]
    pointers = [ctypes.c_void_p(None if a is None else a.ctypes.data) for a in (points, targets, weights, *results)]
    arguments = [*pointers, ctypes.c_longlong(faces), ctypes.c_int(count), ctypes.c_float(0.01)]
    cuda_on_cpu.start(library, "affine_lstsq", (3, 1), 32 * cuda.WARPS, arguments)
    for result, twin in zip(results, lstsq_warp.fit(points, targets, weights, 0.01), strict=True):
        np.testing.assert_array_equal(result, twin)


@pytest.mark.parametrize("weighted", [False, True])
def test_residuals_losses_and_gradients(solver: cuda.CudaSolver, rng: np.random.Generator, weighted: bool) -> None:
    """Against the definition, and finite differences of the float64 reference's loss."""
    points, targets = random_faces(rng, 6, near_flat=0)
    weights = rng.random((6, K)).astype(np.float32) if weighted else None
    fit = solver.fit(points, targets, weights)
    heavy = np.ones((6, K)) if weights is None else weights.astype(np.float64)

    def loss(points: np.ndarray) -> np.ndarray:
        affines = reference.solve(points, targets, weights)
        rest = targets - points @ affines[..., :3].swapaxes(1, 2) - affines[:, None, :, 3]
        return (heavy * np.square(rest).sum(axis=2)).sum(axis=1)

    wide = points.astype(np.float64)
    rest = targets - wide @ fit.affines[..., :3].swapaxes(1, 2) - fit.affines[:, None, :, 3]
    np.testing.assert_allclose(fit.residuals, rest, atol=2e-6)
    np.testing.assert_allclose(fit.losses, loss(wide), rtol=1e-5)
    for point in (0, 40, K - 1):
        step = np.zeros_like(wide)
        step[:, point, 2] = 1e-4
        slope = (loss(wide + step) - loss(wide - step)) / 2e-4
        np.testing.assert_allclose(fit.gradients[:, point], slope, atol=1e-5)


def test_a_face_without_an_affine_has_no_loss(solver: cuda.CudaSolver, rng: np.random.Generator) -> None:
    points, targets = random_faces(rng, 3)
    points[1, :, 1] = points[1, :, 0]
    for values in solver.fit(points, targets):
        assert np.isnan(values[1]).all()
        assert np.isfinite(values[[0, 2]]).all()
    assert all(np.isnan(values).all() for values in solver.fit(points[:, :3], targets[:, :3]))


def test_flat_depth_has_no_gradient(solver: cuda.CudaSolver, rng: np.random.Generator) -> None:
    points, targets = random_faces(rng, 2)
    points[..., 2] = 0.25
    np.testing.assert_array_equal(solver.fit(points, targets).gradients, 0)


class Array:
    """NumPy memory that says it is on the GPU."""

    def __init__(self, values: np.ndarray) -> None:
        self.__cuda_array_interface__: dict[str, Any] = values.__array_interface__ | {"version": 3}
        self.values = values


def test_arrays_on_the_gpu_stay_there(
    solver: cuda.CudaSolver, driver: cuda_on_cpu.Driver, rng: np.random.Generator
) -> None:
    points, targets = random_faces(rng, 9)
    affines, losses = Array(np.zeros((9, 2, 4), np.float32)), Array(np.zeros(9, np.float32))
    solver.launch(Array(points), Array(targets), None, 0.0, affines, losses=losses, stream=solver.stream())
    twin = lstsq_warp.fit(points, targets)
    np.testing.assert_array_equal(affines.values, twin.affines)
    np.testing.assert_array_equal(losses.values, twin.losses)
    assert not driver.memory, "nothing was copied"
    assert driver.pushed == 0, "the context is left as it was"


@pytest.mark.parametrize(
    "wrong",
    [np.zeros((9, K, 3), np.float32), np.zeros((9, K, 2)), np.zeros((9, K, 4), np.float32)[..., ::2]],
    ids=["shape", "type", "gaps"],
)
def test_arrays_of_another_kind_are_refused(solver: cuda.CudaSolver, wrong: np.ndarray) -> None:
    points, affines = np.zeros((9, K, 3), np.float32), np.zeros((9, 2, 4), np.float32)
    with pytest.raises(EngineError, match=r"they take float32 of shape \(9, 68, 2\)"):
        solver.launch(Array(points), Array(wrong), None, 0.0, Array(affines))


class Stream:
    """torch's, as far as the loss needs one."""

    def __init__(self, waits: list[Stream]) -> None:
        self.waits = waits

    def wait_stream(self, other: Stream) -> None:
        self.waits.append(other)


@pytest.mark.parametrize("weighted", [False, True])
def test_the_training_loss_and_its_gradient(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, weighted: bool
) -> None:
    """What surrounds the kernel, on CPU tensors; the numbers against automatic differentiation in float64."""
    waits: list[Stream] = []
    ours, default = Stream(waits), Stream(waits)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: ours)
    monkeypatch.setattr(torch.cuda, "default_stream", lambda device: default)
    monkeypatch.setattr(cuda, "solver", lambda device: Twin())
    points, target = (torch.from_numpy(array) for array in random_faces(rng, 8, near_flat=0))
    weights = torch.rand(8, K) if weighted else None
    depth = points[..., 2].clone().requires_grad_()
    loss = lstsq_cuda.residual(points[..., :2], depth, target, weights)
    (slope,) = torch.autograd.grad((loss * torch.arange(8)).sum(), depth)
    assert waits == [ours, default], "after what was queued, before what follows"

    wide = points[..., 2].double().requires_grad_()
    heavy = None if weights is None else weights.double()
    truth = lstsq.residual(points[..., :2].double(), wide, target.double(), heavy)
    torch.testing.assert_close(loss.double(), truth, rtol=1e-5, atol=0)
    torch.testing.assert_close(
        slope.double(), torch.autograd.grad((truth * torch.arange(8)).sum(), wide)[0], rtol=0, atol=2e-5
    )
    with pytest.raises(EngineError, match="in depth alone"):
        lstsq_cuda.residual(points[..., :2], depth, target.requires_grad_())


@pytest.mark.parametrize("rival", gpu.RIVALS)
def test_the_rivals_of_the_benchmark_solve_the_same(rng: np.random.Generator, rival: str) -> None:
    points, targets = random_faces(rng, 5, near_flat=0)
    solved = gpu.RIVALS[rival](torch.from_numpy(points), torch.from_numpy(targets)).mT
    np.testing.assert_allclose(solved, reference.solve(points, targets), atol=1e-4)


class Twin:
    """A solver whose launch is the NumPy twin's, on tensors of the CPU."""

    def launch(
        self,
        points: torch.Tensor,
        targets: torch.Tensor,
        weights: torch.Tensor | None,
        ridge: float,
        affines: torch.Tensor,
        losses: torch.Tensor,
        gradients: torch.Tensor,
    ) -> None:
        heavy = None if weights is None else weights.numpy()
        fit = lstsq_warp.fit(points.detach().numpy(), targets.numpy(), heavy, ridge)
        for result, values in ((affines, fit.affines), (losses, fit.losses), (gradients, fit.gradients)):
            result.copy_(torch.from_numpy(values.copy()))


def test_many_faces_share_the_blocks(solver: cuda.CudaSolver, driver: cuda_on_cpu.Driver) -> None:
    points, targets = random_faces(np.random.default_rng(1), 70 * cuda.WARPS)
    np.testing.assert_array_equal(solver.solve(points, targets), lstsq_warp.solve(points, targets))
    np.testing.assert_array_equal(solver.solve(points[:5], targets[:5]), lstsq_warp.solve(points[:5], targets[:5]))
    launches = [(*blocks, *arguments[7:9]) for _, blocks, arguments in driver.launches]
    assert launches == [(cuda.BLOCKS_PER_PROCESSOR, 1, 70 * cuda.WARPS, K), (2, 1, 5, K)]
    assert driver.shared == 2 * [2 * kernel.WARPS * 5 * K * 4]
    assert len(driver.memory) == 1, "memory is kept between calls"


def test_what_it_does_not_take_or_have_is_one_sentence(
    driver: cuda_on_cpu.Driver, fatbin: Path, solver: cuda.CudaSolver, rng: np.random.Generator
) -> None:
    with pytest.raises(EngineError, match="97 points a face: they take 1 to 96"):
        solver.solve(np.zeros((1, 97, 3)), np.zeros((1, 97, 2)))
    with pytest.raises(EngineError, match=r"GPU 1: .*invalid device ordinal"):
        cuda.CudaSolver(1, fatbin)
    with pytest.raises(EngineError, match=r"not at .*none\.fatbin: compile it with python build_engines\.py"):
        cuda.CudaSolver(fatbin=fatbin.with_name("none.fatbin"))
    for broken, calling in (
        ("mem_alloc", "solve 3 faces"),
        ("launch", "solve 3 faces"),
        ("memcpy_dtoh", "solve 3 faces"),
    ):
        driver.broken = broken
        with pytest.raises(EngineError, match=f"The GPU could not {calling}: {broken} failed"):
            cuda.CudaSolver(fatbin=fatbin).solve(*random_faces(rng, 3))
        assert driver.pushed == 0
    for broken, sentence in (("init", "cannot use GPU 0: init failed"), ("module_from_file", "delete and recompile")):
        driver.broken = broken
        with pytest.raises(EngineError, match=sentence):
            cuda.CudaSolver(fatbin=fatbin)


def test_without_pycuda_it_says_so(fatbin: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pycuda", None)
    with pytest.raises(EngineError, match="need pycuda and NVIDIA's driver"):
        cuda.CudaSolver(fatbin=fatbin)
