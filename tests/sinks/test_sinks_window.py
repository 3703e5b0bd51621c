"""The window on a virtual X server: its pixels as the server holds them, and real key and mouse events."""

from __future__ import annotations

import ctypes
import os
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from realtime.controls import Action, Controls, Mode, Settings
from realtime.frame import Pixels
from realtime.sinks import open_sink
from realtime.sinks.base import SinkOptions

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Xvfb is a program of Linux"),
    pytest.mark.skipif(shutil.which("Xvfb") is None, reason="Xvfb is not installed: apt install xvfb"),
]
needs_xdotool = pytest.mark.skipif(
    shutil.which("xdotool") is None, reason="xdotool is not installed: apt install xdotool"
)
SCREEN = (640, 480)


class Screen:
    """A virtual X server and a view of its memory."""

    def __init__(self, folder: Path) -> None:
        read_end, write_end = os.pipe()
        options = f"-displayfd {write_end} -screen 0 {SCREEN[0]}x{SCREEN[1]}x24 -nolisten tcp -fbdir".split()
        self.process = subprocess.Popen(
            ["Xvfb", *options, str(folder)], pass_fds=[write_end], stderr=subprocess.DEVNULL
        )
        os.close(write_end)
        with os.fdopen(read_end) as numbers:
            self.display = f":{numbers.readline().strip()}"
        self._file = folder / "Xvfb_screen0"

    def picture(self) -> Pixels:
        """(H, W, 3) RGB: the screen now, from the X window dump that the server maps its memory to."""
        data = self._file.read_bytes()
        header = struct.unpack_from(">25I", data)
        width, height, row, colours = header[4], header[5], header[12], header[19]
        rows = np.frombuffer(data, np.uint8, row * height, header[0] + 12 * colours).reshape(height, row)
        return rows[:, : 4 * width].reshape(height, width, 4)[..., 2::-1]

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


@pytest.fixture(scope="module")
def screen(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Screen]:
    import glfw

    screen = Screen(tmp_path_factory.mktemp("screen"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DISPLAY", screen.display)
        patch.delenv("WAYLAND_DISPLAY", raising=False)
        yield screen
        glfw.terminate()  # before its server goes
    screen.close()


class Shown:
    """An open window with its controls."""

    def __init__(self, screen: Screen, size: tuple[int, int] | None, hud: Callable[[], list[str]], **settings) -> None:
        import glfw

        self.controls = Controls(Settings(**settings))
        self.sink = open_sink("window", SinkOptions(live=True, rate=30.0, size=size), self.controls, hud)
        self._screen, self._glfw = screen, glfw

    @property
    def size(self) -> tuple[int, int]:
        return self._glfw.get_window_size(self.sink._window)

    def picture(self) -> Pixels:
        self.sink.pump()
        left, top = self._glfw.get_window_pos(self.sink._window)
        width, height = self.size
        return self._screen.picture()[top : top + height, left : left + width]

    def wait_for(self, condition: Callable[[Pixels], bool]) -> Pixels:
        """Pump until the window's pixels meet the condition (the server takes a moment)."""
        for _ in range(400):
            picture = self.picture()
            if condition(picture):
                return picture
            time.sleep(0.01)
        pytest.fail("the window never showed it")

    def pump_until(self, condition: Callable[[Settings], bool]) -> None:
        for _ in range(400):
            self.sink.pump()
            if condition(self.controls.settings):
                return
            time.sleep(0.01)
        pytest.fail(f"the event never arrived: {self.controls.settings}")

    def xdotool(self, *words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], check=True)


@pytest.fixture
def show(screen: Screen) -> Iterator[Callable[..., Shown]]:
    windows: list[Shown] = []

    def make(size: tuple[int, int] | None = (320, 240), hud: Callable[[], list[str]] = list, **settings) -> Shown:
        windows.append(Shown(screen, size, hud, **settings))
        return windows[-1]

    yield make
    for shown in windows:
        shown.sink.close()


def near(picture: Pixels, expected: Pixels, border: int = 4) -> bool:
    """Equal but for rounding, away from the edges of the test card's quarters (they are interpolated)."""
    if picture.shape != expected.shape:
        return False
    height, width = picture.shape[:2]
    rows = np.abs(np.arange(height) - height / 2) > border
    columns = np.abs(np.arange(width) - width / 2) > border
    return bool((np.abs(picture.astype(int) - expected)[rows][:, columns] <= 2).all())


@pytest.mark.parametrize("scale", [1, 2, 0.5])
@pytest.mark.parametrize("mirror", [False, True])
def test_colours_orientation_and_mirror(show, card, make_result, scale, mirror) -> None:
    shown = show((320, 240), mirror=mirror)
    shown.sink.write(make_result(card(int(320 * scale), int(240 * scale))))
    expected = card(320, 240)[:, ::-1] if mirror else card(320, 240)
    shown.wait_for(lambda picture: near(picture, expected))


def test_pixels_one_to_one_are_exact(show, rng, make_result) -> None:
    pixels = rng.integers(0, 256, (240, 320, 3), dtype=np.uint8)
    shown = show((320, 240))
    shown.sink.write(make_result(pixels))
    shown.wait_for(lambda picture: np.array_equal(picture, pixels))


@pytest.mark.parametrize(
    ("frame", "bars"),
    [((200, 100), np.s_[[*range(39), *range(201, 240)], :]), ((50, 100), np.s_[:, [0, 90, 230, 319]])],
)
def test_the_shape_is_kept_between_black_bars(show, make_result, frame, bars) -> None:
    shown = show((320, 240))
    shown.sink.write(make_result(np.full((frame[1], frame[0], 3), 255, np.uint8)))
    picture = shown.wait_for(lambda picture: bool(picture[120, 160].min() == 255))
    assert (picture[bars] == 0).all()
    area = 320 * 160 if frame == (200, 100) else 120 * 240
    assert abs(int((picture[..., 0] > 127).sum()) - area) < 700


def test_the_first_frame_sets_the_size_where_none_was_given(show, make_result, card) -> None:
    shown = show(None)
    shown.sink.write(make_result(card(300, 200)))
    shown.wait_for(lambda picture: shown.size == (300, 200) and near(picture, card(300, 200)))


def test_a_large_frame_fits_on_the_screen(show, make_result, card) -> None:
    shown = show((3840, 2160))
    assert shown.size[0] <= SCREEN[0] and shown.size[1] <= SCREEN[1]
    assert shown.size[0] / shown.size[1] == pytest.approx(16 / 9, abs=0.02)
    shown.sink.write(make_result(card(3840, 2160)))
    shown.wait_for(lambda picture: near(picture, card(*shown.size)))


def test_only_the_newest_frame_is_drawn(show, make_result) -> None:
    shown = show()

    def write() -> None:
        for value in range(256):
            shown.sink.write(make_result(np.full((24, 32, 3), value, np.uint8)))

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive():
        shown.sink.pump()
    shown.wait_for(lambda picture: bool((picture == 255).all()))


def test_figures_and_help_are_drawn_over_the_picture(show, make_result) -> None:
    lines = ["29.9 frames/s", "latency 24 ms"]
    shown = show((480, 360), hud=lambda: lines)
    shown.sink.write(make_result(np.full((36, 48, 3), 120, np.uint8)))
    with_hud = shown.wait_for(lambda picture: bool((picture[:60, :120] > 200).any()))
    assert (with_hud[:60, :120] < 80).any() and (with_hud[100:] == 120).all()  # dark plate; nothing elsewhere
    shown.controls.act(Action.HUD)
    shown.wait_for(lambda picture: bool((picture == 120).all()))
    shown.controls.act(Action.HELP)
    help_page = shown.wait_for(lambda picture: bool((picture[150:210, 200:280] > 200).any()))
    assert (help_page != 120).any(axis=2).mean() > 0.2
    assert (help_page[:8] == 120).all() and (help_page[-8:] == 120).all()
    shown.controls.act(Action.HELP)
    shown.controls.act(Action.HUD)
    lines[0] = "a longer line than the one before it"
    shown.wait_for(lambda picture: bool((picture[:60, 140:200] != 120).any()))


@pytest.mark.parametrize("size", [(40, 30), (200, 20), (20, 200)])
def test_text_in_a_tiny_window(show, make_result, card, size) -> None:
    shown = show(size, hud=lambda: ["figures"] * 5, help=True)
    shown.sink.write(make_result(card(64, 64)))
    shown.wait_for(lambda picture: bool(picture.any()))


@needs_xdotool
@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("m", {"mode": Mode.DEPTH}),
        ("n", {"mode": Mode.FRONTALISE}),
        ("x", {"mirror": True}),
        ("i", {"hud": False}),
        ("h", {"help": True}),
        ("f", {"face": 1}),
        ("r", {"recording": False}),
        ("s", {"snapshots": 1}),
        ("p", {"surfaces": 1}),
        ("l", {"relight": True}),
        ("space", {"frozen": True}),
        ("w", {"sweep": True}),
        ("e", {"expression": 0.0}),
        ("Left", {"yaw": -5.0}),
        ("Right", {"yaw": 5.0}),
        ("Up", {"pitch": 5.0}),
        ("Down", {"pitch": -5.0}),
        ("comma", {"roll": -5.0}),
        ("period", {"roll": 5.0}),
        ("F11", {"fullscreen": True}),
        ("q", {"quit": True}),
        ("Escape", {"quit": True}),
    ],
)
def test_keys(show, key, expected) -> None:
    shown = show()
    shown.sink.pump()
    shown.xdotool("mousemove", 100, 100, "key", key)
    shown.pump_until(lambda settings: all(getattr(settings, name) == value for name, value in expected.items()))
    assert shown.controls.settings == Settings(**expected)


@needs_xdotool
def test_a_key_held_down_turns_on_and_toggles_once(show) -> None:
    shown = show()
    shown.sink.pump()
    shown.xdotool("mousemove", 100, 100, "keydown", "Right")
    shown.pump_until(lambda settings: settings.yaw >= 20)
    shown.xdotool("keyup", "Right", "keydown", "x", "sleep", 1, "keyup", "x", "key", "f")
    shown.pump_until(lambda settings: settings.face == 1)
    assert shown.controls.settings.mirror


@needs_xdotool
def test_keys_with_control_are_left_to_the_desktop(show) -> None:
    shown = show()
    shown.sink.pump()
    shown.xdotool("mousemove", 100, 100, "key", "ctrl+q", "key", "f")
    shown.pump_until(lambda settings: settings.face == 1)
    assert not shown.controls.settings.quit


@needs_xdotool
@pytest.mark.parametrize("mirror", [False, True])
def test_a_drag_turns_the_face_after_the_mouse(show, mirror) -> None:
    """A quarter of the window's width is 30 degrees; in a mirror the picture's right is seen on the left."""
    shown = show((320, 240), mirror=mirror)
    shown.sink.pump()
    shown.xdotool("mousemove", 100, 100, "mousedown", 1, "mousemove", 180, 60, "mouseup", 1, "mousemove", 10, 10)
    shown.xdotool("key", "f")
    shown.pump_until(lambda settings: settings.face == 1)
    settings = shown.controls.settings
    assert settings.yaw == pytest.approx(-30 if mirror else 30, abs=0.5)
    assert settings.pitch == pytest.approx(15, abs=0.5)


@needs_xdotool
def test_arrows_in_a_mirror_turn_to_the_side_seen(show) -> None:
    shown = show(mirror=True)
    shown.sink.pump()
    shown.xdotool("mousemove", 100, 100, "key", "Left")
    shown.pump_until(lambda settings: settings.yaw == 5.0)


def test_fullscreen_and_back(show, make_result, card) -> None:
    shown = show((320, 240))
    shown.sink.write(make_result(card(320, 240)))
    shown.controls.act(Action.FULLSCREEN)
    shown.wait_for(lambda picture: shown.size == SCREEN and near(picture, card(*SCREEN)))
    shown.controls.act(Action.FULLSCREEN)
    shown.wait_for(lambda picture: shown.size == (320, 240) and near(picture, card(320, 240)))


def test_the_close_button_asks_to_quit(show) -> None:
    import glfw

    class ClientMessage(ctypes.Structure):
        """XClientMessageEvent of Xlib, padded to the size of XEvent."""

        _fields_ = [
            ("type", ctypes.c_int),
            ("serial", ctypes.c_ulong),
            ("send_event", ctypes.c_int),
            ("display", ctypes.c_void_p),
            ("window", ctypes.c_ulong),
            ("message_type", ctypes.c_ulong),
            ("format", ctypes.c_int),
            ("data", ctypes.c_long * 19),
        ]

    shown = show()
    x11 = ctypes.CDLL("libX11.so.6")
    x11.XInternAtom.restype = ctypes.c_ulong
    display = ctypes.c_void_p(ctypes.cast(glfw.get_x11_display(), ctypes.c_void_p).value)
    window = glfw.get_x11_window(shown.sink._window)
    protocols = x11.XInternAtom(display, b"WM_PROTOCOLS", 0)
    event = ClientMessage(type=33, window=window, message_type=protocols, format=32)
    event.data[0] = x11.XInternAtom(display, b"WM_DELETE_WINDOW", 0)
    x11.XSendEvent(display, ctypes.c_ulong(window), 0, 0, ctypes.byref(event))
    x11.XFlush(display)
    shown.pump_until(lambda settings: settings.quit)


def test_closed_on_another_thread_it_goes_with_the_next_pump(show, make_result, card) -> None:
    shown = show()
    shown.sink.write(make_result(card(320, 240)))
    shown.sink.pump()
    closer = threading.Thread(target=shown.sink.close)
    closer.start()
    closer.join()
    assert shown.sink._window is not None
    shown.sink.pump()
    assert shown.sink._window is None
    shown.sink.pump()
    shown.sink.close()


def test_an_off_screen_context_on_another_thread_is_left_alone(show, make_result, card, rng) -> None:
    """The renderer draws with a context of its own while the window presents."""
    from realtime.render.context import Context
    from realtime.render.gl import Target

    shown = show()
    go_on, errors = threading.Event(), []

    def draw() -> None:
        try:
            with Context():
                target = Target((64, 48))
                while not go_on.is_set():
                    picture = rng.integers(0, 256, (48, 64, 4), dtype=np.uint8)
                    target.texture.upload(picture)
                    assert np.array_equal(target.read(), picture)
                target.release()
        except BaseException as error:  # noqa: BLE001  raised on the main thread below
            errors.append(error)

    renderer = threading.Thread(target=draw)
    renderer.start()
    for index in range(30):
        pixels = np.roll(card(320, 240), 5 * index, axis=1)
        shown.sink.write(make_result(pixels))
        shown.wait_for(lambda picture, pixels=pixels: np.array_equal(picture, pixels))
    go_on.set()
    renderer.join()
    assert not errors


def test_without_a_display_there_is_one_sentence() -> None:
    code = (
        "from realtime.controls import Controls; from realtime.sinks import open_sink;"
        "from realtime.sinks.base import SinkOptions; from realtime.errors import OutputError\n"
        "try: open_sink('window', SinkOptions(True, 30.0), Controls())\n"
        "except OutputError as error: print(error)"
    )
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert result.stderr == ""
    assert result.stdout.startswith("The window cannot be opened (") and "--sink out.mp4" in result.stdout
    assert result.stdout.count("\n") == 1
