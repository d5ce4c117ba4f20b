"""When a worker counts as dead, on a clock that jumps."""

import asyncio

import pytest

from speechhub.worker.life import until_silent
from tests.fakes.virtual_time import VirtualTimeLoop


class Conversation:
    """Answers after so many seconds; never, where it is None."""

    def __init__(self, answer_s, *, busy=True, paused=False):
        self.answer_s = answer_s
        self.paused = paused
        self.current = "a call" if busy else None
        self.pings = 0

    def send_ping(self):
        self.pings += 1
        loop = asyncio.get_running_loop()
        pong = loop.create_future()
        if self.answer_s is not None:
            loop.call_later(self.answer_s, pong.set_result, None)
        return pong


def watched_for(seconds, conversation):
    """Watch for so long at most; return when the worker was given up, None if it was not."""

    async def watch():
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(seconds):
                await until_silent(conversation, timeout_s=10)
        except TimeoutError:
            return None
        return loop.time()

    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(watch())


def test_silence_is_noticed():
    """Eleven seconds after the call began: one until the question, ten without an answer."""
    assert watched_for(60, Conversation(None)) == pytest.approx(11)


def test_no_sign_of_life_is_expected_while_nothing_is_read():
    """The hub itself is behind: the worker may well have answered."""
    assert watched_for(60, Conversation(None, paused=True)) is None


@pytest.mark.parametrize("answer_s", [0.001, 5, 9.5])
def test_slow_answers_are_answers(answer_s):
    assert watched_for(600, Conversation(answer_s)) is None


def test_worker_without_a_call_is_not_asked():
    """An idle worker's process says by its end that it is gone; there is nothing else to ask."""
    conversation = Conversation(None, busy=False)

    assert watched_for(600, conversation) is None
    assert conversation.pings == 0
