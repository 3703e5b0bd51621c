"""The warp against the software rasteriser: mask IoU ≥ 0.999, mean difference ≤ 1/255, at many sizes and poses."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from faces_making import FRONTAL, portrait, posed_solid, smooth_picture, texture_of
from rasteriser import Raster, confidence, over, rasterise, sample

from engines.lstsq import solve
from realtime.frame import Floats, Pixels, Pose
from realtime.geometry.mesh import face_mesh, head_mesh
from realtime.geometry.topology import LANDMARKS
from realtime.geometry.views import view_depth
from realtime.render import canvas as canvas_module
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.surface import Warp

MESH = face_mesh()
SIZES = [(97, 131), (256, 256), (640, 480), (1280, 720)]
SOURCES = [64, 256, 700]
YAWS = [0.0, 30.0, -30.0, 60.0, -60.0]


def _source(side: int, pose: Pose = FRONTAL) -> Floats:
    """(81, 3) a face that fills a square source picture."""
    return posed_solid(pose, 0.42 * side, (side / 2, 0.53 * side))


def _placed(source: Floats, pose: Pose, size: tuple[int, int], fill: float = 0.35) -> tuple[Floats, Floats]:
    """(V, 3) where the mesh is drawn in a frame, by the affine onto a posed face; and the affine."""
    target = posed_solid(pose, fill * min(size), (0.52 * size[0], 0.54 * size[1]))
    affine = solve(source[None, :LANDMARKS], target[None, :LANDMARKS, :2])[0]
    vertices = MESH.weights @ source
    flat = vertices @ affine[:, :3].T + affine[:, 3]
    return np.column_stack([flat, view_depth(affine, vertices)]).astype(np.float32), affine


def _texture(rng: np.random.Generator, source: Floats, side: int, painted: bool) -> Pixels:
    """No channel below 60, so that what is drawn shows on black."""
    if not painted:
        return smooth_picture(rng, (side, side))
    return np.maximum(portrait(source[:, :2], (side, side)), 60)


def _iou(a: np.ndarray, b: np.ndarray) -> float:
    return float((a & b).sum() / (a | b).sum())


def _compare(ours: np.ndarray, truth: np.ndarray, drawn: np.ndarray, expected: np.ndarray) -> None:
    assert _iou(drawn, expected) >= 0.999
    both = drawn & expected
    difference = np.abs(ours[both] - truth[both])
    assert difference.mean() <= 1
    assert np.percentile(difference, 99.9) <= 4


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("yaw", YAWS)
def test_a_drawn_face_is_the_rasterised_one(canvas: Canvas, size: tuple[int, int], yaw: float) -> None:
    case = SIZES.index(size) + YAWS.index(yaw)
    side, rng = SOURCES[case % len(SOURCES)], np.random.default_rng(case)
    source = _source(side, Pose(-yaw / 3, 5, 10))
    picture = _texture(rng, source, side, painted=case % 2 == 1)
    position, _ = _placed(source, Pose(yaw, -5, -15), size)
    flat = MESH.weights @ source[:, :2]
    texture = texture_of(picture)

    canvas.begin(np.zeros((size[1], size[0], 3), np.uint8))
    canvas.warp(Warp(MESH, position, flat, texture))
    ours = canvas.finish()
    texture.release()

    raster = rasterise(MESH.triangles, position, size)
    truth = sample(picture, raster.carry(flat))
    _compare(ours.astype(float), truth, ours.max(axis=2) > 30, raster.mask)


def test_the_live_frame_is_the_texture_where_no_other_is_given(canvas: Canvas, rng: np.random.Generator) -> None:
    size = (320, 240)
    frame = smooth_picture(rng, size)
    mesh, _, _ = head_mesh()
    source = mesh.weights @ posed_solid(FRONTAL, 70, (150, 130))[:, :2]
    moved = source + np.array([20, -10])
    canvas.begin(frame)
    canvas.warp(Warp(mesh, np.column_stack([moved, np.zeros(len(moved))]).astype(np.float32), source))
    raster = rasterise(mesh.triangles, np.column_stack([moved, np.zeros(len(moved))]), size)
    truth = np.where(raster.mask[..., None], sample(frame, raster.carry(source)), frame)
    difference = np.abs(canvas.finish() - truth)
    assert difference.mean() <= 1
    assert np.percentile(difference, 99.9) <= 4
    assert raster.mask.mean() > 0.3


def test_drawing_a_face_onto_itself_changes_nothing(canvas: Canvas, rng: np.random.Generator) -> None:
    frame = rng.integers(0, 256, (240, 320, 3), np.uint8)  # noise: the slightest shift would show
    source = (MESH.weights @ posed_solid(FRONTAL, 80, (160, 130))[:, :2]).astype(np.float32)
    canvas.begin(frame)
    canvas.warp(Warp(MESH, np.column_stack([source, np.zeros(len(source), np.float32)]), source))
    assert np.abs(canvas.finish().astype(int) - frame).max() <= 2


@pytest.mark.parametrize("yaw", YAWS)
def test_second_output_holds_place_confidence_and_depth(canvas: Canvas, yaw: float) -> None:
    side, size, density = 300, (256, 256), 1.7
    source = _source(side, Pose(15, 0, 0))
    position, _ = _placed(source, Pose(yaw, 0, 5), size, fill=0.42)
    flat = MESH.weights @ source[:, :2]
    texture = texture_of(np.full((side, side, 3), 200, np.uint8))
    canvas.begin(np.zeros((size[1], size[0], 3), np.uint8))
    rectangle = (10, 20, 230, 220)
    view = canvas.draw_tile(Warp(MESH, position, flat, texture, density=density), rectangle, detail=True)
    colour, detail = canvas.read_tile(view)
    texture.release()
    assert view == (230, 220)
    assert colour.shape == (220, 230, 4)
    assert detail.shape == (220, 230, 4)

    raster = rasterise(MESH.triangles, position - [10, 20, 0], view)
    drawn = colour[..., 3] > 0
    assert _iou(drawn, raster.mask) >= 0.999
    inside = raster.inside() & drawn
    assert inside.sum() > 3000
    place = (raster.carry(flat) + 0.5) / side
    half = 2.0**-11  # relative rounding of half floats, twice for what the interpolation adds
    np.testing.assert_allclose(detail[inside][:, :2], place[inside], rtol=2 * half)
    z = raster.carry(position[:, 2:])[..., 0]
    np.testing.assert_allclose(detail[inside][:, 3], z[inside], rtol=2 * half, atol=1e-3)
    sure = confidence(MESH.triangles, flat, position, density)[raster.triangle]
    np.testing.assert_allclose(detail[inside][:, 2], sure[inside], atol=0.01)
    assert (detail[~drawn & ~raster.mask] == 0).all()


def test_confidence_is_nought_where_the_source_shows_the_back(canvas: Canvas) -> None:
    """A source in profile: its far cheek is folded over, and drawn from there it must not be believed."""
    source, size = _source(300, Pose(75, 0, 0)), (256, 256)
    position = np.column_stack([MESH.uv * 250, np.zeros(len(MESH.uv))]).astype(np.float32)
    flat = MESH.weights @ source[:, :2]
    texture = texture_of(np.full((300, 300, 3), 200, np.uint8))
    canvas.begin(np.zeros((size[1], size[0], 3), np.uint8))
    view = canvas.draw_tile(Warp(MESH, position, flat, texture), (0, 0, *size), detail=True)
    _, detail = canvas.read_tile(view)
    texture.release()
    raster = rasterise(MESH.triangles, position, size)
    behind = confidence(MESH.triangles, flat, position, 1.0) == 0
    shown = raster.inside() & behind[raster.triangle]
    assert shown.sum() > 500
    assert detail[shown][:, 2].max() == 0


def _skin_truth(
    raster: Raster, warp: Warp, regions: np.ndarray, source: Pixels, live: Pixels
) -> tuple[np.ndarray, np.ndarray]:
    """Colour (H, W, 3) in 0 … 255 and alpha (H, W) of the lit, feathered surface, from its description."""
    assert warp.live is not None
    assert warp.relight is not None
    assert warp.trust is not None
    at = raster.carry(warp.mesh.uv) * [regions.shape[1], regions.shape[0]] - 0.5
    eyes, mouth, edge, _ = np.moveaxis(sample(regions, at) / 255, -1, 0)
    if warp.edges is not None:
        edge = np.where(warp.edges[raster.triangle], edge, 1)
    lit = raster.carry(warp.relight)
    drawn = sample(source, raster.carry(warp.source)) / 255
    luma = drawn @ [[0.299], [0.587], [0.114]]
    colour = np.clip(luma * lit[..., :3] + (drawn - luma) * lit[..., 3:4] + lit[..., 4:], 0, 1) * 255
    share = np.clip(eyes * warp.live_share[0] + mouth * warp.live_share[1], 0, 1)[..., None]
    if warp.openings is not None:
        share = share * warp.openings[raster.triangle][..., None]
    colour = colour * (1 - share) + sample(live, raster.carry(warp.live)) * share
    begin, end, strength = warp.side_fade
    gone = np.clip((raster.carry(warp.mesh.uv)[..., 0] - begin) / (end - begin), 0, 1)
    alpha = warp.opacity * raster.carry(warp.trust[:, None])[..., 0] * edge * (1 - strength * gone)
    return colour, np.where(raster.mask, alpha, 0)


SKINS = [
    {},
    {"live_share": (1.0, 0.0)},
    {"live_share": (0.4, 1.0)},
    {"side_fade": (0.6, 0.9, 1.0)},
    {"side_fade": (0.4, 0.1, 0.7), "opacity": 0.5},
    {"opacity": 0.6, "live_share": (1.0, 1.0)},
    {"live_share": (1.0, 1.0), "openings": np.arange(len(MESH.triangles)) % 3 == 0},
    {"live_share": (1.0, 1.0), "openings": np.zeros(len(MESH.triangles), bool)},
    {"live_share": (1.0, 1.0), "openings": np.ones(len(MESH.triangles), bool)},
    {"edges": np.arange(len(MESH.triangles)) % 2 == 0},
    {
        "live_share": (1.0, 1.0),
        "openings": np.arange(len(MESH.triangles)) % 3 == 0,
        "edges": np.arange(len(MESH.triangles)) % 6 < 4,
    },
]


@pytest.mark.parametrize("number", range(len(SKINS)))
def test_skin_is_lit_feathered_and_lets_the_live_face_through(canvas: Canvas, number: int) -> None:
    options = SKINS[number]
    size, side, rng = (320, 240), 256, np.random.default_rng(number)
    source = _source(side)
    picture, live = smooth_picture(rng, (side, side)), smooth_picture(rng, size, 20, 250)
    regions = np.dstack([smooth_picture(rng, (256, 256), 0, 255), np.full((256, 256), 255, np.uint8)])
    position, _ = _placed(source, Pose(20, 0, 0), size, fill=0.45)
    across, down = MESH.uv.T
    gains = [0.8 + 0.5 * down, 1.1 - 0.3 * across, 0.9 + 0.2 * across, 0.5 + across]
    relight = np.column_stack([*gains, 0.15 * np.sin(9 * MESH.uv), 0.1 * across])
    masks, texture = gl.Texture((256, 256)), texture_of(picture)
    masks.upload(regions)
    warp = Warp(
        MESH,
        position,
        MESH.weights @ source[:, :2],
        texture,
        live=position[:, :2] + np.float32(3.3),
        trust=(0.3 + 0.7 * MESH.uv[:, 1]).astype(np.float32),
        regions=masks,
        relight=relight.astype(np.float32),
        **options,  # type: ignore[arg-type]
    )
    canvas.begin(live)
    canvas.warp(warp)
    ours = canvas.finish()
    masks.release()
    texture.release()

    raster = rasterise(MESH.triangles, position, size)
    truth = over(live, *_skin_truth(raster, warp, regions, picture, live))
    difference = np.abs(ours - truth)
    # a tile of 8 bits lies between the two: premultiplied colour and alpha are rounded, then blended
    assert difference[raster.mask].mean() <= 1
    assert np.percentile(difference[raster.mask], 99.9) <= 4
    assert (difference[~raster.mask] <= 1).mean() > 0.999


def test_without_regions_what_goes_with_them_plays_no_part(canvas: Canvas, rng: np.random.Generator) -> None:
    source, size = _source(128), (160, 120)
    position, _ = _placed(source, FRONTAL, size)
    texture = texture_of(smooth_picture(rng, (128, 128)))
    plain = Warp(MESH, position, MESH.weights @ source[:, :2], texture)
    lit = np.full((len(MESH.uv), 7), 0.5, np.float32)
    fancy = Warp(MESH, position, plain.source, texture, relight=lit, live_share=(1, 1), side_fade=(0, 0.1, 1))
    pictures = []
    for warp in (plain, fancy):
        canvas.begin(np.zeros((120, 160, 3), np.uint8))
        canvas.warp(warp)
        pictures.append(canvas.finish())
    texture.release()
    np.testing.assert_array_equal(*pictures)


def test_trust_and_opacity_blend_with_the_frame(canvas: Canvas) -> None:
    source, size = _source(128), (160, 120)
    position, _ = _placed(source, FRONTAL, size, 0.5)
    texture = texture_of(np.full((128, 128, 3), 200, np.uint8))
    trust = np.full(len(MESH.uv), 0.5, np.float32)
    canvas.begin(np.full((120, 160, 3), 100, np.uint8))
    canvas.warp(Warp(MESH, position, MESH.weights @ source[:, :2], texture, trust=trust, opacity=0.5))
    ours = canvas.finish()
    texture.release()
    raster = rasterise(MESH.triangles, position, size)
    assert np.abs(ours[raster.inside()].astype(int) - 125).max() <= 1


@pytest.mark.parametrize("yaw", [70.0, -70.0])
@pytest.mark.parametrize("skin", [False, True])
def test_of_parts_over_each_other_only_the_nearest_is_blended(canvas: Canvas, yaw: float, skin: bool) -> None:
    """The nose before the far cheek, both half transparent: the cheek is not seen through it."""
    size, side, rng = (320, 240), 128, np.random.default_rng(4)
    source = _source(side)
    picture, live = smooth_picture(rng, (side, side)), np.full((240, 320, 3), 30, np.uint8)
    position, _ = _placed(source, Pose(yaw, -10, 5), size, 0.45)
    flat, trust = MESH.weights @ source[:, :2], np.full(len(MESH.uv), 0.5, np.float32)
    texture, regions = texture_of(picture), gl.Texture((4, 4))
    regions.upload(np.full((4, 4, 4), 255, np.uint8))
    canvas.begin(live)
    canvas.warp(Warp(MESH, position, flat, texture, trust=trust, regions=regions if skin else None))
    ours = canvas.finish()
    texture.release()
    regions.release()
    raster = rasterise(MESH.triangles, position, size)
    corners = position[MESH.triangles, :2].astype(float)
    (ax, ay), (bx, by) = (corners[:, 1] - corners[:, 0]).T, (corners[:, 2] - corners[:, 0]).T
    facing = np.maximum(ax * by - ay * bx, 0).sum() / 2
    assert facing > raster.mask.sum() + 100, "something hides something"
    truth = over(live, sample(picture, raster.carry(flat)), 0.5 * raster.mask)
    inside = raster.inside()
    assert (np.abs(ours - truth)[inside].max(axis=-1) > 4).mean() < 0.002


def test_a_face_larger_than_a_tile_is_drawn_at_lower_resolution(
    canvas: Canvas, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(canvas_module, "TILE_LIMIT", 300)
    size, side, rng = (512, 470), 256, np.random.default_rng(3)
    source = _source(side)
    picture = smooth_picture(rng, (side, side))
    position, _ = _placed(source, Pose(20, 0, 10), size, fill=0.5)
    assert np.ptp(position[:, :2], axis=0).max() > 1.3 * 300
    texture = texture_of(picture)
    canvas.begin(np.zeros((size[1], size[0], 3), np.uint8))
    flat = MESH.weights @ source[:, :2]
    canvas.warp(Warp(MESH, position, flat, texture))
    ours = canvas.finish()
    texture.release()
    raster = rasterise(MESH.triangles, position, size)
    assert _iou(ours.max(axis=2) > 30, raster.mask) >= 0.985
    both = raster.inside()
    assert np.abs(ours[both] - sample(picture, raster.carry(flat))[both]).mean() <= 1.5


@pytest.mark.parametrize(
    "centre", [(0, 60), (160, 60), (80, 0), (80, 119), (-30, -30), (190, 150)], ids=lambda centre: f"{centre}"
)
def test_a_face_across_the_edge_is_cut_there(canvas: Canvas, centre: tuple[int, int]) -> None:
    source, size, rng = _source(128), (160, 120), np.random.default_rng(5)
    picture = smooth_picture(rng, (128, 128))
    solid = posed_solid(Pose(10, 0, 0), 60, centre)
    position = np.column_stack([MESH.weights @ solid[:, :2], MESH.weights @ solid[:, 2] / 100]).astype(np.float32)
    texture, flat = texture_of(picture), MESH.weights @ source[:, :2]
    canvas.begin(np.zeros((120, 160, 3), np.uint8))
    canvas.warp(Warp(MESH, position, flat, texture))
    ours = canvas.finish()
    texture.release()
    raster = rasterise(MESH.triangles, position, size)
    assert raster.mask.any()
    drawn = ours.max(axis=2) > 30
    assert _iou(drawn, raster.mask) >= 0.995  # few pixels: one of them counts for more
    both = drawn & raster.mask
    assert np.abs(ours[both] - sample(picture, raster.carry(flat))[both]).mean() <= 1


def test_the_nearer_surface_hides_the_further_one(canvas: Canvas) -> None:
    """Two sheets of the same mesh list, crossing in depth: each pixel shows the nearer."""
    size, rng = (200, 160), np.random.default_rng(8)
    picture = smooth_picture(rng, (128, 128))
    source = (MESH.uv * 127).astype(np.float32)
    # fold the layout: the image-right half comes back over the left half, twisted in depth
    folded = np.where(MESH.uv[:, :1] > 0.5, MESH.uv * (-0.8, 1) + (0.9, 0), MESH.uv)
    depth = np.where(MESH.uv[:, 0] > 0.5, MESH.uv[:, 1] - 0.5, 0.0)
    position = np.column_stack([folded * 151.3, depth]).astype(np.float32)
    both_sides = np.concatenate([MESH.triangles, MESH.triangles[:, ::-1]])
    mesh = type(MESH)(MESH.uv, MESH.weights, both_sides)  # what is folded over shows its back
    texture = texture_of(picture)
    canvas.begin(np.zeros((160, 200, 3), np.uint8))
    canvas.warp(Warp(mesh, position, source, texture))
    ours = canvas.finish()
    texture.release()
    raster = rasterise(both_sides, position, size)
    assert (raster.triangle >= len(MESH.triangles)).sum() > 1000, "the fold covers some"
    _compare(ours.astype(float), sample(picture, raster.carry(source)), ours.max(axis=2) > 30, raster.mask)


@pytest.mark.parametrize("smooth", [False, True])
def test_a_smooth_surface_covers_pixels_at_its_edge_in_part(canvas: Canvas, smooth: bool) -> None:
    """A white triangle's brightness is the share of each pixel that it covers, to a quarter."""
    size = (96, 80)
    corners = np.array([[10.3, 8.2], [85.6, 21.7], [31.9, 70.4]], np.float32)
    whole = face_mesh()
    mesh = type(whole)(whole.uv[:3], whole.weights[:3], np.array([[0, 1, 2]], np.int32))
    canvas.smooths = True  # whatever draws
    canvas.begin(np.zeros((size[1], size[0], 3), np.uint8))
    texture = texture_of(np.full((8, 8, 3), 255, np.uint8))
    canvas.warp(Warp(mesh, np.column_stack([corners, np.zeros(3, np.float32)]), corners / 16, texture, smooth=smooth))
    ours = canvas.finish()[..., 0] / 255
    texture.release()
    fine = np.zeros((16 * size[1], 16 * size[0]), np.uint8)
    cv2.fillPoly(fine, [np.round((corners + 0.5) * 16 - 0.5).astype(np.int32)], 255)
    covered = cv2.resize(fine, size, interpolation=cv2.INTER_AREA) / 255
    edge = (covered > 0.02) & (covered < 0.98)
    assert edge.sum() > 100
    assert (ours[covered > 0.995] == 1).all()
    assert (ours[covered == 0] == 0).all()
    assert (np.abs(ours - covered)[edge].max() < 0.35) == smooth
    assert (len(np.unique(ours)) > 2) == smooth
