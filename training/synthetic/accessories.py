"""What people wear and hold before their faces: glasses, long hair, scarves, brims, hands."""

from __future__ import annotations

import numpy as np

from training.ict import rotations
from training.synthetic.head import Shape
from training.synthetic.looks import Look
from training.synthetic.parts import Class, Mode, Part, plain, sheet_triangles, tube

_ATLAS_STRAND = (0.02, 0.98)  # long hair takes its strands from all over the atlas


def curtain(look: Look, shape: Shape, length: float) -> Part:
    """Long hair or a scarf: a sheet that hangs from the skull, open around the face.

    Args:
        length: mm below the ears.
    """
    rows, columns = 12, 40
    scarf = look.hair == "covered"
    opening = np.deg2rad(42 if scarf else 74)
    azimuth = np.linspace(opening, 2 * np.pi - opening, columns)
    down = np.linspace(-45, length, rows)[:, None]
    lift = look.hat_lift if scarf else look.hair_lift if look.hat == "none" else look.hat_lift - 4
    # an ellipse about the skull, drawn in over the neck, wider again over the shoulders
    waist = 1 - 0.12 * np.exp(-(((down - 75) / 40) ** 2))
    if scarf:
        waist = waist - 0.1 * np.clip(down / 90, 0, 1)
    half_wide, half_deep = 76 + 0.75 * lift, 98 + lift
    x = -half_wide * waist * np.sin(azimuth)
    z = 12 - half_deep * waist * np.cos(azimuth)
    # towards its open edge the sheet falls back beside the cheek
    edge = np.clip(1 - np.minimum(azimuth - opening, 2 * np.pi - opening - azimuth) / 0.25, 0, 1)
    vertices = np.stack([x * (1 - 0.03 * edge), down + 0 * azimuth, z + 8 * edge], axis=-1).reshape(-1, 3)
    vertices = vertices + shape.eyes.mean(axis=0) - [0, -36, -83]
    front = sheet_triangles(rows, columns)
    across, along = np.meshgrid(np.linspace(*_ATLAS_STRAND, columns), np.linspace(*_ATLAS_STRAND, rows))
    count = len(vertices)
    mode, shows = (Mode.PLAIN, Class.CLOTH) if scarf else (Mode.SKIN, Class.HAIR)
    carried = np.clip(1.2 - np.repeat(down[:, 0], columns) / 150, 0, 1)
    sheet = Part(
        vertices.astype(np.float32),
        front,
        np.stack([across, along], axis=-1).reshape(-1, 2).astype(np.float32),
        np.tile((look.hat_colour if scarf else np.zeros(3)).astype(np.float32), (count, 1)),
        np.tile(np.array([0 if scarf else 2, 0.75, 0.2, 0], np.float32), (count, 1)),
        np.tile(np.array([mode, shows], np.float32), (count, 1)),
        carried.astype(np.float32),
    )
    return _both_sides(sheet)


def brim(look: Look, shape: Shape) -> Part:
    """The peak of a cap, over the forehead."""
    rows, columns = 6, 25
    brow = shape.landmarks[17:27].mean(axis=0)
    angle = np.deg2rad(np.linspace(-68, 68, columns))
    out = np.linspace(0, 1, rows)[:, None]
    reach = 62 * out * np.cos(angle) ** 0.6
    x = (70 + 0 * out) * np.sin(angle)
    z = brow[2] + 34 - 46 * np.cos(angle) - reach + 10
    y = brow[1] - 34 - 1.8 * look.hat_edge + 10 * out + 16 * (1 - np.cos(angle))
    vertices = np.stack([x, y + 0 * z, z], axis=-1).reshape(-1, 3)
    return _both_sides(plain(vertices, sheet_triangles(rows, columns), look.hat_colour, Class.HAT, gloss=0.05))


def glasses(shape: Shape, rng: np.random.Generator) -> tuple[list[Part], list[Part], float]:
    """Frame parts, lens parts, and how dark the lenses are (0 clear … 1 black)."""
    eyes, nose = shape.eyes, shape.landmarks[27:29].mean(axis=0)
    half = np.array([rng.uniform(22, 29), rng.uniform(15, 24)])
    power = rng.uniform(2.0, 4.5)
    thick = rng.uniform(0.7, 2.4)
    front = min(float(nose[2]) + 2, float(shape.landmarks[[37, 38, 43, 44], 2].min()) - 9) - rng.uniform(0, 4)
    drop = rng.uniform(0, 5)
    turn = np.linspace(0, 2 * np.pi, 33)
    parts, lenses = [], []
    frame_colour = np.clip(np.exp(rng.uniform(np.log(0.01), np.log(0.4))) * np.exp(rng.normal(0, 0.4, 3)), 0, 1)

    def bent(x: np.ndarray) -> np.ndarray:
        return front + 0.0035 * x**2

    outer = []
    for side, eye in zip((-1, 1), eyes, strict=True):
        c, s = np.cos(turn), np.sin(turn)
        x = eye[0] + side * 1.0 + half[0] * np.sign(c) * np.abs(c) ** (2 / power)
        y = eye[1] + drop + half[1] * np.sign(s) * np.abs(s) ** (2 / power)
        rim = np.stack([x, y, bent(x)], axis=1)
        vertices, triangles = tube(rim, np.full(len(rim), thick), sides=8)
        parts.append(plain(vertices, triangles, frame_colour, Class.GLASSES, gloss=0.9))
        centre = rim[:-1].mean(axis=0)
        shares = np.linspace(0.02, 1, 5)[:, None, None]
        lens = centre + shares * (rim[::-1] - centre)
        lens[..., 2] = bent(lens[..., 0]) - 1.0
        lens_triangles = sheet_triangles(5, len(rim))
        lenses.append(plain(lens.reshape(-1, 3), lens_triangles, np.full(3, 0.01), Class.GLASSES, gloss=1.0))
        outer.append(rim[np.argmax(side * rim[:, 0])])
    inner = [eyes[0][0] - 1 + half[0], eyes[1][0] + 1 - half[0]]
    across = np.linspace(inner[0], inner[1], 9)
    arch = eyes[:, 1].mean() + drop - 0.25 * half[1] - 3 * np.sin(np.linspace(0, np.pi, 9))
    vertices, triangles = tube(np.stack([across, arch, bent(across)], axis=1), np.full(9, thick), sides=8)
    parts.append(plain(vertices, triangles, frame_colour, Class.GLASSES, gloss=0.9))
    for side, corner in zip((-1, 1), outer, strict=True):
        ear = np.array([side * 77, eyes[:, 1].mean() + 2, 10.0])
        path = corner + np.linspace(0, 1, 12)[:, None] * (ear - corner)
        path[:, 0] += side * 4 * np.sin(np.linspace(0, np.pi, 12))
        vertices, triangles = tube(path, np.full(12, max(thick, 1.0)), sides=6, flat=1.6)
        parts.append(plain(vertices, triangles, frame_colour, Class.GLASSES, gloss=0.8))
    dark = float(rng.uniform(0.75, 0.985) if rng.random() < 0.3 else rng.uniform(0.0, 0.12))
    return parts, lenses, dark


def hand(shape: Shape, look: Look, rng: np.random.Generator) -> list[Part]:
    """A hand before some part of the face, its forearm coming from below."""
    place = shape.landmarks[rng.choice([8, 51, 57, 30, 2, 14, 36, 45, 4, 12, 27])]
    size = rng.uniform(0.85, 1.1)
    fold = rng.uniform(0, 1) ** 2
    pieces: list[tuple[np.ndarray, np.ndarray]] = []

    def pipe(points: np.ndarray, radii: np.ndarray, flat: float = 1.0) -> None:
        along = np.concatenate([np.linspace(0, 0.85, 10), [0.89, 0.93, 0.96, 0.98, 0.995, 1]])
        round_end = np.sqrt(1 - np.clip((along - 0.85) / 0.15, 0, 1) ** 2)
        radius = np.interp(along, np.linspace(0, 1, len(radii)), radii) * round_end
        pieces.append(tube(_rounded(points, along), radius, 12, flat, across=np.array([1.0, 0, 0])))

    # in its own axes: palm towards +z (the face), fingers up, thumb to +x
    pipe(np.array([[0, 46, 0], [0, 20, 0], [0, -22, 0], [0, -44, 0]]), np.array([14, 36, 42, 34]), flat=0.33)
    for index, (x, length, radius) in enumerate(((-31, 56, 7), (-10.5, 72, 8), (10.5, 78, 8.4), (31, 70, 8.2))):
        bend = fold * rng.uniform(0.7, 1.1) * 1.6 + rng.uniform(0, 0.2)
        spread = np.deg2rad(6 * (index - 1.5) * rng.uniform(0.2, 1.2))
        points, angle, at = [np.array([x, -34.0, 0.0])], 0.0, np.array([x, -34.0, 0.0])
        for share in (0.45, 0.32, 0.23):
            angle += bend
            step = length * share * np.array([np.sin(spread), -np.cos(angle), np.sin(angle)])
            at = at + step
            points.append(at)
        pipe(np.array(points), radius * np.array([1.05, 1, 0.95, 0.88]))
    thumb = np.array([[12, 36, 0], [46, 10, 6], [56, -14, 10 + 14 * fold], [56 - 18 * fold, -34, 14 + 16 * fold]])
    pipe(thumb, np.array([15, 12, 10, 9]))
    pipe(np.array([[0, 190.0, 8], [0, 110, 5], [0, 40, 0]]), np.array([38, 31, 26]), flat=0.75)
    tilt = np.array([[rng.uniform(-25, 25), rng.uniform(-25, 15), rng.normal(0, 40)]])
    turn = rotations(tilt)[0] * np.array([1.0 if rng.random() < 0.5 else -1.0, 1, 1]) * size
    mirrored = np.linalg.det(turn) < 0
    touch = np.array([0, rng.uniform(-60, 20), 0]) * size
    gap = rng.uniform(14, 45)
    parts = []
    sleeve = rng.random() < 0.5
    for number, (vertices, triangles) in enumerate(pieces):
        there = (vertices * size - touch) @ (turn / size).T + place - [0, 0, gap]
        faces = _turned_over(triangles) if mirrored else triangles
        count = len(there)
        if sleeve and number == len(pieces) - 1:
            parts.append(plain(there, faces, look.cloth_colour, Class.CLOTH, gloss=0.05))
            continue
        base = np.array([look.pigments.melanin * 0.95, look.pigments.blood * 1.15, 0], np.float32)
        at = np.stack([0.5 + there[:, 0] / 400, 0.5 + there[:, 1] / 400], axis=1)
        parts.append(
            Part(
                there.astype(np.float32),
                faces,
                np.clip(at, 0, 1).astype(np.float32),
                np.tile(base, (count, 1)),
                np.tile(np.array([0, 0.8, 0.4 * look.gloss, 0.3], np.float32), (count, 1)),
                np.tile(np.array([Mode.SKIN, Class.HAND], np.float32), (count, 1)),
                np.ones(count, np.float32),
            )
        )
    return parts


def _rounded(points: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Points at shares (N,) of a smooth curve through the given ones (Catmull-Rom)."""
    padded = np.concatenate([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    place = along * (len(points) - 1 - 1e-9)
    i, t = place.astype(int), (place % 1)[:, None]
    a, b, c, d = (padded[i + k] for k in range(4))
    return 0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3)


_other_side: dict[int, tuple[np.ndarray, np.ndarray]] = {}
_doubled: dict[int, tuple[np.ndarray, np.ndarray]] = {}


def _turned_over(triangles: np.ndarray) -> np.ndarray:
    """The triangles seen from their other side; the same array every time."""
    return _other_side.setdefault(id(triangles), (triangles, np.ascontiguousarray(triangles[:, ::-1])))[1]


def _both_sides(part: Part) -> Part:
    """The sheet and its back, each with vertices, and so normals, of its own."""
    front, count = part.triangles, len(part.vertices)
    if id(front) not in _doubled:
        _doubled[id(front)] = (front, np.concatenate([front, front[:, ::-1] + count]))
    twice = {name: np.concatenate([getattr(part, name)] * 2) for name in ("vertices", "at", "base", "cover", "kind")}
    return Part(triangles=_doubled[id(front)][1], carried=np.tile(part.carried, 2), **twice)
