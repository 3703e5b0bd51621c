"""The slot against a plain model of it, and under real threads."""

from __future__ import annotations

import threading
from collections import deque

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from realtime.slot import Loss, Pacing, Slot, SlotClosedError

ALL = [(pacing, loss) for pacing in Pacing for loss in Loss]


class SlotAgainstModel(RuleBasedStateMachine):
    """Any order of calls on one thread behaves like a list with the table's rules."""

    @initialize(choice=st.sampled_from(ALL), depth=st.integers(1, 4))
    def start(self, choice: tuple[Pacing, Loss], depth: int) -> None:
        self.pacing, self.loss = choice
        self.depth = depth
        self.slot = Slot[int](self.pacing, self.loss, depth)
        self.model: deque[int] = deque()
        self.next = self.lost = self.taken = 0
        self.closed = False

    @rule()
    def put(self) -> None:
        item, self.next = self.next, self.next + 1
        if self.closed:
            with pytest.raises(SlotClosedError):
                self.slot.put(item)
            self.next -= 1
        elif len(self.model) < self.depth:
            assert self.slot.put(item) is False
            self.model.append(item)
        elif (self.pacing, self.loss) == (Pacing.BOUNDED, Loss.NONE):
            with pytest.raises(TimeoutError):
                self.slot.put(item, timeout=0)
            self.next -= 1
        else:
            assert self.slot.put(item) is (self.loss is Loss.COUNTED)
            self.lost += 1
            if self.pacing is Pacing.NEWEST:
                self.model.popleft()
                self.model.append(item)

    @rule()
    def get(self) -> None:
        if self.model:
            assert self.slot.get() == self.model.popleft()
            self.taken += 1
        else:
            with pytest.raises(SlotClosedError if self.closed else TimeoutError):
                self.slot.get(timeout=0)

    @precondition(lambda self: not self.closed)
    @rule(discard=st.booleans())
    def close(self, discard: bool) -> None:
        self.slot.close(discard)
        self.closed = True
        if discard:
            self.lost += len(self.model)
            self.dropped_at_close = len(self.model)
            self.model.clear()

    @invariant()
    def counts(self) -> None:
        if not hasattr(self, "slot"):
            return
        assert len(self.slot) == len(self.model) <= self.depth
        assert self.slot.closed == self.closed
        assert self.next == self.taken + self.lost + len(self.model)
        discarded = getattr(self, "dropped_at_close", 0)
        assert self.slot.dropped == (self.lost - discarded if self.loss is Loss.COUNTED else 0)


SlotAgainstModel.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestSlotAgainstModel = SlotAgainstModel.TestCase


def exchange(slot: Slot[int], count: int) -> list[int]:
    """What one thread receives of `count` numbers that another one puts as fast as it can."""
    received: list[int] = []
    consumer = threading.Thread(target=lambda: received.extend(slot))
    consumer.start()
    for item in range(count):
        slot.put(item)
    slot.close()
    consumer.join(10)
    assert not consumer.is_alive()
    return received


@pytest.mark.parametrize("depth", [1, 3])
def test_bounded_without_loss_keeps_every_item_in_order(depth: int) -> None:
    slot = Slot[int](Pacing.BOUNDED, Loss.NONE, depth)
    assert exchange(slot, 3000) == list(range(3000))
    assert slot.dropped == 0


@pytest.mark.parametrize(("pacing", "loss"), [choice for choice in ALL if choice != (Pacing.BOUNDED, Loss.NONE)])
def test_lossy_slots_keep_order_and_account_for_every_item(pacing: Pacing, loss: Loss) -> None:
    slot = Slot[int](pacing, loss, 2)
    received = exchange(slot, 3000)
    assert received == sorted(set(received))
    if loss is Loss.COUNTED:
        assert len(received) + slot.dropped == 3000
    if pacing is Pacing.NEWEST:
        assert received[-1] == 2999


def test_several_producers_lose_nothing() -> None:
    slot = Slot[tuple[int, int]](Pacing.BOUNDED, Loss.NONE, 2)
    producers = [
        threading.Thread(target=lambda me=me: [slot.put((me, item)) for item in range(500)])  # type: ignore[misc]
        for me in range(4)
    ]
    received: list[tuple[int, int]] = []
    consumer = threading.Thread(target=lambda: received.extend(slot))
    for thread in [consumer, *producers]:
        thread.start()
    for thread in producers:
        thread.join(10)
    slot.close()
    consumer.join(10)
    for me in range(4):
        assert [item for owner, item in received if owner == me] == list(range(500))


@pytest.mark.parametrize("waiting", ["put", "get"])
def test_close_wakes_everyone(waiting: str) -> None:
    slot = Slot[int](Pacing.BOUNDED, Loss.NONE)
    if waiting == "put":
        slot.put(0)
    woken: list[str] = []

    def wait() -> None:
        with pytest.raises(SlotClosedError):
            slot.put(1) if waiting == "put" else slot.get()
        woken.append("woken")

    threads = [threading.Thread(target=wait) for _ in range(3)]
    for thread in threads:
        thread.start()
    slot.close()
    for thread in threads:
        thread.join(10)
    assert woken == ["woken"] * 3


def test_depth_must_be_positive() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Slot[int](Pacing.NEWEST, Loss.NONE, 0)
