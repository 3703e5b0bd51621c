"""A hand before the face: jointed, shaded, in this face's skin or another, from any side."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from realtime.geometry.topology import JAW
from training.occluders.scene import Scene, noise

# In palm widths: where each finger begins along and across the palm, its length, and its thickness. Thumb first.
_FINGERS = (
    ((0.25, -0.5), 0.72, 0.125),
    ((1.0, -0.37), 0.86, 0.105),
    ((1.04, -0.12), 0.97, 0.108),
    ((1.0, 0.13), 0.9, 0.102),
    ((0.92, 0.36), 0.7, 0.09),
)
_RESTING = 0.3  # share of hands in which the face rests
_SEGMENTS = (0.46, 0.3, 0.24)  # of a finger's length


@dataclass(frozen=True, slots=True, eq=False)
class Capsule:
    """A rounded, tapering limb between two places, pixels."""

    begin: np.ndarray
    end: np.ndarray
    radii: tuple[float, float]


@dataclass(frozen=True, slots=True, eq=False)
class _Paint:
    """What all limbs of a hand share: skin (S, S, 3), where light comes from (3,), how dark shade and outlines are."""

    skin: np.ndarray
    light: np.ndarray
    shade: float
    outline: float


def hand(scene: Scene, rng: np.random.Generator) -> None:
    """Fingers, a fist, or an open hand with its arm; in front of any part of the face."""
    limbs, nails = _limbs(scene, rng)
    total = np.zeros_like(scene.mask)
    picture = np.zeros_like(scene.picture)
    smooth = rng.random() < 0.4  # in even light no finger stands out
    shades, outlines = ((0.1, 0.4), (0.0, 0.12)) if smooth else ((0.25, 0.75), (0.0, 0.35))
    paint = _Paint(_skin(scene, rng), _light(rng), rng.uniform(*shades), rng.uniform(*outlines))
    for number, limb in enumerate(limbs):
        _shaded(picture, total, limb, paint)
        if number in nails:
            _nail(scene, picture, nails[number], rng)
    alpha = cv2.GaussianBlur(total, (0, 0), rng.uniform(0.3, 1.6)) if rng.random() < 0.5 else total
    scene.cast_shadow(alpha, rng)
    # where the blur runs past the drawn hand, the nearest colours go on
    weight = cv2.GaussianBlur(total, (0, 0), 2.0)[..., None]
    spread = cv2.GaussianBlur(picture * total[..., None], (0, 0), 2.0) / np.maximum(weight, 1e-3)
    scene.paint(np.where(total[..., None] > 0.9, picture, spread), alpha)


def _limbs(scene: Scene, rng: np.random.Generator) -> tuple[list[Capsule], dict[int, Capsule]]:
    """The limbs in the order they are painted, and the nail that comes after each fingertip."""
    palm = scene.unit * rng.uniform(0.75, 1.25)  # width; a palm is about as wide as the eyes are apart
    low, high = scene.points.min(axis=0), scene.points.max(axis=0)
    if rng.random() < _RESTING:  # chin or cheek in the hand: the fingers come from beyond the jaw
        target = scene.points[rng.choice(JAW[2:15])] + rng.normal(0, 0.12, 2) * scene.unit
        inwards = scene.points.mean(axis=0) - target
        angle = np.arctan2(inwards[1], inwards[0]) + np.deg2rad(rng.normal(0, 40))
    else:
        target = low + rng.uniform(0.05, 0.95, 2) * (high - low)
        angle = np.deg2rad(rng.normal(-90, 55))  # where the fingers point: up, more often than not
    along = np.array([np.cos(angle), np.sin(angle)])
    across = np.array([-along[1], along[0]]) * rng.choice([-1, 1])
    part = rng.uniform(0.0, 1.9) if rng.random() < 0.7 else rng.uniform(1.4, 2.0)  # what of the hand hides the target
    wrist = target - along * palm * part + across * palm * rng.normal(0, 0.3)

    def at(place: np.ndarray | tuple[float, float]) -> np.ndarray:
        return wrist + palm * (place[0] * along + place[1] * across)

    arm = Capsule(at((-3.0, rng.normal(0, 0.8))), at((0.0, 0.0)), (0.42 * palm, 0.3 * palm))
    plate = [Capsule(at((0.12, 0.5 * y)), at((0.92, y)), (0.2 * palm, 0.16 * palm)) for y in (-0.33, -0.11, 0.11, 0.33)]
    curl, fan = rng.uniform(0, 1) ** 1.5, rng.uniform(0.0, 0.3)
    fingers: list[list[Capsule]] = []
    for number, (base, length, thick) in enumerate(_FINGERS):
        lean = fan * (number - 2.5) + rng.normal(0, 0.07) if number else -rng.uniform(0.2, 1.1)
        fingers.append(_finger(at(base), along, across, lean, curl, palm, (length, thick), rng))
    if rng.random() < 0.25:  # only some of them: pointing, two fingers
        kept = set(rng.permutation(5)[: int(rng.integers(1, 4))].tolist())
        fingers = [finger for number, finger in enumerate(fingers) if number in kept]
    limbs: list[Capsule] = [arm, *plate]
    back = rng.random() < 0.6  # the back of the hand is seen: nails show
    if rng.random() < 0.5:
        fingers = fingers[::-1]
    nails: dict[int, Capsule] = {}
    for finger in fingers:
        limbs += finger
        if back:
            tip = finger[-1]
            width = 0.62 * tip.radii[1]
            forward = (tip.end - tip.begin) / max(float(np.linalg.norm(tip.end - tip.begin)), 1e-3)
            begin, end = tip.end - 0.7 * width * forward, tip.end + width * forward
            nails[len(limbs) - 1] = Capsule(begin, end, (width, width))
    return limbs, nails


def _finger(
    base: np.ndarray,
    along: np.ndarray,
    across: np.ndarray,
    lean: float,
    curl: float,
    palm: float,
    make: tuple[float, float],
    rng: np.random.Generator,
) -> list[Capsule]:
    """Three capsules; a curled finger is seen foreshortened, and bends sideways a little."""
    length, thick = make[0] * palm * rng.uniform(0.9, 1.1), make[1] * palm * rng.uniform(0.9, 1.1)
    pieces, start, bent = [], base, lean
    mine = np.clip(curl + rng.normal(0, 0.15), 0, 1)
    for number, share in enumerate(_SEGMENTS):
        direction = np.cos(bent) * along + np.sin(bent) * across
        seen = np.cos(mine * np.deg2rad((45, 100, 140)[number]))  # negative: it points back at the palm
        end = start + direction * share * length * seen
        taper = (1.0 - 0.1 * number) * thick, (0.92 - 0.1 * number) * thick
        pieces.append(Capsule(start, end, taper))
        start, bent = end, bent + rng.normal(0, 0.06)
    return pieces


def _shaded(picture: np.ndarray, total: np.ndarray, limb: Capsule, paint: _Paint) -> None:
    """Paint one limb over what is there, as a rounded body: darker where it turns away, darkest along its edge."""
    size = len(total)
    reach = max(limb.radii) + 2
    low = np.clip(np.floor(np.minimum(limb.begin, limb.end) - reach), 0, size).astype(int)
    high = np.clip(np.ceil(np.maximum(limb.begin, limb.end) + reach) + 1, 0, size).astype(int)
    if (high <= low).any():
        return
    y, x = np.mgrid[low[1] : high[1], low[0] : high[0]].astype(np.float32)
    axis = limb.end - limb.begin
    share = ((x - limb.begin[0]) * axis[0] + (y - limb.begin[1]) * axis[1]) / max(float(axis @ axis), 1e-3)
    share = np.clip(share, 0, 1)
    radius = limb.radii[0] + share * (limb.radii[1] - limb.radii[0])
    away_x = (x - limb.begin[0] - share * axis[0]) / radius
    away_y = (y - limb.begin[1] - share * axis[1]) / radius
    off = np.hypot(away_x, away_y)
    cover = np.clip((1 - off) * radius + 0.5, 0, 1)
    facing = np.sqrt(np.maximum(1 - off**2, 0.05))
    bright = np.maximum(paint.light[0] * away_x + paint.light[1] * away_y + paint.light[2] * facing, 0)
    bright = 1 - paint.shade + paint.shade * 1.25 * bright
    bright *= 1 - paint.outline * np.clip(1 - (1 - off) * radius / 2, 0, 1)  # a dark line between fingers
    # a crease where the next limb begins
    crease = np.exp(-((share * np.linalg.norm(axis) / max(limb.radii[0], 1) - 0.15) ** 2) * 60)
    bright *= 1 - 0.12 * crease
    place = np.s_[low[1] : high[1], low[0] : high[0]]
    picture[place] += cover[..., None] * (paint.skin[place] * bright[..., None] - picture[place])
    np.maximum(total[place], cover, out=total[place])


def _nail(scene: Scene, picture: np.ndarray, nail: Capsule, rng: np.random.Generator) -> None:
    cover = scene.line(np.array([nail.begin, nail.end]), 2 * nail.radii[0])
    painted = rng.random() < 0.2
    colour = rng.uniform(0, 255, 3) * scene.light if painted else np.clip(1.1 * scene.skin + 12, 0, 255)
    picture += (cover * (0.9 if painted else 0.5))[..., None] * (colour.astype(np.float32) - picture)


def _skin(scene: Scene, rng: np.random.Generator) -> np.ndarray:
    """(S, S, 3) this face's skin, a little other, now and then another person's or a glove; blotched."""
    if rng.random() < 0.12:
        colour = rng.uniform(10, 240, 3) * scene.light
    else:
        colour = scene.skin * rng.uniform(0.75, 1.3) * rng.normal(1, 0.04, 3)
    cloud = 1 + noise(rng, scene.size, rng.uniform(0.01, 0.08))
    fine = 1 + rng.normal(0, rng.uniform(0, 0.03), scene.mask.shape)
    redder = np.array([0.0, -0.06, -0.05]) * rng.random()
    blotches = noise(rng, scene.size, 1.0)[..., None] * redder
    return np.clip(colour * (cloud * fine)[..., None] * (1 + blotches), 0, 255).astype(np.float32)


def _light(rng: np.random.Generator) -> np.ndarray:
    light = np.array([rng.normal(0, 0.5), rng.normal(-0.5, 0.4), 0.9])
    return (light / np.linalg.norm(light)).astype(np.float32)
