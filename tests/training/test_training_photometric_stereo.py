"""Photometric stereo on a ball whose normals are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from realtime.errors import InputError
from training.facial_normals.metrics import angles
from training.photometric_stereo import solve, towards
from training.recipes import photometric_stereo

SIDE = 64


def ball() -> tuple[np.ndarray, np.ndarray]:
    """Normals (S, S, 3) of a ball and where it is."""
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j] * 1.1
    inside = x**2 + y**2 < 0.98
    return np.dstack([x, -y, np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))]), inside


def lights() -> np.ndarray:
    azimuth, elevation = np.meshgrid(np.linspace(-60, 60, 6), np.linspace(-35, 50, 5))
    return towards(azimuth.ravel(), elevation.ravel())


def shaded(normals: np.ndarray, albedo: np.ndarray, directions: np.ndarray) -> np.ndarray:
    return albedo * np.clip(np.einsum("hwi,li->lhw", normals, directions), 0, None)


def test_signs_of_lights() -> None:
    assert towards(np.array([90.0]), np.array([0.0]))[0] == pytest.approx([-1, 0, 0])  # from the image left
    assert towards(np.array([0.0]), np.array([90.0]))[0] == pytest.approx([0, 1, 0], abs=1e-12)
    assert towards(np.array([0.0]), np.array([0.0]))[0] == pytest.approx([0, 0, 1])


def test_a_clean_ball_comes_back() -> None:
    normals, inside = ball()
    albedo = np.where(np.indices((SIDE, SIDE)).sum(axis=0) // 8 % 2, 180.0, 90.0)
    found = solve(shaded(normals, albedo, lights()), lights())
    front = inside & (normals[..., 2] > 0.35)
    assert found.known[front].all()
    assert angles(found.normals, normals)[front].max() < 0.5
    assert found.albedo[front] == pytest.approx(albedo[front], rel=0.01)


def test_shadows_gloss_saturation_and_ambient_do_not_bend_it(rng: np.random.Generator) -> None:
    normals, inside = ball()
    directions = lights()
    pictures = shaded(normals, np.full((SIDE, SIDE), 200.0), directions)
    halfway = directions + np.array([0, 0, 1])
    halfway /= np.linalg.norm(halfway, axis=1, keepdims=True)
    pictures += 300 * np.clip(np.einsum("hwi,li->lhw", normals, halfway), 0, None) ** 60
    for picture in pictures:  # a bar's shadow falls somewhere else each time
        at = rng.integers(0, SIDE - 12)
        picture[:, at : at + 12] *= 0.1
    ambient = np.full((SIDE, SIDE), 12.0)
    pictures = np.clip(pictures + ambient + rng.normal(0, 1.5, pictures.shape), 0, 255).round()
    found = solve(pictures, directions, ambient)
    front = inside & (normals[..., 2] > 0.5)
    assert found.known[front].mean() > 0.99
    error = angles(found.normals, normals)[front & found.known]
    plain = np.linalg.lstsq(directions, (pictures - ambient).reshape(len(directions), -1), rcond=None)[0].T
    assert error.mean() < 1.5
    assert error.mean() < 0.4 * angles(plain.reshape(SIDE, SIDE, 3), normals)[front].mean()


def test_what_no_light_reaches_is_not_known() -> None:
    pictures = np.zeros((6, 8, 8))
    assert not solve(pictures, lights()[:6]).known.any()
    with pytest.raises(ValueError, match="at least 4"):
        solve(pictures[:3], lights()[:3])


def test_the_tool_reads_photographs_and_their_lights(tmp_path: Path) -> None:
    normals, inside = ball()
    azimuth, elevation = np.array([-40, 0, 40, 0, 20.0]), np.array([0, 30, 0, -30, 10.0])
    rows = []
    for number, picture in enumerate(shaded(normals, np.full((SIDE, SIDE), 220.0), towards(azimuth, elevation))):
        coded = 255 * (picture / 255) ** (1 / 2.2)
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.where(inside, coded, 0).round().astype(np.uint8))
        rows.append(f"{number}.png,{azimuth[number]},{elevation[number]}")
    table = tmp_path / "lights.csv"
    table.write_text("\n".join(rows))
    out = tmp_path / "out.png"
    photometric_stereo.train(photometric_stereo.Config(out, tmp_path, table))
    drawn = cv2.imread(str(out))[:, :SIDE, ::-1].astype(float) / 127.5 - 1
    assert angles(drawn, normals)[inside & (normals[..., 2] > 0.7)].mean() < 3
    with pytest.raises(InputError, match="together"):
        photometric_stereo.train(photometric_stereo.Config(out, tmp_path))
    table.write_text("\n".join(rows[:3]))
    with pytest.raises(InputError, match="at least 4"):
        photometric_stereo.train(photometric_stereo.Config(out, tmp_path, table))
