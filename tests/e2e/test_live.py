"""Live transcription on real engines: switches hide behind speech, and Whisper hears what uploads say."""

import asyncio
import io
from contextlib import aclosing
from importlib.util import find_spec

import numpy as np
import pytest

from speechhub.codecs.decode import decode
from speechhub.engine import SynthesizeRequest
from speechhub.hub import Hub
from speechhub.services.live import Committed, LiveSettings, SpeechStarted, TranscriptCompleted, TurnSettings
from speechhub.services.transcription import TranscriptionJob
from speechhub.settings import Settings
from tests.e2e.test_quiet_recordings import CLIPS, SAID
from tests.e2e.test_round_trip import word_error_rate
from tests.fakes.babble import talk
from tests.unit.codecs.recordings import wav

RATE = 16_000


class Session:
    """A live transcription, and its events so far."""

    def __init__(self, hub, **settings):
        self.live = hub.live.open(LiveSettings(sample_rate=RATE, **settings))
        self.events = []
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())

    async def _read(self):
        async for event in self.live.events():
            self.events.append(event)
            self._changed.set()

    def those(self, kind):
        return [event for event in self.events if isinstance(event, kind)]

    async def say(self, samples, step=RATE // 10):
        pcm16 = (samples * 32767).astype(np.int16)
        for start in range(0, len(pcm16), step):
            await self.live.append(pcm16[start : start + step])
            await asyncio.sleep(0)

    async def until(self, kind, count):
        async with asyncio.timeout(120):
            while len(self.those(kind)) < count:
                self._changed.clear()
                await self._changed.wait()

    async def close(self):
        await self.live.drain()
        await self._reader
        await self.live.aclose()


@pytest.mark.skipif(find_spec("speechhub_echo") is None, reason="the echo engines are not installed")
def test_the_engine_comes_while_somebody_speaks(tmp_path):
    """Speech is made between utterances; each switch back begins with the first words, not with their end."""

    async def speak(hub):
        request = SynthesizeRequest(text="Between two utterances.", voice="low")
        async with aclosing(hub.runner.synthesize("echo-tts", request)) as pieces:
            return [piece async for piece in pieces]

    async def work():
        settings = Settings(
            home=tmp_path, cpu_exclusive=True, stt_model="echo-stt", tts_model="echo-tts", standby="off"
        )
        async with Hub.assemble(settings) as hub:
            session = Session(hub)
            for turn in range(1, 3):
                assert await speak(hub)
                assert hub.manager.current_model("cpu") == "echo-tts"
                await session.say(talk(0, 1, 1))
                await session.until(SpeechStarted, turn)
                async with asyncio.timeout(120):
                    while not hub.runner.is_ready("echo-stt"):  # noqa: ASYNC110  # no event says so
                        await asyncio.sleep(0.02)
                assert len(session.those(Committed)) == turn - 1, "somebody still speaks"
                await session.say(talk(0, 0, 1, 1))
                await session.until(TranscriptCompleted, turn)
            await session.close()
            return session, [switch.target for switch in hub.manager.switches.recent]

    session, switches = asyncio.run(work())

    assert switches == ["echo-tts", "echo-stt"] * 2
    assert all(event.transcript.text for event in session.those(TranscriptCompleted))


@pytest.mark.unhurried
@pytest.mark.skipif(find_spec("speechhub_whisper") is None, reason="the CPU engines are not installed")
def test_whisper_hears_in_live_speech_what_it_hears_in_uploads(tmp_path):
    """Turns cut out of a conversation lose no words, and neither silence nor the rest adds any."""
    clips = [
        decode((CLIPS / f"{name}.ogg").read_bytes(), sample_rate=RATE, max_duration_s=60).samples
        for name in SAID
    ]
    silence = np.zeros(2 * RATE, np.float32)

    async def work():
        async with Hub.assemble(Settings(home=tmp_path, offline=True)) as hub:
            session = Session(hub, model="whisper-base", language="en", turns=TurnSettings(silence_ms=800))
            for clip in clips:
                await session.say(np.concatenate([silence, clip, silence]))
            await session.close()
            job = TranscriptionJob(model="whisper-base", language="en")
            uploads = [
                (await hub.transcription.transcribe(io.BytesIO(wav(clip)), job)).text for clip in clips
            ]
            return " ".join(event.transcript.text for event in session.those(TranscriptCompleted)), uploads

    live, uploads = asyncio.run(work())

    said = " ".join(SAID.values())
    assert word_error_rate(said, live) <= word_error_rate(said, " ".join(uploads)) + 0.01
