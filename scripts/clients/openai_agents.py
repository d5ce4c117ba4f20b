"""OpenAI's agents: turns out of a stream of sound, and a pipeline that answers each turn aloud."""

import asyncio
import wave
from collections.abc import AsyncIterator

import numpy as np
from agents.voice import (  # type: ignore[import-not-found]
    AudioInput,
    OpenAISTTModel,
    OpenAITTSModel,
    StreamedAudioInput,
    STTModelSettings,
    VoicePipeline,
    VoicePipelineConfig,
    VoiceWorkflowBase,
)
from calls import (
    AUDIO,
    KEY,
    LIMIT_S,
    TEXT,
    URL,
    UTTERANCES,
    WRONG_KEY,
    UnexpectedAnswerError,
    call,
    check,
    spoken,
)
from openai import AsyncOpenAI

RATE = 24_000
SEMANTIC = STTModelSettings()
"""What the agents ask for when they are not told: semantic_vad."""
SERVER = STTModelSettings(
    language="en",
    prompt="Foxes and dogs.",
    turn_detection={"type": "server_vad", "silence_duration_ms": 500},
)


class Parrot(VoiceWorkflowBase):  # type: ignore[misc]
    """Answers each turn with a sentence, as a program with a language model would."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    async def run(self, transcription: str) -> AsyncIterator[str]:
        """Yield the answer to one turn."""
        self.heard.append(transcription)
        yield TEXT


def client(key: str = KEY) -> AsyncOpenAI:
    """Return the client that all of it talks with."""
    return AsyncOpenAI(base_url=URL, api_key=key, max_retries=0)


async def speak(audio: StreamedAudioInput) -> None:
    """Add what a microphone hears, to its end."""
    async for piece in spoken():
        await audio.add_audio(np.frombuffer(piece, "<i2"))
    await audio.add_audio(None)


async def transcripts() -> list[str]:
    """Return the text of each turn that the server tells apart."""
    return await turns(SEMANTIC)


async def turns(settings: STTModelSettings, *, model: str = "gpt-transcribe", key: str = KEY) -> list[str]:
    """Return the turns that the server tells apart."""
    audio = StreamedAudioInput()
    session = await OpenAISTTModel(model, client(key)).create_session(
        audio,
        settings,
        trace_include_sensitive_data=False,
        trace_include_sensitive_audio_data=False,
    )
    speaking = asyncio.create_task(speak(audio))
    try:
        async with asyncio.timeout(LIMIT_S):
            return [turn async for turn in session.transcribe_turns()]
    finally:
        speaking.cancel()


async def talk(audio: AudioInput | StreamedAudioInput) -> tuple[list[str], list[str], int]:
    """Run a pipeline; return what it heard, what happened, and the samples of all answers."""
    parrot = Parrot()
    pipeline = VoicePipeline(
        workflow=parrot,
        stt_model=OpenAISTTModel("gpt-transcribe", client()),
        tts_model=OpenAITTSModel("gpt-4o-mini-tts", client()),
        config=VoicePipelineConfig(tracing_disabled=True),
    )
    happened, samples = [], 0
    async with asyncio.timeout(LIMIT_S):
        result = await pipeline.run(audio)
        async for event in result.stream():
            if event.type == "voice_stream_event_audio":
                samples += 0 if event.data is None else len(event.data)
            else:
                happened.append(event.event)
    return parrot.heard, happened, samples


async def main() -> None:
    """Call everything."""
    for what, settings in (("semantic_vad", SEMANTIC), ("server_vad", SERVER)):
        with call(f"OpenAISTTModel.create_session, {what}"):
            found = await turns(settings)
            check(len(found) == UTTERANCES and all(found), found)
    with call("VoicePipeline.run, StreamedAudioInput"):
        streamed = StreamedAudioInput()
        speaking = asyncio.create_task(speak(streamed))
        heard, happened, samples = await talk(streamed)
        await speaking
        check(len(heard) == UTTERANCES and happened[-1] == "session_ended", (heard, happened))
        check(happened.count("turn_ended") == UTTERANCES and samples > UTTERANCES * RATE / 2, happened)
    with call("VoicePipeline.run, AudioInput"):
        with wave.open(str(AUDIO)) as file:
            sound = np.frombuffer(file.readframes(file.getnframes()), "<i2")
            rate = file.getframerate()
        heard, happened, samples = await talk(AudioInput(sound, frame_rate=rate))
        check(heard and samples > RATE / 2, (heard, happened))
    for what, key, model in (
        ("wrong key: invalid_api_key", WRONG_KEY, "gpt-transcribe"),
        ("unknown model: model_not_found", KEY, "no-such-model"),
    ):
        code = what.split()[-1]
        with call(f"OpenAISTTModel.create_session, {what}"):
            try:
                found = await turns(SERVER, model=model, key=key)
            except Exception as error:  # noqa: BLE001 - the client wraps what the server said
                check(code in chain(error), chain(error))
            else:
                raise UnexpectedAnswerError(f"was not refused: {found}")


def chain(error: BaseException | None) -> str:
    """Return the texts of an exception and its causes."""
    texts = []
    while error is not None:
        texts.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return "; ".join(texts)


if __name__ == "__main__":
    asyncio.run(main())
