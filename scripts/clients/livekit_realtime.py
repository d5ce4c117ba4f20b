"""LiveKit agents with the plugin for OpenAI: speech to text while it is spoken."""

import asyncio
import wave
from collections.abc import Iterable

from calls import KEY, SPEECH, URL, UTTERANCES, WRONG_KEY, UnexpectedAnswerError, call, check, pieces
from livekit import rtc  # type: ignore[import-not-found]
from livekit.agents import APIConnectOptions, APIError, utils  # type: ignore[import-not-found]
from livekit.agents.stt import SpeechEvent, SpeechEventType  # type: ignore[import-not-found]
from livekit.plugins import openai  # type: ignore[import-not-found]

ONCE = APIConnectOptions(max_retry=0, timeout=30)
LIMIT_S = 60
PIECE_S = 0.05
SERVER_VAD, OWN_VAD = "gpt-4o-mini-transcribe", "gpt-realtime-whisper"
"""Models whose turns the server tells apart, and those for which LiveKit commits after its own VAD."""


async def listen(*, model: str = SERVER_VAD, key: str = KEY) -> list[SpeechEvent]:
    """Return the events of a stream up to the last utterance's usage, which follows its final text."""
    stt = openai.STT(model=model, base_url=URL, api_key=key, use_realtime=True)
    stream = stt.stream(conn_options=ONCE)
    events: list[SpeechEvent] = []
    sender = asyncio.create_task(speak(stream))
    try:
        async with asyncio.timeout(LIMIT_S):
            async for event in stream:
                events.append(event)
                if kinds(events).count(SpeechEventType.RECOGNITION_USAGE) == UTTERANCES:
                    break
    finally:
        sender.cancel()
        await stream.aclose()
        await stt.aclose()
    return events


async def speak(stream: openai.stt.SpeechStream) -> None:
    """Send what the microphone hears, ten times as fast."""
    with wave.open(str(SPEECH)) as file:
        rate = file.getframerate()
    for piece in pieces(SPEECH, PIECE_S):
        stream.push_frame(rtc.AudioFrame(piece, rate, 1, len(piece) // 2))
        await asyncio.sleep(PIECE_S / 10)


def kinds(events: Iterable[SpeechEvent]) -> list[SpeechEventType]:
    """Return the types of events."""
    return [event.type for event in events]


async def main() -> None:
    """Call everything."""
    for model in (SERVER_VAD, OWN_VAD):
        with call(f"STT.stream, use_realtime, {model}"):
            events = await listen(model=model)
            finals = [event for event in events if event.type == SpeechEventType.FINAL_TRANSCRIPT]
            check(len(finals) == UTTERANCES, kinds(events))
            check(all(final.alternatives[0].text for final in finals), finals)
            known = (SpeechEventType.START_OF_SPEECH, SpeechEventType.END_OF_SPEECH)
            turns = [kind for kind in kinds(events) if kind in known]
            check(turns == [*known] * UTTERANCES, kinds(events))
            if model == SERVER_VAD:
                lengths = [e.recognition_usage.audio_duration for e in events if e.recognition_usage]
                check(all(1 < length < 4 for length in lengths), lengths)  # noqa: PLR2004 - an utterance, and a little
    for what, code, model, key in (
        ("wrong key: error", "invalid_api_key", SERVER_VAD, WRONG_KEY),
        ("unknown model: error", "model_not_found", "no-such-model", KEY),
    ):
        with call(f"STT.stream, use_realtime, {what}"):
            try:
                events = await listen(model=model, key=key)
            except APIError as error:
                check(isinstance(error.body, dict) and error.body["code"] == code, error)
            else:
                raise UnexpectedAnswerError(f"was not refused: {kinds(events)}")


async def outside_of_a_job() -> None:
    """Give LiveKit the session that a job would have."""
    async with utils.http_context.open():
        await main()


if __name__ == "__main__":
    asyncio.run(outside_of_a_job())
