"""When the first bytes of speech leave, and what its headers say."""

import asyncio
import io
import wave

import numpy as np
import pytest

from speechhub.codecs.encode import SpeechFormat
from speechhub.engine import Audio
from speechhub.errors import EngineCrashedError
from speechhub.pools import Pool
from speechhub.services.account import Account
from speechhub.services.backlog import Backlog
from speechhub.services.delivery import Delivery
from speechhub.services.pieces import TextPiece
from speechhub.services.spoken import Spoken

POOL = Pool("speech", 2)
RATE = 24_000


def audio(seconds, rate=RATE):
    times = np.arange(round(rate * seconds), dtype=np.float32)
    return Audio(samples=np.sin(times * 0.1) * np.float32(0.5), sample_rate=rate)


@pytest.fixture
async def backlog():
    made = Backlog(Account().open(), POOL)
    yield made
    made.close()


def delivery(backlog, *, whole, audio_format=SpeechFormat.WAV):
    return Delivery(backlog, POOL, speech_format=audio_format, output_rate=None, speed=1.0, whole=whole)


async def spoken(made, *pieces):
    async def speech():
        for piece in pieces:
            yield piece

    await made.begin(TextPiece(text="Hello."))
    await made.take(speech(), Spoken("model"))
    await made.finish()


async def read(backlog):
    backlog.end()
    data = b""
    while (piece := await backlog.get()) is not None:
        data += piece
    return data


@pytest.mark.parametrize("whole", [True, None])
@pytest.mark.parametrize("count", [1, 3])
async def test_what_is_there_at_once_is_whole(backlog, whole, count):
    """Its header and its number of bytes are right."""
    await spoken(delivery(backlog, whole=whole), *[audio(0.5)] * count)

    size = backlog.whole_bytes
    data = await read(backlog)
    assert size == len(data) == 44 + 24_000 * count
    with wave.open(io.BytesIO(data)) as file:
        assert file.getnframes() == 12_000 * count


async def test_an_engine_that_goes_on_is_not_waited_for(backlog):
    """The first bytes are there while the engine works; a header cannot know the rest."""
    go_on = asyncio.Event()

    async def speech():
        yield audio(0.5)
        await go_on.wait()  # for the first bytes: without them this would never end
        yield audio(0.5)

    made = delivery(backlog, whole=None)
    await made.begin(TextPiece(text="Hello."))
    taking = asyncio.create_task(made.take(speech(), Spoken("model")))
    first = await backlog.get()
    go_on.set()
    await taking
    await made.finish()

    assert first[:8] == b"RIFF\xff\xff\xff\xff"
    assert backlog.whole_bytes is None
    assert len(first + await read(backlog)) == 44 + 48_000


async def test_the_same_samples_whole_or_not(backlog):
    """Only the header differs."""
    other = Backlog(Account().open(), POOL)
    await spoken(delivery(backlog, whole=True), audio(0.7, 22_050), audio(0.3, 22_050))
    await spoken(delivery(other, whole=False), audio(0.7, 22_050), audio(0.3, 22_050))

    assert (await read(backlog))[44:] == (await read(other))[44:]
    other.close()


async def test_a_whole_speech_that_is_long_lies_in_a_file():
    """Little of it is in memory, and the header comes first all the same."""
    account = Account()
    backlog = Backlog(account.open(), POOL)
    await spoken(delivery(backlog, whole=True), *[audio(10)] * 12)

    assert account.held("memory") < 2 * 1024**2 < account.held("disk")
    with wave.open(io.BytesIO(await read(backlog))) as file:
        assert file.getnframes() == 120 * RATE
        assert len(file.readframes(file.getnframes())) == 240 * RATE
    backlog.close()
    assert (account.held("memory"), account.held("disk")) == (0, 0)


@pytest.mark.parametrize("whole", [True, None])
async def test_a_failure_before_the_end_leaves_nothing(backlog, whole):
    """A speech that was to be whole gives no bytes."""

    async def speech():
        yield audio(0.5)
        raise EngineCrashedError("model", "it crashed")

    made = delivery(backlog, whole=whole)
    await made.begin(TextPiece(text="Hello."))
    with pytest.raises(EngineCrashedError):
        await made.take(speech(), Spoken("model"))

    assert await read(backlog) == b""
    assert [task for task in asyncio.all_tasks() if "_go_on_later" in repr(task)] == []
