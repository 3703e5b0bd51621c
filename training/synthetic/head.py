"""The head: skin with hair grown on it, eyeballs, mouth and teeth, from the ICT-FaceKit model (MIT).

Axes: x image right, y down, z away from the camera; millimetres; the neutral head looks at the camera.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from realtime.geometry.topology import JAW
from training.data import ShapeModel
from training.ict import cheek_strips, rotations
from training.synthetic import regions
from training.synthetic.looks import Look
from training.synthetic.parts import Class, Mode, Part, plain, sheet_triangles

EYEBALL = 12.7  # mm; the rims of the model's eye holes lie on a sphere of 13
LID = 3  # rows of vertices from the hole's rim, which lies behind the lid, to the edge that lashes grow on
SUNK = 0.5  # mm that eyeballs sit behind the sphere through the rims
_POLAR = np.deg2rad(np.linspace(0, 105, 16))
_TURNS = 28
_NECK = (70.0, 135.0)  # height (mm) over which the neck passes the head's turn on to the shoulders


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One head in head axes.

    Attributes:
        parts: all its surfaces.
        landmarks: (68, 3) float32 mm, jaw points on the jaw line.
        strips: (17, S, 3) float32 mm, where each jaw point may march to reach the visible contour.
        eyes: (2, 3) float32 mm, centres of the image-left and the image-right eyeball.
        skin: (V, 3) float32 mm the skin alone, without hair: what accessories rest on.
    """

    parts: list[Part]
    landmarks: np.ndarray
    strips: np.ndarray
    eyes: np.ndarray
    skin: np.ndarray


class Head:
    """The morphable model, ready to be given a look."""

    def __init__(self, model: ShapeModel) -> None:
        """Take `training.data.ict_face()`."""
        self.neutral = 10 * model.neutral
        self.names = {name: i for i, name in enumerate(model.expression_names)}
        self.landmarks = model.landmarks
        a, b, c, d = model.quads.T  # the file's quads run counter-clockwise in the image
        self.triangles = np.concatenate([np.stack([a, c, b], axis=1), np.stack([a, d, c], axis=1)]).astype(np.int32)
        self._identity = (10 * model.identity.reshape(len(model.identity), -1)).astype(np.float32)
        self._expression = (10 * model.expression.reshape(len(model.expression), -1)).astype(np.float32)
        self._strips = cheek_strips(model.neutral, model.landmarks[JAW])
        loops = _boundary_loops(model.quads, self.neutral)
        self.eye_rims = sorted(
            (loop for loop in loops if len(loop) == 42), key=lambda loop: self.neutral[loop, 0].mean()
        )
        margins = [_outward(model.quads, rim, LID) for rim in self.eye_rims]
        self._lash_lines = [_lids(self.neutral, margin) for margin in margins]
        self._mouth_rim = next(loop for loop in loops if len(loop) == 74)
        self._hem = next(loop for loop in loops if len(loop) == 54)
        self._eyes = np.stack([_ball_through(self.neutral[rim]) for rim in self.eye_rims])
        self.regions = regions.find(self.neutral, self.neutral[self.landmarks], margins)
        self._azimuth = regions.azimuth(self.neutral)
        self._at = regions.atlas_place(self.neutral)
        self._last = (np.empty(0, np.float32), np.empty(0, np.float32))
        self._carried = 1 - np.clip((self.neutral[:, 1] - _NECK[0]) / (_NECK[1] - _NECK[0]), 0, 1)

    @property
    def identities(self) -> int:
        """Number of identity weights."""
        return len(self._identity)

    @property
    def expressions(self) -> int:
        """Number of expression weights."""
        return len(self._expression)

    def shape(
        self, look: Look, identity: np.ndarray, expression: np.ndarray, gaze: np.ndarray, sky: np.ndarray
    ) -> Shape:
        """One head.

        Args:
            look: skin, hair and eyes.
            identity, expression: (100,) and (57,) weights.
            gaze: (2, 2) degrees to the image right and up, of the image-left and the image-right eye.
            sky: (V,) how open to light each vertex of the skin is, 0..1.
        """
        still, moving = self._identified(identity), self._expressed(expression)
        skin = self.neutral + still + moving
        eyes = self._eyes + np.stack([still[rim].mean(axis=0) for rim in self.eye_rims])
        jaw = moving[self.landmarks[[7, 8, 9]]].mean(axis=0)
        parts = [self._skin(look, skin, sky), self._shoulders(look, skin)]
        parts += [_eyeball(centre, turn) for centre, turn in zip(eyes, gaze, strict=True)]
        parts += [_sleeve(skin[rim]) for rim in self.eye_rims]
        for centre, lines in zip(eyes, self._lash_lines, strict=True):
            parts += [_lashes(skin[line], centre, look, down) for line, down in zip(lines, (1.0, -1.0), strict=True)]
        parts += [self._socket(skin, look), *self._teeth(still, jaw, look)]
        return Shape(parts, skin[self.landmarks], skin[self._strips], eyes, skin)

    def _identified(self, identity: np.ndarray) -> np.ndarray:
        """(V, 3) offsets of who it is; pictures of one person often follow each other."""
        if not np.array_equal(identity, self._last[0]):
            offsets = (identity.astype(np.float32) @ self._identity).reshape(self.neutral.shape)
            self._last = (identity.copy(), offsets)
        return self._last[1]

    def _expressed(self, expression: np.ndarray) -> np.ndarray:
        """(V, 3) offsets of the expression; most muscles rest."""
        offsets = np.zeros(self.neutral.size, np.float32)
        for muscle in np.flatnonzero(expression):
            offsets += np.float32(expression[muscle]) * self._expression[muscle]
        return offsets.reshape(self.neutral.shape)

    def _skin(self, look: Look, skin: np.ndarray, sky: np.ndarray) -> Part:
        r, count = self.regions, len(skin)
        hair = look.hair_share(r, self._azimuth)
        beard = look.beard_share(r)
        brow = look.brow_share(r)
        on_skin = np.maximum.reduce([np.minimum(beard, 1), brow, look.lashes * r.lashes])
        # hair stands off the skin along the neutral head's rays, which never cross
        away = self.neutral - np.array([0, -35, 5], np.float32)
        away /= np.linalg.norm(away, axis=1, keepdims=True)
        lift = look.hair_lift * np.clip(2.2 * hair - 1.1, 0, 1) + look.beard_lift * np.clip(beard - 0.4, 0, 1)
        cloth = np.clip((self.neutral[:, 1] - look.collar + 0.1 * self.neutral[:, 2]) / 3, 0, 1)
        worn = cloth > 0.5
        hatted = look.hat_share(r, self._azimuth) > 0
        lift = np.where(hatted, np.maximum(look.hat_lift, 0.5 * lift), lift) + 5 * cloth
        base = np.empty((count, 3), np.float32)
        p = look.pigments
        base[:, 0] = p.melanin * (1 + 0.15 * r.eyelid - 0.1 * r.flush) + 0.25 * r.lips * (0.3 + p.melanin)
        base[:, 1] = p.blood * (1 + 0.7 * r.flush + 0.25 * r.eyelid) + look.lip_blood * r.lips
        base[:, 2] = np.where(hatted, -1, cloth)
        dressed = worn | hatted
        gloss = look.gloss * (0.5 + 0.5 * r.flush + 0.8 * r.lips)
        gloss[dressed] = 0.05
        relief = np.where(dressed | (hair > 0.2), 0, 1 - 0.6 * r.lips)
        kind = np.tile(np.array([Mode.SKIN, Class.SKIN], np.float32), (count, 1))
        # over 1: hair of the scalp, which hides the skin and is a class of its own
        cover = np.where(dressed, 0, np.maximum(on_skin, 2 * hair))
        cover = np.stack([cover, sky, gloss, relief], axis=1).astype(np.float32)
        lifted = skin + lift[:, None] * away
        return Part(lifted.astype(np.float32), self.triangles, self._at, base, cover, kind, self._carried)

    def _shoulders(self, look: Look, skin: np.ndarray) -> Part:
        rim = skin[self._hem]
        centre = rim.mean(axis=0)
        rings = [rim - [0, 3, 0]]
        for grown, lower in ((1.15, 14), (1.4, 32), (1.65, 60), (1.8, 110), (1.85, 320)):
            ring = centre + (rim - centre) * [grown, 0.4, 1 + 0.25 * (grown - 1)] + [0, lower, 0]
            rings.append(ring)
        vertices = np.concatenate(rings)
        triangles = sheet_triangles(len(rings), len(rim), closed=True)
        return plain(vertices, triangles, look.cloth_colour, Class.CLOTH, gloss=0.05, carried=0.0)

    def _socket(self, skin: np.ndarray, look: Look) -> Part:
        """A dark bag behind the lips."""
        rim = skin[self._mouth_rim]
        centre = rim.mean(axis=0)
        rings = [centre + (rim - centre) * [1, 1, 1] + [0, 0, 0]]
        for wide, back in ((1.1, 8), (1.05, 22), (0.8, 40), (0.05, 52)):
            rings.append(centre + (rim - centre) * [wide, wide, 0.3] + [0, 0, back])
        vertices = np.concatenate(rings)
        shade = np.repeat(np.linspace(0.5, 0.1, len(rings)), len(rim))[:, None]
        colour = shade * np.array([0.35, 0.08, 0.07])
        triangles = sheet_triangles(len(rings), len(rim), closed=True)
        return plain(vertices, triangles, colour, Class.MOUTH, gloss=0.4, sky=0.4)

    def _teeth(self, still: np.ndarray, jaw: np.ndarray, look: Look) -> list[Part]:
        shift = still[self._mouth_rim].mean(axis=0)
        angle = np.deg2rad(np.linspace(-78, 78, 61))
        width = np.abs(np.sin(9 * angle / 1.15)) ** 0.25
        parts = []
        for upper, height, move, reach in ((True, 9.0, np.zeros(3), 25.0), (False, 8.0, jaw, 23.0)):
            rows = []
            for share in np.linspace(0, 1, 5):
                y = 32.5 - height * (1 - share) if upper else 34.5 + height * share
                bulge = 1.2 * np.sin(np.pi * (0.15 + 0.7 * share))
                rows.append(
                    np.stack(
                        [
                            (reach + bulge) * np.sin(angle),
                            np.full(len(angle), y),
                            -99 - (0 if upper else -2.0) - bulge * np.cos(angle) + 34 * (1 - np.cos(angle)),
                        ],
                        axis=1,
                    )
                )
            # the gum end of each arc is drawn in; teeth are darker towards the back of the mouth
            gum = np.repeat(np.array([1, 0.45, 0, 0, 0]) if upper else np.array([0, 0, 0, 0.45, 1]), len(angle))[
                :, None
            ]
            shade = np.tile((0.55 + 0.45 * width) * np.cos(angle) ** 0.7, 5)[:, None]
            colour = shade * (gum * np.array([0.45, 0.14, 0.13]) + (1 - gum) * look.teeth_colour)
            triangles = sheet_triangles(5, len(angle))
            parts.append(
                plain(np.concatenate(rows) + shift + move, triangles, colour, Class.MOUTH, gloss=0.5, sky=0.45)
            )
        tongue = _ellipsoid(np.array([17.0, 5.0, 22.0]))
        at = tongue[0] + np.array([0, 42, -72]) + shift + 0.9 * jaw
        parts.append(plain(at, tongue[1], np.array([0.34, 0.1, 0.1]), Class.MOUTH, gloss=0.4, sky=0.4))
        return parts


def _eyeball(centre: np.ndarray, gaze: np.ndarray) -> Part:
    """Half a sphere about `centre` that looks (right, up) degrees."""
    turn = -np.linspace(0, 2 * np.pi, _TURNS, endpoint=False)
    sine, cosine = np.sin(_POLAR)[:, None], np.cos(_POLAR)[:, None]
    direction = np.stack([sine * np.cos(turn), sine * np.sin(turn), -cosine * np.ones_like(turn)], axis=-1).reshape(
        -1, 3
    )
    look = rotations(np.array([[gaze[0], gaze[1], 0]]))[0]
    count = len(direction)
    height = direction[:, 1]
    sky = np.clip(0.75 + 0.6 * height, 0.35, 0.85)  # the upper lid shades the ball
    return Part(
        (centre + EYEBALL * direction).astype(np.float32),
        sheet_triangles(len(_POLAR), _TURNS, closed=True),
        np.zeros((count, 2), np.float32),
        (direction @ look).astype(np.float32),
        np.stack([np.zeros(count), sky, np.ones(count), np.zeros(count)], axis=1).astype(np.float32),
        np.tile(np.array([Mode.EYE, Class.EYE], np.float32), (count, 1)),
        np.ones(count, np.float32),
    )


def _sleeve(rim: np.ndarray) -> Part:
    """Wet pink between the rim of an eye's lids and the ball."""
    centre = rim.mean(axis=0)
    vertices = np.concatenate(
        [rim, centre + (rim - centre) * [0.97, 0.9, 1] + [0, 0, 3], centre + (rim - centre) * 0.9 + [0, 0, 8]]
    )
    return plain(
        vertices, sheet_triangles(3, len(rim), closed=True), np.array([0.4, 0.17, 0.14]), Class.EYE, gloss=0.5, sky=0.4
    )


def _outward(quads: np.ndarray, rim: np.ndarray, rows: int) -> np.ndarray:
    """The vertices some rows of quads outward from those of a hole's rim, in its order."""
    beside: dict[int, set[int]] = defaultdict(set)
    for i in range(4):
        for a, b in quads[:, [i, (i + 1) % 4]].tolist():
            beside[a].add(b)
            beside[b].add(a)
    line, seen = rim.tolist(), set(rim.tolist())
    for _ in range(rows):
        row = {vertex for start in line for vertex in beside[start]} - seen
        line = [min(beside[start] & row, default=start) for start in line]
        seen |= row
    return np.array(line)


def _lids(neutral: np.ndarray, loop: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The upper and the lower part of a loop around an eye, each from its image-left to its image-right corner."""
    left, right = int(np.argmin(neutral[loop, 0])), int(np.argmax(neutral[loop, 0]))
    around = np.roll(loop, -left)  # clockwise in the image: over the upper lid first
    turn = (right - left) % len(loop)
    return around[: turn + 1], np.roll(around[::-1], 1)[: len(loop) - turn + 1]


def _lashes(line: np.ndarray, centre: np.ndarray, look: Look, down: float) -> Part:
    """A fringe on one lid: it goes on where the lid ends, over the ball or the other lid, and curls away from it.

    Only the dense part at the roots is drawn; `down` is 1 for an upper lid, -1 for a lower one.
    """
    outward = line - centre
    outward = outward / np.linalg.norm(outward, axis=1, keepdims=True)
    along = np.gradient(line, axis=0)
    onward = down * np.cross(along, outward)
    onward /= np.maximum(np.linalg.norm(onward, axis=1, keepdims=True), 1e-9)
    share = np.linspace(0, 1, len(line))
    # thin at both corners
    length = (0.8 + 1.6 * look.lashes) * (1.0 if down > 0 else 0.35) * np.sin(np.pi * (0.06 + 0.88 * share))[:, None]
    rows = [line + 0.1 * outward]
    rows += [line + length * (forward * outward + over * onward) for forward, over in ((0.5, 0.45), (1.1, 0.75))]
    vertices = np.concatenate(rows)
    colour = (1 - 0.75 * look.lashes) * look.brow_colour
    # two sheets back to back, each with normals of its own
    triangles = _two_sided(len(rows), len(line))
    return plain(np.concatenate([vertices, vertices]), triangles, colour, Class.HAIR, sky=0.5)


@lru_cache(maxsize=8)
def _two_sided(rows: int, columns: int) -> np.ndarray:
    """Triangles of a grid of vertices and, behind it, of the same grid seen from the other side."""
    front = sheet_triangles(rows, columns)
    return np.concatenate([front, front[:, ::-1] + rows * columns])


def _ellipsoid(radii: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    polar = np.linspace(0.02, np.pi - 0.02, 12)[:, None]
    turn = -np.linspace(0, 2 * np.pi, 20, endpoint=False)
    points = np.stack(
        [np.sin(polar) * np.cos(turn), np.sin(polar) * np.sin(turn), -np.cos(polar) * np.ones_like(turn)], axis=-1
    )
    return points.reshape(-1, 3) * radii, sheet_triangles(12, 20, closed=True)


def _boundary_loops(quads: np.ndarray, vertices: np.ndarray) -> list[np.ndarray]:
    """The borders of the mesh's holes, each in order, clockwise in the image."""
    directed = np.concatenate([quads[:, [i, (i + 1) % 4]] for i in range(4)])
    edges, uses = np.unique(np.sort(directed, axis=1), axis=0, return_counts=True)
    beside: dict[int, list[int]] = defaultdict(list)
    for a, b in edges[uses == 1].tolist():
        beside[a].append(b)
        beside[b].append(a)
    loops, left = [], set(beside)
    while left:
        loop = [min(left)]
        while True:
            left.discard(loop[-1])
            onward = [n for n in beside[loop[-1]] if n in left]
            if not onward:
                break
            loop.append(onward[0])
        points = vertices[loop]
        flat = points[:, [0, 1]] if np.ptp(points[:, 1]) < 50 and points[:, 2].max() < 0 else points[:, [0, 2]]
        area = np.sum(flat[:, 0] * np.roll(flat[:, 1], -1) - np.roll(flat[:, 0], -1) * flat[:, 1])
        loops.append(np.array(loop if area > 0 else loop[::-1]))
    return loops


def _ball_through(rim: np.ndarray) -> np.ndarray:
    """(3,) centre of the sphere a little larger than the eyeball that passes the rim best, moved back by `SUNK`."""
    centre = rim.mean(axis=0) + np.array([0, 0, 10.0])
    for _ in range(20):
        away = rim - centre
        distance = np.linalg.norm(away, axis=1, keepdims=True)
        centre = centre + np.linalg.lstsq(away / distance, distance[:, 0] - 13.0, rcond=None)[0]
    return centre + np.array([0, 0, SUNK])
