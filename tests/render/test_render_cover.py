"""What is in front of a drawn surface, and what its picture does not show of it, against the software rasteriser."""

from __future__ import annotations

import numpy as np
import pytest
from faces_making import Pose, posed_solid, smooth_picture, texture_of
from rasteriser import over, rasterise, sample

from realtime.geometry.crops import square_crop
from realtime.geometry.mesh import face_mesh
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.surface import Cover, Warp

MESH = face_mesh()
SIZE = (320, 240)


@pytest.mark.parametrize("opacity", [1.0, 0.5])
@pytest.mark.parametrize(("roll", "side"), [(0.0, 220.0), (25.0, 300.0), (-70.0, 120.0)])
def test_the_live_frame_shows_where_the_map_says(canvas: Canvas, roll: float, side: float, opacity: float) -> None:
    rng = np.random.default_rng(5)
    position = (MESH.weights @ posed_solid(Pose(10, 0, roll / 2), 110, (160, 125))).astype(np.float32)
    position[:, 2] = position[:, 2] / 500
    live, picture = smooth_picture(rng, SIZE), smooth_picture(rng, (200, 200))
    covered, bare = smooth_picture(rng, (48, 48), 0, 255), smooth_picture(rng, (200, 200), 0, 255)[..., 0]
    crop = square_crop(np.array([165.0, 120.0]), side, roll, 48)
    texture, map_, regions = gl.Texture((200, 200)), texture_of(covered), gl.Texture((4, 4))
    texture.upload(np.dstack([picture, bare]))
    regions.upload(np.full((4, 4, 4), 255, np.uint8))
    source = (20 + 160 * MESH.uv).astype(np.float32)
    warp = Warp(MESH, position, source, texture, regions=regions, opacity=opacity, cover=Cover(map_, crop.matrix))
    canvas.begin(live)
    canvas.warp(warp)
    ours = canvas.finish()
    for each in (texture, map_, regions):
        each.release()

    raster = rasterise(MESH.triangles, position, SIZE)
    pixels = np.dstack(np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1])))
    shown = opacity * (1 - sample(covered, crop.into(pixels))[..., 0] / 255)
    at = raster.carry(source)
    shown *= sample(bare[..., None], at)[..., 0] / 255
    truth = over(live, sample(picture, at), shown * raster.mask)
    difference = np.abs(ours - truth)
    assert difference[raster.mask].mean() <= 1
    assert np.percentile(difference[raster.mask], 99.9) <= 5
    assert (difference[~raster.mask] <= 1).mean() > 0.999


def test_without_regions_a_cover_plays_no_part(canvas: Canvas) -> None:
    position = (MESH.weights @ posed_solid(Pose(0, 0, 0), 100, (160, 120))).astype(np.float32)
    texture = texture_of(np.full((8, 8, 3), 255, np.uint8))
    pictures = []
    for cover in (None, Cover(texture, np.eye(2, 3))):
        canvas.begin(np.zeros((240, 320, 3), np.uint8))
        canvas.warp(Warp(MESH, position, position[:, :2] / 50, texture, cover=cover))
        pictures.append(canvas.finish())
    texture.release()
    np.testing.assert_array_equal(*pictures)
    assert pictures[0].any()


@pytest.mark.parametrize("centre", [(165.0, 120.0), (40.0, 40.0), (300.0, 200.0), (-200.0, 120.0), (160.0, 600.0)])
@pytest.mark.parametrize("covered", ["a spot", "its edge", "nothing"])
def test_what_the_host_knows_of_the_map_changes_no_bit(
    canvas: Canvas, centre: tuple[float, float], covered: str
) -> None:
    """Triangles that nothing covers do not look the map up: also where the face lies beyond it, whose edge goes on."""
    position = (MESH.weights @ posed_solid(Pose(30, 0, 20), 110, (160, 125))).astype(np.float32)
    position[:, 2] = position[:, 2] / 500
    values = np.zeros((24, 24), np.uint8)
    match covered:
        case "a spot":
            values[11:14, 9:12] = 255
        case "its edge":
            values[:, 0] = values[-1] = 200
    crop = square_crop(np.array(centre), 200.0, 15.0, 24)
    texture, map_ = texture_of(np.full((8, 8, 3), 255, np.uint8)), texture_of(np.dstack([values] * 3))
    regions = gl.Texture((4, 4))
    regions.upload(np.full((4, 4, 4), 255, np.uint8))
    pictures = []
    for known in (None, values):
        canvas.begin(np.zeros((240, 320, 3), np.uint8))
        cover = Cover(map_, crop.matrix, known)
        canvas.warp(Warp(MESH, position, position[:, :2] / 50, texture, regions=regions, cover=cover))
        pictures.append(canvas.finish())
    for each in (texture, map_, regions):
        each.release()
    np.testing.assert_array_equal(*pictures)
    reached = Cover(map_, crop.matrix, values).reaches(MESH.triangles, position)
    assert reached is not None
    if covered == "nothing":
        assert not reached.any()
    elif covered == "a spot" and centre == (165.0, 120.0):
        assert 0 < reached.mean() < 0.3
