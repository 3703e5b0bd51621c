"""Light on a synthetic head: soft areas and one sharp source, by day, indoors or the infrared lamp of a car."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SOFT = 3


@dataclass(frozen=True, slots=True, eq=False)
class Lights:
    """All in camera axes (x right, y down, z away), linear colours.

    Attributes:
        ambient: (3,) from everywhere.
        soft_direction, soft_colour: (3, 3) large areas: towards them, and how bright.
        key_direction, key_colour: (3,) one small source that casts shadows.
        exposure: linear light that white paper facing the camera would show, 1 = white.
        infrared: near-infrared light: pigments hardly matter and the picture is grey.
    """

    ambient: np.ndarray
    soft_direction: np.ndarray
    soft_colour: np.ndarray
    key_direction: np.ndarray
    key_colour: np.ndarray
    exposure: float
    infrared: bool

    def on_face(self, towards: np.ndarray) -> np.ndarray:
        """(3,) light that an unshadowed surface facing `towards` receives."""
        total = self.ambient.copy()
        for direction, colour in zip(self.soft_direction, self.soft_colour, strict=True):
            total += colour * soft_lobe(float(direction @ towards))
        return total + self.key_colour * max(float(self.key_direction @ towards), 0.0)


def soft_lobe(cosine: float) -> float:
    """Share received from an area around a direction (second-order spherical harmonics of a clamped cosine)."""
    return max(0.0, 0.25 + 0.5 * cosine + 0.15625 * (3 * cosine * cosine - 1))


def random_lights(rng: np.random.Generator, infrared: bool) -> Lights:
    """Any light in which people are filmed."""
    if infrared:
        lamp = _direction(rng.uniform(-35, 35), rng.uniform(-35, 30))
        soft = np.stack([_direction(rng.uniform(-80, 80), rng.uniform(-30, 60)) for _ in range(SOFT)])
        grey = np.full(3, 1.0)
        return Lights(
            0.03 * grey,
            soft,
            np.abs(rng.normal(0, 0.06, (SOFT, 1))) * grey,
            lamp,
            grey,
            float(np.exp(rng.uniform(np.log(0.45), np.log(1.3)))),
            True,
        )
    warm = rng.normal(0, 0.12)
    tint = np.exp(np.array([warm, 0, -warm]))
    soft = np.stack([_direction(rng.uniform(-110, 110), rng.uniform(-25, 80)) for _ in range(SOFT)])
    colours = np.exp(rng.normal(-0.6, 0.7, (SOFT, 1))) * tint * np.exp(rng.normal(0, 0.06, (SOFT, 3)))
    hard = rng.random() < 0.55
    key = tint[::-1] * (np.exp(rng.uniform(np.log(0.2), np.log(2.5))) if hard else 0.0)
    lights = Lights(
        np.exp(rng.uniform(np.log(0.08), np.log(0.5))) * tint,
        soft,
        colours,
        _direction(rng.uniform(-85, 85), rng.uniform(-15, 75)),
        key,
        1.0,
        False,
    )
    # the camera exposes for the face, more or less
    level = float(lights.on_face(np.array([0, 0, -1.0])).mean())
    wanted = np.exp(rng.normal(-0.3, 0.3))
    return Lights(
        lights.ambient,
        lights.soft_direction,
        lights.soft_colour,
        lights.key_direction,
        lights.key_colour,
        float(wanted / max(level, 1e-3)),
        False,
    )


def _direction(to_right: float, up: float) -> np.ndarray:
    """(3,) towards a light, degrees from the camera's place as the face sees it."""
    right, above = np.deg2rad([to_right, up])
    return np.array([np.sin(right) * np.cos(above), -np.sin(above), -np.cos(right) * np.cos(above)])
