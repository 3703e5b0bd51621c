"""Occluders and scenes: what is drawn is masked, what is harmless is not, what is unknown is not asked."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
import torch
from covers_making import POSES, face_set, scene_of
from faces_making import portrait, posed_face, posed_solid

import engines
from engines.networks.occlusion import SIZE, OcclusionNet
from realtime.frame import Pose
from realtime.geometry.crops import face_crop
from realtime.geometry.template import template
from realtime.geometry.topology import LEFT_EYE
from training.camera import motion_kernel
from training.data import FaceSet
from training.export import load_weights, mixed
from training.occluders import HARMLESS, OCCLUDERS, draw_one
from training.occluders.layer import Layer, Moving
from training.occluders.scene import whole
from training.occlusion_scenes import Batches, Material, example, face_region
from training.recipes.occlusion import TRUST, loss, sheet
from training.widening import widen


@pytest.mark.parametrize("pose", POSES, ids=str)
def test_the_scene_knows_how_the_head_is_turned(pose: Pose) -> None:
    scene = scene_of(pose)
    np.testing.assert_allclose(scene.at(template()), posed_solid(pose, 46, (64, 74))[:, :2], atol=0.05)
    assert scene.unit == pytest.approx(46, rel=0.25)
    cheek = scene.at(np.array([[0.3 * np.sign(pose.yaw or 1), 0.05, 0]]))[0].astype(int)
    np.testing.assert_allclose(scene.skin, scene.picture[cheek[1], cheek[0]], atol=40)


def test_missing_forehead_points_come_from_the_mean_face() -> None:
    points = posed_solid(POSES[1], 46, (64, 74))[:, :2]
    holes = points.copy()
    holes[68:] = np.nan
    np.testing.assert_allclose(whole(holes), points, atol=0.05)
    np.testing.assert_allclose(whole(points[:68]), points, atol=0.05)


@pytest.mark.parametrize("draw", OCCLUDERS, ids=lambda draw: draw.__name__)
def test_a_cover_is_seen_and_masked(draw: Any) -> None:
    covered = 0
    for seed in range(6):
        scene = scene_of(POSES[seed % 3], seed)
        before = scene.picture.copy()
        draw(scene, np.random.default_rng(seed))
        assert scene.mask.min() >= 0
        assert scene.mask.max() <= 1
        assert np.isfinite(scene.picture).all()
        solid = scene.mask > 0.9
        covered += solid.sum()
        if solid.any():
            assert np.abs(scene.picture - before)[solid].mean() > 4
        away = cv2.dilate((scene.mask > 0).astype(np.uint8), np.ones((25, 25))) == 0
        away &= ~scene.unsure
        # a shadow may fall beside it, no light
        assert (scene.picture - before)[away].max(initial=0) < 1
    assert covered > 100


@pytest.mark.parametrize("draw", HARMLESS, ids=lambda draw: draw.__name__)
def test_what_is_harmless_changes_the_picture_and_no_mask(draw: Any) -> None:
    changed = 0.0
    for seed in range(6):
        scene = scene_of(POSES[seed % 3], seed)
        before = scene.picture.copy()
        draw(scene, np.random.default_rng(seed))
        assert scene.mask.max() == 0
        assert not scene.unsure.any()
        changed = max(changed, float(np.abs(scene.picture - before).max()))
    assert changed > 10


def test_glasses_go_round_the_eyes() -> None:
    """Rims are masked on all sides of the eye, the pupil behind a clear lens is not."""
    around = clear = 0
    for seed in range(20):
        scene = scene_of(POSES[seed % 3], seed)
        draw_one({next(iter(OCCLUDERS)): 1.0}, scene, np.random.default_rng(seed))
        x, y = np.round(scene.points[LEFT_EYE].mean(axis=0)).astype(int)
        sides = (
            scene.mask[y - 20 : y, x],
            scene.mask[y : y + 20, x],
            scene.mask[y, x - 20 : x],
            scene.mask[y, x : x + 20],
        )
        around += sum(side.max() > 0.3 for side in sides) >= 3
        clear += scene.mask[y, x] < 0.1
    assert around >= 16
    assert 10 <= clear <= 19, "most lenses are clear, some are sunglasses"


def test_an_example_asks_on_the_face_and_on_what_was_drawn() -> None:
    source = Material(face_set(), np.arange(3))
    rngs = [np.random.default_rng(number) for number in range(8)]
    made = [example(source, number % 3, rng, covered=number % 2) for number, rng in enumerate(rngs)]
    for number, one in enumerate(made):
        assert one.image.shape == (SIZE, SIZE, 3)
        assert (one.mask[SIZE // 2 :].max() > 0) <= bool(number % 2), "of its own the picture has hair, above"
        assert 0.15 < (one.weight > 0).mean() < 0.9
        assert not (one.believed & (one.mask > 0.05))[SIZE // 2 :].any(), "of hair above, the colour says so"
        if not number % 2:
            assert one.believed[SIZE // 2 :].all()
            assert (one.weight == (one.weight > 0)).all()


@pytest.mark.parametrize("colour", [(22, 16, 12), (170, 40, 30), None], ids=["dark", "red", "none"])
def test_a_pictures_own_fringe_is_a_cover(colour: tuple[int, int, int] | None) -> None:
    """And its edge is nobody's knowledge; in grey, all of it is."""
    face = posed_face(size=100, centre=(150, 170))
    picture = portrait(face.points, (300, 300))
    brow = round(float(face.points[17:27, 1].min()))
    rows = slice(0, brow - 25)
    picture[rows] = np.median(picture[170:180, 120:180], axis=(0, 1)) if colour is None else colour
    for shown, known in ((picture, colour is not None), (picture.mean(axis=2, keepdims=True).repeat(3, 2), False)):
        code = cv2.imencode(".png", shown[..., ::-1])[1].ravel()
        box, whom, free = np.zeros((1, 4), np.float32), np.array([""]), np.zeros(1, bool)
        source = Material(FaceSet("300w", [code], face.points[None], box, whom, free), np.arange(1))
        made = example(source, 0, np.random.default_rng(1), covered=0)
        crop = face_crop(face.points, SIZE)
        forehead = tuple(np.round(crop.into(np.array([[150.0, brow - 45]]))[0]).astype(int)[::-1])
        cheek = tuple(np.round(crop.into(np.array([[125.0, 175]]))[0]).astype(int)[::-1])
        assert made.mask[cheek] == 0 < made.weight[cheek]
        assert made.mask[forehead] == known
        assert (made.weight[forehead] > 0) == (known or colour is None)


@pytest.mark.parametrize("draw", OCCLUDERS, ids=lambda draw: draw.__name__)
def test_a_layer_over_the_picture_is_thescene_of(draw: Any) -> None:
    plain = scene_of()
    layer = Layer(plain.picture, plain.points)
    before = layer.picture.copy()
    draw(layer, np.random.default_rng(4))
    draw(plain, np.random.default_rng(4))
    np.testing.assert_array_equal(layer.picture, plain.picture)
    np.testing.assert_array_equal(layer.mask, plain.mask)
    again = before * layer.through[..., None] + layer.over
    np.testing.assert_allclose(again, plain.picture, atol=12 if draw.__name__ == "glasses" else 0.05)  # tinted lenses


def test_a_layer_moves_as_it_is_told_and_is_blurred_by_it() -> None:
    layer = Layer(np.full((SIZE, SIZE, 3), 60, np.uint8), posed_face(size=46, centre=(64, 74)).points)
    square = np.zeros((SIZE, SIZE), np.float32)
    square[50:70, 50:70] = 1
    layer.paint(np.array([200.0, 100, 0]), square)
    pixels = np.full((200, 300, 3), 60, np.uint8)
    ends = [np.array([[2.0, 0, at], [0, 2.0, 10]]) for at in np.linspace(40, 60, 21)]
    seen, opacity = Moving(layer).before(pixels, ends)
    row = opacity[10 + 2 * 60]
    assert row[:135].max() == 0
    assert row[165:175].min() == pytest.approx(1, abs=1e-5)
    assert row[149] == pytest.approx(0.48, abs=0.06), "half of the time it was there"
    np.testing.assert_allclose(seen[130, 170], (200, 100, 0), atol=1)
    np.testing.assert_array_equal(seen[130, 100], (60, 60, 60))
    layer.smear(motion_kernel(9, 0.0))
    assert layer.mask[60, 50] == pytest.approx(5 / 9, abs=0.01)
    assert layer.mask[60, 60] == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(layer.picture[60, 50], 60 + 5 / 9 * (np.array([200, 100, 0]) - 60), atol=1)


def test_batches_depend_on_the_step_alone() -> None:
    source = Material(face_set(), np.arange(3))
    first, again, other = Batches([source], 8, 0)(3), Batches([source], 8, 0)(3), Batches([source], 8, 0)(4)
    for key, value in first.items():
        np.testing.assert_array_equal(value, again[key])
        assert value.shape == (8, 3 if key == "image" else 1, SIZE, SIZE)
    assert (first["image"] != other["image"]).any()


def test_the_face_region_is_the_outline() -> None:
    face = posed_face(size=46, centre=(64, 74))
    plain, wide = face_region(face.points, 0.0), face_region(face.points)
    assert plain[74, 64] == wide[74, 64] == 1
    assert plain[2, 2] == wide[2, 2] == 0
    assert (wide >= plain).all()
    assert wide.sum() > 1.1 * plain.sum()


def _batch(rng: np.random.Generator) -> dict[str, torch.Tensor]:
    mask = np.zeros((2, 1, 32, 32), np.float32)
    mask[:, :, :, :16] = 1
    image = rng.uniform(0, 255, (2, 3, 32, 32)).astype(np.float32)
    arrays = {"image": image, "mask": mask, "weight": np.ones_like(mask), "believed": np.zeros(mask.shape, bool)}
    return {key: torch.from_numpy(value) for key, value in arrays.items()}


class _Fixed(torch.nn.Module):
    """Answers the same logits whatever it sees."""

    def __init__(self, answer: torch.Tensor) -> None:
        super().__init__()
        self.answer = torch.nn.Parameter(answer)

    def logits(self, image: torch.Tensor) -> torch.Tensor:
        return self.answer


def test_the_loss_wants_the_mask_and_only_where_it_is_known(rng: np.random.Generator) -> None:
    batch = _batch(rng)
    right, wrong = _Fixed(20 * (2 * batch["mask"] - 1)), _Fixed(-20 * (2 * batch["mask"] - 1))
    assert loss(right, batch)["loss"] < 1e-3  # type: ignore[arg-type]
    assert loss(wrong, batch)["loss"] > 5  # type: ignore[arg-type]
    batch["weight"][:, :, :10] = 0
    undecided = _Fixed(torch.zeros_like(batch["mask"]))
    loss(undecided, batch)["loss"].backward()  # type: ignore[arg-type]
    gradient = undecided.answer.grad
    assert gradient is not None
    assert (gradient[:, :, :10] == 0).all()
    assert (gradient[:, :, 10:] != 0).all()


def test_a_sheet_shows_faces_covers_and_answers(rng: np.random.Generator) -> None:
    image = rng.integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    mask = np.zeros((2, 1, 32, 32), np.float32)
    mask[1, :, 8:] = 1
    shown = sheet(OcclusionNet().eval(), {"image": image, "mask": mask})
    assert shown.shape == (64, 96, 3)
    np.testing.assert_array_equal(shown[32:, :32], image[1].transpose(1, 2, 0))
    assert (shown[:40, 32:64] == 0).all()
    assert (shown[40:, 32:64] == 255).all()


def test_a_run_is_mixed_with_the_shipped_network() -> None:
    model, shipped = OcclusionNet(), load_weights(OcclusionNet(), engines.WEIGHTS / "occlusion.onnx")
    torch.nn.init.constant_(model.out.bias, 3.0)
    mine = model.encode2[0].weight.detach().clone()
    made = mixed(model, engines.WEIGHTS / "occlusion.onnx", 0.75)
    torch.testing.assert_close(made.out.bias.detach(), 0.75 * 3.0 + 0.25 * shipped.out.bias.detach())  # type: ignore[union-attr, operator]
    wanted = 0.75 * mine + 0.25 * shipped.encode2[0].weight.detach()  # type: ignore[union-attr, index]
    torch.testing.assert_close(made.encode2[0].weight.detach(), wanted)  # type: ignore[union-attr, index]


@pytest.mark.parametrize(("answer", "share"), [(3.0, TRUST), (-3.0, 1.0)])
def test_what_is_only_believed_to_be_free_gives_in_to_a_sure_network(
    answer: float, share: float, rng: np.random.Generator
) -> None:
    batch = _batch(rng)
    batch["mask"][:] = 0
    batch["believed"][:, :, :16] = True
    same = _Fixed(torch.full_like(batch["mask"], answer))
    loss(same, batch)["entropy"].backward()  # type: ignore[arg-type]
    gradient = same.answer.grad
    assert gradient is not None
    assert gradient[0, 0, 0, 0] == pytest.approx(share * gradient[0, 0, 20, 0])


def test_the_network_is_small_and_takes_any_multiple_of_sixteen() -> None:
    net = OcclusionNet().eval()
    assert sum(weight.numel() for weight in net.parameters()) <= 1_000_000
    for size in (32, 128):
        answer = net(torch.full((2, 3, size, size), 128.0))
        assert answer.shape == (2, 1, size, size)
        assert 0 <= answer.min() <= answer.max() <= 1


def test_a_wider_network_begins_as_the_narrow_one(rng: np.random.Generator) -> None:
    narrow = OcclusionNet((8, 16, 32, 48)).eval()
    wide = widen(OcclusionNet((8, 16, 64, 96)), narrow.state_dict()).eval()
    image = torch.from_numpy(rng.uniform(0, 255, (2, 3, 64, 64)).astype(np.float32))
    with torch.no_grad():
        torch.testing.assert_close(wide(image), narrow(image), atol=1e-5, rtol=0)
