"""What the repair network is trained on: true pairs, drawn by the live pipeline itself, cut into tiles and kept.

One frame of a person is drawn onto another frame of the same person by the very effect of live use; the frame itself
then says what the repaired picture should look like. A tile keeps the layers apart (frame, warp, alpha, confidence,
mask), so that training can spoil the warp as real swaps are spoilt (`training.repair_damage`) afresh at every step.
Swaps between two people have no true answer and are kept beside them.

Kinds: `still` two frames of one person of faces_ytf; `clip` consecutive frames of a clip, drawn one after the other
from another moment of it; `self` a photo drawn onto itself; `swap` a photo drawn onto somebody else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from rich.progress import Progress

import engines
from realtime.analysis.analyser import AnalysisOptions, open_analyser
from realtime.analysis.crop_net import CropNet
from realtime.analysis.landmarks import CROP
from realtime.analysis.lift import lift
from realtime.analysis.networks import Networks
from realtime.analysis.occlusion import OcclusionNet
from realtime.controls import Mode, Settings
from realtime.effects.base import Effect
from realtime.effects.photo import Person, person
from realtime.effects.swap import Swap
from realtime.errors import InputError
from realtime.frame import Drawn, Face, Floats, Frame, Pixels
from realtime.geometry.crops import face_crop
from realtime.render.canvas import Canvas
from realtime.render.context import Context
from realtime.render.surface import Patch, Warp
from realtime.repair.retouch import Retouch
from realtime.repair.tile import Square
from realtime.sources.video import VideoFile
from training import data

MARGIN = 1 / 16  # of a tile's side: kept on every side of it, so that training can shift it
FRAME, WARP, ALPHA, CONFIDENCE, MASK = slice(0, 3), slice(3, 6), 6, 7, 8  # channels of a kept tile
LAYERS = 5  # of which the last five are drawn
TRAINING_CLIPS, HELD_OUT_CLIPS = ("d3", "d6", "d9", "d12"), data.HELD_OUT_CLIPS
RUN = 6  # consecutive frames of a clip that are kept
SETTLE = 4  # frames drawn before them
MOST_FRAMES = 250  # of a clip that are looked at
_ZOOM = (0.93, 1.07)  # tiles have that many times the usual side
_ROOM = 2.8  # of a clip's frame, so many face boxes are kept
_SAME = Settings(Mode.SWAP, shape=1.0)  # one person has one shape: what differs is expression
_OTHER = Settings(Mode.SWAP)


@dataclass(frozen=True)
class Amount:
    """How many tiles of each kind; a run of a clip gives six."""

    still: int = 2400
    clip_runs: int = 160
    self: int = 450
    swap: int = 450
    swap_runs: int = 40


TRAINING = Amount()
HELD_OUT = Amount(still=240, clip_runs=14, self=40, swap=60, swap_runs=14)


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Kept tiles, S pixels a side and a margin of S / 16 around them.

    Attributes:
        tiles: (N, T, T, 9) uint8, T = S + 2 S / 16: frame, premultiplied warp, alpha, confidence, mask.
        live: (N, 81, 2) float32, the live face's keypoints in pixels of the tile with its margin.
        drawn: (N, V, 2) float32, where the face mesh was drawn, likewise.
        kind: (N,) str: "still", "clip", "self" or "swap".
        following: (N,) int64, the row of the clip's next frame, -1 where there is none.
        turn: (N,) float32, degrees of yaw between the drawn picture's head and the live one.
        name: (N,) str, whose frame it is.
    """

    tiles: np.ndarray
    live: np.ndarray
    drawn: np.ndarray
    kind: np.ndarray
    following: np.ndarray
    turn: np.ndarray
    name: np.ndarray

    def __len__(self) -> int:
        return len(self.kind)

    @property
    def size(self) -> int:
        """S."""
        return round(self.tiles.shape[1] / (1 + 2 * MARGIN))

    def save(self, folder: Path) -> None:
        """Write a folder of .npy files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in self.__slots__:
            np.save(folder / f"{name}.npy", getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote, the tiles only when they are looked at. Raises InputError where there is none."""
        if not (folder / "name.npy").is_file():
            raise InputError(f"There are no repair tiles at {folder}: make them with python -m training repair --draw.")
        parts = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in cls.__slots__}
        return cls(**{key: part if key == "tiles" else np.array(part) for key, part in parts.items()})


class Recorder(Canvas):
    """A canvas that also keeps what is drawn on it apart from the frame.

    Attributes:
        layers: (H, W, 5) float32 in 0..1 since `begin`: premultiplied warp, its alpha, and its confidence, which is
            alpha times how little the texture is stretched.
    """

    layers: Floats

    def begin(self, pixels: Pixels) -> None:
        super().begin(pixels)
        self.layers = np.zeros((*pixels.shape[:2], LAYERS), np.float32)

    def warp(self, warp: Warp) -> None:
        rectangle = self._rectangle(warp.position)
        if rectangle is None:
            return
        x, y, width, height = rectangle
        view = self.draw_tile(warp, rectangle, detail=True)
        self._paste(self._tile.texture, rectangle, view)
        drawn, detail = self.read_tile(view)
        if drawn.shape[:2] != (height, width):
            raise InputError(f"A face is drawn {width}x{height} pixels large: take smaller pictures to train on.")
        colour = drawn.astype(np.float32) / 255
        alpha = colour[..., 3:]
        part = self.layers[y : y + height, x : x + width]
        part *= 1 - alpha
        part += np.concatenate([colour, alpha * detail[..., 2:3]], axis=2)


View = tuple[Pixels, Face]


class Studio:
    """Everything to draw one face onto another off-screen. A context manager."""

    def __init__(self) -> None:
        self._networks = Networks.load(threads=1)
        self._covers = OcclusionNet(CropNet(engines.load("occlusion", threads=1)))

    def __enter__(self) -> Self:
        self._context = Context()
        self._canvas = Recorder()
        self._retouch = Retouch(self._canvas)
        return self

    def __exit__(self, *_: object) -> None:
        self._retouch.release()
        self._canvas.release()
        self._context.release()

    def view(self, pixels: Pixels, guess: Floats) -> View | None:
        """The face near (68 or more, 2) points by the live networks, looked at twice; None where they see none."""
        net = self._networks.landmarks
        found = net(pixels, [face_crop(net(pixels, [face_crop(guess, CROP)]).points[0], CROP)])
        if found.score[0] < 0.5 or not np.isfinite(found.points).all():
            return None
        (depth,), (pose,) = lift(self._networks.depthnet, found.points)
        face = Face(0, found.points[0], found.confidence[0], float(found.score[0]), pose, depth)
        self._covers.forget()  # the picture before has nothing to do with this one
        return pixels, self._covers(pixels, (face,), 0.0)[0]

    def draw(self, drawn: Person, views: list[View], settings: Settings) -> Iterator[tuple[Floats, Patch | None]]:
        """Layers (see `Recorder`) of `drawn` on the faces of consecutive frames, and what was drawn, if anything."""
        effect = Swap((drawn,))
        for index, (pixels, face) in enumerate(views):
            self._canvas.begin(pixels)
            effect.draw(self._canvas, Frame(pixels, index, index / 25, 0.0), (face,), settings)
            yield self._canvas.layers, next(iter(self._canvas.patches), None)
        effect.release()

    def shown(self, effect: Effect, view: View, settings: Settings) -> tuple[Pixels, Drawn | None]:
        """The frame as an effect leaves it, and what was drawn on its face."""
        pixels, face = view
        self._canvas.begin(pixels)
        drawn = effect.draw(self._canvas, Frame(pixels, 0, 0.0, 0.0), (face,), settings)
        return self._canvas.finish(), drawn.get(face.id)

    def mask(self, patch: Patch, square: Square, size: int) -> Floats:
        """(size, size) where the live repair may change what was drawn last."""
        return self._retouch.read([patch], [square], size)[0, 4]


class Maker:
    """Draws the tiles of one part, the training people's or the held-out ones'; the same ones for the same seed.

    Args:
        size: S.
    """

    def __init__(self, studio: Studio, held_out: bool, size: int, seed: int = 0) -> None:
        self._studio, self._size = studio, size
        self._rng = np.random.default_rng([seed, held_out])
        self._photos, self._frames = data.faces_300w(), data.faces_ytf()
        self._photo_rows, self._frame_rows = (
            faces.testing() if held_out else faces.training() for faces in (self._photos, self._frames)
        )
        self._clips = HELD_OUT_CLIPS if held_out else TRAINING_CLIPS
        self._moments: dict[str, list[View]] = {}
        self._rows: list[dict[str, object]] = []
        self._pairs = self._true_pairs()

    def make(self, amount: Amount) -> Tiles:
        """Draw them."""
        jobs = [
            *[self._still] * amount.still,
            *[self._self] * amount.self,
            *[self._swap] * amount.swap,
            *[self._clip_run] * amount.clip_runs,
            *[self._swap_run] * amount.swap_runs,
        ]
        with Progress() as bar:
            for job in bar.track(jobs, description=f"{self._size} px tiles"):
                job()
        columns = {key: np.stack([np.asarray(row[key]) for row in self._rows]) for key in self._rows[0]}
        return Tiles(**columns)

    def _true_pairs(self) -> np.ndarray:
        """(P, 2) rows of faces_ytf of one person each, half of them turned by more than 10 degrees."""
        pack = data.read_pairs("ytf")
        allowed = np.isin(pack["i"], self._frame_rows) & np.isin(pack["j"], self._frame_rows)
        pairs = np.column_stack([pack["i"], pack["j"]])[allowed]
        turned = pack["yaw_difference"][allowed] > 10
        few = min(turned.sum(), (~turned).sum())
        kept = np.concatenate([self._rng.permutation(np.flatnonzero(side))[:few] for side in (turned, ~turned)])
        return pairs[self._rng.permutation(kept)]

    def _still(self) -> None:
        pair = self._pairs[self._rng.integers(len(self._pairs))]
        source, target = (self._view(self._frames, row) for row in self._rng.permutation(pair))
        if source and target:
            self._keep("still", self._frames.identity[pair[0]], source, [target], _SAME)

    def _self(self) -> None:
        row = self._rng.choice(self._photo_rows)
        if view := self._view(self._photos, row):
            self._keep("self", f"photo {row}", view, [view], _SAME)

    def _swap(self) -> None:
        row = self._rng.choice(self._frame_rows)
        source, target = self._photo(), self._view(self._frames, row)
        if source and target:
            self._keep("swap", self._frames.identity[row], source, [target], _OTHER)

    def _clip_run(self) -> None:
        name, run = self._run()
        views = self._moments[name]
        self._keep("clip", name, views[self._rng.integers(len(views))], run, _SAME)

    def _swap_run(self) -> None:
        name, run = self._run()
        if source := self._photo():
            self._keep("swap", name, source, run, _OTHER)

    def _photo(self) -> View | None:
        return self._view(self._photos, self._rng.choice(self._photo_rows))

    def _view(self, faces: data.FaceSet, row: int) -> View | None:
        return self._studio.view(faces.picture(row), faces.points[row])

    def _run(self) -> tuple[str, list[View]]:
        """Consecutive frames of a clip."""
        name = str(self._rng.choice(self._clips))
        if name not in self._moments:
            self._moments[name] = list(clip_views(name))
        views = self._moments[name]
        start = int(self._rng.integers(len(views) - SETTLE - RUN + 1))
        return name, views[start : start + SETTLE + RUN]

    def _keep(self, kind: str, name: str, source: View, views: list[View], settings: Settings) -> None:
        zoom = self._rng.uniform(*_ZOOM)
        square, last = None, -1
        drawings = self._studio.draw(person(name, [source]), views, settings)
        for index, ((pixels, face), (drawn, patch)) in enumerate(zip(views, drawings, strict=True)):
            if patch is None or (len(views) > 1 and index < SETTLE):
                last = -1
                continue
            position = patch.face_points
            middle = position.mean(axis=0)
            square = Square.around((position - middle) * zoom + middle, square)
            wide, scale = with_margin(square), round(self._size * (1 + 2 * MARGIN))
            layers = np.round(drawn * 255).astype(np.uint8)
            parts = [wide.cut(part, scale) for part in (pixels, layers[..., :4], layers[..., 4])]  # OpenCV takes 4
            parts.append(np.round(255 * self._studio.mask(patch, wide, scale)).astype(np.uint8))
            corner, step = np.array([wide.x, wide.y]), scale / wide.side
            if last >= 0:
                self._rows[last]["following"] = len(self._rows)
            last = len(self._rows)
            self._rows.append(
                {
                    "tiles": np.dstack(parts),
                    "live": ((face.points - corner + 0.5) * step - 0.5).astype(np.float32),
                    "drawn": ((position - corner + 0.5) * step - 0.5).astype(np.float32),
                    "kind": kind,
                    "following": -1,
                    "turn": np.float32(source[1].pose.yaw - face.pose.yaw),
                    "name": name,
                }
            )


def with_margin(square: Square) -> Square:
    """The square with `MARGIN` on every side."""
    step = round(square.side * MARGIN)
    return Square(square.x - step, square.y - step, square.side + 2 * step)


def clip_views(name: str) -> Iterator[View]:
    """The face in each frame of a clip of the data folder, cut out with much room around it."""
    with (
        open_analyser(AnalysisOptions(threads=1, occlusion=lambda: True)) as analyser,
        VideoFile(str(data.folder() / f"video_{name}.mp4")) as clip,
    ):
        for frame in clip:
            if frame.index >= MOST_FRAMES:
                return
            for face in analyser.analyse(frame):
                if not face.lost:
                    yield _cut_out(frame.pixels, face)


def _cut_out(pixels: Pixels, face: Face) -> View:
    x, y, width, height = face.box
    reach = _ROOM / 2 * max(width, height)
    middle = np.array([x + width / 2, y + height / 2])
    left, top = np.maximum(np.floor(middle - reach), 0).astype(int)
    right, bottom = np.minimum(np.ceil(middle + reach), pixels.shape[1::-1]).astype(int)
    part = np.ascontiguousarray(pixels[top:bottom, left:right])
    points = (face.points - (left, top)).astype(np.float32)
    assert face.occlusion is not None
    matrix = face.occlusion.matrix @ np.array([[1, 0, left], [0, 1, top], [0, 0, 1]])
    return part, replace(face, points=points, occlusion=replace(face.occlusion, matrix=matrix))


def draw(studio: Studio, held_out: bool, size: int, amount: Amount, seed: int = 0) -> Tiles:
    """The tiles of the training people or of the held-out ones; the same ones for the same seed."""
    return Maker(studio, held_out, size, seed).make(amount)
