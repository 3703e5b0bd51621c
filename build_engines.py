"""Make the networks ready for this machine: compile them into the cache, so that the live program starts quickly.

python build_engines.py            compile every network, and time it; with an NVIDIA GPU its kernels, too
python build_engines.py --check    run each against its stored reference outputs
python build_engines.py --list     what there is, and what is compiled
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tyro
from rich.console import Console
from rich.progress import Progress, TaskID
from rich.table import Table

import engines
from engines import Engine, EngineError
from engines.nvidia import gpus
from realtime.gpu.sources import SOURCES

# A network is as it was when its outputs stay within this share of the reference's largest value. In half precision the
# mean must: a doubtful landmark may take another peak of its map.
TOLERANCE, HALF_TOLERANCE = 1e-3, 3e-3
TIMED_RUNS = 50
# what each runtime leaves in the cache
COMPILED = {"openvino": ".blob", "tensorrt": ".plan"}


@dataclass(frozen=True)
class Options:
    """Compile the networks in engines/weights for this machine."""

    check: bool = False
    """Run each network against its stored reference outputs and print the errors; exit 1 where one is off."""
    list: bool = False
    """Only print what there is: network, runtime, precision, size, age, and what is compiled."""
    runtime: Literal["auto", "openvino", "tensorrt", "torch"] = "auto"
    """What runs them: openvino on the CPU; on an NVIDIA GPU tensorrt, or torch, which compiles to no file."""
    batches: tuple[int, ...] = (1, 2, 8, 16)
    """Batch sizes to compile (faces at a time)."""
    threads: int | None = None
    """CPU threads of each network; the live program must use the same to find what is compiled here."""
    cache: Path | None = None
    """Folder for compiled networks; the user's cache folder by default."""
    weights: Path = engines.WEIGHTS
    """Folder of the .onnx files."""


def main(options: Options) -> int:
    """Do what the options ask; the exit code."""
    names = sorted(path.stem for path in options.weights.glob("*.onnx"))
    if not names:
        raise EngineError(f"There are no networks in {options.weights}: restore the .onnx files.")
    console = Console()
    if options.list:
        console.print(listed(names, options))
        if not gpus():
            print("There is no NVIDIA GPU here: .cu files and plans of TensorRT are compiled where there is one.")
        return 0
    loaded, failures = load_all(names, options)
    good = not failures
    for item in loaded:
        for remark in item.engine.remarks:
            console.print(remark)
    if options.check and loaded:
        table, good_outputs = checked(loaded, options)
        good = good and good_outputs
        console.print(table)
    if loaded:
        console.print(timed(loaded, options))
    if found := gpus():
        try:
            for source in SOURCES:
                console.print(f"{source.path.name}, for {found[0].name}: {source.build(options.cache)}", soft_wrap=True)
        except EngineError as error:
            failures.append(error)
    for sentence in dict.fromkeys(map(str, failures)):  # what concerns all networks is said once
        print(sentence, file=sys.stderr)
    if not loaded:
        return failures[0].exit_code
    return 0 if good and not failures else 1


def load_all(names: list[str], options: Options) -> tuple[list[Loaded], list[EngineError]]:
    """Those networks that can be made ready, and why the others cannot."""
    loaded, failures = [], []
    with Progress(transient=True) as bars:
        for name in names:
            try:
                loaded.append(Loaded.load(name, options, bars))
            except EngineError as error:
                failures.append(error)
    return loaded, failures


@dataclass(frozen=True, slots=True)
class Loaded:
    """A network, and how long reading and compiling it for one item took."""

    name: str
    engine: Engine
    seconds: float

    @classmethod
    def load(cls, name: str, options: Options, bars: Progress) -> Loaded:
        tasks: dict[str, TaskID] = {}

        def show(phase: str, done: int, steps: int) -> None:
            if phase not in tasks:
                tasks[phase] = bars.add_task(f"{name}: {phase}")
            bars.update(tasks[phase], completed=done, total=steps, visible=done < steps)

        start = time.perf_counter()
        engine = engines.load(name, options.runtime, options.threads, options.cache, options.weights, show)
        return cls(name, engine, time.perf_counter() - start)

    def batches(self, wanted: Iterable[int]) -> list[int]:
        """Those of the wanted batch sizes the network takes; the only one it takes where it fixes it."""
        fixed = self.engine.spec.inputs[0].shape[0]
        return [fixed] if fixed != -1 else [batch for batch in wanted if 1 <= batch <= engines.MAX_BATCH]


def timed(loaded: list[Loaded], options: Options) -> Table:
    """Compile every batch size and time it: the start is with an empty or a filled cache, as it was found."""
    table = _table(
        "network", "batch", "start ms", "run ms (p50)", "p95", "per item ms", title="Networks on this machine"
    )
    for item in loaded:
        start = item.seconds
        for batch in item.batches(options.batches):
            before = time.perf_counter()
            item.engine.bind(batch)
            item.engine.run()
            start += time.perf_counter() - before
            p50, p95 = 1e3 * np.percentile(_run_times(item.engine), [50, 95])
            table.add_row(item.name, str(batch), f"{1e3 * start:.0f}", f"{p50:.3f}", f"{p95:.3f}", f"{p50 / batch:.3f}")
            start = 0.0
    table.caption = f"{loaded[0].engine.runtime}, threads: {options.threads or 'all'}"
    return table


def _run_times(engine: Engine) -> np.ndarray:
    seconds = np.empty(TIMED_RUNS)
    for index in range(TIMED_RUNS):
        start = time.perf_counter()
        engine.run()
        seconds[index] = time.perf_counter() - start
    return seconds


def checked(loaded: list[Loaded], options: Options) -> tuple[Table, bool]:
    """Errors against the outputs stored beside each network, and whether all are within the tolerance."""
    table = _table(
        "network", "output", "max error", "mean error", "largest value", "", title="Against stored references"
    )
    good = True
    for item in loaded:
        path = options.weights / f"{item.name}.check.npz"
        if not path.is_file():
            raise EngineError(f"The reference outputs of '{item.name}' are not at {path}: restore the file.")
        with np.load(path) as stored:
            inputs = [stored[f"in_{place}"] for place in range(len(item.engine.spec.inputs))]
            wanted = [stored[f"out_{place}"] for place in range(len(item.engine.spec.outputs))]
        for spec, output, reference in zip(item.engine.spec.outputs, item.engine(*inputs), wanted, strict=True):
            error, largest = np.abs(output - reference), float(np.abs(reference).max())
            if item.engine.precision == "float32":
                fine = bool(error.max() <= TOLERANCE * largest)
            else:
                fine = bool(error.mean() <= HALF_TOLERANCE * largest)
            good = good and fine
            numbers = [f"{value:.2e}" for value in (error.max(), error.mean(), largest)]
            table.add_row(item.name, spec.name, *numbers, "ok" if fine else "[bold red]off[/]")
    return table, good


def listed(names: list[str], options: Options) -> Table:
    """The .onnx files and what the cache holds of each, for the runtime chosen and for others that left something."""
    table = _table(
        "network", "runtime", "precision", "file kB", "age", "compiled kB", "age", title=str(options.weights)
    )
    chosen = engines.engine_class(options.runtime)
    for name in names:
        folder = (options.cache or engines.cache_folder()) / name
        path = options.weights / f"{name}.onnx"
        kilobytes = f"{path.stat().st_size / 1e3:.0f}"
        for runtime, suffix in COMPILED.items():
            compiled = [file for file in folder.rglob(f"*{suffix}") if file.is_file()]
            this = chosen.runtime.startswith(runtime)
            if not compiled and not this:
                continue
            size = f"{sum(file.stat().st_size for file in compiled) / 1e3:.0f}" if compiled else "-"
            age = _age(max(compiled, key=lambda file: file.stat().st_mtime)) if compiled else "-"
            kind = chosen if this else engines.engine_class(runtime)
            table.add_row(name, kind.runtime, kind.precision_of(path), kilobytes, _age(path), size, age)
        if not any(chosen.runtime.startswith(runtime) for runtime in COMPILED):
            table.add_row(name, chosen.runtime, chosen.precision_of(path), kilobytes, _age(path), "-", "-")
    for source in SOURCES:
        fatbin = source.fatbin(options.cache)
        size, age = (f"{fatbin.stat().st_size / 1e3:.0f}", _age(fatbin)) if fatbin.is_file() else ("-", "-")
        kilobytes = f"{source.path.stat().st_size / 1e3:.0f}"
        table.add_row(source.path.name, "cuda", "float32", kilobytes, _age(source.path), size, age)
    return table


def _age(path: Path) -> str:
    hours = (time.time() - path.stat().st_mtime) / 3600
    return f"{hours:.1f} h" if hours < 48 else f"{hours / 24:.0f} d"


def _table(*columns: str, title: str) -> Table:
    table = Table(title=title)
    for place, column in enumerate(columns):
        table.add_column(column, justify="left" if place == 0 else "right")
    return table


if __name__ == "__main__":
    try:
        sys.exit(main(tyro.cli(Options, description=__doc__)))
    except EngineError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
