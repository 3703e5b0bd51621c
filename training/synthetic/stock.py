"""Rendered faces kept on disk as memory-mapped arrays, to train from them faster than they are drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from realtime.errors import InputError
from realtime.frame import Intrinsics
from training.synthetic.render import Renderer
from training.synthetic.scene import HELD_OUT, Ranges
from training.synthetic.truth import Rendered

DEPTH_STEP = 0.1  # mm
SIZE = 160  # pixels of pictures that crops for training are cut from
_COUNT = "filled.txt"
# name → numbers per picture (S stands for its side) and their type
_ARRAYS: dict[str, tuple[tuple[str | int, ...], type[np.generic]]] = {
    "person": ((), np.int64),
    "picture": (("S", "S", 3), np.uint8),
    "depth": (("S", "S"), np.uint16),
    "normals": (("S", "S", 2), np.int8),
    "classes": (("S", "S"), np.uint8),
    "points": ((68, 2), np.float32),
    "points_mm": ((68, 3), np.float32),
    "camera": ((4,), np.float32),
    "angles": ((3,), np.float32),
    "infrared": ((), np.bool_),
}


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """One face of a stock; fields as in `Rendered` (normals to within 0.5°, depth to within 0.05 mm)."""

    person: int
    picture: np.ndarray
    depth: np.ndarray
    normals: np.ndarray
    classes: np.ndarray
    points: np.ndarray
    points_mm: np.ndarray
    angles: np.ndarray
    camera: Intrinsics
    infrared: bool


class Stock:
    """Faces 0 … filled - 1 of a folder."""

    def __init__(self, folder: Path, arrays: dict[str, np.ndarray]) -> None:
        self._folder, self._arrays = folder, arrays

    @classmethod
    def create(cls, folder: Path, count: int, size: int) -> Self:
        """A folder with room for `count` faces of `size` pixels, or the one that is there already.

        Raises InputError where it holds another number or size.
        """
        folder.mkdir(parents=True, exist_ok=True)
        if (folder / _COUNT).is_file():
            stock = cls.open(folder, "r+")
            if stock.shape != (count, size):
                held, side = stock.shape
                raise InputError(f"{folder} has room for {held} faces of {side} pixels: remove it, or ask for that.")
            return stock
        arrays = {}
        for name, (extent, kind) in _ARRAYS.items():
            shape = (count, *(size if side == "S" else int(side) for side in extent))
            arrays[name] = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", kind, shape)
        (folder / _COUNT).write_text("0")
        return cls(folder, arrays)

    @classmethod
    def open(cls, folder: Path, mode: str = "r") -> Self:
        """The stock in a folder. Raises InputError where there is none."""
        if not (folder / _COUNT).is_file():
            raise InputError(f"No stock of faces at {folder}: draw one with python -m training synthetic --stock N.")
        return cls(folder, {name: np.load(folder / f"{name}.npy", mmap_mode=mode) for name in _ARRAYS})

    @property
    def shape(self) -> tuple[int, int]:
        """Room for how many faces, of how many pixels a side."""
        count, size = self._arrays["depth"].shape[:2]
        return count, size

    @property
    def filled(self) -> int:
        """How many faces are there."""
        return int((self._folder / _COUNT).read_text())

    def put(self, index: int, face: Rendered) -> None:
        """Store face number `index`, which must be the next one."""
        arrays = self._arrays
        arrays["person"][index] = face.person
        arrays["picture"][index] = face.picture
        arrays["depth"][index] = np.rint(face.depth / DEPTH_STEP)
        arrays["normals"][index] = np.rint(127 * face.normals[..., :2])
        arrays["classes"][index] = face.classes
        arrays["points"][index] = face.points
        arrays["points_mm"][index] = face.points_mm
        arrays["camera"][index] = (face.camera.fx, face.camera.fy, face.camera.cx, face.camera.cy)
        arrays["angles"][index] = face.angles
        arrays["infrared"][index] = face.infrared
        (self._folder / _COUNT).write_text(str(index + 1))

    def face(self, index: int) -> Kept:
        """Face number `index`."""
        row = {name: array[index] for name, array in self._arrays.items()}
        flat = row["normals"].astype(np.float32) / 127
        there = row["classes"] > 0
        squares = np.einsum("...k,...k->...", flat, flat)[..., None]
        up = np.sqrt(np.clip(1 - squares, 0, 1)) * there[..., None]
        return Kept(
            person=int(row["person"]),
            picture=np.array(row["picture"]),
            depth=row["depth"].astype(np.float32) * DEPTH_STEP,
            normals=np.concatenate([flat, up], axis=-1),
            classes=np.array(row["classes"]),
            points=np.array(row["points"]),
            points_mm=np.array(row["points_mm"]),
            angles=np.array(row["angles"]),
            camera=Intrinsics(*map(float, row["camera"])),
            infrared=bool(row["infrared"]),
        )


class Drawn:
    """Synthetic faces by number: from a stock on disk where there is one, else drawn on the spot."""

    def __init__(
        self, stock: Path | None, held_out: bool = False, size: int = SIZE, ranges: Ranges | None = None
    ) -> None:
        self._folder, self._first = stock, HELD_OUT if held_out else 0
        self._size, self._ranges = size, ranges
        self._stock: Stock | None = None
        self._count = 0
        self._renderer: Renderer | None = None

    def __call__(self, index: int) -> Rendered | Kept:
        """Face number `index`; a stock begins again at its end."""
        if self._folder is not None:
            return self._opened(self._folder).face(index % self._count)
        # made where it is used: a worker process has its own graphics
        self._renderer = self._renderer or Renderer(self._size, self._ranges)
        return self._renderer.face(self._first + index)

    def people(self, otherwise: int) -> int:
        """How many people with all their pictures there are: those of the stock, else `otherwise`."""
        if self._folder is None:
            return otherwise
        self._opened(self._folder)
        return self._count // Ranges().views

    def _opened(self, folder: Path) -> Stock:
        # counted once: a stock that is still being drawn must not change what face a number means
        if self._stock is None:
            self._stock = Stock.open(folder)
            self._count = self._stock.filled
        return self._stock

    def release(self) -> None:
        """Give graphics back, where they were used."""
        if self._renderer is not None:
            self._renderer.release()
            self._renderer = None
