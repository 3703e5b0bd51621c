"""What the size of the repair network buys: parameters, multiplications and time against the error that is left."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from matplotlib.figure import Figure
from rich.console import Console
from torch import Tensor, nn

import engines
from engines.networks.repair import BASE, CHANNELS, Repair
from training.export import export
from training.repair_pairs import Tiles
from training.repair_table import callable_of, case, figures
from training.tables.markdown import markdown

HEADS = ("width", "parameters", "GMAC", "128 px, ms", "256 px, ms", "L1 to target / 255", "seam, %")
_CALLS = 60


def curve(networks: dict[str, Repair], held_out: Tiles, path: Path) -> None:
    """Print a row per network, as markdown, and plot error over size to `path`: spoilt pairs of held-out people; time
    on one CPU thread."""
    rows = np.flatnonzero(np.isin(held_out.kind, ("still", "clip")))
    cases = [case(held_out, int(row), 1.0) for row in rows]
    tiles = np.stack([one.tile.transpose(2, 0, 1) for one in cases])
    before = figures(cases, [one.tile[..., :3] for one in cases], [])
    lines = [["none", "0", "0", "0", "0", f"{before.target:.2f}", f"{before.seam:+.1f}"]]
    work, errors = [0.0], [before.target]
    for name, network in networks.items():
        after = figures(cases, list(callable_of(network)(tiles).transpose(0, 2, 3, 1)), [])
        times = [f"{1000 * seconds(network, size):.1f}" for size in (BASE, 2 * BASE)]
        parameters = sum(p.numel() for p in network.parameters())
        work.append(multiplications(network, BASE) / 1e9)
        errors.append(after.target)
        lines.append([name, f"{parameters:,}", f"{work[-1]:.3f}", *times, f"{after.target:.2f}", f"{after.seam:+.1f}"])
    Console(width=200).print(markdown(HEADS, lines), markup=False)
    _plot(["none", *networks], work, errors, path)


def _plot(names: list[str], work: list[float], errors: list[float], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure = Figure(figsize=(5, 3), layout="tight")
    axes = figure.subplots()
    axes.plot(work, errors, "o")
    for name, x, y in zip(names, work, errors, strict=True):
        axes.annotate(name, (x, y), textcoords="offset points", xytext=(6, 4))
    axes.set(xlabel="GMAC at 128 px", ylabel="L1 to target / 255", ylim=(0, 1.1 * max(errors)), xlim=(-0.02, 0.32))
    figure.savefig(path, dpi=100)


def multiplications(network: nn.Module, size: int) -> int:
    """Multiply-accumulates of all convolutions for one tile."""
    total = 0

    def count(layer: nn.Conv2d, _: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal total
        total += out[0].numel() * layer.weight[0].numel()

    hooks = [layer.register_forward_hook(count) for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    with torch.no_grad():
        network(torch.zeros(1, CHANNELS, size, size))
    for hook in hooks:
        hook.remove()
    return total


def seconds(network: Repair, size: int) -> float:
    """Of one tile in OpenVINO on one thread, the quickest call: others may have the processor in between."""
    module = Repair(network.width, size // BASE)
    module.load_state_dict(network.state_dict())
    tile = np.random.default_rng(0).random((1, CHANNELS, size, size), np.float32)
    with tempfile.TemporaryDirectory() as folder:
        export(module.eval(), Path(folder) / "repair.onnx", {"tile": tile}, ("repaired",))
        engine = engines.load("repair", threads=1, folder=Path(folder), cache=Path(folder))
        times = []
        for _ in range(_CALLS):
            start = time.perf_counter()
            engine(tile)
            times.append(time.perf_counter() - start)
    return min(times)
