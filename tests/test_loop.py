"""The loop with small sources, stages and sinks whose pace the tests decide (no sleeping, no wall-clock asserts)."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from realtime.controls import Action, Controls, Mode, Settings
from realtime.errors import DeviceLostError, FacetError, InputError, OutputError
from realtime.frame import Face, Frame, Pose, Result
from realtime.loop import Loop
from realtime.sinks.base import Sink
from realtime.sources.base import Source
from realtime.stop import StopSignal
from realtime.timing import Meter


def picture(index: int) -> Frame:
    depth = np.full((4, 6), index, np.uint16)
    return Frame(np.full((4, 6, 3), index % 256, np.uint8), index, index / 30, time.perf_counter(), depth=depth)


class Given(Source):
    """Gives frames; `before(index)` runs ahead of each and may wait or raise."""

    size = (6, 4)
    rate = 30.0

    def __init__(self, frames: int | None, live: bool = False, before: Callable[[int], object] = int) -> None:
        self.frames, self.live, self._before = frames, live, before
        self.closed = threading.Event()

    def __iter__(self) -> Iterator[Frame]:
        for index in count() if self.frames is None else range(self.frames):
            self._before(index)
            if self.closed.is_set():
                return
            yield picture(index)

    def close(self) -> None:
        self.closed.set()


class OneFace:
    """Finds one face everywhere; `before(index)` may wait or raise."""

    def __init__(self, before: Callable[[int], object] = int) -> None:
        self._before = before
        self.seen: list[int] = []
        self.closed_on: str | None = None

    def analyse(self, frame: Frame) -> tuple[Face, ...]:
        self._before(frame.index)
        self.seen.append(frame.index)
        points = np.full((81, 2), frame.index, np.float32)
        return (Face(1, points, np.ones(81, np.float32), 1.0, Pose(0, 0, 0)),)

    def close(self) -> None:
        self.closed_on = threading.current_thread().name


class Negative:
    """Draws the negative, on whatever thread it is used; notes the threads."""

    def __init__(self, before: Callable[[int], object] = int, opening: Callable[[], object] = int) -> None:
        self._before, self._opening = before, opening
        self.threads: list[str] = []
        self.modes: list[Mode] = []

    def open(self) -> None:
        self.threads.append(threading.current_thread().name)
        self._opening()

    def draw(self, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> Result:
        self._before(frame.index)
        self.threads.append(threading.current_thread().name)
        self.modes.append(settings.mode)
        return Result(replace(frame, pixels=255 - frame.pixels), faces, parts_s={"prepare": 0.25})

    def close(self) -> None:
        self.threads.append(threading.current_thread().name)


class Kept(Sink):
    """Keeps what it gets; `before(index)` may wait or raise."""

    def __init__(self, name: str = "kept", lossless: bool = True, before: Callable[[int], object] = int) -> None:
        self.name, self.lossless, self._before = name, lossless, before
        self.recorder = name == "recorder"
        self.results: list[Result] = []
        self.got = threading.Semaphore(0)
        self.closed = 0

    def write(self, result: Result) -> None:
        assert not self.closed
        self._before(result.frame.index)
        self.results.append(result)
        self.got.release()

    def close(self) -> None:
        self.closed += 1

    @property
    def indices(self) -> list[int]:
        return [result.frame.index for result in self.results]


def raising(error: BaseException, at: int = 5) -> Callable[[int], None]:
    def before(index: int) -> None:
        if index >= at:  # a live source may have dropped that very frame
            raise error

    return before


def test_a_file_loses_and_reorders_nothing() -> None:
    sinks = [Kept("a"), Kept("b")]
    renderer = Negative()
    outcome = Loop(Given(200), OneFace(), renderer, sinks, Controls()).run()
    for sink in sinks:
        assert sink.indices == list(range(200))
        assert sink.closed == 1
    for result in sinks[0].results:
        assert result.frame.pixels[0, 0, 0] == 255 - result.frame.index % 256
        assert result.faces[0].points[0, 0] == result.frame.index
    assert (outcome.frames_in, outcome.frames_out, sum(outcome.dropped.values())) == (200, 200, 0)
    assert {lane.sink.name: (lane.written, lane.slot.dropped) for lane in outcome.lanes} == {
        "a": (200, 0),
        "b": (200, 0),
    }
    assert outcome.timings["render prepare"].total_s == 200 * 0.25
    assert {"analyse", "render", "sink a", "sink b"} <= {name for name, _ in outcome.timings.items()}
    assert set(renderer.threads) == {"render"}


def test_the_window_of_a_file_may_skip_but_ends_on_the_last_frame() -> None:
    blocked = threading.Event()
    recorder = Kept("recorder")
    window = Kept("window", lossless=False, before=lambda index: blocked.wait(10) if index == 0 else None)
    source = Given(50, before=lambda index: blocked.set() if index == 49 else None)
    outcome = Loop(source, OneFace(), Negative(), [window, recorder], Controls()).run()
    assert recorder.indices == list(range(50))
    assert window.indices == sorted(window.indices)
    assert window.indices[-1] == 49
    assert outcome.lanes[0].slot.dropped == 0


def test_behind_a_live_source_the_newest_frame_wins_and_drops_are_counted() -> None:
    busy, release = threading.Event(), threading.Event()

    def slow(index: int) -> None:
        if index == 0:
            busy.set()
            assert release.wait(10)

    def pace(index: int) -> None:
        if index == 1:
            assert busy.wait(10)
        if index == 30:
            release.set()

    analyser = OneFace(slow)
    sink = Kept(lossless=False)
    source = Given(31, live=True, before=pace)
    outcome = Loop(source, analyser, Negative(), [sink], Controls()).run()
    assert analyser.seen[0] == 0
    assert analyser.seen[1] >= 29  # 1…28 were replaced while the first one was analysed
    assert analyser.seen[-1] == 30
    assert outcome.frames_in == 31
    assert outcome.dropped["analyse"] == 31 - len(analyser.seen)
    assert outcome.frames_in - outcome.frames_out == sum(outcome.dropped.values())


@pytest.mark.parametrize("lossless", [True, False])
def test_a_hanging_sink_never_stalls_the_others_of_a_live_source(lossless: bool) -> None:
    release = threading.Event()
    hanging = Kept("hanging", lossless, before=lambda _: release.wait(10))
    quick = Kept("quick", lossless=True)
    # the source gives the next frame only when the quick sink has got the one before
    source = Given(40, live=True, before=lambda index: index == 0 or quick.got.acquire(timeout=10))
    stages = Loop(source, OneFace(), Negative(), [hanging, quick], Controls())
    threading.Thread(target=lambda: (source.closed.wait(10), release.set())).start()
    outcome = stages.run()
    assert quick.indices == list(range(40))
    assert hanging.indices == sorted(hanging.indices)
    assert outcome.lanes[0].written + outcome.lanes[0].slot.dropped == 40
    assert outcome.lanes[0].slot.dropped > 0


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("where", ["source", "analyser", "opening", "renderer", "sink", "pump"])
@pytest.mark.parametrize("error", [InputError("it failed."), ZeroDivisionError("bug")], ids=["family", "bug"])
def test_an_error_anywhere_ends_the_run_and_closes_everything(live: bool, where: str, error: Exception) -> None:
    def fail(place: str) -> Callable[[int], object]:
        return raising(error) if place == where else int

    def pump() -> None:
        if where == "pump":
            raise error

    source = Given(None, live, fail("source"))
    analyser, sink = OneFace(fail("analyser")), Kept(before=fail("sink"))
    renderer = Negative(fail("renderer"), opening=lambda: fail("opening")(5))
    loop = Loop(source, analyser, renderer, [sink], Controls())
    with pytest.raises(type(error)) as raised:
        loop.run(pump)
    assert raised.value is error
    assert source.closed.is_set()
    assert analyser.closed_on == "analyse"
    assert renderer.threads[-1] == "render"
    assert sink.closed == 1
    assert sink.indices == sorted(sink.indices)
    if where in ("source", "analyser", "renderer") and not live:
        assert sink.indices == list(range(5))  # what was good came out


def test_a_failing_sink_is_given_up_with_a_sentence_and_the_others_go_on() -> None:
    told: list[str] = []
    error = DeviceLostError("out.mp4 cannot be written: the disk is full; free some space.")
    failing, good = Kept("out.mp4", before=raising(error)), Kept("good")
    outcome = Loop(Given(60), OneFace(), Negative(), [failing, good], Controls(), tell=told.append).run()
    assert good.indices == list(range(60))
    assert failing.closed == 1
    assert outcome.lanes[0].error is error
    assert told == [f"out.mp4 is given up: {error}"]


def test_the_last_sinks_error_ends_the_run() -> None:
    first, last = OutputError("first."), DeviceLostError("last.")
    sinks = [Kept("a", before=raising(first, 3)), Kept("b", before=raising(last, 9))]
    with pytest.raises(DeviceLostError) as raised:
        Loop(Given(None), OneFace(), Negative(), sinks, Controls(), tell=lambda _: None).run()
    assert raised.value is last
    assert raised.value.exit_code == 3


def test_an_error_while_a_sink_is_closed_is_not_swallowed() -> None:
    class Unfinished(Kept):
        def close(self) -> None:
            raise OutputError("the file cannot be finished.")

    with pytest.raises(OutputError, match="finished"):
        Loop(Given(3), OneFace(), Negative(), [Unfinished()], Controls()).run()


def until_closed(source_box: list[Given]) -> Callable[[int], None]:
    def before(index: int) -> None:
        if index == 3:
            assert source_box[0].closed.wait(10)

    return before


@pytest.mark.parametrize("way", ["quit", "stop", "SIGINT", "SIGTERM"])
@pytest.mark.parametrize("live", [True, False])
def test_every_way_to_stop_ends_cleanly_while_the_source_is_blocked(way: str, live: bool) -> None:
    box: list[Given] = []
    source = Given(None, live, until_closed(box))
    box.append(source)
    controls, sink = Controls(), Kept()
    with StopSignal() as stop:

        def ask() -> None:
            if not sink.results or stop.requested.is_set():
                return
            if way == "quit":
                controls.act(Action.QUIT)
            elif way == "stop":
                stop.requested.set()
            else:
                os.kill(os.getpid(), getattr(signal, way))

        outcome = Loop(source, OneFace(), Negative(), [sink], controls).run(ask, stop.requested)
    assert sink.closed == 1
    assert outcome.frames_in <= 4
    assert sink.indices[-1] == outcome.lanes[0].written - 1 or live


def test_a_source_stuck_in_its_driver_is_abandoned() -> None:
    stuck = threading.Event()
    source = Given(None, live=True, before=lambda index: stuck.wait(30) if index == 2 else None)
    controls, sink = Controls(), Kept()
    outcome = Loop(source, OneFace(), Negative(), [sink], controls).run(
        pump=lambda: controls.act(Action.QUIT) if sink.results else None
    )
    assert sink.closed == 1
    assert outcome.frames_in == 2
    stuck.set()


def test_stop_before_the_start_gives_an_empty_outcome() -> None:
    stop, sink = threading.Event(), Kept()
    stop.set()
    box: list[Given] = []
    source = Given(None, before=until_closed(box))
    box.append(source)
    outcome = Loop(source, OneFace(), Negative(), [sink], Controls()).run(stop=stop)
    assert outcome.frames_in <= 3
    assert sink.closed == 1


def test_frozen_repeats_the_last_frame_and_drains_the_source() -> None:
    controls, sink = Controls(), Kept()

    def before(index: int) -> None:
        if index in (10, 20):
            controls.act(Action.FREEZE)

    Loop(Given(30, before=before), OneFace(), Negative(), [sink], controls).run()
    shown = [255 - int(result.frame.pixels[0, 0, 0]) for result in sink.results]
    assert shown == [*range(10), *[9] * 10, *range(20, 30)]
    assert [int(result.frame.depth[0, 0]) for result in sink.results] == shown, "depth stands with its picture"
    assert sink.indices == list(range(30))


def test_recorders_pause_and_windows_do_not() -> None:
    controls = Controls()
    recorder, window = Kept("recorder"), Kept("window", lossless=False)

    def before(index: int) -> None:
        if index > 0:
            assert window.got.acquire(timeout=10)  # frame by frame, so that the switch hits a known frame
        if index in (10, 20):
            controls.act(Action.RECORD)

    Loop(Given(30, before=before), OneFace(), Negative(), [recorder, window], controls).run()
    assert recorder.indices == [*range(10), *range(20, 30)]
    assert window.indices == list(range(30))
    assert recorder.results[10].frame.time_s == pytest.approx(20 / 30)  # time goes on: a gap, not a cut


def test_pump_runs_on_the_calling_thread_and_settings_reach_the_renderer() -> None:
    controls, renderer, callers = Controls(Settings(mode=Mode.DEPTH)), Negative(), set()
    Loop(Given(5), OneFace(), renderer, [Kept()], controls).run(pump=lambda: callers.add(threading.current_thread()))
    assert callers == {threading.current_thread()}
    assert set(renderer.modes) == {Mode.DEPTH}


def test_the_meter_watches_the_first_sink_that_shows() -> None:
    meter, window = Meter(), Kept("window", lossless=False)
    outcome = Loop(Given(20), OneFace(), Negative(), [Kept(), window], Controls(), meter).run()
    assert outcome.shown.sink is window
    assert meter.read().fps == len(window.results)
    assert meter.read().latency_ms >= 0
    assert meter.read().dropped == 0


def test_drops_reach_the_meter() -> None:
    meter, busy, release = Meter(), threading.Event(), threading.Event()
    sink = Kept(lossless=False)
    source = Given(31, live=True, before=lambda index: (index == 1 and busy.wait(10), index == 30 and release.set()))
    slow = OneFace(lambda index: (busy.set(), release.wait(10)))
    outcome = Loop(source, slow, Negative(), [sink], Controls(), meter).run()
    assert meter.read().dropped == 31 - len(sink.results)
    assert meter.read().dropped == sum(outcome.dropped.values()) + outcome.shown.slot.dropped


def test_snapshots_are_kept_beside_the_sinks(tmp_path: Path) -> None:
    controls, told, kept = Controls(), [], []

    def snapshot(result: Result) -> Path:
        kept.append(result.frame.index)
        if len(kept) == 2:
            raise OutputError("The snapshot could not be written.")
        return tmp_path / "one.png"

    sink = Kept()

    def before(index: int) -> None:
        if index > 0:
            assert sink.got.acquire(timeout=10)
        if index in (5, 9):
            controls.act(Action.SNAPSHOT)

    Loop(
        Given(12, before=before),
        OneFace(),
        Negative(),
        [sink],
        controls,
        keepers={"snapshots": snapshot},
        tell=told.append,
    ).run()
    assert kept == [5, 9]
    assert sorted(told) == sorted([f"{tmp_path / 'one.png'} is kept.", "The snapshot could not be written."])
    assert sink.indices == list(range(12))


def test_an_empty_source_ends_at_once() -> None:
    sink = Kept()
    outcome = Loop(Given(0), OneFace(), Negative(), [sink], Controls()).run()
    assert (outcome.frames_in, outcome.fps_in, sink.closed) == (0, 0.0, 1)


def test_a_loop_needs_a_sink() -> None:
    with pytest.raises(ValueError, match="sink"):
        Loop(Given(0), OneFace(), Negative(), [], Controls())


def test_the_errors_of_the_family_carry_their_exit_codes() -> None:
    assert issubclass(DeviceLostError, FacetError)
    assert (InputError("x").exit_code, DeviceLostError("x").exit_code) == (2, 3)
