"""The sets that facial depth was published on, for who holds them: what `--biwi DIR` and `--pandora DIR` stand for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from realtime.errors import InputError
from training.readers.biwi_faces import BiwiFaces
from training.readers.pandora_faces import PandoraFaces


@dataclass(frozen=True)
class Original:
    """The published protocol of one set, in place of ours on RAP3DF and synthetic faces."""

    biwi: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Biwi's folder: sequences 11 and 12 are tested on, the others trained on."""
    pandora: Annotated[Path | None, tyro.conf.arg(metavar="DIR")] = None
    """Pandora's folder: people 10, 14, 16 and 20 are tested on, 9, 18, 21 and 22 left out, the others trained on."""

    @property
    def name(self) -> str:
        """ "biwi", "pandora", or nothing. Raises InputError where both are given."""
        if self.biwi is not None and self.pandora is not None:
            raise InputError("Biwi and Pandora have each a protocol of its own: give --biwi or --pandora.")
        return "biwi" if self.biwi is not None else "pandora" if self.pandora is not None else ""

    def faces(self, test: bool, step: int = 1) -> BiwiFaces | PandoraFaces | None:
        """One side of the chosen set's protocol, every `step` frames one; None where none is chosen."""
        if self.name == "biwi":
            return BiwiFaces(self.biwi, test, step)
        return PandoraFaces(self.pandora, test, step) if self.name == "pandora" else None
