"""The loop's stages under the hand-over policies of other programs, to compare ours with.

Both do the same work on the same frames as `realtime.loop.Loop`; only who waits for whom differs.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from realtime.controls import Controls
from realtime.frame import Frame, Result
from realtime.loop import APART, Analyser, Lane, Loop, Outcome, Renderer
from realtime.sinks.base import Sink
from realtime.slot import Loss, Pacing, Slot, SlotClosedError
from realtime.sources.base import Source
from realtime.timing import Timings

Policy = Callable[[Source, Analyser, Renderer, Sink, Controls], Outcome]


def ours(source: Source, analyser: Analyser, renderer: Renderer, sink: Sink, controls: Controls) -> Outcome:
    """One frame between the stages, the newest wins, the stages overlap."""
    return Loop(source, analyser, renderer, [sink], controls).run()


def serial(source: Source, analyser: Analyser, renderer: Renderer, sink: Sink, controls: Controls) -> Outcome:
    """One thread does everything behind a driver that queues four frames and then loses the new ones."""
    driver = Slot[Frame](Pacing.BOUNDED, Loss.COUNTED, depth=4)
    stages = _Stages(analyser, renderer, sink, controls, source.live)
    renderer.open()
    reader = stages.read(source, driver)
    for frame in driver:
        stages.write(stages.process(frame))
    reader.join()
    renderer.close()
    sink.close()
    return stages.outcome(source, {"queue": driver.dropped})


def two_queues(source: Source, analyser: Analyser, renderer: Renderer, sink: Sink, controls: Controls) -> Outcome:
    """A reading, a working and a showing thread with queues of two between them that lose their oldest frame."""
    captured = Slot[Frame](Pacing.NEWEST, Loss.COUNTED, depth=2)
    processed = Slot[Result](Pacing.NEWEST, Loss.COUNTED, depth=2)
    stages = _Stages(analyser, renderer, sink, controls, source.live)
    shower = threading.Thread(target=stages.write_all, args=(processed,), daemon=True)
    renderer.open()
    reader = stages.read(source, captured)
    shower.start()
    for frame in captured:
        processed.put(stages.process(frame))
    processed.close()
    for thread in (reader, shower):
        thread.join()
    renderer.close()
    sink.close()
    return stages.outcome(source, {"first queue": captured.dropped, "second queue": processed.dropped})


POLICIES: dict[str, Policy] = {"ours": ours, "serial": serial, "two_queues": two_queues}


class _Stages:
    """The work itself, timed and counted as the loop does it."""

    def __init__(self, analyser: Analyser, renderer: Renderer, sink: Sink, controls: Controls, live: bool) -> None:
        self._analyser, self._renderer, self._controls = analyser, renderer, controls
        self._lane = Lane(sink, live)
        self._timings = Timings()
        self._given = self._drawn = 0
        self._started = time.perf_counter()

    def read(self, source: Source, slot: Slot[Frame]) -> threading.Thread:
        """Start the thread that feeds `slot`."""

        def feed() -> None:
            self._started = time.perf_counter()
            try:
                for frame in source:
                    self._given += 1
                    slot.put(frame)
            except SlotClosedError:
                pass
            finally:
                slot.close()

        thread = threading.Thread(target=feed, daemon=True)
        thread.start()
        return thread

    def process(self, frame: Frame) -> Result:
        with self._timings.timer("analyse"):
            faces = self._analyser.analyse(frame)
        result = self._renderer.draw(frame, faces, self._controls.settings)
        self._timings.add_stages("render", result.parts_s, apart=APART)
        self._drawn += 1
        return result

    def write(self, result: Result) -> None:
        with self._timings.timer(f"sink {self._lane.sink.name}"):
            self._lane.sink.write(result)
        self._lane.latency.add(time.perf_counter() - result.frame.captured)

    def write_all(self, results: Iterable[Result]) -> None:
        for result in results:
            self.write(result)

    def outcome(self, source: Source, dropped: dict[str, int]) -> Outcome:
        lasted = time.perf_counter() - self._started
        rates = self._given / lasted, self._drawn / lasted
        return Outcome(
            self._given, self._drawn, source.skipped, dropped, *rates, (self._lane,), self._lane, self._timings
        )
