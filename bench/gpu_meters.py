"""Clocks and counters that are put round the loop while `bench gpu` measures it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
from OpenGL import GL

from engines.runtime import cuda
from engines.runtime.cuda import done
from engines.runtime.torch import TorchEngine
from realtime.gpu.chain import Chain
from realtime.gpu.kernels import Kernels
from realtime.render import gl
from realtime.render.canvas import Canvas
from realtime.timing import Timings

_SAMPLE_S = 0.1


@dataclass
class Events:
    """Times what is put on a stream, by pairs of CUDA events."""

    times: Timings = field(default_factory=Timings)
    _pairs: list[tuple[str, Any, Any]] = field(default_factory=list)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """All kernels, and what goes with them, are watched."""
        watch = self._watch

        def watched(kernels: Kernels, stage: str) -> AbstractContextManager[None]:
            # a graph is watched as a whole: no clock is recorded into it
            return nullcontext() if cuda.is_recording(kernels.stream) else watch(stage, kernels.stream)

        with patch.object(Kernels, "watch", watched):
            yield

    def read(self) -> None:
        """Take in the events of a frame that is done."""
        for stage, start, end in self._pairs:
            done(cuda.runtime.cudaEventSynchronize(end), "finish")
            milliseconds = done(cuda.runtime.cudaEventElapsedTime(start, end), "tell the time")
            self.times.add(stage, milliseconds / 1000)
            for event in (start, end):
                done(cuda.runtime.cudaEventDestroy(event), "forget an event")
        self._pairs.clear()

    @contextmanager
    def _watch(self, stage: str, stream: int) -> Iterator[None]:
        start, end = (done(cuda.runtime.cudaEventCreate(), "make an event") for _ in range(2))
        done(cuda.runtime.cudaEventRecord(start, stream), "note the time")
        yield
        done(cuda.runtime.cudaEventRecord(end, stream), "note the time")
        self._pairs.append((stage, start, end))


@dataclass
class GlTimes:
    """Times what OpenGL does for each part of the drawing, by its own timer queries."""

    times: Timings = field(default_factory=Timings)
    _queries: list[tuple[str, int]] = field(default_factory=list)
    _running: bool = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """All parts of all canvases are watched."""
        plain, watch = Canvas.part, self._watch

        @contextmanager
        def watched(canvas: Canvas, name: str) -> Iterator[None]:
            with plain(canvas, name), watch(name):
                yield

        with patch.object(Canvas, "part", watched):
            yield

    def read(self) -> None:
        """Take in the queries of a frame; waits for OpenGL."""
        for name, query in self._queries:
            nanoseconds = GL.glGetQueryObjectuiv(query, GL.GL_QUERY_RESULT)  # 32 bits: up to 4 seconds
            self.times.add(name, float(np.ravel(nanoseconds)[0]) / 1e9)
            GL.glDeleteQueries(1, [query])
        self._queries.clear()

    @contextmanager
    def _watch(self, name: str) -> Iterator[None]:
        if self._running:  # queries of one kind do not nest
            yield
            return
        query = int(np.ravel(GL.glGenQueries(1))[0])
        GL.glBeginQuery(GL.GL_TIME_ELAPSED, query)
        self._running = True
        try:
            yield
        finally:
            self._running = False
            GL.glEndQuery(GL.GL_TIME_ELAPSED)
            self._queries.append((name, query))


class Utilisation:
    """The share of the time in which the GPU did anything at all, as nvidia-smi tells it; samples it while within.

    Attributes:
        percent: what was seen; empty where nobody can tell.
        why: the reason when nothing was seen.
    """

    def __init__(self) -> None:
        self.percent: list[int] = []
        self.why = "over before the first look"
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._sample, name="utilisation", daemon=True)

    def __enter__(self) -> Utilisation:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._ended.wait(_SAMPLE_S):
            try:
                self.percent.append(torch.cuda.utilization())
            except ModuleNotFoundError:
                self.why = "pip install nvidia-ml-py"
                return
            except (RuntimeError, AssertionError, AttributeError) as error:  # no driver, no CUDA in torch
                self.why = str(error).splitlines()[0]
                return


@dataclass
class Bus:
    """Counts bytes handed to CUDA and OpenGL, and taken from them."""

    up: int = 0
    down: int = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """While within. (OpenGL in software moves them all the same, if over no bus.)"""
        with ExitStack() as stack:

            def counted(owner: Any, name: str, up: Callable[..., int], down: Callable[..., int]) -> None:
                plain = getattr(owner, name)

                def call(*arguments: Any, **options: Any) -> Any:
                    result = plain(*arguments, **options)
                    self.up += up(*arguments)
                    self.down += down(*arguments)
                    return result

                stack.enter_context(patch.object(owner, name, call))

            def none(*_: Any) -> int:
                return 0

            plain = Chain.__call__
            recorded: dict[tuple[int, int], tuple[int, int]] = {}

            def chained(chain: Chain, count: int) -> None:
                """A graph copies what its kernels copied when it was recorded, and nobody calls anything."""
                before, key = (self.up, self.down), (id(chain), count)
                plain(chain, count)
                if (self.up, self.down) != before:
                    recorded[key] = self.up - before[0], self.down - before[1]
                else:
                    up, down = recorded.get(key, (0, 0))
                    self.up, self.down = self.up + up, self.down + down

            stack.enter_context(patch.object(Chain, "__call__", chained))
            counted(cuda, "upload", lambda array, there, stream: there.nbytes, none)
            counted(cuda, "download", none, lambda there, array, stream: there.nbytes)
            # torch copies by itself
            counted(TorchEngine, "run", lambda engine, *_: _bound_bytes(engine)[0], lambda e, *_: _bound_bytes(e)[1])
            counted(TorchEngine, "fetch", none, lambda engine, stream: _bound_bytes(engine)[1])
            counted(gl.Texture, "upload", lambda texture, picture, *_: _picture_bytes(texture, picture), none)
            counted(gl.Mesh, "fill", lambda mesh, vertices: 4 * vertices.size, none)
            counted(gl.Target, "read", none, _read_bytes)
            counted(gl.Target, "read_into_buffer", none, lambda target: 4 * target.size[0] * target.size[1])
            yield


def _bound_bytes(engine: TorchEngine) -> tuple[int, int]:
    """Of the inputs and of the outputs of the buffers that this thread bound last."""
    buffers = engine.bound()
    return sum(array.nbytes for array in buffers.inputs), sum(array.nbytes for array in buffers.outputs)


def _picture_bytes(texture: gl.Texture, picture: Any) -> int:
    return 4 * texture.size[0] * texture.size[1] if picture is None else int(picture.nbytes)


def _read_bytes(target: gl.Target, out: Any = None, rectangle: gl.Rectangle | None = None) -> int:
    width, height = target.size if rectangle is None else rectangle[2:]
    return 4 * width * height
