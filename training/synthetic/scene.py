"""What one synthetic picture shows, drawn at random from a seed; every part may be replaced before it is rendered."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from realtime.frame import Intrinsics
from training.synthetic.head import Head
from training.synthetic.lights import Lights, random_lights
from training.synthetic.looks import Look, random_look

# Seeds from here on are people that are measured on and never trained on.
HELD_OUT = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Ranges:
    """What scenes are drawn from; angles in degrees are uniform within ±, lengths in millimetres."""

    yaw: float = 80.0
    pitch: float = 35.0
    roll: float = 30.0
    near: float = 380.0
    """Nearest distance of the face from the camera."""
    far: float = 1400.0
    smallest_extent: float = 230.0
    """Side of the square seen at the face's distance: a crop around the face."""
    largest_extent: float = 330.0
    shift: float = 0.06
    """How far the face lies off the picture's middle, share of its side."""
    off_axis: float = 14.0
    """Angle between the camera's axis and the face."""
    infrared: float = 0.2
    """Share of pictures under near-infrared light."""
    glasses: float = 0.25
    hand: float = 0.15
    closing: float = 0.3
    """Share of faces whose eyes are closing or closed."""
    views: int = 4
    """Pictures of each person in a row: seeds with the same seed // views show one person."""


@dataclass(frozen=True, slots=True, eq=False)
class Scene:
    """One picture to be rendered.

    Attributes:
        person: number of who it is.
        seed: of everything that is drawn while rendering (folds, strands, glasses, background, sensor).
        size: pixels of the square picture.
        camera: of that picture.
        place: (3,) mm in camera axes where the mean of the 68 landmarks lies.
        angles: (3,) yaw, pitch, roll of the head in degrees, the project's signs.
        body: share of the head's turn that the shoulders take part in.
        identity, expression: (100,) and (57,) weights of the morphable model.
        closure: (2,) 0 open … 1 closed, image-left and image-right eye.
        gaze: (2,) degrees by which both eyes look to the image right and up, seen from the head.
        look, lights: see there.
        glasses, hand: whether they are there.
        curtain: mm that long hair hangs below the ears.
    """

    person: int
    seed: int
    size: int
    camera: Intrinsics
    place: np.ndarray
    angles: np.ndarray
    body: float
    identity: np.ndarray
    expression: np.ndarray
    closure: np.ndarray
    gaze: np.ndarray
    look: Look
    lights: Lights
    glasses: bool
    hand: bool
    curtain: float

    def weights(self, names: dict[str, int]) -> np.ndarray:
        """(57,) expression weights with lids and gaze put in; `names` gives each weight's index."""
        weights = self.expression.copy()
        right, up = self.gaze / 30
        # the model's "left" is the subject's: the image-right eye
        for side, closed, inward in (("R", self.closure[0], right), ("L", self.closure[1], -right)):
            weights[names[f"eyeBlink_{side}"]] = closed
            weights[names[f"eyeLookIn_{side}"]] = np.clip(inward, 0, 1)
            weights[names[f"eyeLookOut_{side}"]] = np.clip(-inward, 0, 1)
            weights[names[f"eyeLookUp_{side}"]] = np.clip(up, 0, 1) * (1 - closed)
            weights[names[f"eyeLookDown_{side}"]] = np.clip(-up, 0, 1) * (1 - closed)
        return weights


def random_scene(seed: int, size: int, head: Head, ranges: Ranges) -> Scene:
    """The scene of this seed."""
    person = seed // ranges.views
    its = np.random.default_rng([person, 2])
    look = random_look(its)
    identity = its.standard_normal(head.identities).astype(np.float32)
    rng = np.random.default_rng(seed)
    expression = random_expression(head, rng)
    infrared = bool(rng.random() < ranges.infrared)
    lights = random_lights(rng, infrared)
    limits = np.array([ranges.yaw, ranges.pitch, ranges.roll])
    angles = rng.uniform(-limits, limits)
    distance = float(rng.uniform(ranges.near, ranges.far))
    extent = float(rng.uniform(ranges.smallest_extent, ranges.largest_extent))
    camera, place = crop_camera(
        size, distance, extent, rng.uniform(-1, 1, 2) * ranges.shift, rng.uniform(-1, 1, 2) * ranges.off_axis
    )
    closure = np.zeros(2)
    if rng.random() < ranges.closing:
        closure = np.clip(rng.uniform(0, 1.25) + rng.normal(0, 0.03, 2), 0, 1)
    return Scene(
        person=person,
        seed=seed,
        size=size,
        camera=camera,
        place=place,
        angles=angles,
        body=float(rng.uniform(0, 0.8)),
        identity=identity,
        expression=expression,
        closure=closure,
        gaze=np.clip(rng.normal(0, [11, 6]), -28, 28),
        look=look,
        lights=lights,
        glasses=bool(rng.random() < ranges.glasses),
        hand=bool(rng.random() < ranges.hand),
        curtain=float(its.uniform(30, 170)),
    )


def crop_camera(
    size: int, distance: float, extent: float, shift: np.ndarray, off_axis: np.ndarray
) -> tuple[Intrinsics, np.ndarray]:
    """The camera of a square crop, and where the face is: `extent` mm at `distance` mm fill `size` pixels.

    `shift` (2,) moves the face off the crop's middle (shares of its side); `off_axis` (2,) degrees to the image right
    and down is where the crop lay in the whole picture.
    """
    focal = size * distance / extent
    slope = np.tan(np.deg2rad(off_axis))
    principal = (size - 1) / 2 + shift * size - focal * slope
    return Intrinsics(focal, focal, float(principal[0]), float(principal[1])), distance * np.array([*slope, 1.0])


def random_expression(head: Head, rng: np.random.Generator) -> np.ndarray:
    """(57,) weights in 0…1: nothing moves in some faces, one muscle in six in others, some speak or yawn."""
    weights = np.where(rng.random(head.expressions) < rng.uniform(0, 1 / 6), rng.random(head.expressions), 0)
    names = head.names
    if rng.random() < 0.35:
        weights[names["jawOpen"]] = rng.uniform(0, 1) ** 1.5
    if rng.random() < 0.3:
        weights[[names["mouthSmile_L"], names["mouthSmile_R"]]] = rng.uniform(0.1, 0.9) + rng.normal(0, 0.05, 2)
    # "mouthClose" closes the lips of an open jaw; alone it would pull them through each other
    weights[names["mouthClose"]] = min(weights[names["mouthClose"]], weights[names["jawOpen"]])
    # rolled or shrugged lips of a closed mouth would pass through each other, too
    for name in ("mouthRollUpper", "mouthRollLower", "mouthShrugUpper"):
        weights[names[name]] *= 0.5
    return np.clip(weights, 0, 1).astype(np.float32)
