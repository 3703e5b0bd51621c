"""The Yale faces of the data folder: two people under 64 lights each."""

from __future__ import annotations

import numpy as np

from training import data
from training.photometric_stereo import Stereo, solve, towards


def people() -> list[str]:
    """Who is in it."""
    return [str(person) for person in np.unique(_pack()["person"])]


def pictures(person: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(64, 192, 168) uint8 pictures, (64, 3) unit vectors towards their lights, (192, 168) the ambient picture."""
    pack = _pack()
    rows = pack["person"] == person
    lit = np.isfinite(pack["light_elevation_deg"])
    lights = towards(pack["light_azimuth_deg"][rows & lit], pack["light_elevation_deg"][rows & lit])
    return pack["image"][rows & lit], lights, pack["image"][rows & ~lit].mean(axis=0)


def truth(person: str) -> Stereo:
    """Normals by photometric stereo from lights at most 75° off the camera's axis."""
    images, lights, ambient = pictures(person)
    frontal = lights[:, 2] > np.cos(np.deg2rad(75))
    return solve(images[frontal], lights[frontal], ambient)


def _pack() -> dict[str, np.ndarray]:
    with np.load(data.folder() / "yale.npz", allow_pickle=False) as pack:
        return {key: pack[key] for key in pack.files}
