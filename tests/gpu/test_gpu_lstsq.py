"""The least squares on a real GPU: the table every implementation passes, device memory, streams, threads, autograd."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from lstsq_table import K, Solver, SolverTable, moved, random_faces

from engines.lstsq import cuda, host
from training import lstsq, lstsq_cuda

torch = pytest.importorskip("torch", reason="the GPU tests need torch")


@pytest.fixture
def device(gpu: str) -> torch.device:
    if not torch.cuda.is_available():
        pytest.skip("this torch has no CUDA")
    return torch.device("cuda", 0)


class TestGpu(SolverTable):
    precise = False

    @pytest.fixture
    def solver(self, cuda_solver: cuda.CudaSolver) -> Solver:
        return cuda_solver.solve


@pytest.mark.parametrize("count", [4, 5, 31, 33, 64, 66, 96])
@pytest.mark.parametrize("weighted", [False, True])
def test_any_number_of_points(
    cuda_solver: cuda.CudaSolver, rng: np.random.Generator, count: int, weighted: bool
) -> None:
    """Rows of 66 points, say, do not start at multiples of 16 bytes."""
    points, targets = rng.normal(size=(301, count, 3)), rng.normal(size=(301, count, 2))
    weights = rng.random((301, count)) + 0.1 if weighted else None
    affines, truth = cuda_solver.solve(points, targets, weights), host.solve(points, targets, weights)
    spread = np.abs(truth).max(axis=(1, 2))
    sure = (np.isnan(affines) == np.isnan(truth)).all(axis=(1, 2)) & (spread < 100)  # four points can lie badly
    assert sure.mean() > 0.9
    np.testing.assert_allclose(moved(affines, points)[sure], moved(truth, points)[sure], atol=5e-3)


@pytest.mark.parametrize("weighted", [False, True])
def test_losses_and_gradients(cuda_solver: cuda.CudaSolver, rng: np.random.Generator, weighted: bool) -> None:
    """Against automatic differentiation in float64."""
    points, targets = random_faces(rng, 500, near_flat=0)
    weights = rng.random((500, K)).astype(np.float32) if weighted else None
    fit = cuda_solver.fit(points, targets, weights)
    wide = torch.from_numpy(points).double()
    depth = wide[..., 2].clone().requires_grad_()
    heavy = None if weights is None else torch.from_numpy(weights).double()
    loss = lstsq.residual(wide[..., :2], depth, torch.from_numpy(targets).double(), heavy)
    (slope,) = torch.autograd.grad(loss.sum(), depth)
    np.testing.assert_allclose(fit.losses, loss.detach(), rtol=1e-4)
    np.testing.assert_allclose(fit.gradients, slope, atol=1e-5)
    rest = targets - moved(fit.affines.astype(np.float64), points)
    np.testing.assert_allclose(fit.residuals, rest, atol=2e-6)


@pytest.mark.parametrize("faces", [1, 1024, 1_000_003])
def test_a_large_batch_is_written_whole_and_the_same_each_time(
    cuda_solver: cuda.CudaSolver, device: torch.device, faces: int
) -> None:
    points, targets = (torch.from_numpy(array).to(device) for array in random_faces(np.random.default_rng(3), 1009))
    index = torch.arange(faces, device=device) % 1009
    first, again = (torch.full((faces, 2, 4), torch.nan, device=device) for _ in range(2))
    many, goals = points[index].contiguous(), targets[index].contiguous()
    torch.cuda.synchronize()
    for affines in (first, again):
        cuda_solver.launch(many, goals, None, 0.0, affines)
    torch.cuda.synchronize()
    assert torch.isfinite(first).all()
    assert torch.equal(first, again)
    assert torch.equal(first, first[index])
    truth = host.solve(points.cpu().numpy(), targets.cpu().numpy())
    shown = min(faces, 1009)
    there, wanted = (
        moved(affines[:shown], points.cpu().numpy()[:shown]) for affines in (first[:shown].cpu().numpy(), truth)
    )
    assert np.quantile(np.abs(there - wanted).max(axis=(1, 2)), 0.99) < 1e-4


def test_a_slice_of_a_tensor_need_not_be_aligned(cuda_solver: cuda.CudaSolver, device: torch.device) -> None:
    points, targets = random_faces(np.random.default_rng(4), 12)
    points, targets = points[:, :67], targets[:, :67]
    affines = torch.full((11, 2, 4), torch.nan, device=device)
    on_gpu = [torch.from_numpy(np.ascontiguousarray(array)).to(device)[1:] for array in (points, targets)]
    torch.cuda.synchronize()
    cuda_solver.launch(*on_gpu, None, 0.0, affines)
    torch.cuda.synchronize()
    np.testing.assert_allclose(affines.cpu(), cuda_solver.solve(points[1:], targets[1:]), rtol=0)


def test_its_stream_may_be_torchs(cuda_solver: cuda.CudaSolver, device: torch.device) -> None:
    stream = cuda_solver.stream()
    points, targets = random_faces(np.random.default_rng(5), 300)
    with torch.cuda.stream(torch.cuda.ExternalStream(stream.handle, device)):
        on_gpu = [torch.from_numpy(array).to(device) for array in (points, targets)]
        affines = torch.empty((300, 2, 4), device=device)
        cuda_solver.launch(*on_gpu, None, 0.0, affines, stream=stream)
        result = affines.cpu()
    np.testing.assert_array_equal(result, cuda_solver.solve(points, targets))


def test_threads_do_not_disturb_each_other(cuda_solver: cuda.CudaSolver) -> None:
    wrong: list[int] = []

    def work(seed: int) -> None:
        points, targets = random_faces(np.random.default_rng(seed), 1 + 37 * seed)
        first = cuda_solver.solve(points, targets)
        if any(not np.array_equal(cuda_solver.solve(points, targets), first) for _ in range(50)):
            wrong.append(seed)

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_memory_does_not_grow(cuda_solver: cuda.CudaSolver, device: torch.device) -> None:
    points, targets = random_faces(np.random.default_rng(6), 5000)
    cuda_solver.solve(points, targets)
    free = torch.cuda.mem_get_info(device)[0]
    for faces in range(4000, 5000, 10):
        cuda_solver.solve(points[:faces], targets[:faces])
    assert torch.cuda.mem_get_info(device)[0] == free


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("side_stream", [False, True])
def test_the_training_loss_is_that_of_torch(
    cuda_solver: cuda.CudaSolver,
    device: torch.device,
    monkeypatch: pytest.MonkeyPatch,
    weighted: bool,
    side_stream: bool,
) -> None:
    monkeypatch.setattr(cuda, "solver", lambda device: cuda_solver)
    points, targets = (torch.from_numpy(array).to(device) for array in random_faces(np.random.default_rng(7), 2000, 0))
    weights = torch.rand(2000, K, device=device) if weighted else None
    torch.cuda.synchronize()
    with torch.cuda.stream(torch.cuda.Stream(device) if side_stream else torch.cuda.default_stream(device)):
        depth = points[..., 2].clone().requires_grad_()
        ours = lstsq_cuda.residual(points[..., :2], depth, targets, weights)
        (slope,) = torch.autograd.grad(ours.mean(), depth)
        wide = depth.detach().double().requires_grad_()
        heavy = None if weights is None else weights.double()
        theirs = lstsq.residual(points[..., :2].double(), wide, targets.double(), heavy)
        (truth,) = torch.autograd.grad(theirs.mean(), wide)
        torch.testing.assert_close(ours.double(), theirs, rtol=1e-4, atol=1e-6)
        torch.testing.assert_close(slope.double(), truth, rtol=1e-3, atol=1e-8)
