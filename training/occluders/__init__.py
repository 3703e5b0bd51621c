"""What may come between a camera and a face, drawn over real pictures of faces with the mask that goes with it.

Everything is drawn by code: glasses, hair, hands, and things, and beside them what must not be taken for a cover:
shadows, flash, make-up, stubble. `Scene` is what they are drawn on.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from training.occluders.glasses import glasses
from training.occluders.hair import curtain, locks, strands
from training.occluders.hands import hand
from training.occluders.harmless import blinds, flash, make_up, shadow, stubble
from training.occluders.scene import Scene
from training.occluders.things import blob, cloth, cup, hat, microphone, phone

__all__ = ["HARMLESS", "OCCLUDERS", "Draw", "Scene", "draw_one", "glasses", "hand"]

Draw = Callable[[Scene, np.random.Generator], None]

# What is drawn, and how often each of them of all of its list. Glasses, hair and hands are what people really show.
OCCLUDERS: dict[Draw, float] = {
    glasses: 0.30,
    strands: 0.08,
    locks: 0.08,
    curtain: 0.08,
    hand: 0.24,
    microphone: 0.04,
    cup: 0.03,
    phone: 0.03,
    cloth: 0.03,
    hat: 0.03,
    blob: 0.06,
}
HARMLESS: dict[Draw, float] = {shadow: 0.3, blinds: 0.2, flash: 0.15, make_up: 0.17, stubble: 0.18}


def draw_one(choices: dict[Draw, float], scene: Scene, rng: np.random.Generator) -> None:
    """Draw one of the list on the scene, each as often as its share says."""
    share = np.array(list(choices.values()))
    list(choices)[rng.choice(len(share), p=share / share.sum())](scene, rng)
