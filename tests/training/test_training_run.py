"""The harness: resuming, the weight average, the schedule, checkpoints."""

from __future__ import annotations

import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from realtime.errors import InputError
from training.export import export
from training.run import WARM_UP_STEPS, Optimisation, Run, RunOptions, averaged, begun, fit, load_checkpoint, prepare

OPTIONS = RunOptions(steps=12, threads=1, workers=0, seed=3)


def batch(number: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng([1, number])
    x = rng.normal(size=(8, 4)).astype(np.float32)
    return {"x": x, "y": x.sum(axis=1, keepdims=True)}


def loss(model: nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    noise = 0.1 * torch.randn_like(batch["y"])  # the random state must survive a resume as well
    return {"loss": ((model(batch["x"]) + noise - batch["y"]) ** 2).mean()}


def network() -> nn.Module:
    prepare(OPTIONS)
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1))


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, other[key]) for key, value in one.items())


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    whole = fit("toy", network(), batch, loss, dataclasses.replace(OPTIONS, runs=tmp_path / "a"))

    class Interrupted(Exception):
        pass

    def stops(number: int) -> dict[str, np.ndarray]:
        if number == 7:
            raise Interrupted
        return batch(number)

    options = dataclasses.replace(OPTIONS, runs=tmp_path / "b", checkpoint_s=0.0)
    with pytest.raises(Interrupted):
        fit("toy", network(), stops, loss, options)
    assert load_checkpoint(tmp_path / "b" / "toy")["step"] == 7
    resumed = fit("toy", nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)), batch, loss,
                  dataclasses.replace(options, resume=True))  # fmt: skip
    assert same(whole.state_dict(), resumed.state_dict())
    one, other = (load_checkpoint(tmp_path / run / "toy") for run in "ab")
    assert same(one["model"], other["model"]) and one["step"] == other["step"] == 12


def test_batches_made_in_another_process_are_the_same(tmp_path: Path) -> None:
    inline = fit("toy", network(), batch, loss, dataclasses.replace(OPTIONS, runs=tmp_path / "a"))
    worker = fit("toy", network(), batch, loss, dataclasses.replace(OPTIONS, runs=tmp_path / "b", workers=1))
    assert same(inline.state_dict(), worker.state_dict())


def test_the_average_follows_its_recurrence(tmp_path: Path) -> None:
    run = Run("toy", network(), dataclasses.replace(OPTIONS, runs=tmp_path), Optimisation(average=0.5))
    wanted = run.model[0].weight.detach().numpy().copy()
    for step in range(1, 8):
        run.advance(batch(step), loss)
        keep = min(0.5, (1 + step) / (10 + step))
        wanted = keep * wanted + (1 - keep) * run.model[0].weight.detach().numpy()
    np.testing.assert_allclose(run.average[0].weight.numpy(), wanted, rtol=1e-5)


def test_the_learning_rate_warms_up_and_ends_at_zero(tmp_path: Path) -> None:
    steps = 10 * WARM_UP_STEPS
    run = Run("toy", network(), dataclasses.replace(OPTIONS, runs=tmp_path, steps=steps), Optimisation(1e-2))
    rates = []
    for run.step in range(steps + 1):
        rates.append(run.learning_rate())
    assert rates[0] < 1e-4 and rates[-1] == pytest.approx(0, abs=1e-12)
    assert rates[steps // 2] == pytest.approx(0.5e-2)
    assert rates[steps // 4] == pytest.approx(1e-2 * 0.5 * (1 + math.cos(math.pi / 4)))
    assert int(np.argmax(rates)) in range(WARM_UP_STEPS - 2, WARM_UP_STEPS + 1)


def test_nesterovs_method_takes_its_published_steps_at_a_constant_rate(tmp_path: Path) -> None:
    """v ← β v + g, w ← w - lr (g + β v); without an average, the last weights are the result."""
    method = Optimisation(1e-2, weight_decay=0.0, average=0.0, clip=None, nesterov=0.9)
    run = Run("toy", nn.Linear(1, 1, bias=False), dataclasses.replace(OPTIONS, runs=tmp_path, steps=5), method)
    weight, velocity = run.model.weight.item(), 0.0
    for _ in range(5):
        run.advance({"x": np.ones((1, 1), np.float32)}, lambda net, batch: {"loss": net(batch["x"]).square().sum() / 2})
        velocity = 0.9 * velocity + weight
        weight -= 1e-2 * (weight + 0.9 * velocity)
    assert run.learning_rate() == 1e-2
    assert run.average.weight.item() == run.model.weight.item() == pytest.approx(weight, rel=1e-5)


def test_time_ends_a_run_without_a_step_count(tmp_path: Path) -> None:
    run = Run("toy", network(), dataclasses.replace(OPTIONS, runs=tmp_path, steps=None, minutes=0.0), Optimisation())
    assert run.progress() == 1.0 and run.learning_rate() == 0.0


def test_a_missing_checkpoint_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No checkpoint"):
        fit("toy", network(), batch, loss, dataclasses.replace(OPTIONS, runs=tmp_path, resume=True))


def test_averaged_reads_what_fit_returned(tmp_path: Path) -> None:
    trained = fit("toy", network(), batch, loss, dataclasses.replace(OPTIONS, runs=tmp_path))
    assert same(trained.state_dict(), averaged("toy", network(), tmp_path).state_dict())
    assert not (tmp_path / "toy" / "checkpoint.partial").exists()


def test_a_network_begins_with_what_another_run_averaged(tmp_path: Path) -> None:
    trained = fit("toy", network(), batch, loss, dataclasses.replace(OPTIONS, runs=tmp_path))
    x = torch.randn(5, 4)
    wide = nn.Sequential(nn.Linear(4, 16), nn.BatchNorm1d(16), nn.Linear(16, 1))
    own = {key: value.clone() for key, value in wide.state_dict().items()}
    assert same(own, begun(wide, None, tmp_path).state_dict()), "none is named"
    with torch.no_grad():
        torch.testing.assert_close(begun(wide, "toy", tmp_path).eval()(x), trained(x))
    with pytest.raises(InputError, match="No checkpoint"):
        begun(wide, "another", tmp_path)


def test_a_run_can_start_with_exported_weights(tmp_path: Path) -> None:
    trained = fit("toy", network(), batch, loss, dataclasses.replace(OPTIONS, runs=tmp_path))
    example = {"x": batch(0)["x"]}
    export(trained, tmp_path / "toy.onnx", example, ("y",))
    options = dataclasses.replace(OPTIONS, runs=tmp_path / "more", start=tmp_path / "toy.onnx", steps=0)
    assert same(
        {key: value for key, value in trained.state_dict().items() if "num_batches" not in key},
        fit("toy", network(), batch, loss, options).state_dict(),
    )


def test_bfloat16_rounds_the_multiplications_and_keeps_the_weights(tmp_path: Path) -> None:
    weights = []
    for precision in ("float32", "bfloat16"):
        run = Run("toy", network(), dataclasses.replace(OPTIONS, runs=tmp_path, precision=precision), Optimisation())
        seen: list[torch.dtype] = []
        run.model[0].register_forward_hook(lambda _module, _inputs, output, seen=seen: seen.append(output.dtype))
        run.advance(batch(0), loss)
        assert seen == [torch.bfloat16 if precision == "bfloat16" else torch.float32]
        assert all(
            value.dtype == torch.float32 for value in run.model.state_dict().values() if value.is_floating_point()
        )
        weights.append(run.optimiser.state_dict()["state"][0]["exp_avg"])
    assert not torch.equal(*weights)
    torch.testing.assert_close(*weights, rtol=0.1, atol=0.02)
