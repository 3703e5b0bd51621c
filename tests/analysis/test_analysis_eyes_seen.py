"""Whether eyes can be seen: where the network looks, and what the shipped one says of portraits with drawn lenses."""

from __future__ import annotations

from dataclasses import replace

import matplotlib.cbook
import matplotlib.pyplot as plt
import numpy as np
import pytest
import skimage.data
from faces_making import posed_face

import engines
from realtime.analysis.crop_net import CropNet
from realtime.analysis.eyes_seen import EyesNet
from realtime.analysis.networks import Networks
from realtime.analysis.photo import analyse_photo
from realtime.frame import Face, Pixels, Pose
from realtime.geometry.crops import eyes_crop
from realtime.geometry.topology import LEFT_EYE, RIGHT_EYE, eye_distance
from training.occluders.glasses import covers_eyes, spectacles
from training.occluders.lenses import Lenses, clear, dark, mirrored
from training.occluders.scene import Scene


@pytest.mark.parametrize("pose", [Pose(0, 0, 0), Pose(35, -10, 25), Pose(-35, 10, -25)], ids=str)
def test_the_crop_shows_both_eyes_upright_at_one_size(pose: Pose) -> None:
    face = posed_face(pose, 100, (200, 180))
    places = eyes_crop(face.points, 64).into(face.points[np.concatenate([LEFT_EYE, RIGHT_EYE])])
    assert places.min() > 4
    assert places.max() < 60
    left, right = places[:6].mean(axis=0), places[6:].mean(axis=0)
    np.testing.assert_allclose((left + right) / 2, 31.5, atol=1e-3)
    assert right[1] == pytest.approx(left[1], abs=1e-3)
    near = posed_face(pose, 300, (200, 180))
    sizes = [eye_distance(eyes_crop(each.points, 64).into(each.points)) for each in (face, near)]
    assert sizes[0] == pytest.approx(sizes[1], rel=1e-3)


@pytest.fixture(scope="module")
def portraits() -> dict[str, tuple[Pixels, Face]]:
    """Bare eyes, and eyes behind heavy clear glasses."""
    pictures = {
        "astronaut": skimage.data.astronaut()[:300, 100:400],
        "hopper": plt.imread(matplotlib.cbook.get_sample_data("grace_hopper.jpg", asfileobj=False))[:512],
    }
    networks = Networks.load(1)
    return {
        name: (shown := np.ascontiguousarray(picture), analyse_photo(networks, shown, name)[0])
        for name, picture in pictures.items()
    }


@pytest.fixture(scope="module")
def look() -> EyesNet:
    return EyesNet(CropNet(engines.load("eyes_seen", threads=1)))


def seen(look: EyesNet, pixels: Pixels, face: Face) -> float:
    (looked,) = look(pixels, (face,))
    assert looked.eyes_seen is not None
    return looked.eyes_seen


def wearing(picture: Pixels, face: Face, lenses: Lenses, hiding: bool) -> list[Pixels]:
    """Some of the glasses that are drawn with such lenses; hiding ones that the eyes do not look over."""
    shown = []
    for seed in range(12):
        scene = Scene(picture, face.points)
        spectacles(scene, np.random.default_rng(seed), lenses)
        if not hiding or covers_eyes(scene):
            shown.append(np.clip(scene.picture, 0, 255).astype(np.uint8))
    assert len(shown) >= 6
    return shown


@pytest.mark.parametrize("name", ["astronaut", "hopper"])
def test_opaque_lenses_hide_the_eyes_and_clear_ones_do_not(
    portraits: dict[str, tuple[Pixels, Face]], look: EyesNet, name: str
) -> None:
    picture, face = portraits[name]
    assert seen(look, picture, face) > 0.9
    for lenses in (dark, mirrored()):
        answers = [seen(look, worn, face) for worn in wearing(picture, face, lenses, True)]
        assert np.mean(np.array(answers) < 0.5) > 0.8
    answers = [seen(look, worn, face) for worn in wearing(picture, face, clear, False)]
    assert np.mean(np.array(answers) > 0.5) > 0.8


def test_a_lost_face_keeps_no_answer(portraits: dict[str, tuple[Pixels, Face]], look: EyesNet) -> None:
    picture, face = portraits["astronaut"]
    (looked,) = look(picture, (replace(face, lost=0.2),))
    assert looked.eyes_seen is None
