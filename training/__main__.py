"""`python -m training RECIPE [options]`: train, export or measure one network."""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys

# before torch loads: on a busy machine, threads that spin while they wait for each other cost most of the speed
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import tyro

from realtime.errors import FacetError
from training import recipes


def main(arguments: list[str]) -> int:
    """Runs the recipe named by the first argument with the options in the others; returns the exit code."""
    names = sorted(module.name for module in pkgutil.iter_modules(recipes.__path__))
    if not arguments or arguments[0] not in names:
        print(f"usage: python -m training RECIPE [--help | options]\nrecipes: {', '.join(names)}")
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    recipe = importlib.import_module(f"training.recipes.{arguments[0]}")
    try:
        recipe.train(tyro.cli(recipe.Config, args=arguments[1:], prog=f"python -m training {arguments[0]}"))
    except FacetError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
