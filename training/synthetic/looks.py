"""How one synthetic person looks: skin, hair, beard, clothes, eyes; all drawn at random from one generator."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from training.synthetic.regions import Regions
from training.synthetic.skin import Pigments, random_pigments

# linear RGB; between neighbours any mixture occurs
HAIR_COLOURS = np.array(
    [[0.008, 0.006, 0.006], [0.03, 0.016, 0.01], [0.09, 0.045, 0.022], [0.3, 0.17, 0.08], [0.22, 0.07, 0.025]]
)
GREY_HAIR = np.array([0.45, 0.44, 0.42])
IRIS_COLOURS = np.array(
    [
        [0.035, 0.016, 0.008],
        [0.08, 0.04, 0.015],
        [0.16, 0.11, 0.04],
        [0.1, 0.14, 0.08],
        [0.1, 0.18, 0.28],
        [0.22, 0.25, 0.26],
    ]
)


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One person.

    Attributes:
        pigments: of the skin.
        age: 0..1, for wrinkles.
        gloss: of the skin, 0..1.
        lip_blood: how much redder lips are.
        hair: "bald", "short", "long" or "covered" (a scarf takes its place).
        hair_colour, brow_colour: (3,) linear RGB.
        hair_lift: mm that hair stands off the skull.
        hairline: degrees by which it recedes; temples: more beside the forehead; fringe: degrees of hair hanging down.
        brow_width, brow_density: mm, 0..1.
        beard: 0 none … 1 full; moustache: 0..1; beard_lift: mm.
        lashes: 0..1.
        collar: height (mm) below which clothes begin.
        cloth_colour, teeth_colour, iris_colour, hat_colour: (3,) linear RGB.
        hat: "none", "beanie" or "cap"; hat_edge: degrees above the hairline; hat_lift: mm.
        pupil: radius in radians of the eyeball.
    """

    pigments: Pigments
    age: float
    gloss: float
    lip_blood: float
    hair: str
    hair_colour: np.ndarray
    brow_colour: np.ndarray
    hair_lift: float
    hairline: float
    temples: float
    fringe: float
    brow_width: float
    brow_density: float
    beard: float
    moustache: float
    beard_lift: float
    lashes: float
    collar: float
    cloth_colour: np.ndarray
    teeth_colour: np.ndarray
    iris_colour: np.ndarray
    hat: str
    hat_colour: np.ndarray
    hat_edge: float
    hat_lift: float
    pupil: float

    def hair_share(self, regions: Regions, azimuth: np.ndarray) -> np.ndarray:
        """(V,) 0 where no hair of the scalp grows, 1 well inside it."""
        if self.hair == "bald":
            return np.zeros_like(azimuth)
        at_temple = np.exp(-(((azimuth - 38) / 12) ** 2))
        above = regions.scalp - self.hairline * (azimuth < 70) - self.temples * at_temple
        above = above + self.fringe * np.clip(1 - azimuth / 60, 0, 1)
        return np.clip(above / 7, 0, 1) * (1 - regions.ear)

    def beard_share(self, regions: Regions) -> np.ndarray:
        """(V,) cover of beard and moustache."""
        return np.maximum(self.beard * regions.beard, self.moustache * regions.moustache)

    def brow_share(self, regions: Regions) -> np.ndarray:
        """(V,) cover of the brows."""
        return self.brow_density * np.clip(1.6 - regions.brow / self.brow_width, 0, 1)

    def hat_share(self, regions: Regions, azimuth: np.ndarray) -> np.ndarray:
        """(V,) 1 under a hat or a scarf."""
        if self.hair == "covered":
            edge = regions.scalp > np.where(azimuth < 80, self.hat_edge - 4, -60)
            return edge.astype(np.float32)
        if self.hat == "none":
            return np.zeros_like(azimuth)
        return ((regions.scalp > self.hat_edge + np.clip(azimuth - 95, 0, 40)) * (1 - regions.ear)).astype(np.float32)


def random_look(rng: np.random.Generator) -> Look:
    """Anyone."""
    pigments = random_pigments(rng)
    age = float(rng.uniform(0, 1) ** 1.3)
    # dark skin goes with dark hair mostly
    shade = np.clip(rng.normal(1.2 - 0.55 * np.log(pigments.melanin + 0.3), 0.9), 0, len(HAIR_COLOURS) - 1)
    if pigments.melanin > 0.8:
        shade = min(shade, 1.0)
    hair_colour = _along(HAIR_COLOURS, shade)
    grey = float(np.clip(rng.normal(1.6 * age - 0.9, 0.25), 0, 1))
    hair_colour = hair_colour + grey * (GREY_HAIR - hair_colour)
    hair = str(rng.choice(["bald", "short", "long", "covered"], p=[0.12, 0.48, 0.34, 0.06]))
    bearded = rng.random() < 0.35 and hair != "covered"
    style = rng.random()
    beard, moustache = {True: (rng.uniform(0.15, 1), rng.uniform(0.15, 1)), False: (0.0, 0.0)}[bearded]
    if bearded and style < 0.25:
        beard = 0.0
    hat = str(rng.choice(["none", "beanie", "cap"], p=[0.84, 0.07, 0.09])) if hair != "covered" else "none"
    iris = float(np.clip(rng.normal(4.0 - 3.2 * pigments.melanin, 1.2), 0, len(IRIS_COLOURS) - 1))
    return Look(
        pigments=pigments,
        age=age,
        gloss=float(rng.uniform(0.1, 0.8)),
        lip_blood=float(rng.uniform(0.25, 0.8) * (1.8 if rng.random() < 0.15 else 1)),
        hair=hair,
        hair_colour=hair_colour,
        brow_colour=hair_colour * rng.uniform(0.5, 1.0),
        hair_lift=float(rng.uniform(2, 9) if hair == "short" else rng.uniform(6, 20)),
        hairline=float(np.clip(rng.normal(2 + 8 * age * (hair == "short"), 4), -4, 26)),
        temples=float(rng.uniform(0, 14) if hair == "short" else 0.0),
        fringe=float(rng.uniform(8, 24) if rng.random() < 0.25 else 0.0),
        brow_width=float(rng.uniform(2.6, 5.0)),
        brow_density=float(rng.uniform(0.45, 1.0)),
        beard=float(beard),
        moustache=float(moustache),
        beard_lift=float(rng.uniform(0, 14) if beard > 0.8 else 0.0),
        lashes=float(rng.uniform(0.3, 1.0)),
        collar=float(rng.uniform(95, 145)),
        cloth_colour=_cloth(rng),
        teeth_colour=np.array([0.72, 0.68, 0.56]) * rng.uniform(0.7, 1.1),
        iris_colour=_along(IRIS_COLOURS, iris) * rng.uniform(0.7, 1.3),
        hat=hat,
        hat_colour=_cloth(rng),
        hat_edge=float(rng.uniform(-7, 4)),
        hat_lift=float(rng.uniform(4, 12)),
        pupil=float(rng.uniform(0.12, 0.3)),
    )


def _cloth(rng: np.random.Generator) -> np.ndarray:
    grey = np.exp(rng.uniform(np.log(0.02), np.log(0.7)))
    return np.clip(grey * np.exp(rng.normal(0, 0.5, 3) * (rng.random() < 0.7)), 0.01, 0.9)


def _along(table: np.ndarray, place: float) -> np.ndarray:
    low = min(int(place), len(table) - 2)
    return table[low] + (place - low) * (table[low + 1] - table[low])
