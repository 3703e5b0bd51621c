"""How well the occlusion network does on faces it never saw: drawn covers, and real ones tagged or outlined by eye."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import engines
from engines.networks.occlusion import SIZE
from realtime.geometry.crops import face_crop
from training import data
from training.cover_marks import Marked, cover, hairlines, marked
from training.data import FaceSet
from training.occluders import HARMLESS, OCCLUDERS
from training.occluders.scene import Scene
from training.occlusion_scenes import OWN_HAIR, face_region, own_hair, taken

# Pictures of faces_300w that are held out, by what is in front of the face. Tagged by eye; the rest is doubtful.
GLASSES = (12, 60, 108, 144, 156, 264, 276, 300, 312, 348, 456, 516, 612, 636, 708, 768, 816, 996, 1068, 1080)
HAIR = (72, 240, 324, 360, 408, 420, 564, 648, 720, 840, 924)
HANDS = (36, 336, 468, 708, 732, 876, 1008)  # and things: a glass, a phone, another head
NOTHING = (24, 96, 120, 132, 168, 180, 192, 204, 216, 228, 288, 372, 384, 396, 432, 444, 480, 492, 504, 540, 552, 576)
NOTHING += (588, 624, 696, 756, 792, 828, 852, 900, 912, 936, 972, 1020, 1032, 1056, 1092, 1116, 1128, 1140, 1152)
# Where it would be seen, in the mean face's axes: left, top, right, bottom.
_ZONES = {
    "glasses": (-0.75, -0.62, 0.75, -0.18),
    "hair": (-0.6, -1.0, 0.6, -0.72),
    "hands and things": (-0.8, -0.18, 0.8, 0.9),
}
_TAGGED = {"glasses": GLASSES, "hair": HAIR, "hands and things": HANDS}
_FOREHEAD = (-2, -2, 2, -0.6)  # and above the brows
_LEAST_HAIR = 0.03  # of a face, or of its forehead: of less it is not asked how much is found
_TAKES = 3  # drawn covers on each free face


def table(seed: int = 0) -> Iterator[str]:
    """The rows of the model card, as they are done."""
    net, faces = engines.load("occlusion"), data.faces_300w()
    lines = {each.row: each for each in hairlines() if each.name == faces.name}
    rng = np.random.default_rng(seed)
    yield "| drawn on held-out faces | IoU | found | of what was found, right |"
    yield "|---|---|---|---|"
    for draw in OCCLUDERS:
        common = found = there = 0
        for row in NOTHING * _TAKES:
            scene = _scene(faces, row)
            free = _free(scene, lines.get(row))
            draw(scene, rng)
            known = free & ~scene.unsure
            answer, truth = (_answer(net, scene, rng) > 0.5) & known, (scene.mask > 0.5) & known
            common, found, there = common + (answer & truth).sum(), found + answer.sum(), there + truth.sum()
        iou = common / (found + there - common)
        yield f"| {draw.__name__} | {iou:.2f} | {common / there:.2f} | {common / found:.2f} |"
    yield ""
    yield "| free held-out faces | taken for covered | below the brows |"
    yield "|---|---|---|"
    for name, draw in {"as they are": None, **{draw.__name__: draw for draw in HARMLESS}}.items():
        shares = []
        for row in NOTHING:
            scene = _scene(faces, row)
            inside = _zone(scene, (-2, -2, 2, 2)) & _free(scene, lines.get(row))
            if draw is not None:
                draw(scene, rng)
            covered = _answer(net, scene, rng if draw else None) > 0.5
            low = inside & _zone(scene, (-2, -0.6, 2, 2))
            shares.append((covered[inside].mean(), covered[low].mean()))
        whole, below = 100 * np.mean(shares, axis=0)
        yield f"| {name} | {whole:.2f} % | {below:.2f} % |"
    yield ""
    yield "| really there (held out, tagged by eye) | faces | marked there, median | on free faces | told apart (AUC) |"
    yield "|---|---|---|---|---|"
    for name, rows in _TAGGED.items():
        there, free = (np.array([_marked(net, _scene(faces, row), name) for row in r]) for r in (rows, NOTHING))
        apart = (there[:, None] > free).mean() + 0.5 * (there[:, None] == free).mean()
        medians = f"{100 * np.median(there):.1f} % | {100 * np.median(free):.1f} %"
        yield f"| {name} | {len(rows)} | {medians} | {apart:.3f} |"
    yield ""
    yield "| really there, outlined by eye | pictures | found: mean | median | taken of the lower face beside it |"
    yield "|---|---|---|---|---|"
    sets = {"300w": faces, "ytf": data.faces_ytf()}
    outlined = [each for each in marked() if each.test]
    for name, where in (("hands, a phone, a head", sets["300w"].name), ("microphones, a hand", sets["ytf"].name)):
        answers = np.array([_found(net, sets[where], each) for each in outlined if each.name == where])
        (mean, free), median = answers.mean(axis=0), np.median(answers[:, 0])
        yield f"| {name} | {len(answers)} | {mean:.2f} | {median:.2f} | {100 * free:.2f} % |"
    yield ""
    yield "| hairlines drawn by eye | pictures | mean | median |"
    yield "|---|---|---|---|"
    shares = np.array([hair_shares(net, sets[each.name], each) for each in hairlines() if each.test])
    for name, column in zip(("hair, hats: found", "taken of the free forehead below"), 100 * shares.T, strict=True):
        known = column[np.isfinite(column)]
        yield f"| {name} | {len(known)} | {known.mean():.1f} % | {np.median(known):.1f} % |"


def _scene(faces: FaceSet, row: int) -> Scene:
    crop = face_crop(faces.points[row], SIZE)
    return Scene(crop.cut(faces.picture(row)), crop.into(faces.points[row]))


def _free(scene: Scene, line: Marked | None) -> np.ndarray:
    """(S, S) bool: on the face, short of the picture's own hair, of a scene that nothing is drawn on yet.

    Its hair is what lies above the line that somebody drew; where nobody did, its colour tells.
    """
    on_face = face_region(scene.points) > 0
    if line is None:
        return on_face & (own_hair(scene.picture.astype(np.uint8), scene.points) <= OWN_HAIR[0])
    hair, unsure = cover(scene, line.outlines)
    return on_face & (hair < 0.5) & ~unsure


def _answer(net: engines.Engine, scene: Scene, rng: np.random.Generator | None) -> np.ndarray:
    """(S, S) in 0..1; a random camera takes the picture where there is an `rng`."""
    image = np.clip(scene.picture, 0, 255).astype(np.uint8)
    image = image if rng is None else taken(image, rng)
    return net(image.transpose(2, 0, 1)[None].astype(np.float32))[0][0, 0]


def _zone(scene: Scene, box: tuple[float, float, float, float]) -> np.ndarray:
    """(S, S) bool: on the face, in a box of the mean face's plane."""
    left, top, right, bottom = box
    corners = np.array([[left, top, 0], [right, top, 0], [right, bottom, 0], [left, bottom, 0]])
    return (scene.polygon(scene.at(corners)) > 0.5) & (face_region(scene.points, 0.0) > 0)


def _found(net: engines.Engine, faces: FaceSet, each: Marked) -> tuple[float, float]:
    """Share that is marked of what is outlined on the face, and of the free face below the eyes."""
    scene = _scene(faces, each.row)
    inside, unsure = cover(scene, each.outlines)
    answer, on_face = _answer(net, scene, None) > 0.5, (face_region(scene.points, 0.0) > 0) & ~unsure
    free = _zone(scene, _ZONES["hands and things"]) & ~unsure & (inside < 0.5)
    return float(answer[on_face & (inside > 0.5)].mean()), float(answer[free].mean())


def hair_shares(net: engines.Engine, faces: FaceSet, each: Marked) -> tuple[float, float]:
    """Share that is marked of the hair outlined on the face, and of the forehead below it; NaN where that is small."""
    scene = _scene(faces, each.row)
    inside, unsure = cover(scene, each.outlines)
    answer, on_face = _answer(net, scene, None) > 0.5, face_region(scene.points, 0.0) > 0
    parts = on_face & (inside > 0.5) & ~unsure, _zone(scene, _FOREHEAD) & (inside < 0.5) & ~unsure
    hair, free = (answer[p].mean() if p.sum() > _LEAST_HAIR * on_face.sum() else np.nan for p in parts)
    return float(hair), float(free)


def _marked(net: engines.Engine, scene: Scene, name: str) -> float:
    """Share of the zone that is marked."""
    return float((_answer(net, scene, None) > 0.5)[_zone(scene, _ZONES[name])].mean())
