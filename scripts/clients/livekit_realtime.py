"""LiveKit agents with the plugin for OpenAI: speech to text while it is spoken."""

import asyncio
from collections.abc import Iterable

from calls import KEY, LIMIT_S, URL, UTTERANCES, WRONG_KEY, UnexpectedAnswerError, call, check, spoken
from livekit import rtc  # type: ignore[import-not-found]
from livekit.agents import APIConnectOptions, APIError, utils  # type: ignore[import-not-found]
from livekit.agents.stt import SpeechEvent, SpeechEventType  # type: ignore[import-not-found]
from livekit.plugins import openai  # type: ignore[import-not-found]

ONCE = APIConnectOptions(max_retry=0, timeout=30)
RATE = 24_000
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
    """Send what the microphone hears."""
    async for piece in spoken(PIECE_S):
        stream.push_frame(rtc.AudioFrame(piece, RATE, 1, len(piece) // 2))


async def transcripts() -> list[str]:
    """Return the text of each utterance that the server tells apart."""
    async with utils.http_context.open():
        return finals(await listen())


def finals(events: Iterable[SpeechEvent]) -> list[str]:
    """Return the final texts among events."""
    return [e.alternatives[0].text for e in events if e.type == SpeechEventType.FINAL_TRANSCRIPT]


def kinds(events: Iterable[SpeechEvent]) -> list[SpeechEventType]:
    """Return the types of events."""
    return [event.type for event in events]


async def main() -> None:
    """Call everything."""
    for model in (SERVER_VAD, OWN_VAD):
        with call(f"STT.stream, use_realtime, {model}"):
            events = await listen(model=model)
            texts = finals(events)
            check(len(texts) == UTTERANCES and all(texts), (texts, kinds(events)))
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
