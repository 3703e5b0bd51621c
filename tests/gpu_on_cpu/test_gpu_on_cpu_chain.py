"""Chains of launches: called, recorded, replayed; by each thread for itself."""

from __future__ import annotations

import gc
import threading
from functools import partial

from engines.runtime import cuda
from realtime.gpu.chain import Chain
from realtime.gpu.kernels import FrameKernels
from tests.engines.tensorrt_on_cpu import CudaRuntime


def test_a_chain_is_called_then_recorded_then_replayed(kernels: FrameKernels, runtime: CudaRuntime) -> None:
    done: list[str] = []

    def work(count: int, stream: int) -> None:
        collecting = gc.isenabled()
        assert collecting != cuda.is_recording(stream), "what is collected is given back, and that ends a graph"
        runtime.enqueue(stream, partial(done.append, f"{count} things"))

    chain = Chain(work, cuda.recorded, kernels, "things")
    for count in (1, 1, 2, 1):
        chain(count)
    assert not done, "nobody waited"
    cuda.wait(kernels.stream)
    assert done == ["1 things", "1 things", "2 things", "1 things"]
    assert runtime.replays == 2
    assert gc.isenabled()


def test_a_thread_does_not_replay_what_was_recorded_by_one_that_ended(kernels: FrameKernels) -> None:
    """Its engines' memory went with it, though the next thread may have its number."""
    callers: list[threading.Thread] = []
    chain = Chain(lambda count, stream: callers.append(threading.current_thread()), cuda.recorded, kernels, "things")
    threads = []
    for _ in range(3):
        thread = threading.Thread(target=lambda: [chain(1) for _ in range(3)])
        thread.start()
        thread.join()
        threads.append(thread)
    assert callers == [thread for thread in threads for _ in range(2)], "once called, once recorded"
