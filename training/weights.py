"""Networks to measure: the shipped ones, else what a training run has reached so far.

Those that the program runs lie in engines/weights. Those that are only measured, the publications' own, are exported to
training/measured, so that the benches print their rows anywhere once they are worth a file.
"""

from __future__ import annotations

from pathlib import Path

from torch import nn

from engines import WEIGHTS
from realtime.errors import InputError
from training import run
from training.export import load_weights

UNTRAINED = "untrained"
MEASURED = Path(__file__).resolve().parent / "measured"


def ready(name: str, deployed: nn.Module, whole: nn.Module, runs: Path) -> tuple[bool, str]:
    """Gives a network its weights, in eval mode.

    Args:
        name: of the .onnx file and of the run folder.
        deployed: what an .onnx file holds; a part of `whole` or made of its parts.
        whole: what a run trains.
        runs: the folder of run folders.

    Returns:
        Whether there are weights, and in words where they are from.

    Raises:
        InputError: what is stored is of another width.
    """
    deployed.eval()
    try:
        for folder, said in ((WEIGHTS, "deployed"), (MEASURED, "shipped")):
            if (folder / f"{name}.onnx").is_file():
                load_weights(deployed, folder / f"{name}.onnx")
                return True, said
        if run.has_checkpoint(runs / name):
            state = run.load_checkpoint(runs / name)
            whole.load_state_dict(state["average"])
            return True, f"run, {state['seconds'] / 60:.0f} min"
    except RuntimeError as error:  # torch's word for tensors that do not fit
        raise InputError(f"The trained {name} has other sizes than asked for: say its --width.") from error
    return False, UNTRAINED
