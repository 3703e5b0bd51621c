"""The harness every recipe trains with: schedule, weight average, checkpoints, resuming, progress, tensorboard.

A recipe supplies a module, a function that makes batch number n, and a loss; `fit` does the rest and returns the
averaged module. Batch n depends on the seed and n alone, so a resumed run sees what an uninterrupted one would.
"""

from __future__ import annotations

import copy
import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
import tyro
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.tensorboard import SummaryWriter

from realtime.errors import InputError
from training.export import load_weights
from training.widening import widen

Batch = dict[str, np.ndarray]
Tensors = dict[str, Tensor]

CHECKPOINT = "checkpoint.pt"
WARM_UP_STEPS = 200
LOG_EVERY = 20  # steps between two tensorboard points


@dataclass(frozen=True)
class RunOptions:
    """How long and where to train."""

    minutes: float = 30.0
    """Training time; the learning rate's cosine ends with it. A resumed run counts the time already spent."""
    steps: Annotated[int | None, tyro.conf.arg(metavar="N")] = None
    """Train for exactly N steps instead; such a run repeats bit by bit on one machine."""
    resume: bool = False
    """Continue from the run folder's last checkpoint."""
    start: Annotated[Path | None, tyro.conf.arg(metavar="ONNX")] = None
    """Begin with the weights of this exported network (say engines/weights/detector.onnx), not with random ones."""
    device: str = "auto"
    """"cpu", "cuda" or "auto" (CUDA where there is one)."""
    precision: Literal["float32", "bfloat16", "auto"] = "float32"
    """Of the multiplications; "auto" is bfloat16 where the processor has it. Weights and losses stay float32."""
    threads: int = 2
    """CPU threads of torch."""
    workers: int = 1
    """Processes that prepare batches; 0 prepares them in line."""
    seed: int = 0
    runs: Path = Path("runs")
    """Checkpoints and tensorboard logs go to a folder of the recipe's name in here."""
    checkpoint_s: float = 120.0
    """Seconds between two checkpoints."""


@dataclass(frozen=True)
class Optimisation:
    """AdamW under a cosine learning rate with a short linear warm-up, and an exponential average of the weights."""

    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    betas: tuple[float, float] = (0.9, 0.999)
    """Memories of AdamW."""
    average: float = 0.999
    """Share of the average kept at each step; 0 keeps the last weights alone."""
    clip: float | None = 5.0
    nesterov: float | None = None
    """Momentum of Nesterov's method at a constant learning rate, in place of AdamW and its cosine."""
    adadelta: float | None = None
    """Memory (rho) of AdaDelta at a constant learning rate, in place of AdamW and its cosine."""
    adam: tuple[float, float] | None = None
    """Memories (betas) of Adam at a constant learning rate, in place of AdamW and its cosine."""

    @property
    def constant(self) -> bool:
        """Whether the learning rate stays as it is."""
        return any(choice is not None for choice in (self.nesterov, self.adadelta, self.adam))

    def optimiser(self, model: nn.Module) -> torch.optim.Optimizer:
        """For all weights of `model`; the run sets the learning rate."""
        groups = _decay_groups(model, self.weight_decay)
        if self.nesterov is not None:
            return torch.optim.SGD(groups, lr=0.0, momentum=self.nesterov, nesterov=True)
        if self.adadelta is not None:
            return torch.optim.Adadelta(groups, lr=0.0, rho=self.adadelta, eps=1e-8)
        if self.adam is not None:
            return torch.optim.Adam(groups, lr=0.0, betas=self.adam)
        return torch.optim.AdamW(groups, lr=0.0, betas=self.betas)


def torch_device(name: str) -> torch.device:
    """The device "auto", "cpu" or "cuda" stands for here."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    return torch.device(name)


def multiplies_in_bfloat16(precision: str, device: torch.device) -> bool:
    """Whether the forward pass runs under bfloat16 autocast there."""
    if precision == "auto":
        return torch.cuda.is_bf16_supported() if device.type == "cuda" else torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return precision == "bfloat16"


def prepare(options: RunOptions) -> None:
    """Fixes torch's seed and threads. Call it before the module is made, too: its first weights are random."""
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)


def fit(
    name: str,
    model: nn.Module,
    batch: Callable[[int], Batch],
    loss: Callable[[nn.Module, Tensors], Tensors],
    options: RunOptions,
    optimisation: Optimisation | None = None,
    picture: Callable[[nn.Module], np.ndarray] | None = None,
) -> nn.Module:
    """Trains `model` and returns its averaged copy on the CPU, in eval mode.

    Args:
        name: the recipe; names the run folder.
        model: module to train, on the CPU, freshly initialised.
        batch: step number → arrays; must depend on nothing else but the options (it runs in other processes).
        loss: (model, batch as tensors) → scalars; the one called "loss" is minimised, all are logged. It runs under
            autocast: what the network gives back may be bfloat16.
        options, optimisation: see there.
        picture: averaged module, on the CPU, in eval mode → (H, W, 3) uint8 RGB, shown in tensorboard with every
            checkpoint.
    """
    prepare(options)
    if options.start and not options.resume:
        load_weights(model, options.start)
    run = Run(name, model, options, optimisation or Optimisation())
    if options.resume:
        run.restore()
    loader = DataLoader(
        _Numbered(batch),
        batch_size=None,
        sampler=_From(run.step),
        num_workers=options.workers,
        prefetch_factor=4 if options.workers else None,
        generator=torch.Generator(),  # its own: starting to load must not draw from the state a resume restores
    )
    batches = iter(loader)
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[note]}"), TimeRemainingColumn())
    with SummaryWriter(str(run.folder)) as board, Progress(*columns, refresh_per_second=0.5) as bar:
        task = bar.add_task(name, total=1.0, note="")
        while run.progress() < 1:
            scalars = run.advance(next(batches), loss)
            if run.step % LOG_EVERY == 0:
                values = {key: float(value) for key, value in scalars.items()}
                for key, value in values.items():
                    board.add_scalar(key, value, run.step)
                board.add_scalar("learning_rate", run.learning_rate(), run.step)
                bar.update(task, completed=run.progress(), note=f"step {run.step}  loss {values['loss']:.4f}")
            if run.checkpoint_if_due() and picture:
                board.add_image("sample", picture(copy.deepcopy(run.average).eval().cpu()), run.step, dataformats="HWC")
    run.checkpoint()
    return run.average.eval().cpu()


class Run:
    """The state of one training: everything a checkpoint holds, and one step of it."""

    def __init__(self, name: str, model: nn.Module, options: RunOptions, optimisation: Optimisation) -> None:
        self.device = torch_device(options.device)
        layout = torch.channels_last if any(p.ndim == 4 for p in model.parameters()) else torch.contiguous_format
        self.model = model.to(self.device, memory_format=layout).train()
        self.average = copy.deepcopy(self.model).requires_grad_(False)
        self.optimiser = optimisation.optimiser(self.model)
        self.options, self.optimisation = options, optimisation
        self.bfloat16 = multiplies_in_bfloat16(options.precision, self.device)
        self.folder = options.runs / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.step = 0
        self._spent_s = 0.0
        self._started = self._saved = time.monotonic()

    def progress(self) -> float:
        """Share of the training done, 0..1."""
        if self.options.steps is not None:
            return self.step / self.options.steps if self.step < self.options.steps else 1.0
        return min(1.0, self.seconds() / max(60 * self.options.minutes, 1e-9))

    def seconds(self) -> float:
        """Training time so far, earlier runs included."""
        return self._spent_s + time.monotonic() - self._started

    def learning_rate(self) -> float:
        """Of the next step: linear warm-up, then half a cosine down to zero; or constant."""
        if self.optimisation.constant:
            return self.optimisation.learning_rate
        warm_up = min(1.0, (self.step + 1) / WARM_UP_STEPS)
        return self.optimisation.learning_rate * warm_up * 0.5 * (1 + math.cos(math.pi * self.progress()))

    def advance(self, batch: Batch, loss: Callable[[nn.Module, Tensors], Tensors]) -> Tensors:
        """One optimiser step on `batch`; returns the loss function's scalars."""
        for group in self.optimiser.param_groups:
            group["lr"] = self.learning_rate()
        tensors = {key: torch.as_tensor(value).to(self.device) for key, value in batch.items()}
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bfloat16):
            scalars = loss(self.model, tensors)
        self.optimiser.zero_grad()
        scalars["loss"].backward()
        if self.optimisation.clip is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.optimisation.clip)
        self.optimiser.step()
        self.step += 1
        self._average()
        return {key: value.detach() for key, value in scalars.items()}

    def _average(self) -> None:
        keep = min(self.optimisation.average, (1 + self.step) / (10 + self.step))  # a young average forgets faster
        state = self.model.state_dict()
        with torch.no_grad():
            for key, value in self.average.state_dict().items():
                if value.is_floating_point():
                    value.lerp_(state[key], 1 - keep)
                else:
                    value.copy_(state[key])

    def checkpoint_if_due(self) -> bool:
        """Writes a checkpoint when the last one is old enough; says whether it did."""
        due = time.monotonic() - self._saved >= self.options.checkpoint_s
        if due:
            self.checkpoint()
        return due

    def checkpoint(self) -> None:
        """Writes the state in one move: a run killed at any moment leaves a whole file."""
        state = {
            "model": self.model.state_dict(),
            "average": self.average.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "random": torch.get_rng_state(),
            "step": self.step,
            "seconds": self.seconds(),
        }
        path = self.folder / CHECKPOINT
        partial = path.with_suffix(".partial")
        torch.save(state, partial)
        partial.replace(path)
        self._saved = time.monotonic()

    def restore(self) -> None:
        """Takes the state of the folder's checkpoint. Raises InputError where there is none."""
        state = load_checkpoint(self.folder)
        self.model.load_state_dict(state["model"])
        self.average.load_state_dict(state["average"])
        self.optimiser.load_state_dict(state["optimiser"])
        torch.set_rng_state(state["random"])
        self.step, self._spent_s = state["step"], state["seconds"]
        self._started = time.monotonic()


def has_checkpoint(folder: Path) -> bool:
    """Whether a run folder holds a checkpoint to resume from."""
    return (folder / CHECKPOINT).is_file()


def load_checkpoint(folder: Path) -> dict[str, Any]:
    """The last checkpoint in a run folder: keys model, average, optimiser, random, step, seconds."""
    path = folder / CHECKPOINT
    if not has_checkpoint(folder):
        raise InputError(f"No checkpoint at {path}: train first, or leave out --resume.")
    state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def begun(model: nn.Module, by: str | Path | None, runs: Path) -> nn.Module:
    """`model` with the averaged weights of run `by` (its name in `runs`, or its folder's absolute path), where there is
    one; that network is as wide or a whole fraction of it. Raises InputError where it is not."""
    return model if by is None else widen(model, load_checkpoint(runs / by)["average"])


def averaged(name: str, model: nn.Module, runs: Path) -> nn.Module:
    """`model` with the averaged weights of run `name`'s last checkpoint, in eval mode."""
    model.load_state_dict(load_checkpoint(runs / name)["average"])
    return model.eval()


class _Numbered(Dataset[Batch]):
    def __init__(self, batch: Callable[[int], Batch]) -> None:
        self._batch = batch

    def __getitem__(self, index: int) -> Batch:
        return self._batch(index)


class _From(Sampler[int]):
    """Counts up from a number for ever."""

    def __init__(self, start: int) -> None:
        self._start = start

    def __iter__(self) -> Iterator[int]:
        return itertools.count(self._start)


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """Weights decay; biases and normalisation scales (one axis) do not."""
    matrices = [p for p in model.parameters() if p.ndim > 1]
    vectors = [p for p in model.parameters() if p.ndim <= 1]
    return [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
