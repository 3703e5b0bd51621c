"""The live loop: source → analyse → render → sinks, one thread and one slot each, and the main thread for the window.

Behind a live source the newest frame wins everywhere, so a late stage costs frames and never delay; behind a file
every slot is bounded and waits, so nothing is lost or reordered. Recorders (lossless sinks) of a live source have a
short queue that counts what it has to refuse.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from realtime.controls import Controls, Settings
from realtime.errors import FacetError
from realtime.frame import Face, Frame, Result
from realtime.sinks.base import Sink
from realtime.slot import Loss, Pacing, Slot, SlotClosedError
from realtime.sources.base import Source
from realtime.timing import Histogram, Meter, Timings

T = TypeVar("T")

APART = ("repair",)  # parts of drawing that are timed as stages of their own
_PUMP_S = 1 / 60  # the window's events are polled at least this often, and at once when a new frame is there
_FILE_DEPTH = 2  # enough to overlap the stages; a frame of 8K takes 100 MB
_RECORDER_DEPTH = 8  # rides out an encoder's key frame at 30 frames/s, and bounds memory
_SOURCE_GRACE_S = 2.0  # a source blocked in its driver is abandoned after this
_SINK_GRACE_S = 5.0  # so is a sink that need not be complete (a network peer that hangs)


class Analyser(Protocol):
    """Finds the faces; used and closed on the analyse thread."""

    def analyse(self, frame: Frame) -> tuple[Face, ...]: ...

    def close(self) -> None: ...


class Renderer(Protocol):
    """Draws; opened, used and closed on the render thread (a GL context belongs to one thread)."""

    def open(self) -> None: ...

    def draw(self, frame: Frame, faces: tuple[Face, ...], settings: Settings) -> Result: ...

    def close(self) -> None: ...


class Lane:
    """A sink with its slot, its thread's figures, and the error it was dropped for."""

    def __init__(self, sink: Sink, live: bool) -> None:
        self.sink = sink
        self.slot: Slot[Result] = _lane_slot(sink.lossless, live)
        self.latency = Histogram()
        self.error: FacetError | None = None

    @property
    def written(self) -> int:
        """Frames the sink took."""
        return self.latency.count


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        frames_in: frames the source had.
        frames_out: frames that were drawn.
        skipped: pictures the source could not decode.
        dropped: stage → frames lost on the way into it (into "source": ones a camera had and nobody took in time).
        fps_in, fps_out: frames per second between the first and the last frame given and drawn; 0 below two frames.
        lanes: the sinks in the order given, each with frames written, drops, latency and error.
        shown: the lane whose latency stands for the run: the first sink that shows, else the first.
        timings: durations by stage.
    """

    frames_in: int
    frames_out: int
    skipped: int
    dropped: dict[str, int]
    fps_in: float
    fps_out: float
    lanes: tuple[Lane, ...]
    shown: Lane
    timings: Timings


class Loop:
    """Runs a source through an analyser and a renderer into sinks, all of them given open and closed by the loop.

    Args:
        source: gives the frames on a thread of its own; ends the run when it ends.
        analyser, renderer: the two stages.
        sinks: at least one. One that fails is dropped with a sentence and the others go on; the last one ends the run.
        controls: read once per frame. While `frozen`, the last frame is repeated and the source drained. While not
            `recording`, recorders get no frames; time stamps go on, so the file shows a standing picture there and
            sound stays in step.
        meter: gets the rate and latency at the first sink that shows (else the first), and what was lost before it.
        timings: where the stages' durations go.
        keepers: name of a counter in the settings → what keeps one frame whenever it grows, on a thread of its own, and
            returns the file.
        tell: takes one-sentence messages for the person (a sink given up, a snapshot kept).

    Example:
        outcome = Loop(source, analyser, renderer, [window], controls).run(pump=window.pump)
    """

    def __init__(
        self,
        source: Source,
        analyser: Analyser,
        renderer: Renderer,
        sinks: Sequence[Sink],
        controls: Controls,
        meter: Meter | None = None,
        timings: Timings | None = None,
        keepers: Mapping[str, Callable[[Result], Path]] | None = None,
        tell: Callable[[str], None] = print,
    ) -> None:
        if not sinks:
            raise ValueError("a loop needs at least one sink")
        self.frames_in = 0
        self.frames_out = 0
        self._missed = 0
        self._timings = timings or Timings()
        self._lanes = tuple(Lane(sink, source.live) for sink in sinks)
        self._shown = next((lane for lane in self._lanes if not lane.sink.lossless), self._lanes[0])
        self._meter = meter or Meter()
        self._source, self._analyser, self._renderer, self._controls = source, analyser, renderer, controls
        self._keepers = dict(keepers or {})
        self._kept = {counter: getattr(controls.settings, counter) for counter in self._keepers}
        self._tell = tell
        self._captured: Slot[Frame] = _stage_slot(source.live)
        self._analysed: Slot[tuple[Frame, tuple[Face, ...]]] = _stage_slot(source.live)
        self._error: BaseException | None = None
        self._failing = threading.Lock()
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._ready = threading.Event()  # nothing is read before it can be drawn: frames would be lost or grow old
        self._source_deadline = self._sink_deadline = float("inf")
        self._given = _Span()
        self._drawn = _Span()

    def run(self, pump: Callable[[], None] | None = None, stop: threading.Event | None = None) -> Outcome:
        """Run until the source ends, somebody quits, `stop` is set, or something fails; everything is closed then.

        Args:
            pump: called on this thread at least 60 times a second and after every written frame (`Window.pump`).
            stop: set from anywhere (a signal handler) to end the run cleanly.

        Raises:
            FacetError: the source, a stage or the last sink failed; whatever was recorded until then is playable.
            Exception: any other error of a thread, unchanged.
        """
        self._start()
        ended = False
        while not ended:
            self._wake.wait(_PUMP_S)
            self._wake.clear()
            ended = self._ended()  # asked first: the window takes itself away in the last pump
            if pump is not None:
                self._guarded(pump)
            asked = self._controls.settings.quit or (stop is not None and stop.is_set())
            if (asked or self._error is not None) and not self._stopping.is_set():
                self._stopping.set()
                self._source_deadline = time.monotonic() + _SOURCE_GRACE_S
                self._guarded(self._source.close)
        if self._error is not None:
            raise self._error
        return self.outcome()

    def outcome(self) -> Outcome:
        """What the run came to so far; also readable after `run` raised."""
        return Outcome(
            frames_in=self.frames_in,
            frames_out=self.frames_out,
            skipped=self._source.skipped,
            dropped={"source": self._missed, "analyse": self._captured.dropped, "render": self._analysed.dropped},
            fps_in=self._given.rate,
            fps_out=self._drawn.rate,
            lanes=self._lanes,
            shown=self._shown,
            timings=self._timings,
        )

    def _start(self) -> None:
        self._reader = self._thread("source", self._read)
        self._stages = [self._thread("analyse", self._analyse), self._thread("render", self._render)]
        self._writers = [(lane, self._thread(lane.sink.name, self._write, lane)) for lane in self._lanes]
        for thread in [self._reader, *self._stages, *(thread for _, thread in self._writers)]:
            thread.start()

    def _ended(self) -> bool:
        """Whether every thread has ended or is abandoned."""
        now = time.monotonic()
        reading = self._reader.is_alive() and now < self._source_deadline
        if not reading:
            self._captured.close()  # the reader did it, unless it is stuck in its driver
        if reading or any(thread.is_alive() for thread in self._stages):
            return False
        self._sink_deadline = min(self._sink_deadline, now + _SINK_GRACE_S)
        return not any(
            thread.is_alive() and (lane.sink.lossless or now < self._sink_deadline) for lane, thread in self._writers
        )

    def _read(self) -> None:
        standing: Frame | None = None
        newest = -1
        self._ready.wait()
        try:
            for frame in self._source:
                if self._stopping.is_set():
                    break
                missed = max(0, frame.index - newest - 1)  # a held frame repeats its index
                newest = frame.index
                self._missed += missed
                self.frames_in += 1 + missed
                self._given.mark()
                if self._controls.settings.frozen and standing is not None:
                    frame = replace(frame, pixels=standing.pixels, depth=standing.depth, intrinsics=standing.intrinsics)
                else:
                    standing = frame
                if self._captured.put(frame):
                    self._meter.drop()
        finally:
            self._captured.close()
            self._source.close()

    def _analyse(self) -> None:
        try:
            for frame in self._captured:
                with self._timings.timer("analyse"):
                    faces = self._analyser.analyse(frame)
                if self._analysed.put((frame, faces)):
                    self._meter.drop()
        finally:
            self._captured.close(discard=True)
            self._analysed.close()
            self._analyser.close()

    def _render(self) -> None:
        try:
            self._renderer.open()
            self._ready.set()
            for frame, faces in self._analysed:
                result = self._renderer.draw(frame, faces, self._controls.settings)
                self._timings.add_stages("render", result.parts_s, apart=APART)
                self.frames_out += 1
                self._drawn.mark()
                self._hand_out(result)
        finally:
            self._ready.set()
            self._analysed.close(discard=True)
            for lane in self._lanes:
                lane.slot.close()
            self._renderer.close()

    def _hand_out(self, result: Result) -> None:
        settings = self._controls.settings
        for counter, keep in self._keepers.items():
            if getattr(settings, counter) != self._kept[counter]:
                self._kept[counter] = getattr(settings, counter)
                keeper = self._thread(counter, self._keep, keep, result)
                self._stages.append(keeper)
                keeper.start()
        for lane in self._lanes:
            if lane.sink.recorder and not settings.recording:
                continue
            try:
                if lane.slot.put(result) and lane is self._shown:
                    self._meter.drop()
            except SlotClosedError:  # this sink was given up; the others go on
                continue

    def _keep(self, keep: Callable[[Result], Path], result: Result) -> None:
        try:
            self._tell(f"{keep(result)} is kept.")
        except FacetError as error:
            self._tell(str(error))

    def _write(self, lane: Lane) -> None:
        try:
            try:
                for result in lane.slot:
                    with self._timings.timer(f"sink {lane.sink.name}"):
                        lane.sink.write(result)
                    latency = time.perf_counter() - result.frame.captured
                    lane.latency.add(latency)
                    if lane is self._shown:
                        self._meter.add(latency)
                    self._wake.set()
            finally:
                lane.slot.close(discard=True)
                lane.sink.close()
        except FacetError as error:
            lane.error = error
            if all(other.error is not None for other in self._lanes):
                raise
            self._tell(f"{lane.sink.name} is given up: {error}")

    def _thread(self, name: str, body: Callable[..., None], *args: object) -> threading.Thread:
        def run() -> None:
            self._guarded(body, *args)
            self._wake.set()

        # daemon: a thread abandoned in a driver must not keep the process alive
        return threading.Thread(target=run, name=name, daemon=True)

    def _guarded(self, body: Callable[..., None], *args: object) -> None:
        """Call `body`; its first error ends the run and is raised from there."""
        try:
            body(*args)
        except SlotClosedError:  # the next stage has ended; it has told why
            pass
        except BaseException as error:  # noqa: BLE001  handed to the main thread, which raises it
            with self._failing:
                self._error = self._error or error


class _Span:
    """Events per second between the first and the last of them."""

    def __init__(self) -> None:
        self._first = self._last = 0.0
        self._count = 0

    def mark(self) -> None:
        self._last = time.perf_counter()
        self._first = self._first or self._last
        self._count += 1

    @property
    def rate(self) -> float:
        return (self._count - 1) / (self._last - self._first) if self._last > self._first else 0.0


def _stage_slot(live: bool) -> Slot[T]:
    return Slot(Pacing.NEWEST, Loss.COUNTED) if live else Slot(Pacing.BOUNDED, Loss.NONE, _FILE_DEPTH)


def _lane_slot(lossless: bool, live: bool) -> Slot[Result]:
    if not lossless:
        return Slot(Pacing.NEWEST, Loss.COUNTED if live else Loss.NONE)
    if live:
        return Slot(Pacing.BOUNDED, Loss.COUNTED, _RECORDER_DEPTH)
    return Slot(Pacing.BOUNDED, Loss.NONE, _FILE_DEPTH)
