"""The repair networks that are there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import engines
from engines import Engine, EngineError
from realtime.repair.pace import Level
from realtime.repair.retouch import CHANNELS, SIZES


@dataclass(frozen=True, slots=True)
class RepairOptions:
    """How faces are repaired.

    Attributes:
        asked: the level; None leaves it to what is there and to how quick the machine is.
        live: a late frame is lost, so the repair gives way where there is no time for it.
        tracked: the frames belong together.
        threads: CPU threads of a network (see `engines.load`).
        device: what runs it (see `engines.load`).
        folder: where the networks are.
    """

    asked: Level | None = None
    live: bool = False
    tracked: bool = True
    threads: int | None = None
    device: str = "auto"
    folder: Path = engines.WEIGHTS


def load_networks(options: RepairOptions, tell: Callable[[str], None]) -> dict[Level, Engine]:
    """The networks for what is asked and, behind a live source, for what it may fall back to, the cheapest first.

    `fast` is there even where no repair is asked for: a key turns it on. What nobody asked for may be missing; else
    `tell` gets one sentence for each network that is missing or damaged.
    """
    asked = options.asked
    wanted = [Level.FAST] if asked is not Level.FULL else [Level.FAST, Level.FULL] if options.live else [Level.FULL]
    found = {}
    for level in wanted:
        name = f"repair_{SIZES[level]}"
        if level is not asked and not (options.folder / f"{name}.onnx").is_file():
            continue
        try:
            engine = engines.load(name, options.device, options.threads, folder=options.folder)
            _check(engine, name, SIZES[level])
        except EngineError as error:
            tell(f"There is no repair '{level}': {error}")
        else:
            found[level] = engine
    return found


def _check(engine: Engine, name: str, size: int) -> None:
    shapes = [item.shape for item in (*engine.spec.inputs, *engine.spec.outputs)]
    if shapes != [(-1, CHANNELS, size, size), (-1, 3, size, size)]:
        raise EngineError(
            f"The network '{name}' is none: restore the file, it should take B x {CHANNELS} x {size} x {size} and give "
            f"B x 3 x {size} x {size}."
        )
