"""Scenes for the face detector: known heads pasted at every size onto pictures without a face.

A scene is what the detector sees live: a letterboxed grey frame. Heads come with some of their surroundings and with
hard or soft borders, and face-free tiles are pasted the same way, so that a border says nothing about a face.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE, mirror
from training.backgrounds import Backgrounds
from training.camera import camera, grey_weights, tone_curve

SIDE = 320
PADDING = 128  # the grey of the letterbox bars, as in realtime.analysis.detector
SMALLEST, LARGEST = 8.0, 290.0  # pixels, root of the box's area
LEAST_VISIBLE = 0.55  # a face shown less than this is neither a face nor background: the loss leaves it out
MOST_HIDDEN = 0.3  # share of a face's box that a later paste may cover
LEAST_CONTRAST = 3.0  # grey levels, standard deviation: a face below it in the dark counts as unknown


@dataclass(frozen=True, slots=True, eq=False)
class Portrait:
    """A picture with one known face.

    Attributes:
        jpeg: (n,) uint8, the encoded picture, grey or colour.
        points: (68, 2) float32 landmarks in its pixels.
        others: (M, 4) float32 x, y, w, h of further faces in it that nobody labelled.
    """

    jpeg: np.ndarray
    points: np.ndarray
    others: np.ndarray

    def grey(self, weights: np.ndarray) -> np.ndarray:
        """(H, W) uint8, the colours mixed by (3,) `weights` of red, green and blue."""
        picture = cv2.imdecode(self.jpeg, cv2.IMREAD_UNCHANGED)
        return picture if picture.ndim == 2 else cv2.transform(picture, weights[None, ::-1])


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One training picture.

    Attributes:
        image: (S, S) uint8 grey.
        faces: (M, 8) float32: box x, y, w, h, then image-left and image-right eye x, y.
        ignored: (K, 4) float32 boxes in which nothing is known.
    """

    image: np.ndarray
    faces: np.ndarray
    ignored: np.ndarray


def box_of(points: np.ndarray) -> np.ndarray:
    """(4,) float32 x, y, w, h around (K, 2) points."""
    low, high = points.min(axis=0), points.max(axis=0)
    return np.concatenate([low, high - low]).astype(np.float32)


def size_of(box: np.ndarray) -> float:
    """Root of a box's area, in pixels."""
    return float(np.sqrt(box[2] * box[3]))


def shared(box: np.ndarray, other: np.ndarray) -> float:
    """Area that two boxes x, y, w, h have in common."""
    extent = np.minimum(box[:2] + box[2:4], other[:2] + other[2:4]) - np.maximum(box[:2], other[:2])
    return float(np.prod(np.maximum(extent, 0)))


def moved(box: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """(4,) the upright box around a box moved by a (2, 3) `matrix`."""
    corners = box[:2] + box[2:] * np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
    return box_of(corners @ matrix[:, :2].T + matrix[:, 2])


def cut(picture: np.ndarray, region: np.ndarray, matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The part of a picture within the box `region`, averaged down where `matrix` reduces it, and the matrix for it.

    Args:
        picture: (H, W) uint8.
        region: (4,) x, y, w, h in its pixels; what lies outside the picture is left out.
        matrix: (2, 3) picture pixels → canvas pixels.
    """
    low = np.clip(np.rint(region[:2]), 0, np.array(picture.shape[::-1]) - 2).astype(int)
    high = np.clip(np.rint(region[:2] + region[2:]), low + 2, picture.shape[::-1]).astype(int)
    part = picture[low[1] : high[1], low[0] : high[0]]
    matrix = np.column_stack([matrix[:, :2], matrix[:, 2] + matrix[:, :2] @ low])
    factor = int(min(1 / np.sqrt(abs(np.linalg.det(matrix[:, :2]))), *(side / 2 for side in part.shape)))
    if factor < 2:
        return part, matrix
    height, width = (side // factor for side in part.shape)
    part = cv2.resize(part[: height * factor, : width * factor], (width, height), interpolation=cv2.INTER_AREA)
    return part, np.column_stack([matrix[:, :2] * factor, matrix[:, 2] + matrix[:, :2] @ np.full(2, (factor - 1) / 2)])


def soft_mask(shape: tuple[int, int], softness: float, oval: bool) -> np.ndarray:
    """(H, W) float32: 1 inside, falling to 0 at the border (or at the inscribed oval) over `softness` pixels."""
    height, width = shape
    y, x = np.ogrid[:height, :width]
    across, down = np.minimum(x, width - 1 - x) + 0.5, np.minimum(y, height - 1 - y) + 0.5
    inside = np.minimum(across, down)
    if oval:
        inside = (1 - np.hypot(2 * across / width - 1, 2 * down / height - 1)) * min(height, width) / 2
    return np.clip(inside / max(softness, 0.5), 0, 1).astype(np.float32)


def paste(canvas: np.ndarray, part: np.ndarray, mask: np.ndarray, matrix: np.ndarray) -> None:
    """Lay a (H, W) part over the float32 canvas, in place, where (2, 3) `matrix` puts it, weighted by its mask."""
    reach = moved(np.array([-1, -1, part.shape[1] + 1, part.shape[0] + 1], np.float32), matrix)
    low = np.clip(np.floor(reach[:2]), 0, canvas.shape[::-1]).astype(int)
    high = np.clip(np.ceil(reach[:2] + reach[2:]) + 1, 0, canvas.shape[::-1]).astype(int)
    size = (int(high[0] - low[0]), int(high[1] - low[1]))
    if min(size) < 1:
        return
    local = np.column_stack([matrix[:, :2], matrix[:, 2] - low])
    there = cv2.warpAffine(part, local, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    share = cv2.warpAffine(mask, local, size, flags=cv2.INTER_LINEAR)
    window = canvas[low[1] : high[1], low[0] : high[0]]
    window += share * (there - window)


def contrast(picture: np.ndarray, box: np.ndarray) -> float:
    """Standard deviation of the grey levels in a box that lies at least partly in the picture."""
    low = np.maximum(box[:2], 0).astype(int)
    high = np.maximum(np.ceil(box[:2] + box[2:4]), low + 1).astype(int)
    return float(picture[low[1] : high[1], low[0] : high[0]].std())


class Composer:
    """Makes scenes without end.

    Args of the constructor:
        portraits: heads with a label.
        weights: (len(portraits),) how often each is used, not normalised.
        backgrounds: pictures and tiles without a face.
    """

    def __init__(self, portraits: list[Portrait], weights: np.ndarray, backgrounds: Backgrounds) -> None:
        self.portraits = portraits
        self.chances = np.cumsum(weights / weights.sum())
        self.backgrounds = backgrounds
        self.rng = np.random.default_rng(0)
        self.grain = self.rng.standard_normal((640, 640), dtype=np.float32)

    def scene(self, *seed: int, side: int = SIDE) -> Scene:
        """The scene of this seed: letterboxed half of the time, with 0 to 16 faces, seen by a good camera or by any."""
        rng = self.rng = np.random.default_rng(seed)
        width, height = self._shape(side)
        canvas = self.backgrounds.picture(rng, (height, width)).astype(np.float32)
        faces: list[np.ndarray] = []
        ignored: list[np.ndarray] = []
        if rng.random() < 0.25:
            self._fill(canvas, faces, ignored)
        for _ in range(rng.poisson(0.7)):
            self._paste_tile(canvas, np.exp(rng.uniform(np.log(12), np.log(160))), faces)
        for size in self._sizes(min(LARGEST, 0.95 * height, 1.15 * width)):
            if rng.random() < 0.2:
                self._paste_tile(canvas, size * rng.uniform(0.7, 2.0), faces)
            self._paste_head(canvas, size, faces, ignored)
        for face in faces:
            if size_of(face) > 14 and rng.random() < 0.2:
                self._cover(canvas, face)
        good = rng.random() < 0.3
        seen = np.clip(canvas, 0, 255).astype(np.uint8) if good else camera(canvas, self.grain, rng)
        flat = [contrast(seen, face) < LEAST_CONTRAST for face in faces]
        ignored += [face[:4] for face, lost in zip(faces, flat, strict=True) if lost]
        left, top = (side - width) // 2, (side - height) // 2
        image = np.full((side, side), PADDING, np.uint8)
        image[top : top + height, left : left + width] = seen
        shift = np.array([left, top], np.float32)
        labels = np.array([face for face, lost in zip(faces, flat, strict=True) if not lost], np.float32).reshape(-1, 8)
        labels[:, [0, 1, 4, 5, 6, 7]] += np.tile(shift, 3)
        unknown = np.array(ignored, np.float32).reshape(-1, 4)
        unknown[:, :2] += shift
        return Scene(image, labels, unknown)

    def _shape(self, side: int) -> tuple[int, int]:
        """Width and height of the frame inside the square: as it is, landscape or portrait."""
        kind = self.rng.random()
        short = int(side / self.rng.choice([16 / 9, 4 / 3, 3 / 2, self.rng.uniform(1, 2.2)]))
        if kind < 0.45:
            return side, side
        return (side, short) if kind < 0.85 else (short, side)

    def _sizes(self, largest: float) -> np.ndarray:
        """Sizes of the faces of one scene, large ones first: none, one, a few of any size, or a crowd of small ones."""
        rng = self.rng
        kind = rng.random()
        if kind < 0.08:
            low, high, count = SMALLEST, largest, 0
        elif kind < 0.25:
            low, high, count = 12.0, largest, 1
        elif kind < 0.6:
            low, high, count = SMALLEST, largest * 0.6, int(rng.integers(3, 7))
        else:
            low, high, count = SMALLEST, min(48.0, largest), int(rng.integers(6, 16))
        return np.sort(np.exp(rng.uniform(np.log(low), np.log(high), count)))[::-1]

    def _spot(self, shape: tuple[int, ...], extent: np.ndarray, faces: list[np.ndarray]) -> np.ndarray | None:
        """Centre for something of `extent` (2,) that hides little of the faces so far, or None if none turns up."""
        height, width = shape
        for _ in range(8):
            spot = self.rng.uniform(-0.05, 1.05, 2) * [width, height] - 0.5
            box = np.concatenate([spot - extent / 2, extent])
            if all(shared(face, box) <= MOST_HIDDEN * face[2] * face[3] for face in faces):
                return spot
        return None

    def _portrait(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """A grey picture, its (68, 2) landmarks and the (M, 4) boxes of strangers in it; mirrored half of the time."""
        rng = self.rng
        portrait = self.portraits[int(np.searchsorted(self.chances, rng.random()))]
        picture, points, others = portrait.grey(grey_weights(rng)), portrait.points, portrait.others.copy()
        if rng.random() < 0.5:
            picture, points = cv2.flip(picture, 1), mirror(points, picture.shape[1])
            others[:, 0] = picture.shape[1] - 1 - others[:, 0] - others[:, 2]
        return picture, points, others

    def _turn(self, sigma_deg: float) -> np.ndarray:
        """(2, 2) a head tilt and a slight change of the proportions."""
        tilted = self.rng.random() < 0.25  # as far as it may go as often as slightly
        turn = np.deg2rad(self.rng.uniform(-35, 35) if tilted else self.rng.normal(0, sigma_deg))
        stretch = self.rng.uniform(0.92, 1.08)
        return np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * [[stretch], [1 / stretch]]

    def _paste_head(self, canvas: np.ndarray, size: float, faces: list[np.ndarray], ignored: list[np.ndarray]) -> None:
        """One head of `size` pixels anywhere, with some of its surroundings."""
        picture, points, others = self._portrait()
        box = box_of(points)
        linear = self._turn(12) * size / size_of(box)
        region = self._region(box)
        spot = self._spot(canvas.shape, np.abs(linear) @ region[2:] * 0.9, faces)
        if spot is None:
            return
        matrix = np.column_stack([linear, spot - linear @ (box[:2] + box[2:] / 2)])
        self._lay(canvas, picture, region, matrix)
        self._label(canvas.shape, points, others, matrix, faces, ignored)

    def _fill(self, canvas: np.ndarray, faces: list[np.ndarray], ignored: list[np.ndarray]) -> None:
        """One whole portrait over all of the canvas: a head where heads are, on its own body in its own room."""
        rng = self.rng
        picture, points, others = self._portrait()
        size, source = np.array(canvas.shape[::-1]), np.array(picture.shape[::-1])
        linear = self._turn(5) * max(size / source) * rng.uniform(1.02, 1.5)
        slack = np.maximum(np.abs(linear) @ source - size, 0) / 2
        middle = (size - 1) / 2 + rng.uniform(-slack, slack)
        matrix = np.column_stack([linear, middle - linear @ ((source - 1) / 2)])
        part, placed = cut(picture, np.array([0, 0, *source]), matrix)
        paste(canvas, part, np.ones(part.shape, np.float32), placed)
        self._label(canvas.shape, points, others, matrix, faces, ignored)

    def _label(
        self,
        shape: tuple[int, ...],
        points: np.ndarray,
        others: np.ndarray,
        matrix: np.ndarray,
        faces: list[np.ndarray],
        ignored: list[np.ndarray],
    ) -> None:
        """Note where a pasted head's landmarks (68, 2) and the strangers' boxes came to lie."""
        there = points @ matrix[:, :2].T + matrix[:, 2]
        label = box_of(there)
        frame = np.array([-0.5, -0.5, shape[1], shape[0]], np.float32)
        visible = shared(label, frame) / (label[2] * label[3])
        if visible >= LEAST_VISIBLE:
            faces.append(np.concatenate([label, there[LEFT_EYE].mean(axis=0), there[RIGHT_EYE].mean(axis=0)]))
        elif visible > 0.05:
            ignored.append(label)
        ignored.extend(moved(other, matrix) for other in others)

    def _region(self, box: np.ndarray) -> np.ndarray:
        """The part of a portrait to paste: from just around the head to all of its body and room."""
        rng = self.rng
        reach = rng.uniform(1.4, 2.4) if rng.random() < 0.75 else 4.0
        centre = box[:2] + box[2:] * rng.uniform([0.4, 0.3], [0.6, 0.55])
        extent = np.maximum(reach * box[2:], 1.15 * np.sqrt(box[2] * box[3])) * rng.uniform(0.9, 1.1, 2)
        return np.concatenate([centre - extent / 2, extent])

    def _lay(self, canvas: np.ndarray, picture: np.ndarray, region: np.ndarray, matrix: np.ndarray) -> None:
        """Paste a region of a picture with a hard, feathered or oval border and, now and then, its own tone."""
        rng = self.rng
        part, matrix = cut(picture, region, matrix)
        soft = rng.random() < 0.55
        softness = rng.uniform(0.04, 0.2) * min(part.shape) if soft else 0.0
        mask = soft_mask(part.shape, softness, oval=soft and rng.random() < 0.35)
        if rng.random() < 0.5:
            part = cv2.LUT(part, np.clip(tone_curve(rng, 0.7), 0, 255).astype(np.uint8))
        paste(canvas, part, mask, matrix)

    def _paste_tile(self, canvas: np.ndarray, size: float, faces: list[np.ndarray]) -> None:
        rng = self.rng
        extent = np.maximum(size * np.exp(rng.normal(0, 0.25, 2)), 4)
        spot = self._spot(canvas.shape, extent, faces)
        if spot is None:
            return
        tile = self.backgrounds.tile(rng, (int(extent[1]), int(extent[0])))
        turn = rng.normal(0, 0.2)
        linear = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
        matrix = np.column_stack([linear, spot - linear @ (extent / 2)])
        self._lay(canvas, tile, np.array([0, 0, *extent]), matrix)

    def _cover(self, canvas: np.ndarray, face: np.ndarray) -> None:
        """Hide part of a face: a hand or object from one side, or dark glasses over the eyes."""
        rng = self.rng
        size = size_of(face)
        if rng.random() < 0.3:
            for x, y in (face[4:6], face[6:8]):
                axes = (max(1, int(size * rng.uniform(0.12, 0.22))), max(1, int(size * rng.uniform(0.09, 0.16))))
                cv2.ellipse(canvas, (int(x), int(y)), axes, 0, 0, 360, float(rng.uniform(0, 90)), -1, cv2.LINE_AA)
            return
        extent = size * rng.uniform(0.25, 0.65, 2)
        angle = rng.uniform(0, 2 * np.pi)
        spot = face[:2] + face[2:4] * (0.5 + 0.6 * np.array([np.cos(angle), np.sin(angle)]))
        tile = self.backgrounds.tile(rng, (max(2, int(extent[1])), max(2, int(extent[0]))))
        matrix = np.column_stack([np.eye(2), spot - extent / 2])
        self._lay(canvas, tile, np.array([0, 0, *extent]), matrix)
