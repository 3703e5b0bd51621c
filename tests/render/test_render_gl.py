"""One test per idea of the OpenGL layer, on bytes."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest

from realtime.errors import GraphicsError
from realtime.geometry.mesh import Mesh
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.render.context import Context

from OpenGL import GL  # isort: skip  (after realtime.render, which chooses PyOpenGL's platform)


def _rgba(rng: np.random.Generator, width: int, height: int) -> np.ndarray:
    return rng.integers(0, 256, (height, width, 4), np.uint8)


def _square(corners: list[list[float]]) -> Mesh:
    """Two clockwise triangles over the top-left, top-right, bottom-left and bottom-right corner."""
    uv = np.array(corners, np.float32)
    return Mesh(uv, np.eye(4, dtype=np.float32), np.array([[0, 1, 2], [1, 3, 2]], np.int32))


UNIT = _square([[0, 0], [1, 0], [0, 1], [1, 1]])


# --- the objects ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 5), (64, 2), (97, 131)])
def test_upload_and_read_give_the_same_bytes_top_row_first(
    canvas: Canvas, rng: np.random.Generator, width: int, height: int
) -> None:
    picture = _rgba(rng, width, height)
    target = gl.Target((width, height))
    target.texture.upload(picture)
    np.testing.assert_array_equal(target.read(), picture)
    out = np.empty_like(picture)
    assert target.read(out) is out
    np.testing.assert_array_equal(out, picture)
    target.release()


def test_row_0_is_the_row_that_ndc_minus_one_draws_to(canvas: Canvas) -> None:
    target = gl.Target((2, 3))
    target.bind((2, 1))  # the top row alone
    target.clear()
    GL.glEnable(GL.GL_SCISSOR_TEST)
    GL.glScissor(0, 0, 2, 1)
    GL.glClearColor(1, 0, 0, 1)
    GL.glClear(GL.GL_COLOR_BUFFER_BIT)
    GL.glDisable(GL.GL_SCISSOR_TEST)
    red = target.read()[..., 0]
    np.testing.assert_array_equal(red, [[255, 255], [0, 0], [0, 0]])
    target.release()


def test_a_floating_texture_keeps_half_floats(canvas: Canvas, rng: np.random.Generator) -> None:
    target = gl.Target((7, 4), floating=True)
    values = rng.uniform(-2, 2, (4, 7, 4)).astype(np.float16).astype(np.float32)
    target.textures[1].upload(values)
    np.testing.assert_array_equal(target.read_floating(), values)
    target.release()


def test_clear_makes_both_outputs_transparent_black(canvas: Canvas, rng: np.random.Generator) -> None:
    target = gl.Target((5, 4), floating=True, depth=True)
    target.texture.upload(_rgba(rng, 5, 4))
    target.bind()
    target.clear()
    assert not target.read().any()
    assert not target.read_floating().any()
    target.release()


def test_copy_from_copies_every_pixel(canvas: Canvas, rng: np.random.Generator) -> None:
    one, other, picture = gl.Target((9, 6)), gl.Target((9, 6), depth=True), _rgba(rng, 9, 6)
    one.texture.upload(picture)
    other.copy_from(one)
    np.testing.assert_array_equal(other.read(), picture)
    one.release()
    other.release()


def test_mipmaps_average(canvas: Canvas) -> None:
    texture = gl.Texture((64, 64), mipmaps=True)
    stripes = np.zeros((64, 64, 4), np.uint8)
    stripes[:, ::2] = 255
    texture.upload(stripes)
    canvas.begin(np.zeros((4, 4, 3), np.uint8))
    canvas.place(texture, (0, 0, 4, 4))
    assert np.abs(canvas.finish().astype(int) - 128).max() <= 2
    texture.release()


def test_release_is_idempotent_and_frees_the_names(canvas: Canvas) -> None:
    texture, target = gl.Texture((4, 4)), gl.Target((4, 4), floating=True, depth=True)
    mesh, program = gl.Mesh((2,), np.array([[0, 1]])), gl.Program("paint", "paint")
    names = [
        (GL.glIsTexture, texture.id),
        *((GL.glIsTexture, part.id) for part in target.textures),
        (GL.glIsFramebuffer, target.id),
        (GL.glIsVertexArray, mesh.id),
        (GL.glIsProgram, program.id),
    ]
    GL.glBindVertexArray(mesh.id)  # names become objects when they are first bound
    GL.glBindVertexArray(0)
    assert all(check(name) for check, name in names)
    for thing in (texture, target, mesh, program):
        thing.release()
        thing.release()
    GL.glUseProgram(0)
    assert not any(check(name) for check, name in names)


def _alive() -> int:
    """How many of the names that GL has given so far are objects."""
    checks = (GL.glIsTexture, GL.glIsFramebuffer, GL.glIsRenderbuffer, GL.glIsBuffer, GL.glIsVertexArray)
    checks += (GL.glIsProgram, GL.glIsShader)
    return sum(bool(check(name)) for check in checks for name in range(1, 1000))


def test_nothing_leaks_over_many_frame_sizes_and_canvases(rng: np.random.Generator) -> None:
    with Context():
        before = _alive()
        canvas = Canvas()
        canvas.begin(_rgba(rng, 8, 8)[..., :3])
        steady = _alive()
        for number in range(200):
            canvas.begin(_rgba(rng, 8 + number % 7, 8 + number % 5)[..., :3].copy())
            canvas.finish()
        assert _alive() == steady
        canvas.release()
        canvas.release()
        for _ in range(20):
            canvas = Canvas()
            canvas.begin(np.zeros((6, 5, 3), np.uint8))
            canvas.paint(UNIT, np.zeros((4, 3), np.float32), np.zeros((4, 4), np.float32))
            canvas.release()
        GL.glUseProgram(0)
        assert _alive() == before


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("#version 330 core\nvoid main() { nonsense }\n", r"shader broken\.frag does not compile: .+"),
        ("#version 330 core\nin vec3 passed; out vec4 c;\nvoid main() { c = passed.xyzz; }\n", "do not link: .+"),
    ],
)
def test_a_broken_shader_is_one_clear_error(
    canvas: Canvas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str
) -> None:
    (tmp_path / "plain.vert").write_text(
        "#version 330 core\nout vec2 passed;\nvoid main() { passed = vec2(1); gl_Position = vec4(0); }\n"
    )
    (tmp_path / "broken.frag").write_text(text)
    monkeypatch.setattr(gl, "SHADERS", tmp_path)
    with pytest.raises(GraphicsError, match=message):
        gl.Program("plain", "broken")


@pytest.mark.parametrize("defines", [(), ("SKIN",), ("SKIN", "LIVE"), ("DETAIL",), ("SKIN", "LIVE", "DETAIL")])
def test_every_variant_of_the_warp_compiles(canvas: Canvas, defines: tuple[str, ...]) -> None:
    gl.Program("warp", "warp", defines).release()


def test_a_gl_error_is_raised_where_it_happens(canvas: Canvas) -> None:
    with pytest.raises(GL.GLError):
        GL.glEnable(0xDEAD)
    with pytest.raises(GL.GLError):
        gl.Texture((-1, 4))


# --- contexts ---------------------------------------------------------------------------------------------------------


def _drawn_grey(level: int) -> int:
    with Context() as context:
        assert context.description
        canvas = Canvas()
        canvas.begin(np.full((3, 4, 3), level, np.uint8))
        value = int(canvas.finish()[1, 1, 1])
        canvas.release()
    return value


def test_a_context_opens_twice_in_one_process_and_is_given_back_twice() -> None:
    assert _drawn_grey(7) == 7
    assert _drawn_grey(9) == 9
    context = Context()
    context.release()
    context.release()


def test_contexts_on_two_threads_do_not_mix() -> None:
    found: dict[int, int] = {}
    ready = threading.Barrier(2, timeout=30)

    def work(level: int) -> None:
        with Context():
            canvas = Canvas()
            canvas.begin(np.full((3, 4, 3), level, np.uint8))
            ready.wait()
            found[level] = int(canvas.finish()[0, 0, 0])
            canvas.release()

    threads = [threading.Thread(target=work, args=(level,)) for level in (50, 150)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {50: 50, 150: 150}
    assert _drawn_grey(3) == 3, "and this thread still draws"


# --- the canvas -------------------------------------------------------------------------------------------------------


def test_an_untouched_frame_comes_out_as_it_went_in(canvas: Canvas, rng: np.random.Generator) -> None:
    for height, width in ((5, 7), (5, 7), (1, 1), (480, 641), (3, 2)):  # the size may change between frames
        pixels = rng.integers(0, 256, (height, width, 3), np.uint8)
        canvas.begin(pixels)
        assert canvas.size == (width, height)
        finished = canvas.finish()
        np.testing.assert_array_equal(finished, pixels)
        assert finished.flags.c_contiguous


def test_a_finished_picture_is_not_written_into_later(canvas: Canvas) -> None:
    canvas.begin(np.full((4, 4, 3), 10, np.uint8))
    first = canvas.finish()
    canvas.begin(np.full((4, 4, 3), 20, np.uint8))
    canvas.finish()
    assert (first == 10).all()


def test_place_puts_each_pixel_of_a_picture_on_its_own(canvas: Canvas, rng: np.random.Generator) -> None:
    picture = _rgba(rng, 5, 3)
    picture[..., 3] = 255
    texture = gl.Texture((5, 3))
    texture.upload(picture)
    frame = rng.integers(0, 256, (10, 12, 3), np.uint8)
    canvas.begin(frame)
    canvas.place(texture, (4, 6, 5, 3))
    expected = frame.copy()
    expected[6:9, 4:9] = picture[..., :3]
    np.testing.assert_array_equal(canvas.finish(), expected)
    texture.release()


@pytest.mark.parametrize("opacity", [0.0, 0.25, 1.0])
def test_place_blends_premultiplied(canvas: Canvas, rng: np.random.Generator, opacity: float) -> None:
    picture = _rgba(rng, 6, 6)
    picture[..., :3] = np.minimum(picture[..., :3], picture[..., 3:])
    texture = gl.Texture((6, 6))
    texture.upload(picture)
    frame = rng.integers(0, 256, (6, 6, 3), np.uint8)
    canvas.begin(frame)
    canvas.place(texture, (0, 0, 6, 6), opacity)
    share = picture[..., 3:] / 255 * opacity
    expected = picture[..., :3] * opacity + frame * (1 - share)
    assert np.abs(canvas.finish() - expected).max() <= 1.5  # two roundings
    texture.release()


def test_place_stretches_a_picture_evenly(canvas: Canvas) -> None:
    texture = gl.Texture((2, 1))
    texture.upload(np.array([[[0, 0, 0, 255], [255, 255, 255, 255]]], np.uint8))
    canvas.begin(np.zeros((1, 8, 3), np.uint8))
    canvas.place(texture, (0, 0, 8, 1))
    # linear between the centres at a quarter and three quarters, edges repeated
    expected = 255 * np.clip((np.arange(8) + 0.5 - 2) / 4, 0, 1)
    assert np.abs(canvas.finish()[0, :, 0] - expected).max() <= 1
    texture.release()


def test_dots_are_squares_around_pixel_centres(canvas: Canvas) -> None:
    canvas.begin(np.zeros((9, 12, 3), np.uint8))
    canvas.dots(
        np.array([[3, 4], [9, 1]], np.float32), np.array([[1, 0, 0, 1], [0, 0.5, 0, 0.5]], np.float32), diameter=3.0
    )
    expected = np.zeros((9, 12, 3), np.uint8)
    expected[3:6, 2:5, 0] = 255
    expected[0:3, 8:11, 1] = 128
    assert np.abs(canvas.finish().astype(int) - expected).max() <= 1


def test_a_point_covers_a_pixel_and_a_line_the_pixels_between(canvas: Canvas) -> None:
    canvas.begin(np.zeros((7, 10, 3), np.uint8))
    white = np.ones((3, 4), np.float32)
    canvas.lines(np.array([[0, 1], [1, 2]], np.int32), np.array([[1, 2], [8, 2], [8, 6]], np.float32), white)
    canvas.dots(np.array([[4, 5]], np.float32), white[:1], 1.0)
    lit = canvas.finish()[..., 0] == 255
    assert lit[2, 2:8].all()
    assert lit[3:6, 8].all()
    assert lit[5, 4]
    assert lit.sum() <= 7 + 5 + 1  # GL leaves the last pixel of a line open


def test_lines_and_dots_blend(canvas: Canvas) -> None:
    canvas.begin(np.full((3, 8, 3), 100, np.uint8))
    half = np.full((2, 4), 0.5, np.float32)
    canvas.lines(np.array([[0, 1]], np.int32), np.array([[0, 1], [7, 1]], np.float32), half)
    assert np.abs(canvas.finish()[1, 2:6].astype(int) - 178).max() <= 1


def _sheet(left: float, right: float, near: tuple[float, float]) -> np.ndarray:
    """Corners of a sheet over the rows 0 to 7, with a depth at the top and at the bottom."""
    top, bottom = near
    return np.array([[left, -1, top], [right, -1, top], [left, 8, bottom], [right, 8, bottom]], np.float32)


def test_paint_shows_the_nearest_whatever_the_order(canvas: Canvas) -> None:
    red, green = (np.tile(np.array(colour, np.float32), (4, 1)) for colour in ([1, 0, 0, 1], [0, 1, 0, 1]))
    triangles = np.concatenate([UNIT.triangles, UNIT.triangles + 4])
    for order in (triangles, triangles[::-1].copy()):
        mesh = Mesh(np.zeros((8, 2), np.float32), np.eye(8, dtype=np.float32), order)
        canvas.begin(np.zeros((8, 8, 3), np.uint8))
        both = np.vstack([_sheet(-1, 8, (-0.9, 0.9)), _sheet(2.5, 8, (0.0, 0.0))])
        canvas.paint(mesh, both, np.vstack([red, green]))
        picture = canvas.finish()
        assert (picture[:, :2] == [255, 0, 0]).all()
        assert (picture[:3, 4:] == [255, 0, 0]).all(), "above, the slanted red sheet is nearer"
        assert (picture[5:, 4:] == [0, 255, 0]).all(), "below, the level green one"


def test_paint_again_covers_what_was_painted_before(canvas: Canvas) -> None:
    canvas.begin(np.zeros((8, 8, 3), np.uint8))
    for colour, depth in (([1, 0, 0, 1], -0.5), ([0, 0, 1, 1], 0.5)):
        canvas.paint(UNIT, _sheet(-1, 8, (depth, depth)), np.tile(np.array(colour, np.float32), (4, 1)))
    assert (canvas.finish() == [0, 0, 255]).all(), "depth counts within a surface, order between surfaces"


def test_paint_leaves_out_back_faces(canvas: Canvas) -> None:
    canvas.begin(np.zeros((8, 8, 3), np.uint8))
    mirrored = _sheet(8, -1, (0, 0))
    canvas.paint(UNIT, mirrored, np.ones((4, 4), np.float32))
    assert not canvas.finish().any()


def test_paint_blends_vertex_colours(canvas: Canvas) -> None:
    canvas.begin(np.full((8, 8, 3), 200, np.uint8))
    colour = np.zeros((4, 4), np.float32)
    colour[[1, 3]] = [0, 0, 0, 1]  # from nothing at the left to opaque black at the right
    canvas.paint(UNIT, _sheet(-0.5, 7.5, (0, 0)), colour)
    expected = 200 * (1 - (np.arange(8) + 0.5) / 8)
    assert np.abs(canvas.finish()[4, :, 0] - expected).max() <= 1


def test_a_mesh_with_other_indices_is_not_mistaken_for_the_last_one(canvas: Canvas) -> None:
    """Index lists are remembered by identity: short-lived ones must not be confused."""
    white = np.ones((4, 4), np.float32)
    for half in ([0, 1, 2], [1, 3, 2]) * 20:
        mesh = Mesh(UNIT.uv, UNIT.weights, np.array([half], np.int32))
        canvas.begin(np.zeros((8, 8, 3), np.uint8))
        canvas.paint(mesh, _sheet(-0.5, 7.5, (0, 0)), white)
        lit = canvas.finish()[..., 0] > 0
        assert lit[0, 0] == (half[0] == 0)
        assert lit[7, 7] == (half[0] == 1)
        del mesh
